//! What a change has to pass: every step runs, everything is told, and only what is new blocks.
//!
//! ```text
//! steps, each a process of its own ─► findings ─► replayed on head and base ─► whose they are
//! ```
//!
//! A step is this program with another command and `--format json`. One that crashes, hangs or talks
//! nonsense does not keep the others from running, and what it told before is still told.

mod again;
mod base;
mod changed;
mod event;
mod human;
mod plan;
mod read;
mod whose;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::campaign::StopSignal;
use crate::child::{Child, Ended, Said};
use crate::exit::Exit;
use crate::report::results::{EXPECTED_ANSWER, Found, Results, StepEnd, StepResult};

pub use base::Base;
pub use changed::{Change, Kind};
pub use event::{EVENTS_VERSION, Ending, Event, TOLD_MAX};
pub use human::human;
pub use plan::{Seconds, usual_steps};

use again::{Again, Sample};
use read::Told;

/// One step: a command of this program.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its short name; no two steps of a plan have the same.
    pub name: String,
    /// What it does, as a sentence fragment.
    pub says: String,
    /// What the program is given beside `--format json`.
    pub arguments: Vec<String>,
    /// The data sheet of the driver that it is about, if that is not the core.
    pub driver: Option<String>,
    /// After how long it is ended.
    pub limit: Duration,
    /// Why it is not run and need not be.
    pub left_out: Option<String>,
    /// Whether it means something on the program of the base, so that one that fails here can be tried there.
    pub is_for_base: bool,
    /// Whether it can only run in a build with planted faults.
    pub needs_faults: bool,
}

/// All that a gate needs to know.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The workspace, in which every command is run.
    pub root: PathBuf,
    /// The program of the change.
    pub program: PathBuf,
    /// What the change is compared with.
    pub base: Option<Base>,
    /// What is known of the change.
    pub change: Change,
    /// What is run, in order.
    pub steps: Vec<Step>,
    /// How long all of it may take.
    pub budget: Duration,
    /// Whether everything is told and nothing blocks.
    pub is_advisory: bool,
    /// Ends everything once somebody says stop.
    pub stop: Arc<StopSignal>,
}

/// How long a step may take to find out which of its findings are one bug. Each takes a moment, of a slow driver
/// seconds; those behind keep the names that they have as they are stored.
const NAMING_MAX: Duration = Duration::from_secs(60);

/// The least time that is worth beginning something for.
const SHORTEST: Duration = Duration::from_secs(1);

/// Runs all steps, compares what they found with the base, and tells everything as it comes; what it
/// came to, and the code to exit with.
///
/// # Errors
///
/// What `tell` fails with.
pub fn run<E>(
    plan: &Plan,
    tell: &mut dyn FnMut(&Event<'_>) -> Result<(), E>,
) -> Result<(Results, Exit), E> {
    tell(&Event::began(plan))?;
    let started = Instant::now();
    let mut gate = Gate { plan, started, samples: Vec::new(), exits: Vec::new() };
    let mut results = Results::default();
    for step in &plan.steps {
        let result = gate.step(step, &mut results.findings, tell)?;
        tell(&Event::StepEnded(&result))?;
        results.steps.push(result);
    }
    gate.compare(&mut results, tell)?;
    let exit = gate.exits.iter().zip(&results.steps).fold(Exit::Held, |all, (beside, step)| {
        if matches!(step.end, StepEnd::InBase(_)) { all } else { all.and(beside.exit) }
    });
    let blocks = results.findings.iter().any(|found| found.judgement.verdict.blocks());
    let exit = if blocks { exit.and(Exit::InvariantBroken) } else { exit };
    let ending = Ending::new(&results, exit, plan.is_advisory);
    results.says.clone_from(&ending.says);
    let exit = if plan.is_advisory { Exit::Held } else { exit };
    tell(&Event::Ended(&ending))?;
    Ok((results, exit))
}

/// A gate that is running.
struct Gate<'a> {
    plan: &'a Plan,
    started: Instant,
    /// How each finding can be seen again, in the order of the findings.
    samples: Vec<Sample>,
    /// What each step comes to beside its findings, in the order of the steps.
    exits: Vec<Beside>,
}

/// What a step comes to beside its findings.
#[derive(Clone, Copy, Default)]
struct Beside {
    exit: Exit,
    /// The code that it ended with by itself.
    code: Option<i32>,
}

