//! A state by its hash: everything that can influence the future, folded into 128 bits.

/// Folds the values of a state, one after the other, into a [`StateId`].
///
/// Our own function, the same everywhere and for ever. Each of its two lanes is a chain of steps
/// that can be undone, so that two states that differ in one word never meet in either; otherwise
/// two states have the same hash once in 2^128.
#[derive(Clone, Copy, Debug)]
pub struct StateHash {
    lanes: [u64; 2],
}

/// A state, as far as 128 bits can say which.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StateId(pub u128);

impl Default for StateHash {
    fn default() -> Self {
        Self { lanes: [0x9E37_79B9_7F4A_7C15, 0xD1B5_4A32_D192_ED03] }
    }
}

impl StateHash {
    /// Takes a value of any length; where it ends counts too.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            self.word(u64::from_le_bytes(word));
        }
    }

    /// Takes a number.
    pub fn number(&mut self, number: u64) {
        self.word(number);
    }

    /// Takes how many values follow, or which of them.
    pub fn count(&mut self, count: usize) {
        self.word(count as u64);
    }

    /// Takes a yes or no.
    pub fn flag(&mut self, flag: bool) {
        self.word(flag.into());
    }

    /// Takes a number that may be missing.
    pub fn maybe(&mut self, number: Option<u64>) {
        self.flag(number.is_some());
        self.word(number.unwrap_or_default());
    }

    /// What all of it amounts to.
    #[must_use]
    pub fn finish(mut self) -> StateId {
        // The last words have been stirred less than the first.
        self.word(0);
        self.word(0);
        let [low, high] = self.lanes;
        StateId(u128::from(high) << 64 | u128::from(low))
    }

    fn word(&mut self, word: u64) {
        let [low, high] = &mut self.lanes;
        *low = stir(*low ^ word, 0xBF58_476D_1CE4_E5B9);
        *high = stir(high.rotate_left(23).wrapping_add(word), 0x94D0_49BB_1331_11EB);
    }
}

/// One step of a lane; odd factors and shifted XORs can be undone.
const fn stir(lane: u64, factor: u64) -> u64 {
    let lane = (lane ^ lane >> 32).wrapping_mul(factor);
    lane ^ lane >> 29
}

#[cfg(test)]
mod tests {
    use super::{StateHash, StateId};

    fn id(values: &[&[u8]]) -> StateId {
        let mut hash = StateHash::default();
        values.iter().for_each(|value| hash.bytes(value));
        hash.finish()
    }

    #[test]
    fn every_bit_of_a_value_and_where_it_ends_count() {
        let plain = id(&[&[0; 24], &[0; 3]]);
        let mut seen = std::collections::BTreeSet::from([plain]);
        for bit in 0..27 * 8 {
            let mut bytes = [0; 27];
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(seen.insert(id(&[&bytes[..24], &bytes[24..]])), "bit {bit}");
        }
        for split in [0, 1, 8, 23, 25, 27] {
            let (front, back) = [0; 27].split_at(split);
            assert!(seen.insert(id(&[front, back])), "split at {split}");
        }
    }

    #[test]
    fn each_half_of_the_hash_tells_states_apart_by_itself() {
        let ids: Vec<u128> = (0..1_u64 << 14).map(|n| id(&[&n.to_le_bytes()]).0).collect();
        for half in [0, 64] {
            let halves: std::collections::BTreeSet<u128> =
                ids.iter().map(|id| id >> half & u128::from(u64::MAX)).collect();
            assert_eq!(halves.len(), ids.len());
        }
    }
}
