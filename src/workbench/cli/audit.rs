//! `rekeylab audit`: looks at all memory of the process after each sequence; slow, for the night.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::Workbench;
use crate::corpus::{self, find};
use crate::executor::Remnant;
use crate::sequence::CallSequence;

use super::Format;
use super::console::Console;
use super::exit::Exit;
use super::failure::Failure;
use super::fault;
use super::hung::end_when_it_hangs;
use super::judged::{FileError, paths_or};

/// Looks at all memory of the process after each sequence
///
/// Every byte of all writable memory, once the driver is gone: for secrets in places that nobody
/// thought of, such as the heap of a C library. Under Valgrind it marks each key and random number
/// instead, and asks which heap blocks hold bytes made of one, in any encoding. Ends with 3 when
/// something of a secret is left.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rekeylab audit                                      all of corpus/
  rekeylab audit corpus/seeds
  valgrind -q --error-exitcode=0 target/release/rekeylab audit corpus/seeds")]
pub(super) struct Options {
    /// Files and folders [default: corpus]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Plants this fault first; see `rekeylab list faults`
    #[arg(long, value_name = "NAME")]
    fault: Option<String>,
}

/// What a machine reads of an audit.
#[derive(Debug, Default, Serialize)]
struct Audited {
    /// How many files were run.
    file_count: usize,
    /// Whether heap blocks were also asked for by Valgrind.
    is_tainted: bool,
    /// What was left, as lines.
    remnants: Vec<String>,
    /// Files that could not be run.
    errors: Vec<FileError>,
}

pub(super) fn run(options: &Options, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let fault = fault::by_name(options.fault.as_deref(), "audit")?;
    let dut = fault::core_with(fault);
    // No other thread can do it: the stack of this one is left out of the look.
    let at = end_when_it_hangs(&dut, fault.map(|fault| fault.name()), console.format);
    let mut workbench = Workbench::on(dut);
    // It reads the memory of the process by itself, and Valgrind's memory by Valgrind: layers that are
    // missing are missing to nobody.
    let found = find(&paths_or(&options.paths, "corpus"));
    let mut document = Audited::default();
    let mut exit = Exit::Held;
    let mut byte_count = 0;
    let troubles = found.errors.into_iter().map(Err);
    for stored in
        troubles.chain(found.files.iter().map(|path| corpus::read(path).map(|it| (path, it))))
    {
        let (path, stored) = match stored {
            Ok(stored) => stored,
            Err(error) => {
                document.errors.push(FileError { error: error.to_string() });
                let failure = Failure::from(error);
                exit = exit.and(failure.exit);
                console.failure(&failure);
                continue;
            }
        };
        document.file_count += 1;
        console.flush()?;
        at.file(path);
        let (file, mut lines) = (path.display(), Vec::new());
        if let Some(tainted) = workbench.taint(&stored.sequence) {
            document.is_tainted = true;
            for block in tainted {
                let count = block.byte_count;
                lines.push(format!("{file}: {count} bytes made of a secret in {}", block.block));
            }
        } else {
            let (bytes, remnants) = all_memory(&mut workbench, path, &stored.sequence)?;
            byte_count = bytes;
            lines.extend(remnants);
        }
        for line in lines {
            exit = exit.and(Exit::InvariantBroken);
            if console.format == Format::Human {
                console.say(&format!("{line}\n"))?;
            }
            document.remnants.push(line);
        }
    }
    console.flush()?;
    let looked_at = if document.is_tainted {
        "asked Valgrind for all heap blocks".to_owned()
    } else {
        format!("looked at {} MiB after each", byte_count >> 20)
    };
    let (file_count, remnant_count) = (document.file_count, document.remnants.len());
    console.note(&format!("audited {file_count} files, {looked_at}: {remnant_count} remnants"));
    if console.format == Format::Json {
        console.say_json(1, &document)?;
    }
    Ok(exit)
}

/// Audits one sequence: how many bytes were looked at, and what was left, as lines.
fn all_memory(
    workbench: &mut Workbench,
    path: &Path,
    sequence: &CallSequence,
) -> Result<(usize, Vec<String>), Failure> {
    let file = path.display();
    let audited = workbench.audit(sequence);
    let (audited, remnants) =
        audited.map_err(|error| Failure::workbench(format!("{file}: {error}")))?;
    let line = |remnant: Remnant| {
        let Remnant { secret, bytes: (first, last), mapping, offset } = remnant;
        format!(
            "{file}: bytes {first} to {last} of {secret} are left in {mapping}, at byte {offset}"
        )
    };
    Ok((audited.bytes, remnants.into_iter().map(line).collect()))
}
