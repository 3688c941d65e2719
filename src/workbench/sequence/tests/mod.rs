//! Tests of the larger modules, and random values over the full range of every field.

mod renumber;
mod wire;

use rand::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

use super::argument::Values;
use super::*;
use crate::generate::dice;

/// A generator for tests.
pub(crate) fn rng(seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

/// Any sequence of up to `calls_max` calls.
pub(crate) fn any_sequence(rng: &mut impl Rng, calls_max: u32) -> CallSequence {
    let count = dice::below(rng, calls_max + 1);
    CallSequence { calls: (0..count).map(|_| any_call(rng)).collect() }
}

/// Any call at all.
pub(crate) fn any_call(rng: &mut impl Rng) -> Call {
    let mut call = dice::pick(rng, CallKind::ALL).plain();
    for (index, argument) in call.kind().descriptor().arguments.iter().enumerate() {
        let value = match argument.values {
            Values::Device | Values::Session => any_slot(rng).0.into(),
            Values::Short(_) => any_u32(rng).into(),
            Values::Long(_) => any_u64(rng),
            Values::Word(words) => dice::index(rng, words.len()) as u64,
        };
        assert!(call.set_value(index, value), "{call}");
    }
    let via = (dice::below(rng, 4) == 0).then(|| any_slot(rng));
    if let Some(session) = call.session_mut() {
        session.via = via;
    }
    call
}

/// Most slots are small, so that names get bound.
fn any_slot(rng: &mut impl Rng) -> Slot {
    let slot = dice::low_byte(rng);
    Slot(if dice::one_in(rng, 3) { slot } else { slot % 8 })
}

fn any_u32(rng: &mut impl Rng) -> u32 {
    rng.next_u32() >> dice::below(rng, 32)
}

fn any_u64(rng: &mut impl Rng) -> u64 {
    rng.next_u64() >> dice::below(rng, 64)
}

/// The calls of a text.
pub(crate) fn sequence(text: &str) -> CallSequence {
    SequenceText::parse(text).unwrap().sequence()
}

/// The text of a sequence, one call a line and nothing else.
pub(crate) fn lines(sequence: &CallSequence) -> String {
    sequence.calls.iter().map(|call| format!("{call}\n")).collect()
}

/// FNV-1a, to pin much in little.
pub(crate) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}
