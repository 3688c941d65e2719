//! Writes a harness that looks for what a crate leaves of its secrets: a package with a test and a fuzz target.
//!
//! `cargo run -p keysan --example new-harness -- CRATE[@VERSION] [PATH]` makes the folder `CRATE-leaks` where it is called.
//! The crate comes from the registry, in its newest version if none is given, or from `PATH`. What is written compiles
//! as it is and finds its first leak; three places in it say what to put there instead.
#![expect(clippy::print_stdout, reason = "an example tells its reader what it made")]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs, io};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (name, path) = match &arguments[..] {
        [name] if !name.starts_with('-') => (name, None),
        [name, path] if !name.starts_with('-') => (name, Some(Path::new(path))),
        _ => {
            println!("usage: cargo run -p keysan --example new-harness -- CRATE[@VERSION] [PATH]");
            return ExitCode::from(2);
        }
    };
    let (name, version) =
        name.split_once('@').map_or((&name[..], None), |(name, version)| (name, Some(version)));
    match write_harness(name, version, path) {
        Ok(folder) => {
            println!("made {}; go there and try:\n", folder.display());
            println!("  cargo test                      # ends with the first leak");
            println!(
                "  cargo +nightly fuzz run leaves  # searches for more, with cargo-fuzz installed"
            );
            println!("\nthen put the calls of {name} in src/lib.rs, where it says so");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Writes the package for a crate; where it is.
fn write_harness(name: &str, version: Option<&str>, path: Option<&Path>) -> io::Result<PathBuf> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.is_empty() || !name.chars().all(is_plain) {
        return Err(wrong(format!("{name:?} is not the name of a crate")));
    }
    let is_of_version = |c: char| c.is_ascii_alphanumeric() || "=<>^~*.,+- ".contains(c);
    if let Some(version) = version.filter(|it| it.is_empty() || !it.chars().all(is_of_version)) {
        return Err(wrong(format!("{version:?} is not a version of {name}")));
    }
    let dependency = match (path, version) {
        (Some(_), Some(_)) => {
            return Err(wrong(format!("the version of {name} is the one in the folder")));
        }
        (Some(path), None) => {
            let path = path.canonicalize().map_err(|error| named(path, &error))?;
            if !path.join("Cargo.toml").is_file() {
                return Err(wrong(format!("there is no Cargo.toml in {}", path.display())));
            }
            format!("{name} = {{ path = {:?} }}\n", path.display().to_string())
        }
        (None, Some(version)) => format!("{name} = {version:?}\n"),
        // Cargo adds it, below.
        (None, None) => String::new(),
    };
    let folder = PathBuf::from(format!("{name}-leaks"));
    // Whatever is there is somebody's.
    fs::create_dir(&folder).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            wrong(format!("{} is there already; go there, or remove it", folder.display()))
        }
        _ => named(&folder, &error),
    })?;
    let crate_name = name.replace('-', "_");
    let keysan = env!("CARGO_MANIFEST_DIR");
    for (file, text) in FILES {
        let text = text.replace("{name}", name).replace("{crate}", &crate_name);
        let text = text.replace("{dependency}", &dependency).replace("{keysan}", keysan);
        let file = folder.join(file);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&file, text).map_err(|error| named(&file, &error))?;
    }
    if dependency.is_empty()
        && let Err(error) = add_newest(name, &folder)
    {
        // There is nothing in it but what was just written.
        fs::remove_dir_all(&folder)?;
        return Err(error);
    }
    Ok(folder)
}

/// Has cargo ask the registry which version of the crate is the newest, and write it down.
fn add_newest(name: &str, folder: &Path) -> io::Result<()> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let add = Command::new(cargo).args(["add", "--quiet", name]).current_dir(folder).output();
    let add = add.map_err(|error| wrong(format!("cargo cannot be run: {error}")))?;
    if add.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&add.stderr);
    Err(wrong(format!(
        "`cargo add {name}` failed; with a version ({name}@1.2) it is not needed\n{}",
        said.trim_end()
    )))
}

fn wrong(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// The files of a harness. In braces stands what differs.
const FILES: [(&str, &str); 6] = [
    ("Cargo.toml", MANIFEST),
    ("src/lib.rs", LIBRARY),
    ("tests/leaves.rs", TEST),
    ("accepted.txt", ACCEPTED),
    ("fuzz/Cargo.toml", FUZZ_MANIFEST),
    ("fuzz/fuzz_targets/leaves.rs", FUZZ_TARGET),
];

const MANIFEST: &str = r#"[package]
name = "{name}-leaks"
edition = "2024"
publish = false

# Not part of the workspace around it, if there is one.
[workspace]
exclude = ["fuzz"]

# What {name} leaves may hang on its version and its features, `zeroize` for one: say which ones ship.
[dependencies]
keysan = { path = "{keysan}" }
{dependency}
# Copies that the compiler leaves differ between builds; what ships is what counts.
[profile.test]
opt-level = 3

# Names of functions are looked up once something was found, and compile quicker like this.
[profile.test.package]
addr2line.opt-level = 0
backtrace.opt-level = 0
gimli.opt-level = 0
miniz_oxide.opt-level = 0
"#;

const LIBRARY: &str = r#"//! One life of a secret in `{name}`, with everything that keysan has to be told of it.

use keysan::Keysan;

/// The secrets of one run, grown from a number. A secret that was not drawn can be registered as well, see
/// `Keysan::visibility`.
pub fn drawn<const LEN: usize>(mut seed: u64) -> [u8; LEN] {
    std::array::from_fn(|_| {
        // SplitMix64.
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).to_le_bytes()[0]
    })
}

