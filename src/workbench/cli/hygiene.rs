//! `rekeylab hygiene`: where each secret of a sequence lived, and when it died.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::Workbench;
use crate::corpus;
use crate::observation::Layers;
use crate::report::{HygieneReport, hygiene_report, hygiene_text};

use super::Format;
use super::console::Console;
use super::exit::Exit;
use super::failure::Failure;
use super::fault;

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
    let mut workbench = Workbench::on(fault::core_with(fault));
    let mut exit = console.exit_without(Layers::ALL, workbench.layers());
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
        workbench.run(&stored.sequence);
        let trace = workbench.trace();
        let report = hygiene_report(trace, Some(&path.display().to_string()));
        if let Some(void) = trace.void {
            let failure = Failure::workbench(format!("{}: {void}", path.display()));
            exit = exit.and(failure.exit);
            console.failure(&failure);
        } else if !trace.sightings.is_empty() || !trace.followings.is_empty() {
            exit = exit.and(Exit::InvariantBroken);
        }
        match console.format {
            Format::Human => console.say(&hygiene_text(&report, trace))?,
            Format::Json => files.push(report),
        }
    }
    if console.format == Format::Json {
        console.say_json(1, &Files { files })?;
    }
    Ok(exit)
}
