//! `wrong-key-epoch`: a buffer is processed under the key in force when it was submitted.

use super::{
    Case, Disagreement, Divergence, Instead, Invariant, Verdict, Violation, WrapInstead,
    abort_function, nothing,
};
use crate::observation::{EmptyHome, Home, Place, SecretName, Sighting};
use crate::sequence::expand::{self, World};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "wrong-key-epoch",
    holds_when: "a buffer is processed under the key in force when it was submitted, and its \
                 plaintext comes back equal; a read-back key is wrapped under the key in force",
    check,
    remembers: nothing,
    abort: wrong_key_epoch_found,
};

abort_function!(wrong_key_epoch_found);

fn check(case: &Case<'_>, verdict: &mut Verdict) {
    check_homes(case, verdict);
    check_buffers(case, verdict);
    check_wraps(case, verdict);
}

/// A session whose home does not hold the key in force will process its next buffer under another.
fn check_homes(case: &Case<'_>, verdict: &mut Verdict) {
    for &EmptyHome { secret, call, home } in &case.trace.empty_homes {
        let index = call as usize;
        let Some(secret) = case.trace.secrets.get(secret as usize) else { continue };
        // What is wrong with an answer says more than what the call did to a home.
        let is_told = |divergence: &Divergence| {
            let is_its = divergence.session == Some(secret.session);
            divergence.call == index || is_its && divergence.call < index
        };
        if case.divergences.iter().any(is_told) || has_rung(verdict, secret.session) {
            continue;
        }
        if verdict.claims(index) || verdict.is_echo(index) {
            continue;
        }
        let by = by_other_means(case, index, secret);
        let held = held_instead(case, call, home);
        let happened = match held {
            Some(held) => format!("{by}{home} held {held}"),
            None => format!("{by}{secret} was not in {home}"),
        };
        verdict.violations.push(Violation {
            invariant: INVARIANT.name,
            call: index,
            session: Some(secret.session),
            happened,
            expected: format!("{secret}, which is in force, to be in its home"),
            rules: "R-17 R-19 INV-02",
            // What is processed under a bound key, or answered for a key that is gone, says more.
            is_inferred: matches!(home, Home::BoundKey { .. }) || !is_held(case, call, home),
            place: None,
        });
    }
}

/// The secret that was seen in a home after a call.
fn held_instead<'a>(case: &Case<'a>, call: u32, home: Home) -> Option<&'a SecretName> {
    let mut sightings = case.trace.sightings.iter();
    let seen = sightings.find(|seen| (seen.call, seen.place) == (call, Place::Home { home }))?;
    case.trace.secrets.get(seen.secret as usize)
}

/// Whether any secret was seen in a home, after a call or later.
fn is_held(case: &Case<'_>, call: u32, home: Home) -> bool {
    let is_in_it = |seen: &Sighting| seen.call >= call && seen.place == Place::Home { home };
    case.trace.sightings.iter().any(is_in_it)
}

/// Names the call behind which the home was looked at, when it should have changed nothing there:
/// because it was refused, or is another session's.
fn by_other_means(case: &Case<'_>, call: usize, secret: &SecretName) -> String {
    let Some(seen) = case.trace.calls.get(call) else { return String::new() };
    let word = seen.call.kind().word();
    match seen.session_slot {
        Some(slot) if slot != secret.session => format!("after {word} of s{slot}, "),
        _ if seen.is_refused() => format!("after the refused {word}, "),
        _ => String::new(),
    }
}

/// Whether something is known to be wrong with a session already.
fn has_rung(verdict: &Verdict, session: u16) -> bool {
    let is_its = |violation: &&Violation| violation.session == Some(session);
    verdict.violations.iter().filter(is_its).any(|violation| !violation.is_residue())
}

