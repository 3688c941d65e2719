//! `wrong-key-epoch`: a buffer is processed under the key in force when it was submitted.

use super::{Case, Disagreement, Invariant, Verdict, Violation, abort_function, nothing};
use crate::observation::{EmptyHome, SecretName};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "wrong-key-epoch",
    holds_when: "a buffer is processed under the key in force when it was submitted, and its \
                 plaintext comes back equal",
    check,
    remembers: nothing,
    abort: wrong_key_epoch_found,
};

abort_function!(wrong_key_epoch_found);

fn check(case: &Case<'_>, verdict: &mut Verdict) {
    check_buffers(case, verdict);
    check_homes(case, verdict);
}

/// A session whose home does not hold the key in force will process its next buffer under another.
fn check_homes(case: &Case<'_>, verdict: &mut Verdict) {
    for &EmptyHome { secret, call, home } in &case.trace.empty_homes {
        let call = call as usize;
        let Some(secret) = case.trace.secrets.get(secret as usize) else { continue };
        if verdict.claims(call) || verdict.is_echo(call) || has_rung(verdict, secret) {
            continue;
        }
        verdict.violations.push(Violation {
            invariant: INVARIANT.name,
            call,
            session: Some(secret.session),
            happened: format!("{secret} was not in {home}"),
            expected: format!("{secret}, which is in force, to be in its home"),
            rules: "R-17 R-19 INV-02",
            is_inferred: false,
        });
    }
}

/// Whether something is known to be wrong with the secret's session already.
fn has_rung(verdict: &Verdict, secret: &SecretName) -> bool {
    verdict.violations.iter().any(|violation| violation.session == Some(secret.session))
}

fn check_buffers(case: &Case<'_>, verdict: &mut Verdict) {
    for divergence in case.divergences {
        let Disagreement::Plaintext { submitted, expected, used } = &divergence.about else {
            continue;
        };
        if verdict.claims(divergence.call) || verdict.is_echo(divergence.call) {
            continue;
        }
        let happened = match used {
            Some(used) => format!("the buffer of call {submitted} was processed under {used}"),
            None => format!(
                "the buffer of call {submitted} was processed under no key that the client knows"
            ),
        };
        verdict.violations.push(Violation {
            invariant: INVARIANT.name,
            call: divergence.call,
            session: divergence.session,
            happened,
            expected: format!("{expected}, in force when it was submitted"),
            rules: "R-18 R-19 S-17 INV-01 INV-02 INV-08",
            is_inferred: false,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{process_under, rings, trace_of, violations};
    use crate::observation::{EmptyHome, Home, SecretKind, SecretName};

    const CALLS: &str = "d0 = create-device -> ok
        s0 = create-session d0 -> ok
        exchange-key s0 key=7 -> ok
        start-refresh s0 -> ok
        finish-refresh s0 -> ok
        submit-buffer s0 iv=1 count=0 len=48 -> ok
        retire 1 -> ok";

    #[test]
    fn a_key_in_force_that_is_not_in_its_home_rings() {
        let mut trace = trace_of(CALLS);
        trace.secrets = vec![SecretName { kind: SecretKind::Key, session: 0, epoch: 1 }];
        let home = Home::Key { session: 0 };
        trace.empty_homes.push(EmptyHome { secret: 0, call: 4, home });
        assert_eq!(rings(&trace), ["wrong-key-epoch"]);
    }

    #[test]
    fn a_buffer_under_the_key_of_submission_is_silent() {
        assert_eq!(rings(&trace_of(CALLS)), [""; 0]);
    }

    #[test]
    fn a_buffer_under_an_earlier_key_rings_and_names_it() {
        let mut trace = trace_of(CALLS);
        process_under(&mut trace, 5, 6, 7);
        assert_eq!(rings(&trace), ["wrong-key-epoch"]);
        let happened = &violations(&trace)[0].happened;
        assert_eq!(happened, "the buffer of call 5 was processed under K[s0, epoch 0]");
    }

    #[test]
    fn a_buffer_under_no_known_key_rings() {
        let mut trace = trace_of(CALLS);
        process_under(&mut trace, 5, 6, 999);
        assert_eq!(rings(&trace), ["wrong-key-epoch"]);
    }

    #[test]
    fn one_wrong_byte_at_the_end_is_enough() {
        let mut trace = trace_of(CALLS);
        let at = trace.calls[6].buffer.start as usize + 47;
        trace.bytes[at] ^= 1;
        assert_eq!(rings(&trace), ["wrong-key-epoch"]);
    }
}
