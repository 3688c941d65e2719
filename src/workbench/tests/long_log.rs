//! A log of thousands of calls is cut down to a sequence, by what it answers or by what it leaves.
#![cfg(feature = "faults")]
#![allow(clippy::unwrap_used, reason = "in a test, the panic is the message")]

use std::fmt::Write as _;

use keysan::heap::ScanningAllocator;
use rekeylab::Workbench;
use rekeylab::executor::core_with;
use rekeylab::sequence::{CALLS_MAX, CallSequence, SequenceText};
use rekeylab_faults::Fault;

#[global_allocator]
static ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

/// Minimises a log of a first session that plays on and on, in which a second one then makes `calls`.
fn minimized(fault: Fault, calls: &str) -> CallSequence {
    let mut text = String::from(
        "# rekeylab sequence 1\ncreate-device\ncreate-session d0\nexchange-key s0 key=1\n",
    );
    let play = |text: &mut String, from: u32| {
        for iv in from..from + 1100 {
            writeln!(text, "submit-buffer s0 iv={iv} count=0 len=16\nretire 1").unwrap();
        }
    };
    play(&mut text, 1);
    text.push_str(calls);
    play(&mut text, 2000);
    let log = SequenceText::parse_log(&text).unwrap().sequence();
    assert!(log.calls.len() > 4000);
    let mut workbench = Workbench::on(core_with(Some(fault)));
    let cut = workbench.cut_log(&log).unwrap();
    assert!(cut.sequence.calls.len() <= CALLS_MAX, "{:?}", cut.steps);
    let shortest = workbench.minimize(&cut.sequence).unwrap();
    assert_eq!(workbench.verdict().first().unwrap().invariant, fault.rings());
    shortest
}

#[test]
fn a_log_that_answers_wrong_is_cut_to_its_shortest_form() {
    let calls = "s1 = create-session d0\nexchange-key s1 key=2\nfinish-refresh s1\n";
    let fault = Fault::FinishWithoutStart;
    assert_eq!(Some(minimized(fault, calls).calls.len()), fault.shortest());
}

#[test]
fn a_log_that_only_leaves_a_secret_behind_is_looked_through_in_pieces() {
    let calls = "s1 = create-session d0\nexchange-key s1 key=2\n\
        start-refresh s1 size=16\nfinish-refresh s1\n";
    let fault = Fault::FinishLeavesRandom;
    assert_eq!(Some(minimized(fault, calls).calls.len()), fault.shortest());
}

#[test]
fn a_log_that_breaks_nothing_is_not_cut() {
    let log = CallSequence { calls: vec![rekeylab::sequence::Call::ResetEngine; 2000] };
    assert_eq!(Workbench::new().cut_log(&log), None);
}
