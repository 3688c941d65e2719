//! Makes sequences from nothing: mostly meaningful, often with something aimed wrong.

use rand::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

use super::cycle::{cycle, long_cycle};
use super::dice;
use super::ending::append_ending;
use super::options::SearchOptions;
use super::sketch::Sketch;
use crate::sequence::Situation;
use crate::sequence::argument::{Argument, Usual, Values};
use crate::sequence::call::{CALLS_MAX, Call, CallKind, CallSequence, Opening};
use crate::sequence::slot::{SessionRef, Slot};
use crate::sequence::words::{BoundsChoice, HandleForm, NullPointer};

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
    if options.boundaries && dice::one_in(rng, OPENING_ODDS) {
        extend_with(opening(rng), &mut sketch, calls);
    }
    let options = &options.at(Opening::of(calls).bounds);
    if options.repetition && dice::one_in(rng, LONG_ODDS) {
        append_long_cycle(rng, options, &mut sketch, calls);
        count += calls.len();
    } else if options.repetition && dice::one_in(rng, CYCLE_ODDS) {
        let start = dice::index(rng, count);
        extend(rng, options, &mut sketch, calls, start);
        append_cycle(rng, options, &mut sketch, calls);
        count = count.max(calls.len() + count / 2);
    }
    extend(rng, options, &mut sketch, calls, count);
    if options.ending {
        append_ending(rng, &options.limits, &mut sketch, calls);
    }
    calls.truncate(CALLS_MAX);
    if options.ending && calls.len() < CALLS_MAX && dice::one_in(rng, CLOSING_ODDS) {
        calls.push(Call::CloseAdapter);
    }
}

/// Opens the adapter in another way than usual.
pub(super) fn opening(rng: &mut impl Rng) -> Call {
    let bounds =
        if dice::one_in(rng, PRODUCT_ODDS) { BoundsChoice::Product } else { BoundsChoice::Small };
    Call::OpenAdapter { bounds, entropy: dice::below(rng, SEEDS) }
}

/// Appends some calls to a sequence that has led somewhere.
pub fn go_on(rng: &mut impl Rng, options: &SearchOptions, sequence: &mut CallSequence) {
    let calls = &mut sequence.calls;
    if calls.last() == Some(&Call::CloseAdapter) {
        calls.pop();
    }
    let options = &options.at(Opening::of(calls).bounds);
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

/// The probability, as 1 in this, that a new sequence says how the adapter is opened.
const OPENING_ODDS: u32 = 16;

/// The probability, as 1 in this, that it is then opened with the bounds of a product: there buffers are
/// 64 times as long, and cost as much.
const PRODUCT_ODDS: u32 = 8;

/// So many seeds of the entropy source are tried.
const SEEDS: u32 = 1 << 16;

/// The probability, as 1 in this, that a new sequence is long on purpose, so that counters of eight bits
/// come round and rings are gone through several times.
const LONG_ODDS: u32 = 512;

/// The probability, as 1 in this, that the adapter is closed at the end with all that is open.
const CLOSING_ODDS: u32 = 16;

/// The probability, as 1 in this, that a new sequence makes some calls over and over.
const CYCLE_ODDS: u32 = 8;

/// The same for a sequence that goes on from the calls of another.
const CYCLE_ODDS_LATER: u32 = 2;

/// The probability, as 1 in this, that a call is made twice in a row.
const AGAIN_ODDS: u32 = 12;

/// The probability, as 1 in this, that a second cycle follows a cycle.
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
        cycle(rng, &options.limits, &before, session, CYCLE_MAX, |call| {
            extend_with(call, sketch, calls);
        });
        if !dice::one_in(rng, NEXT_CYCLE_ODDS) {
            return;
        }
    }
}

fn append_long_cycle(
    rng: &mut impl Rng,
    options: &SearchOptions,
    sketch: &mut Sketch,
    calls: &mut Vec<Call>,
) {
    let exchange = CallKind::ExchangeKey.plain();
    for call in [Call::CreateDevice, Call::create_session(Slot(0)), exchange] {
        extend_with(call, sketch, calls);
    }
    let before = sketch.clone();
    long_cycle(rng, &options.limits, &before, LONG_CYCLE_MAX, |call| {
        extend_with(call, sketch, calls);
    });
}

/// Most calls of a long cycle, so that there is room for a few before and for some behind.
const LONG_CYCLE_MAX: usize = CALLS_MAX - 128;

