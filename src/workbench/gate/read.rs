//! Reads what a step told: every document of this program, whole or cut.

use serde_json::{Deserializer, Value};

use super::again::{Sample, Shown};
use crate::exit::Exit;
use crate::report::results::{ENGINE_STOP, EXPECTED_ANSWER, Found, MEMORY_REMNANT};

/// What a step told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// What it found, and how that is seen again.
    pub(super) samples: Vec<Sample>,
    /// What else is wrong: alarms, files that cannot be read, layers, floors. The exit code of a step
    /// names the worst alone, so a finding would hide the others.
    pub(super) beside: Exit,
    /// The reasons for that, a line each.
    pub(super) reasons: Vec<String>,
    /// What is worth knowing and changes nothing.
    pub(super) notes: Vec<String>,
    /// Whether all of it could be read, and there was something.
    pub(super) is_whole: bool,
}

impl Told {
    /// Why it is no pass.
    pub(super) fn why_beside(&self) -> String {
        self.reasons.join("; ")
    }

    fn wrong(&mut self, exit: Exit, reason: String) {
        self.beside = self.beside.and(exit);
        self.reasons.push(reason);
    }
}

/// Reads standard output of a step. What is cut or mixed with other text is read object by object:
/// what stands there whole counts.
pub(super) fn read(text: &str) -> Told {
    let mut told = Told::default();
    let mut rest = text;
    let mut is_whole = !text.trim().is_empty();
    while let Some(start) = rest.find('{') {
        is_whole &= rest[..start].trim().is_empty();
        rest = &rest[start..];
        let mut values = Deserializer::from_str(rest).into_iter::<Value>();
        match values.next() {
            Some(Ok(value)) => {
                let end = values.byte_offset();
                take(&value, &mut told);
                rest = &rest[end..];
            }
            _ => {
                is_whole = false;
                rest = &rest[1..];
            }
        }
    }
    told.is_whole = is_whole && rest.trim().is_empty();
    told
}

/// Takes what an object says, by its fields.
fn take(value: &Value, told: &mut Told) {
    let list = |name: &str| value[name].as_array().into_iter().flatten();
    if value["is_clean"].is_boolean() {
        judged_file(value, told);
    } else if value["violations"].is_array() && value["sequence"].is_string() {
        report(value, value["source"].as_str(), None, told);
    } else if value["invariant"].is_string() && value["text"].is_string() {
        told.samples.push(finding(value));
    } else if value["kind"].is_string() && value["why"].is_string() {
        told.samples.push(stopped_engine(value));
    }
    for name in ["files", "findings", "raw"] {
        list(name).for_each(|one| take(one, told));
    }
    for remnant in list("remnants").filter_map(Value::as_str) {
        told.samples.push(remnant_of(remnant));
    }
    for error in list("errors").filter_map(|error| error["error"].as_str()) {
        told.wrong(Exit::BadUsage, error.to_owned());
    }
    drills(value, told);
    for lane in list("lanes") {
        let (edges, floor) = (lane["edges"].as_u64(), lane["edges_min"].as_u64());
        if let (Some(edges), Some(floor)) = (edges, floor)
            && edges < floor
        {
            told.wrong(Exit::WorkbenchFailed, format!("{edges} edges were reached, not {floor}"));
        }
    }
    if value["interrupted"] == true {
        let has_findings = list("findings").next().is_some();
        let reason = "it ended before everything was searched".to_owned();
        if has_findings {
            told.notes.push(reason)
        } else {
            told.wrong(Exit::WorkbenchFailed, reason)
        }
    }
    told.notes.extend(list("troubles").filter_map(Value::as_str).map(str::to_owned));
}

/// Alarms that stayed silent, unless the core is broken as it is: then no alarm means anything.
fn drills(value: &Value, told: &mut Told) {
    let drills: Vec<&Value> = value["drills"].as_array().into_iter().flatten().collect();
    let is_honest = |drill: &&Value| drill["fault"].is_null();
    let is_broken = drills.iter().copied().filter(is_honest).any(|drill| drill["rang"].is_string());
    let (cores, alarms): (Vec<&Value>, Vec<&Value>) =
        drills.iter().copied().filter(|drill| drill["is_right"] == false).partition(is_honest);
    // What the honest core broke is a finding.
    if cores.iter().any(|drill| drill["rang"].is_null()) {
        let reason = "the search of the honest core proves nothing".to_owned();
        told.wrong(Exit::WorkbenchFailed, reason);
    }
    if is_broken && !alarms.is_empty() {
        let count = alarms.len();
        told.notes.push(format!("{count} drills went wrong, in a core that is broken as it is"));
        return;
    }
    for drill in alarms.iter().take(ALARMS_MAX) {
        let name = |field: &str| drill[field].as_str().unwrap_or("nothing");
        let (fault, expected, rang) = (name("fault"), name("expected"), name("rang"));
        let reason = format!("{fault} must ring {expected}, and {rang} rang");
        told.wrong(Exit::AlarmSilent, reason);
    }
    if alarms.len() > ALARMS_MAX {
        told.reasons.push(format!("and {} more", alarms.len() - ALARMS_MAX));
    }
}

