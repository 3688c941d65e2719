//! Calls keep their meaning when others come and go.

use super::super::renumber::{canonicalize, graft, insert, keep, remove};
use super::*;

/// Changes the calls of one text and expects those of another.
fn check(before: &str, change: impl FnOnce(&mut Vec<Call>), after: &str) {
    let mut calls = sequence(before).calls;
    change(&mut calls);
    assert_eq!(lines(&CallSequence { calls }), lines(&sequence(after)));
}

#[test]
fn an_inserted_session_moves_the_later_ones_up() {
    check(
        "create-device\ncreate-session d0\ncreate-session d0\nretire 9\nsession-status s1\nsession-status s0",
        |calls| insert(calls, 1, CallKind::CreateSession.plain()),
        "create-device\ncreate-session d0\ncreate-session d0\ncreate-session d0\nretire 9\nsession-status s2\nsession-status s1",
    );
}

#[test]
fn an_inserted_device_moves_devices_and_ways_but_no_session() {
    check(
        "create-device\ncreate-device\ncreate-session d1\nsession-status s0 via=d0\ndestroy-device d1",
        |calls| insert(calls, 1, Call::CreateDevice),
        "create-device\ncreate-device\ncreate-device\ncreate-session d2\nsession-status s0 via=d0\ndestroy-device d2",
    );
}

#[test]
fn a_slot_that_wraps_still_names_the_same_session_after_an_insertion() {
    // With two sessions, s5 is the second.
    check(
        "create-device\ncreate-session d0\ncreate-session d0\nsession-status s5",
        |calls| insert(calls, 3, CallKind::CreateSession.plain()),
        "create-device\ncreate-session d0\ncreate-session d0\ncreate-session d0\nsession-status s1",
    );
}

#[test]
fn a_removed_session_moves_the_later_ones_down_and_its_uses_to_the_one_before() {
    check(
        "create-device\ncreate-session d0\ncreate-session d0\ncreate-session d0\nretire 1\nsession-status s2\nsession-status s1\nsession-status s0",
        |calls| {
            remove(calls, 2);
        },
        "create-device\ncreate-session d0\ncreate-session d0\nretire 1\nsession-status s1\nsession-status s0\nsession-status s0",
    );
}

#[test]
fn what_is_kept_keeps_its_meaning() {
    check(
        "create-device\ncreate-session d0\nreset-engine\ncreate-device\ncreate-session d1\nexchange-key s0\nexchange-key s1 via=d1",
        |calls| {
            keep(calls, |index, _| !matches!(index, 0 | 1 | 5));
            // Of one device and one session, every slot is right.
            canonicalize(calls);
        },
        "reset-engine\ncreate-device\ncreate-session d0\nexchange-key s0 via=d0",
    );
}

#[test]
fn a_copied_window_uses_what_it_creates_itself() {
    let source = sequence(
        "create-device\ncreate-session d0\ncreate-session d0\nexchange-key s1\nexchange-key s0",
    );
    check(
        "create-device\ncreate-session d0\ncreate-session d0\nexchange-key s1\nexchange-key s0",
        |calls| graft(calls, 5, &source.calls, 2..5),
        "create-device\ncreate-session d0\ncreate-session d0\nexchange-key s1\nexchange-key s0\ncreate-session d0\nexchange-key s2\nexchange-key s0",
    );
    check(
        "create-device\ncreate-session d0\nsession-status s0",
        |calls| graft(calls, 1, &source.calls, 1..4),
        "create-device\ncreate-session d0\ncreate-session d0\nexchange-key s1\ncreate-session d0\nsession-status s2",
    );
}

#[test]
fn a_canonical_slot_is_the_index_of_what_it_names() {
    check(
        "session-status s9\ncreate-device\ncreate-device\ncreate-session d7\nsession-status s4 via=d2",
        |calls| canonicalize(calls),
        "session-status s0\ncreate-device\ncreate-device\ncreate-session d1\nsession-status s0 via=d0",
    );
}

/// Meanings: for every call its kind and the creations that its slots name, by number of creation.
fn meanings(calls: &[Call], is_new: impl Fn(usize) -> bool) -> Vec<(CallKind, Vec<Option<usize>>)> {
    use super::super::renumber::each_slot;
    use super::super::slot::SlotKind;
    let (mut devices, mut sessions) = (Vec::new(), Vec::new());
    let (mut meanings, mut old_count) = (Vec::new(), 0);
    for (index, call) in calls.iter().enumerate() {
        let mut named = Vec::new();
        let mut copy = *call;
        each_slot(&mut copy, |kind, slot| {
            let ids = if kind == SlotKind::Device { &devices } else { &sessions };
            named.push(slot.resolve(ids.len()).map(|index| ids[index]));
        });
        let id = if is_new(index) { usize::MAX } else { old_count };
        match call {
            Call::CreateDevice => devices.push(id),
            Call::CreateSession { .. } => sessions.push(id),
            _ => {}
        }
        if !is_new(index) {
            meanings.push((call.kind(), named));
            old_count += 1;
        }
    }
    meanings
}

#[test]
fn any_insertion_leaves_every_other_call_its_meaning() {
    let mut rng = rng(5);
    for _ in 0..5_000 {
        let before = any_sequence(&mut rng, 40).calls;
        let at = dice::index(&mut rng, before.len() + 1);
        let mut after = before.clone();
        insert(&mut after, at, any_call(&mut rng));
        let old = meanings(&before, |_| false);
        let new = meanings(&after, |index| index == at);
        for (old, new) in old.iter().zip(&new) {
            assert_eq!(old.0, new.0);
            for (old, new) in old.1.iter().zip(&new.1) {
                // Before the first creation there was nothing to name.
                assert!(old == new || old.is_none(), "{old:?} {new:?}");
            }
        }
    }
}
