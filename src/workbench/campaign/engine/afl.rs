//! Builds a fuzz target for AFL++, with the workbench's mutator as a library that AFL++ loads.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use super::super::directories::target_directory;
use super::{Build, EngineError, Step, Tell, run_quietly};

/// What of AFL++ a target is linked with. Where it is installed, its command `afl-fuzz` is on PATH.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Installed {
    /// Its `main`, for targets of libFuzzer.
    driver: PathBuf,
    /// What the counters of coverage call, and the fork server.
    runtime: PathBuf,
}

impl Installed {
    /// In the folder that `AFL_PATH` names, or in `lib/afl` beside the folder of `afl-fuzz`.
    pub(super) fn find() -> Result<Self, EngineError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        Self::find_in(std::env::var_os("AFL_PATH"), &path).ok_or(EngineError::NoAfl)
    }

    fn find_in(named: Option<OsString>, path: &OsString) -> Option<Self> {
        let programs = std::env::split_paths(path).filter(|it| it.join("afl-fuzz").is_file());
        let beside = programs.map(|directory| directory.join("../lib/afl"));
        let folders = named.map(PathBuf::from).into_iter().chain(beside.collect::<Vec<_>>());
        folders
            .map(|folder| Self {
                driver: folder.join("libAFLDriver.a"),
                runtime: folder.join("afl-compiler-rt.o"),
            })
            .find(|it| it.driver.is_file() && it.runtime.is_file())
    }
}

/// A target that AFL++ can run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AflBuilt {
    /// The target.
    pub program: PathBuf,
    /// The library with the mutator.
    pub mutator: PathBuf,
}

/// Builds the target and the mutator.
///
/// # Errors
///
/// When something needed is missing or the build fails.
pub fn build_for_afl(build: &Build<'_>, tell: Tell<'_>) -> Result<AflBuilt, EngineError> {
    let Build { root, target, faults, stop, .. } = *build;
    let installed = Installed::find()?;
    let lane = if faults { "afl-faults" } else { "afl" };
    let crates = target.crates();
    // As with the other engine, a directory for each list of packages with coverage.
    let directory = target_directory(root).join("fuzz").join(lane).join(crates.join("+"));
    let mut command = Command::new("cargo");
    command.args(["build", "--release", "--package", "rekeylab-fuzz", "--features"]);
    command.arg(if faults { "afl,faults" } else { "afl" });
    // With a target named, what runs while it is built is built without these flags.
    let host = host()?;
    command.args(["--bin", target.name, "--example", MUTATOR, "--target", &host]);
    command.arg("--target-dir").arg(&directory);
    command.current_dir(root).env_remove("CARGO_TARGET_DIR").env("RUSTFLAGS", COVERAGE);
    command.env("RUSTC_WRAPPER", root.join("fuzz/instrument-only.sh"));
    command.env("REKEYLAB_INSTRUMENTED", crates.join(" "));
    command.env("CUSTOM_LIBFUZZER_PATH", &installed.driver);
    command.env("CUSTOM_LIBFUZZER_STD_CXX", "none");
    command.env("REKEYLAB_AFL_RUNTIME", &installed.runtime);
    let name = target.name;
    tell(Step::Begins(&format!("building {name} for AFL++ with the stable toolchain")));
    run_quietly(&mut command, &format!("building {name} for AFL++"), &directory, stop, tell)?;
    let release = directory.join(host).join("release");
    let built = AflBuilt {
        program: release.join(name),
        mutator: release.join("examples").join(format!("lib{MUTATOR}.so")),
    };
    if built.program.is_file() && built.mutator.is_file() {
        return Ok(built);
    }
    Err(EngineError::NoBinary { target: name.to_owned(), directory })
}

/// The compiler's name for this machine.
fn host() -> Result<String, EngineError> {
    let program = PathBuf::from("rustc");
    let output = Command::new(&program).arg("-vV").output();
    let output = output.map_err(|source| EngineError::Start { program, source })?;
    let said = String::from_utf8_lossy(&output.stdout);
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(|host| host.trim().to_owned()).ok_or_else(|| EngineError::Failed {
        what: "rustc -vV".to_owned(),
        status: output.status.to_string(),
        output: said.into_owned(),
    })
}

/// The example of the fuzz crate that is the mutator.
const MUTATOR: &str = "afl_mutator";

/// As cargo-fuzz asks for it, but with calls where its own engine reads counters.
const COVERAGE: &str = "--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module \
                        -Cllvm-args=-sanitizer-coverage-level=3 \
                        -Cllvm-args=-sanitizer-coverage-trace-pc-guard";

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn it_is_found_beside_its_command_and_where_its_own_variable_says() {
        let root = tempfile::tempdir().unwrap();
        let (bin, lib) = (root.path().join("bin"), root.path().join("lib/afl"));
        let (empty, path) = (root.path().join("empty"), bin.clone().into_os_string());
        for folder in [&bin, &lib, &empty] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(bin.join("afl-fuzz"), "").unwrap();
        fs::write(lib.join("libAFLDriver.a"), "").unwrap();
        assert_eq!(Installed::find_in(None, &path), None, "half of it is of no use");
        fs::write(lib.join("afl-compiler-rt.o"), "").unwrap();
        let found = Installed::find_in(None, &path).unwrap();
        assert!(found.driver.is_file() && found.runtime.is_file());
        let named = Installed::find_in(Some(lib.clone().into()), &empty.clone().into()).unwrap();
        assert_eq!(named.driver, lib.join("libAFLDriver.a"));
        assert_eq!(Installed::find_in(None, &empty.into()), None);
    }
}