/// How many alarms are named; where more are silent, what they have in common is the reason.
const ALARMS_MAX: usize = 10;

/// A file of `run` and `replay`.
fn judged_file(file: &Value, told: &mut Told) {
    let path = file["file"].as_str();
    report(&file["report"], path, file["story"].as_str(), told);
    for mismatch in file["mismatches"].as_array().into_iter().flatten() {
        let text = |name: &str| mismatch[name].as_str().unwrap_or("nothing").to_owned();
        let line = mismatch["line"].as_u64().and_then(|line| usize::try_from(line).ok());
        let mut found = Found::of_rule(EXPECTED_ANSWER);
        found.happened = format!("{} answered {}", text("call"), text("answered"));
        found.expected = text("expected");
        found.file = path.map(str::to_owned);
        found.line = line;
        found.replay = file["report"]["replay"].as_str().map(str::to_owned);
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        found.story = format!(
            "{}{line}: {}: expected {}, answered {}\n",
            path.unwrap_or("standard input"),
            text("call"),
            text("expected"),
            text("answered"),
        );
        told.samples.push(Sample::of(Shown::File, None, None, found));
    }
    if let Some(why) = file["void"].as_str() {
        let reason = format!("{}: nothing is known: {why}", path.unwrap_or("a file"));
        told.wrong(Exit::WorkbenchFailed, reason);
    }
    let layers: Vec<&str> = file["not_looked_into"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    // A run that broke something may have ended before everything could be looked into.
    if !layers.is_empty() && file["is_clean"] == true {
        let reason =
            format!("{}: not looked into: {}", path.unwrap_or("a file"), layers.join(", "));
        told.wrong(Exit::NotLookedInto, reason);
    }
}

/// The violations of one run; the story is that of all.
fn report(report: &Value, file: Option<&str>, story: Option<&str>, told: &mut Told) {
    let text = report["sequence"].as_str();
    let mut story = story.or_else(|| text.filter(|_| file.is_none()));
    for violation in report["violations"].as_array().into_iter().flatten() {
        let mut found = of_violation(violation);
        found.file = file.map(str::to_owned);
        found.replay = report["replay"].as_str().map(str::to_owned);
        found.story = story.take().unwrap_or_default().to_owned();
        let call = violation["call"].as_u64().and_then(|call| usize::try_from(call).ok());
        let text = text.filter(|_| file.is_none()).map(str::to_owned);
        told.samples.push(Sample::of(Shown::File, text, call, found));
    }
}

fn of_violation(violation: &Value) -> Found {
    let text = |name: &str| violation[name].as_str().unwrap_or_default().to_owned();
    let mut found = Found::of_rule(violation["invariant"].as_str().unwrap_or_default());
    (found.happened, found.expected) = (text("happened"), text("expected"));
    found.fingerprint = violation["fingerprint"].as_str().map(str::to_owned);
    found
}

/// A finding of a search, minimised.
fn finding(value: &Value) -> Sample {
    let mut found = of_violation(value);
    found.file = value["file"].as_str().map(str::to_owned);
    found.replay = value["replay"].as_str().map(str::to_owned);
    let text = value["text"].as_str().map(str::to_owned);
    Sample::of(Shown::File, text, None, found)
}

/// An artifact of which no sequence could be made.
fn stopped_engine(raw: &Value) -> Sample {
    let text = |name: &str| raw[name].as_str().unwrap_or_default();
    let mut found = Found::of_rule(ENGINE_STOP);
    found.happened = format!("{}: {}", text("kind"), text("why"));
    found.expected = "an engine that goes on".to_owned();
    found.file = raw["file"].as_str().map(str::to_owned);
    found.story = format!("{}\n  kept in {}\n", found.happened, text("file"));
    Sample::of(Shown::Never, None, None, found)
}

/// What an audit left, as it says it: the file, and what is where.
fn remnant_of(line: &str) -> Sample {
    let mut found = Found::of_rule(MEMORY_REMNANT);
    let (file, what) = line.split_once(": ").unwrap_or(("", line));
    found.happened = what.to_owned();
    found.expected = "nothing of a secret in any memory".to_owned();
    found.file = Some(file.to_owned()).filter(|file| !file.is_empty());
    found.replay = found
        .file
        .as_ref()
        .map(|file| format!("cargo run --release --features faults -- audit {file}"));
    found.story = format!("{line}\n");
    Sample::of(Shown::Audit, None, None, found)
}
