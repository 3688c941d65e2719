//! Compares words that may be secret without calling the C library.
//!
//! Fuzzing engines watch `memcmp` and build inputs from what is compared there. If keys were compared
//! with it, an engine would learn them and put them into inputs; code under test that rightly keeps its
//! input would then be accused of keeping a key.

/// Whether two stretches of memory hold the same words.
#[inline]
pub(crate) fn is_same(a: &[u64], b: &[u64]) -> bool {
    let (blocks, rest) = a.as_chunks::<STRIDE>();
    let (other_blocks, other_rest) = b.as_chunks::<STRIDE>();
    let differences =
        |a: &[u64], b: &[u64]| a.iter().zip(b).fold(0, |differences, (a, b)| differences | (a ^ b));
    a.len() == b.len()
        && blocks.iter().zip(other_blocks).all(|(a, b)| differences(a, b) == 0)
        && differences(rest, other_rest) == 0
}

/// Words compared before anything is decided, so that the loop has few branches.
const STRIDE: usize = 32;

#[cfg(test)]
mod tests {
    use super::is_same;

    #[test]
    fn one_word_or_one_length_makes_a_difference() {
        for len in [0, 1, 31, 32, 33, 100] {
            let words: Vec<u64> = (0..len).collect();
            assert!(is_same(&words, &words.clone()));
            for place in 0..words.len() {
                let mut other = words.clone();
                other[place] ^= 1 << 63;
                assert!(!is_same(&words, &other), "{len} words, {place}");
            }
            let longer: Vec<u64> = (0..=len).collect();
            assert!(!is_same(&words, &longer) && !is_same(&longer, &words));
        }
    }
}