fn check_buffers(case: &Case<'_>, verdict: &mut Verdict) {
    for divergence in case.divergences {
        let Disagreement::Plaintext { submitted, expected, used, instead } = &divergence.about
        else {
            continue;
        };
        if verdict.claims(divergence.call) || verdict.is_echo(divergence.call) {
            continue;
        }
        if has_rung(verdict, expected.session) {
            continue;
        }
        let buffer = format!("the buffer of call {submitted}");
        let happened = match (used, instead) {
            (Some(used), _) => format!("{buffer} was processed under {used}"),
            // That the bytes were others is about the work, not the key.
            (None, Some(Instead::Bytes { .. })) => continue,
            (None, Some(Instead::Nothing)) => {
                format!("{buffer} came back as it was submitted: not processed, or twice")
            }
            (None, Some(Instead::ReadBackUnder { key })) => {
                format!("{buffer} was read back under {key}, which is not in force")
            }
            (None, Some(Instead::ReadBackInTheClear)) => {
                format!("{buffer} was read back in the clear")
            }
            (
                None,
                Some(
                    other @ (Instead::Zeros
                    | Instead::Mixed { .. }
                    | Instead::MixedWithReadBackKey { .. }),
                ),
            ) => format!("{buffer} was processed under {}", no_key(other)),
            (None, None) => match wrong_blocks(case, divergence.call, *submitted) {
                Some(blocks) => format!("{buffer} came back wrong in {blocks}"),
                None => format!("{buffer} was processed under no key that the client knows"),
            },
        };
        verdict.violations.push(Violation {
            invariant: INVARIANT.name,
            call: divergence.call,
            session: divergence.session,
            happened,
            expected: format!("{expected}, in force when it was submitted"),
            rules: "R-18 R-19 S-17 INV-01 INV-02 INV-08",
            is_inferred: false,
            place: None,
        });
    }
}

/// What was used in the place of a key.
fn no_key(instead: &Instead) -> String {
    match instead {
        Instead::Zeros => "a key that is all zero".to_owned(),
        Instead::Mixed { key, random_of } => {
            format!("{key}, XORed with the random number of s{random_of}")
        }
        Instead::MixedWithReadBackKey { key, read_back_key_of } => {
            format!("{key}, XORed with the read-back key of s{read_back_key_of}")
        }
        Instead::Nothing
        | Instead::ReadBackUnder { .. }
        | Instead::ReadBackInTheClear
        | Instead::Bytes { .. } => "no key".to_owned(),
    }
}

/// A read-back key that was wrapped under another key than the one in force.
fn check_wraps(case: &Case<'_>, verdict: &mut Verdict) {
    for divergence in case.divergences {
        let Disagreement::Wrap { expected, used, instead } = &divergence.about else { continue };
        let under = match (used, instead) {
            (Some(used), _) => used.to_string(),
            (None, Some(WrapInstead::Under(other))) => no_key(other),
            (None, None) => "no key that the client knows".to_owned(),
            // What is wrong is the wrap.
            (None, Some(_)) => continue,
        };
        if verdict.claims(divergence.call) || verdict.is_echo(divergence.call) {
            continue;
        }
        if has_rung(verdict, expected.session) {
            continue;
        }
        verdict.violations.push(Violation {
            invariant: INVARIANT.name,
            call: divergence.call,
            session: divergence.session,
            happened: format!("the read-back key was wrapped under {under}"),
            expected: format!("{expected}, which is in force"),
            rules: "R-18 R-19 R-36 INV-01 INV-02",
            is_inferred: false,
            place: None,
        });
    }
}