fn extend_with(call: Call, sketch: &mut Sketch, calls: &mut Vec<Call>) {
    sketch.note(&call);
    calls.push(call);
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

fn next_kind(
    rng: &mut impl Rng,
    options: &SearchOptions,
    sketch: &Sketch,
    session: Option<usize>,
) -> CallKind {
    let is_dead = session.is_some_and(|index| !sketch.sessions[index].is_alive);
    let is_wanted = sketch.ended == session || sketch.sessions.iter().any(|one| one.is_alive);
    let session = session.map(|index| sketch.sessions[index]).filter(|session| session.is_alive);
    let situation = match session {
        _ if !options.dependencies => Situation::Unknown,
        None if is_dead && is_wanted => Situation::Dead,
        None if !sketch.devices.contains(&true) => Situation::NoDevice,
        None => Situation::NoSession,
        Some(session) if session.is_pending => Situation::Pending,
        Some(session) if session.is_keyed => Situation::Keyed,
        Some(_) => Situation::Unkeyed,
    };
    if options.dependencies
        && let Some(injected) = sketch.injected
        && let Some(kind) = wanted_after(rng, injected)
    {
        return kind;
    }
    let mut left = dice::below(rng, ODDS_SUMS[situation as usize]);
    for &kind in CallKind::ALL {
        match left.checked_sub(u32::from(kind.descriptor().odds[situation as usize])) {
            Some(rest) => left = rest,
            None => return kind,
        }
    }
    unreachable!("less than the sum is left at the start")
}

/// The odds of all kinds together, in each situation.
const ODDS_SUMS: [u32; Situation::COUNT] = {
    let mut sums = [0; Situation::COUNT];
    let mut index = 0;
    while index < CallKind::ALL.len() {
        let odds = CallKind::ALL[index].descriptor().odds;
        let mut situation = 0;
        while situation < Situation::COUNT {
            sums[situation] += odds[situation] as u32;
            situation += 1;
        }
        index += 1;
    }
    sums
};

/// Mostly, a call that the injected fault can hit.
fn wanted_after(rng: &mut impl Rng, injected: CallKind) -> Option<CallKind> {
    if dice::one_in(rng, 3) {
        return None;
    }
    let is_hit = |kind: &CallKind| match injected {
        CallKind::InjectEntropy => kind.descriptor().does.draws,
        _ => kind.descriptor().does.allocates,
    };
    let count = CallKind::ALL.iter().filter(|kind| is_hit(kind)).count();
    // What only one call can mean needs no draw.
    let chosen = if count > 1 { dice::index(rng, count) } else { 0 };
    CallKind::ALL.iter().copied().filter(is_hit).nth(chosen)
}

/// A call of this kind, about this session, with arguments that fit or tempt.
fn fill(
    rng: &mut impl Rng,
    options: &SearchOptions,
    sketch: &Sketch,
    kind: CallKind,
    target: Option<usize>,
) -> Call {
    let session = SessionRef {
        slot: slot_of(target),
        via: foreign_device(rng, options),
        handle: forged_handle(rng, options),
    };
    let mut call = kind.plain();
    if let Some(aimed) = call.session_mut() {
        *aimed = session;
    }
    if let Some(aimed) = call.device_mut() {
        *aimed = device(rng, options, sketch);
    }
    if let Call::SubmitBuffer { .. } = call {
        return submit(rng, options, sketch, target, session);
    }
    for (index, argument) in kind.descriptor().arguments.iter().enumerate() {
        if let Some(value) = argument_value(rng, options, argument) {
            call.set_value(index, value);
        }
    }
    call
}

/// A value that tempts, now and then, or one that mostly makes sense; `None` is the plain one.
fn argument_value(rng: &mut impl Rng, options: &SearchOptions, argument: &Argument) -> Option<u64> {
    let is_tempting =
        argument.tempts > 0 && options.boundaries && dice::one_in(rng, argument.tempts);
    match (argument.values, argument.usual) {
        (Values::Device | Values::Session, _) => None,
        (Values::Word(words), _) if is_tempting => Some(any_word(rng, words)),
        (Values::Short(near) | Values::Long(near), _) if is_tempting => {
            Some(near.at(dice::index(rng, near.count()), &options.limits))
        }
        (Values::Word(words), Usual::AnyWord) => Some(any_word(rng, words)),
        (_, Usual::From(first, count)) => Some(u64::from(first + dice::below(rng, count))),
        (_, Usual::Plain | Usual::AnyWord | Usual::Counters) => None,
    }
}

/// One of the words; of two, the other than the plain one.
pub(super) fn any_word(rng: &mut impl Rng, words: &[&str]) -> u64 {
    if words.len() == 2 { 1 } else { dice::index(rng, words.len()) as u64 }
}

/// A buffer with the next IV, mostly; the IV may also stay, fall, or jump to a boundary.
fn submit(
    rng: &mut impl Rng,
    options: &SearchOptions,
    sketch: &Sketch,
    target: Option<usize>,
    session: SessionRef,
) -> Call {
    let arguments = CallKind::SubmitBuffer.descriptor().arguments;
    // A value next to which drivers go wrong, of the IV, the Count or the length.
    let near = |rng: &mut _, index: usize| match arguments[index].values {
        Values::Short(near) | Values::Long(near) => {
            near.at(dice::index(rng, near.count()), &options.limits)
        }
        _ => 0,
    };
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
            4 | 5 => iv = near(rng, 1),
            6 | 7 => count = near(rng, 2),
            // Right behind the last block of the buffer before, or a block or two too early.
            8 | 13 => {
                let (used_iv, used_count) =
                    target.map_or((1, 0), |index| sketch.sessions[index].used_up_to);
                iv = used_iv;
                count = used_count.saturating_sub(u64::from(dice::below(rng, 3)));
            }
            9..12 => len = u32::try_from(near(rng, 3)).unwrap_or(u32::MAX),
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

/// Now and then, something else than the handle that the driver gave out.
fn forged_handle(rng: &mut impl Rng, options: &SearchOptions) -> HandleForm {
    if options.misdirection && dice::one_in(rng, 32) {
        dice::pick(rng, HandleForm::ALL)
    } else {
        HandleForm::Given
    }
}

fn slot_of(index: Option<usize>) -> Slot {
    Slot(u8::try_from(index.unwrap_or(0)).unwrap_or(u8::MAX))
}
