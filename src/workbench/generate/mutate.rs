//! Makes a sequence from another, by changes that keep it meaningful.

use rand::Rng;

use rekeylab_ddi::Limits;

use super::cycle::cycle;
use super::dice;
use super::options::{LimitsAt, SearchOptions};
use super::sequences::{CYCLE_MAX, extend, next_call, opening, target};
use super::sketch::Sketch;
use crate::sequence::argument::{Argument, Boundaries, Usual, Values};
use crate::sequence::call::{CALLS_MAX, Call, CallSequence, Opening};
use crate::sequence::renumber;
use crate::sequence::slot::{SessionRef, Slot};
use crate::sequence::words::{Blob, Shape};

/// Longest window that is copied at once: what a refresh with its buffers takes.
const WINDOW_MAX: u32 = 8;

/// Longest new tail.
const TAIL_MAX: u32 = 16;

/// Changes the sequence in one to four ways; it has at most `calls_max` calls afterwards. Its buffers
/// and cycles are around the limits of the driver.
pub fn mutate(
    sequence: &mut CallSequence,
    rng: &mut impl Rng,
    limits: &LimitsAt,
    calls_max: usize,
) {
    if dice::one_in(rng, FRAME_ODDS) {
        change_frame(&mut sequence.calls, rng);
    }
    let options = &SearchOptions::within(*limits).at(Opening::of(&sequence.calls).bounds);
    let calls_max = calls_max.min(CALLS_MAX);
    let calls = &mut sequence.calls;
    calls.truncate(calls_max);
    let mut sketch = Sketch::default();
    // One change in half of the cases, two in a quarter, ...
    let change_count = 1 + (rng.next_u32() | 8).trailing_zeros();
    for _ in 0..change_count {
        if calls.is_empty() {
            insert(calls, rng, options, &mut sketch);
        } else {
            match dice::below(rng, 32) {
                0..10 => insert(calls, rng, options, &mut sketch),
                10..14 => remove(calls, rng),
                14 => repeat(calls, rng, options, &mut sketch),
                15 => duplicate(calls, rng),
                16..18 => swap(calls, rng),
                18..20 => renew_tail(calls, rng, options, &mut sketch),
                20..25 => re_aim(calls, rng, &mut sketch),
                _ => change_argument(calls, rng, &options.limits),
            }
        }
        calls.truncate(calls_max);
    }
}

/// The probability, as 1 in this, that the opening or the closing changes.
const FRAME_ODDS: u32 = 64;

/// Opens the adapter in another way, or closes it at the end or not.
fn change_frame(calls: &mut Vec<Call>, rng: &mut impl Rng) {
    match (dice::below(rng, 4), calls.first(), calls.last()) {
        (0 | 1, _, Some(Call::CloseAdapter)) => drop(calls.pop()),
        (0 | 1, _, _) => calls.push(Call::CloseAdapter),
        (2, Some(Call::OpenAdapter { .. }), _) => drop(calls.remove(0)),
        (_, Some(Call::OpenAdapter { .. }), _) => calls[0] = opening(rng),
        _ => calls.insert(0, opening(rng)),
    }
}

/// A new call that fits its place; a creation brings a first use, a start often brings its finish.
fn insert(calls: &mut Vec<Call>, rng: &mut impl Rng, options: &SearchOptions, sketch: &mut Sketch) {
    let end = calls.len();
    let at = if dice::one_in(rng, 3) { end } else { dice::index(rng, end + 1) };
    sketch.draw(&calls[..at]);
    let call = next_call(rng, options, sketch);
    renumber::insert(calls, at, call);
    match call {
        Call::StartRefresh { session, .. } if dice::one_in(rng, 2) => {
            let later = at + 1 + dice::below(rng, 4) as usize;
            calls.insert(later.min(calls.len()), Call::FinishRefresh { session });
        }
        Call::CreateSession { .. } if !dice::one_in(rng, 4) => {
            let Ok(slot) = u8::try_from(sketch.sessions.len()) else { return };
            let session = SessionRef::new(slot);
            let key = 1 + dice::below(rng, 15);
            calls.insert(
                at + 1,
                Call::ExchangeKey { session, key, blob: Blob::Good, shape: Shape::Plain },
            );
        }
        Call::CreateDevice if dice::one_in(rng, 2) => {
            sketch.note(&call);
            let use_of_it = next_call(rng, options, sketch);
            renumber::insert(calls, at + 1, use_of_it);
        }
        _ => {}
    }
}

