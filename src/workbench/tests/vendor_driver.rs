//! The sample driver in C++: silent as it is, and each of its bugs is told as what it is.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The bugs that the corpus shows through the table alone, and one invariant that they break.
const SHOWN: &[(&str, &str)] = &[
    ("finish-without-start", "double-finish"),
    ("finish-twice", "double-finish"),
    ("finish-updates-half", "wrong-key-epoch"),
    ("finish-drops-work", "wrong-key-epoch"),
    ("start-switches-key", "wrong-key-epoch"),
    ("refresh-before-exchange", "wrong-answer"),
    ("exchange-keeps-refresh", "wrong-answer"),
    ("refused-blt-uses-iv", "wrong-answer"),
    ("random-one-byte-over", "output-bounds"),
    ("random-number-overreads", "output-bounds"),
    ("blt-size-wraps", "wrong-answer"),
    ("iv-read-late", "wrong-key-epoch"),
    ("random-repeats", "wrong-answer"),
    ("random-constant", "wrong-answer"),
    ("counters-restart-at-start", "keystream-reuse"),
    ("exchange-restarts-counters", "keystream-reuse"),
    ("iv-order-native", "keystream-reuse"),
    ("blt-takes-first-key", "session-isolation"),
    ("refresh-shared-by-sessions", "wrong-key-epoch"),
    ("queue-reads-key-late", "wrong-key-epoch"),
    ("cached-key-outlives-finish", "wrong-key-epoch"),
];

struct Built {
    directory: tempfile::TempDir,
}

impl Built {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let out = format!("OUT={}", directory.path().display());
        let mut command = Command::new("make");
        command.args(["--silent", "-C"]).arg(example()).args([&out, "all"]);
        let built = command.output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        Self { directory }
    }

    /// The data sheet of the example, of the library that was built here, with this bug.
    fn sheet(&self, bug: &str) -> PathBuf {
        let text = fs::read_to_string(example().join("driver.toml")).unwrap();
        let library = self.directory.path().join("libvendor_umd.so");
        let at_home = "library = \"build/libvendor_umd.so\"";
        assert!(text.contains(at_home));
        let text = text.replace(at_home, &format!("library = \"{}\"", library.display()));
        let path = self.directory.path().join("driver.toml");
        fs::write(&path, format!("{text}\n[environment]\nVENDOR_UMD_BUG = \"{bug}\"\n")).unwrap();
        path
    }

    /// What the corpus shows of this driver: the invariants that are broken.
    fn broken(&self, bug: &str) -> BTreeSet<String> {
        let sheet = self.sheet(bug);
        let arguments = ["replay", "--jobs", "1", "--format", "json", "--driver"];
        let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
        let output =
            command.args(arguments).arg(&sheet).arg(top().join("corpus")).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        let report: Value = serde_json::from_slice(&output.stdout).expect(&err);
        assert!(report["errors"].as_array().unwrap().is_empty(), "{err}");
        let files = report["files"].as_array().unwrap();
        let exit = output.status.code();
        assert_eq!(exit, Some(if files.is_empty() { 5 } else { 3 }), "{err}");
        let violations = files
            .iter()
            .flat_map(|file| file["report"]["violations"].as_array().unwrap().iter().take(1));
        violations.map(|one| one["invariant"].as_str().unwrap().to_owned()).collect()
    }
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn example() -> PathBuf {
    top().join("examples/vendor-driver")
}

#[test]
fn the_driver_is_silent_as_it_is_and_its_bugs_are_told_as_what_they_are() {
    let built = Built::new();
    assert_eq!(built.broken(""), BTreeSet::new());
    let mut problems = Vec::new();
    for (bug, invariant) in SHOWN {
        let broken = built.broken(bug);
        if !broken.contains(*invariant) {
            problems.push(format!("{bug}: {invariant} is not among {broken:?}"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn a_choice_that_is_not_declared_is_a_violation() {
    let built = Built::new();
    let sheet = built.sheet("");
    let text = fs::read_to_string(&sheet).unwrap().replace("\"S-01\", ", "");
    fs::write(&sheet, text).unwrap();
    let file = top().join("corpus/seeds/second-start-is-refused.seq");
    let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
    let output = command.args(["run", "--driver"]).arg(&sheet).arg(&file).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3));
    assert!(told.contains("a refresh is under way") && told.contains("S-01"), "{told}");
    assert!(told.contains(&format!("-- run --driver {}", sheet.display())), "{told}");
}
