//! `output-bounds`: exactly the promised bytes are written.

use super::{Case, Invariant, Verdict, Violation, abort_function, nothing};
use crate::observation::{MARGIN_LEN, Observation, StrayWrite, UNTOUCHED};
use crate::sequence::Call;

pub(super) const INVARIANT: Invariant = Invariant {
    name: "output-bounds",
    holds_when: "exactly the promised bytes are written, and memory only while it is allocated",
    check,
    remembers: nothing,
    abort: output_bounds_broken,
};

abort_function!(output_bounds_broken);

fn check(case: &Case<'_>, verdict: &mut Verdict) {
    check_outputs(case, verdict);
    for stray in &case.trace.stray_writes {
        let StrayWrite { block, offset } = stray;
        let place = if *offset >= block.len { "behind" } else { "into" };
        verdict.violations.push(Violation {
            invariant: INVARIANT.name,
            call: case.trace.calls.len(),
            session: None,
            happened: format!("the driver wrote {place} {block}, after its free or past its end"),
            expected: "writes to memory that is allocated and the driver's own".to_owned(),
            rules: "INV-09",
            is_inferred: false,
            place: None,
        });
    }
}

fn check_outputs(case: &Case<'_>, verdict: &mut Verdict) {
    for (index, seen) in case.trace.calls.iter().enumerate() {
        let (promised_len, rules) = match seen.call {
            // A start writes its sixteen bytes, or zeros in their place when it refuses.
            Call::StartRefresh { size, .. } => (size.min(16) as usize, "INV-09 S-11"),
            // So does a call for the capabilities, with the forty of its structure.
            Call::ContentProtectionCaps { size, .. } => (size.min(40) as usize, "INV-09"),
            // And one for a read-back key, with sixteen.
            Call::EncryptionBltKey { size, .. } => (size.min(16) as usize, "INV-09 S-41"),
            Call::Retire { .. } => (seen.surface_len as usize, "INV-09"),
            _ => continue,
        };
        if seen.is_list_overrun && !verdict.claims(index) {
            verdict.violations.push(Violation {
                happened: "an entry behind the claimed completions was written".to_owned(),
                expected: format!("{} entries and not one more", seen.claimed_count),
                ..violation(index, seen, promised_len, promised_len, rules)
            });
        }
        let buffer = case.trace.buffer_of(seen);
        let Some(written) = excess(buffer, promised_len) else { continue };
        if !verdict.claims(index) {
            verdict.violations.push(violation(index, seen, promised_len, written, rules));
        }
    }
}

/// How many bytes were written in all, if more than promised.
fn excess(buffer: &[u8], promised_len: usize) -> Option<usize> {
    let behind = buffer.get(promised_len.min(buffer.len())..)?;
    // Compared in blocks; only a difference is looked at byte by byte.
    if behind.chunks(BLANK.len()).all(|part| part == &BLANK[..part.len()]) {
        return None;
    }
    let last = behind.iter().rposition(|&byte| byte != UNTOUCHED)?;
    Some(promised_len + last + 1)
}

/// What lies behind a buffer that nobody overran.
const BLANK: [u8; 4 * MARGIN_LEN] = [UNTOUCHED; 4 * MARGIN_LEN];

fn violation(
    call: usize,
    seen: &Observation,
    promised_len: usize,
    written: usize,
    rules: &'static str,
) -> Violation {
    Violation {
        invariant: INVARIANT.name,
        call,
        session: seen.session_slot,
        happened: format!("{written} bytes were written"),
        expected: format!("{promised_len} bytes and not one more"),
        rules,
        is_inferred: false,
        place: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{rings, trace_of};

    const CALLS: &str = "d0 = create-device -> ok
        s0 = create-session d0 -> ok
        exchange-key s0 key=7 -> ok
        start-refresh s0 size=16 -> ok
        submit-buffer s0 iv=1 count=0 len=48 -> ok
        retire 1 -> ok
        encryption-blt-key s0 size=16 -> ok";

    /// Writes one byte into the buffer of a call, `beyond` bytes behind what it was promised.
    fn overrun(call: usize, beyond: usize) -> Vec<&'static str> {
        let mut trace = trace_of(CALLS);
        let promised = if call == 5 { 48 } else { 16 };
        let at = trace.calls[call].buffer.start as usize + promised + beyond;
        trace.bytes[at] = 0;
        rings(&trace)
    }

    #[test]
    fn one_byte_too_many_rings_wherever_it_is() {
        for call in [3, 5, 6] {
            for beyond in [0, 1, 31] {
                assert_eq!(overrun(call, beyond), ["output-bounds"], "call {call}, {beyond}");
            }
        }
    }

    #[test]
    fn the_promised_bytes_are_silent() {
        assert_eq!(rings(&trace_of(CALLS)), [""; 0]);
    }
}
