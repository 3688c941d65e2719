//! Calls made over and over: the way to bounds and to the ends of counters.

use rand::Rng;

use super::call::{Call, SessionRef, Slot};
use super::dice;
use super::kind::CallKind;
use super::sketch::Sketch;

/// A few calls that lead to a bound when they are made over and over.
struct Cycle {
    kinds: &'static [CallKind],
    /// How often: around the bounds that it leads to.
    times: &'static [u32],
    /// One cycle in the sum of all weights is this one.
    weight: u32,
}

const CYCLES: &[Cycle] = &[
    // The queue, in bytes with few long buffers and in commands with many short ones.
    Cycle {
        kinds: &[CallKind::SubmitBuffer],
        times: &[3, 4, 4, 5, 8, 9, 16, 17, 31, 32, 32, 33, 33],
        weight: 6,
    },
    // Fences, and the homes of captured keys.
    Cycle { kinds: &[CallKind::SubmitBuffer, CallKind::Retire], times: &[8, 16, 33], weight: 1 },
    // Epochs.
    Cycle {
        kinds: &[CallKind::StartRefresh, CallKind::FinishRefresh],
        times: &[3, 4, 5, 8, 9],
        weight: 2,
    },
    Cycle {
        kinds: &[CallKind::StartRefresh, CallKind::FinishRefresh, CallKind::SubmitBuffer],
        times: &[3, 5, 8, 9],
        weight: 2,
    },
    // Tables.
    Cycle { kinds: &[CallKind::CreateSession], times: &[6, 7, 8, 9], weight: 2 },
    Cycle { kinds: &[CallKind::CreateDevice], times: &[2, 3, 4], weight: 1 },
    // Generations of handles.
    Cycle {
        kinds: &[CallKind::CreateSession, CallKind::DestroySession],
        times: &[2, 3, 4, 12, 24],
        weight: 2,
    },
    Cycle {
        kinds: &[CallKind::CreateDevice, CallKind::DestroyDevice],
        times: &[2, 3, 12, 13],
        weight: 2,
    },
    // What fails, and may keep something each time.
    Cycle {
        kinds: &[CallKind::InjectAllocationFailure, CallKind::CreateSession],
        times: &[1, 4, 8, 9],
        weight: 2,
    },
    Cycle {
        kinds: &[CallKind::InjectAllocationFailure, CallKind::CreateDevice],
        times: &[1, 3, 4, 5],
        weight: 2,
    },
    Cycle {
        kinds: &[CallKind::InjectAllocationFailure, CallKind::SubmitBuffer],
        times: &[3, 4, 5, 33],
        weight: 1,
    },
    // What happens twice.
    Cycle { kinds: &[CallKind::ResetEngine], times: &[2, 3], weight: 1 },
];

/// Lengths of buffers: few of those of the first half fill the queue, many of the second.
const LENS: &[u32] = &[1024, 1024, 512, 128, 16];

fn draw(rng: &mut impl Rng) -> &'static Cycle {
    let mut left = dice::below(rng, CYCLES.iter().map(|cycle| cycle.weight).sum());
    let mut cycles = CYCLES.iter();
    let is_it = |cycle: &&Cycle| match left.checked_sub(cycle.weight) {
        Some(rest) => {
            left = rest;
            false
        }
        None => true,
    };
    cycles.find(is_it).unwrap_or(&CYCLES[0])
}

/// Gives `next` the calls of a cycle, about this session, `room` of them at most, and two more.
///
/// Their arguments are plain, so that each one succeeds if it can.
pub(super) fn cycle(
    rng: &mut impl Rng,
    sketch: &Sketch,
    session: Option<usize>,
    room: usize,
    mut next: impl FnMut(Call),
) {
    let Cycle { kinds, times, .. } = *draw(rng);
    let times = dice::pick(rng, times) as usize;
    let fails_after = dice::below(rng, 3);
    let (long, short) = LENS.split_at(3);
    let submit_len = dice::pick(rng, if times < 8 { long } else { short });
    let (mut session_count, mut device_count) = (sketch.sessions.len(), sketch.devices.len());
    let mut session = session.unwrap_or(0);
    let device = sketch.sessions.get(session).and_then(|session| session.device);
    let device = device.or(sketch.devices.iter().rposition(|&is_open| is_open)).unwrap_or(0);
    let mut device = slot(device);
    let mut next_iv = sketch.sessions.get(session).map_or(1, |session| session.next_iv);
    let mut make = |kind: CallKind| {
        let mut call = kind.plain();
        match &mut call {
            Call::CreateSession { device: on, .. } => {
                *on = device;
                session = session_count;
                session_count += 1;
            }
            Call::CreateDevice => {
                device = slot(device_count);
                device_count += 1;
            }
            Call::DestroyDevice { device: which } => *which = device,
            Call::InjectAllocationFailure { after } => *after = fails_after,
            Call::SubmitBuffer { iv, len, .. } => {
                (*iv, *len) = (next_iv, submit_len);
                next_iv = next_iv.saturating_add(1);
            }
            _ => {}
        }
        if let Some(target) = call.session_mut() {
            *target = SessionRef { slot: slot(session), via: None };
        }
        call
    };
    for &kind in kinds.iter().cycle().take((times * kinds.len()).min(room)) {
        next(make(kind));
    }
    // What has failed is tried once more.
    if let &[CallKind::InjectAllocationFailure, failed] = kinds {
        next(make(failed));
    }
    // What it filled or used up is then lost or left behind, now and then.
    let session = SessionRef { slot: slot(session), via: None };
    match dice::below(rng, 6) {
        0 => next(Call::ResetEngine),
        1 => next(Call::DestroySession { session }),
        _ => {}
    }
}

fn slot(index: usize) -> Slot {
    Slot(u8::try_from(index).unwrap_or(u8::MAX))
}