/// Which blocks of sixteen bytes came back wrong, if others came back right: then the key was mostly
/// the right one.
fn wrong_blocks(case: &Case<'_>, retired: usize, submitted: usize) -> Option<String> {
    let (seen, submission) = (case.trace.calls.get(retired)?, case.trace.calls.get(submitted)?);
    let mut completions = case.trace.completions_of(seen).iter();
    let completion = completions.find(|completion| completion.fence == submission.scalar)?;
    let start = completion.offset as usize;
    let end = start.checked_add(completion.len as usize)?;
    let came = case.trace.buffer_of(seen).get(start..end)?;
    let mut due = vec![0; came.len()];
    expand::payload(World::default(), submitted, &mut due);
    let pairs = came.chunks(16).zip(due.chunks(16)).zip(1..);
    let wrong: Vec<usize> =
        pairs.filter(|((came, due), _)| came != due).map(|(_, number)| number).collect();
    let (count, first, last) = (came.len().div_ceil(16), *wrong.first()?, *wrong.last()?);
    match wrong.len() {
        all if all == count => None,
        1 => Some(format!("block {first} of {count}")),
        some if some == last - first + 1 => Some(format!("blocks {first} to {last} of {count}")),
        some => Some(format!("{some} of {count} blocks, from block {first} to block {last}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{
        process_under, process_under_refreshed, process_with, rings, trace_of, violations,
    };
    use crate::observation::{Draw, EmptyHome, Home, Place, SecretKind, SecretName, Sighting};
    use crate::sequence::Shape;
    use crate::sequence::expand::{self, World};

    const CALLS: &str = "d0 = create-device -> ok
        s0 = create-session d0 -> ok
        exchange-key s0 key=7 -> ok
        start-refresh s0 -> ok
        finish-refresh s0 -> ok
        submit-buffer s0 iv=1 count=0 len=48 -> ok
        retire 1 -> ok";

    /// What is said of the wrap that the last call hands out, in the place of the right one.
    fn wrapped_otherwise(calls: &str, wrap: [u8; 16]) -> Vec<(&'static str, String)> {
        let mut trace = trace_of(calls);
        let at = trace.calls.last().unwrap().buffer.start as usize;
        trace.bytes[at..at + 16].copy_from_slice(&wrap);
        let told = violations(&trace).into_iter();
        told.map(|violation| (violation.invariant, violation.happened)).collect()
    }

    #[test]
    fn a_read_back_key_that_is_wrapped_under_another_key_rings_and_says_which() {
        let calls = "d0 = create-device -> ok
            s0 = create-session d0 -> ok
            exchange-key s0 key=7 -> ok
            start-refresh s0 -> ok
            encryption-blt-key s0 -> ok";
        let trace = trace_of(calls);
        assert_eq!(rings(&trace), [""; 0]);
        let random = *trace.buffer_of(&trace.calls[3]).first_chunk::<16>().unwrap();
        let Draw::Answered(drawn) = trace.draws_of(&trace.calls[4])[0] else { panic!() };
        let mut key = [0; 16];
        expand::session_key(World::default(), 7, Shape::Plain, &mut key);
        let mut ahead = key;
        ahead.iter_mut().zip(random).for_each(|(key, random)| *key ^= random);
        let under = |key: &[u8; 16]| {
            let mut wrap = drawn;
            rekeylab_cipher::encrypt_block(key, &mut wrap);
            wrap
        };
        assert_eq!(wrapped_otherwise(calls, under(&key)), []);
        let happened = |what: &str| vec![("wrong-key-epoch", what.to_owned())];
        let ahead = wrapped_otherwise(calls, under(&ahead));
        assert_eq!(ahead, happened("the read-back key was wrapped under K[s0, epoch 1]"));
        let zeros = wrapped_otherwise(calls, under(&[0; 16]));
        assert_eq!(zeros, happened("the read-back key was wrapped under a key that is all zero"));
        let unknown = wrapped_otherwise(calls, [7; 16]);
        assert_eq!(
            unknown,
            happened("the read-back key was wrapped under no key that the client knows")
        );
        // Under the right key: what is wrong is the wrap.
        let xored = core::array::from_fn(|at| drawn[at] ^ key[at]);
        let mut decrypted = drawn;
        rekeylab_cipher::decrypt_block(&key, &mut decrypted);
        for wrap in [drawn, xored, decrypted] {
            assert_eq!(wrapped_otherwise(calls, wrap)[0].0, "wrong-answer");
        }
    }

    #[test]
    fn a_key_in_force_that_is_not_in_its_home_rings() {
        let mut trace = trace_of(CALLS);
        trace.secrets = vec![SecretName { kind: SecretKind::Key, session: 0, epoch: 1 }];
        let home = Home::Key { session: 0 };
        trace.empty_homes.push(EmptyHome { secret: 0, call: 4, home });
        assert_eq!(rings(&trace), ["wrong-key-epoch"]);
    }

    /// A home that held a key of another epoch behind this call, which should not have touched it.
    fn happened_behind(call: &str) -> Vec<(&'static str, String)> {
        let mut trace = trace_of(&format!("{CALLS}\ns1 = create-session d0 -> ok\n{call}"));
        let name = |epoch| SecretName { kind: SecretKind::Key, session: 0, epoch };
        trace.secrets = vec![name(0), name(1)];
        let home = Home::Key { session: 0 };
        trace.empty_homes.push(EmptyHome { secret: 1, call: 8, home });
        let place = Place::Home { home };
        trace.sightings.push(Sighting { secret: 0, window: 0, call: 8, place });
        let told = violations(&trace).into_iter();
        told.map(|violation| (violation.invariant, violation.happened)).collect()
    }

    #[test]
    fn the_call_of_another_session_or_a_refused_one_that_changed_a_home_is_named() {
        let held = "the home of the key of s0 held K[s0, epoch 0]";
        for (call, by) in [
            ("destroy-session s1 -> ok", "after destroy-session of s1, "),
            ("exchange-key s0 key=8 -> D3DDDIERR_INVALIDCALL", "after the refused exchange-key, "),
            ("session-status s0 -> ok", ""),
        ] {
            let happened = happened_behind(call);
            assert_eq!(happened, [("wrong-key-epoch", format!("{by}{held}"))], "{call}");
        }
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
    fn what_explains_a_buffer_under_no_key_is_named() {
        let happened = |trace: &_| {
            assert_eq!(rings(trace), ["wrong-key-epoch"]);
            violations(trace)[0].happened.clone()
        };
        let mut zeros = trace_of(CALLS);
        process_with(&mut zeros, 5, 6, &[0; 16]);
        let text = "the buffer of call 5 was processed under a key that is all zero";
        assert_eq!(happened(&zeros), text);

        let mut untouched = trace_of(CALLS);
        let ciphertext = untouched.buffer_of(&untouched.calls[5]).to_vec();
        let start = untouched.calls[6].buffer.start as usize;
        untouched.bytes[start..start + ciphertext.len()].copy_from_slice(&ciphertext);
        let text = "the buffer of call 5 came back as it was submitted: not processed, or twice";
        assert_eq!(happened(&untouched), text);

        let mut mixed = trace_of(
            "d0 = create-device -> ok
            s0 = create-session d0 -> ok
            s1 = create-session d0 -> ok
            exchange-key s0 key=7 -> ok
            exchange-key s1 key=8 -> ok
            start-refresh s1 -> ok
            submit-buffer s0 iv=1 count=0 len=48 -> ok
            retire 1 -> ok",
        );
        process_under_refreshed(&mut mixed, 6, 7, 7, 5);
        let text = "the buffer of call 6 was processed under K[s0, epoch 0], XORed with the random \
                    number of s1";
        assert_eq!(happened(&mixed), text);
    }

    #[test]
    fn one_wrong_byte_at_the_end_is_enough_and_its_block_is_named() {
        for (wrong, blocks) in [
            (&[47][..], "block 3 of 3"),
            (&[17, 40], "blocks 2 to 3 of 3"),
            (&[0, 47], "2 of 3 blocks, from block 1 to block 3"),
        ] {
            let mut trace = trace_of(CALLS);
            let start = trace.calls[6].buffer.start as usize;
            wrong.iter().for_each(|at| trace.bytes[start + at] ^= 1);
            assert_eq!(rings(&trace), ["wrong-key-epoch"]);
            let happened = &violations(&trace)[0].happened;
            assert_eq!(*happened, format!("the buffer of call 5 came back wrong in {blocks}"));
        }
    }
}
