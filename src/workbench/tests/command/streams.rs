//! Where the command writes, and in which colours.

use std::process::Stdio;

use crate::harness::{CLEAN, Desk, WRONG};

#[test]
fn there_is_no_colour_where_there_is_no_terminal() {
    let desk = Desk::new();
    desk.file("wrong.seq", WRONG);
    for line in ["--help", "run wrong.seq", "run missing.seq", "no-such-command", "list calls"] {
        let ran = desk.run(line);
        assert!(!ran.out.contains(&0x1B), "{line}: {ran:?}");
        assert!(!ran.err.contains('\x1B'), "{line}: {ran:?}");
    }
}

#[test]
fn colour_comes_when_asked_for() {
    let desk = Desk::new();
    for line in ["run missing.seq --color always", "--color=always no-such-command"] {
        let ran = desk.run(line);
        assert!(ran.err.contains("\x1B["), "{line}: {ran:?}");
    }
    let ran = desk.run("run missing.seq --color never");
    assert!(!ran.err.contains('\x1B'), "{ran:?}");
}

#[cfg(feature = "faults")]
#[test]
fn a_story_has_colour_when_asked_for_and_the_same_words_without() {
    let desk = Desk::new();
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../corpus/crashes/double-finish/finish-without-start-succeeds.seq"
    );
    let coloured = desk.run(&format!("run --fault finish-without-start --color always {file}"));
    let told = coloured.text();
    assert!(told.starts_with("\x1B[1m\x1B[31mviolation: double-finish"), "{coloured:?}");
    let plain = desk.run(&format!("run --fault finish-without-start --color never {file}"));
    assert_eq!(anstream::adapter::strip_str(told).to_string(), plain.text());
    assert!(!plain.out.contains(&0x1B), "{plain:?}");
    let ran =
        desk.run("exhaust --depth 4 --findings found --fault finish-without-start --color always");
    assert!(ran.text().starts_with("\x1B[1m\x1B[31mviolation: double-finish"), "{ran:?}");
    // Without the fault the file holds, and says with which it does not.
    let ran = desk.run(&format!("run {file}"));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("it shows a fault with --fault finish-without-start"), "{ran:?}");
}

#[test]
fn findings_go_to_standard_output_and_errors_do_not() {
    let desk = Desk::new();
    desk.file("wrong.seq", WRONG);
    let ran = desk.run("run wrong.seq missing.seq");
    assert!(ran.text().contains("wrong.seq:3"), "{ran:?}");
    assert!(!ran.text().contains("missing.seq"), "{ran:?}");
    assert!(ran.err.contains("missing.seq"), "{ran:?}");
    assert!(!ran.err.contains("wrong.seq"), "{ran:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_standard_output_without_room_is_an_error() {
    let desk = Desk::new();
    desk.file("a.seq", CLEAN);
    for line in ["show a.seq", "list calls", "show a.seq --format json"] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = desk.command();
        command.args(line.split_whitespace()).stdout(full);
        let output = command.output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{line}: {err}");
        assert!(err.contains("cannot write to standard output: No space left"), "{err}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let desk = Desk::new();
    let mut command = desk.command();
    command.args(["list", "calls"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
}
