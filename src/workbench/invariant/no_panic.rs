//! `no-panic`: the driver neither panics nor overflows.

use super::{Case, Invariant, Verdict, Violation, abort_function, nothing};
use crate::observation::{Place, Sighting};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "no-panic",
    holds_when: "the driver neither panics nor overflows",
    check,
    remembers: nothing,
    abort: no_panic_violated,
};

abort_function!(no_panic_violated);

/// A panic ends the execution, so there is at most one.
fn check(case: &Case<'_>, verdict: &mut Verdict) {
    let Some(message) = &case.trace.panic else { return };
    // A panic that shows a secret is told by `key-leak`, the worse of the two.
    let is_leak = |seen: &Sighting| matches!(seen.place, Place::Panic { .. });
    if case.trace.sightings.iter().any(is_leak) {
        return;
    }
    // The message may hold anything, so only its place is repeated.
    let place = message.rsplit_once(" at ").map_or("an unknown place", |(_, place)| place);
    verdict.violations.push(Violation {
        invariant: INVARIANT.name,
        call: case.trace.calls.len().saturating_sub(1),
        session: case.trace.calls.last().and_then(|seen| seen.session_slot),
        happened: format!("panicked at {place}"),
        expected: "a code: every combination of arguments gets one".to_owned(),
        rules: "INV-10",
        is_inferred: false,
        place: None,
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{rings, trace_of};

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
        let violation = super::super::testing::violations(&trace).remove(0);
        assert_eq!(violation.happened, "panicked at driver/counter.rs:7");
    }
}
