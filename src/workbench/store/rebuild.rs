//! A store that is damaged is moved aside and made anew, of what can be read of it and of the files.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::error::StoreError;
use super::event::{Body, EVENT_VERSION, Event};
use super::origin::{Build, Origin};
use super::time::Moment;
use super::{CORE, FILE_NAME, Store, schema};
use crate::corpus::{Form, find, read};
use crate::report::Fingerprint;

/// What a new store was made of.
#[derive(Debug)]
pub struct Rebuilt {
    /// The store.
    pub store: Store,
    /// Where the old one is now, if there was one.
    pub moved_to: Option<PathBuf>,
    /// How many events of the old one could be read.
    pub salvaged_count: usize,
    /// How many reproducers no event spoke of.
    pub adopted_count: usize,
    /// Files of the folder that are no reproducers.
    pub troubles: Vec<String>,
}

/// Moves the store of a folder aside, whatever it is, and makes a new one: of the events of the old one
/// that can still be read, and of the reproducers that none of them speaks of. What those show is a bug of this driver.
///
/// # Errors
///
/// When the old one cannot be moved or the new one not be written.
pub fn rebuild(folder: &Path, driver: &str) -> Result<Rebuilt, StoreError> {
    let moved_to = move_aside(folder)?;
    let salvaged = moved_to.as_deref().map(salvage).unwrap_or_default();
    // It is made empty, because what is adopted depends on what was salvaged.
    let path = folder.join(FILE_NAME);
    fs::create_dir_all(folder)
        .map_err(|error| StoreError::Write { path: folder.to_owned(), why: error.to_string() })?;
    drop(schema::open(&path)?);
    let mut store = Store::open_of(folder, driver)?;
    store.take_in(&salvaged)?;
    let (mut adopted, troubles) = events_of_files(folder, driver);
    adopted.retain(|event| salvaged.iter().all(|other| other.fingerprint != event.fingerprint));
    store.take_in(&adopted)?;
    Ok(Rebuilt {
        store,
        moved_to,
        salvaged_count: salvaged.len(),
        adopted_count: adopted.len(),
        troubles,
    })
}

/// Moves a store to a name that nothing has; its journal goes with it, as it is part of it.
fn move_aside(folder: &Path) -> Result<Option<PathBuf>, StoreError> {
    let path = folder.join(FILE_NAME);
    if !path.exists() {
        return Ok(None);
    }
    let aside = |number: u32| folder.join(format!("{FILE_NAME}.damaged-{number}"));
    let mut free = (1..).map(aside).filter(|aside| !aside.exists());
    let aside = free.next().expect("a folder has fewer files than there are numbers");
    let journal = |path: &Path| {
        let mut name = path.as_os_str().to_owned();
        name.push("-journal");
        PathBuf::from(name)
    };
    let told =
        |error: std::io::Error| StoreError::Write { path: path.clone(), why: error.to_string() };
    // The journal first: without its store it is nothing, and a store without it may be half a change.
    if journal(&path).exists() {
        fs::rename(journal(&path), journal(&aside)).map_err(told)?;
    }
    fs::rename(&path, &aside).map_err(told)?;
    Ok(Some(aside))
}

/// The events that can be read of a store that may be damaged. Each proves itself by its id.
fn salvage(path: &Path) -> Vec<Event> {
    let read = || -> rusqlite::Result<Vec<Event>> {
        let connection = Connection::open(path)?;
        // So SQLite also reads a file of which the end is missing.
        connection.pragma_update(None, "writable_schema", true)?;
        let mut events = Vec::new();
        // In the order of the file and against it: a page that is broken ends both, and what lies
        // before and behind it is told by one of them.
        for order in ["", "DESC"] {
            let query = format!("SELECT line FROM event NOT INDEXED ORDER BY rowid {order}");
            let mut statement = connection.prepare(&query)?;
            let mut rows = statement.query([])?;
            while let Ok(Some(row)) = rows.next() {
                let line = row.get::<_, String>(0);
                events.extend(line.ok().and_then(|line| Event::parse(&line).ok()));
            }
        }
        Ok(events)
    };
    let mut events = read().unwrap_or_default();
    if events.is_empty() {
        // Somebody may have put an export in its place.
        let text = fs::read(path).unwrap_or_default();
        let lines = String::from_utf8_lossy(&text);
        events.extend(lines.lines().filter_map(|line| Event::parse(line).ok()));
    }
    events.sort_by(|a, b| a.order().cmp(&b.order()));
    events.dedup();
    events
}

/// What the reproducers of a folder say: that each was found, by whom and by which build nobody knows,
/// when the file was written; and what is no reproducer.
///
/// Which driver has the bug stands in the file if that is a planted fault, and is this one otherwise.
pub(super) fn events_of_files(folder: &Path, driver: &str) -> (Vec<Event>, Vec<String>) {
    let (mut events, mut troubles) = (Vec::new(), Vec::new());
    for path in find(&[folder.to_owned()]).files {
        let Some(fingerprint) = fingerprint_of(&path) else { continue };
        match event_of_file(folder, driver, &path, fingerprint) {
            Ok(event) => events.push(event),
            Err(trouble) => troubles.push(trouble),
        }
    }
    (events, troubles)
}

/// The fingerprint at the end of the name of a reproducer.
fn fingerprint_of(path: &Path) -> Option<Fingerprint> {
    let name = path.file_name()?.to_str()?.strip_suffix(".seq")?;
    name.get(name.len().checked_sub(9)?..)?.parse().ok()
}

fn event_of_file(
    folder: &Path,
    driver: &str,
    path: &Path,
    fingerprint: Fingerprint,
) -> Result<Event, String> {
    let stored = read(path).map_err(|error| error.to_string())?;
    let Form::Text(text) = stored.form else {
        return Err(format!("{} is no text", path.display()));
    };
    let description = text.description();
    let (invariant, happened) =
        description.lines().next().and_then(|line| line.split_once(": ")).ok_or_else(|| {
            format!("{} does not say in its first line what breaks", path.display())
        })?;
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let driver =
        text.fault().map_or_else(|| driver.to_owned(), |fault| format!("{CORE}+fault:{fault}"));
    let event = Event {
        version: EVENT_VERSION,
        id: String::new(),
        time: modified.and_then(Moment::of).unwrap_or(Moment::EPOCH),
        run: "rebuilt".to_owned(),
        number: 0,
        driver,
        fingerprint,
        body: Body::Found {
            invariant: invariant.to_owned(),
            happened: happened.to_owned(),
            text: text.to_string(),
            file: path.strip_prefix(folder).ok().map(|path| path.to_string_lossy().into_owned()),
            origin: Origin {
                build: Build::unknown(),
                machine: "unknown".to_owned(),
                lane: "stored reproducer".to_owned(),
            },
        },
    };
    Ok(event.with_id())
}
