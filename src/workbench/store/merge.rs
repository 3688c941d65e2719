//! Two stores become one: the events of both, from another store or from lines of JSON.

use std::fs;
use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::error::StoreError;
use super::event::Event;
use super::{FILE_NAME, Store, insert, schema};

/// What every SQLite database begins with.
const SQLITE_HEADER: &[u8] = b"SQLite format 3\0";

/// What became of events that were taken in.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Taken {
    /// How many the store did not have.
    pub new_count: usize,
    /// How many it had already.
    pub known_count: usize,
}

impl Store {
    /// Takes in the events of another store, all or none. Those that are there already change nothing.
    ///
    /// # Errors
    ///
    /// When they cannot be written; then none was.
    pub fn take_in(&mut self, events: &[Event]) -> Result<Taken, StoreError> {
        let path = self.path.clone();
        let told = |error: rusqlite::Error| StoreError::of(&path, &error);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(told)?;
        let mut taken = Taken::default();
        for event in events {
            let count = insert(&transaction, event).map_err(told)?;
            taken.new_count += count;
            taken.known_count += 1 - count.min(1);
        }
        transaction.commit().map_err(told)?;
        Ok(taken)
    }

    /// Everything that happened as lines of JSON, in order: what [`read_events`] reads.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub fn export(&self) -> Result<String, StoreError> {
        let events = self.events()?;
        Ok(events.iter().map(|event| event.line() + "\n").collect())
    }
}

/// Tells the store of one folder of findings what that of another knows; a folder without a store knows
/// nothing.
///
/// # Errors
///
/// When one of them cannot be read or written.
pub fn bring_events(from: &Path, to: &Path) -> Result<Taken, StoreError> {
    let known = from.join(FILE_NAME);
    if !known.exists() {
        return Ok(Taken::default());
    }
    Store::open(to)?.take_in(&read_events(&known)?)
}

/// Reads the events of a file: lines of JSON, or another store, which is not changed.
///
/// # Errors
///
/// When it cannot be read, is damaged or of a later version, or a line is no event; that is named.
pub fn read_events(path: &Path) -> Result<Vec<Event>, StoreError> {
    let bytes =
        fs::read(path).map_err(|source| StoreError::Read { path: path.to_owned(), source })?;
    if bytes.starts_with(SQLITE_HEADER) {
        return lines_of(&schema::open_to_read(path)?, path);
    }
    let text = String::from_utf8_lossy(&bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let event = |(line, text): (usize, &str)| {
        Event::parse(text).map_err(|why| StoreError::Line { path: path.to_owned(), line, why })
    };
    lines.map(event).collect()
}

/// Every event of a store, in whatever order they lie there.
pub(super) fn lines_of(connection: &Connection, path: &Path) -> Result<Vec<Event>, StoreError> {
    let told = |error: rusqlite::Error| StoreError::of(path, &error);
    let mut statement = connection.prepare("SELECT line FROM event").map_err(told)?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).map_err(told)?;
    rows.map(|row| event_of(path, &row.map_err(told)?)).collect()
}

/// The event of a line that a store has kept.
pub(super) fn event_of(path: &Path, line: &str) -> Result<Event, StoreError> {
    Event::parse(line).map_err(|why| StoreError::Damaged { path: path.to_owned(), why })
}
