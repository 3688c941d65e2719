//! Artifacts of which no sequence could be made: moved to the findings as they are, up to a bound.

use std::fs;
use std::path::{Path, PathBuf};

use crate::corpus::{CorpusError, write_new};

/// Something a worker stopped for, of which no sequence could be made.
#[derive(Clone, Debug)]
pub struct RawFinding {
    /// What the engine calls it: crash, timeout, oom, leak.
    pub kind: &'static str,
    /// Why it is kept as it is.
    pub why: String,
    /// Where it is kept.
    pub path: PathBuf,
}

/// How many artifacts are kept of which the same is to be said.
const RAW_OF_ONE_KIND: usize = 16;

/// The artifacts of one campaign of which no sequence could be made.
#[derive(Debug)]
pub struct RawFindings {
    directory: PathBuf,
    /// Those that somebody has to look at, in the order in which they came.
    pub told: Vec<RawFinding>,
    /// How many were not kept because there were enough of the kind.
    pub alike_count: usize,
}

impl RawFindings {
    /// None so far; they will be kept in `directory`.
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory, told: Vec::new(), alike_count: 0 }
    }

    /// Moves an artifact here as it is, if there are not enough already of which the same is to be said.
    ///
    /// # Errors
    ///
    /// When it cannot be moved; then it stays where it is, and is told from there.
    pub(super) fn keep(
        &mut self,
        artifact: &Path,
        kind: &'static str,
        why: String,
    ) -> Result<(), CorpusError> {
        if self.told.iter().filter(|raw| raw.why == why).count() == RAW_OF_ONE_KIND {
            self.alike_count += 1;
            remove(artifact);
            return Ok(());
        }
        match self.take(artifact) {
            Ok(Some(path)) => {
                if self.told.iter().all(|raw| raw.path != path) {
                    self.told.push(RawFinding { kind, why, path });
                }
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(error) => {
                self.told.push(RawFinding { kind, why, path: artifact.to_owned() });
                Err(error)
            }
        }
    }

    /// Writes what nobody has left as an artifact.
    ///
    /// # Errors
    ///
    /// When it cannot be written; it is told all the same.
    pub(super) fn write(&mut self, name: &str, text: &str, why: String) -> Result<(), CorpusError> {
        let path = self.directory.join(name);
        let written = self.directory().and_then(|_| write_new(&path, text.as_bytes()));
        self.told.push(RawFinding { kind: "crash", why, path });
        written.map(drop)
    }

    /// Moves an artifact here of which nothing is told.
    ///
    /// # Errors
    ///
    /// When it cannot be moved; then it stays where it is.
    pub(super) fn put_aside(&self, artifact: &Path) -> Result<(), CorpusError> {
        self.take(artifact).map(drop)
    }

    /// Moves an artifact here as it is; where it is then, unless a better one was there.
    fn take(&self, artifact: &Path) -> Result<Option<PathBuf>, CorpusError> {
        let name = artifact.file_name().unwrap_or(artifact.as_os_str());
        let path = self.directory()?.join(name);
        let bytes = fs::read(artifact)
            .map_err(|source| CorpusError::Read { path: artifact.to_owned(), source })?;
        let moved = match write_new(&path, &bytes) {
            Ok(_) => Some(path),
            // Engines name artifacts by their content: this one was cut, by a worker that was
            // killed while it wrote, and the whole one is there.
            Err(CorpusError::Exists { .. }) => None,
            Err(error) => return Err(error),
        };
        remove(artifact);
        Ok(moved)
    }

    fn directory(&self) -> Result<&Path, CorpusError> {
        fs::create_dir_all(&self.directory)
            .map_err(|source| CorpusError::Write { path: self.directory.clone(), source })?;
        Ok(&self.directory)
    }
}

/// What is stored elsewhere is not needed twice; if it stays, the next campaign looks at it again.
pub(super) fn remove(artifact: &Path) {
    let _ = fs::remove_file(artifact);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_artifacts_of_which_the_same_is_to_be_said_are_kept_up_to_a_bound_and_counted() {
        let directory = tempfile::tempdir().unwrap();
        let mut raw = RawFindings::new(directory.path().join("raw"));
        for number in 0..RAW_OF_ONE_KIND + 3 {
            let path = directory.path().join(format!("crash-{number}"));
            fs::write(&path, "bytes").unwrap();
            raw.keep(&path, "crash", "it broke nothing".to_owned()).unwrap();
            assert!(!path.exists());
        }
        assert_eq!((raw.told.len(), raw.alike_count), (RAW_OF_ONE_KIND, 3));
    }
}
