//! What a run has reached: states, transitions and depths, each as a number.
//!
//! They come from the driver's answers alone, so they mean the same for every driver.

use crate::observation::{DeviceStanding, Observation, Phase, Standings, Trace};
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
    standings: Standings,
    /// By session slot.
    progress: Vec<Progress>,
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
            standings: Standings::default(),
            progress: Vec::new(),
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

/// What was done with a session.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    submissions: u32,
    /// The call on it before, and whether that succeeded.
    last: usize,
}

/// How far a run has gone.
#[derive(Clone, Copy, Debug, Default)]
struct Depth {
    in_flight: u32,
    /// Bytes of what is in flight, as far as the answers tell: a retire that leaves some keeps all.
    bytes: u32,
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
        self.standings.clear();
        self.progress.clear();
        let longest = trace.limits.map_or(1, |limits| limits.buffer_len_max);
        let mut depth = Depth { bytes_step: (longest / 4).max(1), ..Depth::default() };
        let calls = &trace.calls[..trace.sequence_len.min(trace.calls.len())];
        for (index, seen) in calls.iter().enumerate() {
            self.call_count = self.call_count.saturating_add(1);
            self.note_call(seen);
            self.standings.follow(index, seen);
            if seen.is_ok() {
                self.note_depths(seen, &mut depth);
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

    fn note_call(&mut self, seen: &Observation) {
        let kind = 1 + seen.call.kind().index();
        let step = 2 * kind + usize::from(seen.is_ok());
        let last = self
            .progress_of(seen)
            .map_or(0, |progress| core::mem::replace(&mut progress.last, step));
        let phase = seen.session_slot.map_or(0, |slot| {
            let session = self.standings.session(Some(slot));
            number(session.phase())
        });
        self.note((phase * KINDS + kind) * 16 + answer(seen));
        self.note(TRIPLES + last * 2 * KINDS + step);
    }

    /// What was done with the session of a call, if that was created before.
    fn progress_of(&mut self, seen: &Observation) -> Option<&mut Progress> {
        let slot = usize::from(seen.session_slot?);
        let sessions = self.standings.sessions().len();
        self.progress.resize(sessions, Progress::default());
        self.progress.get_mut(slot)
    }

    /// Notes how far a call that succeeded has taken the run.
    fn note_depths(&mut self, seen: &Observation, depth: &mut Depth) {
        match seen.call {
            Call::CreateDevice => {
                let devices = self.standings.devices();
                let is_open =
                    |device: &&DeviceStanding| device.created.is_some() && device.ended.is_none();
                let (open, opened) = (devices.iter().filter(is_open).count(), devices.len());
                self.note_depth(Depth::OPEN, count(open));
                self.note_depth(Depth::OPENED, count(opened));
            }
            Call::CreateSession { .. } => {
                let sessions = self.standings.sessions().iter();
                let alive = sessions.clone().filter(|session| session.is_alive()).count();
                let created = sessions.filter(|session| session.device == seen.device_slot).count();
                self.note_depth(Depth::ALIVE, count(alive));
                self.note_depth(Depth::CREATED, count(created));
            }
            Call::SubmitBuffer { len, .. } => {
                depth.in_flight += 1;
                self.note_depth(Depth::IN_FLIGHT, depth.in_flight);
                depth.bytes = depth.bytes.saturating_add(len);
                self.note_depth(Depth::BYTES, depth.bytes / depth.bytes_step);
                if let Some(progress) = self.progress_of(seen) {
                    progress.submissions += 1;
                    let submissions = progress.submissions;
                    self.note_depth(Depth::SUBMISSIONS, submissions);
                }
            }
            Call::Retire { .. } => {
                depth.in_flight = depth.in_flight.saturating_sub(count(seen.completions.len()));
                if depth.in_flight == 0 {
                    depth.bytes = 0;
                }
            }
            Call::ResetEngine => {
                depth.resets += 1;
                self.note_depth(Depth::RESETS, depth.resets);
            }
            Call::FinishRefresh { .. } => {
                let session = self.standings.session(seen.session_slot);
                self.note_depth(Depth::REFRESHES, session.epoch);
            }
            _ => {}
        }
    }
}

/// The state of a session, as a number below 8; 0 stands for none.
fn number(phase: Phase) -> usize {
    match phase {
        Phase::Never => 0,
        Phase::Unkeyed => 1,
        Phase::Keyed => 2,
        Phase::Pending => 3,
        Phase::Lost => 4,
        Phase::Dead => 5,
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
