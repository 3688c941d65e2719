//! Each exit code is reached, by the thing that it stands for.

use crate::harness::{CLEAN, Desk, WRONG};

#[test]
fn zero_when_all_held() {
    let desk = Desk::new();
    desk.file("clean.seq", CLEAN);
    let ran = desk.run("run clean.seq");
    assert_eq!((ran.code, ran.text(), ran.err.as_str()), (0, "", ""));
}

#[test]
fn one_when_the_engine_cannot_be_built() {
    let desk = Desk::new();
    desk.file("Cargo.toml", "");
    desk.file("fuzz/Cargo.toml", "");
    desk.file("fuzz/fuzz_targets/call_sequence.rs", "");
    desk.file("fuzz/fuzz_targets/call_sequence_keysan.rs", "");
    let mut command = desk.command();
    // Neither a compiler nor cargo is there.
    command.args(["fuzz", "--time", "1s"]).env("PATH", desk.path()).env_remove("CXX");
    let output = command.output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("no C++ compiler"), "{err}");
    assert!(err.contains("try: apt install g++"), "{err}");
}

#[test]
fn two_when_nothing_can_be_minimized() {
    let desk = Desk::new();
    desk.file("clean.seq", CLEAN);
    let ran = desk.run("minimize clean.seq");
    assert_eq!((ran.code, ran.text()), (2, ""));
    assert!(ran.err.contains("clean.seq breaks no invariant"), "{ran:?}");
}

#[test]
fn three_when_an_expected_answer_did_not_come() {
    let desk = Desk::new();
    desk.file("wrong.seq", WRONG);
    for command in ["run", "replay"] {
        let ran = desk.run(&format!("{command} wrong.seq"));
        assert_eq!(ran.code, 3);
        assert_eq!(
            ran.text(),
            "wrong.seq:3: finish-refresh s0: expected ok, answered D3DDDIERR_INVALIDHANDLE\n"
        );
    }
}

#[test]
fn trouble_with_one_file_does_not_hide_a_violation_in_another() {
    let desk = Desk::new();
    desk.file("wrong.seq", WRONG);
    desk.file("cut.seq", "create-");
    for line in ["run cut.seq wrong.seq", "run wrong.seq cut.seq", "replay ."] {
        let ran = desk.run(line);
        assert_eq!(ran.code, 3, "{line}: {ran:?}");
        assert!(ran.err.contains("cut.seq:1:1"), "{line}: {ran:?}");
    }
}

#[cfg(not(feature = "faults"))]
#[test]
fn a_build_without_faults_says_which_command_has_them() {
    let desk = Desk::new();
    desk.file("clean.seq", CLEAN);
    for line in ["canary", "gate", "list faults", "run clean.seq --fault finish-without-start"] {
        let ran = desk.run(line);
        assert_eq!(ran.code, 2, "{line}: {ran:?}");
        assert!(ran.err.contains("try: cargo run --release --features faults -- "), "{ran:?}");
    }
}

#[cfg(feature = "faults")]
mod with_faults {
    use super::*;

    #[test]
    fn three_when_an_invariant_was_broken() {
        let desk = Desk::new();
        let text =
            "d0 = create-device\ns0 = create-session d0\nexchange-key s0\nfinish-refresh s0\n";
        desk.file("x.seq", text);
        assert_eq!(desk.run("run x.seq").code, 0);
        let ran = desk.run("run x.seq --fault finish-without-start");
        assert_eq!(ran.code, 3);
        assert!(ran.text().starts_with("violation: double-finish\n"), "{ran:?}");
        let again =
            "cargo run --release --features faults -- run --fault finish-without-start x.seq";
        assert!(ran.text().contains(again), "{ran:?}");
    }

    #[test]
    fn four_when_an_alarm_stayed_silent() {
        // One sequence is too few to reach this one.
        let ran = Desk::new().run("canary late-completion-applies-random --executions 1");
        assert_eq!(ran.code, 4, "{ran:?}");
        assert!(ran.text().contains("SILENT"), "{ran:?}");
    }

    #[test]
    fn zero_when_the_alarms_ring_as_they_must() {
        let ran = Desk::new().run("canary finish-without-start key-in-debug --executions 2000");
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.text().contains("(honest core)"), "{ran:?}");
    }

    #[test]
    fn an_unknown_fault_is_answered_with_where_they_are_listed() {
        let ran = Desk::new().run("canary no-such-fault");
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains("no fault named \"no-such-fault\""), "{ran:?}");
        assert!(ran.err.contains("try: rekeylab list faults"), "{ran:?}");
    }

    #[test]
    fn what_minimize_writes_names_the_bug_and_the_answer_that_was_due() {
        let desk = Desk::new();
        let text = "create-device\ncreate-device\ns = create-session d0\nexchange-key s key=9\n\
                    session-status s\nfinish-refresh s\nretire 3\n";
        desk.file("long.seq", text);
        let ran = desk.run("minimize long.seq -o short.seq --fault finish-without-start");
        assert_eq!(ran.code, 0, "{ran:?}");
        let short = desk.read("short.seq");
        assert!(short.lines().nth(1).unwrap().starts_with("# double-finish: "), "{short}");
        assert!(short.ends_with("-> D3DDDIERR_INVALIDCALL\n"), "{short}");
        // Fixed, it holds; broken, it does not.
        assert_eq!(desk.run("run short.seq").code, 0);
        assert_eq!(desk.run("run short.seq --fault finish-without-start").code, 3);
    }

    #[test]
    fn a_bug_has_one_fingerprint_whichever_command_tells_it() {
        let desk = Desk::new();
        let text = "create-device\ns = create-session d0\nexchange-key s key=9\n\
                    start-refresh s\nsession-status s\nstart-refresh s\nretire 3\n";
        desk.file("long.seq", text);
        let fault = "--fault second-start-accumulates";
        let minimized = desk.run(&format!("minimize long.seq -o a.seq --format json {fault}"));
        let fingerprint = minimized.json()["fingerprint"].as_str().unwrap().to_owned();
        for command in ["run a.seq", "replay a.seq"] {
            let told = desk.run(&format!("{command} {fault}"));
            assert!(told.text().contains(&format!("fingerprint {fingerprint}")), "{told:?}");
            let document = desk.run(&format!("{command} --format json {fault}")).json();
            let violation = &document["files"][0]["report"]["violations"][0];
            assert_eq!(violation["fingerprint"], fingerprint, "{command}");
        }
    }
}
