//! `rekeylab run`: runs sequences and tells what they break.

use std::path::PathBuf;

use clap::Args;

use crate::Workbench;
use crate::observation::Layers;

use super::Format;
use super::console::Console;
use super::driver::DriverOption;
use super::exit::Exit;
use super::failure::Failure;
use super::fault;
use super::judged::{FileError, JudgedFiles, Wanted};
use super::workers::{judge_all, not_run_line};

/// Runs sequences and tells what they break; silent when all holds
///
/// A file is text (`.seq`) or what an engine left behind. Answers that a text expects are compared
/// too: one that does not come ends with exit code 3, like a broken invariant. A sequence has at most
/// 1024 calls; `rekeylab minimize` cuts longer logs.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rekeylab run corpus/crashes/double-finish/second-finish.seq
  rekeylab run --format json fuzz/artifacts/call_sequence/crash-0a1b
  printf 'd0 = create-device\\n' | rekeylab run -")]
pub(super) struct Options {
    /// Text or wire files; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Plants this fault first; see `rekeylab list faults`
    #[arg(long, value_name = "NAME", conflicts_with = "driver")]
    fault: Option<String>,
    #[command(flatten)]
    driver: DriverOption,
}

pub(super) fn run(options: &Options, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let fault = fault::by_name(options.fault.as_deref(), "run FILE")?;
    let dut = options.driver.dut(fault)?;
    let layers = Workbench::on(dut.clone()).layers();
    let mut exit = console.exit_without(Layers::ALL, layers);
    let wanted = Wanted {
        json: console.format == Format::Json,
        fault: fault.map(|fault| fault.name()),
        layers: layers.except(console.allowed_missing),
    };
    let (mut files, mut errors) = (Vec::new(), Vec::new());
    let not_run = judge_all(&options.files, wanted, &dut, 1, &mut |_, result| {
        match result {
            Ok(judged) => {
                exit = exit.and(judged.exit());
                if let Some(hung) = &judged.hung {
                    console.note_hang(&judged.file, hung);
                }
                if let (true, Some(fault)) = (judged.holds(), &judged.unplanted) {
                    let file = &judged.file;
                    console.note(&format!("{file} holds; it shows a fault with --fault {fault}"));
                }
                if console.format == Format::Human {
                    console.say(&judged.text())?;
                } else {
                    files.push(judged);
                }
            }
            Err(error) => {
                errors.push(FileError { error: error.to_string() });
                let failure = Failure::from(error);
                exit = exit.and(failure.exit);
                console.failure(&failure);
            }
        }
        Ok(())
    })?;
    if not_run > 0 {
        console.warning(&not_run_line(not_run));
    }
    if console.format == Format::Json {
        let file_count = files.len();
        console.say_json(1, &JudgedFiles { file_count, files, errors, not_run })?;
    }
    Ok(exit)
}
