//! What is said of a violation, word for word: one story an invariant, one report for machines, and the
//! line for crash tools.
#![cfg(feature = "faults")]
#![allow(clippy::unwrap_used, reason = "in a test, the panic is the message")]

mod files;
mod planted;

use std::collections::BTreeSet;

use expect_test::{ExpectFile, expect, expect_file};
use keysan::heap::ScanningAllocator;
use planted::{shortest_reproducers, shortest_reproducers_of, with_fault};
use rekeylab::Workbench;
use rekeylab::drill::{hangs, layers_for};
use rekeylab::invariant;
use rekeylab::observation::Stage;
use rekeylab::report::{Colour, Subject, json_report, sanitizer_line, story};
use rekeylab::watchdog::Hang;
use rekeylab_faults::Fault;

#[global_allocator]
static ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

/// Of each invariant, a fault whose story does not depend on what a compiler leaves where.
const TOLD: [Fault; 14] = [
    Fault::FinishWithoutStart,
    Fault::RefusedSubmitLeavesFence,
    Fault::RetireWritesKeyBehindOutput,
    Fault::FinishLeavesRandom,
    Fault::FinishForgetsCounters,
    Fault::DestroyDropsQueuedWork,
    Fault::CountOverflowPanics,
    Fault::SecondFinishNeverReturns,
    Fault::StartWritesSeventeenBytes,
    Fault::ForeignDeviceAccepted,
    Fault::DestroyLeavesSessionAlive,
    Fault::SizeSeventeenAccepted,
    Fault::KeyBoundAtCompletion,
    Fault::RefreshNotAdvertised,
];

/// What is made of a run of the fault's shortest reproducer.
fn told(fault: Fault, tell: impl FnOnce(&Subject<'_>) -> String) -> String {
    let (_, file) = shortest_reproducers_of(|shown| shown == fault).remove(0);
    let sequence = file.parsed.sequence();
    with_fault(&mut Workbench::new(), fault, |workbench| {
        let layers = layers_for(Some(fault));
        let verdict = if hangs(fault) {
            // Told without entering the call that hangs, which is the last one.
            let stage = Stage::Call(u32::try_from(sequence.calls.len()).unwrap() - 1);
            workbench.run_to_hang(&Hang { sequence: sequence.clone(), layers, stage })
        } else {
            workbench.run_with(&sequence, layers)
        };
        assert!(!verdict.is_clean());
        let aftermath = &workbench.aftermath(&sequence);
        let (trace, verdict) = (workbench.trace(), workbench.verdict());
        let replay = Some("rekeylab run a-file.seq");
        tell(&Subject { sequence: &sequence, trace, verdict, aftermath, replay })
    })
}

/// A line number of woven code depends on the other faults.
fn without_lines_of_code(text: &str) -> String {
    let mut parts = text.split(".rs:");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |told, part| {
        told + ".rs:_" + part.trim_start_matches(|c: char| c.is_ascii_digit())
    })
}

#[test]
fn every_invariant_tells_its_story() {
    for fault in TOLD {
        let text = told(fault, |subject| story(subject, Colour::Off));
        let file = format!("{}/tests/stories/{}.txt", env!("CARGO_MANIFEST_DIR"), fault.rings());
        let expected: ExpectFile = expect_file![file];
        expected.assert_eq(&without_lines_of_code(&text));
    }
    let rung: BTreeSet<&str> = TOLD.iter().map(|fault| fault.rings()).collect();
    let all: BTreeSet<&str> = invariant::ALL.iter().map(|invariant| invariant.name).collect();
    assert_eq!(rung, all);
}

/// Who types in the calls of a story sees what the story tells, whichever sessions they are on.
#[test]
fn the_story_of_a_short_sequence_tells_every_call_up_to_the_violation() {
    let mut told_count = 0;
    for (fault, file) in shortest_reproducers() {
        let sequence = file.parsed.sequence();
        if sequence.calls.len() > 24 {
            continue;
        }
        let text = told(fault, |subject| story(subject, Colour::Off));
        for part in text.split("violation: ").skip(1) {
            let last = part.lines().nth(1).unwrap().trim();
            let until = match last.strip_prefix("call ").and_then(|rest| rest.split(' ').next()) {
                Some(number) => number.parse().unwrap(),
                None => sequence.calls.len() - 1,
            };
            let tells = |call: usize| {
                let name = format!("call {call:<4}");
                part.lines()
                    .skip(2)
                    .any(|line| line.trim_start_matches(['*', ' ']).starts_with(&name))
            };
            for call in 0..=until {
                assert!(tells(call), "{}: call {call} is left out:\n{part}", fault.name());
                told_count += 1;
            }
        }
    }
    assert!(told_count > 500, "{told_count}");
}

#[test]
fn a_story_marks_whose_calls_it_tells() {
    let text = told(Fault::ForeignDeviceAccepted, |subject| story(subject, Colour::Off));
    assert!(text.contains("those marked * are the life of s0"), "{text}");
    assert!(text.contains("\n  * call 0 "), "{text}");
    assert!(text.contains("\n    call 1 "), "{text}");
}

#[test]
fn machines_read_the_same_facts() {
    let text = told(Fault::FinishWithoutStart, |subject| {
        serde_json::to_string_pretty(&json_report(subject, Some("a-file.seq"))).unwrap()
    });
    expect![[r##"
        {
          "version": 1,
          "source": "a-file.seq",
          "clean": false,
          "violations": [
            {
              "invariant": "double-finish",
              "call": 3,
              "call_word": "finish-refresh",
              "session": 0,
              "happened": "answered S_OK, and there never was a start",
              "expected": "D3DDDIERR_INVALIDCALL: no random number waits",
              "rules": [
                "S-02",
                "S-03"
              ],
              "inferred": false,
              "fingerprint": "df71-42b8"
            }
          ],
          "sequence": "# rekeylab sequence 1\nd0 = create-device                      -> ok\ns0 = create-session d0                  -> ok\nexchange-key s0 key=7                   -> ok\nfinish-refresh s0                       -> ok\n",
          "heap_watched": true,
          "layers": [
            "outputs",
            "log",
            "freed-heap"
          ],
          "replay": "rekeylab run a-file.seq"
        }"##]].assert_eq(&text);
}

#[test]
fn crash_tools_read_the_invariant_and_that_it_is_about_security() {
    let text = told(Fault::FinishWithoutStart, |subject| {
        sanitizer_line(subject.verdict.first().unwrap())
            .replace(&format!("=={}==", std::process::id()), "==PID==")
    });
    expect!["==PID==ERROR: KeySanitizer: double-finish on address 0x000000000003 FuzzerSecurityIssueHigh"].assert_eq(&text);
}
