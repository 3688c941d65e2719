//! What a sequence ends with: handles used up and tables filled, where what leaked or was lost shows.

use rand::Rng;

use super::call::{Call, Slot};
use super::dice;
use super::sketch::Sketch;
use super::words::{CryptoType, DecodeProfile};

/// Gives `next` the calls of an ending; `sketch` stands at the end of those before.
pub(super) fn ending(rng: &mut impl Rng, sketch: &Sketch, mut next: impl FnMut(Call)) {
    if dice::one_in(rng, SESSIONS_ODDS) {
        let device = slot(sketch.devices.iter().rposition(|&is_open| is_open).unwrap_or(0));
        let (crypto, profile) = (CryptoType::default(), DecodeProfile::default());
        let create = Call::CreateSession { device, crypto, profile };
        (0..SESSIONS).for_each(|_| next(create));
        return;
    }
    let mut count = sketch.devices.len();
    for _ in 0..STEPS_MIN + dice::below(rng, STEPS_MAX - STEPS_MIN + 1) {
        match dice::below(rng, 16) {
            0..5 => {
                next(Call::CreateDevice);
                next(Call::DestroyDevice { device: slot(count) });
                count += 1;
            }
            5..9 => {
                next(Call::CreateDevice);
                count += 1;
            }
            9..14 => next(Call::DestroyDevice { device: slot(dice::index(rng, count)) }),
            _ => {
                next(Call::InjectAllocationFailure { after: 0 });
                next(Call::CreateDevice);
                count += 1;
            }
        }
    }
    (0..DEVICES).for_each(|_| next(Call::CreateDevice));
    for _ in 0..OLD_HANDLES {
        next(Call::DestroyDevice { device: slot(dice::index(rng, count)) });
    }
}

/// One ending in so many is about sessions, the others are about devices.
const SESSIONS_ODDS: u32 = 4;

/// More than any table takes.
const DEVICES: usize = 5;
const SESSIONS: usize = 9;

/// Most calls of an ending.
#[cfg(test)]
pub(super) const ENDING_MAX: usize = 2 * STEPS_MAX as usize + DEVICES + OLD_HANDLES;

/// How often devices come or go before their table is filled.
const STEPS_MIN: u32 = 3;
const STEPS_MAX: u32 = 8;

/// How many old handles are tried when the table is full.
const OLD_HANDLES: usize = 2;

fn slot(index: usize) -> Slot {
    Slot(u8::try_from(index).unwrap_or(u8::MAX))
}
