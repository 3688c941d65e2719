//! The copy of the core that holds every fault, with none planted, is the honest core.
#![cfg(feature = "faults")]
#![allow(clippy::unwrap_used, reason = "in a test, the panic is the message")]

mod files;

use keysan::heap::ScanningAllocator;
use rekeylab::Workbench;
use rekeylab::executor::{AnyDut, FaultyCore};
use rekeylab::exhaust::{Alphabet, Plan, run};
use rekeylab::generate::{SearchOptions, generate_from_seed};
use rekeylab::observation::{Layers, Trace};

#[global_allocator]
static ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

/// How many generated sequences both are shown.
const SEEDS: u64 = 3000;

/// A trace without what tells the two apart: the fields that faults remember make the driver's own
/// types larger, so what lies in dead stack lies elsewhere.
fn answers(trace: &Trace) -> String {
    assert!(trace.void.is_none(), "{trace:?}");
    // Larger types also ask for more memory.
    let mut calls = trace.calls.clone();
    calls.iter_mut().for_each(|seen| seen.held_len = 0);
    format!("{calls:?} {:?} {:?} {:?}", trace.bytes, trace.completions, trace.draws)
}

#[test]
fn without_a_fault_the_copy_answers_and_leaves_what_the_honest_core_does() {
    let (mut honest, mut woven) = (Workbench::new(), Workbench::on(FaultyCore(None)));
    let stored = files::sequences("corpus").into_iter();
    let stored = stored.map(|file| (file.path, file.parsed.sequence(), Layers::ALL));
    let generated = (0..SEEDS).map(|seed| {
        let sequence = generate_from_seed(seed, &SearchOptions::default());
        (format!("seed {seed}"), sequence, Layers::FAST)
    });
    for (name, sequence, layers) in stored.chain(generated) {
        assert!(honest.run_with(&sequence, layers).is_clean(), "{name}");
        assert!(woven.run_with(&sequence, layers).is_clean(), "{name}");
        assert_eq!(honest.trace().layers, woven.trace().layers, "{name}");
        assert!(answers(honest.trace()) == answers(woven.trace()), "{name}");
    }
}

#[test]
fn without_a_fault_the_copy_has_the_states_of_the_honest_core() {
    let alphabet = Alphabet::by_name("full").expect("it is the default");
    let duts = [AnyDut::default(), FaultyCore(None).into()];
    let [honest, woven] = duts.map(|dut| run(&Plan::new(&dut, alphabet, 5, 2), &mut ()));
    assert!(honest.holds());
    assert_eq!(honest, woven);
}
