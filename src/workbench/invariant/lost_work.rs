//! `lost-work`: what was accepted completes exactly once, with its own bytes, and nothing stays behind.

use super::model::CompletionFault;
use rekeylab_ddi::Hresult;

use crate::observation::{Observation, Trace};
use crate::sequence::Call;

use super::{
    Case, Disagreement, Divergence, Instead, Invariant, Verdict, Violation, abort_function, nothing,
};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "lost-work",
    holds_when: "what was accepted completes exactly once, and nothing stays behind after destroy \
                 and drain",
    check,
    remembers: nothing,
    abort: work_was_lost,
};

abort_function!(work_was_lost);

fn check(case: &Case<'_>, verdict: &mut Verdict) {
    for divergence in case.divergences {
        let is_taken = verdict.claims(divergence.call) || verdict.is_echo(divergence.call);
        if is_about_room(case, divergence) && !is_taken {
            verdict.violations.push(room(case, divergence));
        }
        let Some(happened) = wrong_completion(&divergence.about) else { continue };
        if is_taken {
            continue;
        }
        verdict.violations.push(Violation {
            invariant: INVARIANT.name,
            call: divergence.call,
            session: None,
            happened,
            expected: divergence.answer.because.to_owned(),
            rules: divergence.answer.rules,
            is_inferred: false,
            place: None,
        });
    }
    // After another alarm the sums prove nothing, nor where the model disagrees about who is there.
    let trace = case.trace;
    if verdict.is_clean() && case.divergences.is_empty() {
        verdict.violations.extend(unaccounted(trace));
    }
    // After a panic nothing was torn down.
    if trace.reserved_len != 0
        && trace.panic.is_none()
        && trace.death.is_none()
        && verdict.is_clean()
    {
        verdict.violations.push(Violation {
            invariant: INVARIANT.name,
            call: trace.calls.len(),
            session: None,
            happened: format!(
                "{} bytes were granted more than given back, after everything was destroyed",
                trace.reserved_len.cast_signed()
            ),
            expected: "every reservation to be given back exactly once".to_owned(),
            rules: "S-49 S-56",
            is_inferred: false,
            place: None,
        });
    }
}

/// What is wrong with a completion, in a few words; `None` if it is something else that is wrong.
fn wrong_completion(about: &Disagreement) -> Option<String> {
    Some(match *about {
        Disagreement::Completions { what: CompletionFault::Missing { submitted } } => {
            format!("the buffer of call {submitted} did not complete")
        }
        Disagreement::Completions { what: CompletionFault::Unexpected } => {
            "a completion came that was not due".to_owned()
        }
        Disagreement::Completions { what: CompletionFault::Different { submitted, code } } => {
            format!("the buffer of call {submitted} completed as {code}, or in another place")
        }
        Disagreement::ReadBack { submitted, code, .. } => {
            format!(
                "the buffer of call {submitted} was not read back: EncryptionBlt answered {code}"
            )
        }
        Disagreement::Plaintext { submitted, instead: Some(Instead::Bytes { of }), .. } => {
            if of == submitted {
                format!(
                    "the buffer of call {submitted} completed with its bytes in the wrong places"
                )
            } else {
                format!(
                    "the buffer of call {submitted} completed with bytes of the buffer of call {of}"
                )
            }
        }
        _ => return None,
    })
}

