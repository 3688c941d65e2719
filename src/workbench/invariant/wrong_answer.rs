//! `wrong-answer`: every code and every output byte is the model's.

use rekeylab_ddi::{Hresult, SessionStatus};

use super::{
    Case, Disagreement, Invariant, Verdict, Violation, WrapInstead, abort_function, nothing,
};
use crate::observation::Observation;
use crate::sequence::Call;

pub(super) const INVARIANT: Invariant = Invariant {
    name: "wrong-answer",
    holds_when: "every code and every output byte is the model's",
    check,
    remembers: nothing,
    abort: wrong_answer_found,
};

abort_function!(wrong_answer_found);

/// What no other invariant has explained.
fn check(case: &Case<'_>, verdict: &mut Verdict) {
    for divergence in case.divergences {
        if verdict.claims(divergence.call) || verdict.is_echo(divergence.call) {
            continue;
        }
        let seen = &case.trace.calls[divergence.call];
        let answer = &divergence.answer;
        let code = seen.code.map(|code| code.to_string()).unwrap_or_default();
        let (happened, expected, rules) = match &divergence.about {
            Disagreement::Code => (
                format!("answered {code}"),
                format!("{}: {}", answer.code, answer.because),
                answer.rules,
            ),
            Disagreement::Random => (
                "handed out another random number than it drew".to_owned(),
                "the number that was drawn".to_owned(),
                "R-16 INV-02",
            ),
            Disagreement::StaleDraw if matches!(seen.call, Call::EncryptionBltKey { .. }) => (
                "made a read-back key of zeros, or of what was drawn last for the session"
                    .to_owned(),
                "another draw".to_owned(),
                "S-12 INV-13",
            ),
            Disagreement::StaleDraw => (
                "handed out a random number of zeros, or one that was drawn last for the session"
                    .to_owned(),
                "another draw".to_owned(),
                "S-12",
            ),
            // Under which key is the business of another invariant.
            Disagreement::Wrap { instead: None | Some(WrapInstead::Under(_)), .. } => continue,
            Disagreement::Wrap { expected, instead: Some(instead), .. } => (
                match instead {
                    WrapInstead::Nothing => "handed out the read-back key as it is",
                    WrapInstead::Xored => "handed out the read-back key XORed with the session key",
                    WrapInstead::Decrypted => {
                        "handed out the read-back key decrypted with the session key"
                    }
                    WrapInstead::TheOneBefore => "handed out the read-back key before again",
                    WrapInstead::Under(_) => continue,
                }
                .to_owned(),
                format!("a new read-back key, wrapped under {expected}"),
                "R-33 R-35 R-36 INV-13",
            ),
            Disagreement::Fence => (
                format!("answered fence {}", seen.scalar),
                "the number after the last accepted buffer's".to_owned(),
                "INV-09",
            ),
            Disagreement::Handle => {
                ("answered S_OK and wrote no handle".to_owned(), "a handle".to_owned(), "INV-09")
            }
            Disagreement::Status { expected } => (
                format!("answered status {}", status(seen.scalar)),
                format!("status {}", status((*expected).into())),
                "S-52 S-54 R-68",
            ),
            Disagreement::Capabilities(_)
            | Disagreement::Completions { .. }
            | Disagreement::Plaintext { .. }
            | Disagreement::ReadBack { .. } => continue,
        };
        verdict.violations.push(Violation {
            invariant: INVARIANT.name,
            call: divergence.call,
            session: divergence.session,
            happened,
            expected,
            rules,
            is_inferred: is_about_room(seen),
            place: None,
        });
    }
}

/// A status by its name, if it has one.
fn status(answered: u64) -> String {
    match u32::try_from(answered) {
        Ok(status) => format!("{:?}", SessionStatus(status)),
        Err(_) => answered.to_string(),
    }
}