impl Gate<'_> {
    fn left(&self) -> Duration {
        self.plan.budget.saturating_sub(self.started.elapsed())
    }

    /// Runs a step, and adds what it found that no step before has found.
    fn step<E>(
        &mut self,
        step: &Step,
        findings: &mut Vec<Found>,
        tell: &mut dyn FnMut(&Event<'_>) -> Result<(), E>,
    ) -> Result<StepResult, E> {
        let mut result = StepResult {
            step: step.name.clone(),
            says: step.says.clone(),
            command: command_line(&step.arguments),
            end: StepEnd::Held,
            seconds: 0.0,
            notes: Vec::new(),
        };
        if let Some(why) = &step.left_out {
            result.end = StepEnd::LeftOut(why.clone());
            self.exits.push(Beside::default());
            return Ok(result);
        }
        if let Some(why) = self.why_not_run() {
            // Silence about what was not run is no pass.
            self.exits.push(Beside { exit: Exit::WorkbenchFailed, code: None });
            result.end = StepEnd::NotRun(why);
            return Ok(result);
        }
        tell(&Event::StepBegan { step: &step.name })?;
        let limit = step.limit.min(self.left());
        let mut arguments = step.arguments.clone();
        arguments.extend(["--format", "json"].map(str::to_owned));
        let said = self.child(&arguments, limit, true).run(b"");
        let told = read::read(&said.out);
        result.seconds = said.elapsed.as_secs_f64();
        result.notes = told.notes.clone();
        let (exit, why) = what_it_means(&said, &told, limit < step.limit);
        let code = if let Ended::Code(code) = said.ended { Some(code) } else { None };
        self.exits.push(Beside { exit, code });
        let mut samples = told.samples;
        if said.ended == Ended::Code(i32::from(Exit::InvariantBroken.code())) && samples.is_empty()
        {
            samples.push(Sample::of_nothing(&step.name));
        }
        let is_found = !samples.is_empty();
        let mut again: BTreeMap<String, usize> = BTreeMap::new();
        let mut violated: Vec<Place> = Vec::new();
        let naming_ends = Instant::now() + NAMING_MAX;
        for mut sample in samples {
            sample.found.step.clone_from(&step.name);
            sample.driver.clone_from(&step.driver);
            let is_known =
                |sample: &Sample| self.samples.iter().any(|known| known.is_the_bug_of(sample));
            let mut is_again = is_known(&sample);
            if !is_again && Instant::now() < naming_ends && self.left() >= SHORTEST {
                sample.name_by_its_form(self.plan, self.left());
                is_again = is_known(&sample);
            }
            if is_again {
                sample.locate(&self.plan.root);
            } else {
                self.complete(&mut sample);
            }
            let place = (sample.found.file.clone(), sample.found.line);
            if sample.found.rule != EXPECTED_ANSWER {
                violated.push(place);
            } else if violated.iter().any(|violation| explains(violation, &place)) {
                result.notes.push(sample.found.story.trim_end().to_owned());
                continue;
            }
            if is_again {
                result.notes.push(format!("shows again: {}", sample.found.headline()));
                continue;
            }
            let is_alike = |known: &&Sample| {
                let of = |it: &Sample| (it.found.step.clone(), it.found.rule.clone());
                of(known) == of(&sample)
            };
            if self.samples.iter().filter(is_alike).count() < TOLD_MAX {
                tell(&Event::Finding(&sample.found))?;
            } else {
                *again.entry(sample.found.rule.clone()).or_default() += 1;
                tell(&Event::FindingAgain(&sample.found))?;
            }
            findings.push(sample.found.clone());
            self.samples.push(sample);
        }
        let further =
            again.iter().map(|(rule, count)| format!("{rule} in {count} further findings"));
        result.notes.extend(further);
        result.end = match why {
            Some(why) => StepEnd::Failed(why),
            None if is_found => StepEnd::Found,
            None => StepEnd::Held,
        };
        Ok(result)
    }

    fn why_not_run(&self) -> Option<String> {
        if self.plan.stop.is_raised() {
            return Some("somebody said stop".to_owned());
        }
        let budget = humantime::format_duration(self.plan.budget);
        (self.left() < SHORTEST).then(|| format!("the budget of {budget} is used up"))
    }

    fn child<'a>(&'a self, arguments: &'a [String], limit: Duration, is_heard: bool) -> Child<'a> {
        let Plan { program, root, stop, .. } = self.plan;
        Child { program, root, arguments, limit, stop, is_heard }
    }

    /// Adds what its step did not say of a finding, by running what shows it once more.
    fn complete(&self, sample: &mut Sample) {
        if !sample.is_complete()
            && self.left() >= SHORTEST
            && let Again::Told(told) = sample.again(&self.plan.program, self.plan, self.left())
        {
            sample.learn(told);
        }
        sample.locate(&self.plan.root);
    }
}

/// Whether a violation is why an answer did not come: it is that of the same call, or of one before, behind which the
/// driver is not where the file expects it to be.
fn explains(violation: &Place, answer: &Place) -> bool {
    violation.0 == answer.0 && violation.1.is_some() && violation.1 <= answer.1
}

/// A file and a line of it, from 1.
type Place = (Option<String>, Option<usize>);

/// What a step means beside its findings: the code, and why it is no pass.
fn what_it_means(said: &Said, told: &Told, is_cut_by_budget: bool) -> (Exit, Option<String>) {
    let failed = |why: String| (Exit::WorkbenchFailed.and(told.beside), Some(why));
    let limit = humantime::format_duration(said.limit);
    let code = match &said.ended {
        Ended::NotStarted(why) => return failed(format!("it could not be started: {why}")),
        Ended::Stopped => return failed("somebody said stop".to_owned()),
        Ended::Late if is_cut_by_budget => {
            return failed("the budget was used up while it ran".to_owned());
        }
        Ended::Late => return failed(format!("it did not end within {limit}, and was ended")),
        Ended::Signal(signal) => {
            let words = said.last_words();
            return failed(format!("it was ended by signal {signal}{words}"));
        }
        Ended::Code(code) => *code,
    };
    let exit = Exit::ALL.iter().find(|exit| i32::from(exit.code()) == code).copied();
    let is_pass = matches!(exit, Some(Exit::Held | Exit::InvariantBroken));
    match exit {
        // The findings decide what this means, and what else is wrong is told in the document.
        Some(_) if is_pass && !told.is_whole => {
            failed("what it told is no whole document".to_owned())
        }
        Some(_) if is_pass && told.beside == Exit::Held => (Exit::Held, None),
        Some(_) if is_pass => (told.beside, Some(told.why_beside())),
        Some(exit) => {
            let why =
                if told.beside == Exit::Held { exit.says().to_owned() } else { told.why_beside() };
            (exit.and(told.beside), Some(format!("{why}{}", said.last_words())))
        }
        None => failed(format!("it ended with {code}{}", said.last_words())),
    }
}

/// The command as somebody types it.
fn command_line(arguments: &[String]) -> String {
    format!("cargo run --release --features faults -- {}", arguments.join(" "))
}
