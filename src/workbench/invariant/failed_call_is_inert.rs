//! `failed-call-is-inert`: a refused call changes nothing and leaves outputs zeroed.

use rekeylab_ddi::Hresult;

use super::{
    Case, Disagreement, Divergence, Invariant, Model, Verdict, Violation, abort_function, nothing,
};
use crate::observation::{Choices, Observation, UNTOUCHED};
use crate::sequence::Call;

pub(super) const INVARIANT: Invariant = Invariant {
    name: "failed-call-is-inert",
    holds_when: "a refused call changes nothing and leaves outputs zeroed",
    check,
    // Refused calls are looked through for the cause of a disagreement, once there is one.
    remembers: nothing,
    abort: failed_call_was_not_inert,
};

abort_function!(failed_call_was_not_inert);

fn check(case: &Case<'_>, verdict: &mut Verdict) {
    for (index, seen) in case.trace.calls.iter().enumerate() {
        if seen.is_refused()
            && let Some(expected) = unzeroed_output(case, seen)
            && !verdict.claims(index)
        {
            verdict.violations.push(Violation {
                invariant: INVARIANT.name,
                call: index,
                session: seen.session_slot,
                happened: "was refused and left something in its output".to_owned(),
                expected: expected.to_owned(),
                rules: "S-48 INV-04",
                is_inferred: false,
                place: None,
            });
        }
    }
    for divergence in case.divergences {
        if is_perhaps_a_mark(&divergence.about)
            && !verdict.claims(divergence.call)
            && !verdict.is_echo(divergence.call)
            && let Some(cause) = mark_left_by(case, divergence)
        {
            let kind = case.trace.calls[cause].call.kind().word();
            let seen = &case.trace.calls[divergence.call];
            let code = seen.code.map(|code| code.to_string()).unwrap_or_default();
            let (what, expected) = match divergence.about {
                Disagreement::StaleDraw => (
                    "took what was drawn last for the session".to_owned(),
                    "another draw".to_owned(),
                ),
                Disagreement::Wrap { .. } => (
                    "passed over what it drew first".to_owned(),
                    "the first number that was not drawn before".to_owned(),
                ),
                _ => (
                    format!("answered {code}"),
                    format!("{}: {}", divergence.answer.code, divergence.answer.because),
                ),
            };
            verdict.violations.push(Violation {
                invariant: INVARIANT.name,
                call: divergence.call,
                session: divergence.session,
                happened: format!("{what}, as if the refused {kind} of call {cause} had worked"),
                expected,
                rules: "INV-04 S-06 S-37",
                is_inferred: true,
                place: None,
            });
        }
    }
}