/// Whether room was refused that should be there: who keeps it may have shown elsewhere, earlier.
fn is_about_room(seen: &Observation) -> bool {
    let is_create = matches!(seen.call, Call::CreateDevice | Call::CreateSession { .. });
    is_create && seen.code == Some(Hresult::E_OUTOFMEMORY)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, rings, trace_of, violations};

    const KEYED: &str = "d0 = create-device -> ok
        s0 = create-session d0 -> ok
        exchange-key s0 key=7 -> ok\n";

    #[test]
    fn an_answer_that_no_other_invariant_explains_rings() {
        for call in [
            "exchange-key s0 key=8 -> ok",
            "encryption-blt-key s0 size=17 -> ok",
            "encryption-blt-key s0 -> D3DDDIERR_NOTAVAILABLE",
            "start-refresh s0 size=17 -> ok",
            "start-refresh s0 size=16 -> D3DDDIERR_NOTAVAILABLE",
            "submit-buffer s0 iv=1 count=0 len=16 -> D3DDDIERR_INVALIDCALL",
            "submit-buffer s0 iv=1 count=0 len=15 -> ok",
            "session-status s0 -> D3DDDIERR_INVALIDHANDLE",
            "start-refresh s0 -> ok\nstart-refresh s0 -> ok",
        ] {
            check(&format!("{KEYED}{call}"), &["wrong-answer"]);
        }
    }

    #[test]
    fn the_same_read_back_key_again_and_one_that_was_drawn_before_ring() {
        let twice = format!("{KEYED}encryption-blt-key s0 -> ok\nencryption-blt-key s0 -> ok");
        let mut trace = trace_of(&twice);
        assert_eq!(rings(&trace), [""; 0]);
        let wrap = |call: usize| {
            let start = trace.calls[call].buffer.start as usize;
            start..start + 16
        };
        let (first, second) = (wrap(3), wrap(4));
        trace.bytes.copy_within(first, second.start);
        let told = violations(&trace);
        assert_eq!(told[0].happened, "handed out the read-back key before again");
        // Drawn again, which wraps to the same.
        trace.draws[1] = trace.draws[0];
        let told = violations(&trace);
        assert!(told[0].happened.starts_with("made a read-back key of zeros, or of what"));
    }

    #[test]
    fn a_session_that_survives_a_reset_rings() {
        check(
            &format!("{KEYED}reset-engine -> ok\nsubmit-buffer s0 iv=1 count=0 len=16 -> ok"),
            &["wrong-answer"],
        );
    }

    #[test]
    fn a_status_that_lies_rings() {
        let mut trace = trace_of(&format!("{KEYED}reset-engine -> ok\nsession-status s0 -> ok"));
        assert_eq!(rings(&trace), [""; 0]);
        trace.calls[4].scalar = 0;
        assert_eq!(rings(&trace), ["wrong-answer"]);
    }

    #[test]
    fn another_random_number_than_was_drawn_rings() {
        let mut trace = trace_of(&format!("{KEYED}start-refresh s0 -> ok"));
        let at = trace.calls[3].buffer.start as usize;
        trace.bytes[at] ^= 1;
        assert_eq!(rings(&trace), ["wrong-answer"]);
    }

    #[test]
    fn room_that_is_refused_may_be_the_work_of_another_bug() {
        let is_inferred = |call: &str| {
            let violations = violations(&trace_of(&format!("{KEYED}{call}")));
            violations.first().map(|violation| violation.is_inferred)
        };
        assert_eq!(is_inferred("s1 = create-session d0 -> E_OUTOFMEMORY"), Some(true));
        assert_eq!(is_inferred("s1 = create-session d0 -> D3DDDIERR_INVALIDCALL"), Some(false));
    }

    #[test]
    fn a_random_number_of_zeros_rings() {
        check(
            &format!("{KEYED}inject-entropy zero draws=1\nstart-refresh s0 -> ok"),
            &["wrong-answer"],
        );
    }
}