/// Now and then without renumbering, so that later calls come to mean something else.
fn remove(calls: &mut Vec<Call>, rng: &mut impl Rng) {
    let at = dice::index(rng, calls.len());
    if dice::one_in(rng, 16) {
        calls.remove(at);
    } else {
        renumber::remove(calls, at);
    }
}

fn duplicate(calls: &mut Vec<Call>, rng: &mut impl Rng) {
    let start = dice::index(rng, calls.len());
    let end = calls.len().min(start + 1 + dice::below(rng, WINDOW_MAX) as usize);
    let at = if dice::one_in(rng, 2) { end } else { end + dice::index(rng, calls.len() - end + 1) };
    let source = calls[..end].to_vec();
    renumber::graft(calls, at, &source, start..end);
}

/// Puts a cycle in: a few calls over and over.
fn repeat(calls: &mut Vec<Call>, rng: &mut impl Rng, options: &SearchOptions, sketch: &mut Sketch) {
    let mut at = if dice::one_in(rng, 2) { calls.len() } else { dice::index(rng, calls.len() + 1) };
    sketch.draw(&calls[..at]);
    let session = target(rng, options, sketch);
    cycle(rng, &options.limits, sketch, session, CYCLE_MAX, |call| {
        renumber::insert(calls, at, call);
        at += 1;
    });
}

fn swap(calls: &mut [Call], rng: &mut impl Rng) {
    let a = dice::index(rng, calls.len());
    let b = if dice::one_in(rng, 2) { a + 1 } else { dice::index(rng, calls.len()) };
    calls.swap(a, b.min(calls.len() - 1));
}

fn renew_tail(
    calls: &mut Vec<Call>,
    rng: &mut impl Rng,
    options: &SearchOptions,
    sketch: &mut Sketch,
) {
    calls.truncate(dice::index(rng, calls.len() + 1));
    sketch.draw(calls);
    let count = calls.len() + 1 + dice::below(rng, TAIL_MAX) as usize;
    extend(rng, options, sketch, calls, count);
}

/// Aims one call at something else: any slot, a dead one, or through another device.
fn re_aim(calls: &mut [Call], rng: &mut impl Rng, sketch: &mut Sketch) {
    let start = dice::index(rng, calls.len());
    let has_slot = |call: &Call| call.session().is_some() || call.device().is_some();
    let Some(at) = (start..calls.len()).chain(0..start).find(|&at| has_slot(&calls[at])) else {
        return;
    };
    sketch.draw(&calls[..at]);
    let device_count = sketch.devices.len().min(255) + 1;
    let device = slot(dice::index(rng, device_count));
    let choice = dice::below(rng, 4);
    let call = &mut calls[at];
    match call.device_mut() {
        Some(target) => *target = device,
        None => {
            let Some(session) = call.session_mut() else { return };
            let any = dice::index(rng, sketch.sessions.len().min(255) + 1);
            match choice {
                0 => session.slot = slot(any),
                1 | 2 => {
                    let count = sketch.sessions.len().min(256);
                    let mut from_any = (any..count).chain(0..any.min(count));
                    let dead = from_any.find(|&index| !sketch.sessions[index].is_alive);
                    session.slot = slot(dead.unwrap_or(any));
                }
                _ => session.via = if session.via.is_some() { None } else { Some(device) },
            }
        }
    }
}

