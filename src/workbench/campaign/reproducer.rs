//! Makes the file that shows a bug: minimised calls, the answers that had to come, what broke.

use std::path::Path;

use rekeylab_ddi::Hresult;

use crate::Workbench;
use crate::corpus::reproducer_name;
use crate::invariant::{Disagreement, KEYSTREAM_REUSE, Model, NO_HANG, Violation};
use crate::observation::{Observation, Trace};
use crate::report::{Aftermath, Fingerprint, Subject, shell_word};
use crate::sequence::{Call, CallSequence, SequenceText};

/// A sequence that shows a bug, ready to be stored.
#[derive(Clone, Debug)]
pub struct Reproducer {
    /// The invariant it breaks.
    pub invariant: &'static str,
    /// What happens, as a sentence fragment.
    pub happened: String,
    /// Says "the same bug".
    pub fingerprint: Fingerprint,
    /// What its follow-ups showed.
    pub aftermath: Aftermath,
    /// Name for a file, without extension.
    pub name: String,
    /// What goes into the file.
    pub text: SequenceText,
}

/// The reproducer of the first violation of the workbench's last run, which was of `sequence`;
/// `None` when that run was clean.
#[must_use]
pub fn reproducer(sequence: &CallSequence, workbench: &mut Workbench) -> Option<Reproducer> {
    let aftermath = workbench.aftermath(sequence);
    let (trace, verdict) = (workbench.trace(), workbench.verdict());
    // What hangs is told as that, whatever else it broke before.
    let hang = verdict.violations.iter().find(|violation| violation.invariant == NO_HANG);
    let violation = hang.or_else(|| verdict.first())?;
    let subject = Subject { sequence, trace, verdict, aftermath: &aftermath, replay: None };
    let description = format!(
        "{}: {}\nexpected: {}",
        violation.invariant, violation.happened, violation.expected
    );
    Some(Reproducer {
        invariant: violation.invariant,
        happened: violation.happened.clone(),
        fingerprint: subject.fingerprint(violation),
        aftermath: aftermath.clone(),
        name: reproducer_name(violation, trace),
        text: SequenceText::new(sequence, &due_answers(trace, violation), Some(&description)),
    })
}

/// What each call had to answer: the model's word where it disagrees, else what was answered.
///
/// Behind the first disagreement nothing is said: those answers may be consequences of the bug.
fn due_answers(trace: &Trace, violation: &Violation) -> Vec<Option<Hresult>> {
    let mut model = Model::default();
    model.replay(trace);
    let first = model.divergences().first();
    let last = first.map_or(violation.call, |first| first.call.min(violation.call));
    let calls = trace.calls.iter().take(trace.sequence_len.min(last + 1));
    let mut answers: Vec<_> = calls.map(|seen| seen.code).collect();
    // Whoever may choose which counters rise may still use none twice. What reads back is no less right for that: there
    // it is the counters that are wrong, and not the answer.
    let is_let_in = |seen: &Observation| matches!(seen.call, Call::SubmitBuffer { .. });
    if first.is_none()
        && violation.invariant == KEYSTREAM_REUSE
        && violation.call < answers.len()
        && trace.calls.get(violation.call).is_some_and(is_let_in)
    {
        answers.pop();
        answers.push(Some(Hresult::D3DDDIERR_INVALIDCALL));
    }
    if let Some(first) = first
        && first.about == Disagreement::Code
        && let Some(answer) = answers.get_mut(first.call)
    {
        *answer = Some(first.answer.code);
    }
    answers
}

/// The command that runs a file again.
#[must_use]
pub fn replay_command(path: &Path, fault: Option<&str>) -> String {
    let file = shell_word(&path.display().to_string());
    match fault {
        None => format!("cargo run --release -- run {file}"),
        Some(fault) => {
            format!("cargo run --release --features faults -- run --fault {fault} {file}")
        }
    }
}

/// The same for a driver that this option chooses.
#[must_use]
pub fn replay_command_with(path: &Path, option: &str) -> String {
    format!("cargo run --release -- run {option} {}", shell_word(&path.display().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_command_survives_the_shell() {
        let command = |path: &str| replay_command(Path::new(path), None);
        assert_eq!(command("a/b.seq"), "cargo run --release -- run a/b.seq");
        assert_eq!(command("it's here.seq"), "cargo run --release -- run 'it'\\''s here.seq'");
        let chosen = replay_command_with(Path::new("a b"), "--driver x.toml");
        assert_eq!(chosen, "cargo run --release -- run --driver x.toml 'a b'");
        assert!(replay_command(Path::new("x"), Some("f")).contains("--features faults"));
    }
}
