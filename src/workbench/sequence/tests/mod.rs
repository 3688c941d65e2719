//! Tests of the larger modules, and random values over the full range of every field.

mod generate;
mod minimize;
mod mutate;
mod renumber;
mod wire;

use rand::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

use super::*;

/// A generator for tests.
pub(super) fn rng(seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

/// Any sequence of up to `calls_max` calls.
pub(super) fn any_sequence(rng: &mut impl Rng, calls_max: u32) -> CallSequence {
    let count = dice::below(rng, calls_max + 1);
    CallSequence { calls: (0..count).map(|_| any_call(rng)).collect() }
}

/// Any call at all.
pub(super) fn any_call(rng: &mut impl Rng) -> Call {
    let device = any_slot(rng);
    let via = (dice::below(rng, 4) == 0).then(|| any_slot(rng));
    let session = SessionRef { slot: any_slot(rng), via };
    let number = dice::low_byte(rng);
    match dice::pick(rng, CallKind::ALL) {
        CallKind::CreateDevice => Call::CreateDevice,
        CallKind::DestroyDevice => Call::DestroyDevice { device },
        CallKind::CreateSession => Call::CreateSession {
            device,
            crypto: CryptoType::from_number(number),
            profile: DecodeProfile::from_number(number / 16),
        },
        CallKind::DestroySession => Call::DestroySession { session },
        CallKind::ExchangeKey => {
            Call::ExchangeKey { session, key: any_u32(rng), blob: Blob::from_number(number) }
        }
        CallKind::StartRefresh => {
            Call::StartRefresh { session, size: any_u32(rng), null: number % 2 == 1 }
        }
        CallKind::FinishRefresh => Call::FinishRefresh { session },
        CallKind::SubmitBuffer => Call::SubmitBuffer {
            session,
            iv: any_u64(rng),
            count: any_u64(rng),
            len: any_u32(rng),
            null: NullPointer::from_number(number),
        },
        CallKind::SessionStatus => Call::SessionStatus { session },
        CallKind::Retire => Call::Retire { count: any_u32(rng) },
        CallKind::ResetEngine => Call::ResetEngine,
        CallKind::InjectEntropy => {
            Call::InjectEntropy { fault: EntropyFault::from_number(number), draws: any_u32(rng) }
        }
        CallKind::InjectAllocationFailure => Call::InjectAllocationFailure { after: any_u32(rng) },
    }
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
pub(super) fn sequence(text: &str) -> CallSequence {
    SequenceText::parse(text).unwrap().sequence()
}

/// The text of a sequence, one call a line and nothing else.
pub(super) fn lines(sequence: &CallSequence) -> String {
    sequence.calls.iter().map(|call| format!("{call}\n")).collect()
}

/// FNV-1a, to pin much in little.
pub(super) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}
