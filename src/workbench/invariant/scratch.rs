//! Scratch memory for invariants that go through the calls of a trace, kept from one trace to the next.

use std::cell::RefCell;

use super::keystream_reuse::Counters;
use crate::observation::Standings;

/// For each invariant that needs some; whoever takes it clears it first.
///
/// A trace is short, so that taking memory for it anew would cost more than going through it.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) standings: RefCell<Standings>,
    pub(super) counters: RefCell<Counters>,
}
