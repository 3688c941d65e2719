//! `rekeylab coverage`: which lines of the driver core and its cipher are run, and which never.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::campaign::engine::target_directory;
use crate::campaign::{EngineError, workspace_root};
use crate::corpus::{write_new, write_over};
use crate::coverage::{
    Coverage, Difference, FileCoverage, LLVM_MIN, MeasureError, Measuring, Of, REASONS, Reason,
    Reasons, compare, measure, page,
};
use crate::revision::{check_out, commit};

use super::Format;
use super::console::{Console, table};
use super::display::Display;
use super::exit::Exit;
use super::failure::Failure;
use super::fuzz::stop_on_signals;

/// Says which lines of driver core and cipher stored sequences run, and which none does
///
/// Builds the command with counters in these two packages alone, by the stable compiler, and replays
/// everything in it. Why a line is never run is read from ci/never-run.txt. With --base the same files are replayed by the core of a revision as well, and the lines
/// are told that only one of both runs. Needs llvm-cov and llvm-profdata: `rustup component add
/// llvm-tools`, or those of the distribution.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rekeylab coverage                                  corpus/ and the working sets of the engines
  rekeylab coverage corpus/seeds --page coverage.html
  rekeylab coverage --lcov coverage.info             for editors and hosts of code
  rekeylab coverage --base origin/main               what a change leaves untried")]
pub(super) struct Options {
    /// Files and folders [default: corpus and fuzz/corpus]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Compares with the core of this revision
    #[arg(long, value_name = "REV")]
    base: Option<String>,
    /// Writes a tracefile of lcov
    #[arg(long, value_name = "FILE")]
    lcov: Option<PathBuf>,
    /// Writes all of it as a page for a browser
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    /// Replaces both files if they are there
    #[arg(long)]
    force: bool,
}

/// The page that is kept for the dashboard.
pub(super) const KEPT: &str = "fuzz/coverage/index.html";

/// What a machine reads of it.
#[derive(Debug, Serialize)]
struct Told<'a> {
    files: Vec<ToldFile<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    differences: Option<Vec<ToldDifference<'a>>>,
}

#[derive(Debug, Serialize)]
struct ToldFile<'a> {
    path: &'a str,
    line_count: usize,
    reached_count: usize,
    unreached: Vec<u32>,
    /// Why some of these are never run, by line.
    reasons: BTreeMap<u32, &'a str>,
}

#[derive(Debug, Serialize)]
struct ToldDifference<'a> {
    path: &'a str,
    line: u32,
    change: &'static str,
    text: &'a str,
}

pub(super) fn run(options: &Options, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let root = workspace_root().ok_or(EngineError::NoWorkspace)?;
    let inputs = inputs(&options.paths, &root)?;
    let reasons = Reasons::of(&root).map_err(|error| Failure::usage(error.to_string()))?;
    let stop = stop_on_signals()?;
    let folder = target_directory(&root).join("coverage");
    let wrapper = root.join("fuzz/instrument-only.sh");
    let mut display = Display::new();
    let mut measured = |root: &Path, folder: PathBuf, console: &mut Console<'_>| {
        let measuring =
            Measuring { root, folder: &folder, inputs: &inputs, wrapper: &wrapper, stop: &stop };
        measure(&measuring, &mut |step| display.step(step, console))
    };
    let coverage = measured(&root, folder.join("here"), console)?;
    let differences = match &options.base {
        None => None,
        Some(revision) => {
            let commit = commit(&root, revision).map_err(Failure::usage)?;
            let tree = folder.join("base-tree");
            check_out(&root, &commit, &tree).map_err(Failure::workbench)?;
            Some(compare(&measured(&tree, folder.join("base"), console)?, &coverage))
        }
    };
    display.end();
    let differences = differences.as_deref();
    let base = options.base.as_deref().zip(differences);
    let page = page("driver core and cipher", &coverage, &reasons, base);
    write(options, &coverage, &page)?;
    keep(options, &root, &page, console);
    // What others than the usual inputs run says nothing about a reason.
    if options.paths.is_empty() {
        for Reason { file, of, .. } in reasons.stale(&coverage) {
            let of = match of {
                Of::File => String::new(),
                Of::Function(name) => format!(": fn {name}"),
                Of::Line(code) => format!(": {code}"),
            };
            console.warning(&format!("all is run that {REASONS} has a reason for: {file}{of}"));
        }
    }
    match console.format {
        Format::Json => console.say_json(1, &told(&coverage, &reasons, differences))?,
        Format::Human => console.say(&text(options, &coverage, &reasons, differences))?,
    }
    Ok(Exit::Held)
}

