//! What to run next, given what the earlier runs reached: the search without an engine.
//!
//! A [`Search`] makes a sequence and is told what the run of it saw. Half of its sequences it makes
//! from nothing; the others go on from where a run has been before. It is a pure function of its
//! seed and of the traces it is shown.
//!
//! ```text
//! feature   what a trace has reached: states, transitions, depths
//! ways      the shortest way to each of them, to go on from
//! ```

pub mod feature;
mod ways;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

use crate::generate::{SearchOptions, dice, generate, go_on};
use crate::observation::Trace;
use crate::sequence::CallSequence;
use feature::Features;
use ways::Ways;

/// A search under way.
#[derive(Debug)]
pub struct Search {
    rng: Xoshiro256PlusPlus,
    options: SearchOptions,
    features: Features,
    ways: Ways,
    sequence: CallSequence,
    proposed: u64,
}

/// So many sequences are made from nothing before one goes on from another: what is shallow shows
/// in one of them.
const FIRST: u64 = 128;

/// After these, one sequence in so many that are made from nothing has an ending.
const ENDING_ODDS: u32 = 8;

impl Search {
    /// A search that has run nothing; the seed decides everything.
    #[must_use]
    pub fn new(seed: u64, options: SearchOptions) -> Self {
        Self {
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
            options,
            features: Features::default(),
            ways: Ways::new(),
            sequence: CallSequence::default(),
            proposed: 0,
        }
    }

    /// The next sequence to run.
    pub fn propose(&mut self) -> &CallSequence {
        let Self { rng, options, ways, sequence, .. } = self;
        self.proposed += 1;
        let is_early = self.proposed <= FIRST;
        if !options.feedback || is_early || ways.is_empty() || dice::one_in(rng, 2) {
            let ending = options.ending && (is_early || dice::one_in(rng, ENDING_ODDS));
            generate(rng, &SearchOptions { ending, ..*options }, sequence);
        } else {
            sequence.calls.clone_from(&ways.pick(rng).calls);
            go_on(rng, options, sequence);
        }
        &self.sequence
    }

    /// Learns from the trace of the sequence that [`propose`](Self::propose) gave last.
    pub fn learn(&mut self, trace: &Trace) {
        if self.options.feedback {
            for &reached in self.features.of(trace) {
                self.ways.note(reached, &self.sequence.calls, &mut self.rng);
            }
        }
    }

    /// Learns from the trace of a sequence from elsewhere, and says whether it reached something new.
    pub fn learn_from(&mut self, sequence: &CallSequence, trace: &Trace) -> bool {
        let before = self.feature_count();
        for &reached in self.features.of(trace) {
            self.ways.note(reached, &sequence.calls, &mut self.rng);
        }
        self.feature_count() > before
    }

    /// How many features were reached so far.
    #[must_use]
    pub fn feature_count(&self) -> usize {
        self.ways.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequence::Call;

    #[test]
    fn the_first_sequences_have_an_ending_and_few_later_ones() {
        let mut search = Search::new(1, SearchOptions { feedback: false, ..Default::default() });
        let mut share = |count: usize| {
            let has_ending = |sequence: &CallSequence| {
                let last = sequence.calls.iter().rev().take(4);
                last.filter(|call| matches!(call, Call::DestroyDevice { .. })).count() == 4
            };
            let endings = (0..count).filter(|_| has_ending(search.propose())).count();
            100 * endings / count
        };
        // Those with many sessions, one ending in four, are not counted.
        let (first, later) = (share(128), share(2000));
        assert!((60..90).contains(&first), "{first} %");
        assert!((5..15).contains(&later), "{later} %");
    }
}
