//! What can go wrong with the store, always naming its file, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// A store that cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It is no database, or what is in it is broken.
    #[error("{} is damaged: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is broken.
        why: String,
    },
    /// It is a database of something else.
    #[error("{} is a database, but no findings store", path.display())]
    NotAStore {
        /// The file.
        path: PathBuf,
    },
    /// A later program has written it.
    #[error(
        "{} is a findings store of version {version}, and this program knows none above {known}",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
        /// The newest that this program knows.
        known: u32,
    },
    /// Others were writing to it for too long.
    #[error("{} is busy: others have been writing to it for {seconds} seconds", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
        /// How long was waited.
        seconds: u64,
    },
    /// It cannot be written.
    #[error("cannot write {}: {why}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A file that is taken in cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line that is taken in is no event.
    #[error("{}:{line}: {why}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line; counts from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
}

impl StoreError {
    /// What to try.
    #[must_use]
    pub fn way_out(&self) -> Option<String> {
        Some(match self {
            Self::Damaged { path, .. } => {
                let folder = path.parent().unwrap_or(Path::new(".")).display();
                format!(
                    "rekeylab findings --findings {folder} --rebuild, which moves it aside and takes \
                     what can be read, and the reproducers"
                )
            }
            Self::NotAStore { .. } => "another folder for findings (--findings DIR)".to_owned(),
            Self::Newer { .. } => "the program that has written it, or a later one".to_owned(),
            Self::Busy { .. } => "again, when the others are done".to_owned(),
            Self::Write { .. } => {
                "look whether the folder exists, is writable and has room".to_owned()
            }
            Self::Line { .. } => "rekeylab findings export, which writes such lines".to_owned(),
            Self::Read { .. } => return None,
        })
    }

    /// Whether what was asked for can be put right by asking differently, and nothing is broken.
    #[must_use]
    pub fn is_about_usage(&self) -> bool {
        matches!(self, Self::NotAStore { .. } | Self::Read { .. } | Self::Line { .. })
    }

    /// What SQLite says of the file at `path`.
    pub(super) fn of(path: &Path, error: &rusqlite::Error) -> Self {
        let path = path.to_owned();
        let why = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::Busy { path, seconds: super::schema::PATIENCE.as_secs() }
            }
            Some(
                ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied,
            ) => Self::Write { path, why },
            // A store that was opened is as it should be, so whatever else SQLite minds is damage.
            _ => Self::Damaged { path, why },
        }
    }
}
