//! `rekeylab findings check`: is every known bug still there, in this build?

use std::collections::BTreeSet;

use clap::Args;
use serde::Serialize;

use crate::Workbench;
use crate::campaign::OwnProcess;
use crate::executor::AnyDut;
use crate::foreign::Sheet;
use crate::observation::Layers;
use crate::store::retry::{Retried, Retry};
use crate::store::{CORE, State, Store};

use super::super::Format;
use super::super::console::Console;
use super::super::driver;
use super::super::exit::Exit;
use super::super::failure::Failure;
use super::super::fault;
use super::super::noted::{CORE_WITH, change_line, origin, origin_of_library};

/// Tries every known bug again on this build, and says what has changed
///
/// Each reproducer is run three times with everything looked into, that of a flaky bug twenty times. A
/// bug shows if its invariant is broken. Ends with 3 if a bug that was fixed is back and nobody ignores
/// it, and with 5 if one could not be judged because a layer cannot be looked into here.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rekeylab findings check
  rekeylab findings check --driver core --machine lab-7")]
pub(super) struct Options {
    /// Only bugs of this driver [default: every driver that this program has]
    #[arg(long, value_name = "NAME")]
    driver: Option<String>,
    /// What this machine is called in the store [default: its name]
    #[arg(long, value_name = "NAME")]
    machine: Option<String>,
}

/// What a machine reads of a check.
#[derive(Debug, Serialize)]
struct Checked {
    build: String,
    tried: Vec<ToldRetry>,
    /// Drivers that have bugs and are not in this program.
    untried_drivers: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ToldRetry {
    fingerprint: String,
    driver: String,
    invariant: String,
    before: Option<State>,
    after: Option<State>,
    shown: u32,
    /// How many runs said anything; none if it could not be tried.
    votes: u32,
}

pub(super) fn run(
    options: &Options,
    store: &mut Store,
    sheet: Option<&Sheet>,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let lane = "check".to_owned();
    let origin = match sheet {
        None => origin(options.machine.as_deref(), lane),
        Some(sheet) => origin_of_library(sheet, options.machine.as_deref(), lane),
    };
    let bugs = store.bugs()?;
    let is_wanted = |driver: &&String| options.driver.as_ref().is_none_or(|it| it == *driver);
    let drivers: BTreeSet<String> =
        bugs.iter().map(|bug| &bug.driver).filter(is_wanted).cloned().collect();
    let (mut retried, mut untried_drivers) = (Vec::new(), Vec::new());
    let mut exit = Exit::Held;
    for driver in drivers {
        // A fault that is gone, or a driver of somebody's own without its data sheet, is not in this program.
        let Some((dut, fault)) = driven(&driver, sheet)? else {
            untried_drivers.push(driver);
            continue;
        };
        let own = OwnProcess::of_this_program(fault, None).ok();
        let own = own.map(|own| {
            own.driving(sheet.map(|sheet| sheet.path.clone()), threads_of(&driver, sheet))
        });
        let hangs = own.as_ref().map(|own| |sequence: &_| own.hang(sequence).is_some());
        let hangs = hangs.as_ref().map(|hangs| hangs as _);
        let retry = Retry { dut: &dut, driver: &driver, origin: &origin, hangs };
        let mut lines = Vec::new();
        let of_driver = retry.all(store, &mut |one| lines.extend(change_line(one)))?;
        if console.format == Format::Human {
            lines.iter().try_for_each(|line| console.say(&format!("{line}\n")))?;
        }
        if of_driver.iter().any(|one| one.votes == 0) {
            exit = exit.and(console.exit_without(Layers::ALL, Workbench::on(dut).layers()));
        }
        retried.extend(of_driver);
    }
    for driver in &untried_drivers {
        console.note(&format!("not tried: the bugs of {driver}, which is not in this program"));
    }
    console.note(&summary(&retried));
    for one in retried.iter().filter(|one| one.after == Some(State::Regressed)) {
        exit = exit.and(Exit::InvariantBroken);
        console.note(&format!("regressed: {} {}", one.bug.fingerprint, one.bug.happened));
    }
    if console.format == Format::Json {
        let tried = retried.iter().map(told).collect();
        console
            .say_json(1, &Checked { build: origin.build.to_string(), tried, untried_drivers })?;
    }
    Ok(exit)
}

/// How many threads run each sequence on the driver of that name.
fn threads_of(name: &str, sheet: Option<&Sheet>) -> usize {
    sheet.and_then(|sheet| sheet.threads_in(name)).unwrap_or(1)
}

/// The driver of that name, and the fault that is planted in it; `None` if it is not in this program and no data
/// sheet describes it.
fn driven(
    name: &str,
    sheet: Option<&Sheet>,
) -> Result<Option<(AnyDut, Option<&'static str>)>, Failure> {
    if let Some(sheet) = sheet.filter(|sheet| sheet.threads_in(name).is_some()) {
        return Ok(Some((driver::isolated(sheet.clone(), threads_of(name, Some(sheet)))?, None)));
    }
    let fault = match name.strip_prefix(CORE_WITH) {
        None if name == CORE => None,
        None => return Ok(None),
        fault => match fault::by_name(fault, "findings check") {
            Ok(fault) => fault,
            Err(_) => return Ok(None),
        },
    };
    Ok(Some((fault::core_with(fault), fault.map(|fault| fault.name()))))
}

/// How many bugs are in each state, in one line.
fn summary(retried: &[Retried]) -> String {
    let tried = retried.iter().filter(|one| one.votes > 0).count();
    let counts = State::ALL.into_iter().filter_map(|state| {
        let count = retried.iter().filter(|one| one.after == Some(state)).count();
        (count > 0).then(|| format!("{count} {state}"))
    });
    let mut text = format!("tried {tried} of {} bugs", retried.len());
    let counts: Vec<String> = counts.collect();
    if !counts.is_empty() {
        text.push_str(": ");
        text.push_str(&counts.join(", "));
    }
    text
}

fn told(one: &Retried) -> ToldRetry {
    ToldRetry {
        fingerprint: one.bug.fingerprint.to_string(),
        driver: one.bug.driver.clone(),
        invariant: one.bug.invariant.clone(),
        before: one.before,
        after: one.after,
        shown: one.shown,
        votes: one.votes,
    }
}
