//! Where a campaign keeps its things, all of it below the workspace.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::worker::handed_over;
use crate::corpus::CorpusError;

/// The directories of one run.
#[derive(Debug)]
pub struct Directories {
    /// The workspace.
    pub root: PathBuf,
    /// The engine's working set; it outlives every run.
    pub working_set: PathBuf,
    /// Artifacts of this run; each worker has a directory in it.
    pub artifacts: tempfile::TempDir,
    /// Artifacts of all runs.
    all_artifacts: PathBuf,
    /// Held while this run lives, so that other runs leave its artifacts alone.
    _lock: File,
}

/// Name of the file by which a run shows that it lives.
const LOCK: &str = ".lock";

impl Directories {
    /// Makes the directories of a run whose targets share this working set. What runs with a planted fault
    /// leave is theirs: no run of the honest core takes it for its own.
    ///
    /// # Errors
    ///
    /// When one cannot be made.
    pub fn prepare(
        root: &Path,
        working_set: &str,
        fault: Option<&str>,
    ) -> Result<Self, CorpusError> {
        let name = fault.map_or_else(|| working_set.to_owned(), |it| format!("{working_set}+{it}"));
        let all_artifacts = root.join("fuzz/artifacts").join(name);
        let working_set = root.join("fuzz/corpus").join(working_set);
        for directory in [&working_set, &all_artifacts] {
            fs::create_dir_all(directory).map_err(cannot_write(directory))?;
        }
        remove_dead(&all_artifacts);
        let artifacts = tempfile::Builder::new()
            .prefix("run-")
            .tempdir_in(&all_artifacts)
            .map_err(cannot_write(&all_artifacts))?;
        let lock_path = artifacts.path().join(LOCK);
        let lock = File::create(&lock_path).map_err(cannot_write(&lock_path))?;
        lock.lock().map_err(cannot_write(&lock_path))?;
        Ok(Self { root: root.to_owned(), working_set, artifacts, all_artifacts, _lock: lock })
    }

    /// Where inputs are put aside that kill the engine.
    #[must_use]
    pub fn quarantine(&self) -> PathBuf {
        let name = self.working_set.file_name().unwrap_or_default();
        self.root.join("fuzz/corpus/quarantine").join(name)
    }

    /// Artifacts of runs that ended without looking at them, because they were killed.
    #[must_use]
    pub fn left_behind(&self) -> Vec<PathBuf> {
        let mut left = Vec::new();
        for run in runs(&self.all_artifacts) {
            if !lives(&run) && run != self.artifacts.path() {
                left.extend(entries(&run).iter().flat_map(|worker| left_by(worker)));
            }
        }
        left.sort();
        left
    }
}

impl Drop for Directories {
    /// What could not be stored elsewhere stays, for the next campaign to find.
    fn drop(&mut self) {
        let workers = entries(self.artifacts.path());
        if workers.iter().any(|worker| !left_by(worker).is_empty()) {
            self.artifacts.disable_cleanup(true);
        }
    }
}

/// The directories of runs.
fn runs(all_artifacts: &Path) -> Vec<PathBuf> {
    let is_run = |run: &PathBuf| {
        run.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"run-"))
    };
    let mut runs = entries(all_artifacts);
    runs.retain(is_run);
    runs
}

/// Whether the run that has this directory goes on.
fn lives(run: &Path) -> bool {
    File::open(run.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_err())
}

/// After how long a run that holds no lock is taken for one that was killed, and not for one that begins.
const BEGINS_WITHIN: Duration = Duration::from_secs(60);

/// Removes the directories of runs that were killed and left nothing, or whose artifacts were looked at since then.
fn remove_dead(all_artifacts: &Path) {
    for run in runs(all_artifacts) {
        let lock = fs::metadata(run.join(LOCK)).and_then(|lock| lock.modified());
        let is_old = lock.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > BEGINS_WITHIN));
        let has_left = entries(&run).iter().any(|worker| !left_by(worker).is_empty());
        if is_old && !has_left && !lives(&run) {
            // What cannot be removed is in nobody's way.
            let _ = fs::remove_dir_all(&run);
        }
    }
}

/// What a worker left when it died, and what it had handed over before.
fn left_by(worker: &Path) -> Vec<PathBuf> {
    let mut artifacts = artifacts_in(worker);
    artifacts.append(&mut artifacts_in(&handed_over(worker)));
    artifacts
}

/// What libFuzzer wrote into a directory because it had to stop, in order.
pub(super) fn artifacts_in(directory: &Path) -> Vec<PathBuf> {
    let mut artifacts = entries(directory);
    artifacts.retain(|path| kind_of(path).is_some());
    artifacts.sort();
    artifacts
}

