//! Calls made over and over: the way to bounds and to the ends of counters.

use rand::Rng;
use rekeylab_ddi::Limits;

use super::dice;
use super::sketch::Sketch;
use crate::sequence::call::{CALLS_MAX, Call, CallKind};
use crate::sequence::slot::{SessionRef, Slot};

/// A few calls that lead to a bound when they are made over and over.
struct Cycle {
    kinds: &'static [CallKind],
    /// How often: around the bounds that it leads to.
    times: &'static [fn(&Bounds) -> u32],
    /// How often this one is chosen, relative to the weights of the others.
    weight: u32,
}

/// What the limits of a driver come to, in calls: none is more than a sequence has room for, so that a
/// limit that says "no limit" does no harm either.
struct Bounds {
    /// Commands that fill the queue.
    commands: u32,
    /// Buffers of the greatest length that fill it.
    longest: u32,
    devices: u32,
    sessions: u32,
    generations: u32,
}

impl Bounds {
    fn of(limits: &Limits) -> Self {
        let most = u32::try_from(CALLS_MAX).unwrap_or(u32::MAX);
        Self {
            commands: limits.queue_commands_max.min(most),
            longest: (limits.queue_len_max / limits.buffer_len_max.max(1)).min(most),
            devices: limits.devices_max.min(most),
            sessions: limits.sessions_max.min(most),
            generations: limits.generations_max.min(most),
        }
    }
}

const CYCLES: &[Cycle] = &[
    // The queue, in bytes with few long buffers and in commands with many short ones.
    Cycle {
        kinds: &[CallKind::SubmitBuffer],
        times: &[
            |to| to.longest.saturating_sub(1),
            |to| to.longest,
            |to| to.longest,
            |to| to.longest + 1,
            |to| to.longest * 2,
            |to| to.longest * 2 + 1,
            |to| to.commands / 2,
            |to| to.commands / 2 + 1,
            |to| to.commands.saturating_sub(1),
            |to| to.commands,
            |to| to.commands,
            |to| to.commands + 1,
            |to| to.commands + 1,
        ],
        weight: 6,
    },
    // Fences, and the homes of captured keys.
    Cycle {
        kinds: &[CallKind::SubmitBuffer, CallKind::Retire],
        times: &[|to| to.commands / 4, |to| to.commands / 2, |to| to.commands + 1],
        weight: 1,
    },
    // Epochs.
    Cycle {
        kinds: &[CallKind::StartRefresh, CallKind::FinishRefresh],
        times: &[|_| 3, |_| 4, |_| 5, |_| 8, |_| 9],
        weight: 2,
    },
    Cycle {
        kinds: &[CallKind::StartRefresh, CallKind::FinishRefresh, CallKind::SubmitBuffer],
        times: &[|_| 3, |_| 5, |_| 8, |_| 9],
        weight: 2,
    },
    // Read-back keys, each in the place of the one before or behind a refresh.
    Cycle { kinds: &[CallKind::EncryptionBltKey], times: &[|_| 2, |_| 3, |_| 4, |_| 9], weight: 1 },
    Cycle {
        kinds: &[CallKind::EncryptionBltKey, CallKind::StartRefresh, CallKind::FinishRefresh],
        times: &[|_| 2, |_| 3, |_| 5],
        weight: 1,
    },
    // Tables.
    Cycle {
        kinds: &[CallKind::CreateSession],
        times: &[
            |to| to.sessions.saturating_sub(2),
            |to| to.sessions.saturating_sub(1),
            |to| to.sessions,
            |to| to.sessions + 1,
        ],
        weight: 2,
    },
    Cycle {
        kinds: &[CallKind::CreateDevice],
        times: &[
            |to| to.devices.saturating_sub(2),
            |to| to.devices.saturating_sub(1),
            |to| to.devices,
        ],
        weight: 1,
    },
    // Generations of handles: those of one slot, of half a table and of a whole one.
    Cycle {
        kinds: &[CallKind::CreateSession, CallKind::DestroySession],
        times: &[
            |to| to.generations.saturating_sub(1),
            |to| to.generations,
            |to| to.generations + 1,
            |to| to.generations * to.sessions / 2,
            |to| to.generations * to.sessions,
        ],
        weight: 2,
    },
    Cycle {
        kinds: &[CallKind::CreateDevice, CallKind::DestroyDevice],
        times: &[
            |to| to.generations.saturating_sub(1),
            |to| to.generations,
            |to| to.generations * to.devices,
            |to| to.generations * to.devices + 1,
        ],
        weight: 2,
    },
    // What fails, and may keep something each time.
    Cycle {
        kinds: &[CallKind::InjectAllocationFailure, CallKind::CreateSession],
        times: &[|_| 1, |to| to.sessions / 2, |to| to.sessions, |to| to.sessions + 1],
        weight: 2,
    },
    Cycle {
        kinds: &[CallKind::InjectAllocationFailure, CallKind::CreateDevice],
        times: &[|_| 1, |to| to.devices.saturating_sub(1), |to| to.devices, |to| to.devices + 1],
        weight: 2,
    },
    Cycle {
        kinds: &[CallKind::InjectAllocationFailure, CallKind::SubmitBuffer],
        times: &[
            |to| to.longest.saturating_sub(1),
            |to| to.longest,
            |to| to.longest + 1,
            |to| to.commands + 1,
        ],
        weight: 1,
    },
    // What happens twice.
    Cycle { kinds: &[CallKind::ResetEngine], times: &[|_| 2, |_| 3], weight: 1 },
];

