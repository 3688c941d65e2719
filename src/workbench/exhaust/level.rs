//! One level of the search: the prefixes of one length, and the states that one call more leads to.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use crate::observation::StateId;
use crate::sequence::{Call, CallSequence};

/// Distinct states of one level, each with the first prefix that led to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Prefixes {
    /// How many letters each has.
    pub(super) len: usize,
    /// Their letters, one prefix after the other.
    pub(super) letters: Vec<u8>,
    /// How many sequences each stands for.
    pub(super) counts: Vec<u128>,
}

impl Prefixes {
    /// The one prefix without calls.
    pub(super) fn empty() -> Self {
        Self { len: 0, letters: Vec::new(), counts: vec![1] }
    }

    pub(super) fn count(&self) -> usize {
        self.counts.len()
    }

    pub(super) fn letters_of(&self, prefix: usize) -> &[u8] {
        &self.letters[prefix * self.len..(prefix + 1) * self.len]
    }
}

/// A state that was reached, by which prefix and letter first, and by how many sequences.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Reached {
    /// The first way in the order of prefixes and letters, whichever thread was first.
    pub(super) way: Way,
    pub(super) count: u128,
}

/// A prefix of the level, by its number, and a letter behind it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Way {
    pub(super) prefix: u32,
    pub(super) letter: u8,
}

/// States by their hash, which needs no further hashing.
pub(super) type States = HashMap<StateId, Reached, BuildHasherDefault<IdHasher>>;

/// Takes the lower half of a [`StateId`] as it is.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, _) = bytes.as_chunks();
        self.0 = words.first().map_or(0, |word| u64::from_le_bytes(*word));
    }
}

/// Adds a way to a state.
pub(super) fn reach(states: &mut States, id: StateId, Reached { way, count }: Reached) {
    let reached = states.entry(id).or_insert(Reached { way, count: 0 });
    reached.count += count;
    reached.way = reached.way.min(way);
}

/// What was found broken first, among what looks alike: the invariant, and the kind of the call.
pub(super) type Symptom = (&'static str, &'static str);

/// What the runs of a part of a level came to.
#[derive(Clone, Default, Debug)]
pub(super) struct Tally {
    pub(super) count: LevelCount,
    pub(super) broken: BTreeMap<Symptom, Way>,
}

/// What a level came to, in numbers; the same on every machine and with any number of threads.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct LevelCount {
    /// How many sequences there are of this length.
    pub sequences: u128,
    /// How many of them broke something, the last call of each being the first to do so.
    pub broken: u128,
    /// How many were really run.
    pub runs: u64,
}

/// A sequence that broke an invariant, one for each kind of call and invariant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broken {
    /// The calls; no shorter sequence of the alphabet breaks anything.
    pub sequence: CallSequence,
    /// What it breaks first.
    pub invariant: &'static str,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.count.add(other.count);
        for (symptom, way) in other.broken {
            self.note_broken(symptom, way);
        }
    }

    pub(super) fn note_broken(&mut self, symptom: Symptom, way: Way) {
        let first = self.broken.entry(symptom).or_insert(way);
        *first = way.min(*first);
    }
}

impl LevelCount {
    pub(super) fn add(&mut self, other: Self) {
        let Self { sequences, broken, runs } = other;
        self.sequences += sequences;
        self.broken += broken;
        self.runs += runs;
    }
}

/// A level that is being searched.
#[derive(Debug)]
pub(super) struct Level {
    pub(super) prefixes: Prefixes,
    /// How many parts there are, of [`PART`] prefixes each.
    pub(super) part_count: usize,
    /// How many are done.
    pub(super) done_count: usize,
    pub(super) tally: Tally,
    /// What was reached so far; empty at the last level.
    pub(super) states: States,
}

/// Prefixes that a thread takes at a time: some milliseconds.
pub(super) const PART: usize = 32;

impl Level {
    pub(super) fn new(prefixes: Prefixes) -> Self {
        let part_count = prefixes.count().div_ceil(PART);
        Self {
            prefixes,
            part_count,
            done_count: 0,
            tally: Tally::default(),
            states: States::default(),
        }
    }

    /// The prefixes of the next level, in the order of the ways that first led to them.
    pub(super) fn next(&self) -> Prefixes {
        let mut reached: Vec<&Reached> = self.states.values().collect();
        reached.sort_unstable_by_key(|reached| reached.way);
        let len = self.prefixes.len + 1;
        let mut letters = Vec::with_capacity(reached.len() * len);
        for Reached { way: Way { prefix, letter }, .. } in &reached {
            letters.extend_from_slice(self.prefixes.letters_of(*prefix as usize));
            letters.push(*letter);
        }
        Prefixes { len, letters, counts: reached.iter().map(|reached| reached.count).collect() }
    }

    /// What was broken, told in calls.
    pub(super) fn broken(&self, alphabet: &[Call]) -> Vec<Broken> {
        let mut broken: Vec<_> = self.tally.broken.iter().collect();
        broken.sort_by_key(|(_, way)| **way);
        let tell = |(&(invariant, _), way): (&Symptom, &Way)| {
            let letters = self.prefixes.letters_of(way.prefix as usize).iter().chain([&way.letter]);
            let calls = letters.map(|&letter| alphabet[usize::from(letter)]).collect();
            Broken { sequence: CallSequence { calls }, invariant }
        };
        broken.into_iter().map(tell).collect()
    }
}
