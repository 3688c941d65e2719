//! The two-key differential: finds what follows the key and not the payload, in any encoding.
//!
//! A scan finds a secret that stands in memory as it is. One that was rotated, XORed or spread over
//! words it passes over. The differential asks another question. The same sequence is run three
//! times at the same addresses: as it is, with another key, and with another payload. A word that
//! changes with the key and stays the same with another payload was made of the key alone, whatever
//! was done to it: it is no ciphertext, because that changes with both.
//!
//! ```
//! use keysan::differential::{Recording, compare};
//!
//! // An XORed key, a ciphertext and a call count, as three runs left them.
//! let run = |key: u64, payload: u64| {
//!     let mut recording = Recording::new();
//!     recording.record(0, &[key ^ 0xa5a5, key ^ payload, 33]);
//!     recording
//! };
//! let (base, other_key, other_payload) = (run(0x1d04, 7), run(0x9c3e, 7), run(0x1d04, 8));
//! let mut followed = Vec::new();
//! let compared = compare(&base, &other_key, &other_payload, &mut |word| followed.push(word.word))?;
//! assert!(compared.is_conclusive());
//! assert_eq!(followed, [0]);
//! # Ok::<(), keysan::differential::Misaligned>(())
//! ```
//!
//! Words are compared whole. Of single bytes, one in 256 of a ciphertext stays the same by chance
//! when the payload changes, and would look made of the key; of words, one in 2^64.
//!
//! What is not seen: a word made of key and payload together (every honest ciphertext is one), unless
//! [`compare_derived`] is asked, and anything in a region that was not recorded.

mod misaligned;
mod recording;

use std::ops::Range;

pub use misaligned::{Cause, Departure, Misaligned, Shape};
pub use recording::Recording;

use crate::same::is_same;
use recording::Record;

/// Compares three runs of one sequence, and hands each run of neighbouring words that follow the
/// key to `sink`, in the order in which they were recorded.
///
/// Nothing is compared unless all three recordings have the same shape: the same records, of the
/// same regions, lengths and excuses. Otherwise [`Misaligned`] says where they part.
pub fn compare(
    base: &Recording,
    other_key: &Recording,
    other_payload: &Recording,
    sink: &mut dyn FnMut(Following),
) -> Result<Compared, Misaligned> {
    compare_repeated(base, base, other_key, other_payload, sink)
}

/// The same, with a second run of the base: a word that is another one then follows neither key nor
/// payload, but time, and is not judged. Counters of coverage are such words.
///
/// # Errors
///
/// [`Misaligned`] also when the repetition has another shape.
pub fn compare_repeated(
    base: &Recording,
    again: &Recording,
    other_key: &Recording,
    other_payload: &Recording,
    sink: &mut dyn FnMut(Following),
) -> Result<Compared, Misaligned> {
    compare_and_tell([base, again, other_key, other_payload], false, sink)
}

/// The same as [`compare`], and hands words to `sink` as well that changed with the key and with the payload: what
/// is derived from both, such as the output of a key derivation, and every ciphertext.
///
/// # Errors
///
/// As those of [`compare`].
pub fn compare_derived(
    base: &Recording,
    other_key: &Recording,
    other_payload: &Recording,
    sink: &mut dyn FnMut(Following),
) -> Result<Compared, Misaligned> {
    compare_and_tell([base, base, other_key, other_payload], true, sink)
}

fn compare_and_tell(
    [base, again, other_key, other_payload]: [&Recording; 4],
    tells_derived: bool,
    sink: &mut dyn FnMut(Following),
) -> Result<Compared, Misaligned> {
    misaligned::check_shapes(base, other_key, other_payload)?;
    misaligned::check_shapes(base, again, again)?;
    let mut compared = Compared::default();
    let records = base.records().zip(other_key.records()).zip(other_payload.records());
    let records = records.zip(again.records());
    for (number, (((base, other_key), other_payload), again)) in records.enumerate() {
        let (region, record) = (base.region, narrow(number));
        let mut open = Following { region, record, word: 0, words: 0, follows: Follows::Key };
        let mut close = |following: Following| {
            if following.words > 0 {
                sink(following);
            }
        };
        let triple = Triple { base, again, other_key, other_payload };
        triple.judge(&mut compared, &mut |word, follows| {
            if follows == Follows::KeyAndPayload && !tells_derived {
                return;
            }
            if open.words > 0 && open.word + open.words == word && open.follows == follows {
                open.words += 1;
            } else {
                let next = Following { word, words: 1, follows, ..open };
                close(std::mem::replace(&mut open, next));
            }
        });
        close(open);
    }
    Ok(compared)
}

