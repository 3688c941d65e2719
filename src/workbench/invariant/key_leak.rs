//! `key-leak`: nothing the caller gets back holds key bytes, in any form.

use super::{Case, Invariant, Verdict, Violation, abort_function};
use crate::observation::Place;

pub(super) const INVARIANT: Invariant = Invariant {
    name: "key-leak",
    holds_when: "nothing the caller gets back holds key bytes, in any form",
    check,
    abort: key_leak_found,
};

abort_function!(key_leak_found);

/// The random number in its own output buffer is no sighting; the executor leaves it out.
fn check(case: &Case<'_>, verdict: &mut Verdict) {
    report_sightings(case, verdict, INVARIANT.name, "R-69 INV-09", |place| match place {
        Place::Output { .. } | Place::Debug { .. } | Place::Panic { .. } => true,
        Place::FreedHeap { .. } => false,
    });
}

/// One violation for each secret, call and kind of place among the sightings that `concerns` picks.
pub(super) fn report_sightings(
    case: &Case<'_>,
    verdict: &mut Verdict,
    invariant: &'static str,
    rules: &'static str,
    concerns: fn(&Place) -> bool,
) {
    let mut reported = Vec::new();
    for sighting in case.trace.sightings.iter().filter(|sighting| concerns(&sighting.place)) {
        let kind = core::mem::discriminant(&sighting.place);
        let key = (sighting.secret, sighting.call, kind);
        if reported.contains(&key) {
            continue;
        }
        reported.push(key);
        let secret = case.trace.secrets.get(sighting.secret as usize);
        let name = secret.map_or_else(|| "a secret".to_owned(), ToString::to_string);
        let (first, last) = (sighting.window, sighting.window + 7);
        verdict.violations.push(Violation {
            invariant,
            call: sighting.call as usize,
            session: secret.map(|secret| secret.session),
            happened: format!("bytes {first} to {last} of {name} were seen in {}", sighting.place),
            expected: format!("{name} to be seen nowhere outside its home"),
            rules,
            is_inferred: false,
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
    fn a_key_in_an_output_in_debug_or_in_a_panic_is_a_leak() {
        let encoding = Encoding::Hex;
        for place in
            [Place::Output { offset: 3 }, Place::Debug { encoding }, Place::Panic { encoding }]
        {
            let mut trace = trace_of(CALLS);
            sight(&mut trace, 2, place);
            assert_eq!(rings(&trace), ["key-leak"], "{place}");
        }
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
