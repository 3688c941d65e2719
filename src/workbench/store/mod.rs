//! The findings store: the life of every bug, over all builds, lanes and machines.
//!
//! ```text
//! fuzz, exhaust ─► found, seen ─┐
//! retry ─────────► tried ───────┼─► events (append-only) ─► fold ─► bugs and their states
//! people ────────► ignored, ... ┘        ▲
//!                   another store ───────┘  union
//! ```
//!
//! It is one SQLite file, `findings.sqlite`, beside the readable reproducers, which stay the record of
//! what a bug is. What is stored are [events](Event) that never change, each with an id that is made of
//! what it says and of the run which says it. A [bug](Bug) is what its events come to, in the order of
//! time and id. So two stores are [merged](Store::take_in) by taking the events of both: nothing is
//! lost, and in which order and how often that is done makes no difference.
//!
//! It is the one part of the workbench that asks for the time and for the name of the machine: both are
//! what it is there to remember, and nothing else depends on them.

mod bug;
mod error;
mod event;
mod merge;
mod origin;
mod rebuild;
pub mod retry;
mod schema;
mod state;
mod time;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use crate::report::Fingerprint;

pub use bug::{Bug, Ignored, told_with};
pub use error::StoreError;
pub use event::{Body, EVENT_VERSION, Event};
pub use merge::{Taken, bring_events, read_events};
pub use origin::{Build, Origin, machine_name};
pub use rebuild::{Rebuilt, rebuild};
pub use schema::SCHEMA_VERSION;
pub use state::{Sources, Standing, State, Step, step, told};
pub use time::{Moment, NoMoment};

/// The name of the store in a folder of findings.
pub const FILE_NAME: &str = "findings.sqlite";

/// A store that is open.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    folder: PathBuf,
    path: PathBuf,
    /// This run of the program, in its events.
    run: String,
    /// How many events it has noted.
    noted_count: u64,
}

/// A bug that a search has seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sighted<'a> {
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// The invariant that it breaks.
    pub invariant: &'a str,
    /// What happens, as a sentence fragment.
    pub happened: &'a str,
    /// The text of the reproducer.
    pub text: &'a str,
    /// Where that is stored, if it is.
    pub path: Option<&'a Path>,
}

/// What the driver core is called.
pub const CORE: &str = "core";

