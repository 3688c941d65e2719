//! The sample driver in C++ under sanitizers and on several threads: what they say is told, and what they leave in
//! sight is looked into.
#![allow(clippy::print_stdout, reason = "a test says that it was skipped")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::sample::{Built, built, example, top};

/// The bugs that leave a secret on the heap, and where the story says that it was seen.
const LEAVE: &[(&str, &str)] = &[
    ("freed-session-keeps-key", "in a heap block that was being freed, at byte"),
    ("finished-work-keeps-key", "in a heap block that was being freed, at byte"),
    ("blob-copy-not-wiped", "in a heap block that was being freed, at byte"),
    ("round-keys-in-freed-heap", "in a heap block that was being freed, at byte"),
    ("old-key-kept", "were seen in the heap, at byte 0 of block"),
    ("random-kept-after-finish", "of R[s0, epoch 0] were seen in the heap, at byte"),
    ("key-in-static", "were seen in the static vendor::"),
];

/// What can be looked into under `AddressSanitizer` is all but this.
const MISSING_UNDER_ASAN: &str = "homes,debug,differential,stack,registers";

/// Held by the one test that builds. To another make, a library that is still being written is there and up to date.
static MAKING: Mutex<()> = Mutex::new(());

/// The sample, built with a sanitizer.
struct Sanitized {
    built: Built,
    /// What has to be in its process from the beginning, if anything.
    preload: Option<PathBuf>,
}

impl Sanitized {
    /// Built by this target of the sample's makefile; `None` where the compiler has no such runtime.
    fn build(kind: &'static str, runtime: &str, has_to_be_first: bool) -> Option<Self> {
        let mut command = Command::new("c++");
        let found = command.arg(format!("-print-file-name={runtime}")).output().unwrap().stdout;
        let runtime = PathBuf::from(String::from_utf8(found).unwrap().trim());
        // A compiler without one answers the bare name.
        let Ok(runtime) = runtime.canonicalize() else {
            assert!(
                std::env::var_os("CI").is_none(),
                "in CI there has to be {}",
                runtime.display()
            );
            println!("skipped: {} is not a library", runtime.display());
            return None;
        };
        let Built { directory, .. } = built();
        let out = format!("OUT={}", directory.display());
        let its_directory = directory.join(kind);
        let mut command = Command::new("make");
        command.args(["--silent", "-C"]).arg(example()).arg(&out);
        command.arg(its_directory.join("libvendor_umd.so"));
        let made = {
            let _one_at_a_time = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
            command.output().unwrap()
        };
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let preload = has_to_be_first.then_some(runtime);
        Some(Self { built: built().at(its_directory), preload })
    }

    /// The data sheet of the example, of this library, with this bug.
    fn sheet(&self, bug: &str) -> PathBuf {
        let sheet = self.built.sheet(bug);
        if let Some(runtime) = &self.preload {
            let text = fs::read_to_string(&sheet).unwrap();
            fs::write(&sheet, format!("{text}LD_PRELOAD = \"{}\"\n", runtime.display())).unwrap();
        }
        sheet
    }

    /// What `run` says of a seed: its exit code, the stories and what it says besides.
    fn run(&self, bug: &str, seed: &str, options: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
        command.arg("run").args(options).arg("--driver").arg(self.sheet(bug));
        let output = command.arg(top().join(format!("corpus/seeds/{seed}.seq"))).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }
}

#[test]
fn what_address_sanitizer_says_of_a_driver_is_told_in_the_story() {
    let Some(built) = Sanitized::build("asan", "libasan.so", true) else { return };
    let seed = "work-in-flight-outlives-its-session";
    let (code, told, err) = built.run("destroy-frees-queued-session", seed, &[]);
    assert_eq!(code, Some(3), "{err}");
    assert!(told.contains("happened: AddressSanitizer: heap-use-after-free "), "{told}");
    // That a block is freed twice is its to say, not that nobody knows how long it is.
    let (_, told, _) = built.run("second-destroy-frees-again", seed, &[]);
    assert!(told.contains("happened: AddressSanitizer: "), "{told}");
    assert!(!told.contains("get_allocated_size"), "{told}");
}

#[test]
fn what_a_driver_leaves_on_the_heap_of_address_sanitizer_is_told_with_the_place() {
    let Some(built) = Sanitized::build("asan", "libasan.so", true) else { return };
    let seed = "a-chain-of-eight-refreshes";
    let allowed = ["--allow-missing", MISSING_UNDER_ASAN];
    let (code, told, err) = built.run("", seed, &allowed);
    assert_eq!((code, &*told), (Some(0), ""), "{err}");
    for &(bug, place) in LEAVE {
        let (code, told, err) = built.run(bug, seed, &allowed);
        assert_eq!(code, Some(3), "{bug}: {err}");
        assert!(told.contains(place), "{bug}: {told}");
    }
}

