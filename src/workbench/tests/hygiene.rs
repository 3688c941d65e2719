//! The matrix: which layers see which planted fault, exactly, and that none sees the honest core.
#![cfg(feature = "faults")]
#![allow(clippy::unwrap_used, reason = "in a test, the panic is the message")]

mod files;
mod planted;

use std::collections::BTreeSet;

use keysan::heap::ScanningAllocator;
use planted::{alone, shortest_reproducers, with_fault};
use rekeylab::Workbench;
use rekeylab::generate::{SearchOptions, generate_from_seed};
use rekeylab::invariant::{Model, Verdict, judge};
use rekeylab::observation::Layer::{
    Debug, Derived, Differential, FreedHeap, Heap, Homes, Log, Outputs, Registers, Stack, Statics,
};
use rekeylab::observation::{Layer, Layers, Trace};
use rekeylab::sequence::{CallSequence, SequenceText};
use rekeylab_faults::Fault;

#[global_allocator]
static ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

/// Who sees a fault on its shortest reproducer, with everything looked into.
struct Row {
    fault: Fault,
    /// The layers that see it in every build.
    by: Layers,
    /// The layers that see it or not, as the compiler likes.
    perhaps: Layers,
    /// Whether an invariant that needs no sight of a secret breaks, too.
    by_the_model: bool,
}

/// Every fault that leaves or shows a secret, and what else a sanitizer of keys must face.
///
/// The numbers are those of the defects that the sanitizer was designed against.
fn matrix() -> Vec<Row> {
    vec![
        // Homes that are not wiped, in freed memory and in live.
        row(Fault::HomeDroppedUnwiped, &[FreedHeap, Heap, Differential]), // 1
        row(Fault::WipeClearsHalf, &[FreedHeap, Heap, Differential]),
        row(Fault::WipeClearsACopy, &[FreedHeap, Heap, Differential]),
        row(Fault::FinishLeavesRandom, &[Homes, Differential]), // 2
        row(Fault::MarkIsTheRandom, &[Homes]),
        row(Fault::FailedStartLeavesRandom, &[Homes]),
        row(Fault::FinishKeepsTheReadBackKey, &[Homes, Differential]),
        row(Fault::ResetLeavesTheReadBackKey, &[Homes, Differential]),
        row(Fault::ReadBackMarkIsTheKey, &[Homes]),
        row(Fault::RefusedReadBackKeyStaysWhereItWasDrawn, &[Heap]),
        row(Fault::OldReadBackKeysKept, &[Heap, Differential]),
        row(Fault::FailedExchangeKeepsKey, &[Homes]),
        row(Fault::ResetLeavesSessionSecrets, &[Homes, Differential]),
        row(Fault::ResetLeavesRandom, &[Homes, Differential]),
        row(Fault::ResetLeavesBoundKeys, &[Heap, Differential]),
        row(Fault::CompletedKeyLeft, &[Heap, Differential]), // 4
        row(Fault::NewSessionInheritsKey, &[Heap, Differential]),
        // Memory that leaks: more of it with each run.
        row(Fault::DeviceNameNeverFreed, &[Differential]),
        row(Fault::ListOfLostFencesNeverFreed, &[Differential]),
        row(Fault::ClosingForgetsTheQueue, &[Heap, Differential]),
        row(Fault::WornOutSessionForgotten, &[Differential]),
        row(Fault::ClosedDeviceForgotten, &[Differential]),
        // Copies beside the homes.
        row(Fault::OldKeyInHistory, &[Heap, Differential]), // 3
        row(Fault::UpdatedKeyInFreedBox, &[FreedHeap, Heap, Differential]),
        row(Fault::KeyGrownByteByByte, &[FreedHeap, Heap, Differential]), // 17
        row(Fault::KeysInGrowingVec, &[Heap]),
        row(Fault::KeysInGrowingDeque, &[Heap]),
        row(Fault::UnwindingSkipsWipe, &[FreedHeap, Heap, Differential]),
        // What is made of a key, and encodings that no scan knows.
        row(Fault::RoundKeysKept, &[FreedHeap, Heap, Differential]),
        row(Fault::KeystreamKept, &[FreedHeap, Heap, Differential]),
        row(Fault::RotatedKeyKept, &[Differential]),
        row(Fault::MaskedKeyInStatic, &[Differential]), // 14
        row(Fault::SpreadKeyInStatic, &[Differential]), // 15
        // Statics, stack and registers.
        row(Fault::KeyInStatic, &[Statics, Differential]), // 6
        row(Fault::KeyInThreadLocal, &[Statics, Differential]),
        row(Fault::KeyTakenByValue, &[Stack, Differential]).perhaps(&[Registers]), // 5
        row(Fault::RandomTakenByValue, &[Stack, Differential]).perhaps(&[Registers]),
        row(Fault::ReadBackKeyTakenByValue, &[Stack, Differential]).perhaps(&[Registers]),
        row(Fault::FinishLeavesKeyInRegister, &[Registers, Differential]), // 16
        row(Fault::SubmitLeavesRoundKeys, &[Registers, Differential]),     // 18
        // What the caller gets back, and text.
        row(Fault::RetireWritesKeyBehindOutput, &[Outputs])
            .perhaps(&[Registers, Differential])
            .and_model(), // 7
        row(Fault::RefusedStartShowsRandom, &[Outputs]).and_model(),
        row(Fault::SecondStartKeepsRandom, &[Outputs, Homes]).and_model(),
        row(Fault::ReadBackKeyHandedOutAsItIs, &[Outputs]).and_model(),
        row(Fault::ReadBackKeyInLog, &[Log, Differential]).perhaps(&[Stack]),
        row(Fault::KeyInDebug, &[Debug, Differential]),
        row(Fault::KeyInDebugAsBase64, &[Debug, Differential]),
        row(Fault::RandomInDebug, &[Debug, Differential]).perhaps(&[Stack]),
        row(Fault::LogSaysASumOfTheKey, &[Differential]).perhaps(&[Stack]),
        row(Fault::DebugShowsACheckByte, &[Differential]),
        row(Fault::KeyInLog, &[Log, Differential]), // 9
        row(Fault::KeyInErrorMessage, &[Log, Differential]).perhaps(&[Stack]), // 13
        // A run that did not end cannot be compared.
        row(Fault::PanicShowsKey, &[Log]).and_model(),
        // What the model sees by what is answered.
        row(Fault::DecryptionSkipped, &[]).and_model(), // 8
        row(Fault::FinishKeepsRandom, &[Homes, Differential]).and_model(), // 10
        row(Fault::KeyBoundAtCompletion, &[]).and_model(), // 11
        row(Fault::GenerationIgnored, &[]).and_model(), // 12
    ]
}

