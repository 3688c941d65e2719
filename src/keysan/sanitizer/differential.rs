//! The differential as a whole: three runs of one sequence, and the words that follow the key.

use std::borrow::Cow;
use std::fmt;

use zeroize::Zeroizing;

use super::findings::{Names, Spot};
use super::look::word_at;
use super::public_values::PublicValues;
use super::{Keysan, Layer, Moment, Place};
use crate::differential::{
    Compared, Following, Follows, Misaligned, Recording, compare, compare_derived,
};
use crate::gate::{CopiedLeftovers, Gate, GateLayers};
use crate::heap::{self, Arena};
use crate::secret_set::SecretSet;

/// Thirty-two registers of eight words, fifteen of one and eight masks, and some to spare.
const REGISTER_WORDS_MAX: usize = 512;

/// How often a differential that has found something is made again.
const CONFIRMATIONS: usize = 7;

/// Words in a row that followed the key, whatever is written in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where the first of them is.
    pub place: Place,
    /// How many words of eight bytes.
    pub words: u32,
    /// What they followed: the key alone, unless [`Run::tell_derived`] asks for more.
    pub follows: Follows,
    /// After which call; for heap and statics, the last.
    pub seen: Moment,
}

/// One word that followed the key, and where it stands among what was recorded.
#[derive(PartialEq, Eq)]
struct Word {
    record: u32,
    word: u32,
    difference: Difference,
}

/// Puts neighbouring words together.
fn in_rows(words: Vec<Word>) -> Vec<Difference> {
    let mut rows: Vec<Difference> = Vec::new();
    let mut next = None;
    for Word { record, word, difference } in words {
        let this = (record, word, difference.follows);
        match rows.last_mut() {
            Some(row) if next == Some(this) => row.words += 1,
            _ => rows.push(difference),
        }
        next = Some((record, word + 1, this.2));
    }
    rows
}

/// What a differential found, and how much it compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differences {
    /// What follows the key.
    pub found: Vec<Difference>,
    /// How much was compared.
    pub compared: Compared,
}

/// Why there is no answer; that is different from finding nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DifferentialError {
    /// It needs the gate and the arena, and this layer is a blind spot.
    Blind(Layer),
    /// The two keys, or the two payloads, differ in length.
    UnequalLengths,
    /// No word at all changed with the key.
    Inconclusive,
    /// The runs did not do the same things. When the cause is the key, that is a finding in itself:
    /// control flow, sizes or stack depth depend on it.
    Misaligned {
        /// What differed, and with what.
        misaligned: Misaligned,
        /// After which call it was first seen.
        seen: Moment,
    },
}

/// One run of a differential: takes calls, and notes the homes.
#[derive(Debug)]
pub struct Run<'a> {
    gate: &'a mut Gate,
    arena: &'a Arena,
    set: &'a SecretSet,
    calls: &'a mut Vec<Cow<'static, str>>,
    record: &'a mut Record,
}

