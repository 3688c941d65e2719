//! `key-residue`: nothing of a secret is left anywhere once its life is over.

use super::{Case, Invariant, Verdict, Violation, abort_function, leftovers, nothing};
use crate::observation::{EmptyHome, Home, Layer, Observation, Place, SecretKind, Sighting, Trace};
use crate::sequence::Call;

pub(super) const INVARIANT: Invariant = Invariant {
    name: "key-residue",
    holds_when: "no secret is left in heap, stack, registers or statics once its life is over",
    check,
    remembers: nothing,
    abort: key_residue_found,
};

abort_function!(key_residue_found);

fn check(case: &Case<'_>, verdict: &mut Verdict) {
    leftovers::report(case, verdict, INVARIANT.name, "S-79 INV-06", |sighting| {
        let is_memory = match sighting.place.layer() {
            Layer::FreedHeap | Layer::Heap | Layer::Homes => true,
            Layer::Stack | Layer::Registers | Layer::Statics => true,
            Layer::Outputs | Layer::Log | Layer::Debug => false,
            Layer::Derived | Layer::Differential => false,
        };
        is_memory && !is_revival(case.trace, sighting) && !is_instead(case.trace, sighting)
    });
    // Whoever prints a key has it on the stack as well, and the text is what has to go.
    let is_printed = !case.trace.text_followings.is_empty();
    for following in case.trace.followings.iter().filter(|_| !is_printed) {
        // What a scan has found by its bytes need not be told again by what it follows.
        let layer = following.place.layer();
        let is_told = |seen: &Sighting| match seen.place.layer() {
            Layer::FreedHeap | Layer::Homes | Layer::Heap => layer == Layer::Heap,
            seen_in => seen_in == layer,
        };
        if case.trace.sightings.iter().any(is_told) {
            continue;
        }
        let words = match following.word_count {
            1 => "one word follows".to_owned(),
            count => format!("{count} words follow"),
        };
        let happened = match following.place {
            place @ Place::Shape { .. } => format!("{place} follows the key"),
            place => format!("{words} the key and not the payload, from {place}"),
        };
        verdict.violations.push(Violation {
            invariant: INVARIANT.name,
            call: following.call as usize,
            session: None,
            happened,
            expected: "nothing made of a key outside its home, in any encoding".to_owned(),
            rules: "S-79 INV-06",
            is_inferred: false,
            place: Some(following.place),
        });
    }
    // What a secret was seen in need not be told again.
    if let (Some(&block), true) = (case.trace.leaks.first(), verdict.is_clean()) {
        verdict.violations.push(Violation {
            invariant: INVARIANT.name,
            call: case.trace.calls.len(),
            session: None,
            happened: format!("{block}: each run leaves one more behind"),
            expected: "all memory to go with the driver, and keys with it".to_owned(),
            rules: "INV-06 S-49",
            is_inferred: false,
            place: Some(Place::Heap { block, offset: 0 }),
        });
    }
}

/// Whether a home holds it instead of the secret that lives there: then nobody forgot to wipe it, and
/// `wrong-key-epoch` tells that the driver works with another.
fn is_instead(trace: &Trace, sighting: &Sighting) -> bool {
    let Place::Home { home: there } = sighting.place else { return false };
    let is_there = |empty: &EmptyHome| (empty.call, empty.home) == (sighting.call, there);
    trace.empty_homes.iter().any(is_there)
}

/// Whether a finish that no start had asked for brought an earlier key back to its home:
/// `double-finish` tells that. What was seen there before was never away.
pub(super) fn is_revival(trace: &Trace, sighting: &Sighting) -> bool {
    let Place::Home { home: Home::Key { session } } = sighting.place else { return false };
    let Some(secret) = trace.secrets.get(sighting.secret as usize) else { return false };
    let calls = trace.calls.get(..=sighting.call as usize).unwrap_or_default();
    let Some((finish, before)) = calls.split_last() else { return false };
    let of_session = |seen: &&Observation| seen.session_slot == Some(session) && seen.is_ok();
    let last = before
        .iter()
        .filter(of_session)
        .rfind(|seen| matches!(seen.call, Call::StartRefresh { .. } | Call::FinishRefresh { .. }));
    let is_before = |other: &Sighting| {
        (other.secret, other.place) == (sighting.secret, sighting.place)
            && other.call < sighting.call
    };
    secret.kind == SecretKind::Key
        && secret.session == session
        && !trace.sightings.iter().any(is_before)
        && matches!(finish.call, Call::FinishRefresh { .. })
        && !last.is_some_and(|seen| matches!(seen.call, Call::StartRefresh { .. }))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{rings, sight, trace_of, violations};
    use crate::observation::{Block, Following, Home, Place};

    const CALLS: &str = "d0 = create-device -> ok
        s0 = create-session d0 -> ok
        exchange-key s0 key=7 -> ok
        destroy-session s0 -> ok";

    const BLOCK: Block = Block { number: 4, len: 48, allocated_in: 1, freed_in: Some(3) };

    #[test]
    fn a_key_anywhere_in_memory_is_residue() {
        for place in [
            Place::FreedHeap { block: BLOCK, offset: 0 },
            Place::Heap { block: BLOCK, offset: 8 },
            Place::Home { home: Home::Key { session: 0 } },
            Place::Stack { depth: 312 },
            Place::Static { name: "driver::CACHE", offset: 3 },
            Place::ThreadLocal { name: "driver::LAST", offset: 0 },
        ] {
            let mut trace = trace_of(CALLS);
            sight(&mut trace, 3, place);
            assert_eq!(rings(&trace), ["key-residue"], "{place}");
            let told = &violations(&trace)[0];
            assert!(told.expected.contains("dead since call 3, its session was destroyed"));
        }
    }

    #[test]
    fn a_block_seen_when_it_was_freed_and_later_again_is_one_leftover() {
        let mut trace = trace_of(CALLS);
        sight(&mut trace, 3, Place::FreedHeap { block: BLOCK, offset: 0 });
        sight(&mut trace, 3, Place::Heap { block: BLOCK, offset: 0 });
        assert_eq!(violations(&trace).len(), 1);
    }

    #[test]
    fn words_that_follow_the_key_are_residue() {
        let mut trace = trace_of(CALLS);
        let place = Place::Static { name: "driver::CACHE", offset: 0 };
        trace.followings.push(Following { call: 3, place, word_count: 2 });
        assert_eq!(rings(&trace), ["key-residue"]);
    }
}
