//! `use-after-destroy`: a destroyed session serves no call, and its handle never comes back.

use rekeylab_ddi::Hresult;

use super::remembered::Remembered;
use super::{Case, Invariant, Verdict, Violation, abort_function, code_if_found};
use crate::observation::{Before, DeviceStanding, Observation, StateHash};
use crate::sequence::Call;

pub(super) const INVARIANT: Invariant = Invariant {
    name: "use-after-destroy",
    holds_when: "no handle is served that is not in use, and none comes back under another's name",
    check,
    remembers,
    abort: use_after_destroy_found,
};

abort_function!(use_after_destroy_found);

/// From the first such call on, two names can mean one session; the rest is echo.
fn check(case: &Case<'_>, verdict: &mut Verdict) {
    for (index, (seen, before)) in case.calls().enumerate() {
        if let Some((call, what)) = dead_name_of(seen, before)
            && let Some(code) = code_if_found(seen, case.trace.choices)
        {
            verdict.violations.push(violation(index, seen, code, what, call));
            return;
        }
        if let Some(what) = nobodys_name(seen)
            && let Some(code) = code_if_found(seen, case.trace.choices)
        {
            verdict.violations.push(Violation {
                invariant: INVARIANT.name,
                call: index,
                session: None,
                happened: format!("answered {code} to a {what} handle that was never given out"),
                expected: format!("D3DDDIERR_INVALIDHANDLE: there is no such {what}"),
                rules: "S-44 INV-07",
                is_inferred: false,
                place: None,
            });
            return;
        }
        if let Some(earlier) = before.same_handle {
            let handle = if matches!(seen.call, Call::CreateDevice) { "device" } else { "session" };
            verdict.violations.push(Violation {
                invariant: INVARIANT.name,
                call: index,
                session: seen.session_slot,
                happened: format!("the new {handle} got the handle that call {earlier} had got"),
                expected: "a handle that was never given out before".to_owned(),
                rules: "S-24 INV-07",
                is_inferred: false,
                place: None,
            });
            return;
        }
    }
}

fn remembers(Remembered { standings, .. }: &Remembered<'_>, hash: &mut StateHash) {
    hash.count(standings.devices().len());
    for DeviceStanding { handle, created: _, ended } in standings.devices() {
        hash.number(*handle);
        hash.flag(ended.is_some());
    }
    hash.count(standings.sessions().len());
    for session in standings.sessions() {
        hash.number(session.handle);
        hash.maybe(session.device.map(u64::from));
        hash.flag(session.ended.is_some());
    }
}

/// Whether the call passes a handle, and not NULL, that the driver has given to nobody, and of what.
#[inline]
fn nobodys_name(seen: &Observation) -> Option<&'static str> {
    let is_about_device = seen.call.device().is_some() || seen.call.session().is_some();
    if is_about_device && seen.device_slot.is_none() && seen.device.0 != 0 {
        return Some("device");
    }
    let is_forged = seen.session_slot.is_none() && seen.session.0 != 0;
    (is_forged && seen.call.session().is_some()).then_some("session")
}

/// Whether the call names something dead, and which call killed it.
#[inline]
fn dead_name_of(seen: &Observation, before: &Before) -> Option<(u32, &'static str)> {
    if let Some(call) = before.session.ended
        && seen.session_slot.is_some()
        && seen.call.session().is_some()
    {
        return Some((call, "session"));
    }
    before.device_ended.map(|call| (call, "device"))
}

fn violation(call: usize, seen: &Observation, code: Hresult, what: &str, ended: u32) -> Violation {
    Violation {
        invariant: INVARIANT.name,
        call,
        session: seen.session_slot,
        happened: format!("answered {code}, although call {ended} destroyed the {what}"),
        expected: format!("D3DDDIERR_INVALIDHANDLE: the {what} is destroyed"),
        rules: "S-22 S-23 INV-07",
        is_inferred: false,
        place: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, trace_of};

    const KEYED: &str = "d0 = create-device -> ok
        s0 = create-session d0 -> ok
        exchange-key s0 key=7 -> ok\n";

    #[test]
    fn a_destroyed_session_that_serves_any_call_rings() {
        for call in [
            "destroy-session s0",
            "session-status s0",
            "start-refresh s0",
            "submit-buffer s0 iv=1 len=16",
        ] {
            let calls = format!("{KEYED}destroy-session s0 -> ok\n{call} -> ok");
            check(&calls, &["use-after-destroy"]);
        }
    }

    #[test]
    fn of_a_driver_that_may_refuse_as_it_likes_only_what_it_serves_rings() {
        let rings = |answer: &str| {
            let calls = format!("{KEYED}destroy-session s0 -> ok\nstart-refresh s0 -> {answer}");
            let mut trace = trace_of(&calls);
            trace.choices.any_failure = true;
            super::super::testing::rings(&trace)
        };
        assert_eq!(rings("E_INVALIDARG"), [""; 0]);
        assert_eq!(rings("ok"), ["use-after-destroy"]);
    }

    #[test]
    fn a_destroyed_device_takes_its_sessions_along() {
        check(
            &format!("{KEYED}destroy-device d0 -> ok\nsession-status s0 -> ok"),
            &["use-after-destroy"],
        );
        check(
            &format!("{KEYED}destroy-device d0 -> ok\ns1 = create-session d0 -> ok"),
            &["use-after-destroy"],
        );
    }

    #[test]
    fn a_dead_session_that_refuses_for_the_state_it_is_in_rings() {
        check(
            &format!("{KEYED}destroy-session s0 -> ok\nfinish-refresh s0 -> D3DDDIERR_INVALIDCALL"),
            &["use-after-destroy"],
        );
    }

    #[test]
    fn a_dead_device_that_refuses_what_the_new_session_shall_be_rings() {
        let create = "create-session d0 profile=unknown -> D3DDDIERR_UNSUPPORTEDCRYPTO";
        check(&format!("{KEYED}destroy-device d0 -> ok\n{create}"), &["use-after-destroy"]);
    }

    #[test]
    fn a_dead_session_that_is_not_found_is_silent() {
        check(
            &format!(
                "{KEYED}destroy-session s0 -> ok\nsession-status s0 -> D3DDDIERR_INVALIDHANDLE"
            ),
            &[],
        );
    }

    #[test]
    fn a_handle_that_was_never_given_out_rings_when_it_is_served() {
        let mut trace = super::super::testing::trace_of(&format!("{KEYED}session-status s0 -> ok"));
        trace.calls[3].session.0 ^= 1;
        trace.calls[3].session_slot = None;
        assert_eq!(super::super::testing::rings(&trace), ["use-after-destroy"]);
    }

    #[test]
    fn a_handle_given_out_twice_rings() {
        let mut trace = super::super::testing::trace_of(&format!(
            "{KEYED}destroy-session s0 -> ok\ns1 = create-session d0 -> ok"
        ));
        trace.calls[4].scalar = trace.calls[1].scalar;
        assert_eq!(super::super::testing::rings(&trace), ["use-after-destroy"]);
    }
}