/// What is replayed, as paths that mean the same from everywhere.
fn inputs(paths: &[PathBuf], root: &Path) -> Result<Vec<PathBuf>, Failure> {
    if paths.is_empty() {
        let usual = [root.join("corpus"), root.join("fuzz/corpus")];
        return Ok(usual.into_iter().filter(|path| path.is_dir()).collect());
    }
    let whole = |path: &PathBuf| {
        fs::canonicalize(path)
            .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))
    };
    paths.iter().map(whole).collect()
}

fn write(options: &Options, coverage: &Coverage, page: &str) -> Result<(), Failure> {
    let write = if options.force { write_over } else { write_new };
    if let Some(path) = &options.lcov {
        write(path, coverage.to_lcov().as_bytes())?;
    }
    if let Some(path) = &options.page {
        write(path, page.as_bytes())?;
    }
    Ok(())
}

/// Keeps the page of all that is stored for the dashboard.
fn keep(options: &Options, root: &Path, page: &str, console: &mut Console<'_>) {
    if !options.paths.is_empty() {
        return;
    }
    let path = root.join(KEPT);
    let _ = path.parent().map(fs::create_dir_all);
    if let Err(error) = write_over(&path, page.as_bytes()) {
        console.warning(&format!("the dashboard does not hear of it: {error}"));
    }
}

fn told<'a>(
    coverage: &'a Coverage,
    reasons: &'a Reasons,
    differences: Option<&'a [Difference]>,
) -> Told<'a> {
    let file = |(path, file): (&'a String, &'a FileCoverage)| ToldFile {
        path,
        line_count: file.counts.len(),
        reached_count: file.reached_count(),
        unreached: file.unreached().map(|(line, _)| line).collect(),
        reasons: file
            .unreached()
            .filter_map(|(line, _)| Some((line, reasons.reason(path, file, line)?.why.as_str())))
            .collect(),
    };
    let difference = |it: &'a Difference| ToldDifference {
        path: &it.file,
        line: it.line,
        change: it.change.name(),
        text: it.text.trim(),
    };
    Told {
        files: coverage.files.iter().map(file).collect(),
        differences: differences.map(|all| all.iter().map(difference).collect()),
    }
}

fn text(
    options: &Options,
    coverage: &Coverage,
    reasons: &Reasons,
    differences: Option<&[Difference]>,
) -> String {
    let row = |(path, file): (&String, &FileCoverage)| {
        vec![path.clone(), format!("{} of {} lines run", file.reached_count(), file.counts.len())]
    };
    let rows: Vec<_> = coverage.files.iter().map(row).collect();
    let mut text = table(&rows);
    let mut never = Vec::new();
    // How many lines each reason is about, in the order of the files.
    let mut known: Vec<(&Reason, usize)> = Vec::new();
    for (path, file) in &coverage.files {
        for (line, text) in file.unreached() {
            match (reasons.reason(path, file, line), known.last_mut()) {
                (Some(reason), Some((last, count))) if *last == reason => *count += 1,
                (Some(reason), _) => known.push((reason, 1)),
                (None, _) => never.push(vec![format!("{path}:{line}"), text.trim().to_owned()]),
            }
        }
    }
    if !known.is_empty() {
        let row = |(Reason { file, why, .. }, count): &(&Reason, usize)| {
            let s = if *count == 1 { "" } else { "s" };
            vec![file.clone(), format!("{count} line{s}"), why.clone()]
        };
        let rows: Vec<_> = known.iter().map(row).collect();
        let _ = write!(text, "\nnever run, for a reason:\n{}", table(&rows));
    }
    if !never.is_empty() {
        let _ = write!(text, "\nnever run:\n{}", table(&never));
    }
    if let (Some(base), Some(differences)) = (&options.base, differences) {
        let row = |it: &Difference| {
            vec![
                format!("{}:{}", it.file, it.line),
                it.change.name().to_owned(),
                it.text.trim().to_owned(),
            ]
        };
        let rows: Vec<_> = differences.iter().map(row).collect();
        let _ = match rows.len() {
            0 => writeln!(text, "\nas in {base}: every line is run that was run there"),
            _ => write!(text, "\nnot as in {base}:\n{}", table(&rows)),
        };
    }
    text
}

impl From<MeasureError> for Failure {
    fn from(error: MeasureError) -> Self {
        match error {
            MeasureError::Build(error) => error.into(),
            MeasureError::Tools(error) => Self::workbench(error.to_string()).way_out(format!(
                "rustup component add llvm-tools, or apt install llvm-19; or set LLVM_COV and \
                 LLVM_PROFDATA to those of LLVM {LLVM_MIN} or later"
            )),
            _ => Self::workbench(error.to_string()),
        }
    }
}
