//! `rekeylab replay`: runs every stored sequence again, on every core.

use std::num::NonZero;
use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use clap::Args;

use crate::Workbench;
use crate::corpus::find;
use crate::observation::Layers;

use super::Format;
use super::console::Console;
use super::driver::DriverOption;
use super::exit::Exit;
use super::failure::Failure;
use super::fault;
use super::judged::{FileError, JudgedFiles, Wanted, paths_or};
use super::workers::{judge_all, not_run_line};

/// Runs stored sequences again; silent but for one line when all holds
///
/// Directories are searched to the bottom for *.seq, *.wire and files without extension. A file
/// that cannot be read is named and the rest still runs.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rekeylab replay                       every seed and reproducer in corpus/
  rekeylab replay fuzz/findings         what the last campaigns found
  rekeylab replay fuzz/corpus           the working set of the engines")]
pub(super) struct Options {
    /// Directories and files [default: corpus]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Plants this fault first; see `rekeylab list faults`
    #[arg(long, value_name = "NAME", conflicts_with = "driver")]
    fault: Option<String>,
    #[command(flatten)]
    driver: DriverOption,
    /// How many threads [default: one a core]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZero<usize>>,
}

pub(super) fn run(options: &Options, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let fault = fault::by_name(options.fault.as_deref(), "replay")?;
    let started = Instant::now();
    let found = find(&paths_or(&options.paths, "corpus"));
    let dut = options.driver.dut(fault)?;
    let layers = Workbench::on(dut.clone()).layers();
    let wanted = Wanted {
        json: false,
        fault: fault.map(|fault| fault.name()),
        layers: layers.except(console.allowed_missing),
    };
    let mut exit = console.exit_without(Layers::ALL, layers);
    // They stand in the order of the files, whichever thread was first.
    let mut results: Vec<_> = found.files.iter().map(|_| None).collect();
    let threads = jobs(options.jobs).min(found.files.len().div_ceil(FILES_MIN)).max(1);
    let not_run = judge_all(&found.files, wanted, &dut, threads, &mut |place, result| {
        results[place] = Some(result);
        Ok(())
    })?;

    let file_count = results.len() - not_run;
    let mut held_count = 0;
    let (mut files, mut errors) = (Vec::new(), Vec::new());
    let troubles = found.errors.into_iter().map(Err);
    for result in troubles.chain(results.into_iter().flatten()) {
        match result {
            Ok(judged) if judged.holds() => held_count += 1,
            Ok(judged) => {
                exit = exit.and(judged.exit());
                if let Some(hung) = &judged.hung {
                    console.note_hang(&judged.file, hung);
                }
                if console.format == Format::Human {
                    console.say(&judged.text())?;
                }
                files.push(judged);
            }
            Err(error) => {
                errors.push(FileError { error: error.to_string() });
                let failure = Failure::from(error);
                exit = exit.and(failure.exit);
                console.failure(&failure);
            }
        }
    }
    console.flush()?;
    if not_run > 0 {
        console.warning(&not_run_line(not_run));
    }
    console.note(&format!(
        "replayed {file_count} {}: {held_count} held, {} did not, {} could not be read ({:.2} s)",
        if file_count == 1 { "file" } else { "files" },
        files.len(),
        errors.len(),
        started.elapsed().as_secs_f64(),
    ));
    if console.format == Format::Json {
        console.say_json(1, &JudgedFiles { file_count, files, errors, not_run })?;
    }
    Ok(exit)
}

/// As many threads as asked for, or as there are cores.
pub(super) fn jobs(wanted: Option<NonZero<usize>>) -> usize {
    wanted.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZero::get)
}

/// For fewer files than this, another thread is not worth its workbench.
const FILES_MIN: usize = 16;
