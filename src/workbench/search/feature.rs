//! What a run has reached: states, transitions and depths, each as a number.
//!
//! They come from the driver's answers alone, so they mean the same for every driver.

use crate::observation::{Observation, Trace};
use crate::sequence::{Call, CallKind};

/// How many features there are.
pub const FEATURES: usize = TRIPLES + STEPS + DEPTHS;

/// Kinds of call, counted from 1; 0 stands for none.
const KINDS: usize = 1 + CallKind::ALL.len();

/// (where the session stood, call, answer). Phases are fewer than 8, answers fewer than 16.
const TRIPLES: usize = 8 * KINDS * 16;

/// (call on the session before, whether it succeeded, call, whether it succeeds).
const STEPS: usize = (2 * KINDS) * (2 * KINDS);

/// How far runs went, on each scale.
const DEPTHS: usize = Depth::SCALES * MARKS;

/// Marks of one scale: every depth up to 39, then one for each doubling.
const MARKS: usize = 64;

/// Works out the features of traces; keeps its memory from one to the next.
#[derive(Debug)]
pub struct Features {
    sessions: Vec<Progress>,
    devices: Vec<u32>,
    /// Each feature once, in the order in which it was reached.
    reached: Vec<Reached>,
    /// How many calls were followed.
    call_count: u16,
    /// Whether a feature is in `reached`.
    is_reached: Box<[bool; FEATURES]>,
}

impl Default for Features {
    fn default() -> Self {
        Self {
            sessions: Vec::new(),
            devices: Vec::new(),
            reached: Vec::new(),
            call_count: 0,
            is_reached: Box::new([false; FEATURES]),
        }
    }
}

/// A feature that a trace has reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reached {
    /// Which one; below [`FEATURES`].
    pub feature: u16,
    /// After how many calls.
    pub after: u16,
}

/// Where a session stands, as far as the driver's answers tell.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    phase: u8,
    owner: Option<u16>,
    refreshes: u32,
    submissions: u32,
    /// The call on it before, and whether that succeeded.
    last: usize,
}

const UNKEYED: u8 = 1;
const KEYED: u8 = 2;
const PENDING: u8 = 3;
const LOST: u8 = 4;
const DEAD: u8 = 5;

/// How far a run has gone.
#[derive(Clone, Copy, Debug, Default)]
struct Depth {
    in_flight: u32,
    /// Bytes of what is in flight, as far as the answers tell: a retire that leaves some keeps all.
    bytes: u32,
    alive: u32,
    open: u32,
    resets: u32,
    /// How many bytes are a step: a quarter of the longest buffer.
    bytes_step: u32,
}

impl Depth {
    const SCALES: usize = 9;
    const IN_FLIGHT: usize = 0;
    const ALIVE: usize = 1;
    const OPEN: usize = 2;
    const RESETS: usize = 3;
    const REFRESHES: usize = 4;
    const SUBMISSIONS: usize = 5;
    /// Sessions that one device made.
    const CREATED: usize = 6;
    const OPENED: usize = 7;
    /// Quarters of the longest buffer that are in flight.
    const BYTES: usize = 8;
}

impl Features {
    /// The features that a trace reached, each once.
    pub fn of(&mut self, trace: &Trace) -> &[Reached] {
        for Reached { feature, .. } in self.reached.drain(..) {
            self.is_reached[usize::from(feature)] = false;
        }
        self.call_count = 0;
        self.sessions.clear();
        self.devices.clear();
        let longest = trace.limits.map_or(1, |limits| limits.buffer_len_max);
        let mut depth = Depth { bytes_step: (longest / 4).max(1), ..Depth::default() };
        for seen in &trace.calls[..trace.sequence_len.min(trace.calls.len())] {
            self.call_count = self.call_count.saturating_add(1);
            let kind = seen.call.kind();
            self.note_call(seen, kind);
            if seen.is_ok() {
                self.follow(seen, kind, &mut depth);
            }
        }
        &self.reached
    }

    fn note(&mut self, feature: usize) {
        let is_reached = &mut self.is_reached[feature];
        if !*is_reached {
            *is_reached = true;
            let feature = u16::try_from(feature).expect("FEATURES fits 16 bits");
            self.reached.push(Reached { feature, after: self.call_count });
        }
    }

    fn note_depth(&mut self, scale: usize, depth: u32) {
        self.note(TRIPLES + STEPS + scale * MARKS + mark(depth));
    }

