//! A fuzzing campaign: builds the engine, keeps its workers running, and makes findings of what
//! they leave behind.
//!
//! ```text
//! corpus/*.seq ─► working set ─► first look, all layers ──────────────► triage ─► findings/*.seq
//!                      └───────► workers (libFuzzer) of each lane ─► artifacts ┘
//! ```
//!
//! The working set and the artifacts are on disk all the time, so that a campaign that is killed
//! loses nothing: the next one goes on with the working set and triages what was left.

mod directories;
pub mod engine;
pub mod findings;
mod first_look;
mod lane;
pub mod line;
mod own_process;
mod progress;
mod reproducer;
mod target;
mod turns;
pub mod worker;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use crate::executor::AnyDut;

pub use directories::{Directories, workspace_root};
pub use engine::{EngineError, Sanitizer};
pub use findings::{Finding, RawFinding};
pub use first_look::FirstLook;
pub use lane::{Lane, LaneOutcome};
pub use own_process::OwnProcess;
pub(crate) use progress::grouped;
pub use progress::{Pulse, pulse_line};
pub use reproducer::{Reproducer, replay_command, reproducer};
pub use target::{MAIN_JOB, TARGETS, Target};

use findings::Findings;
use first_look::first_look;
use turns::{SHORTEST, Share, Turns, crew};
use worker::{Ended, Event, Team};

/// How many workers may die without leaving a reason, before the campaign gives up.
const DEATHS_MAX: usize = 5;

/// How long workers may take to end by themselves when the time is over.
const GRACE: Duration = Duration::from_secs(20);

/// What a campaign does.
#[derive(Clone, Debug)]
pub struct Plan {
    /// For how long the workers search.
    pub time: Duration,
    /// How many workers there are.
    pub jobs: usize,
    /// What they share.
    pub lanes: Vec<Lane>,
    /// Whether the working set first goes through every layer in this process.
    pub is_first_looked_through: bool,
    /// The sanitizer that the targets are built with.
    pub sanitizer: Sanitizer,
    /// The driver that the targets drive, for the first look and for minimising what is found.
    pub dut: AnyDut,
    /// The planted fault, by name.
    pub fault: Option<&'static str>,
    /// Seed of the first worker; the others count up from it.
    pub seed: Option<u32>,
    /// Where findings are written.
    pub findings: PathBuf,
    /// Runs again what hung; without it such inputs are kept as they are.
    pub own_process: Option<OwnProcess>,
}

/// What came of a campaign.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How far it got.
    pub pulse: Pulse,
    /// What came of the first look, if there was one.
    pub first_look: Option<FirstLook>,
    /// What was done in each lane, in the order of the plan.
    pub lanes: Vec<LaneOutcome>,
    /// What was found, in the order of finding.
    pub findings: Vec<Finding>,
    /// Artifacts of which no sequence could be made.
    pub raw: Vec<RawFinding>,
    /// What went wrong with the workbench itself.
    pub troubles: Vec<String>,
    /// Whether something that was found could not be stored.
    pub is_storing_broken: bool,
    /// Whether the engine died again and again, so that the search ended early.
    pub is_engine_broken: bool,
    /// Whether a lane saw too little, or a run of the first look proved nothing.
    pub is_blind: bool,
    /// Whether it was told to stop.
    pub is_interrupted: bool,
    /// Layers of its lane that a target could not look into, by name.
    pub not_looked_into: BTreeSet<String>,
}

/// How often the campaign was told to stop.
#[derive(Debug, Default)]
pub struct StopSignal(AtomicU8);

impl StopSignal {
    /// A signal that was not given yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU8::new(0))
    }

    /// Says stop. The second time there is no waiting for anything.
    pub fn raise(&self) -> u8 {
        self.0.fetch_add(1, Ordering::SeqCst).saturating_add(1)
    }

    /// Whether somebody said stop.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 0
    }
}