fn row(fault: Fault, by: &[Layer]) -> Row {
    let by = by.iter().copied().collect();
    Row { fault, by, perhaps: Layers::NONE, by_the_model: false }
}

impl Row {
    fn perhaps(self, layers: &[Layer]) -> Self {
        Self { perhaps: layers.iter().copied().collect(), ..self }
    }

    fn and_model(self) -> Self {
        Self { by_the_model: true, ..self }
    }
}

/// What is lost without a layer beside its own column: the other layers that no longer see a fault.
const ALSO_LOST: &[(Layer, Fault, &[Layer])] = &[
    // Whoever reads `Debug` after every call also looks around after every call. These are gone by
    // the time of the next look.
    (Debug, Fault::MarkIsTheRandom, &[Homes]),
    (Debug, Fault::SecondStartKeepsRandom, &[Homes]),
    (Debug, Fault::KeysInGrowingVec, &[Heap]),
    (Debug, Fault::KeysInGrowingDeque, &[Heap]),
    // What is made of a key is then not searched for, wherever it lies.
    (Derived, Fault::RoundKeysKept, &[FreedHeap, Heap]),
    (Derived, Fault::KeystreamKept, &[FreedHeap, Heap]),
    (Derived, Fault::SubmitLeavesRoundKeys, &[Registers]),
];

/// How many sequences the honest core is searched with.
const SEEDS: u64 = 2000;

/// A workbench that looks into everything; `None` where that has no port.
#[expect(clippy::print_stderr, reason = "a test that did not test anything says so")]
fn workbench() -> Option<Workbench> {
    let workbench = Workbench::new();
    if workbench.layers() == Layers::ALL {
        return Some(workbench);
    }
    let is_ported = cfg!(all(target_os = "linux", target_arch = "x86_64"));
    assert!(!is_ported, "only {:?} can be looked into", workbench.layers());
    eprintln!("skipped: not everything can be looked into here");
    None
}

/// The layers that saw something.
fn layers_that_saw(trace: &Trace) -> Layers {
    let places = trace.sightings.iter().map(|sighting| sighting.place.layer());
    let followings = trace.followings.iter().map(|_| Differential);
    let told = trace.text_followings.iter().map(|_| Differential);
    // Only several runs tell what leaks.
    let followings = followings.chain(told).chain(trace.leaks.iter().map(|_| Differential));
    let empty_homes = trace.empty_homes.iter().map(|_| Homes);
    places.chain(followings).chain(empty_homes).collect()
}

/// Whether an invariant breaks for somebody who sees no secret anywhere.
fn the_model_sees(trace: &Trace) -> bool {
    let mut blind = trace.clone();
    blind.sightings.clear();
    blind.followings.clear();
    blind.text_followings.clear();
    blind.leaks.clear();
    blind.empty_homes.clear();
    let (mut model, mut verdict) = (Model::default(), Verdict::default());
    judge(&blind, &mut model, &mut verdict);
    !verdict.is_clean()
}

/// What is in the first set only.
fn less(layers: Layers, fewer: Layers) -> Layers {
    layers.iter().filter(|&layer| !fewer.has(layer)).collect()
}