/// Lengths of buffers: few of the first three fill the queue, many of the last two.
fn lens(limits: &Limits) -> [u32; 5] {
    let (longest, block) = (limits.buffer_len_max, limits.block_alignment.max(1));
    let whole = |len: u32| (len / block).max(1) * block;
    [longest, longest, whole(longest / 2), whole(longest / 8), block]
}

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
    limits: &Limits,
    sketch: &Sketch,
    session: Option<usize>,
    room: usize,
    next: impl FnMut(Call),
) {
    let Cycle { kinds, times, .. } = *draw(rng);
    let times = dice::pick(rng, times)(&Bounds::of(limits)) as usize;
    repeat(rng, limits, sketch, session, (kinds, times), room, next);
}

/// Calls made so often that a counter of seven or eight bits comes round, on the first session.
pub(super) fn long_cycle(
    rng: &mut impl Rng,
    limits: &Limits,
    sketch: &Sketch,
    room: usize,
    next: impl FnMut(Call),
) {
    let kinds = dice::pick(rng, LONG);
    let times = dice::pick(rng, &[129, 256, 257, 300, 400]);
    repeat(rng, limits, sketch, Some(0), (kinds, times), room, next);
}

/// What is made for long; none of it fills anything up.
const LONG: &[&[CallKind]] = &[
    &[CallKind::StartRefresh, CallKind::FinishRefresh],
    &[CallKind::StartRefresh, CallKind::FinishRefresh],
    &[CallKind::SubmitBuffer, CallKind::Retire],
    &[CallKind::StartRefresh, CallKind::FinishRefresh, CallKind::SubmitBuffer, CallKind::Retire],
    &[CallKind::CreateSession, CallKind::DestroySession],
    &[CallKind::CreateDevice, CallKind::DestroyDevice],
];

fn repeat(
    rng: &mut impl Rng,
    limits: &Limits,
    sketch: &Sketch,
    session: Option<usize>,
    (kinds, times): (&[CallKind], usize),
    room: usize,
    mut next: impl FnMut(Call),
) {
    let fails_after = dice::below(rng, 3);
    let lens = lens(limits);
    let (long, short) = lens.split_at(3);
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
            Call::DestroyDevice { device: which, .. } => *which = device,
            Call::InjectAllocationFailure { after } => *after = fails_after,
            Call::SubmitBuffer { iv, len, .. } => {
                (*iv, *len) = (next_iv, submit_len);
                next_iv = next_iv.saturating_add(1);
            }
            _ => {}
        }
        if let Some(target) = call.session_mut() {
            *target = SessionRef { slot: slot(session), ..SessionRef::default() };
        }
        call
    };
    for &kind in kinds.iter().cycle().take(times.saturating_mul(kinds.len()).min(room)) {
        next(make(kind));
    }
    // What has failed is tried once more.
    if let &[CallKind::InjectAllocationFailure, failed] = kinds {
        next(make(failed));
    }
    // What it filled or used up is then lost or left behind, now and then.
    let session = SessionRef { slot: slot(session), ..SessionRef::default() };
    match dice::below(rng, 6) {
        0 => next(Call::ResetEngine),
        1 => next(Call::DestroySession { session }),
        _ => {}
    }
}

fn slot(index: usize) -> Slot {
    Slot(u8::try_from(index).unwrap_or(u8::MAX))
}
