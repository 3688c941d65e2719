//! The tables of the store, the versions that they had, and how a file becomes a store.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::error::StoreError;

/// How long a campaign waits for others that write to the store: a write takes milliseconds, and a
/// disk that is much slower than that is one that somebody should hear of.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// What makes a store of a store of the version before; the first makes one of an empty file. The
/// number of those that a file has seen is its `user_version`.
///
/// An event is its line, which is written once and never changed. The other columns repeat what is in
/// it, so that the events of one bug are found without reading all lines.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE event (
        id TEXT NOT NULL PRIMARY KEY,
        time TEXT NOT NULL,
        driver TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        line TEXT NOT NULL
    ) STRICT;
    CREATE INDEX events_of_a_bug ON event (driver, fingerprint, time, id);
    "];

/// The version of the stores that this program writes.
pub const SCHEMA_VERSION: u32 = 1;

/// Says in the header of a database that it is a findings store: "rkyl".
const APPLICATION_ID: i32 = 0x726B_796C;

/// Opens the store at `path` for writing, and makes one of a file that is not there or is empty; says
/// whether it did.
pub(super) fn open(path: &Path) -> Result<(Connection, bool), StoreError> {
    let told = |error: rusqlite::Error| StoreError::of(path, &error);
    let mut connection = Connection::open(path).map_err(told)?;
    connection.busy_timeout(PATIENCE).map_err(told)?;
    // One file at rest, which can be copied. A transaction is on the disk before its commit returns, and
    // with EXTRA so is the end of its journal, so that a loss of power does not take it back.
    connection.pragma_update(None, "journal_mode", "DELETE").map_err(told)?;
    connection.pragma_update(None, "synchronous", "EXTRA").map_err(told)?;
    let mut is_new = false;
    if version_at_once(&mut connection, path)? < SCHEMA_VERSION {
        let migration =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(told)?;
        // Another process may have been faster.
        let version = version_of(&migration, path)?;
        for step in MIGRATIONS.iter().skip(version as usize) {
            migration.execute_batch(step).map_err(told)?;
        }
        migration.pragma_update(None, "application_id", APPLICATION_ID).map_err(told)?;
        migration.pragma_update(None, "user_version", SCHEMA_VERSION).map_err(told)?;
        migration.commit().map_err(told)?;
        is_new = version == 0;
    }
    check(&connection, path)?;
    Ok((connection, is_new))
}

/// Opens a store of any version that this program knows, to be read and not to be changed.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection =
        Connection::open_with_flags(path, flags).map_err(|error| StoreError::of(path, &error))?;
    connection.busy_timeout(PATIENCE).map_err(|error| StoreError::of(path, &error))?;
    if version_at_once(&mut connection, path)? == 0 {
        return Err(StoreError::NotAStore { path: path.to_owned() });
    }
    Ok(connection)
}

/// The version of a store, of which nothing changes while it is looked at: another process may be making it.
fn version_at_once(connection: &mut Connection, path: &Path) -> Result<u32, StoreError> {
    let reading = connection.transaction().map_err(|error| StoreError::of(path, &error))?;
    version_of(&reading, path)
}

/// The version of a store; 0 for an empty file.
fn version_of(connection: &Connection, path: &Path) -> Result<u32, StoreError> {
    let told = |error: rusqlite::Error| StoreError::of(path, &error);
    let number = |pragma: &str| -> rusqlite::Result<i64> {
        connection.pragma_query_value(None, pragma, |row| row.get(0))
    };
    let version = u32::try_from(number("user_version").map_err(told)?).unwrap_or(u32::MAX);
    let application_id = number("application_id").map_err(told)?;
    let table_count: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(told)?;
    if application_id != i64::from(APPLICATION_ID) && (version != 0 || table_count != 0) {
        return Err(StoreError::NotAStore { path: path.to_owned() });
    }
    if version > SCHEMA_VERSION {
        let path = path.to_owned();
        return Err(StoreError::Newer { path, version, known: SCHEMA_VERSION });
    }
    Ok(version)
}

/// Looks whether what is in the file hangs together, so that nothing is written to one that does not.
fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let answer: Result<String, _> =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    match answer {
        Ok(answer) if answer == "ok" => Ok(()),
        Ok(why) => Err(StoreError::Damaged { path: path.to_owned(), why }),
        Err(error) => Err(StoreError::of(path, &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_counts_the_migrations() {
        assert_eq!(MIGRATIONS.len(), SCHEMA_VERSION as usize);
    }

    #[test]
    fn a_later_version_and_a_database_of_something_else_are_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("findings.sqlite");
        let (connection, is_new) = open(&path).unwrap();
        assert!(is_new);
        connection.pragma_update(None, "user_version", 7).unwrap();
        drop(connection);
        let error = open(&path).unwrap_err().to_string();
        assert!(error.ends_with("findings.sqlite is a findings store of version 7, and this program knows none above 1"), "{error}");

        let path = directory.path().join("other.sqlite");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE a (b)").unwrap();
        for result in [open(&path).map(drop), open_to_read(&path).map(drop)] {
            let error = result.unwrap_err().to_string();
            assert!(
                error.ends_with("other.sqlite is a database, but no findings store"),
                "{error}"
            );
        }
    }
}
