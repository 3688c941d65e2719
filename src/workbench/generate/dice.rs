//! Small draws from a random generator, by rules that never change.
//!
//! The ranges of the `rand` crate may be drawn differently in its next version; a seed in a report
//! must not change its sequence with a dependency, so the few draws that the search needs are
//! written out.

use rand::Rng;

/// A number below `bound`; 0 when the bound is 0.
///
/// The bias is at most `bound` in 2^32, which no search can notice.
pub fn below(rng: &mut impl Rng, bound: u32) -> u32 {
    let product = u64::from(rng.next_u32()) * u64::from(bound);
    u32::try_from(product >> 32).unwrap_or(0)
}

/// An index below `len`; 0 when the length is 0.
pub fn index(rng: &mut impl Rng, len: usize) -> usize {
    below(rng, u32::try_from(len).unwrap_or(u32::MAX)) as usize
}

/// True once in `count` draws.
pub fn one_in(rng: &mut impl Rng, count: u32) -> bool {
    below(rng, count) == 0
}

/// One of the values.
///
/// # Panics
///
/// When there is none to pick.
pub fn pick<T: Copy>(rng: &mut impl Rng, values: &[T]) -> T {
    values[index(rng, values.len())]
}

/// A byte.
pub fn low_byte(rng: &mut impl Rng) -> u8 {
    rng.next_u32().to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequence::tests::rng;

    #[test]
    fn the_draws_of_a_seed_never_change() {
        let mut rng = rng(1);
        let draws: Vec<u32> = (0..8).map(|_| below(&mut rng, 100)).collect();
        assert_eq!(draws, [81, 74, 10, 74, 18, 59, 98, 52]);
    }

    #[test]
    fn every_value_below_the_bound_is_drawn_and_none_above() {
        let mut rng = rng(2);
        let mut seen = [0; 7];
        for _ in 0..1000 {
            seen[index(&mut rng, 7)] += 1;
        }
        assert!(seen.iter().all(|&count| count > 50), "{seen:?}");
        assert_eq!(below(&mut rng, 0), 0);
    }
}
