//! Revisions of a git repository, each asked in a work tree of its own.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::search::Answer;

/// What is run in the work tree of a revision, each as a line of shell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Commands {
    /// Builds it. `CARGO_TARGET_DIR` names a folder that all revisions share, so that what they depend
    /// on is compiled once.
    pub build: String,
    /// Runs the reproducer, whose path is in `$REPRODUCER`. It ends with 0 if all held and with 3 if
    /// something is broken; what it prints, if it is what `rekeylab run --format json` prints, says what.
    pub run: String,
}

/// A repository that is bisected, and the folder where that is done.
#[derive(Clone, Debug)]
pub struct Repository {
    root: PathBuf,
    folder: PathBuf,
}

/// A commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Revision {
    /// Its hash.
    pub commit: String,
    /// The first line of its message.
    pub subject: String,
}

/// What a revision was asked, and how.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// What builds and runs it.
    pub commands: &'a Commands,
    /// The file of the reproducer.
    pub reproducer: &'a Path,
    /// The invariant that the bug breaks; empty for any.
    pub invariant: &'a str,
    /// How often the reproducer is run before it counts as holding: for a flaky bug, many times.
    pub votes: u32,
}

/// Why nothing can be bisected.
#[derive(Debug, thiserror::Error)]
pub enum BisectError {
    /// Git refused.
    #[error("git {command} failed: {why}")]
    Git {
        /// What it was to do.
        command: String,
        /// What it said.
        why: String,
    },
    /// The two ends do not stand in a line.
    #[error("{good} is not before {bad}")]
    NotInALine {
        /// The one.
        good: String,
        /// The other.
        bad: String,
    },
    /// A program or a file cannot be used.
    #[error("{what}: {source}")]
    System {
        /// What was to be done.
        what: String,
        /// Why it could not.
        source: io::Error,
    },
}

impl Repository {
    /// The repository at `root`, to be bisected in `folder`.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made.
    pub fn new(root: &Path, folder: &Path) -> Result<Self, BisectError> {
        let what = format!("cannot make {}", folder.display());
        fs::create_dir_all(folder).map_err(|source| BisectError::System { what, source })?;
        let what = format!("cannot find {}", folder.display());
        // Commands run elsewhere.
        let folder = fs::canonicalize(folder);
        let folder = folder.map_err(|source| BisectError::System { what, source })?;
        Ok(Self { root: root.to_owned(), folder })
    }

    /// The folder where it is bisected.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The commits from `good` on to `bad`, with both. Of a merge only the first parent counts, as
    /// otherwise they would not stand in a line.
    ///
    /// # Errors
    ///
    /// When one of them is none, or they do not stand in this order.
    pub fn revisions(&self, good: &str, bad: &str) -> Result<Vec<Revision>, BisectError> {
        let commit = |name: &str| {
            let name = format!("{name}^{{commit}}");
            self.git(["rev-parse", "--verify", "--end-of-options", &name])
        };
        let (first, last) = (commit(good)?, commit(bad)?);
        let (first, last) = (first.trim(), last.trim());
        let format = "--format=%H %s";
        let one = self.git(["log", "-1", format, first])?;
        let range = format!("{first}..{last}");
        let rest = self.git(["log", "--reverse", "--first-parent", format, &range])?;
        let revision = |line: &str| {
            let (commit, subject) = line.split_once(' ').unwrap_or((line, ""));
            Revision { commit: commit.to_owned(), subject: subject.to_owned() }
        };
        let revisions: Vec<Revision> = one.lines().chain(rest.lines()).map(revision).collect();
        let is_before = self.git(["merge-base", "--is-ancestor", first, last]).is_ok();
        if !is_before || revisions.len() < 2 {
            return Err(BisectError::NotInALine { good: good.to_owned(), bad: bad.to_owned() });
        }
        Ok(revisions)
    }

