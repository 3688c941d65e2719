//! What a team looks at: its findings, its campaigns and its coverage as pages that fetch nothing.
//!
//! ```text
//! findings store ──────┐
//! records of campaigns ┼─► Dashboard ─► a page for each path ─► files below a folder
//! coverage, drills ────┘       ▲                            └─► a server on this machine
//!                    a reproducer, run again
//! ```
//!
//! Every page has a path, and links are relative, so that what is served and what is written are the same. It is
//! only ever read: nothing here changes a finding. All text goes through templates that escape it, since stories
//! quote what a driver has said.

mod again;
mod builds;
mod chart;
mod drills;
mod page;
mod picture;
mod serve;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::campaign::{read_record, record_ids};
use crate::report::Fingerprint;
use crate::store::{Bug, Moment, State, Store, StoreError};
use crate::telemetry::{Counts, exposition, latest};

pub use serve::{ServeError, serve};

use again::{Again, Shown};
use builds::{COMPARED_WITH, Name, Seen, Vote, builds, votes};

/// The media type of metrics.
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The file in a folder of findings that has the last drills of all faults, as JSON.
pub const DRILLS: &str = "drills.json";

/// How many findings or campaigns a page lists.
const LISTED: usize = 100;

/// Where a dashboard has everything from.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The workspace, in which reproducers are run.
    pub root: PathBuf,
    /// This program.
    pub program: PathBuf,
    /// The folder of findings, with the store and the records of campaigns.
    pub findings: PathBuf,
    /// The data sheet of the driver that they are about, if that is not the core.
    pub sheet: Option<PathBuf>,
    /// The page of coverage, if there is one.
    pub coverage: PathBuf,
}

/// All pages.
#[derive(Debug)]
pub struct Dashboard {
    sources: Sources,
    store: Mutex<Store>,
    bugs: Mutex<Folded>,
    again: Again,
}

/// The bugs that the events until a place in the store come to.
#[derive(Debug, Default)]
struct Folded {
    place: i64,
    by_name: BTreeMap<Name, Bug>,
    /// What builds say about them.
    votes: BTreeMap<Name, Vec<Vote>>,
    in_order: Arc<Vec<Bug>>,
}

/// A page as a browser gets it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// The media type.
    pub kind: &'static str,
    /// The bytes.
    pub body: Vec<u8>,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// No page has this path.
    #[error("there is no such page")]
    NotThere,
    /// The findings store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Which findings a list has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Listed {
    All,
    Of(State),
}

impl Listed {
    fn every() -> impl Iterator<Item = Self> {
        core::iter::once(Self::All).chain(State::ALL.map(Self::Of))
    }

    fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Of(state) => state.name(),
        }
    }

    fn has(self, state: Option<State>) -> bool {
        match self {
            Self::All => true,
            Self::Of(of) => state == Some(of),
        }
    }
}