/// Neighbouring words that are made of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Following {
    /// The caller's number of the region.
    pub region: u32,
    /// Which record of the recording, counted from 0.
    pub record: u32,
    /// The first of the words, counted from the beginning of the record.
    pub word: u32,
    /// How many words, one after the other; at least 1.
    pub words: u32,
    /// What they changed with.
    pub follows: Follows,
}

/// What words changed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    /// With the key, and not with the payload.
    Key,
    /// With either. Only [`compare_derived`] tells such words.
    KeyAndPayload,
}

/// How much was compared and what changed: what a silent comparison is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Words that were judged; excused ones are not among them.
    pub words: usize,
    /// Judged words that changed with the key alone: the findings, counted in words.
    pub by_key: usize,
    /// Judged words that changed with the payload alone.
    pub by_payload: usize,
    /// Judged words that changed with either; ciphertext does.
    pub by_both: usize,
    /// Words that were not the same when the base run was repeated; they are not judged.
    pub by_time: usize,
    /// Words that were excused.
    pub excused: usize,
    /// Excused words that changed with the key, whatever else they changed with.
    pub excused_by_key: usize,
}

impl Compared {
    /// Whether any word at all, excused or not, changed with the key.
    ///
    /// If none did, the second run did not use its own key, or nothing was recorded that a key
    /// reaches. Silence then proves nothing, and the run is void. The surest way to a conclusive
    /// comparison is to record the key's declared home and to excuse it.
    #[must_use]
    pub fn is_conclusive(&self) -> bool {
        self.by_key + self.by_both + self.excused_by_key > 0
    }
}

/// Words passed over at once when no run differs in them.
const STRIDE: usize = 64;

/// The same record in all runs.
struct Triple<'a> {
    base: Record<'a>,
    again: Record<'a>,
    other_key: Record<'a>,
    other_payload: Record<'a>,
}

impl Triple<'_> {
    /// Counts every word, and calls `follows` with the place of each that follows the key, alone or not.
    fn judge(&self, compared: &mut Compared, follows: &mut dyn FnMut(u32, Follows)) {
        let len = self.base.words.len();
        let excused = self.base.excused_words();
        compared.words += len - excused;
        compared.excused += excused;
        for begin in (0..len).step_by(STRIDE) {
            let stride = begin..len.min(begin + STRIDE);
            if !self.is_the_same(stride.clone()) {
                stride.for_each(|place| self.judge_word(place, compared, follows));
            }
        }
    }

    /// Most memory is the same in all runs, and whole slices compare several words at a time.
    fn is_the_same(&self, stride: Range<usize>) -> bool {
        let base = &self.base.words[stride.clone()];
        is_same(base, &self.other_key.words[stride.clone()])
            && is_same(base, &self.other_payload.words[stride])
    }

    fn judge_word(
        &self,
        place: usize,
        compared: &mut Compared,
        follows: &mut dyn FnMut(u32, Follows),
    ) {
        let base = self.base.words[place];
        if base != self.again.words[place] {
            compared.by_time += 1;
            return;
        }
        let by_key = base != self.other_key.words[place];
        let by_payload = base != self.other_payload.words[place];
        if self.base.excuses(place) {
            compared.excused_by_key += usize::from(by_key);
            return;
        }
        match (by_key, by_payload) {
            (true, false) => {
                compared.by_key += 1;
                follows(narrow(place), Follows::Key);
            }
            (false, true) => compared.by_payload += 1,
            (true, true) => {
                compared.by_both += 1;
                follows(narrow(place), Follows::KeyAndPayload);
            }
            (false, false) => {}
        }
    }
}

/// A place as it is reported; a recording of more than 2^32 words does not fit in memory thrice.
fn narrow(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}
