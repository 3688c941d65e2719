//! The same facts as versioned JSON.

use serde::Serialize;

use super::Subject;
use crate::observation::Layer;
use crate::sequence::SequenceText;

/// The version of the JSON form: fields are added, never changed in meaning.
pub const JSON_VERSION: u32 = 1;

/// One run of one sequence.
#[derive(Clone, Debug, Serialize)]
pub struct JsonReport {
    /// [`JSON_VERSION`].
    pub version: u32,
    /// The file that the sequence came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Whether every invariant held.
    pub clean: bool,
    /// What did not hold: what says most of a bug first, and then by call.
    pub violations: Vec<JsonViolation>,
    /// The sequence in its text form, with the answers that were given.
    pub sequence: String,
    /// Whether freed heap was scanned; see `layers`.
    pub heap_watched: bool,
    /// What was looked into for leftovers; of what is not here, nothing is known.
    pub layers: Vec<&'static str>,
    /// The command that shows it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay: Option<String>,
}

/// One violation.
#[derive(Clone, Debug, Serialize)]
pub struct JsonViolation {
    /// The invariant's name.
    pub invariant: &'static str,
    /// The call that shows it, counted from 0.
    pub call: usize,
    /// The call's word in the text form; absent when the driver was already gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_word: Option<&'static str>,
    /// The session slot it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<u16>,
    /// What happened.
    pub happened: String,
    /// What had to happen.
    pub expected: String,
    /// The ids of the rules that say so.
    pub rules: Vec<&'static str>,
    /// Whether the invariant was inferred from a symptom that another bug could share.
    pub inferred: bool,
    /// Says "the same bug".
    pub fingerprint: String,
}

/// The JSON form of a run.
#[must_use]
pub fn json_report(subject: &Subject<'_>, source: Option<&str>) -> JsonReport {
    let violations = subject.verdict.told().into_iter().map(|violation| JsonViolation {
        invariant: violation.invariant,
        call: violation.call,
        call_word: subject.trace.calls.get(violation.call).map(|seen| seen.call.kind().word()),
        session: violation.session,
        happened: violation.happened.clone(),
        expected: violation.expected.clone(),
        rules: violation.rules.split(' ').collect(),
        inferred: violation.is_inferred,
        fingerprint: subject.fingerprint(violation).to_string(),
    });
    let answers: Vec<_> = subject.trace.calls.iter().map(|seen| seen.code).collect();
    JsonReport {
        version: JSON_VERSION,
        source: source.map(str::to_owned),
        clean: subject.verdict.is_clean(),
        violations: violations.collect(),
        sequence: SequenceText::new(subject.sequence, &answers, None).to_string(),
        heap_watched: subject.trace.layers.has(Layer::FreedHeap),
        layers: subject.trace.layers.iter().map(Layer::name).collect(),
        replay: subject.replay.map(str::to_owned),
    }
}
