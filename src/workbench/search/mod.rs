//! What to run next, given what the earlier runs reached: the search without an engine.
//!
//! A [`Search`] makes a sequence, is told what the run of it saw, keeps what reached something new
//! and goes on from there. It is a pure function of its seed and of the traces it is shown.
//!
//! ```text
//! feature   what a trace has reached: states, transitions, depths
//! pool      the sequences that are kept, and which of them is changed next
//! ```

pub mod feature;
mod pool;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

use crate::observation::Trace;
use crate::sequence::{CallSequence, SearchOptions, cross_over, dice, generate, mutate_with};
use feature::Features;
use pool::Pool;

/// A search under way.
#[derive(Debug)]
pub struct Search {
    rng: Xoshiro256PlusPlus,
    options: SearchOptions,
    features: Features,
    pool: Pool,
    sequence: CallSequence,
    proposed: u64,
}

/// So many sequences are made from nothing before any is changed: what is shallow shows in one of
/// them, and changes of the first few would be much alike.
const FIRST: u64 = 128;

/// Most calls of a sequence in a search: room for the longest way to a bound, and a few more.
const CALLS_MAX: usize = 128;

impl Search {
    /// A search that has run nothing; the seed decides everything.
    #[must_use]
    pub fn new(seed: u64, options: SearchOptions) -> Self {
        Self {
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
            options,
            features: Features::default(),
            pool: Pool::new(),
            sequence: CallSequence::default(),
            proposed: 0,
        }
    }

    /// Puts a sequence into the pool before anything was run: a seed to start from.
    pub fn start_from(&mut self, sequence: &CallSequence) {
        self.pool.keep(sequence, &[]);
    }

    /// The next sequence to run.
    pub fn propose(&mut self) -> &CallSequence {
        let Self { rng, options, pool, sequence, .. } = self;
        self.proposed += 1;
        let can_change = !pool.is_empty() && (options.mutation || options.splice);
        if !can_change || self.proposed <= FIRST || dice::one_in(rng, 2) {
            generate(rng, options, sequence);
        } else if options.splice && (!options.mutation || dice::one_in(rng, 4)) {
            let a = pool.pick(rng, options.rarity);
            let b = pool.pick(rng, false);
            cross_over(pool.at(a), pool.at(b), sequence, rng, CALLS_MAX);
        } else {
            let from = pool.pick(rng, options.rarity);
            sequence.calls.clone_from(&pool.at(from).calls);
            mutate_with(sequence, rng, CALLS_MAX, options);
        }
        &self.sequence
    }

    /// Learns from the trace of the sequence that [`propose`](Self::propose) gave last.
    pub fn learn(&mut self, trace: &Trace) {
        let reached = self.features.of(trace);
        let is_new = self.pool.count(reached);
        let is_kept = if self.options.feedback { is_new } else { dice::one_in(&mut self.rng, 64) };
        if is_kept {
            self.pool.keep(&self.sequence, reached);
        }
    }
}