/// Looks through the working set, and runs the workers of built engines until the time is over or
/// somebody says stop.
///
/// `show` is called several times a second once the workers run.
///
/// # Errors
///
/// When not even the first worker can be started.
pub fn search(
    plan: &Plan,
    directories: &Directories,
    stop: &StopSignal,
    show: &mut dyn FnMut(&Pulse, Said<'_>),
) -> Result<Outcome, EngineError> {
    let mut findings = Findings::new(plan.findings.clone(), &plan.dut, plan.fault);
    findings.own_process = plan.own_process.clone();
    for artifact in directories.left_behind() {
        findings.triage(&artifact, None);
    }
    let mut outcome = Outcome::default();
    if plan.is_first_looked_through {
        let look = first_look(&directories.working_set, &plan.dut, &mut findings, stop);
        outcome.is_blind = look.is_void;
        outcome.first_look = Some(look);
    }
    let mut known: BTreeSet<String> = findings.symptoms.clone();
    let mut team = Team::new(plan, directories);
    let started = Instant::now();
    let deadline = started + plan.time;
    for finding in &findings.found {
        show(&pulse(&team, &findings, started, plan), Said::Finding(finding));
    }
    let mut crew = crew(&shares(plan), plan.jobs, plan.time, plan.seed.is_some());
    for (number, turns) in crew.iter_mut().enumerate() {
        if let Some(turn) = turns.next(Duration::ZERO) {
            team.start(number, turn, &known)?;
        }
    }
    // Said once, however long the killed take to be gone.
    let mut is_late = false;
    while !team.is_empty() {
        let now = Instant::now();
        if stop.is_raised() && !outcome.is_interrupted {
            outcome.is_interrupted = true;
            team.kill_all();
        }
        if now > deadline + GRACE && !is_late {
            is_late = true;
            outcome.troubles.push("a worker did not end in time and was killed".to_owned());
            team.kill_all();
        }
        if let Some(Event::Ended(ended)) = team.next_event(Duration::from_millis(200)) {
            let number = ended.number;
            let is_done = outcome.is_interrupted || Instant::now() + SHORTEST > deadline;
            let count = findings.found.len();
            let raw_count = findings.raw.len();
            settle(&ended, &mut findings, &mut outcome, is_done);
            for finding in &findings.found[count..] {
                show(&pulse(&team, &findings, started, plan), Said::Finding(finding));
            }
            for raw in &findings.raw[raw_count..] {
                show(&pulse(&team, &findings, started, plan), Said::Raw(raw));
            }
            known.extend(findings.symptoms.iter().cloned());
            let is_going_on = !outcome.is_interrupted && !outcome.is_engine_broken;
            let turns = crew.get_mut(number).filter(|_| is_going_on);
            if let Some(turn) = turns.and_then(|turns| after(turns, &ended, started.elapsed()))
                && let Err(error) = team.start(number, turn, &known)
            {
                outcome.troubles.push(error.to_string());
                outcome.is_engine_broken = true;
            }
            if outcome.is_engine_broken {
                team.kill_all();
            }
        }
        show(&pulse(&team, &findings, started, plan), Said::Nothing);
    }
    outcome.pulse = pulse(&team, &findings, started, plan);
    outcome.lanes = team.lanes();
    outcome.not_looked_into = team.not_looked_into.clone();
    note_blind_lanes(&mut outcome);
    outcome.is_storing_broken = findings.is_storing_broken;
    outcome.troubles.append(&mut findings.troubles);
    outcome.findings = findings.found;
    outcome.raw = findings.raw;
    Ok(outcome)
}

fn shares(plan: &Plan) -> Vec<Share> {
    let share =
        |lane: &Lane| Share { part: lane.target.share, input_count: lane.target.turn_input_count };
    plan.lanes.iter().map(share).collect()
}

/// What the worker does next: it goes on with its turn unless that is over.
fn after(turns: &mut Turns, ended: &Ended, elapsed: Duration) -> Option<turns::Turn> {
    if ended.is_success { turns.next(elapsed) } else { turns.resume(elapsed) }
}

/// Silence of a lane that sees nothing is no pass.
fn note_blind_lanes(outcome: &mut Outcome) {
    // Why an engine did not run was said already, and whoever says stop may do so at once.
    let is_judged = |lane: &&LaneOutcome| {
        !outcome.is_engine_broken && (lane.is_all_read || !outcome.is_interrupted)
    };
    let blind: Vec<String> = outcome
        .lanes
        .iter()
        .filter(is_judged)
        .filter(|lane| lane.edges < lane.target.edges_min)
        .map(LaneOutcome::why_blind)
        .collect();
    outcome.is_blind |= !blind.is_empty();
    outcome.troubles.extend(blind);
}

/// Something worth a line of its own while the search goes on.
#[derive(Clone, Copy, Debug)]
pub enum Said<'a> {
    /// Nothing but the pulse.
    Nothing,
    /// A new finding.
    Finding(&'a Finding),
    /// An artifact of which no sequence could be made.
    Raw(&'a RawFinding),
}

/// Makes findings of what a worker left behind, or notes that it died without a reason.
fn settle(ended: &Ended, findings: &mut Findings, outcome: &mut Outcome, is_done: bool) {
    let mut is_explained = ended.is_success || ended.was_killed_by_us;
    for artifact in &ended.artifacts {
        let is_news = findings.triage(artifact, Some(ended));
        // A worker that stops for what it was told to ignore makes no progress.
        is_explained |= is_news;
    }
    if is_explained || is_done {
        return;
    }
    let deaths = &mut findings.deaths;
    *deaths += 1;
    if ended.artifacts.is_empty() {
        outcome.troubles.push(format!(
            "worker {} died without an artifact ({}); its last words:\n{}",
            ended.number,
            ended.status,
            ended.last_words()
        ));
    }
    if *deaths >= DEATHS_MAX {
        outcome.is_engine_broken = true;
        outcome.troubles.push(format!("the engine died {deaths} times; the search ended early"));
    }
}

fn pulse(team: &Team<'_>, findings: &Findings, started: Instant, plan: &Plan) -> Pulse {
    Pulse {
        elapsed: started.elapsed(),
        total: plan.time,
        finding_count: findings.found.len() + findings.raw.len(),
        ..team.pulse()
    }
}
