//! What searches tell the findings store, and what it tells them: known bugs are tried again first.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::campaign::{Finding, OwnProcess, workspace_root};
use crate::executor::AnyDut;
use crate::foreign::Sheet;
use crate::report::Fingerprint;
use crate::store::retry::{Retried, Retry};
use crate::store::{
    Body, Bug, Build, CORE, Moment, Origin, Sighted, State, Store, StoreError, machine_name,
};
use crate::telemetry::{Counts, NOTICE_VERSION, Notice, Occasion, Webhook};

use super::console::Console;
use super::exit::Exit;
use super::failure::Failure;
use super::fuzz::relative;

/// Behind that stands the name of a planted fault.
pub(super) const CORE_WITH: &str = "core+fault:";

/// What the driver core with a fault is called in the store.
pub(super) fn driver_name(fault: Option<&str>) -> String {
    fault.map_or_else(|| CORE.to_owned(), |fault| format!("{CORE_WITH}{fault}"))
}

/// The folder of findings: what was typed, or that of the workspace.
pub(super) fn folder(typed: Option<&Path>) -> PathBuf {
    let root = workspace_root().unwrap_or_default();
    typed.map_or_else(|| relative(&root.join("fuzz/findings")), Path::to_owned)
}

/// This build on this machine, or on one of this name, at this work.
pub(super) fn origin(machine: Option<&str>, lane: String) -> Origin {
    let root = workspace_root().unwrap_or_else(|| PathBuf::from("."));
    Origin {
        build: Build::of_this_program(&root),
        machine: machine.map_or_else(machine_name, str::to_owned),
        lane,
    }
}

/// The same of a driver in a shared library, whose build is another one with every file of it.
pub(super) fn origin_of_library(sheet: &Sheet, machine: Option<&str>, lane: String) -> Origin {
    // What is said of the driver is part of how it is judged.
    let said = std::fs::read_to_string(&sheet.path).unwrap_or_default();
    let environment = sheet.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let build = Build::of_library(&sheet.library, environment.chain([("", said.as_str())]));
    Origin { build, ..origin(machine, lane) }
}

/// The folder of findings of a driver in a shared library.
pub(super) fn folder_of_library(typed: Option<&Path>, sheet: &Sheet) -> PathBuf {
    let root = workspace_root().unwrap_or_default();
    let at_home = root.join("fuzz/drivers").join(folder_name(&sheet.name));
    typed.map_or_else(|| relative(&at_home), Path::to_owned)
}

/// A name as that of a folder: letters and digits, and hyphens between them.
pub(super) fn folder_name(name: &str) -> String {
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '\'');
    let words: Vec<String> = words
        .map(|word| word.replace('\'', "").to_lowercase())
        .filter(|word| !word.is_empty())
        .collect();
    if words.is_empty() { "unnamed".to_owned() } else { words.join("-") }
}

/// A change of what is told of a bug, in one line; `None` if there was none.
pub(super) fn change_line(retried: &Retried) -> Option<String> {
    let Retried { bug, before, after, shown, votes } = retried;
    let word = |state: &Option<State>| state.map_or("forgotten", State::name);
    (before != after).then(|| {
        format!(
            "{} {} ({}): {} -> {}, {shown} of {votes} runs showed it",
            bug.fingerprint,
            bug.invariant,
            bug.driver,
            word(before),
            word(after),
        )
    })
}

/// The store, for a search. What goes wrong with it ends no search: it is told, and the reproducers
/// are there.
pub(super) struct Noted {
    store: Option<Store>,
    driver: String,
    origin: Origin,
    noted: BTreeSet<Fingerprint>,
    troubles: Vec<StoreError>,
    /// Who hears of what is new or back.
    webhook: Option<Webhook>,
    /// What is in the store, until something is noted.
    counts: Option<Counts>,
}

impl Noted {
    /// Opens the store of a folder for a search of the driver of this name.
    pub(super) fn open(
        folder: &Path,
        driver: String,
        origin: Origin,
        webhook: Option<Webhook>,
    ) -> Self {
        let mut noted = Self {
            store: None,
            driver,
            origin,
            noted: BTreeSet::new(),
            troubles: Vec::new(),
            webhook,
            counts: None,
        };
        // A file says by itself if a fault was planted.
        let is_planted = noted.driver.starts_with(CORE_WITH);
        let honest = if is_planted { CORE } else { noted.driver.as_str() };
        match Store::open_of(folder, honest) {
            Ok(store) => noted.store = Some(store),
            Err(error) => noted.troubles.push(error),
        }
        noted
    }

    /// Tries the known bugs of the driver again, and tells what has changed.
    pub(super) fn try_again(
        &mut self,
        dut: &AnyDut,
        own_process: Option<&OwnProcess>,
        console: &mut Console<'_>,
    ) {
        let Some(store) = &mut self.store else { return };
        let origin = Origin { lane: "known bugs again".to_owned(), ..self.origin.clone() };
        let hangs = own_process.map(|own| |sequence: &_| own.hang(sequence).is_some());
        let hangs = hangs.as_ref().map(|hangs| hangs as _);
        let retry = Retry { dut, driver: &self.driver, origin: &origin, hangs };
        let mut tell = |retried: &Retried| {
            change_line(retried).into_iter().for_each(|line| console.note(&line));
            if let Some(webhook) = &self.webhook {
                let notice = notice(&retried.bug, (retried.before, retried.after), &origin);
                notice.into_iter().for_each(|notice| webhook.post(notice));
            }
        };
        self.troubles.extend(retry.all(store, &mut tell).err());
        self.counts = None;
    }

