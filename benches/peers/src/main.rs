//! The command: measures, and writes the results and the page.

use std::error::Error;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use rekeylab::drill::hangs;
use rekeylab_faults::Fault;
use rekeylab_peers::arms::Arm;
use rekeylab_peers::judge::{Judge, Limits};
use rekeylab_peers::measure::run::{Programs, Task};
use rekeylab_peers::measure::store::Store;
use rekeylab_peers::measure::summary::Summary;
use rekeylab_peers::measure::{Plan, engine, measure};
use rekeylab_peers::page;

/// Freed blocks are looked into while the driver is at work.
#[global_allocator]
static ALLOCATOR: keysan::heap::ScanningAllocator = keysan::heap::ScanningAllocator::new();

/// Hunts the planted faults with rekeylab and with what else there is
///
/// Writes results.json and index.html to target/peers.
#[derive(Debug, Parser)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A few minutes: enough to see whether anything changed
    Short(Measurement),
    /// Hours: the figures to quote; it can be broken off and goes on where it was
    Full(Measurement),
    /// One run, in this process; prints its outcome as JSON
    #[command(hide = true)]
    One(One),
}

#[derive(Debug, Args)]
struct Measurement {
    /// Seeds 1 to this are run [default: 3 short, 10 full]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=30))]
    seeds: Option<u64>,
    /// Seconds after which a run is a miss [default: 2 short, 60 full]
    #[arg(long)]
    cap: Option<f64>,
    /// Executions after which a run is a miss [default: 20000 short, none full]
    #[arg(long)]
    executions: Option<u64>,
    /// Runs at a time; with more than there are cores, seconds mean nothing [default: all cores]
    #[arg(long)]
    jobs: Option<usize>,
    /// Only these arms
    #[arg(long, value_delimiter = ',')]
    arms: Vec<String>,
    /// Only these faults
    #[arg(long, value_delimiter = ',')]
    faults: Vec<String>,
    /// Forget the runs that are finished
    #[arg(long)]
    fresh: bool,
}

#[derive(Debug, Args)]
struct One {
    arm: String,
    fault: String,
    seed: u64,
    #[arg(long)]
    executions: u64,
    #[arg(long)]
    cap: f64,
}

/// A form of the measurement, before options.
struct Form {
    name: &'static str,
    seeds: u64,
    limits: Limits,
}

const SHORT: Form =
    Form { name: "short", seeds: 3, limits: Limits { executions: 20_000, seconds: 2.0 } };
const FULL: Form =
    Form { name: "full", seeds: 10, limits: Limits { executions: u64::MAX, seconds: 60.0 } };

fn main() -> ExitCode {
    let done = match Options::parse().command {
        Command::Short(options) => run_form(&SHORT, &options),
        Command::Full(options) => run_form(&FULL, &options),
        Command::One(one) => run_one(&one),
    };
    let Err(error) = done else { return ExitCode::SUCCESS };
    let mut text = format!("rekeylab-peers: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    // If even that cannot be written, the exit code still says it.
    let _ = writeln!(io::stderr(), "{text}");
    ExitCode::FAILURE
}

/// Every fault but those that hang, which most of the tools cannot end.
fn drilled() -> Vec<Fault> {
    Fault::ALL.iter().copied().filter(|&fault| !hangs(fault)).collect()
}

fn run_form(form: &Form, options: &Measurement) -> Result<(), Box<dyn Error>> {
    let mut limits = form.limits;
    limits.seconds = options.cap.unwrap_or(limits.seconds);
    limits.executions = options.executions.unwrap_or(limits.executions);
    let plan = Plan {
        arms: named(&options.arms, Arm::all().collect(), Arm::from_name)?,
        faults: named(&options.faults, drilled(), Fault::from_name)?,
        seeds: options.seeds.unwrap_or(form.seeds),
        limits,
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = options.jobs.unwrap_or(cores).max(1);
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers");
    let lines = directory.join(format!("{}.jsonl", form.name));
    if options.fresh && lines.exists() {
        fs::remove_file(&lines)?;
    }
    let mut store = Store::open(&lines)?;
    let tasks = plan.tasks();
    let todo: Vec<Task> =
        tasks.iter().copied().filter(|task| store.run_of(task).is_none()).collect();
    tell(&if todo.is_empty() {
        format!("{} runs, all of them finished", tasks.len())
    } else {
        format!("{}; {}", count(&tasks, &todo), duration(&todo, jobs))
    })?;
    let mut targets = PathBuf::new();
    if todo.iter().any(|task| task.arm.engine_target().is_some()) {
        tell("building the fuzz targets")?;
        targets = engine::build(&directory.join("engine"))?;
    }
    let programs = Programs { own: std::env::current_exe()?, targets };
    let measured = measure(&todo, &programs, jobs, &mut store);
    let runs = tasks.iter().filter_map(|task| store.run_of(task));
    let summary = Summary::new(form.name, plan.seeds, limits, jobs, runs.cloned().collect());
    write_results(&directory, &summary)?;
    Ok(measured?)
}

/// What these names stand for, or everything if there are none.
fn named<T>(names: &[String], all: Vec<T>, find: fn(&str) -> Option<T>) -> Result<Vec<T>, String> {
    if names.is_empty() {
        return Ok(all);
    }
    names.iter().map(|name| find(name).ok_or(format!("there is no {name:?}"))).collect()
}

fn count(tasks: &[Task], todo: &[Task]) -> String {
    match tasks.len() - todo.len() {
        0 => format!("{} runs", todo.len()),
        finished => format!("{} runs, {finished} of them finished", tasks.len()),
    }
}

/// How long it can take: misses take their whole cap, and most of the arms miss much.
fn duration(todo: &[Task], jobs: usize) -> String {
    let seconds: f64 = todo.iter().map(|task| task.limits.seconds).sum();
    #[expect(clippy::cast_precision_loss, reason = "a number of cores")]
    let minutes = seconds / jobs as f64 / 60.0;
    if minutes < 90.0 {
        format!("at most {minutes:.0} min with {jobs} at a time, if each used its cap")
    } else {
        format!("at most {:.0} h with {jobs} at a time, if each used its cap", minutes / 60.0)
    }
}

fn write_results(directory: &Path, summary: &Summary) -> Result<(), Box<dyn Error>> {
    let write = |name: &str, text: String| -> io::Result<PathBuf> {
        let path = directory.join(name);
        fs::write(&path, text)?;
        path.canonicalize()
    };
    let json = write("results.json", serde_json::to_string_pretty(summary)? + "\n")?;
    let html = write("index.html", page::render(summary))?;
    for goal in &summary.goals {
        let mark = if goal.is_reached { "reached" } else { "missed " };
        tell(&format!("{mark}  {}: {}", goal.wanted, goal.measured))?;
    }
    writeln!(io::stdout(), "{}\n{}", json.display(), html.display())?;
    Ok(())
}

fn run_one(one: &One) -> Result<(), Box<dyn Error>> {
    let arm = Arm::from_name(&one.arm).ok_or("there is no such arm")?;
    let fault = Fault::from_name(&one.fault).ok_or("there is no such fault")?;
    let limits = Limits { executions: one.executions, seconds: one.cap };
    let outcome = arm.hunt(one.seed, &mut Judge::new(fault, limits));
    let outcome = outcome.ok_or("libFuzzer drives this arm")?;
    writeln!(io::stdout(), "{}", serde_json::to_string(&outcome)?)?;
    Ok(())
}

fn tell(line: &str) -> io::Result<()> {
    writeln!(io::stderr(), "{line}")
}