    /// Builds a revision in a work tree of its own and runs the reproducer there. The work tree is gone
    /// afterwards.
    ///
    /// # Errors
    ///
    /// When git makes no work tree or there is no shell. A revision that does not build is skipped.
    pub fn ask(&self, revision: &Revision, asked: &Asked<'_>) -> Result<Answer, BisectError> {
        let short = &revision.commit[..revision.commit.len().min(12)];
        let tree = self.folder.join(short);
        self.remove(&tree);
        let new = ["worktree", "add", "--quiet", "--force", "--detach"].map(OsStr::new);
        let of = [tree.as_os_str(), OsStr::new(&revision.commit)];
        self.git(new.into_iter().chain(of))?;
        let answer = self.ask_in(&tree, asked);
        self.remove(&tree);
        answer
    }

    fn ask_in(&self, tree: &Path, asked: &Asked<'_>) -> Result<Answer, BisectError> {
        let built = self.shell(tree, &asked.commands.build, asked.reproducer)?;
        if !built.status.success() {
            return Ok(Answer::Skipped(format!("it does not build: {}", last_words(&built))));
        }
        for _ in 0..asked.votes.max(1) {
            let ran = self.shell(tree, &asked.commands.run, asked.reproducer)?;
            match ran.status.code() {
                Some(0) => {}
                Some(3) if is_broken(&ran.stdout, asked.invariant) => return Ok(Answer::Shows),
                Some(3) => {}
                _ => return Ok(Answer::Skipped(format!("it cannot run it: {}", last_words(&ran)))),
            }
        }
        Ok(Answer::Holds)
    }

    fn shell(&self, tree: &Path, line: &str, reproducer: &Path) -> Result<Output, BisectError> {
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir(tree).stdin(Stdio::null());
        command.env("CARGO_TARGET_DIR", self.folder.join("target")).env("REPRODUCER", reproducer);
        let what = || format!("cannot run {line:?} by a shell");
        command.output().map_err(|source| BisectError::System { what: what(), source })
    }

    /// Removes a work tree if there is one.
    fn remove(&self, tree: &Path) {
        let words = ["worktree", "remove", "--force"].map(OsStr::new);
        // What git does not know is a rest of one that was interrupted.
        if self.git(words.into_iter().chain([tree.as_os_str()])).is_err() {
            let _ = fs::remove_dir_all(tree);
            let _ = self.git(["worktree", "prune"]);
        }
    }

    fn git<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<String, BisectError> {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.root).stdin(Stdio::null());
        let mut words = String::new();
        for argument in arguments {
            words.push_str(&argument.as_ref().to_string_lossy());
            words.push(' ');
            command.arg(argument);
        }
        let output = command
            .output()
            .map_err(|source| BisectError::System { what: "cannot run git".to_owned(), source })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(BisectError::Git { command: words.trim().to_owned(), why })
    }
}

/// Whether what a run printed says that the invariant is broken; what is no report of `rekeylab run`
/// says nothing against it.
fn is_broken(printed: &[u8], invariant: &str) -> bool {
    let Ok(document) = serde_json::from_slice::<Value>(printed) else { return true };
    let violations = document["files"][0]["report"]["violations"].as_array();
    violations.is_some_and(|violations| {
        violations.iter().any(|it| invariant.is_empty() || it["invariant"] == invariant)
    })
}

/// The last line that a command has said, on standard error if it said something there.
fn last_words(output: &Output) -> String {
    let of = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        // A compiler says first what is wrong, and at the end that something is.
        let error = text.lines().find(|line| line.starts_with("error"));
        error.or_else(|| lines.next_back()).map(str::to_owned)
    };
    let said = of(&output.stderr).or_else(|| of(&output.stdout)).unwrap_or_default();
    format!("{} ({said})", output.status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_which_invariant_and_other_text_says_nothing_against_it() {
        let report = r#"{"files":[{"report":{"violations":[{"invariant":"key-leak"}]}}]}"#;
        assert!(is_broken(report.as_bytes(), "key-leak"));
        assert!(is_broken(report.as_bytes(), ""));
        assert!(!is_broken(report.as_bytes(), "no-panic"));
        // An answer that was not the expected one breaks no invariant.
        assert!(!is_broken(br#"{"files":[{}]}"#, "key-leak"));
        assert!(is_broken(b"broken", "key-leak"));
    }
}
