//! Revisions of the repository, and work trees of them.

use std::path::Path;
use std::process::{Command, Stdio};

/// Checks a commit out into a work tree that stays, so that the next one there is quick to build.
///
/// # Errors
///
/// What git says.
pub(crate) fn check_out(root: &Path, commit: &str, place: &Path) -> Result<(), String> {
    if place.join(".git").exists() {
        return git(place, &["checkout", "--quiet", "--force", "--detach", commit]).map(drop);
    }
    // One whose folder somebody has removed is still known to git.
    git(root, &["worktree", "prune"])?;
    let worktree = place.display().to_string();
    git(root, &["worktree", "add", "--quiet", "--force", "--detach", &worktree, commit]).map(drop)
}

/// The commit at which a change left a revision; what came to that since is not the author's, but
/// neither would a build of it tell what the change began with.
pub(crate) fn branch_point(root: &Path, revision: &str) -> Result<String, String> {
    let commit = commit(root, revision)?;
    // Histories that have nothing in common, as in a shallow clone, have no such commit.
    Ok(git(root, &["merge-base", &commit, "HEAD"]).unwrap_or(commit))
}

/// The commit that git knows by this name.
pub(crate) fn commit(root: &Path, revision: &str) -> Result<String, String> {
    git(root, &["rev-parse", "--verify", "--quiet", &format!("{revision}^{{commit}}")])
        .map_err(|_| format!("there is no revision {revision}"))
}

/// What a git command says.
pub(crate) fn git(root: &Path, arguments: &[&str]) -> Result<String, String> {
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
