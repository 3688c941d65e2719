//! Makes sequences from nothing: mostly meaningful, often with something aimed wrong.

use rand::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

use super::call::{CALLS_MAX, Call, CallSequence, SessionRef, Slot};
use super::cycle::cycle;
use super::ending::append_ending;
use super::kind::CallKind;
use super::options::SearchOptions;
use super::sketch::Sketch;
use super::words::{Blob, CryptoType, DecodeProfile, EntropyFault, NullPointer};
use super::{boundary, dice};

/// The sequence that grows from a seed: the same on every machine and in every run.
///
/// A later version may search differently, and grow another; what must last is kept as text.
#[must_use]
pub fn generate_from_seed(seed: u64, options: &SearchOptions) -> CallSequence {
    let mut sequence = CallSequence::default();
    generate(&mut Xoshiro256PlusPlus::seed_from_u64(seed), options, &mut sequence);
    sequence
}

/// Replaces `sequence` by a new one.
pub fn generate(rng: &mut impl Rng, options: &SearchOptions, sequence: &mut CallSequence) {
    let spread = options.calls_max.saturating_sub(options.calls_min).saturating_add(1);
    let mut count = options.calls_min.saturating_add(dice::below(rng, spread)) as usize;
    let calls = &mut sequence.calls;
    calls.clear();
    let mut sketch = Sketch::default();
    if options.repetition && dice::one_in(rng, CYCLE_ODDS) {
        let start = dice::index(rng, count);
        extend(rng, options, &mut sketch, calls, start);
        append_cycle(rng, options, &mut sketch, calls);
        count = count.max(calls.len() + count / 2);
    }
    extend(rng, options, &mut sketch, calls, count);
    if options.ending {
        append_ending(rng, &mut sketch, calls);
    }
    calls.truncate(CALLS_MAX);
}

/// Appends some calls to a sequence that has led somewhere.
pub fn go_on(rng: &mut impl Rng, options: &SearchOptions, sequence: &mut CallSequence) {
    let calls = &mut sequence.calls;
    let mut sketch = Sketch::default();
    sketch.draw(calls);
    let mut count = calls.len() + 1 + dice::below(rng, MORE_CALLS_MAX) as usize;
    if options.repetition && dice::one_in(rng, CYCLE_ODDS_LATER) {
        append_cycle(rng, options, &mut sketch, calls);
        count = count.max(calls.len() + CALLS_AFTER_CYCLE);
    }
    extend(rng, options, &mut sketch, calls, count);
    calls.truncate(CALLS_MAX);
}

/// One sequence in so many makes some calls over and over.
const CYCLE_ODDS: u32 = 8;

/// Of those that go on from somewhere, one in so many does.
const CYCLE_ODDS_LATER: u32 = 2;

/// One call in so many is made again at once.
const AGAIN_ODDS: u32 = 12;

/// After one in so many cycles comes another.
const NEXT_CYCLE_ODDS: u32 = 4;

/// Most calls of such a cycle.
pub(super) const CYCLE_MAX: usize = 80;

/// Most calls that are appended to go on, not counting a cycle.
const MORE_CALLS_MAX: u32 = 24;

/// Fewest calls after a cycle: what it has filled shows in what comes next.
const CALLS_AFTER_CYCLE: usize = 4;

fn append_cycle(
    rng: &mut impl Rng,
    options: &SearchOptions,
    sketch: &mut Sketch,
    calls: &mut Vec<Call>,
) {
    loop {
        let session = target(rng, options, sketch);
        let before = sketch.clone();
        cycle(rng, &before, session, CYCLE_MAX, |call| {
            sketch.note(&call);
            calls.push(call);
        });
        if !dice::one_in(rng, NEXT_CYCLE_ODDS) {
            return;
        }
    }
}

/// Appends calls until there are `count`; `sketch` stands at the end of those there are.
pub(super) fn extend(
    rng: &mut impl Rng,
    options: &SearchOptions,
    sketch: &mut Sketch,
    calls: &mut Vec<Call>,
    count: usize,
) {
    while calls.len() < count.min(CALLS_MAX) {
        let call = next_call(rng, options, sketch);
        sketch.note(&call);
        calls.push(call);
    }
}

/// A call that makes sense at this point, most of the time.
pub(super) fn next_call(rng: &mut impl Rng, options: &SearchOptions, sketch: &Sketch) -> Call {
    if let Some(last) = sketch.last
        && options.repetition
        && dice::one_in(rng, AGAIN_ODDS)
    {
        return last;
    }
    let session = target(rng, options, sketch);
    let kind = next_kind(rng, options, sketch, session);
    fill(rng, options, sketch, kind, session)
}

