//! `rekeylab gate`: what a change has to pass, told to its author.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::campaign::{EngineError, workspace_root};
use crate::corpus::write_over;
use crate::gate::{self, Base, Change, Event, Kind, Plan, Seconds};
use crate::observation::Layer;
use crate::program::this_program;
use crate::report::{annotations, junit, markdown, sarif};
use crate::watchdog::{TIME_LIMIT, time_limit};

use super::Format;
use super::console::Console;
use super::exit::Exit;
use super::failure::Failure;
use super::fuzz::{relative, stop_on_signals};

/// Runs all that a change has to pass, and tells what is new in it
///
/// Replay, audit, exhaustive run, drills and each fuzz target: all of them run, each in a process of
/// its own, whatever one before has said. With a base, what they find is run again there, and only
/// what the base does not show blocks: `new` is the change's, `in base` is not, `flaky` is seen in
/// some runs only, and `unknown`, of which nobody can say, counts as new. Ends with 3 if something
/// blocks; otherwise with the worst of what else is wrong. Without planted faults no drill can run,
/// which is no pass.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rekeylab gate                                  everything; whatever is found blocks
  rekeylab gate --base origin/main               what the branch changes decides what is run
  rekeylab gate --base main --advisory --summary gate.md
  rekeylab gate --base main --sarif gate.sarif --junit gate.xml --annotations
  rekeylab gate --driver driver.toml             a driver of your own beside the core

With --format json each line is one event; the first has the version.")]
pub(super) struct Options {
    /// What to compare with: a revision, which is built below target/gate if something is found, or
    /// the path of a program rekeylab
    #[arg(long, value_name = "REV|BUILD")]
    base: Option<String>,
    /// How long all of it may take; what is not run in time is named, and is no pass
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "45m")]
    budget: Duration,
    /// How long each fuzz target runs; one that is about nothing touched runs a quarter of that, or is
    /// left out if the workbench is not touched either
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=86400))]
    seconds: u32,
    /// Most calls of a sequence of the exhaustive run
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u8).range(1..=64))]
    depth: u8,
    /// Runs everything stored on the driver of this data sheet, too, and searches it for as long as a target;
    /// may be given several times
    #[arg(long = "driver", value_name = "SHEET")]
    drivers: Vec<PathBuf>,
    /// Tells everything and ends with 0 all the same
    #[arg(long)]
    advisory: bool,
    /// Writes the findings as SARIF 2.1.0
    #[arg(long, value_name = "FILE")]
    sarif: Option<PathBuf>,
    /// Writes steps and findings as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Writes verdicts and stories as Markdown
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Prints the findings as annotations of GitHub at the end, on standard error with --format json
    #[arg(long)]
    annotations: bool,
    /// Where findings are written [default: fuzz/findings]
    #[arg(long, value_name = "DIR")]
    findings: Option<PathBuf>,
}

pub(super) fn run(options: &Options, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let root = workspace_root().ok_or(EngineError::NoWorkspace)?;
    let program = this_program().map_err(|error| {
        Failure::workbench(format!("the system does not say where this program is: {error}"))
    })?;
    let base = options.base.as_deref().map(Base::named);
    let change = Change::since(base.as_ref(), &root);
    if let (Some(Base::Revision(revision)), None) = (&base, &change.since) {
        return Err(Failure::usage(format!("cannot compare with {revision}: {}", change.why))
            .way_out(format!(
                "git fetch, so that {revision} and what the branch began with are there"
            )));
    }
    if cfg!(not(feature = "faults")) && change.kind != Kind::Documents {
        // A change may be such that the planted faults do not fit it; the rest is told all the same.
        console.warning(
            "this build has no planted faults, so no alarm can be drilled, and that is no pass; try: cargo \
             run --release --features faults -- gate",
        );
    }
    let findings =
        options.findings.clone().unwrap_or_else(|| relative(&root.join("fuzz/findings")));
    let findings = std::path::absolute(&findings).unwrap_or(findings);
    let common = common_arguments(console);
    let drivers: Vec<String> = options.drivers.iter().map(|it| it.display().to_string()).collect();
    let chosen = Seconds {
        each_target: options.seconds,
        depth: options.depth,
        findings: findings.strip_prefix(&root).unwrap_or(&findings),
        common: &common,
        drivers: &drivers,
    };
    let plan = Plan {
        steps: gate::usual_steps(&change, chosen),
        root,
        program,
        base,
        change,
        budget: options.budget,
        is_advisory: options.advisory,
        stop: stop_on_signals()?,
    };
    let (results, exit) = gate::run(&plan, &mut |event| tell(event, console))?;
    if options.annotations {
        let text = annotations(&results);
        match console.format {
            Format::Human => console.say(&text)?,
            Format::Json => console.note(text.trim_end()),
        }
    }
    let unwritten = |error: &dyn core::fmt::Display| {
        Failure::workbench(format!("cannot write the results: {error}"))
    };
    if let Some(path) = &options.sarif {
        write_over(path, sarif(&results).map_err(|error| unwritten(&error))?.as_bytes())?;
    }
    if let Some(path) = &options.junit {
        write_over(path, junit(&results).map_err(|error| unwritten(&error))?.as_bytes())?;
    }
    if let Some(path) = &options.summary {
        write_over(path, markdown(&results).as_bytes())?;
    }
    Ok(exit)
}

/// Tells an event, and sees to it that it arrives: between two of them, minutes may pass.
fn tell(event: &Event<'_>, console: &mut Console<'_>) -> Result<(), Failure> {
    match console.format {
        Format::Human => console.say(&gate::human(event))?,
        Format::Json => {
            let line = serde_json::to_string(event)
                .map_err(|error| Failure::workbench(format!("cannot write an event: {error}")))?;
            console.say_bytes((line + "\n").as_bytes())?;
        }
    }
    console.flush()
}

/// What is asked of every command of this program is handed on to each step.
fn common_arguments(console: &Console<'_>) -> Vec<String> {
    let missing: Vec<&str> = console.allowed_missing.iter().map(Layer::name).collect();
    let mut arguments = Vec::new();
    if !missing.is_empty() {
        arguments.extend(["--allow-missing".to_owned(), missing.join(",")]);
    }
    let limit = time_limit().unwrap_or(TIME_LIMIT);
    if limit != TIME_LIMIT {
        arguments.extend(["--time-limit".to_owned(), format!("{}ms", limit.as_millis())]);
    }
    arguments
}
