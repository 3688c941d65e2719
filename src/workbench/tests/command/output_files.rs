//! Files that are written: whole or not at all, and never over something else.

use crate::harness::{CLEAN, Desk};

fn names(desk: &Desk) -> Vec<String> {
    let entries = std::fs::read_dir(desk.path()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_that_is_there_is_replaced_only_by_force() {
    let desk = Desk::new();
    desk.file("a.seq", CLEAN);
    desk.file("out.seq", "precious");
    let ran = desk.run("show a.seq -o out.seq");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("out.seq exists already"), "{ran:?}");
    assert!(ran.err.contains("--force"), "{ran:?}");
    assert_eq!(desk.read("out.seq"), "precious");
    assert_eq!(desk.run("show a.seq -o out.seq --force").code, 0);
    assert_eq!(desk.read("out.seq"), CLEAN);
    assert_eq!(desk.run("show a.seq -o out.seq").code, 0, "the same bytes are no conflict");
    assert_eq!(names(&desk), ["a.seq", "out.seq"], "nothing else is left");
}

#[test]
fn a_dash_is_standard_output() {
    let desk = Desk::new();
    desk.file("a.seq", CLEAN);
    for force in ["", " --force"] {
        let ran = desk.run(&format!("show a.seq -o -{force}"));
        assert_eq!((ran.code, ran.text()), (0, CLEAN), "{ran:?}");
    }
    assert_eq!(names(&desk), ["a.seq"]);
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let desk = Desk::new();
    desk.file("a.seq", CLEAN);
    desk.file("file", "x");
    for place in ["file/out.seq", "no/such/out.seq"] {
        let ran = desk.run(&format!("show a.seq -o {place}"));
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.err.contains(&format!("cannot write {place}: ")), "{ran:?}");
        assert!(ran.err.contains("try: "), "{ran:?}");
    }
    assert_eq!(names(&desk), ["a.seq", "file"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_read_only_directory_is_named() {
    let desk = Desk::new();
    desk.file("a.seq", CLEAN);
    // Not even the superuser makes files there.
    let ran = desk.run("show a.seq -o /proc/out.seq");
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("cannot write /proc/out.seq: "), "{ran:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_and_the_device_is_not_replaced() {
    let desk = Desk::new();
    desk.file("a.seq", CLEAN);
    for force in ["", " --force"] {
        let ran = desk.run(&format!("show a.seq -o /dev/full{force}"));
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.err.contains("cannot write /dev/full: No space left"), "{ran:?}");
    }
    use std::os::unix::fs::FileTypeExt as _;
    assert!(std::fs::metadata("/dev/full").unwrap().file_type().is_char_device());
}

#[cfg(unix)]
#[test]
fn a_pipe_that_nobody_reads_does_not_hang_the_command() {
    let desk = Desk::new();
    desk.file("a.seq", CLEAN);
    let status = std::process::Command::new("mkfifo").arg(desk.path().join("pipe")).status();
    assert!(status.unwrap().success());
    let ran = desk.run("show a.seq -o pipe");
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("cannot write pipe: "), "{ran:?}");
}
