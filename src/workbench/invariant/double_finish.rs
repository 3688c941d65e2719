//! `double-finish`: one start, at most one successful finish.

use super::key_residue::is_revival;
use super::{Case, Invariant, Verdict, Violation, abort_function};
use crate::observation::{Observation, StateHash};
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
        });
    }
}

/// Counts, for each session, the starts that no finish has answered yet.
fn check_codes(case: &Case<'_>, verdict: &mut Verdict) {
    let refreshes = &mut *case.model.notes.refreshes.borrow_mut();
    refreshes.sessions.clear();
    for (index, seen) in case.trace.calls.iter().enumerate() {
        let Some(last_finish) = refreshes.follow(index, seen) else { continue };
        if verdict.claims(index) {
            continue;
        }
        let happened = match last_finish {
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
        });
    }
}

fn remembers(calls: &[Observation], hash: &mut StateHash) {
    let mut refreshes = Refreshes::default();
    for (index, seen) in calls.iter().enumerate() {
        refreshes.follow(index, seen);
    }
    // Where the last finish was is for the story.
    let Refreshes { sessions } = refreshes;
    hash.count(sessions.len());
    sessions.iter().for_each(|(_, is_started)| hash.flag(*is_started));
}

/// By session slot: the call of the last finish, and whether a start waits.
#[derive(Debug, Default)]
pub(super) struct Refreshes {
    sessions: Vec<(Option<usize>, bool)>,
}

impl Refreshes {
    /// Takes over a call. When it is a finish that no start waited for, says which call the finish
    /// before was, if there was one.
    #[inline(always)]
    fn follow(&mut self, index: usize, seen: &Observation) -> Option<Option<usize>> {
        let is_start = matches!(seen.call, Call::StartRefresh { .. });
        let is_finish = matches!(seen.call, Call::FinishRefresh { .. });
        if !(is_start || is_finish) || !seen.is_ok() {
            return None;
        }
        // A NULL handle that is served has no slot; it counts as a session of its own.
        let slot = seen.session_slot.map_or(0, |slot| usize::from(slot) + 1);
        if self.sessions.len() <= slot {
            self.sessions.resize(slot + 1, (None, false));
        }
        let (last_finish, is_started) = &mut self.sessions[slot];
        let was_started = core::mem::replace(is_started, is_start);
        if is_start {
            return None;
        }
        let before = last_finish.replace(index);
        (!was_started).then_some(before)
    }
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
