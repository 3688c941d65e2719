//! Scratch memory for invariants that go through the calls of a trace, kept from one trace to the next.

use std::cell::RefCell;

use super::keystream_reuse::Counters;
use crate::observation::{Before, Standings, Trace};

/// A trace is short, so that taking memory for it anew would cost more than going through it.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) standings: Standings,
    /// For each call of the trace, where what it names stood before it.
    pub(super) before: Vec<Before>,
    /// Whoever takes them clears them first.
    pub(super) counters: RefCell<Counters>,
}

impl Scratch {
    /// Follows the devices and sessions of a trace.
    pub(super) fn follow(&mut self, trace: &Trace) {
        let Self { standings, before, counters: _ } = self;
        standings.clear();
        before.clear();
        let calls = trace.calls.iter().enumerate();
        before.extend(calls.map(|(index, seen)| standings.follow(index, seen)));
    }
}
