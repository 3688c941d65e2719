//! `rekeylab audit`: all memory of the process, after each sequence.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use crate::harness::{CLEAN, Desk};

/// A session that is refreshed once.
#[cfg(feature = "faults")]
const REFRESH: &str = "\
# rekeylab sequence 1
d0 = create-device
s0 = create-session d0
exchange-key s0 key=7
start-refresh s0 size=16
finish-refresh s0
destroy-session s0
";

#[test]
fn a_clean_core_leaves_nothing_anywhere() {
    let desk = Desk::new();
    desk.file("set/clean.seq", CLEAN);
    desk.file("set/rubbish", b"\x00\x01\x02");
    let ran = desk.run("audit set");
    assert_eq!((ran.code, ran.text()), (0, ""), "{ran:?}");
    assert!(ran.err.starts_with("audited 2 files, looked at "), "{ran:?}");
}

#[test]
#[cfg(feature = "faults")]
fn a_key_in_a_static_is_seen_in_the_memory_of_the_process() {
    let desk = Desk::new();
    desk.file("refresh.seq", REFRESH);
    let ran = desk.run("audit --fault key-in-static refresh.seq");
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.text().contains("bytes 0 to 15 of K[s0, epoch 0] are left in"), "{ran:?}");
    assert_eq!(desk.run("audit refresh.seq").code, 0);
}

#[test]
#[cfg(feature = "faults")]
fn valgrind_sees_a_key_that_is_kept_in_an_encoding() {
    let desk = Desk::new();
    desk.file("refresh.seq", REFRESH);
    let Some(honest) = desk.run_under_valgrind("audit refresh.seq") else {
        return;
    };
    assert_eq!((honest.code, honest.text()), (0, ""), "{honest:?}");
    let faulty = desk.run_under_valgrind("audit --fault rotated-key-kept refresh.seq");
    let faulty = faulty.expect("it was there a moment ago");
    assert_eq!(faulty.code, 3, "{faulty:?}");
    assert!(faulty.text().contains("16 bytes made of a secret in block #"), "{faulty:?}");
}
