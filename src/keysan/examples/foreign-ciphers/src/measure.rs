//! Runs a call in keysan's gate with its arena, and counts what the call leaves behind.

use std::collections::BTreeSet;
use std::error::Error;
use std::hint::black_box;

use keysan::differential::{Recording, compare};
use keysan::gate::{Gate, GateLayers, LeftoverPlace};
use keysan::heap::{self, Arena};
use keysan::{SecretSet, looks_like_nothing_else};

use crate::needles::{FIRST_COUNT, Kind, TEXT_LEN, counter_block, encrypted, set_of};
use crate::variants::{Task, Variant};

/// The records of a [`Recording`] here.
const STACK_AND_REGISTERS: u32 = 0;
const HEAP: u32 = 1;
/// Where the key rightly is. Excused, and recorded so that a comparison in which nothing follows
/// the key still shows that there were two keys.
const HOME: u32 = 2;

/// The words of the stack that a ploughed run dirties before the call: more than any variant
/// reaches, and well within the gate's 256 KiB.
const PLOUGHED_WORDS: usize = 16 << 10;

/// What one call left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Residue {
    /// How many bytes of stack it used, in whole lines of 64.
    pub(crate) depth: usize,
    pub(crate) stack: Tally,
    /// What freed blocks of the Rust heap hold; `None` if no block was freed.
    pub(crate) heap: Option<Tally>,
    pub(crate) registers: Tally,
    pub(crate) follows: Follows,
}

/// Needles in one kind of place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Full copies at different places, by [`Kind`].
    pub(crate) copies: [usize; 4],
    /// Words of eight bytes that are part of a needle and of no such copy, by [`Kind`].
    pub(crate) parts: [usize; 4],
}

/// Words of eight bytes that change with the key and not with the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Follows {
    pub(crate) stack: usize,
    pub(crate) heap: usize,
    pub(crate) registers: usize,
}

/// A place for a word, in an order in which what is above in memory comes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Left(LeftoverPlace),
    Freed { block: u32, offset: u32 },
}

/// keysan's parts, and the memory that all runs share: only what the runs do with it may differ.
pub(crate) struct Instrument {
    gate: Gate,
    arena: Arena,
    input: Input,
    set: SecretSet,
    /// As it is, again, with another key, with another text.
    runs: [Recording; 4],
}

/// What a call gets to see, at the same addresses in every run.
struct Input {
    key: [u8; 16],
    nonce: [u8; 12],
    counter_block: [u8; 16],
    text: Vec<u8>,
}

impl Instrument {
    /// Opens the gate, attaches the arena, and proves that both look.
    pub(crate) fn open() -> Result<Instrument, Box<dyn Error>> {
        let mut set = SecretSet::new();
        let mut gate = Gate::open()?;
        gate.prove_it_looks(&mut set)?;
        heap::prove_it_looks(&mut set)?;
        // A deep inspection begins where those before it ended, and the proof went far down.
        gate.inspect_deep(&set, &mut |_| {});
        let nonce = *b"a new nonce.";
        let input = Input {
            key: [0; 16],
            nonce,
            counter_block: counter_block(&nonce, FIRST_COUNT),
            text: vec![0; TEXT_LEN],
        };
        let runs = [(); 4].map(|()| Recording::new());
        Ok(Instrument { gate, arena: Arena::attach()?, input, set, runs })
    }

    /// What the variant's call leaves; `None` if it is not built.
    pub(crate) fn measure(&mut self, variant: &Variant) -> Result<Option<Residue>, Box<dyn Error>> {
        let Some(call) = variant.call else { return Ok(None) };
        let secrets = Secrets::draw();
        self.warm_up(call, &secrets);

        self.fill(&secrets.key, secrets.text_seed)?;
        let text_before = self.input.text.clone();
        self.run(call);
        let expected = encrypted(&self.input.key, &self.input.nonce, &text_before);
        if variant.encrypts != (self.input.text == expected) {
            return Err(format!("{}: the text is not what it must be", variant.name).into());
        }
        let mut residue = self.look()?;
        residue.follows = self.follow(call, &secrets)?;
        Ok(Some(residue))
    }

