//! Tells the engine which states were reached, so that a new state is progress without new code.

use core::sync::atomic::{AtomicU8, Ordering};

use crate::observation::{Observation, Trace};
use crate::sequence::CallKind;

/// Counters that an engine reads after each input; libFuzzer calls them extra counters.
#[derive(Debug)]
#[repr(transparent)]
pub struct Counters([AtomicU8; COUNTERS]);

/// (phase, call, answer) triples, then depth marks.
const COUNTERS: usize = TRIPLES + DEPTHS;

/// Phases and answers are numbered below 8 and 16; there are fewer than 16 kinds of call.
const TRIPLES: usize = 8 * 16 * 16;

/// The most refreshes of a session, buffers in flight and sessions alive, each on a log scale.
const DEPTHS: usize = 3 * 16;

impl Default for Counters {
    fn default() -> Self {
        Self::new()
    }
}

impl Counters {
    /// All zero.
    #[must_use]
    pub const fn new() -> Self {
        Self([const { AtomicU8::new(0) }; COUNTERS])
    }

    fn set(&self, index: usize) {
        self.0[index].store(1, Ordering::Relaxed);
    }
}

/// Where a session stands, as far as the driver's answers tell.
#[derive(Clone, Copy, Default)]
struct Progress {
    phase: u8,
    refresh_count: u32,
}

const UNKEYED: u8 = 1;
const KEYED: u8 = 2;
const PENDING: u8 = 3;
const LOST: u8 = 4;
const DEAD: u8 = 5;

/// Works out the states of a trace; remembers which were ever reached.
pub(super) struct Feedback {
    sessions: Vec<Progress>,
    reached: [bool; TRIPLES],
}

impl Default for Feedback {
    fn default() -> Self {
        Self { sessions: Vec::new(), reached: [false; TRIPLES] }
    }
}

impl Feedback {
    /// Sets the counters of every state, answer and depth in the trace.
    pub(super) fn mark(&mut self, trace: &Trace, counters: &Counters) {
        self.sessions.clear();
        let (mut depth, mut deepest) = (Depth::default(), Depth::default());
        for seen in &trace.calls[..trace.sequence_len.min(trace.calls.len())] {
            let triple = triple_of(self.phase(seen), seen);
            counters.set(triple);
            self.reached[triple] = true;
            if seen.is_ok() {
                self.follow(seen, &mut depth);
                deepest = deepest.max(depth);
            }
        }
        for (kind, depth) in
            [deepest.refreshes, deepest.in_flight, deepest.alive].into_iter().enumerate()
        {
            counters.set(TRIPLES + kind * 16 + log_scale(depth));
        }
    }

    /// How many (phase, call, answer) triples were ever reached.
    pub(super) fn reached_count(&self) -> usize {
        self.reached.iter().filter(|&&reached| reached).count()
    }

    fn phase(&self, seen: &Observation) -> u8 {
        let session = seen.session_slot.and_then(|slot| self.sessions.get(usize::from(slot)));
        session.map_or(0, |session| session.phase)
    }

    fn follow(&mut self, seen: &Observation, depth: &mut Depth) {
        let slot = seen.session_slot.map_or(0, usize::from);
        match seen.call.kind() {
            CallKind::CreateSession => {
                self.sessions.resize(slot.max(self.sessions.len()), Progress::default());
                self.sessions.push(Progress { phase: UNKEYED, refresh_count: 0 });
                depth.alive += 1;
                return;
            }
            CallKind::SubmitBuffer => depth.in_flight += 1,
            CallKind::Retire => {
                let completed = u32::try_from(seen.completions.len()).unwrap_or(u32::MAX);
                depth.in_flight = depth.in_flight.saturating_sub(completed);
            }
            CallKind::ResetEngine => {
                let live = self.sessions.iter_mut().filter(|session| session.phase != DEAD);
                live.for_each(|session| session.phase = LOST);
            }
            _ => {}
        }
        let Some(session) = self.sessions.get_mut(slot).filter(|_| seen.session_slot.is_some())
        else {
            return;
        };
        match seen.call.kind() {
            CallKind::ExchangeKey => session.phase = KEYED,
            CallKind::StartRefresh => session.phase = PENDING,
            CallKind::FinishRefresh => {
                session.phase = KEYED;
                session.refresh_count += 1;
                depth.refreshes = session.refresh_count;
            }
            CallKind::DestroySession => {
                session.phase = DEAD;
                depth.alive = depth.alive.saturating_sub(1);
            }
            _ => {}
        }
    }
}

/// How far a run has gone.
#[derive(Clone, Copy, Default)]
struct Depth {
    refreshes: u32,
    in_flight: u32,
    alive: u32,
}

impl Depth {
    fn max(self, other: Self) -> Self {
        Self {
            refreshes: self.refreshes.max(other.refreshes),
            in_flight: self.in_flight.max(other.in_flight),
            alive: self.alive.max(other.alive),
        }
    }
}

fn triple_of(phase: u8, seen: &Observation) -> usize {
    // The low bits of a code tell those that a driver answers here apart.
    let answer = seen.code.map_or(15, |code| (code.0 ^ code.0 >> 4) as usize & 0xF);
    (usize::from(phase) * 16 + usize::from(seen.call.kind().opcode() & 0xF)) * 16 + answer
}

/// 0, 1, 2, 3-4, 5-8, ... as 0, 1, 2, 3, 4, ...
fn log_scale(depth: u32) -> usize {
    (u32::BITS - depth.saturating_sub(1).leading_zeros()) as usize % 15 + usize::from(depth > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequence::Call;
    use rekeylab_ddi::Hresult;

    #[test]
    fn the_answers_of_the_driver_are_told_apart() {
        let codes = [
            Hresult::S_OK,
            Hresult::E_FAIL,
            Hresult::E_INVALIDARG,
            Hresult::E_OUTOFMEMORY,
            Hresult::D3DDDIERR_INVALIDCALL,
            Hresult::D3DDDIERR_INVALIDHANDLE,
            Hresult::D3DDDIERR_NOTAVAILABLE,
            Hresult::D3DDDIERR_UNSUPPORTEDCRYPTO,
            Hresult::D3DDDIERR_WASSTILLDRAWING,
        ];
        let triples: std::collections::BTreeSet<usize> = codes
            .iter()
            .map(|&code| {
                let seen = Observation { code: Some(code), ..Observation::new(Call::ResetEngine) };
                triple_of(0, &seen)
            })
            .collect();
        assert_eq!(triples.len(), codes.len());
    }

    #[test]
    fn depth_is_counted_on_a_log_scale() {
        let scale: Vec<usize> = [0, 1, 2, 3, 4, 5, 8, 9, 16].map(log_scale).to_vec();
        assert_eq!(scale, [0, 1, 2, 3, 3, 4, 4, 5, 5]);
        assert!(log_scale(u32::MAX) < 16);
    }
}
