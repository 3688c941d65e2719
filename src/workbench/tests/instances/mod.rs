//! Sequences that show a planted fault, found in many ways.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use rekeylab::Workbench;
use rekeylab::drill::layers_for;
use rekeylab::generate::{SearchOptions, dice, generate_from_seed};
use rekeylab::search::Search;
use rekeylab::sequence::{CallSequence, renumber};
use rekeylab_faults::Fault;

/// Sequences that show a planted fault, each found from another seed: those of the generator's
/// first [`GENERATED_MAX`] that do or, if `hunt_count` is not 0, what so many searches find; and when
/// these are too few, calls of the generator around the calls of a `known` form.
pub(crate) fn instances(
    workbench: &mut Workbench,
    fault: Fault,
    known: &CallSequence,
    count: usize,
    hunt_count: u64,
) -> Vec<CallSequence> {
    let layers = layers_for(Some(fault));
    let options = SearchOptions::default();
    let mut found = Vec::new();
    for seed in (0..GENERATED_MAX).take_while(|_| hunt_count == 0) {
        let sequence = generate_from_seed(seed, &options);
        if found.len() < count && !workbench.run_with(&sequence, layers).is_clean() {
            found.push(sequence);
        }
    }
    for seed in 1..=hunt_count {
        if found.len() < count {
            let mut search = Search::new(seed, options);
            found.extend(workbench.hunt(&mut search, layers, EXECUTIONS_MAX).1);
        }
    }
    for seed in 0..AROUND_MAX {
        let sequence = around(known, seed);
        if found.len() < count && !workbench.run_with(&sequence, layers).is_clean() {
            found.push(sequence);
        }
    }
    found
}

/// How many sequences of the generator are looked through for instances of a fault.
const GENERATED_MAX: u64 = 400;

/// How many sequences a search runs before it gives up.
const EXECUTIONS_MAX: u64 = 30_000;

/// How many sequences around a known form are looked through.
const AROUND_MAX: u64 = 4000;

/// The calls of `known` with up to 24 others around and between them.
fn around(known: &CallSequence, seed: u64) -> CallSequence {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let others = generate_from_seed(seed, &SearchOptions::default()).calls;
    let mut sequence = known.clone();
    for _ in 0..3 {
        let at = dice::index(&mut rng, sequence.calls.len() + 1);
        let start = dice::index(&mut rng, others.len());
        let end = others.len().min(start + 1 + dice::index(&mut rng, 8));
        renumber::graft(&mut sequence.calls, at, &others, start..end);
    }
    sequence
}
