//! Who saw something: the build, the machine, and what it was doing.

use core::fmt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::event::{hash, hash_of};

/// The build, the machine and the lane that something was seen by.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Origin {
    /// The build.
    pub build: Build,
    /// The name of the machine.
    pub machine: String,
    /// What was done: a search and its lane, or a check.
    pub lane: String,
}

/// A build by its sources and how they were compiled: `COMMIT`, with `-dirty-` and eight digits of a
/// hash of what was changed behind it, and with `+faults` and `+debug` if it has those.
///
/// The digits tell two states of a tree in which somebody is at work apart, of which one may have a
/// bug and the other may not.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Build(String);

/// Stands for sources that nobody knows.
const UNKNOWN: &str = "unknown";

impl Build {
    /// This program, made from the git repository that a directory is in; its sources are unknown
    /// where there is no git or no repository.
    #[must_use]
    pub fn of_this_program(directory: &Path) -> Self {
        let mut text = sources(directory).unwrap_or_else(|| UNKNOWN.to_owned());
        if cfg!(feature = "faults") {
            text.push_str("+faults");
        }
        if cfg!(debug_assertions) {
            text.push_str("+debug");
        }
        Self(text)
    }

    /// A driver in a shared library, which has sources of its own: told by what is in the file, and by the
    /// variables that it is driven with.
    #[must_use]
    pub fn of_library<'a>(
        library: &Path,
        environment: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let Ok(mut bytes) = std::fs::read(library) else { return Self::unknown() };
        for (name, value) in environment {
            bytes.extend_from_slice(format!("\0{name}={value}").as_bytes());
        }
        Self(format!("library-{}", &hash_of(&bytes)[..12]))
    }

    /// A build of which nobody knows anything.
    #[must_use]
    pub fn unknown() -> Self {
        Self(UNKNOWN.to_owned())
    }

    /// A build by its text.
    #[must_use]
    pub fn named(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether both are known to be of the same sources. How they were compiled does not matter: a bug
    /// that shows in one of them is there in the other, too.
    #[must_use]
    pub fn is_of_same_sources(&self, other: &Self) -> bool {
        let sources = |build: &Self| build.0.split('+').next().unwrap_or_default().to_owned();
        sources(self) == sources(other) && sources(self) != UNKNOWN
    }

    /// As people read it: twelve digits of the commit are enough.
    #[must_use]
    pub fn short(&self) -> String {
        let digits = self.0.chars().take_while(char::is_ascii_hexdigit).count();
        if digits < 40 { self.0.clone() } else { format!("{}{}", &self.0[..12], &self.0[digits..]) }
    }
}

impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The commit, and a mark of what was changed since.
fn sources(directory: &Path) -> Option<String> {
    let commit = git(directory, &["rev-parse", "--verify", "HEAD"])?.trim().to_owned();
    // New files are compiled only if a tracked one names them.
    let changes = git(directory, &["diff", "--no-ext-diff", "--no-textconv", "--binary", "HEAD"])?;
    let mark =
        if changes.is_empty() { String::new() } else { format!("-dirty-{}", &hash(&changes)[..8]) };
    Some(commit + &mark)
}

/// What git answers, if it does.
fn git(directory: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    command.arg("-C").arg(directory).args(arguments);
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What this machine is called.
#[must_use]
pub fn machine_name() -> String {
    let files = ["/proc/sys/kernel/hostname", "/etc/hostname"];
    let from_files = files.iter().filter_map(|file| std::fs::read_to_string(file).ok());
    let from_environment =
        ["HOSTNAME", "COMPUTERNAME"].iter().filter_map(|name| std::env::var(name).ok());
    let mut names = from_files.chain(from_environment).map(|name| name.trim().to_owned());
    names.find(|name| !name.is_empty()).unwrap_or_else(|| UNKNOWN.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_are_of_the_same_sources_however_they_were_compiled() {
        let same = |a: &str, b: &str| Build::named(a).is_of_same_sources(&Build::named(b));
        assert!(same("abc", "abc+faults+debug"));
        assert!(!same("1a2b", "1a2c"));
        assert!(!same("abc", "abc-dirty-12345678"));
        assert!(!same("abc-dirty-12345678", "abc-dirty-12345679"));
        assert!(!same("unknown", "unknown"), "nobody knows that");
    }

    #[test]
    fn a_library_is_another_build_with_every_byte_and_every_variable() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.so");
        let with = |bytes: &[u8], value: &str| {
            std::fs::write(&path, bytes).unwrap();
            Build::of_library(&path, [("A", value)])
        };
        let first = with(b"\x7fELF\xff", "1");
        assert!(first.to_string().starts_with("library-"), "{first}");
        assert!(first.is_of_same_sources(&with(b"\x7fELF\xff", "1")));
        assert!(!first.is_of_same_sources(&with(b"\x7fELF\xfe", "1")));
        assert!(!first.is_of_same_sources(&with(b"\x7fELF\xff", "2")));
        let missing = Build::of_library(&directory.path().join("b.so"), []);
        assert_eq!(missing, Build::unknown());
    }

    #[test]
    fn a_tree_in_which_somebody_works_is_another_build_with_every_change() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        assert!(Build::of_this_program(path).to_string().starts_with("unknown"));
        let run = |arguments: &[&str]| {
            let who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"];
            git(path, &[&who, arguments].concat()).unwrap()
        };
        run(&["init", "--quiet"]);
        std::fs::write(path.join("a"), "1").unwrap();
        run(&["add", "a"]);
        run(&["commit", "--quiet", "-m", "a"]);
        let mut builds = vec![Build::of_this_program(path)];
        assert_eq!(builds[0].to_string().split('+').next().unwrap().len(), 40);
        for change in ["2", "3"] {
            std::fs::write(path.join("a"), change).unwrap();
            builds.push(Build::of_this_program(path));
        }
        assert!(builds[1].short().contains("-dirty-"), "{builds:?}");
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            assert!(!builds[a].is_of_same_sources(&builds[b]), "{builds:?}");
        }
        std::fs::write(path.join("a"), "1").unwrap();
        assert!(Build::of_this_program(path).is_of_same_sources(&builds[0]));
    }
}
