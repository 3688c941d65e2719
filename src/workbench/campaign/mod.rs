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

mod budget;
mod deaths;
mod directories;
pub mod engine;
pub mod findings;
mod first_look;
mod lane;
pub mod line;
mod own_process;
mod progress;
mod quarantine;
mod raw_findings;
mod record;
mod reproducer;
mod same_bug;
mod same_hang;
mod shortest_forms;
mod target;
mod triage;
mod turns;
pub mod worker;
pub mod working_set;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use crate::executor::AnyDut;

pub use budget::{Kept, keep_within};
pub use directories::{Directories, workspace_root};
pub use engine::{Engine, EngineError, Sanitizer};
pub use findings::Finding;
pub use first_look::FirstLook;
pub use lane::{Lane, LaneOutcome};
pub use own_process::OwnProcess;
pub(crate) use progress::grouped;
pub use progress::{Pulse, pulse_line};
pub use raw_findings::RawFinding;
pub use record::{Began, Done, RECORD_VERSION, Record, Recorder, Sample, read_record, record_ids};
pub use reproducer::{Reproducer, replay_command, replay_command_with, reproducer};
pub use target::{LIBRARY, MAIN_JOB, TARGETS, Target};
pub use working_set::{Archive, trim};

use deaths::{Deaths, Next};
use quarantine::Quarantine;
use triage::{Told, Triage, Triaged};
use turns::{Share, Turn, Turns, crew};
use worker::{Cause, Ended, Event, Team};

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
    /// Where the working set and the findings are saved from time to time.
    pub archive: Option<Archive>,
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
    /// How often a worker died, by what ended it.
    pub deaths: BTreeMap<String, u32>,
    /// Workers that died again and again before they searched, by number.
    pub given_up: BTreeSet<usize>,
    /// Lanes that no worker is left of.
    pub dead_lanes: Vec<&'static str>,
    /// Whether no lane is left, so that the search ended early.
    pub is_engine_broken: bool,
    /// What could not be written while the search went on.
    pub not_written: BTreeSet<String>,
    /// Inputs that looked like others that broke something, and were not looked at.
    pub passed_over_count: usize,
    /// Inputs that broke something, look like no other, and wait for the next campaign.
    pub left_count: usize,
    /// Artifacts that campaigns had left which were killed.
    pub left_behind_count: usize,
    /// Of these, how many break nothing any more.
    pub mended_count: usize,
    /// Inputs that ran for too long once, and in a moment when they were run again.
    pub stalled_count: usize,
    /// Inputs that are kept out of the working set because they kill the engine.
    pub quarantine_count: usize,
    /// Inputs that killed the engine of another build, and were given back to the working set.
    pub tried_again_count: usize,
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