/// The first call after which the driver holds another amount of memory than it can account for.
///
/// What it keeps it has asked for, a refused call keeps nothing, and a session gives back what it took, so
/// that memory stays bounded while sessions come and go (S-10, S-56). A refused create may keep its slot as
/// well, which tells more, so it is left to the sum at the end. A driver that has not asked for anything is
/// not judged.
fn unaccounted(trace: &Trace) -> Option<Violation> {
    let mut before = 0;
    for (call, seen) in trace.calls.iter().enumerate() {
        let held = seen.held_len;
        let wrong = if held == before && !is_growth(seen) || seen.code.is_none() {
            None
        } else if seen.is_refused() && seen.call.kind().descriptor().does.creates.is_none() {
            (held != before).then(|| {
                (format!("{before} bytes, as before: the call was refused"), "INV-04 S-56")
            })
        } else if before > 0 && is_growth(seen) {
            let least = before.saturating_add(least_growth(seen));
            (held < least)
                .then(|| (format!("at least {least} bytes, for what the call keeps"), "S-56"))
        } else {
            let kept = session_len(trace, seen).map(|len| before.saturating_sub(len));
            let most = kept.filter(|&most| held > most);
            most.map(|most| {
                (format!("at most {most} bytes: as much less as its creation took"), "S-49")
            })
        };
        if let Some((expected, rules)) = wrong {
            return Some(Violation {
                invariant: INVARIANT.name,
                call,
                session: seen.session_slot,
                happened: format!(
                    "{held} bytes of memory were held behind it, and {before} before"
                ),
                expected,
                rules,
                is_inferred: false,
                place: None,
            });
        }
        before = held;
    }
    None
}

/// Whether the call makes something that needs memory.
fn is_growth(seen: &Observation) -> bool {
    seen.is_ok() && seen.call.kind().descriptor().does.allocates
}

/// The least that it needs, in bytes.
fn least_growth(seen: &Observation) -> u64 {
    match seen.call {
        Call::SubmitBuffer { len, .. } => len.into(),
        _ => 1,
    }
}

/// What the creation of the session took that the call has destroyed, in bytes.
fn session_len(trace: &Trace, seen: &Observation) -> Option<u64> {
    if !matches!(seen.call, Call::DestroySession { .. }) || !seen.is_ok() {
        return None;
    }
    let is_its = |made: &Observation| {
        matches!(made.call, Call::CreateSession { .. }) && made.session_slot == seen.session_slot
    };
    let created = trace.calls.iter().position(is_its)?;
    let before = created.checked_sub(1).and_then(|before| trace.calls.get(before));
    trace.calls[created].held_len.checked_sub(before.map_or(0, |before| before.held_len))
}

/// Whether driver and model disagree about how much room the queue has left.
fn is_about_room(case: &Case<'_>, divergence: &Divergence) -> bool {
    let busy = Hresult::D3DDDIERR_WASSTILLDRAWING;
    // Memory is asked for after room, so whoever lacks it had room.
    let has_room = |code: Hresult| code.is_ok() || code == Hresult::E_OUTOFMEMORY;
    let seen = &case.trace.calls[divergence.call];
    let (Call::SubmitBuffer { .. }, Some(code)) = (seen.call, seen.code) else { return false };
    let expected = divergence.answer.code;
    divergence.about == Disagreement::Code
        && (code == busy && has_room(expected) || expected == busy && has_room(code))
}