    /// Notes a finding, once.
    pub(super) fn note(&mut self, finding: &Finding) {
        let Some(store) = &mut self.store else { return };
        if self.noted.contains(&finding.fingerprint) {
            return;
        }
        let sighted = Sighted {
            fingerprint: finding.fingerprint,
            invariant: finding.invariant,
            happened: &finding.happened,
            text: &finding.text,
            path: finding.path.as_deref(),
        };
        let before = state_of(store, &self.driver, finding.fingerprint);
        let mut noted = store.note_sighted(&self.driver, &sighted, &self.origin);
        for &part in &finding.parts {
            let of = finding.fingerprint;
            noted = noted.and_then(|_| store.note(&self.driver, part, Body::DuplicateOf { of }));
        }
        match noted {
            Ok(_) => drop(self.noted.insert(finding.fingerprint)),
            Err(error) => self.troubles.push(error),
        }
        self.counts = None;
        if let (Some(webhook), Ok(before), Ok(Some((after, bug)))) =
            (&self.webhook, before, state_of(store, &self.driver, finding.fingerprint))
        {
            let before = before.and_then(|(state, _)| state);
            let notice = notice(&bug, (before, after), &self.origin);
            notice.into_iter().for_each(|notice| webhook.post(notice));
        }
    }

    /// What is in the store, by states.
    pub(super) fn counts(&mut self) -> &Counts {
        let (store, driver) = (&self.store, &self.driver);
        self.counts.get_or_insert_with(|| {
            // What keeps the store from being read was or will be told by whatever writes to it.
            let bugs = store.as_ref().and_then(|store| store.bugs().ok()).unwrap_or_default();
            Counts::of(&bugs, Some(driver), Moment::now())
        })
    }

    /// Tells what went wrong; then the workbench has failed, whatever the search has found.
    pub(super) fn end(self, console: &mut Console<'_>) -> Exit {
        for error in &self.troubles {
            console.warning(&format!("what was found is not in the store: {error}"));
            error
                .way_out()
                .into_iter()
                .for_each(|way_out| console.note(&format!("  try: {way_out}")));
        }
        let unposted = self.webhook.map(Webhook::end).unwrap_or_default();
        unposted.iter().for_each(|trouble| console.warning(trouble));
        if self.troubles.is_empty() { Exit::Held } else { Exit::WorkbenchFailed }
    }
}

/// What is told of a bug, and the bug; nothing of one that nobody has noted.
fn state_of(
    store: &Store,
    driver: &str,
    fingerprint: Fingerprint,
) -> Result<Option<(Option<State>, Bug)>, StoreError> {
    let events = store.events_of(driver, fingerprint)?;
    Ok((!events.is_empty()).then(|| {
        let bug = Bug::of(&events);
        (bug.state(Moment::now()), bug)
    }))
}

/// What somebody should hear of a bug whose state has changed, if anything.
fn notice(
    bug: &Bug,
    (before, after): (Option<State>, Option<State>),
    origin: &Origin,
) -> Option<Notice> {
    let event = Occasion::of(before, after)?;
    let Bug { driver, fingerprint, invariant, happened, .. } = bug;
    Some(Notice {
        version: NOTICE_VERSION,
        event,
        text: format!("{} in {driver}: {fingerprint} {invariant}: {happened}", event.name()),
        time: Moment::now(),
        driver: driver.clone(),
        fingerprint: *fingerprint,
        invariant: invariant.clone(),
        happened: happened.clone(),
        build: origin.build.clone(),
        machine: origin.machine.clone(),
        lane: origin.lane.clone(),
        sequence: bug.text.clone(),
    })
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let exit = if error.is_about_usage() { Exit::BadUsage } else { Exit::WorkbenchFailed };
        Self { exit, way_out: error.way_out(), message: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use crate::store::told_with;

    use super::*;

    fn finding(fingerprint: &str, parts: &[Fingerprint]) -> Finding {
        Finding {
            invariant: "double-finish",
            happened: "answered S_OK".to_owned(),
            fingerprint: fingerprint.parse().unwrap(),
            story: String::new(),
            text: "# rekeylab sequence 1\n".to_owned(),
            call_count: 1,
            path: None,
            replay: None,
            is_known: false,
            parts: parts.to_vec(),
        }
    }

    #[test]
    fn what_a_finding_says_more_of_is_told_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let origin = Origin { build: Build::named("a"), machine: "m".into(), lane: "l".into() };
        let mut noted = Noted::open(folder.path(), CORE.to_owned(), origin, None);
        let part = finding("0000-0001", &[]);
        let never_noted = "0000-0009".parse().unwrap();
        let whole = finding("0000-0002", &[part.fingerprint, never_noted]);
        noted.note(&part);
        noted.note(&whole);
        assert!(noted.troubles.is_empty(), "{:?}", noted.troubles);
        let bugs = Store::open(folder.path()).unwrap().bugs().unwrap();
        let with = told_with(&bugs);
        assert_eq!(bugs.len(), 2, "{bugs:?}");
        assert!(
            bugs.iter()
                .all(|bug| { with[&(bug.driver.clone(), bug.fingerprint)] == whole.fingerprint })
        );
    }
}
