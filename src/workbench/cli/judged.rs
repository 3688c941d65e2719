//! Runs one file and says what came of it: the part that `run` and `replay` share.

use std::path::{Path, PathBuf};

use anstream::adapter::strip_str;
use serde::{Serialize, Serializer};

use crate::Workbench;
use crate::corpus::{Form, STDIN, Stored};
use crate::executor::AnyDut;
use crate::observation::{Choices, Layers, Trace};
use crate::report::{Colour, Subject, json_report, story};
use crate::sequence::{CallSequence, SequenceText};
use crate::watchdog::Hang;

use super::exit::Exit;
use super::hung::what_hung;

/// What a report of a file needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// Whether the machine-readable report of a clean run is wanted too.
    pub(super) json: bool,
    /// The planted fault, by name.
    pub(super) fault: Option<&'static str>,
    /// What every run must look into: what this machine can, but for what need not be.
    pub(super) layers: Layers,
}

/// A file that was run.
#[derive(Debug, Serialize)]
pub(super) struct Judged {
    /// The file.
    pub(super) file: String,
    /// Whether every invariant held and every expected answer came.
    pub(super) is_clean: bool,
    /// Expected answers that did not come.
    pub(super) mismatches: Vec<Mismatch>,
    /// What this run could not look into, although others can, and nobody has accepted that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) not_looked_into: Vec<&'static str>,
    /// What was found, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) report: Option<serde_json::Value>,
    /// Why the run proves nothing about leftovers, if a scan did not look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) void: Option<String>,
    /// The fault that the file shows when it is planted, and that was not.
    #[serde(skip)]
    pub(super) unplanted: Option<String>,
    /// What did not return, if something did not.
    #[serde(skip)]
    pub(super) hung: Option<String>,
    /// What was found, for people; programs get it without colours.
    #[serde(skip_serializing_if = "String::is_empty", serialize_with = "plain")]
    pub(super) story: String,
}

/// A story without its colours.
fn plain<S: Serializer>(story: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&strip_str(story))
}

/// An answer that is not the one that the file expects.
#[derive(Debug, Serialize)]
pub(super) struct Mismatch {
    /// The line; counts from 1.
    pub(super) line: usize,
    /// The call.
    pub(super) call: String,
    /// The answer that the file expects.
    pub(super) expected: String,
    /// The answer that came; null when none came.
    pub(super) answered: Option<String>,
}

impl Judged {
    /// Whether all held, and everything was really looked into.
    pub(super) fn holds(&self) -> bool {
        self.exit() == Exit::Held
    }

    /// What this file means for the exit code.
    ///
    /// A missed answer counts like a broken invariant: the file records what had to be answered.
    pub(super) fn exit(&self) -> Exit {
        let exit = match (self.is_clean, self.not_looked_into.is_empty()) {
            (false, _) => Exit::InvariantBroken,
            (true, false) => Exit::NotLookedInto,
            (true, true) => Exit::Held,
        };
        if self.void.is_some() { exit.and(Exit::WorkbenchFailed) } else { exit }
    }

    /// All that people want to read about it; empty when all held.
    pub(super) fn text(&self) -> String {
        let mut text = self.story.clone();
        if let Some(void) = &self.void {
            text.push_str(&format!("{}: nothing is known: {void}\n", self.file));
        } else if self.exit() == Exit::NotLookedInto {
            let layers = self.not_looked_into.join(", ");
            text.push_str(&format!("{}: held, but not looked into: {layers}\n", self.file));
        }
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        for Mismatch { line, call, expected, answered } in &self.mismatches {
            let answered = answered.as_deref().unwrap_or("nothing");
            text.push_str(&format!(
                "{}:{line}: {call}: expected {expected}, answered {answered}\n",
                self.file
            ));
        }
        text
    }
}

/// Runs what a file holds, and says what came of it.
pub(super) fn judge(
    workbench: &mut Workbench,
    path: &Path,
    stored: &Stored,
    wanted: Wanted,
) -> Judged {
    workbench.run(&stored.sequence);
    describe(workbench, &stored.sequence, path, stored, wanted)
}

