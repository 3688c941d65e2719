//! `use-after-destroy`: a destroyed session serves no call, and its handle never comes back.

use rekeylab_ddi::Hresult;

use super::{Case, Invariant, Verdict, Violation, abort_function, code_of_the_found};
use crate::observation::{Observation, StateHash};
use crate::sequence::Call;

pub(super) const INVARIANT: Invariant = Invariant {
    name: "use-after-destroy",
    holds_when: "a destroyed session serves no call and never comes back under another's name",
    check,
    remembers,
    abort: use_after_destroy_found,
};

abort_function!(use_after_destroy_found);

/// Keeps a list of everything that was created, and what killed it.
fn check(case: &Case<'_>, verdict: &mut Verdict) {
    let lives = &mut *case.model.notes.lives.borrow_mut();
    lives.devices.clear();
    lives.sessions.clear();
    for (index, seen) in case.trace.calls.iter().enumerate() {
        if let Some((call, what)) = lives.dead_name_of(seen)
            && let Some(code) = code_of_the_found(seen)
        {
            // From the first such call on, two names can mean one session; the rest is echo.
            verdict.violations.push(violation(index, seen, code, what, call));
            return;
        }
        if seen.is_ok()
            && let Some(earlier) = lives.follow(index, seen)
        {
            let handle = if matches!(seen.call, Call::CreateDevice) { "device" } else { "session" };
            verdict.violations.push(Violation {
                invariant: INVARIANT.name,
                call: index,
                session: seen.session_slot,
                happened: format!("the new {handle} got the handle that call {earlier} had got"),
                expected: "a handle that was never given out before".to_owned(),
                rules: "S-24 INV-07",
                is_inferred: false,
            });
            return;
        }
    }
}

fn remembers(calls: &[Observation], hash: &mut StateHash) {
    let mut lives = Lives::default();
    for (index, seen) in calls.iter().enumerate().filter(|(_, seen)| seen.is_ok()) {
        lives.follow(index, seen);
    }
    for lives in [&lives.devices, &lives.sessions] {
        hash.count(lives.len());
        for Life { handle, created: _, owner, ended } in lives {
            hash.number(*handle);
            hash.maybe(owner.map(u64::from));
            hash.flag(ended.is_some());
        }
    }
}

/// Every slot that was filled, by its number.
#[derive(Debug, Default)]
pub(super) struct Lives {
    devices: Vec<Life>,
    sessions: Vec<Life>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Life {
    /// 0 when the creation failed.
    handle: u64,
    created: usize,
    /// Slot of the device that created it.
    owner: Option<u16>,
    ended: Option<usize>,
}

impl Lives {
    /// Whether the call names something dead, and which call killed it.
    fn dead_name_of(&self, seen: &Observation) -> Option<(usize, &'static str)> {
        let ended = |lives: &[Life], slot: Option<u16>| lives.get(usize::from(slot?))?.ended;
        if let Some(call) = ended(&self.sessions, seen.session_slot)
            && seen.call.session().is_some()
        {
            return Some((call, "session"));
        }
        ended(&self.devices, seen.device_slot).map(|call| (call, "device"))
    }

    /// Takes over what a successful call changed; says which call had got the same handle before.
    #[inline(always)]
    fn follow(&mut self, index: usize, seen: &Observation) -> Option<usize> {
        match seen.call {
            Call::CreateDevice => {
                begin(&mut self.devices, seen.device_slot, index, seen.scalar, None)
            }
            Call::CreateSession { .. } => {
                let owner = seen.device_slot;
                begin(&mut self.sessions, seen.session_slot, index, seen.scalar, owner)
            }
            Call::DestroySession { .. } => {
                if let Some(life) = life_mut(&mut self.sessions, seen.session_slot) {
                    life.ended = Some(index);
                }
                None
            }
            Call::DestroyDevice { .. } => {
                if let Some(life) = life_mut(&mut self.devices, seen.device_slot) {
                    life.ended = Some(index);
                }
                let is_orphan = |life: &&mut Life| {
                    life.owner == seen.device_slot && life.handle != 0 && life.ended.is_none()
                };
                self.sessions
                    .iter_mut()
                    .filter(is_orphan)
                    .for_each(|life| life.ended = Some(index));
                None
            }
            _ => None,
        }
    }
}

fn life_mut(lives: &mut [Life], slot: Option<u16>) -> Option<&mut Life> {
    lives.get_mut(usize::from(slot?))
}

fn begin(
    lives: &mut Vec<Life>,
    slot: Option<u16>,
    created: usize,
    handle: u64,
    owner: Option<u16>,
) -> Option<usize> {
    // A create that succeeds without a handle is another alarm's business.
    let earlier = lives.iter().find(|life| life.handle == handle && handle != 0);
    let earlier = earlier.map(|life| life.created);
    let slot = usize::from(slot?);
    if lives.len() <= slot {
        lives.resize(slot + 1, Life::default());
    }
    lives[slot] = Life { handle, created, owner, ended: None };
    earlier
}

fn violation(
    call: usize,
    seen: &Observation,
    code: Hresult,
    what: &str,
    ended: usize,
) -> Violation {
    Violation {
        invariant: INVARIANT.name,
        call,
        session: seen.session_slot,
        happened: format!("answered {code}, although call {ended} destroyed the {what}"),
        expected: format!("D3DDDIERR_INVALIDHANDLE: the {what} is destroyed"),
        rules: "S-22 S-23 INV-07",
        is_inferred: false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;

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
    fn a_handle_given_out_twice_rings() {
        let mut trace = super::super::testing::trace_of(&format!(
            "{KEYED}destroy-session s0 -> ok\ns1 = create-session d0 -> ok"
        ));
        trace.calls[4].scalar = trace.calls[1].scalar;
        assert_eq!(super::super::testing::rings(&trace), ["use-after-destroy"]);
    }
}
