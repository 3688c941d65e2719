//! What well-known crates leave of the keys that they handle, and where, measured with keysan.
//!
//! Each subject draws secrets, registers them with keysan, makes the crate's calls in keysan's gate, lets everything
//! go, and says of each secret when its life is over. Printed is what is left then, a row a crate.
//!
//! # How to run it
//!
//! In this folder, on x86-64 Linux, with a C compiler for ring:
//!
//! ```sh
//! cargo run --release                                 # the table, and a line a cause
//! cargo run --release -- --page what-crates-leave.html # a page to look at
//! cargo run --release -- --help                       # the other formats, and the exit codes
//! RUSTFLAGS= cargo run --release                      # with the implementations that this processor would get
//! cargo test --release                                # compares with tests/expected.txt
//! UPDATE_EXPECT=1 cargo test --release                # refreshes it; read the diff
//! ```
//!
//! The first build takes three and a half minutes of processor time, and a run a third of a second.
//!
//! `.cargo/config.toml` fixes the portable implementations, so that the table is the same on other processors. It is
//! read in this folder only. ring asks the processor at run time, and so does the C library's `memcpy`, which decides
//! what is left in vector registers.
//!
//! # Why to believe it
//!
//! - **None void.** What the crate answers is checked: it decrypts, verifies, agrees with a peer, or is what another run
//!   has made. Behind each run, every secret is kept on purpose and must be found. The first row does nothing and must
//!   be clean, the second one leaves its key everywhere and must ring in every column.
//! - **None refused.** A secret that keysan does not take, or a layer that it cannot look into, is written in the row.
//! - **Twice the same.** Each subject is measured three times, with other secrets each time. They must leave the same
//!   secrets in the same kinds of place by the same causes, and as many whole copies of each. How many partial copies
//!   there are may differ: a byte that was overwritten can be the old one by chance.
//!
//! Any of these that fails changes the exit code.
//!
//! # Whose copy it is
//!
//! Secrets are passed by reference, and what the harness itself does with one goes through single bytes. A value that a
//! crate answers is used where it was put, in a call of its own; what is on the stack then is the crate's. To see what
//! it leaves on the heap, a second value is moved into a box. The move itself leaves a copy, which no crate can prevent:
//! what is found behind such calls alone has a †. Where a crate takes or answers secrets by value, its note says so.
//!
//! # What it cannot see
//!
//! What `keysan` cannot: other forms of a key (bit-sliced, in Montgomery form, XORed with a pad), what is gone when the
//! call returns, and memory that C allocates. `clean` is no proof of more than that. Nor does a finding say that someone
//! can read it: it is a copy that outlives its secret, for a crash dump, a later overread, or the next owner of the
//! memory. Several crates document theirs and leave wiping the stack to the caller.

mod bench;
mod lock;
mod measure;
mod page;
mod setting;
mod subjects;
mod table;

use std::error::Error;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, process};

use keysan::Keysan;
use keysan::heap::ScanningAllocator;

use setting::Setting;
use table::Format;

#[global_allocator]
static ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

const HELP: &str = "\
Measures with keysan what well-known crates leave of the keys that they handle.

Usage: what-crates-leave [--format text|markdown|json|lines] [--page FILE]

  --format text      a table, a line a cause, and what the signs mean (the default)
  --format markdown  the same for a document
  --format json      the same for a program, with calls and checks
  --format lines     what is the same in every run: no offsets and no counts; tests/expected.txt
  --page FILE        writes a page that stands alone, and prints nothing unless a format is given

A cell names each secret that is where it must not be, and how often: `key x2` is two whole copies,
`key, bytes 0 to 15` a part. `clean` means that nothing was found. Try it on one crate of yours:
copy a file of src/subjects, add it to the list in src/subjects/mod.rs, and run this again.

Exit codes:
  0  every row was measured and is the same each time, whatever it says
  1  a row is void, refused or not the same twice; or nothing could be measured or written
  2  the command was not understood
