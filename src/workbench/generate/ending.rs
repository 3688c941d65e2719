//! What a sequence ends with: handles used up and a table filled, where what leaked or was lost shows.

use rand::Rng;
use rekeylab_ddi::Limits;

use super::dice;
use super::sketch::Sketch;
use crate::sequence::call::Call;
use crate::sequence::slot::Slot;

/// Appends an ending; `sketch` stands at the end of the calls there are.
pub(super) fn append_ending(
    rng: &mut impl Rng,
    limits: &Limits,
    sketch: &mut Sketch,
    calls: &mut Vec<Call>,
) {
    let (devices, sessions) = tables(limits);
    let mut push = |call, sketch: &mut Sketch| {
        sketch.note(&call);
        calls.push(call);
    };
    if dice::one_in(rng, SESSIONS_ODDS) {
        let device = slot(sketch.devices.iter().rposition(|&is_open| is_open).unwrap_or(0));
        let create = Call::create_session(device);
        let alive = sketch.sessions.iter().filter(|session| session.is_alive).count();
        (alive..sessions).for_each(|_| push(create, sketch));
        return;
    }
    for _ in 0..STEPS_MIN + dice::below(rng, STEPS_MAX - STEPS_MIN + 1) {
        match dice::below(rng, 16) {
            0..6 => {
                let device = slot(sketch.devices.len());
                push(Call::CreateDevice, sketch);
                push(Call::destroy_device(device), sketch);
            }
            6..9 => push(Call::CreateDevice, sketch),
            9..14 => push(destroy_one_of(rng, sketch.devices.len()), sketch),
            _ => {
                push(Call::InjectAllocationFailure { after: 0 }, sketch);
                push(Call::CreateDevice, sketch);
            }
        }
    }
    let open = sketch.devices.iter().filter(|&&is_open| is_open).count();
    (open..devices).for_each(|_| push(Call::CreateDevice, sketch));
    let old = sketch.devices.len() - devices;
    (0..OLD_HANDLES).for_each(|_| push(destroy_one_of(rng, old), sketch));
}

/// Destroys one of the first devices.
fn destroy_one_of(rng: &mut impl Rng, count: usize) -> Call {
    Call::destroy_device(slot(dice::index(rng, count)))
}

fn slot(index: usize) -> Slot {
    Slot(u8::try_from(index).unwrap_or(u8::MAX))
}

/// One ending in so many is about sessions, the others are about devices.
const SESSIONS_ODDS: u32 = 4;

/// One device and one session more than their tables take, unless that is too much for an ending.
pub(super) fn tables(limits: &Limits) -> (usize, usize) {
    let more = |max: u32| (max as usize).min(TABLE_MAX) + 1;
    (more(limits.devices_max), more(limits.sessions_max))
}

/// A table of more places than this is not filled up.
const TABLE_MAX: usize = 32;

/// How often devices come or go before their table is filled.
const STEPS_MIN: u32 = 3;
const STEPS_MAX: u32 = 7;

/// How many old handles are tried when the table is full.
const OLD_HANDLES: usize = 4;

/// Most calls of an ending.
#[cfg(test)]
pub(super) fn ending_max(limits: &Limits) -> usize {
    let (devices, sessions) = tables(limits);
    sessions.max(2 * STEPS_MAX as usize + devices + OLD_HANDLES)
}
