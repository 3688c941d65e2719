//! What the sample driver leaves of its secrets is told with the place, also when its device is taken away.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::sample::{built, top};

/// The bugs that leave a secret behind, and where the story says that it was seen.
const LEAVE: &[(&str, &str)] = &[
    ("freed-session-keeps-key", "in a heap block that was being freed, at byte"),
    ("finished-work-keeps-key", "in a heap block that was being freed, at byte"),
    ("blob-copy-not-wiped", "in a heap block that was being freed, at byte"),
    ("round-keys-in-freed-heap", "in a heap block that was being freed, at byte"),
    ("old-key-kept", "were seen in the heap, at byte 0 of block"),
    ("random-kept-after-finish", "of R[s0, epoch 0] were seen in the heap, at byte"),
    ("key-on-stack", "were seen in the dead stack, "),
    ("key-in-register", "were seen in register xmm"),
    ("key-in-static", "were seen in the static vendor::"),
    ("key-in-log", "were seen in line 1 of the call's log, as hex"),
];

#[test]
fn what_a_driver_leaves_of_a_secret_in_its_memory_or_its_log_is_told_with_the_place() {
    let file = top().join("corpus/seeds/a-chain-of-eight-refreshes.seq");
    let run = |bug: &str| {
        let sheet = built().sheet(bug);
        let logging = fs::read_to_string(&sheet).unwrap() + "VENDOR_UMD_LOG = \"1\"\n";
        fs::write(&sheet, logging).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
        command.args(["run", "--allow-missing", "homes,debug,differential", "--driver"]);
        let output = command.arg(&sheet).arg(&file).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    // With this much allowed, it is looked into everything else.
    assert_eq!(run(""), (Some(0), String::new()));
    for &(bug, place) in LEAVE {
        let (code, told) = run(bug);
        assert_eq!(code, Some(3), "{bug}");
        assert!(told.contains(place), "{bug}: {told}");
        // A program in C++ reads no log.
        let shown = match bug {
            "key-in-log" => continue,
            // What is in a static is there in all sequences that run behind in the same process.
            "key-in-static" => built().in_cpp_isolated(bug, &file),
            _ => built().in_cpp(bug, &file),
        };
        assert_eq!(shown, Ok((Some(3), Some(0))), "{bug}");
    }
    // The log has each of the nine keys that were updated; what is the same again is told in a line.
    let (_, told) = run("key-in-log");
    assert_eq!(told.matches("violation: key-leak").count(), 3, "{told}");
    assert_eq!(told.matches("and key-leak again, call ").count(), 5, "{told}");
}

#[test]
fn a_device_is_taken_away_by_the_callback_or_by_a_hook_and_has_no_keys_afterwards() {
    let with = |removal: &str, bug: &str| {
        let sheet = built().sheet(bug);
        let text = fs::read_to_string(&sheet).unwrap();
        fs::write(&sheet, format!("removal = {removal}\n{text}")).unwrap();
        sheet
    };
    let run = |sheet: &Path, seed: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
        command.args(["run", "--allow-missing", "homes,debug,differential", "--driver"]);
        let file = top().join(format!("corpus/seeds/{seed}.seq"));
        let output = command.arg(sheet).arg(file).output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&told).into_owned())
    };
    let (with_work, idle) = ("a-new-session-works-after-a-reset", "a-reset-ends-a-pending-refresh");
    let hook = "{ hook = \"vendor_umd_remove_device\" }";
    let callback = "\"render-callback\"";
    // A device that has nothing to submit does not hear of it by the callback.
    for (removal, seed, is_told) in [
        (callback, with_work, true),
        (callback, idle, false),
        (hook, with_work, true),
        (hook, idle, true),
        ("\"never\"", with_work, false),
    ] {
        let (code, told) = run(&with(removal, ""), seed);
        assert_eq!(code, Some(0), "{removal} {seed}: {told}");
        let sheet = with(removal, "removed-device-keeps-keys");
        let (code, told) = run(&sheet, seed);
        assert_eq!(code, Some(if is_told { 3 } else { 0 }), "{removal} {seed}: {told}");
        assert_eq!(told.contains("violation: key-residue"), is_told, "{told}");
    }
    let bug = "removed-device-keeps-keys";
    let file = top().join(format!("corpus/seeds/{with_work}.seq"));
    assert_eq!(built().in_cpp(bug, &file), Ok((Some(3), Some(0))));
    let (code, told) = run(&with("{ hook = \"nothing\" }", ""), idle);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("does not export nothing"), "{told}");
}

#[test]
fn a_layer_that_a_data_sheet_leaves_out_is_not_looked_into_and_missing_by_name() {
    let sheet = built().sheet("key-on-stack");
    let text = fs::read_to_string(&sheet).unwrap();
    fs::write(&sheet, format!("leave-out = [\"stack\"]\n{text}")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
    command.args(["run", "--allow-missing", "homes,debug,differential", "--driver"]);
    let file = top().join("corpus/seeds/a-chain-of-eight-refreshes.seq");
    let output = command.arg(&sheet).arg(&file).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{err}");
    assert!(err.contains("stack"), "{err}");
}
