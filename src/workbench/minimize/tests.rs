//! Known bugs shrink to their known shortest form.

use super::neighbours::calls_for;
use super::search::EVALUATIONS_MAX;
use super::*;
use crate::generate::SMALL_LIMITS;
use crate::generate::sketch::Sketch;
use crate::generate::{LimitsAt, SearchOptions, generate_from_seed, mutate};
use crate::sequence::tests::*;
use crate::sequence::*;

/// Minimises many sequences that hold, and checks what must be true of every result.
fn check(holds: impl Fn(&CallSequence) -> bool, shortest: &str) {
    let mut rng = rng(1);
    let mut seen = 0;
    for seed in 0..400 {
        let options = SearchOptions { calls_min: 64, calls_max: 64, ..SearchOptions::default() };
        let mut sequence = generate_from_seed(seed, &options);
        mutate(&mut sequence, &mut rng, &LimitsAt::CORE, 64);
        if !holds(&sequence) {
            continue;
        }
        seen += 1;
        let mut count = 0;
        let small = minimize(&sequence, &SMALL_LIMITS, |sequence| {
            count += 1;
            holds(sequence)
        });
        assert!(count < EVALUATIONS_MAX, "{count}");
        assert!(holds(&small));
        assert_eq!(lines(&small).trim_end(), shortest, "from seed {seed}");
        assert_eq!(minimize(&small, &SMALL_LIMITS, &holds), small);
        for index in 0..small.calls.len() {
            let mut calls = small.calls.clone();
            calls.remove(index);
            assert!(!holds(&CallSequence { calls }), "call {index} of {small:?}");
            let mut calls = small.calls.clone();
            renumber::remove(&mut calls, index);
            assert!(!holds(&CallSequence { calls }), "call {index} of {small:?}");
        }
    }
    assert!(seen > 10, "only {seen} sequences hold");
}

/// Whether `seen` says yes to any call, given what was there before it.
fn any(sequence: &CallSequence, mut seen: impl FnMut(&Sketch, &Call) -> bool) -> bool {
    let mut sketch = Sketch::default();
    sequence.calls.iter().any(|call| {
        let found = seen(&sketch, call);
        sketch.note(call);
        found
    })
}

#[test]
fn what_holds_with_any_calls_ends_with_one_as_a_file_without_a_call_is_none() {
    let sequence = generate_from_seed(1, &SearchOptions::default());
    let small = minimize(&sequence, &SMALL_LIMITS, |_| true);
    assert_eq!(small.calls, [Call::CreateDevice]);
}

#[test]
fn a_second_start_on_a_pending_session() {
    check(
        |sequence| {
            any(sequence, |sketch, call| match *call {
                Call::StartRefresh { session, .. } => {
                    sketch.session(session.slot).is_some_and(|index| {
                        sketch.sessions[index].is_pending && sketch.sessions[index].is_alive
                    })
                }
                _ => false,
            })
        },
        "create-device\ncreate-session d0\nexchange-key s0 key=1\nstart-refresh s0 size=16\nstart-refresh s0 size=16",
    );
}

#[test]
fn a_use_of_a_destroyed_session_after_another_was_created() {
    check(
        |sequence| {
            // A reset and closing the device kill a session too; this is about destroy-session.
            let closes = |call: &Call| {
                matches!(call.kind(), CallKind::DestroyDevice | CallKind::ResetEngine)
            };
            if sequence.calls.iter().any(closes) {
                return false;
            }
            any(sequence, |sketch, call| match *call {
                Call::SubmitBuffer { session, .. } => {
                    sketch.session(session.slot).is_some_and(|index| {
                        let sessions = &sketch.sessions;
                        let is_dead = sessions[index].device.is_some() && !sessions[index].is_alive;
                        is_dead
                            && sessions[index].is_keyed
                            && sessions[index + 1..].iter().any(|later| later.is_alive)
                    })
                }
                _ => false,
            })
        },
        "create-device\ncreate-session d0\ncreate-session d0\nexchange-key s0 key=1\ndestroy-session s0\nsubmit-buffer s0 iv=1 count=0 len=16",
    );
}

#[test]
fn an_iv_that_is_used_twice() {
    check(
        |sequence| {
            let mut used = Vec::new();
            any(sequence, |sketch, call| match *call {
                Call::SubmitBuffer { session, iv, .. } => {
                    let index = sketch.session(session.slot);
                    let is_used = index.is_some() && used.contains(&(index, iv));
                    used.push((index, iv));
                    is_used
                }
                _ => false,
            })
        },
        "create-session d0\nsubmit-buffer s0 iv=1 count=0 len=16\nsubmit-buffer s0 iv=1 count=0 len=16",
    );
}

#[test]
fn a_number_above_a_threshold_goes_down_to_it() {
    check(
        |sequence| {
            sequence.calls.iter().any(|call| matches!(call, Call::SubmitBuffer { iv: 300.., .. }))
        },
        "submit-buffer s0 iv=300 count=0 len=16",
    );
}

#[test]
fn an_injection_with_the_call_that_it_is_for() {
    check(
        |sequence| {
            sequence.calls.windows(2).any(|pair| {
                pair[0].kind() == CallKind::InjectEntropy
                    && pair[1].kind() == CallKind::StartRefresh
            })
        },
        "inject-entropy fail draws=1\nstart-refresh s0 size=16",
    );
}

