//! What invariants write down while they go through the calls of a trace, in memory that is kept.

use std::cell::RefCell;

use super::keystream_reuse::Counters;
use crate::observation::Standings;

/// One notebook for each invariant that needs one; whoever takes it starts on a blank page.
///
/// A trace is short, so that taking memory for it anew would cost more than going through it.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) standings: RefCell<Standings>,
    pub(super) counters: RefCell<Counters>,
}