impl Store {
    /// Opens the store of a folder of findings of the driver core. One that is not there yet is made, and begins with
    /// the reproducers of the folder.
    ///
    /// # Errors
    ///
    /// When the folder or the store cannot be made or read, when the store is damaged, or when a later
    /// program has written it. A store that is damaged is left as it is.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Self::open_of(folder, CORE)
    }

    /// The same of the findings of this driver: what a reproducer shows that names no planted fault is a bug of it.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Store::open).
    pub fn open_of(folder: &Path, driver: &str) -> Result<Self, StoreError> {
        let path = folder.join(FILE_NAME);
        fs::create_dir_all(folder).map_err(|error| StoreError::Write {
            path: folder.to_owned(),
            why: error.to_string(),
        })?;
        let (connection, is_new) = schema::open(&path)?;
        let run =
            event::hash(&format!("{} {} {}", machine_name(), std::process::id(), Moment::now()));
        let run = run[..16].to_owned();
        let mut store = Self { connection, folder: folder.to_owned(), path, run, noted_count: 0 };
        if is_new {
            let (events, _) = rebuild::events_of_files(folder, driver);
            store.take_in(&events)?;
        }
        Ok(store)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of findings that it is the store of.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Notes what happened to a bug. When this returns, it is on the disk.
    ///
    /// # Errors
    ///
    /// When it cannot be written; then nothing has changed.
    pub fn note(
        &mut self,
        driver: &str,
        fingerprint: Fingerprint,
        body: Body,
    ) -> Result<Event, StoreError> {
        self.note_what(driver, fingerprint, |_| body)
    }

    /// Notes that a search has seen a bug: found it if nobody has before, or seen it again.
    ///
    /// # Errors
    ///
    /// When it cannot be written; then nothing has changed.
    pub fn note_sighted(
        &mut self,
        driver: &str,
        sighted: &Sighted<'_>,
        origin: &Origin,
    ) -> Result<Event, StoreError> {
        let file = sighted.path.map(|path| {
            let below = path.strip_prefix(&self.folder).unwrap_or(path);
            below.to_string_lossy().into_owned()
        });
        self.note_what(driver, sighted.fingerprint, |earlier| {
            let bug = (!earlier.is_empty()).then(|| Bug::of(earlier));
            match bug {
                Some(bug) if bug.standing != Standing::Absent => {
                    Body::Seen { times: 1, origin: origin.clone() }
                }
                _ => Body::Found {
                    invariant: sighted.invariant.to_owned(),
                    happened: sighted.happened.to_owned(),
                    text: sighted.text.to_owned(),
                    file,
                    origin: origin.clone(),
                },
            }
        })
    }

    /// Every bug that is there, in the order of drivers and fingerprints.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub fn bugs(&self) -> Result<Vec<Bug>, StoreError> {
        let mut by_bug: BTreeMap<(String, Fingerprint), Vec<Event>> = BTreeMap::new();
        for event in self.events()? {
            by_bug.entry((event.driver.clone(), event.fingerprint)).or_default().push(event);
        }
        let bugs = by_bug.values().map(|events| Bug::of(events));
        Ok(bugs.filter(|bug| bug.standing != Standing::Absent).collect())
    }

    /// What happened to one bug, in order; nothing if there is no such bug.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub fn events_of(
        &self,
        driver: &str,
        fingerprint: Fingerprint,
    ) -> Result<Vec<Event>, StoreError> {
        events_of(&self.connection, &self.path, driver, fingerprint)
    }

    /// The bugs that something has happened to since a place in the store, and the place until which that is
    /// so; 0 is before everything. So nobody has to go through all events for a single new one.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub fn changed_since(
        &self,
        place: i64,
    ) -> Result<(i64, Vec<(String, Fingerprint)>), StoreError> {
        let told = |error: rusqlite::Error| StoreError::of(&self.path, &error);
        let last = "SELECT coalesce(max(rowid), 0) FROM event";
        let last = self.connection.query_row(last, [], |row| row.get(0)).map_err(told)?;
        let changed =
            "SELECT DISTINCT driver, fingerprint FROM event WHERE rowid > ? AND rowid <= ?";
        let mut statement = self.connection.prepare(changed).map_err(told)?;
        let rows = statement
            .query_map([place, last], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))
            .map_err(told)?;
        let mut bugs = Vec::new();
        for row in rows {
            let (driver, fingerprint) = row.map_err(told)?;
            // One that is none was noted by nobody.
            bugs.extend(fingerprint.parse().ok().map(|fingerprint| (driver, fingerprint)));
        }
        Ok((last, bugs))
    }

    /// Everything that happened, in order.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub fn events(&self) -> Result<Vec<Event>, StoreError> {
        let mut events = merge::lines_of(&self.connection, &self.path)?;
        events.sort_by(|a, b| a.order().cmp(&b.order()));
        Ok(events)
    }

    /// Notes what `body` makes of the events of the bug until now, all in one transaction.
    fn note_what(
        &mut self,
        driver: &str,
        fingerprint: Fingerprint,
        body: impl FnOnce(&[Event]) -> Body,
    ) -> Result<Event, StoreError> {
        let path = self.path.clone();
        let told = |error: rusqlite::Error| StoreError::of(&path, &error);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(told)?;
        let earlier = events_of(&transaction, &path, driver, fingerprint)?;
        // The clocks of two machines differ, and one may be put back: what is noted after something
        // that the store knows is told after it, all the same.
        let last = earlier.last().map_or(Moment::EPOCH, |last| last.time.next());
        let event = Event {
            version: EVENT_VERSION,
            id: String::new(),
            time: Moment::now().max(last),
            run: self.run.clone(),
            number: self.noted_count,
            driver: driver.to_owned(),
            fingerprint,
            body: body(&earlier),
        };
        let event = event.with_id();
        insert(&transaction, &event).map_err(told)?;
        transaction.commit().map_err(told)?;
        self.noted_count += 1;
        Ok(event)
    }
}

/// Writes an event that may be there already; says how many rows that made.
fn insert(transaction: &Transaction<'_>, event: &Event) -> rusqlite::Result<usize> {
    let mut statement = transaction.prepare(
        "INSERT OR IGNORE INTO event (id, time, driver, fingerprint, line) VALUES (?, ?, ?, ?, ?)",
    )?;
    let (time, fingerprint) = (event.time.to_string(), event.fingerprint.to_string());
    statement.execute(params![event.id, time, event.driver, fingerprint, event.line()])
}

fn events_of(
    connection: &Connection,
    path: &Path,
    driver: &str,
    fingerprint: Fingerprint,
) -> Result<Vec<Event>, StoreError> {
    let told = |error: rusqlite::Error| StoreError::of(path, &error);
    let mut statement = connection
        .prepare("SELECT line FROM event WHERE driver = ? AND fingerprint = ? ORDER BY time, id")
        .map_err(told)?;
    let of_bug = params![driver, fingerprint.to_string()];
    let rows = statement.query_map(of_bug, |row| row.get::<_, String>(0)).map_err(told)?;
    let event = |row: rusqlite::Result<String>| merge::event_of(path, &row.map_err(told)?);
    rows.map(event).collect()
}

#[cfg(test)]
mod tests;
