//! The sample driver is silent as it is, and each of its bugs is told as what it is and shown again in C++.

use std::collections::BTreeMap;
use std::process::Command;

use crate::sample::{Form, built, top};

/// The bugs that the corpus shows through the table alone, and one invariant that they break.
const SHOWN: &[(&str, &str)] = &[
    ("caps-hide-refresh", "false-capability"),
    ("caps-promise-read-back-keys", "false-capability"),
    ("finish-without-start", "double-finish"),
    ("finish-twice", "double-finish"),
    ("finish-updates-half", "wrong-key-epoch"),
    ("finish-drops-work", "wrong-key-epoch"),
    ("start-switches-key", "wrong-key-epoch"),
    ("refresh-before-exchange", "wrong-answer"),
    ("exchange-keeps-refresh", "wrong-answer"),
    ("refused-blt-uses-iv", "wrong-answer"),
    ("refused-start-loses-refresh", "wrong-answer"),
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
    // Only where an address comes back.
    ("ivs-known-by-address", "wrong-answer"),
    ("refresh-shared-by-sessions", "wrong-key-epoch"),
    ("queue-reads-key-late", "wrong-key-epoch"),
    ("cached-key-outlives-finish", "wrong-key-epoch"),
];

#[test]
fn the_driver_is_silent_as_it_is_and_its_bugs_are_told_and_shown_again_in_cpp() {
    let built = built();
    assert_eq!(built.broken("", "corpus"), BTreeMap::new());
    let told = |(bug, invariant): &(&str, &str)| {
        // Most show in the seeds, which are a third of all.
        let mut broken = built.broken(bug, "corpus/seeds");
        if !broken.contains_key(*invariant) {
            broken = built.broken(bug, "corpus");
        }
        let Some(file) = broken.get(*invariant) else {
            return Some(format!("{bug}: {invariant} is not among {broken:?}"));
        };
        // Whether a number repeats hangs on how many were drawn before, in other sequences.
        if *bug == "random-repeats" {
            return None;
        }
        // Whether an address comes back hangs on what ran before in the same process.
        let shown = match *bug {
            "ivs-known-by-address" => built.in_cpp_isolated(bug, file),
            _ => built.in_cpp(bug, file),
        };
        (shown != Ok((Some(3), Some(0)))).then(|| format!("{bug}: {shown:?}"))
    };
    let halves = SHOWN.split_at(SHOWN.len() / 2);
    let problems: Vec<String> = std::thread::scope(|scope| {
        let first = scope.spawn(|| halves.0.iter().filter_map(told).collect::<Vec<_>>());
        let mut problems: Vec<String> = halves.1.iter().filter_map(told).collect();
        problems.extend(first.join().unwrap());
        problems
    });
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Bugs that show where surfaces are read by `EncryptionBlt`, and an invariant that they break.
const SHOWN_BY_READ_BACK: &[(&str, &str)] = &[
    ("readback-iv-apart", "keystream-reuse"),
    ("start-switches-key", "wrong-key-epoch"),
    ("finish-updates-half", "wrong-key-epoch"),
    ("queue-reads-key-late", "wrong-key-epoch"),
    ("exchange-restarts-counters", "keystream-reuse"),
];

#[test]
fn surfaces_are_read_back_encrypted_if_the_data_sheet_says_so_and_that_shows_other_bugs() {
    let form = Form { top: "read-back = \"encryption-blt\"", ..Form::default() };
    let built = built().driven("read-back", form);
    assert_eq!(built.broken("", "corpus"), BTreeMap::new());
    for &(bug, invariant) in SHOWN_BY_READ_BACK {
        let broken = built.broken(bug, "corpus/seeds");
        let Some(file) = broken.get(invariant) else {
            panic!("{bug}: {invariant} is not among {broken:?}");
        };
        assert_eq!(built.in_cpp(bug, file), Ok((Some(3), Some(0))), "{bug}");
    }
}

/// The bugs that take the process along: a file that shows each, what is told, and what a program in C++ that
/// is made of it ends with, if not with a signal.
const ENDS: &[(&str, &str, &str, Option<i32>)] = &[
    ("second-start-never-returns", "second-start-is-refused", "did not return", None),
    (
        "malformed-blob-exits",
        "bad-wrapped-keys-leave-the-session-unkeyed",
        "ended the process with exit code 3",
        Some(3),
    ),
    (
        "upload-without-key-crashes",
        "nothing-works-before-the-key-exchange",
        "died of SIGSEGV",
        None,
    ),
    ("early-finish-throws", "finish-without-start-is-refused", "died of SIGABRT", None),
    ("destroy-recurses", "finish-without-start-is-refused", "used up its stack", None),
];

#[test]
fn a_driver_that_takes_its_process_along_is_told_like_any_other_and_shown_again_in_cpp() {
    let built = built();
    let told = |&(bug, seed, happened, code): &(&str, &str, &str, Option<i32>)| {
        let file = top().join(format!("corpus/seeds/{seed}.seq"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
        command.args(["run", "--time-limit", "1s", "--driver"]).arg(built.sheet(bug));
        // What comes behind it is run, too.
        let last = top().join("corpus/seeds/a-chain-of-eight-refreshes.seq");
        let output = command.arg(&file).arg(&last).output().unwrap();
        let story = String::from_utf8_lossy(&output.stdout);
        let is_told = output.status.code() == Some(3) && story.contains(happened);
        let shown = built.in_cpp_isolated(bug, &file);
        let problem = format!("{bug}: {:?}, {shown:?}\n{story}", output.status);
        (!is_told || shown != Ok((code, Some(0)))).then_some(problem)
    };
    let problems: Vec<String> = ENDS.iter().filter_map(told).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
