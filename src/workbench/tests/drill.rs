//! No alarm without a drill: each planted fault rings its invariant, and nothing else rings.
#![cfg(feature = "faults")]
#![allow(clippy::unwrap_used, reason = "in a test, the panic is the message")]

mod files;
mod planted;

use std::collections::BTreeSet;

use keysan::heap::ScanningAllocator;
use planted::{alone, fault_of, shortest_of, shortest_reproducers, with_fault};
use rekeylab::Workbench;
use rekeylab::drill::{hangs, layers_for};
use rekeylab::generate::{SearchOptions, generate_from_seed};
use rekeylab::invariant;
use rekeylab::observation::{Layer, Layers};
use rekeylab::search::Search;
use rekeylab::sequence::{CallSequence, SequenceText};
use rekeylab_faults::Fault;

#[global_allocator]
static ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

/// How many searches there are for each fault, each from another seed.
const SEARCHES: u64 = 3;

/// How many sequences a search runs before it gives up on a fault: twice what any has taken.
const EXECUTIONS_MAX: u64 = 40_000;

/// How many generated sequences the honest core is shown.
const SEEDS: u64 = 3000;

/// What some sequences ring first under a fault although it is not its own invariant, and why.
const ECHOES: &[(Fault, &str, &str)] = &[];

/// Every invariant that the sequence rings.
fn rings(
    workbench: &mut Workbench,
    layers: Layers,
    sequence: &CallSequence,
) -> BTreeSet<&'static str> {
    let verdict = workbench.run_with(sequence, layers);
    verdict.violations.iter().map(|violation| violation.invariant).collect()
}

#[test]
fn every_invariant_has_a_fault_and_every_fault_an_invariant() {
    let rung: BTreeSet<&str> = Fault::ALL.iter().map(|fault| fault.rings()).collect();
    let all: BTreeSet<&str> = invariant::ALL.iter().map(|invariant| invariant.name).collect();
    assert_eq!(rung, all);
}

#[test]
fn every_fault_has_its_reproducer_in_the_folder_of_its_invariant() {
    let files = files::sequences("corpus/crashes");
    let mut problems = Vec::new();
    for file in &files {
        if let Some(fault) = fault_of(file)
            && !file.path.starts_with(&format!("corpus/crashes/{}/", fault.rings()))
        {
            problems.push(format!("{} is not in the folder {}", file.path, fault.rings()));
        }
    }
    for fault in Fault::ALL {
        if !files.iter().any(|file| fault_of(file) == Some(*fault)) {
            problems.push(format!("no reproducer shows {}", fault.name()));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn a_reproducer_rings_its_invariant_and_no_other_under_its_fault_and_is_silent_without() {
    let _alone = alone();
    let mut workbench = Workbench::new();
    assert!(workbench.layers().has(Layer::FreedHeap));
    let mut problems = Vec::new();
    for file in files::sequences("corpus/crashes") {
        let Some(fault) = fault_of(&file) else { continue };
        let sequence = file.parsed.sequence();
        let layers = layers_for(Some(fault));
        // What hangs is drilled by `tests/command/hanging.rs`, and only has to be silent here.
        if !hangs(fault) {
            let rung =
                with_fault(&mut workbench, fault, |workbench| rings(workbench, layers, &sequence));
            if rung != BTreeSet::from([fault.rings()]) {
                problems.push(format!("{} rings {rung:?} under {}", file.path, fault.name()));
            }
        }
        let rung = rings(&mut workbench, Layers::ALL, &sequence);
        if !rung.is_empty() {
            problems.push(format!("{} rings {rung:?} without a fault", file.path));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_shortest_reproducer_of_a_fault_is_as_short_as_the_fault_says_and_can_be() {
    let _alone = alone();
    let mut workbench = Workbench::new();
    let mut problems = Vec::new();
    for (fault, shortest) in shortest_reproducers() {
        let len = shortest.parsed.entries.len();
        if len != shortest_of(fault) {
            problems.push(format!("{} has {len} calls, not {}", shortest.path, shortest_of(fault)));
        }
        let sequence = shortest.parsed.sequence();
        let layers = layers_for(Some(fault));
        let minimize = |workbench: &mut Workbench| workbench.minimize_with(&sequence, layers);
        let minimized = with_fault(&mut workbench, fault, minimize).unwrap();
        if minimized.calls.len() < len {
            problems.push(format!("{} can be shorter:\n{}", shortest.path, text(&minimized)));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn with_everything_looked_into_every_fault_still_rings() {
    let _alone = alone();
    let mut workbench = Workbench::new();
    let mut problems = Vec::new();
    for (fault, file) in shortest_reproducers() {
        let sequence = file.parsed.sequence();
        with_fault(&mut workbench, fault, |workbench| {
            workbench.run(&sequence);
        });
        let first = workbench.verdict().first().map(|violation| violation.invariant);
        // What goes wrong between calls may be seen as a secret in the wrong place before it shows
        // in an answer.
        let is_heard = first.is_some_and(|first| {
            [fault.rings(), "key-residue", "wrong-key-epoch"].contains(&first)
        });
        if !is_heard {
            problems.push(format!("{}: {first:?} rings first under {}", file.path, fault.name()));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn a_short_search_finds_every_fault_and_minimises_it_to_its_invariant() {
    let _alone = alone();
    let mut workbench = Workbench::new();
    let mut problems = Vec::new();
    for fault in Fault::ALL.iter().copied().filter(|&fault| !hangs(fault)) {
        let shown = with_fault(&mut workbench, fault, |workbench| {
            search(workbench, layers_for(Some(fault)))
        });
        if shown.len() as u64 != SEARCHES {
            problems.push(format!("only {} searches find {}", shown.len(), fault.name()));
        }
        let mut echoes: BTreeSet<&str> = ECHOES
            .iter()
            .filter(|(echoing, ..)| *echoing == fault)
            .map(|&(_, invariant, _)| invariant)
            .collect();
        if !shown.iter().any(|(first, _)| *first == fault.rings()) {
            problems.push(format!("{} never rings {}", fault.name(), fault.rings()));
        }
        let known = echoes.clone();
        for (first, sequence) in shown {
            echoes.remove(first);
            if first != fault.rings() && !known.contains(first) {
                let text = text(&sequence);
                problems.push(format!("{} rings {first} first with\n{text}", fault.name()));
            }
        }
        for echo in echoes {
            problems.push(format!("{} does not ring {echo} any more", fault.name()));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_honest_core_is_silent_on_the_same_seeds() {
    let _alone = alone();
    let mut workbench = Workbench::new();
    for seed in 0..SEEDS {
        let sequence = generate_from_seed(seed, &SearchOptions::default());
        let verdict = workbench.run(&sequence);
        assert!(verdict.is_clean(), "seed {seed}: {verdict:?}\n{}", text(&sequence));
    }
}

/// What each search finds first, minimised: what it rings, and how.
fn search(workbench: &mut Workbench, layers: Layers) -> Vec<(&'static str, CallSequence)> {
    let mut shown = Vec::new();
    for seed in 1..=SEARCHES {
        let mut search = Search::new(seed, SearchOptions::default());
        let (_, found) = workbench.hunt(&mut search, layers, EXECUTIONS_MAX);
        let minimized = found.and_then(|found| workbench.minimize_with(&found, layers));
        let first = workbench.verdict().first().map(|violation| violation.invariant);
        shown.extend(first.zip(minimized));
    }
    shown
}

fn text(sequence: &CallSequence) -> SequenceText {
    SequenceText::from(sequence)
}
