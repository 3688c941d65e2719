//! Builds the command with counters in the driver core and its cipher, replays, and reads the counters.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::lines::{Coverage, LcovError};
use super::llvm::{Tools, ToolsError};
use crate::campaign::StopSignal;
use crate::campaign::engine::{EngineError, Tell, run_quietly};
use crate::exit::Exit;

/// The packages that get counters, each with the folder of its sources.
pub const MEASURED: [(&str, &str); 2] =
    [("rekeylab-driver", "src/driver"), ("rekeylab-cipher", "src/cipher")];

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Measuring<'a> {
    /// The workspace, which may be that of an older revision.
    pub root: &'a Path,
    /// Where the build and the counters go.
    pub folder: &'a Path,
    /// Files and folders that are replayed.
    pub inputs: &'a [PathBuf],
    /// Says which crates get counters, as a wrapper of rustc.
    pub wrapper: &'a Path,
    /// When to give up.
    pub stop: &'a StopSignal,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// LLVM's tools are missing.
    #[error(transparent)]
    Tools(#[from] ToolsError),
    /// The build failed, or somebody said stop.
    #[error(transparent)]
    Build(#[from] EngineError),
    /// A program could not do its work.
    #[error("{program} failed ({status}): {said}")]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        status: String,
        /// The last line that it said.
        said: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The tracefile cannot be used.
    #[error(transparent)]
    Lcov(#[from] LcovError),
    /// The build has no counters, or the replay ran nothing: then silence would say nothing.
    #[error("no line of {0} was run and counted")]
    NoCounters(&'static str),
}

/// Builds, replays and reads the counters.
///
/// # Errors
///
/// When a tool is missing or fails, or the build has no counters.
pub fn measure(measuring: &Measuring<'_>, tell: Tell<'_>) -> Result<Coverage, MeasureError> {
    let tools = Tools::find()?;
    let program = build(measuring, tell)?;
    let counters = measuring.folder.join("counters");
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| MeasureError::File { path, source }
    };
    // Those of an earlier run are of another build.
    if counters.exists() {
        fs::remove_dir_all(&counters).map_err(at(&counters))?;
    }
    fs::create_dir_all(&counters).map_err(at(&counters))?;
    replay(measuring, &program, &counters)?;

    let sources = MEASURED.map(|(_, folder)| measuring.root.join(folder));
    let coverage = read_counters(&tools, &program, &counters, &sources, measuring.root)?;
    for (_, folder) in MEASURED {
        let mut files = coverage.files.iter().filter(|(path, _)| path.starts_with(folder));
        if !files.any(|(_, file)| file.reached_count() > 0) {
            return Err(MeasureError::NoCounters(folder));
        }
    }
    Ok(coverage)
}

/// Reads the counters that a program left in a folder, for the sources below some others; paths are told from `top`.
///
/// # Errors
///
/// When there are none, or a tool fails.
pub fn read_counters(
    tools: &Tools,
    program: &Path,
    counters: &Path,
    sources: &[PathBuf],
    top: &Path,
) -> Result<Coverage, MeasureError> {
    let cannot = |source| MeasureError::File { path: counters.to_owned(), source };
    let entries = fs::read_dir(counters).map_err(cannot)?;
    let mut raw: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>().map_err(cannot)?;
    raw.sort();
    let merged = counters.join("merged.profdata");
    let mut merge = Command::new(&tools.profdata);
    merge.args(["merge", "-sparse", "-o"]).arg(&merged).args(raw);
    output(&mut merge, &[0])?;
    let mut export = Command::new(&tools.cov);
    export.args(["export", "-format=lcov", "-skip-functions", "-instr-profile"]).arg(&merged);
    export.arg(program).args(sources);
    let tracefile = output(&mut export, &[0])?.stdout;
    Ok(Coverage::from_lcov(&tracefile, top)?)
}

/// The command, with counters where they are wanted and nowhere else: what watches the driver would take
/// most of the time.
fn build(measuring: &Measuring<'_>, tell: Tell<'_>) -> Result<PathBuf, MeasureError> {
    let target = measuring.folder.join("build");
    let mut command = Command::new("cargo");
    command.args(["rustc", "--package", "rekeylab", "--bin", "rekeylab", "--target-dir"]);
    command.arg(&target).arg("--");
    // No counter is written without it, and only crates with counters ask for it themselves.
    command.arg("-Clink-arg=-Wl,-u,__llvm_profile_runtime");
    let crates = MEASURED.map(|(name, _)| name.replace('-', "_")).join(" ");
    command.env("RUSTC_WRAPPER", measuring.wrapper).env("REKEYLAB_INSTRUMENTED", crates);
    let mut flags = std::env::var_os("RUSTFLAGS").unwrap_or_default();
    flags.push(OsString::from(" -Cinstrument-coverage"));
    command.env("RUSTFLAGS", flags).env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only");
    command.env_remove("CARGO_TARGET_DIR").env_remove("CARGO_ENCODED_RUSTFLAGS");
    command.current_dir(measuring.root);
    run_quietly(&mut command, "building with counters", &target, measuring.stop, tell)?;
    Ok(target.join("debug").join("rekeylab"))
}

/// Runs all inputs. That some break something is nothing against their lines.
fn replay(measuring: &Measuring<'_>, program: &Path, counters: &Path) -> Result<(), MeasureError> {
    let mut replay = Command::new(program);
    replay.arg("replay").args(measuring.inputs).current_dir(measuring.root);
    replay.env("LLVM_PROFILE_FILE", counters.join("%p.profraw"));
    output(&mut replay, &REPLAYED.map(Exit::code))?;
    Ok(())
}

/// How a replay may end that has run something. An older revision may not know how to read every file.
const REPLAYED: [Exit; 4] =
    [Exit::Held, Exit::BadUsage, Exit::InvariantBroken, Exit::NotLookedInto];

/// What a program prints, if it ends with one of these codes.
fn output(command: &mut Command, codes: &[u8]) -> Result<Output, MeasureError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let started = command.stdin(Stdio::null()).output();
    let output =
        started.map_err(|source| MeasureError::File { path: program.clone().into(), source })?;
    let code = output.status.code().and_then(|code| u8::try_from(code).ok());
    if code.is_some_and(|code| codes.contains(&code)) {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim_end().lines().last().unwrap_or_default().to_owned();
    Err(MeasureError::Failed { program, status: output.status.to_string(), said })
}
