//! Finds or installs the pinned cargo-fuzz, and builds a fuzz target with it, or one for AFL++.

mod afl;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use super::StopSignal;
pub(crate) use super::directories::target_directory;
use super::target::Target;
pub use afl::{AflBuilt, build_for_afl};

/// The version of cargo-fuzz that everything here was tried with; `ci/versions.env` says the same.
pub const CARGO_FUZZ_VERSION: &str = "0.13.2";

/// What makes inputs for a target, and keeps those that reach something new.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Engine {
    /// libFuzzer, which is part of each target
    #[default]
    #[value(name = "libfuzzer")]
    LibFuzzer,
    /// AFL++, if it is installed (apt install afl++)
    Afl,
    /// The search of this program, for drivers that no engine is linked with
    #[value(skip)]
    Own,
}

impl Engine {
    /// What programs call it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::LibFuzzer => "libfuzzer",
            Self::Afl => "afl",
            Self::Own => "rekeylab",
        }
    }

    /// What is said behind the name of a lane, where it is not the usual one.
    #[must_use]
    pub fn by(self) -> &'static str {
        match self {
            Self::LibFuzzer | Self::Own => "",
            Self::Afl => " by AFL++",
        }
    }
}

/// The sanitizer that a target is built with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Sanitizer {
    /// None: fastest, on the stable toolchain; the invariants are all there
    None,
    /// AddressSanitizer: memory errors too
    Address,
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Not inside a workspace that has fuzz targets.
    #[error("no workspace with a fuzz crate here or above")]
    NoWorkspace,
    /// A target nobody wrote.
    #[error("there is no fuzz target {target:?}; there are: {}", there_are.join(", "))]
    NoTarget {
        /// What was asked for.
        target: String,
        /// What there is.
        there_are: Vec<String>,
    },
    /// A target of which nobody has said what it is about.
    #[error("the fuzz target {target:?} has no row in src/workbench/campaign/target.rs")]
    NoRow {
        /// What was asked for.
        target: String,
    },
    /// libFuzzer is C++.
    #[error("no C++ compiler (c++, g++ or clang++) on PATH: the engine is built from C++ sources")]
    NoCompiler,
    /// No AFL++, or not all of it.
    #[error(
        "there is no afl-fuzz on PATH with libAFLDriver.a and afl-compiler-rt.o in its lib/afl"
    )]
    NoAfl,
    /// A program that does not start.
    #[error("cannot start {}: {source}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program that fails.
    #[error("{what} failed ({status}); it said:\n{output}")]
    Failed {
        /// What was done.
        what: String,
        /// How it ended.
        status: String,
        /// All it printed.
        output: String,
    },
    /// The build succeeded and the program is not there.
    #[error("the build left no program {target} below {}", directory.display())]
    NoBinary {
        /// The target.
        target: String,
        /// Where it should be.
        directory: PathBuf,
    },
    /// Somebody said stop.
    #[error("interrupted before the search began")]
    Interrupted,
    /// A file that cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl EngineError {
    /// What to try.
    #[must_use]
    pub fn way_out(&self) -> Option<&'static str> {
        match self {
            Self::NoWorkspace => Some("cd into the checkout of rekeylab"),
            Self::NoCompiler => Some(
                "apt install g++, dnf install gcc-c++, apk add g++, or xcode-select --install; \
                 or set CXX",
            ),
            Self::NoAfl => Some("apt install afl++, or set AFL_PATH to the folder of these two"),
            Self::NoBinary { .. } => Some("remove that directory, and try again"),
            Self::NoTarget { .. } => Some("--target with one of them"),
            Self::NoRow { .. } => {
                Some("add a row: the packages that it is about, its seeds and its floor of edges")
            }
            Self::Write { .. } => {
                Some("look whether the directory exists, is writable and has room")
            }
            Self::Start { .. } | Self::Failed { .. } | Self::Interrupted => None,
        }
    }
}

