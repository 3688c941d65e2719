//! How long each planted fault takes to be minimised, in milliseconds and in runs, and what comes
//! out: lengths and fingerprints of instances that were found differently.
//!
//! `cargo bench -p rekeylab --features faults --bench minimize -- 20 worn-out` minimises twenty
//! instances of each fault with that in its name. A fault whose instances do not all end at its
//! shortest form, or do not share one fingerprint, is followed by the forms that came out.

#![allow(clippy::print_stdout, reason = "the table is what the benchmark is for")]
#![allow(clippy::unwrap_used, reason = "the modules of the tests panic as tests do")]

#[path = "../src/workbench/tests/files/mod.rs"]
mod files;
#[path = "../src/workbench/tests/instances/mod.rs"]
mod instances;
#[path = "../src/workbench/tests/planted/mod.rs"]
mod planted;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use instances::instances;
use planted::{alone, shortest_of, shortest_reproducers, with_fault};
use rekeylab::Workbench;
use rekeylab::drill::layers_for;
use rekeylab::report::Fingerprint;
use rekeylab::sequence::{CallSequence, SequenceText};
use rekeylab_faults::Fault;

#[global_allocator]
static ALLOCATOR: keysan::heap::ScanningAllocator = keysan::heap::ScanningAllocator::new();

fn main() {
    let arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let (mut count, mut name) = (4, String::new());
    for argument in arguments {
        match argument.parse() {
            Ok(number) => count = number,
            Err(_) => name = argument,
        }
    }
    println!(
        "{:<34} {:>9} {:>12} {:>10} {:>10} {:>12}",
        "fault", "instances", "calls", "worst ms", "worst runs", "fingerprints"
    );
    let _alone = alone();
    let mut workbench = Workbench::new();
    let mut owners: BTreeMap<Fingerprint, &str> = BTreeMap::new();
    for (fault, file) in shortest_reproducers() {
        if fault.name().contains(&name) {
            let known = file.parsed.sequence();
            with_fault(&mut workbench, fault, |workbench| {
                row(workbench, fault, &known, count, &mut owners);
            });
        }
    }
}

fn row(
    workbench: &mut Workbench,
    fault: Fault,
    known: &CallSequence,
    count: usize,
    owners: &mut BTreeMap<Fingerprint, &'static str>,
) {
    let layers = layers_for(Some(fault));
    let found = instances(workbench, fault, known, count, count as u64);
    let mut worst = (Duration::ZERO, 0);
    let mut forms: BTreeMap<Fingerprint, Vec<CallSequence>> = BTreeMap::new();
    for instance in &found {
        let (started, runs) = (Instant::now(), workbench.run_count());
        let Some(shortest) = workbench.minimize_with(instance, layers) else { continue };
        worst.0 = worst.0.max(started.elapsed());
        worst.1 = worst.1.max(workbench.run_count() - runs);
        let aftermath = workbench.aftermath(&shortest);
        let Some(first) = workbench.verdict().first() else { continue };
        let fingerprint = Fingerprint::new(first, workbench.trace(), &aftermath);
        let forms = forms.entry(fingerprint).or_default();
        if !forms.contains(&shortest) {
            forms.push(shortest);
        }
    }
    let lens = || forms.values().flatten().map(|form| form.calls.len());
    let (least, most) = (lens().min().unwrap_or(0), lens().max().unwrap_or(0));
    println!(
        "{:<34} {:>9} {:>12} {:>10.1} {:>10} {:>12}",
        fault.name(),
        found.len(),
        format!("{least}-{most} ({})", shortest_of(fault)),
        worst.0.as_secs_f64() * 1e3,
        worst.1,
        forms.len()
    );
    let is_right = forms.len() == 1 && most == shortest_of(fault);
    for (fingerprint, forms) in &forms {
        if let Some(other) = owners.insert(*fingerprint, fault.name())
            && other != fault.name()
        {
            println!("{fingerprint} is also that of {other}");
        }
        for form in forms.iter().filter(|_| !is_right) {
            println!("{fingerprint}\n{}", SequenceText::from(form));
        }
    }
}
