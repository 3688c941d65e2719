//! Writes what the model and the invariants remember of a sequence that held, for the exhaustive run.
//!
//! Two sequences that held end in the same state when this is the same for both, and so is all that the
//! driver, the client and the seams remember: whatever follows is then judged alike. What only changes
//! how a story is told is left out: at which call something happened, and which refused call could
//! explain a disagreement once there is one.

use super::{ALL, Model};
use crate::observation::{Observation, Standings, StateHash, Trace};

/// What an invariant remembers of a sequence that held.
pub(super) type Remembers = fn(&Remembered<'_>, &mut StateHash);

/// What there is to remember of a sequence that held.
pub(super) struct Remembered<'a> {
    /// Its calls.
    pub(super) calls: &'a [Observation],
    /// Where they left every device and session.
    pub(super) standings: &'a Standings,
}

/// For an invariant that judges each call, or each disagreement with the model, by itself.
pub(super) fn nothing(_remembered: &Remembered<'_>, _hash: &mut StateHash) {}

/// Writes what model and invariants remember of the sequence of a trace that broke nothing, without
/// its epilogue; `model` is used up for it.
pub fn write_remembered(trace: &Trace, model: &mut Model, hash: &mut StateHash) {
    let calls = trace.calls.get(..trace.sequence_len).unwrap_or_default();
    model.replay_first(trace, calls.len());
    model.write_state(hash);
    let standings = &mut model.scratch.standings;
    standings.clear();
    for (index, seen) in calls.iter().enumerate() {
        standings.follow(index, seen);
    }
    let remembered = Remembered { calls, standings };
    for invariant in ALL {
        (invariant.remembers)(&remembered, hash);
    }
}
