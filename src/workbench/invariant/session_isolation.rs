//! `session-isolation`: calls on one session or device change no other.

use super::remembered::Remembered;
use super::{Case, Disagreement, Invariant, Verdict, Violation, abort_function, code_if_found};
use crate::observation::StateHash;

pub(super) const INVARIANT: Invariant = Invariant {
    name: "session-isolation",
    holds_when: "calls on one session or device change no other, and a foreign device is refused",
    check,
    remembers,
    abort: session_isolation_broken,
};

abort_function!(session_isolation_broken);

fn check(case: &Case<'_>, verdict: &mut Verdict) {
    foreign_devices(case, verdict);
    foreign_keys(case, verdict);
}

/// A call through a device that did not create the session must be refused.
fn foreign_devices(case: &Case<'_>, verdict: &mut Verdict) {
    for (index, (seen, before)) in case.calls().enumerate() {
        // Most calls come through the right device, which is quicker to see than what they answered.
        if before.session.device != seen.device_slot
            && before.session.device.is_some()
            // A handle that no device has is nobody's.
            && seen.device_slot.is_some()
            && seen.session_slot.is_some()
            && let Some(code) = code_if_found(seen, case.trace.choices)
            && !verdict.claims(index)
        {
            verdict.violations.push(Violation {
                invariant: INVARIANT.name,
                call: index,
                session: seen.session_slot,
                happened: format!(
                    "answered {code} through a device that did not create the session"
                ),
                expected: "D3DDDIERR_INVALIDHANDLE: the session belongs to another device"
                    .to_owned(),
                rules: "R-01 R-02 S-44 INV-12",
                is_inferred: false,
                place: None,
            });
            return;
        }
    }
}

fn remembers(Remembered { standings, .. }: &Remembered<'_>, hash: &mut StateHash) {
    hash.count(standings.sessions().len());
    standings.sessions().iter().for_each(|session| hash.maybe(session.device.map(u64::from)));
}

/// A buffer that was processed, or a read-back key that was wrapped, under another session's key (INV-12).
///
/// Not if both sessions began with the same key: then it may as well be this session's own key, with
/// a random number that is not its own, and `wrong-key-epoch` says what is known.
fn foreign_keys(case: &Case<'_>, verdict: &mut Verdict) {
    for divergence in case.divergences {
        let (what, expected, used) = match &divergence.about {
            Disagreement::Plaintext { submitted, expected, used: Some(used), .. } => {
                (format!("the buffer of call {submitted} was processed"), expected, used)
            }
            Disagreement::Wrap { expected, used: Some(used), .. } => {
                ("the read-back key was wrapped".to_owned(), expected, used)
            }
            _ => continue,
        };
        if used.session != expected.session
            && !case.model.share_first_key(used.session, expected.session)
            && !verdict.claims(divergence.call)
        {
            verdict.violations.push(Violation {
                invariant: INVARIANT.name,
                call: divergence.call,
                session: Some(expected.session),
                happened: format!("{what} under {used}"),
                expected: format!("{expected}, the key of its own session"),
                rules: "INV-12 S-17",
                is_inferred: false,
                place: None,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, process_under, process_under_refreshed, rings, trace_of};

    #[test]
    fn a_foreign_device_that_is_served_rings_and_one_that_is_refused_does_not() {
        let calls = "d0 = create-device -> ok
            d1 = create-device -> ok
            s0 = create-session d0 -> ok
            session-status s0 via=d1 -> ";
        check(&format!("{calls} ok"), &["session-isolation"]);
        // Looked up first, and refused for a reason that is none of this device's business.
        check(&format!("{calls} D3DDDIERR_INVALIDCALL"), &["session-isolation"]);
        check(&format!("{calls} D3DDDIERR_INVALIDHANDLE"), &[]);
    }

    #[test]
    fn a_buffer_under_the_key_of_another_session_rings() {
        let mut trace = trace_of(
            "d0 = create-device -> ok
            s0 = create-session d0 -> ok
            s1 = create-session d0 -> ok
            exchange-key s0 key=7 -> ok
            exchange-key s1 key=8 -> ok
            submit-buffer s0 iv=1 count=0 len=16 -> ok
            retire 1 -> ok",
        );
        process_under(&mut trace, 5, 6, 8);
        assert_eq!(rings(&trace), ["session-isolation"]);
    }

    #[test]
    fn a_key_that_two_sessions_began_with_is_no_evidence_against_either() {
        let calls = |second: u32| {
            trace_of(&format!(
                "d0 = create-device -> ok
                s0 = create-session d0 -> ok
                s1 = create-session d0 -> ok
                exchange-key s0 key=7 -> ok
                exchange-key s1 key={second} -> ok
                start-refresh s1 -> ok
                finish-refresh s1 -> ok
                submit-buffer s0 iv=1 count=0 len=16 -> ok
                retire 1 -> ok"
            ))
        };
        for (second, invariant) in [(8, "session-isolation"), (7, "wrong-key-epoch")] {
            let mut trace = calls(second);
            process_under_refreshed(&mut trace, 7, 8, second, 5);
            assert_eq!(rings(&trace), [invariant]);
        }
    }
}
