//! What invariants write down while they go through the calls of a trace, in memory that is kept.

use std::cell::RefCell;

use super::double_finish::Refreshes;
use super::keystream_reuse::Counters;
use super::session_isolation::Owners;
use super::use_after_destroy::Lives;

/// One notebook for each invariant that needs one; whoever takes it starts on a blank page.
///
/// A trace is short, so that taking memory for it anew would cost more than going through it.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) lives: RefCell<Lives>,
    pub(super) owners: RefCell<Owners>,
    pub(super) refreshes: RefCell<Refreshes>,
    pub(super) counters: RefCell<Counters>,
}