/// Runs the workers of built engines until the time is over or somebody says stop, while the working set is
/// looked through beside them.
///
/// A worker that comes across a bug hands the input over and goes on, whether the bug is known or not; what
/// bug it is, is settled meanwhile on a thread of its own. `show` is called several times a second.
///
/// # Errors
///
/// When not even the first worker can be started.
pub fn search(
    plan: &Plan,
    directories: &Directories,
    stop: &Arc<StopSignal>,
    show: &mut dyn FnMut(&Pulse, Said<'_>),
) -> Result<Outcome, EngineError> {
    let mut outcome = Outcome::default();
    let mut quarantine = open_quarantine(plan, directories, &mut outcome);
    let left_behind = directories.left_behind();
    outcome.left_behind_count = left_behind.len();
    let mut triage = Triage::start(plan, &directories.working_set, left_behind, stop);
    let mut hall = Hall::default();
    let mut team = Team::new(plan, directories);
    let started = Instant::now();
    let deadline = started + plan.time;
    let mut crew = crew(&shares(plan), plan.jobs, plan.time, plan.seed.is_some());
    let mut deaths = vec![Deaths::default(); crew.len()];
    // Workers that are to be started, and when.
    let mut waiting: BTreeMap<usize, (Instant, Turn)> = BTreeMap::new();
    for (number, turns) in crew.iter_mut().enumerate() {
        if let Some(turn) = turns.next(Duration::ZERO) {
            team.start(number, turn)?;
        }
    }
    // Said once, however long the killed take to be gone.
    let mut is_late = false;
    let (mut saved, mut saved_finding_count) = (Instant::now(), 0);
    // When what workers have handed over was last looked for.
    let mut listed = Instant::now();
    while !team.is_empty() || !waiting.is_empty() {
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
        if outcome.is_interrupted || is_late {
            waiting.clear();
        }
        let due: Vec<usize> = waiting
            .iter()
            .filter(|(_, (when, _))| *when <= now)
            .map(|(&number, _)| number)
            .collect();
        for number in due {
            if let Some((_, turn)) = waiting.remove(&number)
                && let Err(error) = team.start(number, turn)
            {
                outcome.troubles.push(error.to_string());
                outcome.given_up.insert(number);
            }
        }
        let event = team.next_event(TICK);
        // Workers print thousands of lines a second, and thousands of inputs may lie there.
        if listed.elapsed() > TICK {
            for input in team.handed_over() {
                hall.hand_on(&triage, input, None);
            }
            listed = Instant::now();
        }
        if let Some(Event::Ended(ended)) = event {
            let number = ended.number;
            for artifact in ended.handed_over() {
                hall.hand_on(&triage, artifact, None);
            }
            let mut has_cleared_input = false;
            for artifact in &ended.artifacts {
                has_cleared_input |= put_aside(&mut quarantine, artifact, &mut outcome);
                hall.hand_on(&triage, artifact.clone(), Some(ended.cause.clone()));
            }
            let turn = match crew.get_mut(number) {
                Some(turns) if ended.is_success => turns.next(started.elapsed()),
                Some(turns) => turns.resume(started.elapsed()),
                None => None,
            };
            let next = match (deaths.get_mut(number), &turn) {
                (Some(deaths), Some(_)) if !ended.is_success && !ended.was_killed_by_us => {
                    outcome.note_death(&ended);
                    deaths.note(&ended, has_cleared_input)
                }
                _ => Next::StartAgain(Duration::ZERO),
            };
            match (next, turn) {
                (Next::StartAgain(wait), Some(turn)) if !outcome.is_interrupted => {
                    waiting.insert(number, (Instant::now() + wait, turn));
                }
                (Next::GiveUp, _) => {
                    let count = deaths.get(number).map_or(0, Deaths::in_a_row);
                    outcome.give_up(number, count, &ended);
                }
                _ => {}
            }
        }
        // What was found is not left to the next minute.
        if saved.elapsed() > SAVED_EVERY || hall.finding_count > saved_finding_count {
            save(plan, directories, &mut outcome);
            (saved, saved_finding_count) = (Instant::now(), hall.finding_count);
        }
        let pulse = pulse(&team, &hall, started, plan);
        hall.listen(&triage, Duration::ZERO, &pulse, show);
        show(&pulse, Said::Nothing);
    }
    outcome.pulse = pulse(&team, &hall, started, plan);
    outcome.lanes = team.lanes();
    outcome.not_looked_into = team.not_looked_into.clone();
    outcome.not_written = team.not_written.clone();
    outcome.quarantine_count = quarantine.as_ref().map_or(0, Quarantine::len);
    triage.close();
    while !triage.is_over() {
        hall.listen(&triage, TICK, &outcome.pulse, show);
        outcome.pulse.finding_count = hall.finding_count;
        show(&outcome.pulse, Said::Nothing);
    }
    hall.listen(&triage, Duration::ZERO, &outcome.pulse, show);
    outcome.is_blind = hall.first_look.is_some_and(|look| look.is_void);
    outcome.first_look = hall.first_look;
    let triaged = triage.end();
    sweep(&triaged.removed);
    outcome.take(triaged);
    outcome.pulse.finding_count = outcome.findings.len() + outcome.raw.len();
    note_dead_lanes(plan, &crew, &mut outcome);
    note_blind_lanes(&mut outcome);
    note_empty_files(directories, &mut outcome);
    save(plan, directories, &mut outcome);
    Ok(outcome)
}

/// How often a campaign saves what it has learnt.
const SAVED_EVERY: Duration = Duration::from_secs(60);

/// Saves what is new of the working set and the findings, if there is an archive.
fn save(plan: &Plan, directories: &Directories, outcome: &mut Outcome) {
    let Some(archive) = &plan.archive else { return };
    let saved =
        archive.save(&directories.working_set).and_then(|_| archive.save_findings(&plan.findings));
    if let Err(error) = saved {
        outcome.not_written.insert(format!("the archive: {error}"));
    }
}

/// How long is waited for something to happen.
const TICK: Duration = Duration::from_millis(200);

/// What is between the workers and the triage.
#[derive(Default)]
struct Hall {
    first_look: Option<FirstLook>,
    handed_on: BTreeSet<PathBuf>,
    finding_count: usize,
}

impl Hall {
    /// Hands an artifact on, once.
    fn hand_on(&mut self, triage: &Triage, artifact: PathBuf, cause: Option<Cause>) {
        if self.handed_on.insert(artifact.clone()) {
            triage.take(artifact, cause);
        }
    }

    /// Shows all that the triage has come to.
    fn listen(
        &mut self,
        triage: &Triage,
        patience: Duration,
        pulse: &Pulse,
        show: &mut dyn FnMut(&Pulse, Said<'_>),
    ) {
        let mut patience = patience;
        while let Some(told) = triage.next(patience) {
            patience = Duration::ZERO;
            match told {
                Told::Finding(finding) => {
                    self.finding_count += 1;
                    show(pulse, Said::Finding(&finding));
                }
                Told::Raw(raw) => {
                    self.finding_count += 1;
                    show(pulse, Said::Raw(&raw));
                }
                Told::Looking(done, all) => show(pulse, Said::Looking(done, all)),
                Told::Ready(look) => self.first_look = look,
            }
        }
    }
}

/// Removes what was handed over again after it was removed once: a worker that is started anew comes across the
/// same inputs, which are named by their content.
fn sweep(removed: &BTreeSet<PathBuf>) {
    for artifact in removed {
        let _ = fs::remove_file(artifact);
    }
}

/// Inputs that killed workers of the same build stay out of the working set. Without a quarantine they
/// kill again, which is told.
fn open_quarantine(
    plan: &Plan,
    directories: &Directories,
    outcome: &mut Outcome,
) -> Option<Quarantine> {
    let programs: Vec<PathBuf> = plan.lanes.iter().map(|lane| lane.binary.clone()).collect();
    let opened = Quarantine::open(directories.quarantine(), &directories.working_set, &programs)
        .and_then(|(quarantine, tried_again)| {
            quarantine.clear()?;
            outcome.tried_again_count = tried_again;
            Ok(quarantine)
        });
    opened
        .map_err(|error| {
            let directory = directories.quarantine();
            outcome.troubles.push(format!("cannot use {}: {error}", directory.display()));
        })
        .ok()
}

/// Whether the artifact was an input of the working set, from which it is gone now.
fn put_aside(quarantine: &mut Option<Quarantine>, artifact: &Path, outcome: &mut Outcome) -> bool {
    let (Some(quarantine), Ok(bytes)) = (quarantine, fs::read(artifact)) else { return false };
    quarantine.take(bytes).unwrap_or_else(|error| {
        outcome.troubles.push(format!("cannot put {} aside: {error}", artifact.display()));
        false
    })
}

/// A disk that was full leaves files without content, which nobody needs.
fn note_empty_files(directories: &Directories, outcome: &mut Outcome) {
    let entries = fs::read_dir(&directories.working_set).into_iter().flatten().flatten();
    let is_empty =
        |path: &PathBuf| fs::metadata(path).is_ok_and(|it| it.is_file() && it.len() == 0);
    let empty: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_empty).collect();
    // One is the empty input, which engines keep.
    if empty.len() > 1 {
        let (count, set) = (empty.len(), directories.working_set.display());
        outcome.not_written.insert(format!("{set}: {count} files are empty, and were removed"));
        empty.iter().for_each(|path| drop(fs::remove_file(path)));
    }
}

/// A lane of which no worker is left has not done what it was asked to.
fn note_dead_lanes(plan: &Plan, crew: &[Turns], outcome: &mut Outcome) {
    for (index, lane) in plan.lanes.iter().enumerate() {
        let mut workers =
            crew.iter().enumerate().filter(|(_, turns)| turns.has_lane(index)).peekable();
        let is_dead = workers.peek().is_some()
            && workers.all(|(number, _)| outcome.given_up.contains(&number));
        if is_dead {
            outcome.dead_lanes.push(lane.target.name);
        }
    }
    outcome.is_engine_broken = outcome.dead_lanes.len() == plan.lanes.len();
}

fn shares(plan: &Plan) -> Vec<Share> {
    let share =
        |lane: &Lane| Share { part: lane.target.share, input_count: lane.target.turn_input_count };
    plan.lanes.iter().map(share).collect()
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
        .filter(|lane| lane.edges < lane.target.edges_min || lane.has_only_read())
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
    /// So many stored inputs of so many went through the first look.
    Looking(usize, usize),
}

impl Outcome {
    /// Notes that a worker died.
    fn note_death(&mut self, ended: &Ended) {
        let cause = ended.cause.complaint.clone().unwrap_or_else(|| ended.status.clone());
        *self.deaths.entry(cause).or_default() += 1;
    }

    /// Notes that a worker is not started again.
    fn give_up(&mut self, number: usize, count: u32, ended: &Ended) {
        self.given_up.insert(number);
        self.troubles.push(format!(
            "worker {number} died {count} times in a row before it searched ({}), and is given up; its \
             last words:\n{}",
            ended.status,
            ended.last_words()
        ));
    }

    /// Takes over what the triage came to.
    fn take(&mut self, triaged: Triaged) {
        self.findings = triaged.found;
        self.raw = triaged.raw;
        self.troubles.extend(triaged.troubles);
        self.is_storing_broken = triaged.is_storing_broken;
        self.passed_over_count = triaged.passed_over_count;
        self.left_count = triaged.left_count;
        self.mended_count = triaged.mended_count;
        self.stalled_count = triaged.stalled_count;
    }
}

fn pulse(team: &Team<'_>, hall: &Hall, started: Instant, plan: &Plan) -> Pulse {
    Pulse {
        elapsed: started.elapsed(),
        total: plan.time,
        finding_count: hall.finding_count,
        ..team.pulse()
    }
}
