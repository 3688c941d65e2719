//! `rekeylab dashboard`: findings, campaigns and coverage in a browser.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use rayon::prelude::*;

use crate::campaign::{EngineError, workspace_root};
use crate::corpus::write_over;
use crate::dashboard::{Dashboard, PageError, ServeError, Sources, serve};
use crate::foreign::Sheet;
use crate::program::this_program;

use super::console::Console;
use super::coverage::KEPT;
use super::display::Display;
use super::exit::Exit;
use super::failure::Failure;
use super::fuzz::{relative, stop_on_signals};
use super::noted;

/// Shows findings, campaigns and coverage in a browser
///
/// Serves pages to this machine alone until Ctrl-C, or writes them as files with --out. They fetch nothing, work
/// without JavaScript, and change nothing: they are made of the findings store, of the records that campaigns
/// leave beside it, and of what `rekeylab coverage` has kept last. The page of a finding runs its reproducer
/// again, for its story and the lives of its secrets.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rekeylab dashboard                             then open the address that it says
  rekeylab dashboard --port 0                    any port that is free
  rekeylab dashboard --out site                  the same as files, for an artifact
  rekeylab dashboard --sheet driver.toml         a driver of your own

Ends with 2 for a port that is taken, and with 8 for files that cannot be written.")]
pub(super) struct Options {
    /// The port on this machine
    #[arg(long, value_name = "PORT", default_value_t = 8642)]
    port: u16,
    /// Writes every page below this folder, and serves nothing
    #[arg(long, value_name = "DIR", conflicts_with = "port")]
    out: Option<PathBuf>,
    /// The folder of findings [default: fuzz/findings]
    #[arg(long, value_name = "DIR")]
    findings: Option<PathBuf>,
    /// Is about a driver of your own, by its data sheet
    #[arg(long, value_name = "SHEET")]
    sheet: Option<PathBuf>,
}

pub(super) fn run(options: &Options, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let root = workspace_root().ok_or(EngineError::NoWorkspace)?;
    let program = this_program().map_err(|error| {
        Failure::workbench(format!("the system does not say where this program is: {error}"))
    })?;
    let sheet = options.sheet.as_deref().map(Sheet::read).transpose();
    let sheet = sheet.map_err(|error| Failure::usage(error.to_string()))?;
    let typed = options.findings.as_deref();
    let findings = match &sheet {
        None => noted::folder(typed),
        Some(sheet) => noted::folder_of_library(typed, sheet),
    };
    if !findings.is_dir() {
        let failure = Failure::usage(format!("there are no findings in {}", findings.display()));
        return Err(failure.way_out("another folder (--findings DIR), or rekeylab fuzz first"));
    }
    let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let from_root = |path: &Path| {
        let path = whole(path);
        path.strip_prefix(&root).map(Path::to_owned).unwrap_or(path)
    };
    let dashboard = Dashboard::open(Sources {
        program,
        findings: whole(&findings),
        sheet: options.sheet.as_deref().map(from_root),
        coverage: root.join(KEPT),
        root,
    })?;
    match &options.out {
        Some(out) => write(&dashboard, out, console),
        None => {
            let stop = stop_on_signals()?;
            let mut ready = |address| {
                console.note(&format!("http://{address}/ until Ctrl-C"));
            };
            serve(dashboard, options.port, &stop, &mut ready)?;
            Ok(Exit::Held)
        }
    }
}

/// Writes every page; one that is there already is replaced.
fn write(dashboard: &Dashboard, out: &Path, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let paths = dashboard.paths()?;
    let mut display = Display::new();
    let mut count = 0;
    // The page of a finding runs its reproducer, so that many take a while.
    for some in paths.chunks(AT_ONCE) {
        some.par_iter().try_for_each(|path| write_one(dashboard, out, path))?;
        count += some.len();
        display.line(|| format!("{count} of {} pages", paths.len()), console);
    }
    display.end();
    let index = relative(&out.join("index.html"));
    console.note(&format!("{} pages, the first is {}", paths.len(), index.display()));
    Ok(Exit::Held)
}

/// How many pages are made before it is told how far it is.
const AT_ONCE: usize = 64;

fn write_one(dashboard: &Dashboard, out: &Path, path: &str) -> Result<(), Failure> {
    let page = dashboard.page(path)?;
    let file = out.join(path);
    let unwritten = |error: std::io::Error| Failure {
        exit: Exit::NotWritten,
        message: format!("cannot write {}: {error}", file.display()),
        way_out: None,
    };
    file.parent().map_or(Ok(()), fs::create_dir_all).map_err(unwritten)?;
    write_over(&file, &page.body)?;
    Ok(())
}

impl From<PageError> for Failure {
    fn from(error: PageError) -> Self {
        match error {
            PageError::Store(error) => error.into(),
            // It was there when all pages were listed, so somebody has removed what it is made of.
            PageError::NotThere => Self::workbench("a page went away while it was written"),
        }
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        match &error {
            ServeError::Listen { .. } => {
                Self::usage(error.to_string()).way_out("another port (--port N, or 0 for any)")
            }
            ServeError::Ended(_) => Self::workbench(error.to_string()),
        }
    }
}
