//! `rekeylab hygiene`: where each secret of a sequence lived, and when it died.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::Workbench;
use crate::corpus;
use crate::observation::Layers;
use crate::report::{HygieneReport, hygiene_report, hygiene_text};
use crate::watchdog::attempt;

use super::Format;
use super::console::Console;
use super::exit::Exit;
use super::failure::Failure;
use super::fault;
use super::hung::{told, what_hung};

/// Shows where each secret of a sequence lived and died
///
/// Runs each file with everything looked into after every call, and prints a time line for each
/// secret: which call brought it, the homes it was in, since when it must be gone and why, and
/// where it was seen last. Ends with 3 when a secret was seen where it must not be.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rekeylab hygiene corpus/seeds/two-refreshes.seq
  rekeylab hygiene --format json finding.seq | jq '.files[].secrets[].name'
  cargo run --release --features faults -- hygiene --fault old-key-in-history finding.seq")]
pub(super) struct Options {
    /// Text or wire files; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Plants this fault first; see `rekeylab list faults`
    #[arg(long, value_name = "NAME")]
    fault: Option<String>,
}

/// What a machine reads of many files.
#[derive(Debug, Serialize)]
struct Files {
    files: Vec<HygieneReport>,
}

pub(super) fn run(options: &Options, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let fault = fault::by_name(options.fault.as_deref(), "hygiene FILE")?;
    let dut = fault::core_with(fault);
    let mut exit = console.exit_without(Layers::ALL, Workbench::on(dut.clone()).layers());
    let mut files = Vec::new();
    for path in &options.files {
        let stored = match corpus::read(path) {
            Ok(stored) => stored,
            Err(error) => {
                let failure = Failure::from(error);
                exit = exit.and(failure.exit);
                console.failure(&failure);
                continue;
            }
        };
        let (its, sequence) = (dut.clone(), stored.sequence);
        let run = attempt(move || {
            let mut workbench = Workbench::on(its);
            workbench.run(&sequence);
            workbench.trace().clone()
        });
        let trace = match run {
            Ok(trace) => trace,
            Err(hang) => {
                // Up to there, the lives of its secrets are shown like any other.
                exit = exit.and(Exit::InvariantBroken);
                let workbench = Workbench::told(&dut, &hang);
                let trace = workbench.trace().clone();
                console.note_hang(path.display(), &what_hung(&trace).unwrap_or_default());
                if console.format == Format::Human {
                    let name = fault.map(|fault| fault.name());
                    console.say(&told(&workbench, &hang, Some(path), name, Format::Human))?;
                }
                trace
            }
        };
        let report = hygiene_report(&trace, Some(&path.display().to_string()));
        if let Some(void) = trace.void {
            let failure = Failure::workbench(format!("{}: {void}", path.display()));
            exit = exit.and(failure.exit);
            console.failure(&failure);
        } else if !trace.sightings.is_empty() || !trace.followings.is_empty() {
            exit = exit.and(Exit::InvariantBroken);
        }
        match console.format {
            Format::Human => console.say(&hygiene_text(&report, &trace))?,
            Format::Json => files.push(report),
        }
    }
    if console.format == Format::Json {
        console.say_json(1, &Files { files })?;
    }
    Ok(exit)
}