#[test]
fn a_call_through_another_device_than_its_own() {
    check(
        |sequence| {
            any(sequence, |sketch, call| {
                let Some(SessionRef { slot, via: Some(via), .. }) = call.session() else {
                    return false;
                };
                let session = sketch.session(slot).map(|index| sketch.sessions[index]);
                call.kind() == CallKind::FinishRefresh
                    && session.is_some_and(|session| {
                        session.is_alive && session.device != via.resolve(sketch.devices.len())
                    })
            })
        },
        "create-device\ncreate-device\ncreate-session d0\nfinish-refresh s0 via=d1",
    );
}

#[test]
fn what_two_numbers_show_together_ends_in_one_form() {
    check(
        |sequence| {
            sequence.calls.iter().any(|call| match *call {
                Call::SubmitBuffer { count, len, .. } => {
                    count.checked_add(u64::from(len / 16).saturating_sub(1)).is_none()
                }
                _ => false,
            })
        },
        "submit-buffer s0 iv=1 count=0xffffffffffffffff len=32",
    );
}

#[test]
fn a_number_behind_a_gap_is_found() {
    check(
        |sequence| {
            let is_far = |value: u64| value.swap_bytes() < 0x0100_0000_0000_0000;
            sequence.calls.iter().any(|call| match *call {
                Call::SubmitBuffer { iv, .. } => is_far(iv) && iv > 0xFF,
                _ => false,
            })
        },
        "submit-buffer s0 iv=256 count=0 len=16",
    );
}

#[test]
fn what_sessions_show_is_shown_with_devices_where_that_is_shorter() {
    let sessions = "create-device\ncreate-session\ndestroy-session s0\ncreate-session";
    // Where something died, something else is made.
    let small = minimize(&sequence(sessions), &SMALL_LIMITS, |sequence| {
        any(sequence, |sketch, call| match *call {
            Call::CreateDevice => sketch.devices.contains(&false),
            Call::CreateSession { .. } => {
                let sessions = &sketch.sessions;
                sessions.iter().any(|session| session.device.is_some() && !session.is_alive)
            }
            _ => false,
        })
    });
    let expected = sequence("create-device\ndestroy-device d0\ncreate-device");
    assert_eq!(lines(&small), lines(&expected));
}

#[test]
fn calls_that_balance_go_together() {
    // No call can go alone, and the two that can go together are not always neighbours.
    check(
        |sequence| {
            let count = |kind| sequence.calls.iter().filter(|call| call.kind() == kind).count();
            let starts = count(CallKind::StartRefresh);
            starts > 0 && starts == count(CallKind::FinishRefresh)
        },
        "start-refresh s0 size=16\nfinish-refresh s0",
    );
}

#[test]
fn a_session_goes_with_all_its_uses() {
    let interleaved = sequence(
        "create-session\ncreate-session\nexchange-key s0\nexchange-key s1\nsubmit-buffer s0\nsubmit-buffer s1",
    );
    let small = minimize(&interleaved, &SMALL_LIMITS, |sequence| {
        let count = |kind| sequence.calls.iter().filter(|call| call.kind() == kind).count();
        let sessions = count(CallKind::CreateSession);
        sessions > 0
            && sessions == count(CallKind::ExchangeKey)
            && sessions == count(CallKind::SubmitBuffer)
    });
    let expected = sequence("create-session\nexchange-key s0\nsubmit-buffer s0");
    assert_eq!(lines(&small), lines(&expected));
}

#[test]
fn a_sequence_that_does_not_hold_comes_back_as_it_is() {
    let sequence = generate_from_seed(1, &SearchOptions::default());
    assert_eq!(minimize(&sequence, &SMALL_LIMITS, |_| false), sequence);
}

#[test]
fn the_predicate_is_asked_a_bounded_number_of_times() {
    let mut rng = rng(2);
    let sequence = any_sequence(&mut rng, 4000);
    let (mut count, len) = (0, sequence.calls.len());
    // Nothing can be removed, and every argument is worth many questions.
    let _ = minimize(&sequence, &SMALL_LIMITS, |candidate| {
        count += 1;
        candidate.calls.len() == len
    });
    assert!(len > 100);
    assert!((1000..=EVALUATIONS_MAX).contains(&count), "{count}");
}

#[test]
fn a_failure_is_prepared_only_before_a_call_that_can_fail_of_it() {
    let text = "# rekeylab sequence 1\ncreate-device\nsession-status s0\nfinish-refresh s0\n\
        start-refresh s0\n";
    let calls = SequenceText::parse(text).unwrap().sequence().calls;
    let injects = |at: usize| -> Vec<&str> {
        let mut words: Vec<&str> = calls_for(&calls, at)
            .iter()
            .filter(|call| call.is_injection())
            .map(|call| call.kind().word())
            .collect();
        words.dedup();
        words
    };
    assert_eq!(injects(2), ["inject-entropy"], "start draws and asks for no memory");
    assert_eq!(injects(3), [""; 0]);
    assert_eq!(calls_for(&calls, 4), [], "no call stands there");
}

#[test]
fn a_buffer_in_the_place_of_another_call_can_have_the_counters_that_come_next() {
    let text = "# rekeylab sequence 1\ncreate-device\ncreate-session d0\nsubmit-buffer s0 iv=8\n\
        submit-buffer s0 iv=3\nfinish-refresh s0\n";
    let calls = SequenceText::parse(text).unwrap().sequence().calls;
    let ivs = |at: usize| -> Vec<u64> {
        let iv = |call: &Call| match *call {
            Call::SubmitBuffer { iv, .. } => Some(iv),
            _ => None,
        };
        let mut ivs: Vec<u64> = calls_for(&calls, at).iter().filter_map(iv).collect();
        ivs.dedup();
        ivs
    };
    assert_eq!(ivs(2), [1], "nothing was submitted before");
    assert_eq!(ivs(4), [1, 9]);
}