/// The session that the next call is about: a recent live one, or any.
pub(super) fn target(
    rng: &mut impl Rng,
    options: &SearchOptions,
    sketch: &Sketch,
) -> Option<usize> {
    let count = sketch.sessions.len().min(256);
    if count == 0 {
        return None;
    }
    if options.misdirection && sketch.ended.is_some() && dice::one_in(rng, 3) {
        return sketch.ended;
    }
    let any = dice::index(rng, count);
    if options.misdirection && dice::one_in(rng, 6) {
        let dead = (any..count).chain(0..any).find(|&index| !sketch.sessions[index].is_alive);
        return dead.or(Some(any));
    }
    // The live session next below a random one, around the end.
    let below = (0..=any).rev().chain((any + 1..count).rev());
    below.into_iter().find(|&index| sketch.sessions[index].is_alive).or(Some(any))
}

/// Odds of the kinds, in the order of [`CallKind::ALL`], by what the session is ready for.
///
/// Columns: create, destroy device; create, destroy session; exchange; start, finish; submit,
/// status; retire, reset; entropy, allocation.
const ODDS: [[u8; 13]; 7] = [
    // No device is open.
    [80, 1, 4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
    // No session is alive.
    [4, 1, 60, 3, 3, 3, 3, 5, 2, 3, 1, 1, 1],
    // The session has no key.
    [2, 1, 2, 3, 48, 3, 2, 3, 2, 2, 1, 1, 2],
    // The session has a key.
    [2, 1, 3, 4, 2, 24, 4, 30, 3, 10, 2, 3, 3],
    // The session is between start and finish.
    [1, 1, 2, 5, 2, 5, 34, 20, 3, 8, 3, 2, 3],
    // Nothing is known about sessions: the search without dependencies.
    [4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4],
    // The session is dead or lost, and others live or it has only just ended.
    [2, 1, 8, 8, 6, 6, 6, 8, 12, 3, 2, 1, 1],
];

fn next_kind(
    rng: &mut impl Rng,
    options: &SearchOptions,
    sketch: &Sketch,
    session: Option<usize>,
) -> CallKind {
    let is_dead = session.is_some_and(|index| !sketch.sessions[index].is_alive);
    let is_wanted = sketch.ended == session || sketch.sessions.iter().any(|one| one.is_alive);
    let session = session.map(|index| sketch.sessions[index]).filter(|session| session.is_alive);
    let row = match session {
        _ if !options.dependencies => 5,
        None if is_dead && is_wanted => 6,
        None if !sketch.devices.contains(&true) => 0,
        None => 1,
        Some(session) if session.is_pending => 4,
        Some(session) if session.is_keyed => 3,
        Some(_) => 2,
    };
    if options.dependencies
        && let Some(injected) = sketch.injected
        && let Some(kind) = wanted_after(rng, injected)
    {
        return kind;
    }
    let odds = || CallKind::ALL.iter().zip(ODDS[row]);
    let mut left = dice::below(rng, odds().map(|(_, odds)| u32::from(odds)).sum());
    for (&kind, odds) in odds() {
        match left.checked_sub(u32::from(odds)) {
            Some(rest) => left = rest,
            None => return kind,
        }
    }
    unreachable!("less than the sum is left at the start")
}

/// Mostly, a call that the injected fault can hit.
fn wanted_after(rng: &mut impl Rng, injected: CallKind) -> Option<CallKind> {
    const ALLOCATING: &[CallKind] =
        &[CallKind::CreateDevice, CallKind::CreateSession, CallKind::SubmitBuffer];
    if dice::one_in(rng, 3) {
        return None;
    }
    match injected {
        CallKind::InjectEntropy => Some(CallKind::StartRefresh),
        _ => Some(dice::pick(rng, ALLOCATING)),
    }
}

/// A call of this kind, about this session, with arguments that fit or tempt.
fn fill(
    rng: &mut impl Rng,
    options: &SearchOptions,
    sketch: &Sketch,
    kind: CallKind,
    target: Option<usize>,
) -> Call {
    let session = SessionRef { slot: slot_of(target), via: foreign_device(rng, options) };
    let rarely = |rng: &mut _, odds| options.boundaries && dice::one_in(rng, odds);
    match kind {
        CallKind::DestroyDevice => Call::DestroyDevice { device: device(rng, options, sketch) },
        CallKind::CreateSession => Call::CreateSession {
            device: device(rng, options, sketch),
            crypto: if rarely(rng, 16) {
                dice::pick(rng, CryptoType::ALL)
            } else {
                CryptoType::default()
            },
            profile: if rarely(rng, 8) {
                dice::pick(rng, DecodeProfile::ALL)
            } else {
                DecodeProfile::default()
            },
        },
        CallKind::DestroySession => Call::DestroySession { session },
        CallKind::ExchangeKey => Call::ExchangeKey {
            session,
            key: 1 + dice::below(rng, 15),
            blob: if rarely(rng, 12) { dice::pick(rng, Blob::ALL) } else { Blob::default() },
        },
        CallKind::StartRefresh => Call::StartRefresh {
            session,
            size: if rarely(rng, 10) { dice::pick(rng, boundary::SIZES) } else { 16 },
            null: rarely(rng, 32),
        },
        CallKind::FinishRefresh => Call::FinishRefresh { session },
        CallKind::SubmitBuffer => submit(rng, options, sketch, target, session),
        CallKind::SessionStatus => Call::SessionStatus { session },
        CallKind::Retire => Call::Retire {
            count: if rarely(rng, 8) {
                dice::pick(rng, boundary::FEW)
            } else {
                1 + dice::below(rng, 3)
            },
        },
        CallKind::InjectEntropy => Call::InjectEntropy {
            fault: dice::pick(rng, EntropyFault::ALL),
            draws: if rarely(rng, 4) { dice::pick(rng, boundary::FEW) } else { 1 },
        },
        CallKind::InjectAllocationFailure => {
            Call::InjectAllocationFailure { after: dice::below(rng, 4) }
        }
        CallKind::CreateDevice | CallKind::ResetEngine => kind.plain(),
    }
}

/// A buffer with the next IV, mostly; the IV may also stay, fall, or jump to a boundary.
fn submit(
    rng: &mut impl Rng,
    options: &SearchOptions,
    sketch: &Sketch,
    target: Option<usize>,
    session: SessionRef,
) -> Call {
    let next_iv = target.map_or(1, |index| sketch.sessions[index].next_iv);
    let (mut iv, mut count) = (next_iv, 0);
    let mut len = 16 * (1 + dice::below(rng, 4));
    let mut null = NullPointer::None;
    if !options.dependencies {
        iv = 1 + u64::from(dice::below(rng, 64));
    }
    let is_refreshed = target.is_some_and(|index| sketch.sessions[index].is_refreshed);
    if options.boundaries && options.dependencies && is_refreshed && dice::one_in(rng, 4) {
        // The first buffer of an epoch: a history that a refresh forgot would let it in (S-26).
        iv = next_iv.saturating_sub(1 + u64::from(dice::below(rng, 3)));
    } else if options.boundaries {
        match dice::below(rng, 32) {
            0..4 => iv = next_iv.saturating_sub(1 + u64::from(dice::below(rng, 3))),
            4 | 5 => iv = dice::pick(rng, boundary::IVS),
            6 | 7 => count = dice::pick(rng, boundary::COUNTS),
            // Right behind the last block of the buffer before, or a block or two too early.
            8 | 13 => {
                let (used_iv, used_count) =
                    target.map_or((1, 0), |index| sketch.sessions[index].used_up_to);
                iv = used_iv;
                count = used_count.saturating_sub(u64::from(dice::below(rng, 3)));
            }
            9..12 => len = dice::pick(rng, boundary::LENS),
            12 => null = dice::pick(rng, NullPointer::ALL),
            _ => {}
        }
    }
    Call::SubmitBuffer { session, iv, count, len, null }
}

/// An open device, mostly.
fn device(rng: &mut impl Rng, options: &SearchOptions, sketch: &Sketch) -> Slot {
    let count = sketch.devices.len().min(256);
    let any = dice::index(rng, count);
    if options.misdirection && dice::one_in(rng, 8) {
        return slot_of(Some(any));
    }
    let open = (any..count).chain(0..any).find(|&index| sketch.devices[index]);
    slot_of(open.or(Some(any)))
}

/// Now and then, a device to go through; right or wrong is left to chance.
pub(super) fn foreign_device(rng: &mut impl Rng, options: &SearchOptions) -> Option<Slot> {
    let is_wanted = options.misdirection && dice::one_in(rng, 16);
    is_wanted.then(|| slot_of(Some(dice::index(rng, 4))))
}

fn slot_of(index: Option<usize>) -> Slot {
    Slot(u8::try_from(index.unwrap_or(0)).unwrap_or(u8::MAX))
}