/// Says what came of a file of which this did not end: its sequence, or one that was made of it to
/// tell more of what it broke.
pub(super) fn judge_hang(
    dut: &AnyDut,
    hang: &Hang,
    path: &Path,
    stored: &Stored,
    wanted: Wanted,
) -> Judged {
    describe(&mut Workbench::told(dut, hang), &hang.sequence, path, stored, wanted)
}

/// Says what came of the sequence that was run last.
fn describe(
    workbench: &mut Workbench,
    sequence: &CallSequence,
    path: &Path,
    stored: &Stored,
    wanted: Wanted,
) -> Judged {
    let is_clean = workbench.verdict().is_clean();
    let hung = what_hung(workbench.trace());
    let (mismatches, shows) = match &stored.form {
        Form::Text(text) => (mismatches(text, workbench.trace()), text.fault()),
        Form::Wire => (Vec::new(), None),
    };
    let unplanted = shows.filter(|_| wanted.fault.is_none());
    let file = if path == Path::new(STDIN) {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    };
    let is_clean = is_clean && mismatches.is_empty();
    let replay = replay_command(path, wanted.fault, workbench.dut());
    let aftermath = workbench.aftermath(sequence);
    let subject = Subject {
        sequence,
        trace: workbench.trace(),
        verdict: workbench.verdict(),
        aftermath: &aftermath,
        replay: replay.as_deref(),
    };
    let story =
        if workbench.verdict().is_clean() { String::new() } else { story(&subject, Colour::On) };
    let report = (wanted.json || !is_clean)
        .then(|| serde_json::to_value(json_report(&subject, Some(&file))).ok())
        .flatten();
    let not_looked_into = wanted.layers.except(workbench.trace().layers).names();
    let void = workbench.trace().void.map(|void| void.to_string());
    Judged { file, is_clean, mismatches, not_looked_into, report, void, unplanted, hung, story }
}

fn mismatches(text: &SequenceText, trace: &Trace) -> Vec<Mismatch> {
    // They are those of the driver core; another may answer otherwise, which the model judges.
    if trace.choices != Choices::default() {
        return Vec::new();
    }
    // Behind a call that did not return none was made.
    let has_ended = trace.hang.is_none() && trace.panic.is_none() && trace.death.is_none();
    let made = if has_ended { text.entries.len() } else { trace.calls.len() };
    let entries = text.entries.iter().take(made).enumerate();
    let mismatch = |(index, entry): (usize, &crate::sequence::Entry)| {
        let expected = entry.expected?;
        let seen = trace.calls[..trace.sequence_len.min(trace.calls.len())].get(index);
        let answered = seen.and_then(|seen| seen.code);
        // An injection never enters the driver: whatever stands behind its arrow is not answered.
        if answered == Some(expected) || !entry.call.enters_driver() {
            return None;
        }
        Some(Mismatch {
            line: entry.line,
            call: entry.call.to_string(),
            expected: answer(expected),
            answered: answered.map(answer),
        })
    };
    entries.filter_map(mismatch).collect()
}

/// A code as the text form writes it.
fn answer(code: rekeylab_ddi::Hresult) -> String {
    if code == rekeylab_ddi::Hresult::S_OK { "ok".to_owned() } else { code.to_string() }
}

/// The command that shows it again, or `None` when it came from standard input.
pub(super) fn replay_command(path: &Path, fault: Option<&str>, dut: &AnyDut) -> Option<String> {
    if path == Path::new(STDIN) {
        return None;
    }
    Some(match dut.option() {
        Some(option) => crate::campaign::replay_command_with(path, &option),
        None => crate::campaign::replay_command(path, fault),
    })
}

/// What a machine reads of many files.
#[derive(Debug, Serialize)]
pub(super) struct JudgedFiles {
    /// How many files were run.
    pub(super) file_count: usize,
    /// Files in which something did not hold; for `run`, all files.
    pub(super) files: Vec<Judged>,
    /// Files that could not be run.
    pub(super) errors: Vec<FileError>,
    /// How many files were not run, because too many hang.
    pub(super) not_run: usize,
}

/// A file that could not be run.
#[derive(Debug, Serialize)]
pub(super) struct FileError {
    /// Why; it names the file.
    pub(super) error: String,
}

/// The paths with the default in place of none.
pub(super) fn paths_or(paths: &[PathBuf], default: &str) -> Vec<PathBuf> {
    if paths.is_empty() { vec![PathBuf::from(default)] } else { paths.to_vec() }
}