impl Dashboard {
    /// Opens the store of the findings.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn open(sources: Sources) -> Result<Self, StoreError> {
        let store = Store::open(&sources.findings)?;
        let again = Again::new(&sources);
        let (store, bugs) = (Mutex::new(store), Mutex::default());
        let dashboard = Self { sources, store, bugs, again };
        // So that the first reader does not wait for it.
        dashboard.bugs()?;
        Ok(dashboard)
    }

    /// The page of a path such as `index.html`, as it is now.
    ///
    /// # Errors
    ///
    /// When no page has this path, or the findings store cannot be read.
    pub fn page(&self, path: &str) -> Result<Page, PageError> {
        let html =
            |text: String| Page { kind: "text/html; charset=utf-8", body: text.into_bytes() };
        let now = Moment::now();
        match path {
            "" | "index.html" => Ok(html(page::index(self, now)?)),
            "style.css" => Ok(Page { kind: "text/css; charset=utf-8", body: page::STYLE.into() }),
            "metrics" => Ok(Page { kind: METRICS, body: self.metrics()?.into_bytes() }),
            "icon.svg" => Ok(Page { kind: "image/svg+xml", body: page::ICON.into() }),
            "filter.js" => {
                Ok(Page { kind: "text/javascript; charset=utf-8", body: page::FILTER.into() })
            }
            "drills.html" => Ok(html(drills::drills(self)?)),
            "coverage.html" => {
                let body = std::fs::read(&self.sources.coverage);
                Ok(Page {
                    kind: "text/html; charset=utf-8",
                    body: body.map_err(|_| PageError::NotThere)?,
                })
            }
            _ => {
                let (folder, name) = path
                    .strip_suffix(".html")
                    .and_then(|path| path.split_once('/'))
                    .ok_or(PageError::NotThere)?;
                match folder {
                    "findings" => Ok(html(page::findings(self, name, now)?)),
                    "finding" => Ok(html(page::finding(self, name, now)?)),
                    "builds" => Ok(html(page::builds(self, name)?)),
                    "compare" => Ok(html(page::compare(self, name, now)?)),
                    "campaigns" => Ok(html(page::campaigns(self, name)?)),
                    "campaign" => Ok(html(page::campaign(self, name)?)),
                    _ => Err(PageError::NotThere),
                }
            }
        }
    }

    /// The path of every page that there is now.
    ///
    /// # Errors
    ///
    /// When the findings store cannot be read.
    pub fn paths(&self) -> Result<Vec<String>, PageError> {
        let now = Moment::now();
        let bugs = self.bugs()?;
        let mut paths: Vec<String> =
            ["index.html", "style.css", "icon.svg", "filter.js"].map(str::to_owned).into();
        if self.has_coverage() {
            paths.push("coverage.html".to_owned());
        }
        if self.has_drills() {
            paths.push("drills.html".to_owned());
        }
        let builds = self.builds()?;
        let numbers = 1..=builds.len().div_ceil(LISTED).max(1);
        paths.extend(numbers.map(|number| format!("builds/{number}.html")));
        for (at, after) in builds.iter().enumerate() {
            let before = builds.iter().skip(at + 1).take(COMPARED_WITH);
            let path = |before: &Seen| format!("compare/{}...{}.html", before.name(), after.name());
            paths.extend(before.map(path));
        }
        for listed in Listed::every() {
            let count = bugs.iter().filter(|bug| listed.has(bug.state(now))).count();
            let numbers = 1..=count.div_ceil(LISTED).max(1);
            paths.extend(numbers.map(|number| format!("findings/{}-{number}.html", listed.name())));
        }
        paths.extend(bugs.iter().map(|bug| format!("finding/{}.html", page::name_of(bug))));
        let ids = record_ids(&self.sources.findings);
        let numbers = 1..=ids.len().div_ceil(LISTED).max(1);
        paths.extend(numbers.map(|number| format!("campaigns/{number}.html")));
        let is_readable = |id: &&String| read_record(&self.sources.findings, id).is_some();
        paths.extend(ids.iter().filter(is_readable).map(|id| format!("campaign/{id}.html")));
        Ok(paths)
    }

    fn has_coverage(&self) -> bool {
        self.sources.coverage.is_file()
    }

    fn has_drills(&self) -> bool {
        self.drills_path().is_file() || self.mutants_path().is_file()
    }

    /// What `rekeylab canary` has kept last.
    fn drills_path(&self) -> PathBuf {
        self.sources.findings.join(DRILLS)
    }

    /// What `ci/mutants.sh` has written.
    fn mutants_path(&self) -> PathBuf {
        self.sources.root.join("ci/MUTANTS.md")
    }

    /// Every bug, what regressed first. Only those are folded anew that something has happened to.
    fn bugs(&self) -> Result<Arc<Vec<Bug>>, StoreError> {
        let store = lock(&self.store);
        let mut folded = lock(&self.bugs);
        let (place, changed) = store.changed_since(folded.place)?;
        if changed.is_empty() {
            return Ok(Arc::clone(&folded.in_order));
        }
        for (driver, fingerprint) in changed {
            let events = store.events_of(&driver, fingerprint)?;
            folded.votes.insert((driver.clone(), fingerprint), votes(&events));
            folded.by_name.insert((driver, fingerprint), Bug::of(&events));
        }
        folded.place = place;
        let now = Moment::now();
        let bugs = folded.by_name.values().filter(|bug| bug.state(now).is_some());
        let mut bugs: Vec<Bug> = bugs.cloned().collect();
        bugs.sort_by_cached_key(|bug| {
            (bug.state(now), core::cmp::Reverse(bug.last_seen), bug.fingerprint)
        });
        folded.in_order = Arc::new(bugs);
        Ok(Arc::clone(&folded.in_order))
    }

    /// Every build that was asked about a bug, the latest first.
    fn builds(&self) -> Result<Vec<Seen>, StoreError> {
        self.bugs()?;
        Ok(builds(lock(&self.bugs).votes.iter()))
    }

    /// Findings and the last campaigns, for a collector.
    fn metrics(&self) -> Result<String, StoreError> {
        let counts = Counts::of(&self.bugs()?, None, Moment::now());
        Ok(exposition(&counts, &latest(&self.sources.findings)))
    }

    /// What a finding tells when its reproducer is run.
    fn shown(&self, bug: &Bug) -> Arc<Shown> {
        let folder = lock(&self.store).folder().to_owned();
        self.again.shown(bug, &folder)
    }

    fn events_of(
        &self,
        driver: &str,
        fingerprint: Fingerprint,
    ) -> Result<Vec<crate::store::Event>, StoreError> {
        lock(&self.store).events_of(driver, fingerprint)
    }
}

/// What a thread that panicked left is whole: it is replaced, and never changed in place.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
