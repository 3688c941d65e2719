//! The examples find what they say they find, and a new harness compiles as it is and finds its first leak.
#![cfg(all(target_arch = "x86_64", target_os = "linux", not(miri)))]
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// An example, which is built along with this test.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let mut places = test.ancestors().map(|folder| folder.join("examples").join(name));
    places
        .find(|path| path.is_file())
        .expect("cargo build --examples builds them, and so does a whole cargo test")
}

fn new_harness(folder: &Path, words: &[&str]) -> (Option<i32>, String) {
    let output =
        Command::new(example("new-harness")).args(words).current_dir(folder).output().unwrap();
    (output.status.code(), text(&output))
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

#[test]
fn the_three_leaks_of_the_toy_are_found() {
    let output = Command::new(example("check_a_library")).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

#[test]
fn what_is_written_finds_its_first_leak_and_accepts_it() {
    let folder = empty_folder();
    let (crate_name, source) = ("rekeylab-ddi", concat!(env!("CARGO_MANIFEST_DIR"), "/../ddi"));
    let (code, said) = new_harness(&folder, &[crate_name, source]);
    assert_eq!(code, Some(0), "{said}");
    let harness = folder.join("rekeylab-ddi-leaks");
    // What this workspace was built from is here, and nothing else is needed.
    fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock"), harness.join("Cargo.lock"))
        .unwrap();
    let test = || {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["test", "--offline", "--quiet"]).current_dir(&harness);
        cargo.env("CARGO_TARGET_DIR", folder.join("target"));
        // Whoever builds this test may do without, and functions that were inlined have no names then.
        cargo.env_remove("CARGO_PROFILE_DEV_DEBUG");
        let output = cargo.output().unwrap();
        (output.status.code(), text(&output))
    };
    let (code, said) = test();
    let leak = "heap: key, left, allocated by new, freed by drop";
    assert!(code == Some(101) && said.contains(leak), "{said}");
    assert!(said.contains("freed by rekeylab_ddi_leaks::run::{{closure}}"), "{said}");
    assert!(said.contains("(src/lib.rs:"), "{said}");
    let accepted: String = said
        .lines()
        .filter_map(|line| line.strip_suffix("\tWHY"))
        .map(|line| format!("{line}\tit is there on purpose\n"))
        .collect();
    fs::write(harness.join("accepted.txt"), accepted).unwrap();
    let (code, said) = test();
    assert_eq!(code, Some(0), "{said}");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn nothing_is_overwritten_and_what_is_no_crate_is_told() {
    let folder = empty_folder();
    fs::create_dir(folder.join("mine-leaks")).unwrap();
    for (words, told) in [
        (&["mine"][..], "mine-leaks is there already"),
        (&["../mine"], "is not the name of a crate"),
        (&["mine", "nowhere"], "nowhere: "),
        (&["mine", "mine-leaks"], "there is no Cargo.toml in "),
        (&["other@one of them!"], "is not a version of other"),
        (&["other@"], "is not a version of other"),
        (&["other@1", "mine-leaks"], "the version of other is the one in the folder"),
        (&[], "usage: "),
    ] {
        let (code, said) = new_harness(&folder, words);
        assert!(code == Some(2) && said.contains(told), "{words:?}: {said}");
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_crate_comes_in_the_version_that_is_said_or_in_the_newest() {
    let folder = empty_folder();
    let (code, said) = new_harness(&folder, &["some@=1.2.3"]);
    assert_eq!(code, Some(0), "{said}");
    let manifest = fs::read_to_string(folder.join("some-leaks/Cargo.toml")).unwrap();
    assert!(manifest.contains("\nsome = \"=1.2.3\"\n\n"), "{manifest}");
    // Which is the newest, cargo knows; where it does not, nothing stays behind.
    let mut harness = Command::new(example("new-harness"));
    harness.arg("other").current_dir(&folder).env("CARGO", "false");
    let output = harness.output().unwrap();
    let said = text(&output);
    assert!(output.status.code() == Some(2) && said.contains("`cargo add other` failed"), "{said}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    fs::remove_dir_all(folder).unwrap();
}

/// An empty folder of this test alone.
#[track_caller]
fn empty_folder() -> PathBuf {
    let line = std::panic::Location::caller().line();
    let name = format!("new-harness-{}-{line}", std::process::id());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}