/// Each row of the matrix with its reproducer.
fn drills() -> Vec<(Row, CallSequence)> {
    let mut files = shortest_reproducers();
    let with_file = |row: Row| {
        let position = files.iter().position(|(fault, _)| *fault == row.fault).unwrap();
        (row, files.swap_remove(position).1.parsed.sequence())
    };
    matrix().into_iter().map(with_file).collect()
}

/// Runs every reproducer under its fault in these layers; what `expected` does not expect of a row
/// is a problem.
fn check(layers: Layers, expected: impl Fn(&Row) -> Layers) -> Vec<String> {
    let Some(mut workbench) = workbench() else { return Vec::new() };
    let mut problems = Vec::new();
    for (row, sequence) in drills() {
        with_fault(&mut workbench, row.fault, |workbench| {
            workbench.run_with(&sequence, layers);
        });
        let trace = workbench.trace();
        let (name, saw) = (row.fault.name(), layers_that_saw(trace));
        if less(saw, row.perhaps) != expected(&row) {
            problems.push(format!("{name} is seen by {saw:?}, not by {:?}", expected(&row)));
        }
        if the_model_sees(trace) != row.by_the_model {
            problems.push(format!("{name}: the model changed its mind"));
        }
        if let Some(void) = trace.void {
            problems.push(format!("{name}: {void}"));
        }
    }
    problems
}

#[test]
fn every_fault_that_leaves_or_shows_a_secret_has_one_row() {
    let rows: Vec<Fault> = matrix().iter().map(|row| row.fault).collect();
    let distinct: BTreeSet<Fault> = rows.iter().copied().collect();
    assert_eq!(distinct.len(), rows.len());
    for fault in Fault::ALL {
        let is_of_hygiene = ["key-residue", "key-leak"].contains(&fault.rings());
        assert!(!is_of_hygiene || distinct.contains(fault), "{} has no row", fault.name());
    }
    for row in matrix() {
        assert_eq!(less(row.by, row.perhaps), row.by, "{} is undecided", row.fault.name());
    }
}

#[test]
fn each_defect_is_seen_by_exactly_these_layers() {
    let _alone = alone();
    let problems = check(Layers::ALL, |row| row.by);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn disabling_a_layer_loses_exactly_its_column() {
    let _alone = alone();
    let mut problems = Vec::new();
    for layer in Layer::ALL {
        let expected = |row: &Row| {
            let lost =
                ALSO_LOST.iter().filter(|(off, fault, _)| (*off, *fault) == (layer, row.fault));
            let lost: Layers = lost.flat_map(|(.., lost)| lost.iter().copied()).collect();
            less(row.by.without(layer), lost)
        };
        let found = check(Layers::ALL.without(layer), expected);
        problems.extend(found.into_iter().map(|problem| format!("without {layer}: {problem}")));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Their memory is still in use in the next run, and nobody looks into it then: the heap is missing.
const LEAKING: [Fault; 5] = [
    Fault::WornOutSessionForgotten,
    Fault::ClosedDeviceForgotten,
    Fault::DeviceNameNeverFreed,
    Fault::ListOfLostFencesNeverFreed,
    Fault::ClosingForgetsTheQueue,
];

#[test]
fn twenty_runs_see_the_same() {
    let _alone = alone();
    let Some(mut workbench) = workbench() else { return };
    for (row, sequence) in drills() {
        with_fault(&mut workbench, row.fault, |workbench| {
            workbench.run(&sequence);
            let mut first = workbench.trace().clone();
            if LEAKING.contains(&row.fault) {
                first.layers = first.layers.without(Layer::Heap);
            }
            for _ in 1..20 {
                workbench.run(&sequence);
                // Places included: blocks, depths and registers.
                assert!(*workbench.trace() == first, "{} is seen otherwise", row.fault.name());
            }
        });
    }
}

#[test]
fn the_clean_core_is_silent_in_every_layer() {
    let _alone = alone();
    let Some(mut workbench) = workbench() else { return };
    let tracked = files::sequences("corpus").into_iter();
    let tracked = tracked.map(|file| (file.path, file.parsed.sequence()));
    let options = SearchOptions::default();
    let generated =
        (0..SEEDS).map(|seed| (format!("seed {seed}"), generate_from_seed(seed, &options)));
    for (name, sequence) in tracked.chain(generated) {
        workbench.run(&sequence);
        let (trace, all) = (workbench.trace(), workbench.layers());
        let text = || format!("{name}\n{}", SequenceText::from(&sequence));
        assert_eq!(trace.sightings, [], "{}", text());
        assert_eq!(trace.followings, [], "{}", text());
        assert_eq!(trace.empty_homes, [], "{}", text());
        assert_eq!(trace.stray_writes, [], "{}", text());
        // Silence means nothing where nobody looked.
        assert_eq!(trace.void, None, "{}", text());
        assert_eq!(trace.layers, all, "{}", text());
    }
}