/// Makes the calls of one run.
pub fn run(keysan: &mut Keysan, seed: u64, payload: &[u8]) {
    let key: [u8; 32] = drawn(seed);
    let secret = keysan.register("key", &key).expect("one that was drawn can be told from all else");

    // 1. Instead of this, make what holds the key in `{crate}`. Pass the key by reference: a copy that is made
    //    outside the call is yours.
    let mut holder = Some(keysan.call("new", || Box::new(key)));

    // 2. Say where the key belongs while it lives, if `{crate}` tells: then a scan finds it anywhere else. Use it,
    //    and show whatever comes out.
    if let Some(holder) = &holder {
        keysan.allow(secret, holder.as_ptr()).expect("it is on the heap");
    }
    keysan.scan("in use");
    let output: Vec<u8> = keysan.call("use", || {
        let holder = holder.iter().flat_map(|key| key.iter());
        payload.iter().zip(holder.cycle()).map(|(byte, key)| byte ^ key).collect()
    });
    keysan.look_at_output("output", &output);

    // 3. End it. From here on the key must be nowhere.
    keysan.call("drop", || holder = None);
    keysan.retire(secret, "it was dropped");
    keysan.scan("at the end");
}

/// Watches the statics of `{crate}` too. What is derived from the secret and stays, a state of a hash say, is found by
/// `Keysan::differential` and `Run::tell_derived`, or if it is registered as a secret of its own.
pub fn open() -> Keysan {
    let mut keysan = Keysan::open().expect("what it looks with must work");
    // A crate without statics has none to watch.
    let _ = keysan.watch_statics(|symbol| symbol.contains("{crate}::"));
    keysan
}
"#;

const TEST: &str = r#"//! `{name}` leaves nothing of its secrets but what `accepted.txt` accepts.

use keysan::Keysan;
use keysan::heap::ScanningAllocator;
use keysan::sanitizer::Baseline;

// Freed blocks are seen by the allocator.
#[global_allocator]
static ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

#[test]
fn nothing_is_left_but_what_is_accepted() {
    let accepted = concat!(env!("CARGO_MANIFEST_DIR"), "/accepted.txt");
    let baseline = Baseline::read(accepted).unwrap_or_else(|error| panic!("{error}"));
    let mut keysan = {crate}_leaks::open();
    // A crate without statics of its own has none that could be looked into. Those of crates below it are named in
    // `open`, if they are meant as well.
    for spot in keysan.blind_spots() {
        println!("not looked into: {spot}");
    }
    for seed in 0..100 {
        keysan.clear();
        let mut run = |keysan: &mut Keysan| {crate}_leaks::run(keysan, seed, &[7; 100]);
        run(&mut keysan);
        let found = baseline.check(&keysan).err().map(|found| found.to_string());
        if let Some(found) = found {
            // The same once more, instruction by instruction.
            let traces = keysan.trace(&mut run).unwrap_or_else(|why| panic!("{found}\nnot traced: {why}"));
            let traces: String = traces.iter().map(|trace| format!("\n  {trace}")).collect();
            panic!("{found}\nwhere in the code:{traces}");
        }
    }
    baseline.assert_not_stale();
}
"#;

const ACCEPTED: &str = "\
# What {name} leaves and nobody here can mend: what the test prints, a tab, and the reason. It goes stale loudly.
";

const FUZZ_MANIFEST: &str = r#"[package]
name = "{name}-leaks-fuzz"
edition = "2024"
publish = false

[package.metadata]
cargo-fuzz = true

[workspace]

[dependencies]
keysan = { path = "{keysan}" }
libfuzzer-sys = "0.4"
{name}-leaks = { path = ".." }

[[bin]]
name = "leaves"
path = "fuzz_targets/leaves.rs"
test = false
doc = false
"#;

const FUZZ_TARGET: &str = r#"//! Looks for what `{name}` leaves of its secrets, whatever it is given.
#![no_main]

use std::cell::RefCell;

use keysan::Keysan;
use keysan::heap::ScanningAllocator;
use keysan::sanitizer::Baseline;
use libfuzzer_sys::fuzz_target;

#[global_allocator]
static ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

thread_local! {
    // Opened once: it proves then that it looks everywhere.
    static KEYSAN: RefCell<(Keysan, Baseline)> = RefCell::new((
        {crate}_leaks::open(),
        Baseline::parse(include_str!("../../accepted.txt")).expect("the test reads it, too"),
    ));
}

fuzz_target!(|input: (u64, &[u8])| {
    KEYSAN.with_borrow_mut(|(keysan, baseline)| {
        keysan.clear();
        {crate}_leaks::run(keysan, input.0, input.1);
        baseline.check(keysan).unwrap_or_else(|found| panic!("{found}"));
    });
});
"#;
