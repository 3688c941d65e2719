//! `no-panic`: the driver neither panics, nor overflows, nor takes its process along.

use super::{Case, Invariant, Verdict, Violation, abort_function, nothing};
use crate::observation::{Place, Sighting};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "no-panic",
    holds_when: "the driver neither panics, nor overflows, nor takes its process along",
    check,
    remembers: nothing,
    abort: no_panic_violated,
};

abort_function!(no_panic_violated);

/// A panic ends the execution, and so does the death of its process, so there is at most one.
fn check(case: &Case<'_>, verdict: &mut Verdict) {
    let happened = match (&case.trace.panic, &case.trace.death) {
        (Some(message), _) => {
            // The message may hold anything, so only its place is repeated.
            let place = message.rsplit_once(" at ").map_or("an unknown place", |(_, place)| place);
            format!("panicked at {place}")
        }
        (None, Some(death)) => death.to_string(),
        (None, None) => return,
    };
    // A panic that shows a secret is told by `key-leak`, the worse of the two.
    let is_leak = |seen: &Sighting| matches!(seen.place, Place::Panic { .. });
    if case.trace.sightings.iter().any(is_leak) {
        return;
    }
    verdict.violations.push(Violation {
        invariant: INVARIANT.name,
        call: case.trace.calls.len().saturating_sub(1),
        session: case.trace.calls.last().and_then(|seen| seen.session_slot),
        happened,
        expected: "a code: every combination of arguments gets one".to_owned(),
        rules: "INV-10",
        is_inferred: false,
        place: None,
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{rings, trace_of, violations};
    use crate::observation::{Death, End};

    const CALLS: &str = "d0 = create-device -> ok\ns0 = create-session d0 -> ok\n";

    #[test]
    fn a_trace_without_a_panic_is_silent() {
        assert_eq!(rings(&trace_of(CALLS)), [""; 0]);
    }

    #[test]
    fn a_panic_rings_and_its_message_is_not_repeated() {
        let mut trace = trace_of(CALLS);
        trace.panic = Some("the key is 1234 at driver/counter.rs:7".to_owned());
        assert_eq!(rings(&trace), ["no-panic"]);
        let violation = violations(&trace).remove(0);
        assert_eq!(violation.happened, "panicked at driver/counter.rs:7");
    }

    #[test]
    fn the_death_of_the_process_rings_and_says_of_what() {
        let happened = |death| {
            let mut trace = trace_of(CALLS);
            trace.death = Some(death);
            assert_eq!(rings(&trace), ["no-panic"]);
            violations(&trace).remove(0).happened
        };
        let death = |end| Death { end, report: None, behind: 0 };
        assert!(happened(death(End::Signal(11))).starts_with("died of SIGSEGV: "));
        assert_eq!(happened(death(End::Signal(99))), "died of signal 99");
        assert_eq!(happened(death(End::Exit(3))), "ended the process with exit code 3");
        let report = "AddressSanitizer: heap-use-after-free in Session::destroy";
        let told = Death { end: End::Exit(1), report: Some(report.to_owned()), behind: 0 };
        assert_eq!(happened(told), report);
        let behind = Death { end: End::Signal(6), report: None, behind: 7 };
        assert!(
            happened(behind).ends_with(", behind 7 sequences in the same process, and not alone")
        );
    }
}
