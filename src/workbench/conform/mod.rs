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
mod word;

use std::path::{Path, PathBuf};

use crate::Workbench;
use crate::observation::{Choices, Trace};
use crate::rules::{self, Rule};
use crate::sequence::CallSequence;

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

/// Probes the driver of a workbench. `read` gives the sequence of a file, by its path from the top of the
/// repository; `show` is told how many of how many are done.
///
/// # Errors
///
/// What `read` fails with.
pub fn conform<E>(
    workbench: &mut Workbench,
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
    for (done, probe) in probes.iter_mut().enumerate() {
        show(done, all);
        for _ in 0..RUNS {
            workbench.run(&probe.sequence);
            probe.traces.push(workbench.trace().clone());
        }
    }
    show(all, all);
    let choices = learn::choices(&mut probes, start);
    let told = |rule: &'static Rule| {
        let probe = file_of(rule).and_then(|file| probes.iter().find(|it| it.file == file));
        let (word, why) = word::of(rule, probe, choices);
        Told { rule, word, why, file: probe.map(|probe| probe.file.clone()) }
    };
    Ok(Conformance { rules: rules::ALL.iter().map(told).collect(), choices })
}

/// The sequence that shows a rule; `None` for one that a test of the driver core shows.
fn file_of(rule: &Rule) -> Option<PathBuf> {
    let path = Path::new(rule.shown_by);
    path.extension().is_some_and(|extension| extension == "seq").then(|| path.to_owned())
}
