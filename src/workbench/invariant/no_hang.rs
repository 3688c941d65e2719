//! `no-hang`: every call of the driver returns.

use super::{Case, Invariant, Verdict, Violation, abort_function, nothing};
use crate::observation::Stage;

pub(super) const INVARIANT: Invariant = Invariant {
    name: "no-hang",
    holds_when: "every call of the driver returns",
    check,
    remembers: nothing,
    abort: no_hang_violated,
};

abort_function!(no_hang_violated);

/// A hang ends the execution, so there is at most one. How long was waited for it is not said: that is
/// no property of the driver.
fn check(case: &Case<'_>, verdict: &mut Verdict) {
    let Some(stage) = case.trace.hang else { return };
    let calls = &case.trace.calls;
    let (call, session, happened) = match stage {
        Stage::Opening => (0, None, "opening the driver did not return"),
        Stage::Call(_) => {
            let session = calls.last().and_then(|seen| seen.session_slot);
            (calls.len().saturating_sub(1), session, "did not return")
        }
        Stage::Dropping => (calls.len(), None, "dropping the driver did not return"),
    };
    verdict.violations.push(Violation {
        invariant: INVARIANT.name,
        call,
        session,
        happened: happened.to_owned(),
        expected: "an answer: every call has an end".to_owned(),
        rules: "INV-10",
        is_inferred: false,
        place: None,
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{rings, trace_of, violations};
    use crate::observation::{Stage, Trace};

    const CALLS: &str = "d0 = create-device -> ok\ns0 = create-session d0 -> ok\n\
                         exchange-key s0 key=1 -> ok\n";

    /// What is told of a trace that ended there: the call, its session and what happened.
    fn told(change: impl FnOnce(&mut Trace)) -> (usize, Option<u16>, String) {
        let mut trace = trace_of(CALLS);
        change(&mut trace);
        assert_eq!(rings(&trace), ["no-hang"]);
        let violation = violations(&trace).remove(0);
        (violation.call, violation.session, violation.happened)
    }

    #[test]
    fn a_trace_without_a_hang_is_silent() {
        assert_eq!(rings(&trace_of(CALLS)), [""; 0]);
    }

    #[test]
    fn the_call_that_was_never_answered_rings() {
        let last = told(|trace| {
            trace.calls[2].code = None;
            trace.hang = Some(Stage::Call(2));
        });
        assert_eq!(last, (2, Some(0), "did not return".to_owned()));
    }

    #[test]
    fn a_driver_that_does_not_open_or_end_rings_too() {
        let opening = told(|trace| {
            trace.calls.clear();
            trace.hang = Some(Stage::Opening);
        });
        assert_eq!(opening, (0, None, "opening the driver did not return".to_owned()));
        let dropping = told(|trace| {
            trace.reserved_len = 64;
            trace.hang = Some(Stage::Dropping);
        });
        assert_eq!(dropping, (3, None, "dropping the driver did not return".to_owned()));
    }
}
