//! `rekeylab findings list`: every bug in a line.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;

use crate::report::Fingerprint;
use crate::store::{Bug, Moment, State, Store, told_with};

use super::super::Format;
use super::super::console::{Console, table};
use super::super::exit::Exit;
use super::super::failure::Failure;

/// Lists every bug, what regressed first; duplicates stand with the bug that they are of
#[derive(Debug, Args)]
pub(super) struct List {
    /// Only bugs of which this is told
    #[arg(long, value_enum, value_name = "STATE")]
    state: Option<State>,
    /// Only bugs of this driver: core, or core+fault:NAME, or that of a driver of your own
    #[arg(long, value_name = "NAME")]
    driver: Option<String>,
}

impl List {
    /// Whether only some bugs are wanted.
    pub(super) fn is_about_some(&self) -> bool {
        self.state.is_some() || self.driver.is_some()
    }
}

/// What a machine reads of the list.
#[derive(Debug, Serialize)]
struct Listed {
    findings: Vec<ToldBug>,
}

/// What a machine reads of a bug.
#[derive(Debug, Serialize)]
pub(super) struct ToldBug {
    pub(super) fingerprint: String,
    pub(super) driver: String,
    pub(super) state: Option<State>,
    pub(super) invariant: String,
    pub(super) happened: String,
    pub(super) first_seen: Option<Moment>,
    pub(super) last_seen: Option<Moment>,
    pub(super) seen_count: u64,
    pub(super) file: Option<String>,
    pub(super) duplicate_of: Option<String>,
    /// The bug that it is told with: itself, or the one that all its duplicates are of.
    pub(super) told_with: String,
    pub(super) ignored_by: Option<String>,
    pub(super) ignored_because: Option<String>,
    pub(super) ignored_until: Option<Moment>,
}

/// The bug that each bug is told with.
pub(super) type ToldWith = BTreeMap<(String, Fingerprint), Fingerprint>;

pub(super) fn run(
    options: &List,
    store: &Store,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let now = Moment::now();
    let mut bugs = store.bugs()?;
    let with = told_with(&bugs);
    bugs.sort_by_key(|bug| (bug.state(now), bug.driver.clone(), bug.fingerprint));
    let is_wanted = |bug: &&Bug| {
        options.state.is_none_or(|state| bug.state(now) == Some(state))
            && options.driver.as_ref().is_none_or(|driver| *driver == bug.driver)
    };
    let wanted: Vec<&Bug> = bugs.iter().filter(is_wanted).collect();
    if console.format == Format::Json {
        let findings = wanted.iter().map(|bug| told(bug, now, &with)).collect();
        console.say_json(1, &Listed { findings })?;
        return Ok(Exit::Held);
    }
    let root = |bug: &Bug| with.get(&(bug.driver.clone(), bug.fingerprint)).copied();
    // By the bug that they are of, so that this is one walk.
    let mut duplicates: BTreeMap<(&str, Fingerprint), Vec<String>> = BTreeMap::new();
    for bug in &bugs {
        if let Some(of) = root(bug).filter(|of| *of != bug.fingerprint) {
            let also = duplicates.entry((&bug.driver, of)).or_default();
            also.push(bug.fingerprint.to_string());
        }
    }
    let row = |bug: &&Bug| {
        let also = duplicates.get(&(bug.driver.as_str(), bug.fingerprint));
        let also = also.map(|also| format!(" (also {})", also.join(", "))).unwrap_or_default();
        vec![
            bug.fingerprint.to_string(),
            bug.state(now).map_or("", State::name).to_owned(),
            bug.driver.clone(),
            bug.last_seen.map(Moment::short).unwrap_or_default(),
            bug.invariant.clone(),
            format!("{}{also}", bug.happened),
        ]
    };
    let roots = wanted.iter().filter(|bug| root(bug).is_none_or(|of| of == bug.fingerprint));
    let rows: Vec<Vec<String>> = roots.map(row).collect();
    if rows.is_empty() {
        console.note(&format!("{}: no such finding", store.path().display()));
    } else {
        console.say(&table(&rows))?;
    }
    Ok(Exit::Held)
}

/// A bug as a machine reads it.
pub(super) fn told(bug: &Bug, now: Moment, with: &ToldWith) -> ToldBug {
    let root = with.get(&(bug.driver.clone(), bug.fingerprint)).unwrap_or(&bug.fingerprint);
    let ignored = bug.ignored.clone();
    ToldBug {
        fingerprint: bug.fingerprint.to_string(),
        driver: bug.driver.clone(),
        state: bug.state(now),
        invariant: bug.invariant.clone(),
        happened: bug.happened.clone(),
        first_seen: bug.first_seen,
        last_seen: bug.last_seen,
        seen_count: bug.seen_count,
        file: bug.file.clone(),
        duplicate_of: bug.duplicate_of.map(|of| of.to_string()),
        told_with: root.to_string(),
        ignored_by: ignored.as_ref().map(|ignored| ignored.by.clone()),
        ignored_because: ignored.as_ref().map(|ignored| ignored.why.clone()),
        ignored_until: ignored.and_then(|ignored| ignored.until),
    }
}