fn room(case: &Case<'_>, divergence: &Divergence) -> Violation {
    let code = case.trace.calls[divergence.call].code.map(|code| code.to_string());
    Violation {
        invariant: INVARIANT.name,
        call: divergence.call,
        session: None,
        happened: format!(
            "answered {}: the queue does not hold what was accepted",
            code.unwrap_or_default()
        ),
        expected: format!("{}: {}", divergence.answer.code, divergence.answer.because),
        rules: "INV-08",
        is_inferred: false,
        place: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, rings, trace_of};
    use rekeylab_ddi::Hresult;

    const CALLS: &str = "d0 = create-device -> ok
        s0 = create-session d0 -> ok
        exchange-key s0 key=7 -> ok
        submit-buffer s0 iv=1 count=0 len=16 -> ok
        submit-buffer s0 iv=2 count=0 len=16 -> ok
        retire 2 -> ok";

    #[test]
    fn every_buffer_once_is_silent() {
        assert_eq!(rings(&trace_of(CALLS)), [""; 0]);
    }

    #[test]
    fn a_missing_completion_rings() {
        let mut trace = trace_of(CALLS);
        trace.calls[5].completions.end -= 1;
        assert_eq!(rings(&trace), ["lost-work"]);
    }

    #[test]
    fn a_completion_that_comes_twice_rings() {
        let mut trace = trace_of(CALLS);
        let first = trace.calls[5].completions.start as usize;
        trace.completions[first + 1] = trace.completions[first];
        assert_eq!(rings(&trace), ["lost-work"]);
    }

    #[test]
    fn a_completion_with_another_code_rings() {
        let mut trace = trace_of(CALLS);
        let first = trace.calls[5].completions.start as usize;
        trace.completions[first].code = Hresult::D3DDDIERR_DEVICEREMOVED;
        assert_eq!(rings(&trace), ["lost-work"]);
    }

    #[test]
    fn bytes_of_another_buffer_or_of_another_place_ring_and_are_named() {
        let happened = |calls: &str, from: usize, at: usize| {
            let mut trace = trace_of(calls);
            let submitted = trace.buffer_of(&trace.calls[3]).to_vec();
            let read = trace.buffer_of(&trace.calls[from])[at..at + 16].to_vec();
            let start = trace.calls.last().unwrap().buffer.start as usize;
            // The plaintext of the first block, with one ciphertext in place of the other.
            for (index, (own, read)) in submitted.iter().zip(read).enumerate() {
                trace.bytes[start + index] ^= own ^ read;
            }
            assert_eq!(rings(&trace), ["lost-work"]);
            super::super::testing::violations(&trace)[0].happened.clone()
        };
        let text = "the buffer of call 3 completed with bytes of the buffer of call 4";
        assert_eq!(happened(CALLS, 4, 0), text);
        let one_buffer = CALLS.replace("iv=1 count=0 len=16", "iv=1 count=0 len=48");
        let text = "the buffer of call 3 completed with its bytes in the wrong places";
        assert_eq!(happened(&one_buffer, 3, 32), text);
    }

    #[test]
    fn a_queue_that_is_full_too_early_or_too_late_rings() {
        check(
            "d0 = create-device -> ok
            s0 = create-session d0 -> ok
            exchange-key s0 key=7 -> ok
            submit-buffer s0 iv=1 count=0 len=16 -> D3DDDIERR_WASSTILLDRAWING",
            &["lost-work"],
        );
    }

    #[test]
    fn a_full_queue_that_hides_a_wrong_argument_is_about_the_argument() {
        check(
            "d0 = create-device -> ok
            s0 = create-session d0 -> ok
            exchange-key s0 key=7 -> ok
            submit-buffer s0 iv=1 count=0 len=17 -> D3DDDIERR_WASSTILLDRAWING",
            &["wrong-answer"],
        );
    }

    /// What rings when so many bytes are held behind each call.
    fn holding(calls: &str, held: &[u64]) -> Vec<&'static str> {
        let mut trace = trace_of(calls);
        trace.calls.iter_mut().zip(held).for_each(|(seen, &len)| seen.held_len = len);
        rings(&trace)
    }

    #[test]
    fn what_is_kept_has_to_be_asked_for() {
        assert_eq!(holding(CALLS, &[10, 30, 30, 46, 62, 30]), [""; 0]);
        assert_eq!(holding(CALLS, &[10, 10, 10, 26, 42, 10]), ["lost-work"], "the session");
        assert_eq!(
            holding(CALLS, &[10, 30, 30, 45, 61, 30]),
            ["lost-work"],
            "one byte of a buffer"
        );
        assert_eq!(holding(CALLS, &[0; 6]), [""; 0], "nothing was ever asked for");
    }

    #[test]
    fn a_refused_call_keeps_no_memory() {
        let calls = "d0 = create-device -> ok
            s0 = create-session d0 -> ok
            finish-refresh s0 -> D3DDDIERR_INVALIDCALL";
        assert_eq!(holding(calls, &[10, 30, 30]), [""; 0]);
        assert_eq!(holding(calls, &[10, 30, 31]), ["lost-work"]);
    }

    #[test]
    fn a_session_gives_back_what_it_took() {
        let calls = "d0 = create-device -> ok
            s0 = create-session d0 -> ok
            destroy-session s0 -> ok";
        assert_eq!(holding(calls, &[10, 30, 10]), [""; 0]);
        assert_eq!(holding(calls, &[10, 30, 11]), ["lost-work"]);
    }

    #[test]
    fn memory_that_stays_behind_rings() {
        let mut trace = trace_of(CALLS);
        trace.reserved_len = 64;
        assert_eq!(rings(&trace), ["lost-work"]);
    }
}