    /// Lets a library do what it does once a process: find out what the processor has, set up its
    /// thread-local state, load its providers.
    fn warm_up(&mut self, call: fn(&mut Task<'_>), secrets: &Secrets) {
        self.input.key = secrets.warming_key;
        for _ in 0..2 {
            call(&mut self.input.task());
        }
    }

    /// Prepares key, text and set for a run.
    fn fill(&mut self, key: &[u8; 16], text_seed: u64) -> Result<(), Box<dyn Error>> {
        self.input.key = *key;
        let mut random = Random(text_seed);
        self.input.text.fill_with(|| random.byte());
        self.set = set_of(key, &self.input.nonce)?;
        Ok(())
    }

    /// One call through the gate, all it allocates taken from the arena.
    fn run(&mut self, call: impl FnOnce(&mut Task<'_>)) {
        self.arena.reset();
        // keysan's allocator counts on the call's own stack, and must count from 0 in every run.
        heap::take_report(|_| {});
        let mut task = self.input.task();
        let gate = &mut self.gate;
        heap::watch(&self.set, || gate.call(|| call(&mut task)));
    }

    /// Counts the needles that the last run left, but not yet what follows the key.
    fn look(&mut self) -> Result<Residue, Box<dyn Error>> {
        let (mut stack, mut registers, mut freed) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut sort = |leftover: keysan::gate::Leftover| {
            let seen = (leftover.tag, Place::Left(leftover.place), leftover.window);
            match leftover.place {
                LeftoverPlace::Stack { .. } => stack.insert(seen),
                LeftoverPlace::Register { .. } => registers.insert(seen),
            };
        };
        let near = self.gate.inspect(&self.set, GateLayers::ALL, &mut sort);
        let above_the_entry = near.stack.bytes - self.gate.depth();
        let deep = self.gate.inspect_deep(&self.set, &mut sort);

        let scanned = self.arena.scan(&self.set, &mut |sighting| {
            let at = self.arena.place_of(sighting.position);
            if let Some(block) = at.block
                && block.freed_in.is_some()
            {
                let place = Place::Freed { block: block.number, offset: at.offset };
                freed.insert((sighting.tag, place, sighting.window));
            }
        });
        let report = heap::take_report(|_| {});
        let is_complete = near.is_complete && deep.is_complete && scanned.canaries > 0;
        if !is_complete || self.arena.outside_count() > 0 {
            return Err("keysan did not look everywhere: the run is void".into());
        }
        Ok(Residue {
            depth: deep.stack.bytes - above_the_entry,
            stack: Tally::of(&stack),
            heap: (report.frees > 0).then(|| Tally::of(&freed)),
            registers: Tally::of(&registers),
            follows: Follows::default(),
        })
    }

    /// The two-key differential over dead stack, registers and Rust heap.
    fn follow(
        &mut self,
        call: fn(&mut Task<'_>),
        secrets: &Secrets,
    ) -> Result<Follows, Box<dyn Error>> {
        let (key, text) = (secrets.key, secrets.text_seed);
        let inputs = [(key, text), (key, text), (secrets.other_key, text), (key, !text)];
        let mut stack_words = 0;
        for (which, (key, text_seed)) in inputs.into_iter().enumerate() {
            self.fill(&key, text_seed)?;
            // Nothing to look for in freed blocks: a sighting is confirmed on the call's own stack,
            // where its masked words would follow the key.
            self.set.clear();
            self.run(|task| {
                plough();
                call(task);
            });
            let run = &mut self.runs[which];
            run.clear();
            run.make_room(4 * PLOUGHED_WORDS);
            let (gate, arena) = (&self.gate, &self.arena);
            run.record_with(STACK_AND_REGISTERS, |into| {
                stack_words = gate.copy_leftovers(into).stack_words;
            });
            run.record_with(HEAP, |into| arena.words(into));
            let (halves, _) = key.as_chunks::<8>();
            run.record(HOME, &[u64::from_le_bytes(halves[0]), u64::from_le_bytes(halves[1])]);
            run.excuse(0..2);
            self.gate.inspect_deep(&self.set, &mut |_| {});
        }

        let [base, again, other_key, other_text] = &self.runs;
        let same = compare(base, again, again, &mut |_| {})?;
        if same.by_both > 0 {
            return Err("the same call twice leaves different words: nothing to compare".into());
        }
        let mut follows = Follows::default();
        let compared = compare(base, other_key, other_text, &mut |words| {
            for word in words.word..words.word + words.words {
                let count = match words.region {
                    HEAP => &mut follows.heap,
                    _ if (word as usize) < stack_words => &mut follows.stack,
                    _ => &mut follows.registers,
                };
                *count += 1;
            }
        })?;
        if !compared.is_conclusive() {
            return Err("the second run did not use its own key: the comparison is void".into());
        }
        Ok(follows)
    }
}

/// Dirties the stack far beyond what the call will use.
///
/// keysan copies a stack down to the first 512 bytes of paint. A call with large frames leaves such
/// holes, and what lies below them would not be compared.
#[inline(never)]
fn plough() {
    black_box(&mut [0_u64; PLOUGHED_WORDS]);
}

impl Input {
    fn task(&mut self) -> Task<'_> {
        let Input { key, nonce, counter_block, text } = self;
        Task { key, nonce, counter_block, text }
    }
}

impl Tally {
    /// A full copy is both halves of a needle, one right behind the other.
    fn of(seen: &BTreeSet<(u32, Place, u8)>) -> Tally {
        let mut tally = Tally::default();
        let mut in_copies = BTreeSet::new();
        for &(tag, place, window) in seen.iter().filter(|(_, _, window)| *window == 0) {
            let Some(behind) = place.next_word() else { continue };
            if seen.contains(&(tag, behind, 8)) {
                tally.copies[Kind::of_tag(tag) as usize] += 1;
                in_copies.extend([(tag, place, window), (tag, behind, 8)]);
            }
        }
        for &(tag, ..) in seen.difference(&in_copies) {
            tally.parts[Kind::of_tag(tag) as usize] += 1;
        }
        tally
    }

    /// Whether there was nothing at all.
    pub(crate) fn is_clean(&self) -> bool {
        *self == Tally::default()
    }
}

impl Place {
    /// The word behind it in memory, if it belongs to the same thing. The two halves of sixteen
    /// aligned bytes of a vector register have the same name.
    fn next_word(self) -> Option<Place> {
        Some(match self {
            Place::Left(LeftoverPlace::Stack { depth }) => {
                Place::Left(LeftoverPlace::Stack { depth: depth.checked_sub(8)? })
            }
            Place::Left(LeftoverPlace::Register { register, offset }) => {
                Place::Left(LeftoverPlace::Register { register, offset: offset + 8 })
            }
            Place::Freed { block, offset } => Place::Freed { block, offset: offset + 8 },
        })
    }
}

/// The keys and texts of a measurement, the same in every run of the program.
struct Secrets {
    warming_key: [u8; 16],
    key: [u8; 16],
    other_key: [u8; 16],
    text_seed: u64,
}

impl Secrets {
    fn draw() -> Secrets {
        let mut random = Random(0x6b65_7973_616e);
        Secrets {
            warming_key: random.secret(),
            key: random.secret(),
            other_key: random.secret(),
            text_seed: random.word(),
        }
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): a seed's stream is the same everywhere.
struct Random(u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn byte(&mut self) -> u8 {
        self.word().to_le_bytes()[0]
    }

    /// Sixteen bytes that keysan can tell from everything else.
    fn secret(&mut self) -> [u8; 16] {
        loop {
            let secret = (u128::from(self.word()) << 64 | u128::from(self.word())).to_le_bytes();
            if looks_like_nothing_else(&secret) {
                return secret;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variants;

    /// Needle 0 is the key.
    fn check_key_words(words: &[(u32, u8)], copies: usize, parts: usize) {
        let freed = |offset| Place::Freed { block: 0, offset };
        let seen = words.iter().map(|&(offset, window)| (0, freed(offset), window)).collect();
        let expected = Tally { copies: [copies, 0, 0, 0], parts: [parts, 0, 0, 0] };
        assert_eq!(Tally::of(&seen), expected);
    }

    #[test]
    fn halves_are_a_copy_only_when_one_is_right_behind_the_other() {
        check_key_words(&[(0, 0), (8, 8)], 1, 0);
        check_key_words(&[(0, 0), (8, 8), (64, 0), (72, 8)], 2, 0);
        check_key_words(&[(0, 0), (16, 8)], 0, 2);
        check_key_words(&[(0, 8), (8, 0)], 0, 2);
        check_key_words(&[(0, 3)], 0, 1);
        check_key_words(&[], 0, 0);
    }

    #[test]
    fn on_the_stack_what_is_above_comes_behind() {
        let at = |depth| Place::Left(LeftoverPlace::Stack { depth });
        assert_eq!(Tally::of(&[(0, at(64), 0), (0, at(56), 8)].into()).copies[0], 1);
        assert_eq!(Tally::of(&[(0, at(56), 0), (0, at(64), 8)].into()).copies[0], 0);
    }

    #[test]
    fn the_clean_are_told_from_the_leaky() {
        let mut instrument = Instrument::open().unwrap();
        let mut measure = |name: &str| {
            let variant = variants::ALL.iter().find(|variant| variant.name == name).unwrap();
            instrument.measure(variant).unwrap().unwrap()
        };
        for name in ["control: does nothing", "rekeylab-cipher"] {
            let Residue { stack, registers, heap, follows, .. } = measure(name);
            assert!(stack.is_clean() && registers.is_clean() && heap.is_none(), "{name}");
            assert_eq!(follows, Follows::default(), "{name}");
        }
        let moved = measure("Zeroizing returned, then boxed");
        assert!(moved.stack.copies[0] > 0 && moved.follows.stack > 0);
        assert_eq!(moved.heap, Some(Tally::default()), "the box was wiped");
        let grown = measure("Zeroizing<Vec<u8>> grown by push");
        assert!(grown.heap.is_some_and(|tally| tally.copies[0] > 0) && grown.follows.heap > 0);
        let [keys, round_keys, _, keystream] = measure("aes + ctr").stack.copies;
        assert!(keys > 0 && round_keys > 0 && keystream > 0);
    }
}
