//! `key-leak`: nothing the caller gets back holds key bytes, in any form.

use super::{Case, Invariant, Verdict, Violation, abort_function, leftovers, nothing};
use crate::observation::{Layer, TextPlace};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "key-leak",
    holds_when: "nothing the caller gets back holds key bytes, in any form",
    check,
    remembers: nothing,
    abort: key_leak_found,
};

abort_function!(key_leak_found);

/// The random number in its own output buffer is no sighting; the executor leaves it out.
fn check(case: &Case<'_>, verdict: &mut Verdict) {
    leftovers::report(case, verdict, INVARIANT.name, "R-69 INV-09", |sighting| {
        matches!(sighting.place.layer(), Layer::Outputs | Layer::Log | Layer::Debug)
    });
    for told in &case.trace.text_followings {
        let layer = match told.place {
            TextPlace::Log { .. } => Layer::Log,
            TextPlace::Debug => Layer::Debug,
        };
        // What was decoded need not be told again.
        if case.trace.sightings.iter().any(|seen| seen.place.layer() == layer) {
            continue;
        }
        verdict.violations.push(Violation {
            invariant: INVARIANT.name,
            call: told.call as usize,
            session: None,
            happened: format!("{} follows the key and not the payload", told.place),
            expected: "text that says nothing of a key, in any encoding".to_owned(),
            rules: "R-69 INV-09",
            is_inferred: false,
            place: None,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{rings, sight, trace_of, violations};
    use crate::observation::Place;
    use keysan::text::Encoding;

    const CALLS: &str = "d0 = create-device -> ok
        s0 = create-session d0 -> ok
        exchange-key s0 key=7 -> ok";

    #[test]
    fn a_key_in_an_output_in_the_log_in_debug_or_in_a_panic_is_a_leak() {
        let encoding = Encoding::Hex;
        for place in [
            Place::Output { offset: 3 },
            Place::Log { line: 1, encoding },
            Place::Debug { encoding },
            Place::Panic { encoding },
        ] {
            let mut trace = trace_of(CALLS);
            sight(&mut trace, 2, place);
            assert_eq!(rings(&trace), ["key-leak"], "{place}");
        }
    }

    #[test]
    fn text_that_follows_the_key_is_a_leak_unless_it_was_decoded() {
        let mut trace = trace_of(CALLS);
        let place = crate::observation::TextPlace::Log { line: 1 };
        trace.text_followings.push(crate::observation::TextFollowing { call: 2, place });
        assert_eq!(rings(&trace), ["key-leak"]);
        sight(&mut trace, 2, Place::Log { line: 1, encoding: Encoding::Hex });
        assert_eq!(violations(&trace).len(), 1);
    }

    #[test]
    fn one_key_in_one_place_is_one_violation_however_many_windows_were_seen() {
        let mut trace = trace_of(CALLS);
        for offset in 0..9 {
            sight(&mut trace, 2, Place::Output { offset });
        }
        assert_eq!(violations(&trace).len(), 1);
    }
}
