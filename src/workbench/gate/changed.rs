//! What a change touches, and so what is worth running for it.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;

use super::base::Base;
use crate::campaign::Target;
use crate::revision::{branch_point, git};

/// What is known of a change.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Change {
    /// What it is compared with, and the commit at which it left that.
    pub since: Option<String>,
    /// The files that it touches, in order.
    pub files: Vec<String>,
    /// The packages that it touches, in order.
    pub packages: Vec<&'static str>,
    /// What kind of change it is.
    pub kind: Kind,
    /// Why that is thought.
    pub why: String,
}

/// How much of the workspace a change may touch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Nobody knows, so everything.
    Unknown,
    /// Nothing but documents.
    Documents,
    /// These packages.
    Packages,
    /// Something that every package depends on, or that is not known here.
    Everything,
}

/// Folders, and the package whose sources are in each. What lies elsewhere touches everything; so do
/// the packages that are left out, on which all others depend.
const PACKAGES: [(&str, &str); 6] = [
    ("src/driver/", "rekeylab-driver"),
    ("src/cipher/", "rekeylab-cipher"),
    ("src/faults/", "rekeylab-faults"),
    ("src/weave/", "rekeylab-faults"),
    ("faults/", "rekeylab-faults"),
    ("src/workbench/", "rekeylab"),
];

impl Change {
    /// Nothing is known.
    #[must_use]
    pub fn unknown(why: impl Into<String>) -> Self {
        let (files, packages) = (Vec::new(), Vec::new());
        Self { since: None, files, packages, kind: Kind::Unknown, why: why.into() }
    }

    /// What git says of the files that differ from the base, those that are not committed included.
    #[must_use]
    pub fn since(base: Option<&Base>, root: &Path) -> Self {
        let revision = match base {
            None => return Self::unknown("no base was named"),
            Some(Base::Program(_)) => return Self::unknown("the base is a program"),
            Some(Base::Revision(revision)) => revision,
        };
        let commit = match branch_point(root, revision) {
            Ok(commit) => commit,
            Err(why) => return Self::unknown(why),
        };
        let questions: [&[&str]; 2] = [
            &["diff", "-z", "--name-only", "--no-renames", &commit],
            &["ls-files", "-z", "--others", "--exclude-standard"],
        ];
        let mut files = BTreeSet::new();
        for question in questions {
            match git(root, question) {
                Ok(text) => {
                    let names = text.split('\0').filter(|name| !name.is_empty());
                    files.extend(names.map(str::to_owned));
                }
                Err(why) => return Self::unknown(why),
            }
        }
        let short = commit.get(..12).unwrap_or(&commit);
        let since = Some(format!("{revision} ({short})"));
        Self { since, ..Self::of_files(files.into_iter().collect()) }
    }

    /// What a change of these files touches.
    #[must_use]
    pub fn of_files(files: Vec<String>) -> Self {
        let code: Vec<&String> = files.iter().filter(|file| !is_document(file)).collect();
        let package_of = |file: &String| {
            let has_it = |row: &&(&str, &str)| file.starts_with(row.0);
            PACKAGES.iter().find(has_it).map(|row| row.1)
        };
        let elsewhere = code.iter().find(|file| package_of(file).is_none());
        let packages: BTreeSet<&'static str> =
            code.iter().filter_map(|file| package_of(file)).collect();
        let packages: Vec<_> = packages.into_iter().collect();
        let (kind, why) = if files.is_empty() {
            // Silence about an empty change would be a pass that proves nothing.
            (Kind::Everything, "nothing differs, so nothing is left out".to_owned())
        } else if code.is_empty() {
            (Kind::Documents, "only documents are touched".to_owned())
        } else if let Some(file) = elsewhere {
            (Kind::Everything, format!("{file} may matter to every package"))
        } else {
            (Kind::Packages, format!("it touches {}", packages.join(", ")))
        };
        Self { since: None, files, packages, kind, why }
    }

    /// Whether the change touches what generates, runs and judges sequences.
    #[must_use]
    pub fn touches_workbench(&self) -> bool {
        match self.kind {
            Kind::Unknown | Kind::Everything => true,
            Kind::Documents => false,
            Kind::Packages => self.packages.contains(&"rekeylab"),
        }
    }

    /// Whether a target is about something that the change touches.
    #[must_use]
    pub fn touches(&self, target: &Target) -> bool {
        match self.kind {
            Kind::Unknown | Kind::Everything => true,
            Kind::Documents => false,
            Kind::Packages => target.packages.iter().any(|package| self.packages.contains(package)),
        }
    }
}

/// Whether a file is read by people alone. Seeds and reproducers are not.
fn is_document(file: &str) -> bool {
    let is_markdown = Path::new(file).extension().is_some_and(|extension| extension == "md");
    is_markdown || file.starts_with("docs/") || file.starts_with("LICENSE")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(files: &[&str]) -> Change {
        Change::of_files(files.iter().map(|&file| file.to_owned()).collect())
    }

    fn touched(files: &[&str]) -> Vec<&'static str> {
        let change = change(files);
        let targets = crate::campaign::TARGETS.iter().filter(|target| change.touches(target));
        targets.map(|target| target.name).collect()
    }

    #[test]
    fn documents_alone_touch_no_target_and_a_reproducer_is_no_document() {
        let both = ["README.md", "ci/README.md"];
        assert_eq!(change(&both).kind, Kind::Documents);
        assert_eq!(touched(&both), [""; 0]);
        assert_eq!(change(&["README.md", "corpus/seeds/a.seq"]).kind, Kind::Everything);
    }

    #[test]
    fn a_package_touches_the_targets_that_are_about_it() {
        let lanes = ["call_sequence", "call_sequence_keysan"];
        assert_eq!(touched(&["src/driver/state.rs", "README.md"]), lanes);
        assert_eq!(touched(&["faults/key-leak/a.fault"]), lanes);
        assert_eq!(touched(&["src/workbench/lib.rs"]), ["sequence_forms"]);
    }

    #[test]
    fn what_everything_depends_on_or_nobody_knows_touches_every_target() {
        for files in [&["Cargo.lock"][..], &["src/ddi/lib.rs"], &["src/keysan/lib.rs"], &[]] {
            assert_eq!(touched(files).len(), 3, "{files:?}");
        }
        let unknown = Change::unknown("no base was named");
        assert!(crate::campaign::TARGETS.iter().all(|target| unknown.touches(target)));
    }
}