impl Keysan {
    /// Runs a sequence with one key and another, with one payload and another, and finds every word
    /// that follows the key alone, in whatever form: rotated, masked, bit-sliced.
    ///
    /// `sequence` is called with a [`Run`], a key and a payload: once to warm up, then as it is,
    /// then with the other key, then with the other payload. It must do the same things each time,
    /// begin with a new state of the code under test, and make its calls through the run. Words
    /// that hold an address change when the address does, so everything that the code under test
    /// points to must be where it was: key and payload are (both come in the sanitizer's own
    /// buffers, and the payload may be written to), local variables of the closure are too; what
    /// the closure itself allocates may not be.
    ///
    /// Compared are the stack and registers that each call leaves, and in the end the heap and the
    /// statics. The end is when `sequence` answers; its answer is dropped later, so what it holds is
    /// compared as it is while it lives. A word of the key that belongs where it is, [`Run::excuse`] excuses; what is
    /// made of the key and may be known, such as a check value or a public key, [`Run::excuse_public`] does.
    ///
    /// What was found is looked for seven times more, with the same keys and payloads, and only what is there each time
    /// is told: what hangs on chance is not, as the order of a `HashMap` or the numbers of a generator that is seeded anew.
    /// Give code that draws random numbers the same ones in each run, as they would otherwise hide what follows the key.
    ///
    /// Begins and ends with a [`clear`](Keysan::clear): what was registered and found is forgotten.
    ///
    /// # Errors
    ///
    /// See [`DifferentialError`].
    pub fn differential<State>(
        &mut self,
        keys: [&[u8]; 2],
        payloads: [&[u8]; 2],
        mut sequence: impl FnMut(&mut Run<'_>, &[u8], &mut [u8]) -> State,
    ) -> Result<Differences, DifferentialError> {
        let (mut words, mut compared) = self.differential_once(keys, payloads, &mut sequence)?;
        // What hangs on chance, as the order in a hash map does, may change with the key once, and not each time.
        for _ in 0..CONFIRMATIONS {
            if words.is_empty() {
                break;
            }
            let (again, _) = self.differential_once(keys, payloads, &mut sequence)?;
            words.retain(|it| {
                let is_there = again.contains(it);
                if !is_there {
                    match it.difference.follows {
                        Follows::Key => compared.by_key -= 1,
                        Follows::KeyAndPayload => compared.by_both -= 1,
                    }
                    compared.by_time += 1;
                }
                is_there
            });
        }
        Ok(Differences { found: in_rows(words), compared })
    }

    fn differential_once<State>(
        &mut self,
        keys: [&[u8]; 2],
        payloads: [&[u8]; 2],
        sequence: &mut impl FnMut(&mut Run<'_>, &[u8], &mut [u8]) -> State,
    ) -> Result<(Vec<Word>, Compared), DifferentialError> {
        let [key, other_key] = keys;
        let [payload, other_payload] = payloads;
        if key.len() != other_key.len() || payload.len() != other_payload.len() {
            return Err(DifferentialError::UnequalLengths);
        }
        let mut key_place = Zeroizing::new(key.to_vec());
        let mut payload_place = Zeroizing::new(payload.to_vec());
        let mut records = <[Record; 3]>::default();
        let turns = [
            (0, key, payload),
            (0, key, payload),
            (1, other_key, payload),
            (2, key, other_payload),
        ];
        // What the last run holds is kept, so that places are told as they were compared.
        let mut held = None;
        for (turn, (record, key, payload)) in turns.into_iter().enumerate() {
            drop(held.take());
            self.clear();
            key_place.copy_from_slice(key);
            payload_place.copy_from_slice(payload);
            let mut run = self.run(&mut records[record])?;
            let state = sequence(&mut run, &key_place, &mut payload_place);
            self.record_the_rest(&mut records[record]);
            held = Some(state);
            if turn == 0 {
                // Room for all runs is made now, as it would move what the closure allocates.
                let (words, excuses) = (2 * records[0].word_count, records[0].excused.len());
                let public_rows = records[0].public.row_count();
                records[0].clear();
                for record in &mut records {
                    record.recording.make_room(words);
                    record.excused.reserve(excuses);
                    record.public.make_room(public_rows);
                }
            }
        }
        let differences = self.compare(&records);
        drop(held);
        self.clear();
        differences
    }

    fn run<'a>(&'a mut self, record: &'a mut Record) -> Result<Run<'a>, DifferentialError> {
        let gate = self.gate.as_mut().ok_or(DifferentialError::Blind(Layer::Stack))?;
        let arena = self.arena.as_ref().ok_or(DifferentialError::Blind(Layer::Heap))?;
        Ok(Run { gate, arena, set: &self.set, calls: &mut self.calls, record })
    }

    /// Heap and statics, when the run is over.
    fn record_the_rest(&mut self, record: &mut Record) {
        if let Some(arena) = &self.arena {
            record.record(Shown::Heap, arena.used_len() / 8, |words| arena.words(words));
            for (address, len) in std::mem::take(&mut record.excused) {
                let Some(first) = word_at(arena, address) else { continue };
                let is_freed = |block: heap::Block| block.freed_in.is_some();
                // A home is none any more when it was freed.
                if !arena.place_of_word(first).block.is_some_and(is_freed) {
                    let end = first + (address % 8 + len).div_ceil(8);
                    record.recording.excuse(first..end);
                }
            }
        }
        if let Some(statics) = &self.statics {
            record.record(Shown::Statics, statics.word_count(), |words| statics.words(words));
        }
    }

    fn compare(&self, records: &[Record; 3]) -> Result<(Vec<Word>, Compared), DifferentialError> {
        let [base, other_key, other_payload] = records;
        let names = Names { calls: &self.calls, statics: self.statics.as_ref() };
        let mut found = Vec::new();
        let recordings = [&base.recording, &other_key.recording, &other_payload.recording];
        let [of_base, of_other_key, of_other_payload] = recordings;
        let mut public_words = [0, 0];
        let mut tell = |following: Following| {
            let told = base.public.without(following, [of_base, of_other_key, of_other_payload]);
            let told_count: u32 = told.iter().map(|it| it.words).sum();
            public_words[following.follows as usize] += (following.words - told_count) as usize;
            for following in told {
                let shown = base.shown[following.record as usize];
                for word in following.word..following.word + following.words {
                    let spot = self.spot_of_word(shown, word as usize);
                    found.extend(spot.map(|spot| Word {
                        record: following.record,
                        word,
                        difference: Difference {
                            place: names.place(spot, None),
                            words: 1,
                            follows: following.follows,
                            seen: shown.seen(names),
                        },
                    }));
                }
            }
        };
        let compare = if base.tells_derived { compare_derived } else { compare };
        let compared = compare(of_base, of_other_key, of_other_payload, &mut tell);
        let compared = compared.map(|compared| Compared {
            words: compared.words - public_words[0] - public_words[1],
            by_key: compared.by_key - public_words[0],
            by_both: compared.by_both - public_words[1],
            excused: compared.excused + public_words[0] + public_words[1],
            excused_by_key: compared.excused_by_key + public_words[0] + public_words[1],
            ..compared
        });
        match compared {
            Ok(compared) if compared.is_conclusive() => Ok((found, compared)),
            Ok(_) => Err(DifferentialError::Inconclusive),
            Err(misaligned) => {
                let shown = base.shown.get(misaligned.first_record() as usize);
                let seen = shown.map_or(names.call(names.last_call()), |it| it.seen(names));
                Err(DifferentialError::Misaligned { misaligned, seen })
            }
        }
    }

    fn spot_of_word(&self, shown: Shown, word: usize) -> Option<Spot> {
        match shown {
            Shown::Leftovers { copied, .. } => copied.place(word).map(Spot::from),
            Shown::Heap => {
                let place = self.arena.as_ref()?.place_of_word(word);
                Some(Spot::Heap { block: place.block?, offset: place.offset })
            }
            Shown::Statics => {
                let statics = self.statics.as_ref()?;
                let (region, offset) = statics.place_of_word(word)?;
                let region = statics.regions().position(|it| std::ptr::eq(it, region))?;
                let small = |number: usize| u32::try_from(number).ok();
                Some(Spot::Static { region: small(region)?, offset: small(offset)? })
            }
        }
    }
}

impl Run<'_> {
    /// Runs a call of the code under test, and records what it left on the stack and in registers.
    pub fn call<R>(&mut self, name: impl Into<Cow<'static, str>>, call: impl FnOnce() -> R) -> R {
        self.calls.push(name.into());
        let number = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
        self.arena.begin_call(number);
        let answer = heap::watch(self.set, || self.gate.call(call));
        self.record.record_leftovers(self.gate, number);
        // For the repainting.
        let nowhere = GateLayers { stack: false, registers: false };
        self.gate.inspect(self.set, nowhere, &mut |_| {});
        answer
    }

    /// Excuses the words of a home in the heap for this run, unless it is freed by the end of it.
    ///
    /// The pointer is compared and never read through.
    pub fn excuse(&mut self, home: *const u8, len: usize) {
        self.record.excused.push((home.addr(), len));
    }

    /// Excuses what may be known although it is made of the key, such as a public key, a check value or an
    /// authentication tag: wherever a copy of it stands, in freed blocks and on the stack as well, of eight bytes of it
    /// at least.
    ///
    /// # Panics
    ///
    /// When it has less than eight bytes: others would look the same by chance.
    pub fn excuse_public(&mut self, value: &[u8]) {
        self.record.public.add(value);
    }

    /// Tells words as well that follow the key and the payload both: what a key derivation makes of a key and a salt is
    /// as secret as the key. So is every ciphertext then that is not excused.
    ///
    /// It counts for the whole differential if it was said in the first run, with the first key and payload.
    pub fn tell_derived(&mut self) {
        self.record.tells_derived = true;
    }
}

/// What one run left.
#[derive(Debug, Default)]
struct Record {
    recording: Recording,
    word_count: usize,
    /// What each record of the recording shows.
    shown: Vec<Shown>,
    /// Address and length of each home.
    excused: Vec<(usize, usize)>,
    /// What may be known of what is made of the key.
    public: PublicValues,
    /// Whether words are told that follow key and payload.
    tells_derived: bool,
}

/// What a record of a recording shows.
#[derive(Clone, Copy, Debug)]
enum Shown {
    Leftovers { copied: CopiedLeftovers, call: u32 },
    Heap,
    Statics,
}

impl Record {
    /// Records what `write` appends, up to `room` words of it.
    fn record(&mut self, shown: Shown, room: usize, write: impl FnOnce(&mut Vec<u64>)) {
        self.recording.make_room(room);
        self.recording.record_with(shown.region(), write);
        self.word_count += room;
        self.shown.push(shown);
    }