/// Why the engine wrote an artifact, by its name.
pub(super) fn kind_of(artifact: &Path) -> Option<&'static str> {
    let name = artifact.file_name()?.to_str()?;
    ["crash", "timeout", "oom", "leak", "void"]
        .into_iter()
        .find(|kind| name.strip_prefix(kind).is_some_and(|rest| rest.starts_with('-')))
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn cannot_write(path: &Path) -> impl FnOnce(std::io::Error) -> CorpusError {
    let path = path.to_owned();
    move |source| CorpusError::Write { path, source }
}

/// Where builds go: where `CARGO_TARGET_DIR` says, or `target` in the workspace.
#[must_use]
pub(crate) fn target_directory(root: &Path) -> PathBuf {
    let named = std::env::var_os("CARGO_TARGET_DIR").filter(|name| !name.is_empty());
    // A path that is relative is so to where the command is run.
    named.map_or_else(
        || root.join("target"),
        |name| std::path::absolute(&name).unwrap_or_else(|_| name.into()),
    )
}

/// The workspace that the current directory, or the running package, is part of.
#[must_use]
pub fn workspace_root() -> Option<PathBuf> {
    let current = std::env::current_dir().ok();
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let starts: Vec<PathBuf> = current.into_iter().chain(package).collect();
    let mut above = starts.iter().flat_map(|start| start.ancestors());
    let root = above.find(|directory| {
        directory.join("fuzz/Cargo.toml").is_file() && directory.join("Cargo.toml").is_file()
    })?;
    Some(root.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_run_left_is_found_and_a_living_one_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let dead = root.path().join("fuzz/artifacts/t/run-dead/worker-0");
        fs::create_dir_all(&dead).unwrap();
        fs::write(dead.join("crash-1"), b"x").unwrap();
        fs::write(dead.join("notes"), b"x").unwrap();
        let living = Directories::prepare(root.path(), "t", None).unwrap();
        let worker = living.artifacts.path().join("worker-0");
        fs::create_dir(&worker).unwrap();
        fs::write(worker.join("crash-2"), b"x").unwrap();
        fs::create_dir(living.artifacts.path().join("worker-1")).unwrap();
        let mine = Directories::prepare(root.path(), "t", None).unwrap();
        assert_eq!(mine.left_behind(), [dead.join("crash-1")]);
        let faulty = Directories::prepare(root.path(), "t", Some("f")).unwrap();
        assert!(faulty.left_behind().is_empty());
        drop(living);
        let mut both = [dead.join("crash-1"), worker.join("crash-2")];
        both.sort();
        // A process that another test is just starting can hold the lock a moment longer.
        let patience = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while mine.left_behind() != both && std::time::Instant::now() < patience {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert_eq!(mine.left_behind(), both);
    }

    #[test]
    fn a_run_that_was_killed_and_left_nothing_is_cleared_away() {
        let root = tempfile::tempdir().unwrap();
        let all = root.path().join("fuzz/artifacts/t");
        let hour = Duration::from_secs(3600);
        for (name, age) in [("run-old", hour), ("run-left", hour), ("run-young", Duration::ZERO)] {
            fs::create_dir_all(all.join(name).join("worker-0")).unwrap();
            let lock = File::create(all.join(name).join(LOCK)).unwrap();
            lock.set_modified(std::time::SystemTime::now() - age).unwrap();
        }
        fs::write(all.join("run-left/worker-0/crash-1"), b"x").unwrap();
        let living = Directories::prepare(root.path(), "t", None).unwrap();
        let lock = living.artifacts.path().join(LOCK);
        File::options()
            .write(true)
            .open(lock)
            .unwrap()
            .set_modified(std::time::UNIX_EPOCH)
            .unwrap();
        let mine = Directories::prepare(root.path(), "t", None).unwrap();
        let is_there = |name: &str| all.join(name).is_dir();
        assert!(!is_there("run-old") && is_there("run-left") && is_there("run-young"));
        assert!(living.artifacts.path().is_dir() && mine.artifacts.path().is_dir());
    }

    #[test]
    fn the_name_of_an_artifact_says_why_it_was_written() {
        let kind = |name: &str| kind_of(Path::new(name));
        assert_eq!(kind("a/crash-00"), Some("crash"));
        assert_eq!(kind("a/timeout-00"), Some("timeout"));
        assert_eq!(kind("a/oom-00"), Some("oom"));
        assert_eq!(kind("a/slow-unit-00"), None);
        assert_eq!(kind("a/crashed"), None);
    }
}
