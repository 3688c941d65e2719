//! `double-finish`: one start, at most one successful finish.

use super::key_residue::is_revival;
use super::remembered::Remembered;
use super::{Case, Invariant, Verdict, Violation, abort_function};
use crate::observation::StateHash;
use crate::sequence::Call;

pub(super) const INVARIANT: Invariant = Invariant {
    name: "double-finish",
    holds_when: "one start has at most one successful finish",
    check,
    remembers,
    abort: double_finish_found,
};

abort_function!(double_finish_found);

fn check(case: &Case<'_>, verdict: &mut Verdict) {
    check_codes(case, verdict);
    check_homes(case, verdict);
}

/// XORed once more, the random number brings the key of the epoch before back: whoever finds that
/// in its home has found a second finish, whatever was answered.
fn check_homes(case: &Case<'_>, verdict: &mut Verdict) {
    for sighting in &case.trace.sightings {
        let call = sighting.call as usize;
        if !is_revival(case.trace, sighting) || verdict.claims(call) {
            continue;
        }
        let secret = &case.trace.secrets[sighting.secret as usize];
        verdict.violations.push(Violation {
            invariant: INVARIANT.name,
            call,
            session: Some(secret.session),
            happened: format!("{secret} is back in {}", sighting.place),
            expected: "a random number to be applied once".to_owned(),
            rules: "S-02 S-03 INV-02",
            is_inferred: false,
            place: None,
        });
    }
}

/// A finish answers the start before it; one that succeeds without a start is one too many.
fn check_codes(case: &Case<'_>, verdict: &mut Verdict) {
    for (index, (seen, before)) in case.calls().enumerate() {
        let is_finish = matches!(seen.call, Call::FinishRefresh { .. }) && seen.is_ok();
        if !is_finish || before.session.is_started || verdict.claims(index) {
            continue;
        }
        let happened = match before.session.finished {
            Some(call) => {
                format!("answered S_OK, and no start came since the finish of call {call}")
            }
            None => "answered S_OK, and there never was a start".to_owned(),
        };
        verdict.violations.push(Violation {
            invariant: INVARIANT.name,
            call: index,
            session: seen.session_slot,
            happened,
            expected: "D3DDDIERR_INVALIDCALL: no random number waits".to_owned(),
            rules: "S-02 S-03",
            is_inferred: false,
            place: None,
        });
    }
}

/// Where the last finish was is for the story.
fn remembers(Remembered { standings, .. }: &Remembered<'_>, hash: &mut StateHash) {
    hash.flag(standings.session(None).is_started);
    hash.count(standings.sessions().len());
    standings.sessions().iter().for_each(|session| hash.flag(session.is_started));
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, rings, sight, trace_of};
    use crate::observation::{Home, Place};

    const KEYED: &str = "d0 = create-device -> ok
        s0 = create-session d0 -> ok
        exchange-key s0 key=7 -> ok\n";

    #[test]
    fn a_second_finish_rings() {
        check(
            &format!(
                "{KEYED}start-refresh s0 -> ok\nfinish-refresh s0 -> ok\nfinish-refresh s0 -> ok"
            ),
            &["double-finish"],
        );
    }

    #[test]
    fn an_earlier_key_that_a_refused_finish_brings_back_rings() {
        let mut trace = trace_of(&format!(
            "{KEYED}start-refresh s0 -> ok\nfinish-refresh s0 -> ok
            finish-refresh s0 -> D3DDDIERR_INVALIDCALL"
        ));
        sight(&mut trace, 5, Place::Home { home: Home::Key { session: 0 } });
        assert_eq!(rings(&trace), ["double-finish"]);
    }

    #[test]
    fn an_old_key_that_a_first_finish_leaves_is_residue_and_no_second_finish() {
        let mut trace =
            trace_of(&format!("{KEYED}start-refresh s0 -> ok\nfinish-refresh s0 -> ok"));
        sight(&mut trace, 4, Place::Home { home: Home::Key { session: 0 } });
        assert_eq!(rings(&trace), ["key-residue"]);
    }

    #[test]
    fn a_finish_without_any_start_rings() {
        check(&format!("{KEYED}finish-refresh s0 -> ok"), &["double-finish"]);
    }

    #[test]
    fn each_start_has_its_finish() {
        let refresh = "start-refresh s0 -> ok\nfinish-refresh s0 -> ok\n";
        check(&format!("{KEYED}{refresh}{refresh}"), &[]);
        check(&format!("{KEYED}{refresh}finish-refresh s0 -> D3DDDIERR_INVALIDCALL"), &[]);
    }
}
