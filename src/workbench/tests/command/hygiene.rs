//! `rekeylab hygiene`: the time line of every secret.

use expect_test::expect;

use crate::harness::{CLEAN, Desk};

/// A refresh with work in flight across it, and a destroy.
const REFRESH: &str = "\
# rekeylab sequence 1
d0 = create-device
s0 = create-session d0
exchange-key s0 key=7
submit-buffer s0 iv=1 count=0 len=64
start-refresh s0 size=16
finish-refresh s0
retire 1
destroy-session s0
";

#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn every_secret_has_a_time_line() {
    let desk = Desk::new();
    desk.file("refresh.seq", REFRESH);
    let ran = desk.run("hygiene refresh.seq");
    assert_eq!((ran.code, &*ran.err), (0, ""));
    expect![[r#"
        refresh.seq
                          0         10
          K[s0, epoch 0]  ..HHHQ.....
          R[s0, epoch 0]  ....H......
          K[s0, epoch 1]  .....HH....
          one letter a call: H in its home, Q only bound to queued commands, - alive and not seen, ! where it must not be, . not alive

          K[s0, epoch 0]  born in call 2 exchange-key; dead since call 6 retire, the last command under it completed; last seen after call 5 finish-refresh
                          in the home of the key of s0, after calls 2 to 4
                          in the home of the key bound to the command with fence 1, after calls 3 to 5
          R[s0, epoch 0]  born in call 4 start-refresh; dead since call 5 finish-refresh, the refresh was finished; last seen after call 4 start-refresh
                          in the home of the random number of s0, after calls 4 to 4
          K[s0, epoch 1]  born in call 5 finish-refresh; dead since call 7 destroy-session, its session was destroyed; last seen after call 6 retire
                          in the home of the key of s0, after calls 5 to 6

          looked into: outputs, log, debug, freed-heap, heap, homes, stack, registers, statics, derived, differential
    "#]].assert_eq(ran.text());
}

#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn programs_read_the_same_as_json() {
    let desk = Desk::new();
    desk.file("refresh.seq", REFRESH);
    let ran = desk.run("hygiene --format json refresh.seq");
    assert_eq!(ran.code, 0);
    let report = &ran.json()["files"][0];
    let secrets = report["secrets"].as_array().unwrap();
    let names: Vec<_> = secrets.iter().map(|secret| secret["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["K[s0, epoch 0]", "R[s0, epoch 0]", "K[s0, epoch 1]"]);
    assert_eq!(secrets[0]["born"], 2);
    assert_eq!(secrets[0]["dead_since"], 6);
    assert_eq!(secrets[0]["cause"], "the last command under it completed");
    assert_eq!(secrets[0]["homes"].as_array().unwrap().len(), 2);
}

#[test]
fn a_sequence_without_secrets_has_no_lives_to_show() {
    let desk = Desk::new();
    desk.file("clean.seq", CLEAN);
    let ran = desk.run("hygiene --format json clean.seq");
    assert_eq!(ran.code, 0);
    assert_eq!(ran.json()["files"][0]["secrets"], serde_json::json!([]));
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_is_shown() {
    let desk = Desk::new();
    desk.file("clean.seq", CLEAN);
    let ran = desk.run("hygiene missing.seq clean.seq");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("missing.seq"), "{ran:?}");
    assert!(ran.text().starts_with("clean.seq\n"), "{ran:?}");
}

#[test]
#[cfg(all(feature = "faults", target_os = "linux", target_arch = "x86_64"))]
fn a_leftover_is_shown_where_it_lies_and_ends_with_three() {
    let desk = Desk::new();
    desk.file("refresh.seq", REFRESH);
    let ran = desk.run("hygiene --fault old-key-in-history refresh.seq");
    assert_eq!(ran.code, 3);
    let text = ran.text();
    assert!(text.contains("LEFT in the heap, at byte 0 of block #"), "{text}");
    assert!(text.contains("!"), "{text}");
}
