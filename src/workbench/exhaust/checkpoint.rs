//! A search that was broken off, as bytes that another run can go on from.
//!
//! A checkpoint is only good for the program that wrote it, down to the byte: another build may
//! have another driver in it, and what was covered with that one proves nothing about this one.

use thiserror::Error;

use crate::invariant;
use crate::observation::{StateHash, StateId};
use crate::sequence::CallKind;

use super::level::{Level, LevelCount, Prefixes, Reached, Symptom, Tally, Way};
use super::search::{Plan, Search};

/// What a checkpoint belongs to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    parts: Vec<(&'static str, String)>,
}

/// Why a checkpoint cannot be gone on from.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum CheckpointError {
    /// It is something else.
    #[error("it is no checkpoint of an exhaustive search")]
    Unknown,
    /// It belongs to another search.
    #[error("it was made with another {what}: {theirs}, and this is {ours}")]
    Foreign {
        /// What is different.
        what: &'static str,
        /// What made the checkpoint.
        theirs: String,
        /// What is to go on from it.
        ours: String,
    },
    /// It was cut or changed.
    #[error("it is damaged")]
    Damaged,
}

const MAGIC: &[u8] = b"rekeylab exhaust checkpoint 1\n";

impl Identity {
    /// Of a search after this plan, by the program with these bytes, with this fault planted.
    #[must_use]
    pub fn new(plan: &Plan<'_>, program: &[u8], fault: Option<&str>) -> Self {
        let mut hash = StateHash::default();
        hash.bytes(program);
        let letters = plan.alphabet.letters().len();
        Self {
            parts: vec![
                ("program", format!("{:032x}", hash.finish().0)),
                ("alphabet", format!("{} of {letters} letters", plan.alphabet.name)),
                ("depth", plan.depth.to_string()),
                ("fault", fault.unwrap_or("none").to_owned()),
                ("way", if plan.merges { "merging" } else { "running all" }.to_owned()),
            ],
        }
    }
}

impl Search {
    /// All that is needed to go on.
    #[must_use]
    pub fn to_bytes(&self, identity: &Identity) -> Vec<u8> {
        let mut out = Writer(MAGIC.to_vec());
        identity.parts.iter().for_each(|(_, value)| out.bytes(value.as_bytes()));
        let Self { levels, states, level } = self;
        out.count(levels.len());
        levels.iter().for_each(|count| out.level_count(*count));
        out.number(*states);
        let Level { prefixes, done, done_count: _, tally, states } = level;
        let Prefixes { len, letters, counts } = prefixes;
        out.count(*len);
        out.count(counts.len());
        out.bytes(letters);
        counts.iter().for_each(|count| out.wide(*count));
        out.bytes(&done.iter().map(|done| u8::from(*done)).collect::<Vec<u8>>());
        let Tally { count, broken } = tally;
        out.level_count(*count);
        out.count(broken.len());
        for ((invariant, word), way) in broken {
            out.bytes(invariant.as_bytes());
            out.bytes(word.as_bytes());
            out.way(*way);
        }
        // In the order of the ways, so that the same search is the same bytes.
        let mut reached: Vec<_> = states.iter().collect();
        reached.sort_unstable_by_key(|(_, reached)| reached.way);
        out.count(reached.len());
        for (StateId(id), Reached { way, count }) in reached {
            out.wide(*id);
            out.way(*way);
            out.wide(*count);
        }
        let sum = checksum(&out.0);
        out.wide(sum);
        out.0
    }

    /// The search that was stored.
    ///
    /// # Errors
    ///
    /// When the bytes are no checkpoint, one of another search, or not as they were written.
    pub fn from_bytes(bytes: &[u8], identity: &Identity) -> Result<Self, CheckpointError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(CheckpointError::Unknown)?;
        let mut input = Reader(rest);
        let mut theirs = Vec::new();
        for _ in &identity.parts {
            let part = input.bytes().ok_or(CheckpointError::Damaged)?;
            theirs.push(String::from_utf8_lossy(part).into_owned());
        }
        let (body, sum) = bytes.split_last_chunk::<16>().ok_or(CheckpointError::Damaged)?;
        if checksum(body) != u128::from_le_bytes(*sum) {
            return Err(CheckpointError::Damaged);
        }
        for ((what, ours), theirs) in identity.parts.iter().zip(theirs) {
            if *ours != theirs {
                return Err(CheckpointError::Foreign { what, theirs, ours: ours.clone() });
            }
        }
        input.search().ok_or(CheckpointError::Damaged)
    }
}

fn checksum(bytes: &[u8]) -> u128 {
    let mut hash = StateHash::default();
    hash.bytes(bytes);
    hash.finish().0
}

/// Appends numbers, little-endian, and counted bytes.
struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, number: u64) {
        self.0.extend(number.to_le_bytes());
    }

    fn count(&mut self, count: usize) {
        self.number(count as u64);
    }

    fn wide(&mut self, number: u128) {
        self.0.extend(number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.extend(bytes);
    }

    fn way(&mut self, Way { prefix, letter }: Way) {
        self.number(u64::from(prefix) << 8 | u64::from(letter));
    }

    fn level_count(&mut self, LevelCount { sequences, broken, runs }: LevelCount) {
        self.wide(sequences);
        self.wide(broken);
        self.number(runs);
    }
}

/// Reads what a [`Writer`] wrote; `None` when there is not so much.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn count(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    fn wide(&mut self) -> Option<u128> {
        self.array().map(u128::from_le_bytes)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.count()?;
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    fn way(&mut self) -> Option<Way> {
        let number = self.number()?;
        let letter = u8::try_from(number & 0xFF).ok()?;
        Some(Way { prefix: u32::try_from(number >> 8).ok()?, letter })
    }

    fn level_count(&mut self) -> Option<LevelCount> {
        Some(LevelCount { sequences: self.wide()?, broken: self.wide()?, runs: self.number()? })
    }

    /// As many of something as a count says.
    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        (0..self.count()?).map(|_| one(self)).collect()
    }

    fn symptom(&mut self) -> Option<Symptom> {
        let invariant = str::from_utf8(self.bytes()?).ok()?;
        let word = str::from_utf8(self.bytes()?).ok()?;
        let kind = CallKind::ALL.iter().find(|kind| kind.word() == word);
        let word = kind.map_or(super::judge::AT_THE_END, |kind| kind.word());
        Some((invariant::by_name(invariant)?.name, word))
    }

    fn search(&mut self) -> Option<Search> {
        let levels = self.list(Self::level_count)?;
        let states = self.number()?;
        let (len, prefix_count) = (self.count()?, self.count()?);
        let letters = self.bytes()?.to_vec();
        let counts: Option<Vec<u128>> = (0..prefix_count).map(|_| self.wide()).collect();
        let mut level = Level::new(Prefixes { len, letters, counts: counts? });
        for (place, done) in level.done.iter_mut().zip(self.bytes()?) {
            *place = *done != 0;
        }
        level.done_count = level.done.iter().filter(|&&done| done).count();
        level.tally.count = self.level_count()?;
        let broken = self.list(|input| Some((input.symptom()?, input.way()?)))?;
        level.tally.broken = broken.into_iter().collect();
        let reached = self.list(|input| {
            let id = StateId(input.wide()?);
            Some((id, Reached { way: input.way()?, count: input.wide()? }))
        })?;
        level.states.extend(reached);
        Some(Search { levels, states, level })
    }
}
