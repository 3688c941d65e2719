//! What is told of a campaign when it is over, for people and for programs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use crate::campaign::{Finding, Outcome, Plan, RawFinding, pulse_line};

use super::super::Format;
use super::super::console::Console;
use super::super::failure::Failure;
use super::super::looked_into::{
    ToldLane, ToldLook, looked_into_line, not_looked_into, told_lane, told_look,
};

/// What a machine reads of a campaign.
#[derive(Debug, Serialize)]
struct Told<'a> {
    target: &'a str,
    fault: Option<&'a str>,
    seconds: f64,
    executions: u64,
    calls: u64,
    calls_per_second: u64,
    coverage: u64,
    working_set: u64,
    interrupted: bool,
    findings: Vec<ToldFinding<'a>>,
    raw: Vec<ToldRaw<'a>>,
    not_looked_into: &'a BTreeSet<String>,
    not_written: &'a BTreeSet<String>,
    /// How often workers died, by what ended them.
    deaths: &'a BTreeMap<String, u32>,
    /// Lanes that no worker is left of.
    dead_lanes: &'a [&'static str],
    /// Seconds that all workers searched, of the seconds they were to search.
    searched_seconds: f64,
    asked_seconds: f64,
    /// Inputs that looked like others that broke something, and were not looked at.
    passed_over: usize,
    /// Inputs that look like no other, and wait for the next campaign.
    left: usize,
    /// Inputs that are kept out of the working set because they kill the engine.
    quarantine: usize,
    troubles: &'a [String],
    first_look: Option<ToldLook>,
    lanes: Vec<ToldLane>,
    /// The layers that no part of the campaign looked into, those above included.
    layers_without_a_look: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
pub(in crate::cli) struct ToldFinding<'a> {
    invariant: &'a str,
    happened: &'a str,
    fingerprint: String,
    calls: usize,
    known: bool,
    file: Option<String>,
    replay: Option<&'a str>,
    text: &'a str,
}

#[derive(Debug, Serialize)]
struct ToldRaw<'a> {
    kind: &'a str,
    why: &'a str,
    file: String,
}

pub(super) fn tell(
    outcome: &Outcome,
    plan: &Plan,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    for trouble in &outcome.troubles {
        console.warning(trouble);
    }
    for (cause, count) in &outcome.deaths {
        console
            .note(&format!("a worker died {count} times of this, and was started again: {cause}"));
    }
    for lane in &outcome.dead_lanes {
        console.warning(&format!("{lane} died: none of its workers could go on"));
    }
    for what in &outcome.not_written {
        console.warning(&format!("could not be written: {what}"));
    }
    for (count, what) in [
        (outcome.left_behind_count, "inputs that an earlier campaign had left were looked at"),
        (
            outcome.mended_count,
            "of these break nothing in this build, and are kept beside the findings, in raw",
        ),
        (
            outcome.stalled_count,
            "inputs ran for too long once and for a moment when run again, as when the machine is busy; they are \
             kept beside the findings, in raw",
        ),
        (outcome.tried_again_count, "inputs that killed another build were given back to this one"),
        (outcome.quarantine_count, "inputs kill the engine, and stay out of the working set"),
        (outcome.passed_over_count, "inputs looked like others of a bug, and were not looked at"),
        (
            outcome.left_count,
            "more inputs broke something, and wait for the next campaign to look at them",
        ),
    ] {
        if count > 0 {
            console.note(&format!("{count} {what}"));
        }
    }
    if !outcome.is_interrupted && searched(outcome) * 20 < asked(plan) * 19 {
        let (searched, asked) = (searched(outcome).as_secs(), asked(plan).as_secs());
        console.warning(&format!("workers searched for {searched} s of the {asked} s asked for"));
    }
    if outcome.is_interrupted {
        console.note("interrupted: this is what came until then");
    }
    match console.format {
        Format::Human => {
            let text = summary(outcome);
            console.say(&text)
        }
        Format::Json => console.say_json(2, &told(outcome, plan)),
    }
}

/// How long all workers searched, together.
fn searched(outcome: &Outcome) -> Duration {
    outcome.lanes.iter().map(|lane| lane.time).sum()
}

/// How long they were to run.
fn asked(plan: &Plan) -> Duration {
    plan.time * u32::try_from(plan.jobs).unwrap_or(u32::MAX)
}

fn told<'a>(outcome: &'a Outcome, plan: &'a Plan) -> Told<'a> {
    let pulse = &outcome.pulse;
    let raw = |raw: &'a RawFinding| ToldRaw {
        kind: raw.kind,
        why: &raw.why,
        file: raw.path.display().to_string(),
    };
    Told {
        // The first of the lanes, of which the main job has two.
        target: plan.lanes.first().map_or("", |lane| lane.target.name),
        fault: plan.fault,
        seconds: pulse.elapsed.as_secs_f64(),
        executions: pulse.executions,
        calls: pulse.calls,
        calls_per_second: pulse.calls_per_second(),
        coverage: pulse.coverage,
        working_set: pulse.corpus,
        interrupted: outcome.is_interrupted,
        findings: outcome.findings.iter().map(told_finding).collect(),
        raw: outcome.raw.iter().map(raw).collect(),
        not_looked_into: &outcome.not_looked_into,
        not_written: &outcome.not_written,
        deaths: &outcome.deaths,
        dead_lanes: &outcome.dead_lanes,
        searched_seconds: searched(outcome).as_secs_f64(),
        asked_seconds: asked(plan).as_secs_f64(),
        passed_over: outcome.passed_over_count,
        left: outcome.left_count,
        quarantine: outcome.quarantine_count,
        troubles: &outcome.troubles,
        first_look: outcome.first_look.as_ref().map(told_look),
        lanes: outcome.lanes.iter().map(told_lane).collect(),
        layers_without_a_look: not_looked_into(outcome).names(),
    }
}

pub(in crate::cli) fn told_finding(finding: &Finding) -> ToldFinding<'_> {
    ToldFinding {
        invariant: finding.invariant,
        happened: &finding.happened,
        fingerprint: finding.fingerprint.to_string(),
        calls: finding.call_count,
        known: finding.is_known,
        file: finding.path.as_ref().map(|path| path.display().to_string()),
        replay: finding.replay.as_deref(),
        text: &finding.text,
    }
}

/// The stories of findings, one after the other.
pub(in crate::cli) fn stories(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        text.push_str(&finding.story);
        if finding.path.is_none() {
            text.push_str("  not stored; this is all there is of it:\n\n");
            text.push_str(&finding.text);
        }
        text.push('\n');
    }
    text
}

fn summary(outcome: &Outcome) -> String {
    let mut text = stories(&outcome.findings);
    for raw in &outcome.raw {
        text.push_str(&format!("{}: {}\n  kept in {}\n\n", raw.kind, raw.why, raw.path.display()));
    }
    text.push_str(&pulse_line(&outcome.pulse));
    text.push('\n');
    text.push_str(&looked_into_line(outcome));
    text.push('\n');
    text
}