fn slot(index: usize) -> Slot {
    Slot(u8::try_from(index).unwrap_or(u8::MAX))
}

/// Changes one argument of one call that has any.
fn change_argument(calls: &mut [Call], rng: &mut impl Rng, limits: &Limits) {
    let start = dice::index(rng, calls.len());
    let weights = |call: &Call| {
        call.kind().descriptor().arguments.iter().map(|argument| argument.weight).sum::<u32>()
    };
    let mut from_start = (start..calls.len()).chain(0..start);
    let Some(at) = from_start.find(|&at| weights(&calls[at]) > 0) else { return };
    let used = used_range(calls, rng);
    let call = &mut calls[at];
    // Where there is one argument, there is nothing to draw.
    let arguments = call.kind().descriptor().arguments.iter();
    let is_alone = arguments.filter(|argument| argument.weight > 0).count() == 1;
    let mut left = if is_alone { 0 } else { dice::below(rng, weights(call)) };
    for (index, argument) in call.kind().descriptor().arguments.iter().enumerate() {
        match left.checked_sub(argument.weight) {
            Some(rest) => left = rest,
            None => {
                let value = call.value(index).unwrap_or(0);
                let value = changed(rng, argument, value, &used, limits);
                call.set_value(index, value);
                return;
            }
        }
    }
}

/// Another value of an argument.
fn changed(
    rng: &mut impl Rng,
    argument: &Argument,
    value: u64,
    used: &UsedRange,
    limits: &Limits,
) -> u64 {
    match (argument.values, argument.usual) {
        (Values::Word(words), _) if words.len() == 2 => 1 - value.min(1),
        (Values::Word(words), _) => dice::index(rng, words.len()) as u64,
        (Values::Long(near), Usual::Counters) => {
            let used = if argument.rises { used.iv } else { used.count };
            near_used(rng, value, near, used, limits)
        }
        (Values::Short(near), usual) if near.count() == 0 => match usual {
            Usual::From(first, count) => u64::from(first + dice::below(rng, count)),
            _ => value,
        },
        (Values::Short(near), _) => {
            // Around the ends of 32 bits, too.
            near_number(rng, value, near, limits) & u64::from(u32::MAX)
        }
        (Values::Long(near), _) => near_number(rng, value, near, limits),
        (Values::Device | Values::Session, _) => value,
    }
}

/// A small step up or down, or a value next to which drivers go wrong.
fn near_number(rng: &mut impl Rng, value: u64, near: Boundaries, limits: &Limits) -> u64 {
    match dice::below(rng, 4) {
        0 => value.wrapping_add(1),
        1 => value.wrapping_sub(1),
        _ => near.at(dice::index(rng, near.count()), limits),
    }
}

/// Where the counter blocks of some buffer begin and end.
struct UsedRange {
    iv: [u64; 2],
    count: [u64; 2],
}

/// The range of one buffer in the sequence, so that another can touch or overlap it.
fn used_range(calls: &[Call], rng: &mut impl Rng) -> UsedRange {
    let start = dice::index(rng, calls.len());
    for call in calls[start..].iter().chain(&calls[..start]) {
        if let Call::SubmitBuffer { iv, count, len, .. } = *call {
            let blocks = u64::from(len).div_ceil(16);
            return UsedRange {
                iv: [iv, iv.wrapping_add(1)],
                count: [count, count.wrapping_add(blocks)],
            };
        }
    }
    UsedRange { iv: [0, 1], count: [0, 1] }
}

fn near_used(
    rng: &mut impl Rng,
    value: u64,
    near: Boundaries,
    used: [u64; 2],
    limits: &Limits,
) -> u64 {
    match dice::below(rng, 4) {
        0 | 1 => dice::pick(rng, &used).wrapping_sub(u64::from(dice::one_in(rng, 4))),
        2 => near_number(rng, value, near, limits),
        _ => value.wrapping_add(1),
    }
}
