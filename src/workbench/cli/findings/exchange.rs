//! `rekeylab findings export` and `import`: what one machine knows, for another.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::corpus::{write_new, write_over};
use crate::store::{Event, Store, Taken, read_events};

use super::super::Format;
use super::super::console::Console;
use super::super::exit::Exit;
use super::super::failure::Failure;

/// Writes everything that happened as lines of JSON, one event a line, in order
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rekeylab findings export all.jsonl
  rekeylab findings export | gzip > all.jsonl.gz")]
pub(super) struct Export {
    /// Writes here instead of to standard output
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Replaces FILE if it is there
    #[arg(long, requires = "file")]
    force: bool,
}

/// Takes in what other machines know; nothing is lost, and what is known already changes nothing
///
/// The reproducers come along inside; `findings show FINGERPRINT --text` prints one.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rekeylab findings import all.jsonl
  rekeylab findings import lab-*/fuzz/findings/findings.sqlite")]
pub(super) struct Import {
    /// What `export` wrote, or another findings.sqlite
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Export {
    pub(super) fn run(&self, store: &Store, console: &mut Console<'_>) -> Result<Exit, Failure> {
        let lines = store.export()?;
        match &self.file {
            None => console.say_bytes(lines.as_bytes())?,
            Some(file) => {
                let is_store = file
                    .canonicalize()
                    .is_ok_and(|file| store.path().canonicalize().is_ok_and(|store| file == store));
                if is_store {
                    let message = format!("{} is the store itself", file.display());
                    return Err(Failure::usage(message).way_out("another file"));
                }
                let write = if self.force { write_over } else { write_new };
                write(file, lines.as_bytes())?;
            }
        }
        Ok(Exit::Held)
    }
}

/// What a machine reads of an import.
#[derive(Debug, Serialize)]
struct Imported {
    files: Vec<ImportedFile>,
}

#[derive(Debug, Serialize)]
struct ImportedFile {
    file: String,
    new_events: usize,
    known_events: usize,
}

impl Import {
    /// The events of each file.
    pub(super) fn read(&self) -> Result<Vec<Vec<Event>>, Failure> {
        let events = self.files.iter().map(|path| read_events(path).map_err(Failure::from));
        events.collect()
    }

    /// Takes in what was read of each file.
    pub(super) fn run(
        &self,
        store: &mut Store,
        read: &[Vec<Event>],
        console: &mut Console<'_>,
    ) -> Result<Exit, Failure> {
        let mut files = Vec::new();
        for (path, events) in self.files.iter().zip(read) {
            let Taken { new_count, known_count } = store.take_in(events)?;
            let file = path.display().to_string();
            console.note(&format!("{file}: {new_count} new events, {known_count} known"));
            files.push(ImportedFile { file, new_events: new_count, known_events: known_count });
        }
        if console.format == Format::Json {
            console.say_json(1, &Imported { files })?;
        }
        Ok(Exit::Held)
    }
}