/// What the output of a refused call should be, if it is not.
fn unzeroed_output(case: &Case<'_>, seen: &Observation) -> Option<&'static str> {
    if case.trace.choices.has(Choices::OUTPUTS_LEFT) {
        return written_output(case, seen);
    }
    match seen.call {
        Call::EncryptionBltKey { .. } if is_not_offered(seen) => None,
        Call::ContentProtectionCaps { .. } if case.trace.choices.no_capabilities => None,
        Call::ContentProtectionCaps { size, null, .. } => {
            let is_right = is_zeroed(case.trace.buffer_of(seen), 40, (size, null))?;
            (!is_right).then_some("a structure of zeros, which says that nothing can be done")
        }
        Call::StartRefresh { size, null, .. } | Call::EncryptionBltKey { size, null, .. } => {
            let is_right = is_zeroed(case.trace.buffer_of(seen), 16, (size, null))?;
            (!is_right)
                .then_some("sixteen zero bytes, which nobody takes for a random number or a key")
        }
        Call::CreateDevice | Call::CreateSession { .. } => {
            (seen.scalar != 0).then_some("the NULL handle")
        }
        Call::SubmitBuffer { .. } => (seen.scalar != 0).then_some("a fence of 0"),
        Call::SessionStatus { .. } => (seen.scalar != 2)
            .then_some("KEY_AND_CONTENT_LOST, so that an ignored code fails closed"),
        _ => None,
    }
}

/// Whether the output of a refused call, which has so many bytes when its claimed size is right, is zeros, or
/// was not touched where it is not there in full.
fn is_zeroed(buffer: &[u8], len: usize, (size, null): (u32, bool)) -> Option<bool> {
    let out = buffer.get(..buffer.len().min(len))?;
    let is_whole = size as usize == len && !null;
    Some(out.iter().all(|&byte| byte == 0 || !is_whole && byte == UNTOUCHED))
}

/// Whether the driver has no such call, and so did not even look at its output.
fn is_not_offered(seen: &Observation) -> bool {
    seen.code == Some(Hresult::D3DDDIERR_NOTAVAILABLE)
}

/// The same of a driver that leaves the outputs of refused calls as they were: it may zero them, too.
fn written_output(case: &Case<'_>, seen: &Observation) -> Option<&'static str> {
    let is_untouched = match seen.call {
        Call::ContentProtectionCaps { .. }
        | Call::StartRefresh { .. }
        | Call::EncryptionBltKey { .. } => {
            case.trace.buffer_of(seen).iter().all(|&byte| byte == 0 || byte == UNTOUCHED)
        }
        Call::CreateDevice | Call::CreateSession { .. } | Call::SubmitBuffer { .. } => {
            seen.scalar == 0 || seen.scalar == u64::from_ne_bytes([UNTOUCHED; 8])
        }
        _ => true,
    };
    (!is_untouched).then_some("what was there before, or zeros")
}

/// Whether a disagreement is of a kind that the state of a session decides: whether it answers, and which
/// draws it does not take because they came before.
fn is_perhaps_a_mark(about: &Disagreement) -> bool {
    matches!(about, Disagreement::Code | Disagreement::StaleDraw | Disagreement::Wrap { .. })
}

/// The latest refused call on the same session whose success would explain the symptom.
fn mark_left_by(case: &Case<'_>, divergence: &Divergence) -> Option<usize> {
    let session = divergence.session?;
    (0..divergence.call).rev().find(|&cause| {
        let seen = &case.trace.calls[cause];
        seen.is_refused()
            && seen.session_slot == Some(session)
            && seen.call.session().is_some()
            && Model::would_explain(case.trace, cause, divergence)
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, rings, trace_of, violations};
    use crate::observation::{Draw, UNTOUCHED};

    const KEYED: &str = "d0 = create-device -> ok
        s0 = create-session d0 -> ok
        exchange-key s0 key=7 -> ok\n";

    #[test]
    fn a_refused_start_that_leaves_the_session_refreshing_rings() {
        check(
            &format!(
                "{KEYED}inject-entropy fail draws=1
                start-refresh s0 size=16 -> E_FAIL
                start-refresh s0 size=16 -> D3DDDIERR_INVALIDCALL"
            ),
            &["failed-call-is-inert"],
        );
    }

    #[test]
    fn a_refused_start_whose_draw_counts_as_the_last_one_rings() {
        // What start drew is drawn again for a read-back key.
        let repeating = |between: &str| {
            let mut trace = trace_of(&format!(
                "{KEYED}start-refresh s0 -> ok
                finish-refresh s0 -> ok
                {between}
                encryption-blt-key s0 -> ok"
            ));
            assert_eq!(rings(&trace), [""; 0]);
            trace.draws[1] = trace.draws[0];
            trace
        };
        assert_eq!(rings(&repeating("session-status s0 -> ok")), ["wrong-answer"]);
        let mut trace = repeating("start-refresh s0 size=16 null=buffer -> E_INVALIDARG");
        let end = u32::try_from(trace.draws.len()).unwrap();
        trace.draws.push(Draw::Answered([9; 16]));
        trace.calls[5].draws = end..end + 1;
        let told = violations(&trace);
        assert_eq!(told[0].invariant, "failed-call-is-inert");
        assert_eq!(
            told[0].happened,
            "took what was drawn last for the session, as if the refused start-refresh of call 5 had \
             worked"
        );
    }

    #[test]
    fn a_refused_start_whose_draw_is_passed_over_rings() {
        let mut trace = trace_of(&format!(
            "{KEYED}start-refresh s0 size=16 null=buffer -> E_INVALIDARG
            encryption-blt-key s0 -> ok"
        ));
        let drawn = trace.draws[0];
        // The refused call drew, and what it drew is drawn again and not taken.
        let again = Draw::Answered([9; 16]);
        trace.draws = vec![again, again, drawn];
        (trace.calls[3].draws, trace.calls[4].draws) = (0..1, 1..3);
        let told = violations(&trace);
        assert_eq!(told[0].invariant, "failed-call-is-inert");
        assert_eq!(
            told[0].happened,
            "passed over what it drew first, as if the refused start-refresh of call 3 had worked"
        );
    }

    #[test]
    fn a_refused_buffer_that_uses_up_its_counters_rings() {
        check(
            &format!(
                "{KEYED}inject-allocation-failure after=0
                submit-buffer s0 iv=5 count=0 len=16 -> E_OUTOFMEMORY
                submit-buffer s0 iv=4 count=0 len=16 -> D3DDDIERR_INVALIDCALL"
            ),
            &["failed-call-is-inert"],
        );
    }

    #[test]
    fn a_refusal_that_leaves_bytes_in_the_output_rings() {
        for word in ["start-refresh", "encryption-blt-key"] {
            let mut trace = trace_of(&format!(
                "d0 = create-device -> ok
                s0 = create-session d0 -> ok
                {word} s0 size=16 -> D3DDDIERR_INVALIDCALL",
            ));
            assert_eq!(rings(&trace), [""; 0]);
            let at = trace.calls[2].buffer.start as usize;
            trace.bytes[at + 15] = 1;
            assert_eq!(rings(&trace), ["failed-call-is-inert"], "{word}");
        }
    }

    #[test]
    fn a_refusal_that_leaves_capabilities_rings() {
        for (arguments, code) in
            [("type=unknown", "D3DDDIERR_NOTAVAILABLE"), ("size=41", "E_INVALIDARG")]
        {
            let mut trace = trace_of(&format!("content-protection-caps {arguments} -> {code}"));
            assert_eq!(rings(&trace), [""; 0]);
            let at = trace.calls[0].buffer.start as usize;
            trace.bytes[at + 39] = 1;
            assert_eq!(rings(&trace), ["failed-call-is-inert"], "{arguments}");
        }
    }

    #[test]
    fn a_driver_without_read_back_keys_does_not_touch_their_buffer() {
        let mut trace = trace_of(
            "d0 = create-device -> ok
            s0 = create-session d0 -> ok
            encryption-blt-key s0 size=16 -> D3DDDIERR_NOTAVAILABLE",
        );
        trace.choices.no_read_back_keys = true;
        let at = trace.calls[2].buffer.start as usize;
        trace.bytes[at..at + 16].fill(UNTOUCHED);
        assert_eq!(rings(&trace), [""; 0]);
    }

    #[test]
    fn a_refused_create_that_gives_a_handle_rings() {
        let mut trace = trace_of("s0 = create-session d0 -> D3DDDIERR_INVALIDHANDLE");
        trace.calls[0].scalar = 77;
        assert_eq!(rings(&trace), ["failed-call-is-inert"]);
    }
}
