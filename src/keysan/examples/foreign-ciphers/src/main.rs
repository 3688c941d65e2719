//! What well-known cipher libraries leave behind, measured with keysan on code nobody here wrote.
//!
//! Each variant makes a cipher from a new key, encrypts 5,100 bytes, and drops it; the controls only
//! hold the key, and one line encrypts nothing. It does so in
//! keysan's gate, with all that it allocates coming from keysan's arena. Printed is what is left
//! then: on the stack that was used, in the blocks that were freed, and in the registers.
//!
//! # How to run it
//!
//! In this folder, on x86-64 Linux:
//!
//! ```sh
//! cargo run --release
//! cargo run                                 # nothing optimised: stacks are deeper, residues differ
//! cargo run --release -- --format markdown
//! cargo run --release --no-default-features # without the libraries that need C tools
//! RUSTFLAGS='--cfg aes_backend="soft"' cargo run --release # RustCrypto without AES-NI
//! ```
//!
//! The C libraries are features, all on: `ring` and `aws-lc` need a C compiler, `openssl` needs
//! OpenSSL 3 with headers (Debian: `libssl-dev`) and `pkg-config`. What is off is printed as "not
//! built".
//!
//! # What the columns mean
//!
//! - **stack depth**: the stack that the call used, in whole lines of 64 bytes.
//! - **dead stack**, **freed heap**, **registers**: how many full copies are left of the key, of
//!   round keys 1 to 10, of inverse round keys (which only decryption needs), and of keystream
//!   blocks. The same secret at two places counts twice. In `6+2` the 2 are words of eight bytes
//!   that are part of a secret without the other half beside them: fragments, and copies at
//!   addresses that are no multiple of eight, of which keysan sees the one aligned word. "clean"
//!   means none of either; "no block" that no block of the Rust heap was freed at all.
//! - **follows the key**: the two-key differential. The call is run with a key, with another key,
//!   and with another text; counted are the words that change with the key alone, in any encoding.
//!   Keystream counts, ciphertext does not.
//!
//! # Why to believe it
//!
//! Gate and heap prove before the first call that they look. Every ciphertext is compared with one
//! made elsewhere. The first line does nothing, so it shows what the instrument itself leaves, and
//! the last one uses the cipher that is meant to be clean. The same call with the same key must
//! leave the same words, or the program fails; each line is measured five times, and "(varies)"
//! stands behind its name if the five differ.
//!
//! # What it cannot see
//!
//! - What the call's own frees cover up: keysan's allocator works on the stack and in the registers
//!   of the call. It takes up to half a kilobyte of the stack in a release build and five in a
//!   debug build, and a look into a freed block that holds a key may leave masked words of it in
//!   registers, which then follow the key. A vector that grows shows both.
//! - What C libraries take from `malloc` and give back: marked `*`.
//! - Statics, thread-locals, kernel memory, caches; `keysan::statics` and `keysan::audit` look at
//!   the first two.
//! - With needles: GCM's hash key and its powers, schedules that are bit-sliced or byte-swapped.
//!   The differential counts those.
//! - What a library does once a process: it has been called twice before it is measured.
//! - Other keys, lengths, versions, compilers and processors: a library that is clean here is clean
//!   here.

mod measure;
mod needles;
mod table;
mod variants;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use keysan::heap::ScanningAllocator;

use measure::Instrument;
use table::{Format, Row};

#[global_allocator]
static ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

/// How often each variant is measured, to see whether it always leaves the same.
const RUNS: usize = 5;

const HELP: &str = "\
Prints what well-known AES libraries leave behind of a key, as keysan finds it.

Usage: foreign-ciphers [--format text|markdown]

Needs x86-64 Linux. A debug build and a release build leave different things; compare them.
Libraries that were switched off when this was built are printed as \"not built\".
Exit codes: 0 the table was printed, whatever it says; 1 it could not be measured; 2 bad usage.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let format = match arguments[..] {
        [] | ["--format", "text"] => Format::Text,
        ["--format", "markdown"] => Format::Markdown,
        ["--help" | "-h"] => return exit_code(io::stdout().write_all(HELP.as_bytes())),
        _ => {
            // If even that cannot be written, the exit code still says it.
            let _ = io::stderr().write_all(HELP.as_bytes());
            return ExitCode::from(2);
        }
    };
    exit_code(print_table(format))
}

fn print_table(format: Format) -> Result<(), Box<dyn Error>> {
    let mut instrument = Instrument::open()?;
    let mut rows = Vec::new();
    for variant in &variants::ALL {
        let residue = instrument.measure(variant)?;
        let mut is_steady = true;
        for _ in 1..RUNS {
            is_steady &= instrument.measure(variant)? == residue;
        }
        let (name, has_c_heap) = (variant.name, variant.has_c_heap);
        rows.push(Row { name, has_c_heap, residue, is_steady });
    }
    let mut out = io::stdout().lock();
    table::write(&mut out, format, &rows)?;
    let all = if rows.iter().all(|row| row.is_steady) { "all" } else { "not all" };
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    writeln!(out, "\n{RUNS} runs of each; {all} were the same. A {build} build.")?;
    Ok(())
}

fn exit_code<E: std::fmt::Display>(outcome: Result<(), E>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // As above.
            let _ = writeln!(io::stderr(), "foreign-ciphers: {error}");
            ExitCode::FAILURE
        }
    }
}
