//! Probes a driver rule by rule: which it meets, which it breaks, and what it chooses where the documents are
//! silent.
//!
//! ```text
//! rules, each with the sequence that shows it ─► traces ─► learn: the choices that explain them
//!                                                   └────► word: of each rule, under these choices
//! ```
//!
//! What a driver does is judged under no choice first. Where that rings, and the rule that it breaks is a
//! silent point, the driver may have chosen otherwise: if that choice explains the call, it is taken over.
//! What no choice explains is broken, so no bug is ever learnt as a habit.

mod learn;
mod randomness;
mod word;

use std::path::{Path, PathBuf};

use crate::Workbench;
use crate::observation::{Choices, Observation, Trace};
use crate::rules::{self, Rule};
use crate::sequence::{Call, CallSequence};

pub use word::Word;

/// What a driver is said to do with a rule.
#[derive(Clone, Debug)]
pub struct Told {
    /// The rule.
    pub rule: &'static Rule,
    /// In one word.
    pub word: Word,
    /// What shows it, in a sentence fragment; empty where there is nothing to add.
    pub why: String,
    /// The sequence that was run, if there is one.
    pub file: Option<PathBuf>,
}

/// What came of all probes.
#[derive(Clone, Debug)]
pub struct Conformance {
    /// Every rule, in the order of [`rules::ALL`].
    pub rules: Vec<Told>,
    /// What the driver chooses.
    pub choices: Choices,
    /// Whether it took no key at all, as if keys were wrapped otherwise.
    pub has_no_key: bool,
}

/// A sequence, what runs of it saw, and the file that it is from.
#[derive(Debug)]
struct Probe {
    file: PathBuf,
    sequence: CallSequence,
    traces: Vec<Trace>,
}

/// How often each sequence is run: a driver may answer otherwise every second time.
const RUNS: usize = 3;

/// Probes the driver of a workbench. `other` drives it in another process, with which its random numbers are
/// compared; without one, what they have in common within one process is looked at. `read` gives the sequence of a file, by its path from the top of the
/// repository; `show` is told how many of how many are done.
///
/// # Errors
///
/// What `read` fails with.
pub fn conform<E>(
    workbench: &mut Workbench,
    other: Option<&mut Workbench>,
    start: Choices,
    read: impl Fn(&Path) -> Result<CallSequence, E>,
    show: &mut dyn FnMut(usize, usize),
) -> Result<Conformance, E> {
    let mut probes: Vec<Probe> = Vec::new();
    for rule in rules::ALL {
        let Some(file) = file_of(rule) else { continue };
        if probes.iter().all(|probe| probe.file != file) {
            let sequence = read(&file)?;
            probes.push(Probe { file, sequence, traces: Vec::new() });
        }
    }
    let all = probes.len();
    let (mut other, mut others) = (other, Vec::new());
    for (done, probe) in probes.iter_mut().enumerate() {
        show(done, all);
        for _ in 0..RUNS {
            workbench.run(&probe.sequence);
            probe.traces.push(workbench.trace().clone());
        }
        // At once: a clock that numbers are made of has then not gone on.
        if let Some(other) = other.as_mut().filter(|_| starts(probe) && others.len() < RUNS) {
            other.run(&probe.sequence);
            others.push(other.trace().clone());
        }
    }
    show(all, all);
    let choices = learn::choices(&mut probes, start);
    let told = |rule: &'static Rule| {
        let probe = file_of(rule).and_then(|file| probes.iter().find(|it| it.file == file));
        let (word, why) = word::of(rule, probe, choices);
        Told { rule, word, why, file: probe.map(|probe| probe.file.clone()) }
    };
    let mut rules: Vec<Told> = rules::ALL.iter().map(told).collect();
    // What hides rules is broken, whichever sequence shows it: it may have none of its own.
    for breach in probes.iter().filter_map(|probe| word::breach(probe, choices)) {
        let is_broken = |it: &&mut Told| {
            it.word != Word::Broken && breach.rules.split(' ').any(|id| id == it.rule.id)
        };
        for told in rules.iter_mut().filter(is_broken) {
            (told.word, told.why) = (Word::Broken, breach.why.clone());
            told.file = Some(breach.file.clone());
        }
    }
    let traces = || probes.iter().flat_map(|probe| &probe.traces);
    let weakness =
        randomness::weakness(&randomness::numbers(traces()), &randomness::numbers(&others));
    if let (Some(why), Some(told)) = (weakness, rules.iter_mut().find(|it| it.rule.id == QUALITY)) {
        (told.word, told.why) = (Word::Broken, why);
    }
    let calls = probes.iter().flat_map(|probe| &probe.traces).flat_map(|trace| &trace.calls);
    let mut exchanges = calls.filter(|seen| matches!(seen.call, Call::ExchangeKey { .. }));
    let has_no_key = !exchanges.any(Observation::is_ok);
    Ok(Conformance { rules, choices, has_no_key })
}

/// The rule about what random numbers are made of.
const QUALITY: &str = "S-14";

/// Whether a refresh begins in what a probe runs.
fn starts(probe: &Probe) -> bool {
    probe.traces.iter().any(|trace| !randomness::numbers([trace]).is_empty())
}

/// The sequence that shows a rule; `None` for one that a test of the driver core shows.
fn file_of(rule: &Rule) -> Option<PathBuf> {
    let path = Path::new(rule.shown_by);
    path.extension().is_some_and(|extension| extension == "seq").then(|| path.to_owned())
}
