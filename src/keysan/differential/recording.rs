//! What one run left behind: ordered records of words, wiped when they have served.

use std::fmt;
use std::ops::Range;

use zeroize::Zeroize;

/// What one run left behind, region after region, in the order in which it was recorded.
///
/// The words are the memory of the code under test and hold key material. They are never shown, and
/// are wiped by [`clear`](Recording::clear) and on drop. A recording is meant to be used again: it
/// keeps its memory, and once it is large enough for the longest run it allocates nothing.
#[derive(Default)]
pub struct Recording {
    words: Vec<u64>,
    /// Where each record ends in `words` and in `excuses`; it begins where the last one ends.
    records: Vec<Ends>,
    /// Word ranges out of judgement, counted from the beginning of their record.
    excuses: Vec<Range<usize>>,
}

struct Ends {
    region: u32,
    words: usize,
    excuses: usize,
}

/// One record of a recording, borrowed.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) region: u32,
    pub(super) words: &'a [u64],
    pub(super) excuses: &'a [Range<usize>],
}

impl Recording {
    /// An empty recording that has no memory yet.
    #[must_use]
    pub fn new() -> Recording {
        Recording::default()
    }

    /// Makes room for `more` words beyond those recorded.
    ///
    /// Words that must move are wiped where they were.
    pub fn make_room(&mut self, more: usize) {
        if self.words.capacity() - self.words.len() >= more {
            return;
        }
        let wanted = (self.words.len() + more).max(2 * self.words.capacity());
        let mut roomier = Vec::with_capacity(wanted);
        roomier.extend_from_slice(&self.words);
        self.words.zeroize();
        self.words = roomier;
    }

    /// Records the words of a region; `region` is the caller's number for what they are.
    pub fn record(&mut self, region: u32, words: &[u64]) {
        self.make_room(words.len());
        self.record_with(region, |into| into.extend_from_slice(words));
    }

    /// Records what `write` appends, so that nothing is copied twice.
    ///
    /// For words that [`make_room`](Recording::make_room) has made room for. A vector that has to
    /// grow while `write` holds it moves by itself and leaves the words behind unwiped.
    ///
    /// # Panics
    ///
    /// If `write` took away words that were recorded before.
    pub fn record_with(&mut self, region: u32, write: impl FnOnce(&mut Vec<u64>)) {
        let begin = self.words.len();
        write(&mut self.words);
        assert!(self.words.len() >= begin, "a record is appended to the recording");
        self.records.push(Ends { region, words: self.words.len(), excuses: self.excuses.len() });
    }

    /// Takes words of the last record out of judgement: a declared home, where the key belongs.
    ///
    /// The range counts words from the beginning of that record. Excuses are part of a recording's
    /// shape, so all three runs must excuse the same words.
    ///
    /// # Panics
    ///
    /// If nothing was recorded yet, or if the range leaves the record.
    pub fn excuse(&mut self, words: Range<usize>) {
        let before = self.records.len().checked_sub(2).map_or(0, |last| self.records[last].words);
        let last = self.records.last_mut().expect("an excuse follows the record that it is for");
        assert!(words.end <= last.words - before, "an excuse lies within its record");
        self.excuses.push(words);
        last.excuses = self.excuses.len();
    }

    /// Forgets and wipes what was recorded, and keeps the memory for the next run.
    pub fn clear(&mut self) {
        self.words.as_mut_slice().zeroize();
        self.words.clear();
        self.records.clear();
        self.excuses.clear();
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether nothing was recorded since the last [`clear`](Recording::clear).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The words of a record, counted from 0.
    ///
    /// # Panics
    ///
    /// If there is no such record.
    pub(crate) fn words_of(&self, record: u32) -> &[u64] {
        let record = record as usize;
        let begin = record.checked_sub(1).map_or(0, |before| self.records[before].words);
        &self.words[begin..self.records[record].words]
    }

    pub(super) fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let (mut words, mut excuses) = (0, 0);
        self.records.iter().map(move |ends| Record {
            region: ends.region,
            words: &self.words[std::mem::replace(&mut words, ends.words)..ends.words],
            excuses: &self.excuses[std::mem::replace(&mut excuses, ends.excuses)..ends.excuses],
        })
    }
}

impl Record<'_> {
    pub(super) fn excuses(&self, place: usize) -> bool {
        self.excuses.iter().any(|words| words.contains(&place))
    }

    /// How many words are excused; excuses may overlap.
    pub(super) fn excused_words(&self) -> usize {
        if self.excuses.is_empty() {
            return 0;
        }
        (0..self.words.len()).filter(|&place| self.excuses(place)).count()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // The whole capacity, should a writer have shortened the vector.
        self.words.zeroize();
    }
}

/// Shows the number of records and nothing of them.
impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").field("records", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Recording;

    #[test]
    fn a_cleared_recording_has_wiped_its_memory() {
        let mut recording = Recording::new();
        recording.record(1, &[0x5555; 100]);
        recording.clear();
        let kept = &recording.words.spare_capacity_mut()[..100];
        // SAFETY: these words were recorded above, so they are initialised.
        assert!(kept.iter().all(|word| unsafe { word.assume_init() } == 0));
    }
}
