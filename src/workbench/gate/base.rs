//! The program that a change is compared with: one that is built already, or built of a revision here.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::campaign::StopSignal;
use crate::child::{Child, Ended};
use crate::revision::{branch_point, check_out};

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

    /// The program, built if need be. Its worktree and target folder are kept below `target/gate`, one for each
    /// name, so that the next build of it is short.
    pub(super) fn built(
        &self,
        root: &Path,
        faults: Faults,
        limit: Duration,
        stop: &StopSignal,
    ) -> Result<Built, String> {
        let revision = match self {
            Self::Program(path) => return Ok(Built { program: path.clone(), faults: Ok(()) }),
            Self::Revision(revision) => revision,
        };
        let deadline = Instant::now() + limit.min(BUILD_LIMIT);
        let commit = branch_point(root, revision)?;
        let place = root.join("target/gate").join(format!("base-{}", slug(revision)));
        check_out(root, &commit, &place)?;
        let target = place.join("target");
        let build = |features: &[&str]| {
            let limit = deadline.saturating_duration_since(Instant::now());
            cargo_build(&place, &target, features, limit, stop)
        };
        let fit = match faults {
            Faults::NotAsked => Err("it was built without planted faults".to_owned()),
            // Of their package alone, since to build the program with them takes minutes.
            Faults::AskedWhetherTheyFit => build(&["--package", "rekeylab-faults"])?,
            Faults::Wanted => build(&["--features", "faults"])?,
        };
        if faults != Faults::Wanted || fit.is_err() {
            build(&[])?.map_err(|why| format!("the base cannot be built: {why}"))?;
        }
        let program = target.join(PROFILE.folder).join("rekeylab");
        if program.is_file() {
            Ok(Built { program, faults: fit })
        } else {
            Err(format!("the base has no program {}", program.display()))
        }
    }
}

/// A way to build.
struct Profile {
    /// As cargo calls it.
    name: &'static str,
    /// Where cargo puts what is built so.
    folder: &'static str,
}

/// How this program was built, and with it the base: what a secret leaves behind depends on it.
const PROFILE: Profile = if cfg!(debug_assertions) {
    Profile { name: "dev", folder: "debug" }
} else {
    Profile { name: "release", folder: "release" }
};

/// What is asked of the planted faults of a base.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(super) enum Faults {
    /// Nothing.
    #[default]
    NotAsked,
    /// Whether they fit its driver.
    AskedWhetherTheyFit,
    /// To be in the program.
    Wanted,
}

/// A base that can be run.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) program: PathBuf,
    /// Why there are no planted faults that fit it.
    pub(super) faults: Result<(), String>,
}

/// Builds the program of a worktree; why cargo failed, if it did.
///
/// # Errors
///
/// Why the build did not come to its end.
fn cargo_build(
    place: &Path,
    target: &Path,
    features: &[&str],
    limit: Duration,
    stop: &StopSignal,
) -> Result<Result<(), String>, String> {
    let folder = target.display().to_string();
    let words = ["build", "--quiet", "--profile", PROFILE.name, "--target-dir", &folder];
    let arguments: Vec<String> =
        words.iter().chain(features).map(|&word| word.to_owned()).collect();
    let cargo = Path::new("cargo");
    let build =
        Child { program: cargo, root: place, arguments: &arguments, limit, stop, is_heard: true };
    let said = build.run(b"");
    match said.ended {
        Ended::Code(0) => Ok(Ok(())),
        Ended::Late => Err("the base was not built in time".to_owned()),
        Ended::Stopped => Err("somebody said stop".to_owned()),
        _ => Ok(Err(format!("cargo failed{}", said.last_words()))),
    }
}

/// A name of letters and digits for a folder.
fn slug(revision: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    revision.chars().map(plain).collect()
}
