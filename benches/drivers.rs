//! How many calls a second drivers let through: the core as it is and through its table, the sample in C++ in this
//! process and in one of its own.
//!
//! `cargo bench -p rekeylab --bench drivers` builds the sample and prints a table; a data sheet behind `--` is driven
//! as well. Figures of one run can be compared with each other, not with those of another machine or hour.

#![allow(clippy::print_stdout, reason = "the table is what the benchmark is for")]
#![allow(clippy::unwrap_used, reason = "in a benchmark, a panic is the message")]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rekeylab::Workbench;
use rekeylab::executor::AnyDut;
use rekeylab::foreign::{Isolated, Sheet, TableDut};
use rekeylab::generate::{SearchOptions, generate_from_seed};
use rekeylab::observation::Layers;
use rekeylab::sequence::CallSequence;
// So that tests and benchmarks have the library built.
use rekeylab_umd as _;

#[global_allocator]
static ALLOCATOR: keysan::heap::ScanningAllocator = keysan::heap::ScanningAllocator::new();

/// How long each row is measured; the best of its rounds counts, because whatever else runs can only slow it down.
const TIME: Duration = Duration::from_secs(4);

fn main() {
    keysan_c_heap::export();
    rekeylab_abi::export_coverage();
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("drivers");
    fs::create_dir_all(&place).unwrap();
    let options = SearchOptions { repetition: false, ..SearchOptions::default() };
    let sequences: Vec<CallSequence> = (0..512)
        .map(|seed| generate_from_seed(seed, &options))
        .filter(|sequence| sequence.calls.len() >= 24)
        .collect();
    println!("{:<44} {:>12} {:>12}", "calls a second", "fast", "gated");
    row("driver core", &AnyDut::default(), &sequences);
    let core = core_sheet(&place);
    let sample = sample_sheet(&place);
    let typed = env::args().skip(1).filter(|word| !word.starts_with('-')).map(PathBuf::from);
    let sheets = [("driver core, through its table", core), ("sample in C++", sample)];
    let sheets = sheets.map(|(name, sheet)| (name.to_owned(), sheet)).into_iter();
    for (name, sheet) in sheets.chain(typed.map(|sheet| (sheet.display().to_string(), sheet))) {
        let sheet = Sheet::read(&sheet).unwrap();
        let here = TableDut::of(sheet.clone()).unwrap().into();
        row(&format!("{name}, in this process"), &here, &sequences);
        let isolated = Isolated::start(env!("CARGO_BIN_EXE_rekeylab").into(), sheet, 1).unwrap();
        row(&format!("{name}, in its own"), &isolated, &sequences);
    }
}

fn row(name: &str, dut: &AnyDut, sequences: &[CallSequence]) {
    let fast = calls_per_second(dut, Layers::FAST, sequences);
    let gated = calls_per_second(dut, Layers::GATED, sequences);
    println!("{name:<44} {fast:>12.0} {gated:>12.0}");
}

fn calls_per_second(dut: &AnyDut, layers: Layers, sequences: &[CallSequence]) -> f64 {
    let mut workbench = Workbench::on(dut.clone());
    let (began, mut best) = (Instant::now(), 0.0_f64);
    // In rounds of some sequences each.
    for round in sequences.chunks(64).cycle() {
        let start = Instant::now();
        let mut calls = 0;
        for sequence in round {
            workbench.run_with(sequence, layers);
            calls += workbench.trace().calls.len();
        }
        best = best.max(calls as f64 / start.elapsed().as_secs_f64());
        if began.elapsed() > TIME {
            break;
        }
    }
    best
}

/// A data sheet of the core as a library.
fn core_sheet(place: &Path) -> PathBuf {
    let (prefix, suffix) = (env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
    let name = format!("{prefix}rekeylab_umd{suffix}");
    let program = env::current_exe().unwrap();
    let mut places = program.ancestors().skip(1).map(|folder| folder.join(&name));
    let library = places.find(|path| path.is_file()).unwrap();
    let sheet = place.join("core.toml");
    let text = format!(
        "name = \"the core\"\nlibrary = \"{}\"\nhandles = \"checked\"\n[limits]\ndevices = 4\n\
         sessions = 8\ngenerations = 16777215\nqueue-commands = 32\nbuffer-bytes = 65536\n\
         queue-bytes = 1048576\n[key-exchange]\nbefore = \"plain test key: \"\n\
         [choices]\nrefusals = \"as-the-core\"\nread-back-keys = true\n",
        library.display()
    );
    fs::write(&sheet, text).unwrap();
    sheet
}

/// The data sheet of the sample, built here.
fn sample_sheet(place: &Path) -> PathBuf {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/vendor-driver");
    let mut command = Command::new("make");
    command.args(["--silent", "-C"]).arg(&example);
    assert!(command.arg(format!("OUT={}", place.display())).status().unwrap().success());
    let text = fs::read_to_string(example.join("driver.toml")).unwrap();
    let library = place.join("libvendor_umd.so").display().to_string();
    let sheet = place.join("sample.toml");
    fs::write(&sheet, text.replace("build/libvendor_umd.so", &library)).unwrap();
    sheet
}
