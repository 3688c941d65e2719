//! However a fault was found, minimising it ends in the same shortest form with the same
//! fingerprint, which no other fault has.
#![cfg(feature = "faults")]
#![allow(clippy::unwrap_used, reason = "in a test, the panic is the message")]

mod files;
mod instances;
mod planted;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use instances::instances;
use keysan::heap::ScanningAllocator;
use planted::{alone, shortest_reproducers, with_fault};
use rekeylab::Workbench;
use rekeylab::drill::layers_for;
use rekeylab::observation::Trace;
use rekeylab::report::Fingerprint;
use rekeylab::sequence::{CallSequence, SequenceText};
use rekeylab_driver::Fault;

#[global_allocator]
static ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

/// The most runs that minimising a sequence of some 50 calls may take.
const RUNS_MAX: u64 = 12_000;

/// Faults of which the shortest form cannot tell which of the two it shows: all that is seen is the
/// same, in every layer. Longer sequences can tell them apart.
const TWINS: &[(Fault, Fault)] = &[
    // Dropped without a wipe, or with one of a copy: either way the home is freed as it is.
    (Fault::HomeDroppedUnwiped, Fault::WipeClearsACopy),
    // A second start is accepted; what it did with the first random number shows after a finish.
    (Fault::SecondStartReplacesRandom, Fault::SecondStartAccumulates),
    // A finish without a start is accepted; with what it XORed shows after a submission.
    (Fault::FinishWithoutStart, Fault::FinishWithoutStartXorsGarbage),
    // A used block is accepted again; only further ones, or earlier Counts, tell them apart.
    (Fault::CounterOverlapsByOne, Fault::CountIgnoredWithinIv),
    // After a reset a key is accepted; the status before it tells them apart.
    (Fault::LostSessionTakesKey, Fault::ResetUnkeysSessions),
];

#[test]
fn every_instance_of_a_fault_ends_in_its_shortest_form_with_its_own_fingerprint() {
    check(2, 0);
}

#[test]
#[ignore = "takes most of a minute where little is optimised, and half of that with --release"]
fn every_one_of_twenty_instances_does_too() {
    check(20, 20);
}

#[test]
fn what_shows_twins_is_the_same_to_the_last_byte() {
    let _alone = alone();
    let mut workbench = Workbench::new();
    let known: BTreeMap<Fault, CallSequence> = shortest_reproducers()
        .into_iter()
        .map(|(fault, file)| (fault, file.parsed.sequence()))
        .collect();
    for &(one, other) in TWINS {
        let mut trace = |fault| -> Trace {
            with_fault(fault, || {
                workbench.minimize_with(&known[&fault], layers_for(Some(fault)));
                workbench.trace().clone()
            })
        };
        assert!(trace(one) == trace(other), "{} differs from {}", one.name(), other.name());
    }
}

/// Minimises so many instances of every fault, which so many searches look for, and says everything that is not as it must be.
fn check(count: usize, hunt_count: u64) {
    let _alone = alone();
    let mut workbench = Workbench::new();
    let mut problems = String::new();
    let mut owners: BTreeMap<Fingerprint, Fault> = BTreeMap::new();
    for (fault, file) in shortest_reproducers() {
        let known = file.parsed.sequence();
        let layers = layers_for(Some(fault));
        let mut fingerprints = Vec::new();
        let mut tell = |problem: &str| writeln!(problems, "{}: {problem}", fault.name()).unwrap();
        let found =
            with_fault(fault, || instances(&mut workbench, fault, &known, count, hunt_count));
        if found.len() < count {
            tell(&format!("only {} instances were found", found.len()));
        }
        for instance in &found {
            let before = workbench.run_count();
            let shortest = with_fault(fault, || workbench.minimize_with(instance, layers)).unwrap();
            let runs = workbench.run_count() - before;
            let first = workbench.verdict().first().unwrap();
            let fingerprint = Fingerprint::new(first, workbench.trace());
            if runs > RUNS_MAX {
                tell(&format!("{runs} runs"));
            }
            if first.invariant != fault.rings() || shortest.calls.len() != fault.shortest() {
                tell(&format!("{} with\n{}", first.invariant, SequenceText::from(&shortest)));
            }
            if !fingerprints.contains(&fingerprint) {
                fingerprints.push(fingerprint);
                if fingerprints.len() > 1 {
                    tell(&format!("{fingerprint} too:\n{}", SequenceText::from(&shortest)));
                }
            }
        }
        for fingerprint in fingerprints {
            if let Some(owner) = owners.insert(fingerprint, fault)
                && !TWINS.contains(&(owner, fault))
            {
                tell(&format!("{fingerprint} is also that of {}", owner.name()));
            }
        }
    }
    assert!(problems.is_empty(), "{problems}");
}
