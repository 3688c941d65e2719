//! The program that a change is compared with: one that is built already, or built of a revision here.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::step::{Child, Ended};
use crate::campaign::StopSignal;

/// What a change is compared with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Base {
    /// A revision, as git names it.
    Revision(String),
    /// A program that is built already.
    Program(PathBuf),
}

/// How long a build may take: one from nothing takes minutes.
const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);

impl Base {
    /// A program if there is a file of this name, otherwise a revision.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let path = Path::new(name);
        if path.is_file() {
            Self::Program(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
        } else {
            Self::Revision(name.to_owned())
        }
    }

    /// What people call it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Revision(revision) => revision.clone(),
            Self::Program(path) => path.display().to_string(),
        }
    }

    /// The program, built if need be. Its worktree and target folder are kept below `target/gate`, one
    /// for each name, so that the next build of it is short.
    pub(super) fn program(
        &self,
        root: &Path,
        limit: Duration,
        stop: &StopSignal,
    ) -> Result<PathBuf, String> {
        let revision = match self {
            Self::Program(path) => return Ok(path.clone()),
            Self::Revision(revision) => revision,
        };
        let deadline = Instant::now() + limit.min(BUILD_LIMIT);
        let left = || deadline.saturating_duration_since(Instant::now());
        let commit = branch_point(root, revision)?;
        let place = root.join("target/gate").join(format!("base-{}", slug(revision)));
        let worktree = place.display().to_string();
        let run = |program: &str, words: &[&str], root: &Path| {
            let arguments: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            let (program, limit) = (Path::new(program), left());
            let child = Child { program, root, arguments: &arguments, limit, stop, is_heard: true };
            let said = child.run(b"");
            let what = format!("{} {}", program.display(), words.first().unwrap_or(&""));
            match said.ended {
                Ended::Code(0) => Ok(()),
                Ended::Late => Err(format!("{what} did not end in time")),
                Ended::Stopped => Err("somebody said stop".to_owned()),
                _ => Err(format!("{what} failed{}", said.last_words())),
            }
        };
        if place.join(".git").exists() {
            run("git", &["checkout", "--quiet", "--force", "--detach", &commit], &place)?;
        } else {
            // One whose folder somebody has removed is still known to git.
            run("git", &["worktree", "prune"], root)?;
            run(
                "git",
                &["worktree", "add", "--quiet", "--force", "--detach", &worktree, &commit],
                root,
            )?;
        }
        let target = place.join("target");
        let folder = target.display().to_string();
        let build = ["build", "--quiet", "--release", "--target-dir", &folder];
        run("cargo", &build, &place).map_err(|why| format!("the base cannot be built: {why}"))?;
        let program = target.join("release/rekeylab");
        if program.is_file() {
            Ok(program)
        } else {
            Err(format!("the base has no program {}", program.display()))
        }
    }
}

/// The commit at which a change left a revision; what came to that since is not the author's, but
/// neither would a build of it tell what the change began with.
pub(super) fn branch_point(root: &Path, revision: &str) -> Result<String, String> {
    let commit =
        git(root, &["rev-parse", "--verify", "--quiet", &format!("{revision}^{{commit}}")])
            .map_err(|_| format!("there is no revision {revision}"))?;
    // Histories that have nothing in common, as in a shallow clone, have no such commit.
    Ok(git(root, &["merge-base", &commit, "HEAD"]).unwrap_or(commit))
}

/// What a git command says.
pub(super) fn git(root: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new("git");
    command.args(arguments).current_dir(root).stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("cannot run git: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    } else {
        let err = String::from_utf8_lossy(&output.stderr);
        let line = err.lines().next().unwrap_or_default();
        Err(format!("git {}: {line}", arguments.first().unwrap_or(&"")))
    }
}

/// A name of letters and digits for a folder.
fn slug(revision: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    revision.chars().map(plain).collect()
}