    fn note_call(&mut self, seen: &Observation, kind: CallKind) {
        let slot = seen.session_slot.map(usize::from);
        let session = slot.and_then(|slot| self.sessions.get_mut(slot));
        let kind = 1 + kind.index();
        let step = 2 * kind + usize::from(seen.is_ok());
        let (phase, last) = session
            .map_or((0, 0), |session| (session.phase, std::mem::replace(&mut session.last, step)));
        self.note((usize::from(phase) * KINDS + kind) * 16 + answer(seen));
        self.note(TRIPLES + last * 2 * KINDS + step);
    }

    /// Follows a call that succeeded.
    fn follow(&mut self, seen: &Observation, kind: CallKind, depth: &mut Depth) {
        match kind {
            CallKind::CreateDevice => {
                depth.open += 1;
                self.devices.push(0);
                self.note_depth(Depth::OPEN, depth.open);
                self.note_depth(Depth::OPENED, count(self.devices.len()));
                return;
            }
            CallKind::DestroyDevice => {
                depth.open = depth.open.saturating_sub(1);
                for session in &mut self.sessions {
                    if session.owner == seen.device_slot && session.phase != DEAD {
                        session.phase = DEAD;
                        depth.alive = depth.alive.saturating_sub(1);
                    }
                }
                return;
            }
            CallKind::CreateSession => {
                let slot = seen.session_slot.map_or(0, usize::from);
                self.sessions.resize(slot.max(self.sessions.len()), Progress::default());
                let fresh =
                    Progress { phase: UNKEYED, owner: seen.device_slot, ..Progress::default() };
                self.sessions.push(fresh);
                depth.alive += 1;
                self.note_depth(Depth::ALIVE, depth.alive);
                let device = seen.device_slot.map_or(0, usize::from);
                if let Some(created) = self.devices.get_mut(device) {
                    *created += 1;
                    let created = *created;
                    self.note_depth(Depth::CREATED, created);
                }
                return;
            }
            CallKind::SubmitBuffer => {
                depth.in_flight += 1;
                self.note_depth(Depth::IN_FLIGHT, depth.in_flight);
                if let Call::SubmitBuffer { len, .. } = seen.call {
                    depth.bytes = depth.bytes.saturating_add(len);
                    self.note_depth(Depth::BYTES, depth.bytes / depth.bytes_step);
                }
            }
            CallKind::Retire => {
                depth.in_flight = depth.in_flight.saturating_sub(count(seen.completions.len()));
                if depth.in_flight == 0 {
                    depth.bytes = 0;
                }
            }
            CallKind::ResetEngine => {
                depth.resets += 1;
                self.note_depth(Depth::RESETS, depth.resets);
                let live = self.sessions.iter_mut().filter(|session| session.phase != DEAD);
                live.for_each(|session| session.phase = LOST);
            }
            _ => {}
        }
        let slot = seen.session_slot.map(usize::from);
        let Some(session) = slot.and_then(|slot| self.sessions.get_mut(slot)) else { return };
        match kind {
            CallKind::ExchangeKey => session.phase = KEYED,
            CallKind::StartRefresh => session.phase = PENDING,
            CallKind::FinishRefresh => {
                session.phase = KEYED;
                session.refreshes += 1;
                let refreshes = session.refreshes;
                self.note_depth(Depth::REFRESHES, refreshes);
            }
            CallKind::SubmitBuffer => {
                session.submissions += 1;
                let submissions = session.submissions;
                self.note_depth(Depth::SUBMISSIONS, submissions);
            }
            CallKind::DestroySession => {
                session.phase = DEAD;
                depth.alive = depth.alive.saturating_sub(1);
            }
            _ => {}
        }
    }
}

/// The low bits of a code tell those that a driver answers here apart.
fn answer(seen: &Observation) -> usize {
    seen.code.map_or(15, |code| (code.0 ^ code.0 >> 4) as usize & 0xF)
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// The mark of a depth: every depth up to 39, then one for each doubling.
fn mark(depth: u32) -> usize {
    match depth {
        0..40 => depth as usize,
        _ => (40 + depth.ilog2() as usize - 5).min(MARKS - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let answers: std::collections::BTreeSet<usize> = codes
            .iter()
            .map(|&code| {
                answer(&Observation { code: Some(code), ..Observation::new(Call::ResetEngine) })
            })
            .collect();
        assert_eq!(answers.len(), codes.len());
    }

    #[test]
    fn depth_is_counted_one_by_one_and_then_by_doublings() {
        let marks: Vec<usize> = [0, 1, 39, 40, 63, 64, 127, 128].map(mark).to_vec();
        assert_eq!(marks, [0, 1, 39, 40, 40, 41, 41, 42]);
        assert!(mark(u32::MAX) < MARKS);
    }
}
