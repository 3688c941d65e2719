//! Argument values next to which drivers go wrong.

use rand::Rng;

use super::dice;

/// Lengths claimed for the random-number buffer: around 16 bytes, and where a sign bit is set.
pub const SIZES: &[u32] = &[0, 1, 15, 16, 17, 32, 0x8000_0000, u32::MAX];

/// Lengths claimed for data: around one block, around whole blocks, around the longest
/// and a block more.
pub const LENS: &[u32] = &[0, 1, 15, 16, 17, 32, 48, 64, 1024, 1025, 1040, u32::MAX];

/// IVs: around the width of a byte, of 32 bits, of the sign, and the last ones.
pub const IVS: &[u64] =
    &[0, 1, 255, 256, u32::MAX as u64, 1 << 32, 1 << 63, u64::MAX - 1, u64::MAX];

/// Counts: the first ones, and those from which a buffer of a few blocks wraps.
pub const COUNTS: &[u64] = &[0, 1, u32::MAX as u64, 1 << 32, u64::MAX - 2, u64::MAX - 1, u64::MAX];

/// How many commands retire, draws fail or allocations pass: few, many, all.
pub const FEW: &[u32] = &[0, 1, 2, 3, 4, 5, 8, 16, 64, 1024, u32::MAX];

/// A small step up or down, or a boundary.
pub fn near_short(rng: &mut impl Rng, value: u32, boundaries: &[u32]) -> u32 {
    match dice::below(rng, 4) {
        0 => value.wrapping_add(1),
        1 => value.wrapping_sub(1),
        _ => dice::pick(rng, boundaries),
    }
}

/// A small step up or down, or a boundary.
pub fn near_long(rng: &mut impl Rng, value: u64, boundaries: &[u64]) -> u64 {
    match dice::below(rng, 4) {
        0 => value.wrapping_add(1),
        1 => value.wrapping_sub(1),
        _ => dice::pick(rng, boundaries),
    }
}