#[test]
fn a_driver_that_leaves_nothing_is_silent_under_address_sanitizer_in_every_seed() {
    let Some(built) = Sanitized::build("asan", "libasan.so", true) else { return };
    let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
    command.args(["replay", "--format", "json", "--driver"]).arg(built.sheet(""));
    let output = command.arg(top().join("corpus/seeds")).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    let report: Value = serde_json::from_slice(&output.stdout).expect(&err);
    assert_eq!(report["files"].as_array().map(Vec::len), Some(0), "{report}");
    assert_eq!(output.status.code(), Some(5), "{err}");
}

#[test]
fn what_undefined_behavior_sanitizer_says_of_a_driver_is_told_in_the_story() {
    let Some(built) = Sanitized::build("ubsan", "libubsan.so", false) else { return };
    let seed = "a-chain-of-eight-refreshes";
    // Heap and stack are its own, so nothing is missing that is not missing without it.
    let allowed = ["--allow-missing", "homes,debug,differential"];
    let (code, told, err) = built.run("", seed, &allowed);
    assert_eq!((code, &*told), (Some(0), ""), "{err}");
    let (code, told, err) = built.run("checksum-in-signed-numbers", seed, &allowed);
    assert_eq!(code, Some(3), "{err}");
    let happened = "happened: UndefinedBehaviorSanitizer: signed-integer-overflow ";
    assert!(told.contains(happened) && told.contains("key_material.cpp:"), "{told}");
    let (code, told, _) = built.run("old-key-kept", seed, &allowed);
    assert_eq!(code, Some(3));
    assert!(told.contains("were seen in the heap, at byte 0 of block"), "{told}");
}

/// The bugs that are races, and where `ThreadSanitizer` sees them: at whichever place of several is first.
const RACES: &[(&str, &str)] = &[
    ("keystream-shared-by-devices", "in vendor::"),
    ("live-list-unlocked", "in std::vector<vendor::"),
];

/// How often a race is looked for: what two threads come to in one run is chance.
const ATTEMPTS: usize = 10;

#[test]
fn what_thread_sanitizer_says_of_devices_on_two_threads_is_told_in_the_story() {
    let Some(built) = Sanitized::build("tsan", "libtsan.so", true) else { return };
    let seed = "a-chain-of-eight-refreshes";
    let on_two = ["--threads", "2"];
    let (code, told, err) = built.run("", seed, &on_two);
    assert_eq!((code, &*told), (Some(5), ""), "{err}");
    for (bug, place) in RACES {
        let mut all = String::new();
        let is_told = (0..ATTEMPTS).any(|_| {
            let (_, told, err) = built.run(bug, seed, &on_two);
            all += &(told.clone() + &err);
            told.lines().any(|line| {
                line.contains("happened: ThreadSanitizer: data race ") && line.contains(place)
            })
        });
        assert!(is_told, "{bug}: {all}");
    }
    // One thread has no races.
    let (code, told, err) = built.run("keystream-shared-by-devices", seed, &[]);
    assert_eq!((code, &*told), (Some(5), ""), "{err}");
}

#[test]
fn what_several_threads_see_of_a_driver_is_judged_and_what_they_cannot_look_into_is_named() {
    let built = Sanitized { built: built().clone(), preload: None };
    let seed = "a-chain-of-eight-refreshes";
    let options = ["--threads", "3"];
    let (code, told, err) = built.run("", seed, &options);
    assert_eq!((code, &*told), (Some(5), ""), "{err}");
    for name in ["heap", "statics", "stack", "registers", "log"] {
        assert!(err.contains(name), "{name}: {err}");
    }
    assert!(!err.contains("outputs") && !err.contains("freed-heap"), "{err}");
    // Bugs that need no luck are told, with the command that shows them again.
    for (bug, seed) in [
        ("finish-twice", "second-finish-is-refused"),
        ("queue-reads-key-late", "a-refresh-between-submission-and-completion"),
        ("freed-session-keeps-key", "a-chain-of-eight-refreshes"),
    ] {
        let replayed = replay(&built.sheet(bug), seed, &options);
        assert_eq!(replayed.0, Some(3), "{bug}: {}", replayed.1);
        assert!(replayed.1.contains(".toml --threads 3 "), "{bug}: {}", replayed.1);
    }
    for (bug, seed, happened) in [
        ("early-finish-throws", "finish-without-start-is-refused", "died of SIGABRT"),
        ("second-start-never-returns", "second-start-is-refused", "did not return"),
    ] {
        let (code, told, err) = built.run(bug, seed, &["--threads", "2", "--time-limit", "1s"]);
        assert_eq!(code, Some(3), "{bug}: {err}");
        assert!(told.contains(happened), "{bug}: {told}");
    }
}

/// What `replay` says of a seed.
fn replay(sheet: &Path, seed: &str, options: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
    command.arg("replay").args(options).arg("--driver").arg(sheet);
    let output = command.arg(top().join(format!("corpus/seeds/{seed}.seq"))).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}
