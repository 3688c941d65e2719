//! `rekeylab findings`: the life of every bug that was ever found.

mod check;
mod exchange;
mod list;
mod pick;
mod remark;
mod show;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::foreign::Sheet;
use crate::store::{CORE, Store, rebuild};

use super::console::Console;
use super::exit::Exit;
use super::failure::Failure;
use super::noted;

pub(super) use pick::{picked, reproducer_path};

/// Tells of every bug that was found: what it is, since when, and whether it is still there
///
/// Searches note what they find in findings.sqlite, beside the reproducers. A bug is new until another
/// build was asked, then known, or fixed if none of the runs of its reproducer shows it; if one does
/// after that it has regressed. One that shows in some runs only is flaky. `fuzz` tries every known bug
/// again before it searches, `check` does it at once. Stores of several machines are put together by
/// `import`, in any order and as often as you like.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rekeylab findings                                    every bug, what regressed first
  rekeylab findings --state new
  rekeylab findings show 5f0c                          its whole life; the first digits will do
  rekeylab findings ignore 5f0c --why 'waits for the vendor' --until 2027-03-01
  rekeylab findings check                              is it still there, in this build?
  rekeylab findings check --sheet driver.toml          the same of a driver of your own
  rekeylab findings export all.jsonl
  rekeylab findings import /mnt/other/findings.sqlite

Ends with 0; with 2 for a fingerprint that is not there; `check` with 3 if a bug that was fixed is back.")]
pub(super) struct Options {
    /// The folder of findings [default: fuzz/findings]
    #[arg(long, global = true, value_name = "DIR")]
    findings: Option<PathBuf>,
    /// Is about a driver of your own, by its data sheet: its folder of findings, and `check` drives it
    #[arg(long, global = true, value_name = "SHEET")]
    sheet: Option<PathBuf>,
    /// Moves the store aside, and makes a new one of what can be read of it and of the reproducers
    #[arg(long, conflicts_with_all = ["state", "driver"])]
    rebuild: bool,
    #[command(flatten)]
    list: list::List,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(list::List),
    Show(show::Options),
    Ignore(remark::Ignore),
    Unignore(remark::Unignore),
    Duplicate(remark::Duplicate),
    Forget(remark::Forget),
    Check(check::Options),
    Export(exchange::Export),
    Import(exchange::Import),
}

pub(super) fn run(options: &Options, console: &mut Console<'_>) -> Result<Exit, Failure> {
    if options.action.is_some() && (options.rebuild || options.list.is_about_some()) {
        let message = "what stands between `findings` and what it is to do is for the list";
        return Err(Failure::usage(message).way_out("rekeylab findings list --state STATE"));
    }
    let sheet = options.sheet.as_deref().map(Sheet::read).transpose();
    let sheet = sheet.map_err(|error| Failure::usage(error.to_string()))?;
    let typed = options.findings.as_deref();
    let folder = match &sheet {
        None => noted::folder(typed),
        Some(sheet) => noted::folder_of_library(typed, sheet),
    };
    let driver = sheet.as_ref().map_or(CORE, |sheet| &sheet.name);
    if options.rebuild {
        let rebuilt = rebuild(&folder, driver)?;
        for trouble in &rebuilt.troubles {
            console.warning(trouble);
        }
        if let Some(moved_to) = &rebuilt.moved_to {
            console.note(&format!("the old store is {} now", moved_to.display()));
        }
        console.note(&format!(
            "{}: {} events of the old store, {} reproducers that it did not know",
            rebuilt.store.path().display(),
            rebuilt.salvaged_count,
            rebuilt.adopted_count
        ));
        return Ok(Exit::Held);
    }
    // All of it is read first: what cannot be read makes no folder of findings.
    let imported = match &options.action {
        Some(Action::Import(import)) => Some(import.read()?),
        _ => None,
    };
    if !folder.is_dir() && imported.is_none() {
        let failure = Failure::usage(format!("there are no findings in {}", folder.display()));
        return Err(failure.way_out("another folder (--findings DIR), or rekeylab fuzz"));
    }
    let mut store = Store::open_of(&folder, driver)?;
    match &options.action {
        None => list::run(&options.list, &store, console),
        Some(Action::List(list)) => list::run(list, &store, console),
        Some(Action::Show(show)) => show::run(show, &store, sheet.as_ref(), console),
        Some(Action::Ignore(ignore)) => ignore.run(&mut store, console),
        Some(Action::Unignore(unignore)) => unignore.run(&mut store, console),
        Some(Action::Duplicate(duplicate)) => duplicate.run(&mut store, console),
        Some(Action::Forget(forget)) => forget.run(&mut store, console),
        Some(Action::Check(check)) => check::run(check, &mut store, sheet.as_ref(), console),
        Some(Action::Export(export)) => export.run(&store, console),
        Some(Action::Import(import)) => {
            import.run(&mut store, &imported.unwrap_or_default(), console)
        }
    }
}