/// What is built.
#[derive(Clone, Copy, Debug)]
pub struct Build<'a> {
    /// The workspace.
    pub root: &'a Path,
    /// The fuzz target.
    pub target: &'a Target,
    /// The sanitizer.
    pub sanitizer: Sanitizer,
    /// Whether the planted faults are compiled in.
    pub faults: bool,
    /// When to give up.
    pub stop: &'a StopSignal,
}

/// Something worth telling while the engine is made ready.
pub type Tell<'a> = &'a mut dyn FnMut(Step<'_>);

/// What is being done.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// Something begins.
    Begins(&'a str),
    /// It goes on; the last thing it said.
    GoesOn(&'a str),
}

/// Builds the target, installing cargo-fuzz first if it is missing, and returns the program.
///
/// # Errors
///
/// When something needed is missing or the build fails.
pub fn build(build: &Build<'_>, tell: Tell<'_>) -> Result<PathBuf, EngineError> {
    let Build { root, target, sanitizer, faults, stop } = *build;
    let tools = target_directory(root).join("tools");
    let path = cargo_fuzz(root, &tools, stop, tell)?;

    let name = target.name;
    let lane = match (sanitizer, faults) {
        (Sanitizer::None, false) => "none",
        (Sanitizer::None, true) => "none-faults",
        (Sanitizer::Address, false) => "address",
        (Sanitizer::Address, true) => "address-faults",
    };
    // A directory for each way of building, so that changing between them rebuilds nothing. Cargo does
    // not know which crates are instrumented, so that is part of the way.
    let crates = target.crates();
    let directory = target_directory(root).join("fuzz").join(lane).join(crates.join("+"));
    let mut command = Command::new("cargo");
    let mut with = "the stable toolchain";
    if sanitizer == Sanitizer::Address {
        if has_nightly() {
            command.arg("+nightly");
            with = "the nightly toolchain";
        } else {
            command.env("RUSTC_BOOTSTRAP", "1");
            with = "RUSTC_BOOTSTRAP=1, as there is no nightly (rustup toolchain install nightly)";
        }
    }
    let sanitizer = match sanitizer {
        Sanitizer::None => "none",
        Sanitizer::Address => "address",
    };
    command.args(["fuzz", "build", "--release", "--sanitizer", sanitizer, "--target-dir"]);
    command.arg(&directory);
    if faults {
        command.args(["--features", "faults"]);
    }
    command.arg(name);
    command.current_dir(root).env("PATH", path).env_remove("CARGO_TARGET_DIR");
    // A failed build is explained by the compiler, not by the stack of cargo-fuzz.
    command.env("RUST_BACKTRACE", "0");
    // Coverage belongs on what the target is about; without the wrapper it is everywhere.
    let wrapper = root.join("fuzz/instrument-only.sh");
    if wrapper.is_file() {
        command.env("RUSTC_WRAPPER", wrapper).env("REKEYLAB_INSTRUMENTED", crates.join(" "));
    }
    tell(Step::Begins(&format!("building {name} (sanitizer: {sanitizer}) with {with}")));
    run_quietly(&mut command, &format!("building {name}"), &directory, stop, tell)?;
    newest_binary(&directory, name)
        .ok_or_else(|| EngineError::NoBinary { target: name.to_owned(), directory })
}

/// Looks for what a build for these engines needs and this program cannot bring; the targets of these names.
///
/// # Errors
///
/// When a target, its row, the C++ compiler or an engine is missing.
pub fn check(
    root: &Path,
    targets: &[&str],
    engines: &[Engine],
) -> Result<Vec<Target>, EngineError> {
    let row = |name: &&str| {
        check_target(root, name)?;
        Target::named(name).ok_or_else(|| EngineError::NoRow { target: (*name).to_owned() })
    };
    let rows = targets.iter().map(row).collect::<Result<_, _>>()?;
    check_compiler()?;
    if engines.contains(&Engine::Afl) {
        afl::Installed::find()?;
    }
    Ok(rows)
}

fn check_target(root: &Path, target: &str) -> Result<(), EngineError> {
    let entries = fs::read_dir(root.join("fuzz/fuzz_targets")).into_iter().flatten().flatten();
    let mut there_are: Vec<String> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    there_are.sort();
    if there_are.iter().any(|name| name == target) {
        return Ok(());
    }
    Err(EngineError::NoTarget { target: target.to_owned(), there_are })
}

fn check_compiler() -> Result<(), EngineError> {
    if std::env::var_os("CXX").is_some_and(|name| !name.is_empty()) {
        return Ok(());
    }
    let names = ["c++", "g++", "clang++", "c++.exe", "g++.exe", "clang++.exe", "cl.exe"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = std::env::split_paths(&path)
        .any(|directory| names.iter().any(|name| directory.join(name).is_file()));
    if is_there { Ok(()) } else { Err(EngineError::NoCompiler) }
}

/// The PATH with which `cargo fuzz` is the pinned version.
fn cargo_fuzz(
    root: &Path,
    tools: &Path,
    stop: &StopSignal,
    tell: Tell<'_>,
) -> Result<OsString, EngineError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if is_pinned(Path::new("cargo-fuzz")) {
        return Ok(path);
    }
    let bin = tools.join("bin");
    if !is_pinned(&bin.join("cargo-fuzz")) {
        tell(Step::Begins(&format!(
            "installing cargo-fuzz {CARGO_FUZZ_VERSION} into {} (once)",
            tools.display()
        )));
        let mut command = Command::new("cargo");
        command.args(["install", "cargo-fuzz", "--locked", "--force"]);
        command.args(["--version", CARGO_FUZZ_VERSION, "--root"]).arg(tools);
        command.current_dir(root).env_remove("CARGO_TARGET_DIR");
        run_quietly(&mut command, "installing cargo-fuzz", tools, stop, tell)?;
    }
    let directories = std::iter::once(bin).chain(std::env::split_paths(&path));
    // A directory that cannot stand in PATH leaves the one that was there.
    Ok(std::env::join_paths(directories).unwrap_or(path))
}

fn is_pinned(program: &Path) -> bool {
    let output = Command::new(program).arg("--version").stderr(Stdio::null()).output();
    let words = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&words).split_whitespace().nth(1) == Some(CARGO_FUZZ_VERSION)
}

fn has_nightly() -> bool {
    let mut command = Command::new("cargo");
    command.args(["+nightly", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Runs a program with its output in a file, telling its last line; shows all of it if it fails.
pub(crate) fn run_quietly(
    command: &mut Command,
    what: &str,
    directory: &Path,
    stop: &StopSignal,
    tell: Tell<'_>,
) -> Result<(), EngineError> {
    let cannot = |source| EngineError::Write { path: directory.to_owned(), source };
    fs::create_dir_all(directory).map_err(cannot)?;
    let log = tempfile::NamedTempFile::new_in(directory).map_err(cannot)?;
    let both = log.reopen().and_then(|out| Ok((out.try_clone()?, out))).map_err(cannot)?;
    command.stdin(Stdio::null()).stdout(both.0).stderr(both.1);
    // A build is a family of processes, which has to end as one.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    let program = PathBuf::from(command.get_program());
    let start = |source| EngineError::Start { program: program.clone(), source };
    let mut child = command.spawn().map_err(start)?;
    let status = loop {
        match child.try_wait().map_err(start)? {
            Some(status) => break status,
            None if stop.is_raised() => {
                end_family(&mut child);
                return Err(EngineError::Interrupted);
            }
            None => {
                tell(Step::GoesOn(last_line(log.path()).trim()));
                std::thread::sleep(Duration::from_millis(150));
            }
        }
    };
    if status.success() {
        return Ok(());
    }
    if stop.is_raised() {
        return Err(EngineError::Interrupted);
    }
    let output = fs::read(log.path()).unwrap_or_default();
    Err(EngineError::Failed {
        what: what.to_owned(),
        status: status.to_string(),
        output: String::from_utf8_lossy(&output).into_owned(),
    })
}

/// Ends a process that leads a group, and with it all that it has started.
fn end_family(child: &mut Child) {
    #[cfg(unix)]
    {
        use rustix::process::{Pid, Signal, kill_process_group};
        // It may have ended by itself a moment ago.
        let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

fn last_line(log: &Path) -> String {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let tail = || -> io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let len = file.metadata()?.len();
        file.seek(SeekFrom::Start(len.saturating_sub(512)))?;
        let mut bytes = Vec::new();
        file.take(512).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = tail().unwrap_or_default();
    String::from_utf8_lossy(&bytes).trim_end().lines().last().unwrap_or_default().to_owned()
}

/// The program that was built last, whatever the machine's target triple is.
fn newest_binary(directory: &Path, target: &str) -> Option<PathBuf> {
    let triples = fs::read_dir(directory).ok()?.flatten();
    let programs = triples.flat_map(|triple| {
        let release = triple.path().join("release");
        [release.join(target), release.join(format!("{target}.exe"))]
    });
    let modified = |path: &PathBuf| {
        fs::metadata(path)
            .and_then(|metadata| metadata.modified())
            .unwrap_or(SystemTime::UNIX_EPOCH)
    };
    programs.filter(|path| path.is_file()).max_by_key(modified)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pinned_version_is_the_one_that_ci_uses() {
        let versions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ci/versions.env");
        let versions = fs::read_to_string(versions).unwrap();
        let line = format!("CARGO_FUZZ_VERSION={CARGO_FUZZ_VERSION}");
        assert!(versions.lines().any(|there| there.trim() == line), "{versions}");
    }

    #[test]
    fn an_unknown_target_is_answered_with_those_there_are() {
        let root = tempfile::tempdir().unwrap();
        let targets = root.path().join("fuzz/fuzz_targets");
        fs::create_dir_all(&targets).unwrap();
        fs::write(targets.join("b.rs"), "").unwrap();
        fs::write(targets.join("a.rs"), "").unwrap();
        assert!(check_target(root.path(), "b").is_ok());
        let error = check_target(root.path(), "../b").unwrap_err();
        assert_eq!(error.to_string(), "there is no fuzz target \"../b\"; there are: a, b");
        let error = check(root.path(), &["b"], &[]).unwrap_err();
        assert!(error.to_string().contains("\"b\" has no row in src/workbench"), "{error}");
    }

    #[test]
    fn a_program_that_fails_is_quoted_in_full() {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two >&2; exit 7"]);
        let stop = StopSignal::new();
        let error =
            run_quietly(&mut command, "trying", directory.path(), &stop, &mut |_| {}).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("trying failed") && text.contains('7'), "{text}");
        assert!(text.contains("one\ntwo"), "{text}");
    }

    #[cfg(unix)]
    #[test]
    fn a_build_that_is_stopped_leaves_no_process_behind() {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        // The shell waits for a process of its own, as cargo does for the compiler.
        command.args(["-c", "sleep 600 & echo $!; wait"]);
        let stop = StopSignal::new();
        let mut pid = None;
        let said = run_quietly(&mut command, "trying", directory.path(), &stop, &mut |step| {
            if let Step::GoesOn(line) = step
                && let Ok(number) = line.parse::<i32>()
            {
                pid = rustix::process::Pid::from_raw(number);
                stop.raise();
            }
        });
        assert!(matches!(said, Err(EngineError::Interrupted)), "{said:?}");
        // The system needs a moment to clear away what was killed.
        let is_there = || rustix::process::test_kill_process(pid.unwrap()).is_ok();
        let patience = std::time::Instant::now() + Duration::from_secs(10);
        while is_there() && !is_zombie(pid.unwrap()) && std::time::Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(!is_there() || is_zombie(pid.unwrap()));
    }

    /// Whether a process has ended and nobody has asked how: an orphan where nobody waits for orphans.
    #[cfg(unix)]
    fn is_zombie(pid: rustix::process::Pid) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
        status.is_ok_and(|status| status.contains(") Z "))
    }
}