";

fn main() -> ExitCode {
    let Some(wanted) = Wanted::parse(env::args_os().skip(1)) else {
        // If even that cannot be written, the exit code still says it.
        _ = io::stderr().write_all(HELP.as_bytes());
        return ExitCode::from(2);
    };
    let outcome = if wanted.is_help { print(HELP).map(|()| true) } else { run(&wanted) };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // As above.
            _ = writeln!(io::stderr(), "what-crates-leave: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    is_help: bool,
    format: Option<Format>,
    page: Option<PathBuf>,
}

impl Wanted {
    /// `None` if it is not understood.
    fn parse(mut arguments: impl Iterator<Item = std::ffi::OsString>) -> Option<Wanted> {
        let mut wanted = Wanted::default();
        while let Some(argument) = arguments.next() {
            match argument.to_str()? {
                "--help" | "-h" => wanted.is_help = true,
                "--format" if wanted.format.is_none() => {
                    wanted.format = Some(match arguments.next()?.to_str()? {
                        "text" => Format::Text,
                        "markdown" => Format::Markdown,
                        "json" => Format::Json,
                        "lines" => Format::Lines,
                        _ => return None,
                    });
                }
                "--page" if wanted.page.is_none() => {
                    let path = PathBuf::from(arguments.next()?);
                    path.file_name()?;
                    wanted.page = Some(path);
                }
                _ => return None,
            }
        }
        Some(wanted)
    }
}

/// Measures, prints and writes; answers whether every row holds.
fn run(wanted: &Wanted) -> Result<bool, Box<dyn Error>> {
    let mut keysan = Keysan::open()?;
    // Of all crates at once, as nobody knows beforehand whose static it would be.
    keysan.watch_statics(|symbol| !symbol.contains("keysan"))?;
    let rows: Vec<_> =
        subjects::ALL.iter().map(|subject| measure::measure(&mut keysan, subject)).collect();
    let setting = Setting::here();
    if let Some(path) = &wanted.page {
        replace(path, &page::page(&rows, &setting))?;
    }
    if wanted.page.is_none() || wanted.format.is_some() {
        print(&table::print(wanted.format.unwrap_or(Format::Text), &rows, &setting))?;
    }
    Ok(rows.iter().all(|row| row.trouble().is_none()))
}

fn print(text: &str) -> Result<(), Box<dyn Error>> {
    Ok(io::stdout().lock().write_all(text.as_bytes())?)
}

/// Writes a file whole or not at all: beside its place first, then renamed into it.
fn replace(path: &Path, text: &str) -> Result<(), Box<dyn Error>> {
    let mut beside = OsStr::new(".").to_owned();
    beside.push(path.file_name().unwrap_or_default());
    beside.push(format!(".{}", process::id()));
    let beside = path.with_file_name(beside);
    let written = fs::write(&beside, text).and_then(|()| fs::rename(&beside, path));
    written.map_err(|error| {
        // What is half written is of no use, and may not even be there.
        _ = fs::remove_file(&beside);
        format!("cannot write {}: {error}", path.display()).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Option<Wanted> {
        Wanted::parse(arguments.iter().map(Into::into))
    }

    #[test]
    fn what_is_not_understood_is_not_guessed() {
        assert_eq!(parse(&[]), Some(Wanted::default()));
        let page = Some(PathBuf::from("a.html"));
        let both = parse(&["--page", "a.html", "--format", "json"]);
        assert_eq!(both, Some(Wanted { is_help: false, format: Some(Format::Json), page }));
        for wrong in
            [&["--format"][..], &["--format", "pdf"], &["--page"], &["--page", ".."], &["x"]]
        {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let folder = env::temp_dir().join(format!("what-crates-leave-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("page.html");
        for text in ["one", "another"] {
            replace(&path, text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert!(replace(&folder, "a folder is in the way").is_err());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }
}
