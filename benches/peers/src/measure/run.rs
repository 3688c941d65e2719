//! One run: an arm against a fault from a seed, in a process of its own.

use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use rekeylab_faults::Fault;
use serde::{Deserialize, Serialize};

use crate::arms::Arm;
use crate::arms::engine::{ERRAND, Errand};
use crate::judge::{Limits, Outcome};

/// What is to be run.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// Which arm.
    pub arm: Arm,
    /// Against which fault.
    pub fault: Fault,
    /// From which seed.
    pub seed: u64,
    /// When to give up.
    pub limits: Limits,
}

/// What came of a run; one line of the results.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Run {
    /// The name of the arm.
    pub arm: String,
    /// The name of the fault.
    pub fault: String,
    /// The seed.
    pub seed: u64,
    /// When it would have given up.
    pub limits: Limits,
    /// What its process said.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Wall-clock time from the start of its process.
    pub seconds: f64,
}

/// What tells runs apart: arm, fault, seed and limits.
pub type Key = (String, String, u64, u64, u64);

impl Task {
    /// What its run will be known by.
    #[must_use]
    pub fn key(&self) -> Key {
        let Limits { executions, seconds } = self.limits;
        let (arm, fault) = (self.arm.name(), self.fault.name().to_owned());
        (arm, fault, self.seed, executions, seconds.to_bits())
    }
}

impl Run {
    /// What it is known by.
    #[must_use]
    pub fn key(&self) -> Key {
        let Limits { executions, seconds } = self.limits;
        (self.arm.clone(), self.fault.clone(), self.seed, executions, seconds.to_bits())
    }
}

/// The programs that run tasks.
#[derive(Clone, Debug)]
pub struct Programs {
    /// This one, whose command `one` is an arm without an engine.
    pub own: PathBuf,
    /// Where the fuzz targets are.
    pub targets: PathBuf,
}

/// Why a run came to nothing.
#[derive(Debug)]
pub struct RunError {
    /// What was run.
    pub command: String,
    /// What went wrong.
    pub source: io::Error,
}

impl std::error::Error for RunError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl core::fmt::Display for RunError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "no outcome from {}", self.command)
    }
}

/// Runs a task to its end.
///
/// A process each: no fault outlives its run, a fault in statics disturbs nobody, and all arms pay
/// for the start.
///
/// # Errors
///
/// When the process does not start or ends without an outcome.
pub fn run(task: &Task, programs: &Programs) -> Result<Run, RunError> {
    let mut command = match task.arm.engine_target() {
        Some(target) => with_engine(task, &programs.targets.join(target)),
        None => without_engine(task, &programs.own),
    };
    let (outcome, seconds) = outcome_of(&mut command)
        .map_err(|source| RunError { command: format!("{command:?}"), source })?;
    Ok(Run {
        arm: task.arm.name(),
        fault: task.fault.name().to_owned(),
        seed: task.seed,
        limits: task.limits,
        outcome,
        seconds,
    })
}

fn without_engine(task: &Task, program: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["one", &task.arm.name(), task.fault.name(), &task.seed.to_string()]);
    command.args(["--executions", &task.limits.executions.to_string()]);
    command.args(["--cap", &task.limits.seconds.to_string()]);
    command
}

fn with_engine(task: &Task, program: &Path) -> Command {
    let is_without_mutator = matches!(task.arm, Arm::EngineWithoutMutator);
    let fault = task.fault.name().to_owned();
    let errand = Errand { fault, limits: task.limits, is_without_mutator };
    let mut command = Command::new(program);
    command.env(ERRAND, serde_json::to_string(&errand).expect("an errand is plain"));
    // libFuzzer takes 0 for a random seed. What it would write of the last input is of no use.
    command.arg(format!("-seed={}", task.seed.max(1)));
    command.args(["-exact_artifact_path=/dev/null", "-timeout=60", "-rss_limit_mb=4096"]);
    // Long inputs from the start: with libFuzzer's default they grow so slowly that the first tens of
    // thousands of executions are of one or two calls, which no sequence needs.
    command.args(["-max_len=4096", "-len_control=0"]);
    command
}

fn outcome_of(command: &mut Command) -> io::Result<(Outcome, f64)> {
    let started = Instant::now();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().expect("stdout is piped"));
    let read = out.read_line(&mut line);
    let seconds = started.elapsed().as_secs_f64();
    // How it ends does not matter: libFuzzer takes any end of a target for a crash.
    child.wait()?;
    read?;
    Ok((serde_json::from_str(&line)?, seconds))
}
