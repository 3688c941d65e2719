//! Finds the sequence files below directories, in an order that never varies.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::CorpusError;

/// The most files that are taken, so that a wrong directory does not fill the memory.
const FILES_MAX: usize = 1_000_000;

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// The files, each once; those of one directory are sorted by path.
    pub files: Vec<PathBuf>,
    /// What could not be looked into.
    pub errors: Vec<CorpusError>,
}

/// Finds the sequences that `paths` stand for.
///
/// A file stands for itself, whatever its name. A directory stands for every file below it that is
/// named `*.seq`, `*.wire`, or has no extension as the files of engines do; hidden ones are left
/// out. Symbolic links are followed, each directory is entered once.
#[must_use]
pub fn find(paths: &[PathBuf]) -> Found {
    let mut found = Found::default();
    let mut entered = BTreeSet::new();
    for path in paths {
        if path.is_dir() {
            let (count, error_count) = (found.files.len(), found.errors.len());
            walk(path, &mut entered, &mut found);
            found.files[count..].sort();
            if found.files.len() == count && found.errors.len() == error_count {
                found.errors.push(CorpusError::NothingFound { path: path.clone() });
            }
        } else {
            found.files.push(path.clone());
        }
    }
    let mut seen = BTreeSet::new();
    found.files.retain(|path| seen.insert(path.clone()));
    found
}

/// Without recursion, so that no tree is too deep for the stack.
fn walk(top: &Path, entered: &mut BTreeSet<PathBuf>, found: &mut Found) {
    let mut waiting = vec![top.to_owned()];
    while let Some(directory) = waiting.pop() {
        let cannot = |source| CorpusError::Read { path: directory.clone(), source };
        // The real path, so that a link back up does not go round for ever.
        match fs::canonicalize(&directory) {
            Ok(real) => {
                if !entered.insert(real) {
                    continue;
                }
            }
            Err(source) => {
                found.errors.push(cannot(source));
                continue;
            }
        }
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(source) => {
                found.errors.push(cannot(source));
                continue;
            }
        };
        for entry in entries {
            match entry {
                Ok(entry) => note(entry.path(), &entry, &mut waiting, found),
                Err(source) => found.errors.push(cannot(source)),
            }
            if found.files.len() > FILES_MAX {
                return;
            }
        }
    }
}

fn note(path: PathBuf, entry: &fs::DirEntry, waiting: &mut Vec<PathBuf>, found: &mut Found) {
    if is_hidden(&path) {
        return;
    }
    // The listing knows most kinds by itself; only links need another look.
    let kind = match entry.file_type() {
        Ok(kind) if kind.is_symlink() => fs::metadata(&path).map(|metadata| metadata.file_type()),
        kind => kind,
    };
    match kind {
        // A directory named like a sequence is a mistake worth hearing about.
        Ok(kind) if kind.is_dir() && path.extension().is_none_or(|name| name != "seq") => {
            waiting.push(path);
        }
        Ok(_) if is_sequence_name(&path) => found.files.push(path),
        Ok(_) => {}
        Err(source) if is_sequence_name(&path) => {
            found.errors.push(CorpusError::Read { path, source });
        }
        Err(_) => {}
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn is_sequence_name(path: &Path) -> bool {
    path.extension().is_none_or(|extension| extension == "seq" || extension == "wire")
}