    fn record_leftovers(&mut self, gate: &Gate, call: u32) {
        let room = gate.depth() / 8 + REGISTER_WORDS_MAX;
        let mut copied = None;
        self.recording.make_room(room);
        self.recording.record_with(LEFTOVERS, |words| copied = Some(gate.copy_leftovers(words)));
        self.word_count += room;
        self.shown.extend(copied.map(|copied| Shown::Leftovers { copied, call }));
    }

    fn clear(&mut self) {
        self.recording.clear();
        self.shown.clear();
        self.excused.clear();
        self.public.clear();
        self.tells_derived = false;
        self.word_count = 0;
    }
}

/// The number of [`Shown::Leftovers`] in a recording.
const LEFTOVERS: u32 = 0;

impl Shown {
    /// Its number in a recording.
    fn region(self) -> u32 {
        match self {
            Shown::Leftovers { .. } => LEFTOVERS,
            Shown::Heap => 1,
            Shown::Statics => 2,
        }
    }

    fn seen(self, names: Names<'_>) -> Moment {
        match self {
            Shown::Leftovers { call, .. } => names.call(call),
            Shown::Heap | Shown::Statics => names.call(names.last_call()),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { place, words, follows, seen } = self;
        let follows = match follows {
            Follows::Key => "the key",
            Follows::KeyAndPayload => "key and payload",
        };
        write!(f, "{words} words follow {follows}, {place}; seen after {seen}")
    }
}

impl fmt::Display for DifferentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DifferentialError::Blind(layer) => write!(f, "the {layer} cannot be looked into here"),
            DifferentialError::UnequalLengths => {
                f.write_str("two keys or payloads differ in length")
            }
            DifferentialError::Inconclusive => f.write_str("nothing at all changed with the key"),
            DifferentialError::Misaligned { misaligned, seen } => {
                write!(f, "{misaligned}, after {seen}")
            }
        }
    }
}

impl std::error::Error for DifferentialError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            DifferentialError::Misaligned { misaligned, .. } => Some(misaligned),
            _ => None,
        }
    }
}
