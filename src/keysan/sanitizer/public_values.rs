//! What is made of a key and may be known: copies of it are no finding, wherever they stand.

use std::collections::HashSet;

use crate::differential::{Following, Recording};

/// The bytes of a word, which is the least that is recognised.
const WORD_LEN: usize = 8;

/// Values that may be known, by all rows of eight bytes in them.
#[derive(Debug, Default)]
pub(super) struct PublicValues {
    rows: HashSet<[u8; WORD_LEN]>,
}

impl PublicValues {
    /// # Panics
    ///
    /// When the value is shorter than a word.
    pub(super) fn add(&mut self, value: &[u8]) {
        assert!(value.len() >= WORD_LEN, "a public value has eight bytes at least");
        self.rows.extend(value.windows(WORD_LEN).filter_map(|row| <[u8; 8]>::try_from(row).ok()));
    }

    pub(super) fn row_count(&self) -> usize {
        self.rows.len()
    }

    /// Room for so many rows, so that adding them allocates nothing.
    pub(super) fn make_room(&mut self, row_count: usize) {
        self.rows.reserve(row_count);
    }

    pub(super) fn clear(&mut self) {
        self.rows.clear();
    }

    /// What is left of these words when those are left out that differ between the runs only in bytes of public values.
    pub(super) fn without(&self, following: Following, runs: [&Recording; 3]) -> Vec<Following> {
        if self.rows.is_empty() {
            return vec![following];
        }
        let [base, others @ ..] = runs.map(|run| run.words_of(following.record));
        let mut left: Vec<Following> = Vec::new();
        for word in following.word..following.word + following.words {
            let at = word as usize;
            let covered = self.covered(base, at);
            let [own, first, second] =
                [base[at], others[0][at], others[1][at]].map(u64::to_ne_bytes);
            let is_public = (0..WORD_LEN)
                .all(|byte| covered[byte] || own[byte] == first[byte] && own[byte] == second[byte]);
            if is_public {
                continue;
            }
            match left.last_mut() {
                Some(last) if last.word + last.words == word => last.words += 1,
                _ => left.push(Following { word, words: 1, ..following }),
            }
        }
        left
    }

    /// Which bytes of a word stand in a row of a public value, which may begin in the word before and end in the next.
    fn covered(&self, words: &[u64], at: usize) -> [bool; WORD_LEN] {
        let first = at.saturating_sub(1);
        let last = (at + 1).min(words.len() - 1);
        let bytes: Vec<u8> =
            words[first..=last].iter().flat_map(|word| word.to_ne_bytes()).collect();
        let own = (at - first) * WORD_LEN;
        let mut covered = [false; WORD_LEN];
        for (start, row) in bytes.windows(WORD_LEN).enumerate() {
            if row.try_into().is_ok_and(|row: [u8; 8]| self.rows.contains(&row)) {
                for byte in start.max(own)..(start + WORD_LEN).min(own + WORD_LEN) {
                    covered[byte - own] = true;
                }
            }
        }
        covered
    }
}
