//! `keystream-reuse`: in one session no counter block is used twice, whatever its keys.

use rekeylab_ddi::Hresult;

use super::remembered::Remembered;
use super::{Case, Invariant, Verdict, Violation, abort_function};
use crate::observation::{Choices, Observation, StateHash};
use crate::sequence::Call;

pub(super) const INVARIANT: Invariant = Invariant {
    name: "keystream-reuse",
    holds_when: "in one session no counter block is used twice, also when refreshes restore an old \
                 key",
    check,
    remembers,
    abort: keystream_reused,
};

abort_function!(keystream_reused);

/// Per session, the counters of accepted buffers must rise, over all refreshes.
///
/// Keys are left out of it on purpose: whether an old key came back is nothing that the driver
/// could rely on (S-12, S-26).
fn check(case: &Case<'_>, verdict: &mut Verdict) {
    let counters = &mut *case.model.scratch.counters.borrow_mut();
    counters.highest.clear();
    let restarts = case.trace.choices.has(Choices::COUNTERS_RESTART);
    for (index, seen) in case.trace.calls.iter().enumerate() {
        counters.follow_key(seen, restarts);
        let Call::SubmitBuffer { iv, count, .. } = seen.call else { continue };
        let Some(((used_iv, used_count), user)) = counters.follow(index, seen) else { continue };
        if !verdict.claims(index) {
            verdict.violations.push(Violation {
                invariant: INVARIANT.name,
                call: index,
                session: seen.session_slot,
                happened: format!(
                    "let in from IV {iv:#x} Count {count:#x} on, although call {user} had used \
                     IV {used_iv:#x} up to Count {used_count:#x}"
                ),
                expected: "D3DDDIERR_INVALIDCALL: counters only rise, over every refresh"
                    .to_owned(),
                rules: "S-26 S-30 S-34 INV-05",
                is_inferred: false,
                place: None,
            });
        }
    }
}

fn remembers(Remembered { calls, .. }: &Remembered<'_>, hash: &mut StateHash) {
    let mut counters = Counters::default();
    for (index, seen) in calls.iter().enumerate() {
        counters.follow(index, seen);
    }
    // By which call a counter was used is for the story.
    let Counters { highest } = counters;
    hash.count(highest.len());
    for used in highest {
        let used = used.map(|(used, _)| used);
        hash.maybe(used.map(|(iv, _)| iv));
        hash.maybe(used.map(|(_, count)| count));
    }
}

/// By session slot: the highest (IV, Count) used, and the call that used it.
#[derive(Debug, Default)]
pub(super) struct Counters {
    highest: Vec<Option<((u64, u64), usize)>>,
}

impl Counters {
    /// Forgets what was used under an earlier key, of a driver whose counters restart with each (S-26).
    #[inline(always)]
    fn follow_key(&mut self, seen: &Observation, restarts: bool) {
        let is_new_key = matches!(seen.call, Call::FinishRefresh { .. } | Call::ExchangeKey { .. });
        if restarts && is_new_key && seen.is_ok() {
            let slot = seen.session_slot.map_or(0, |slot| usize::from(slot) + 1);
            self.highest.get_mut(slot).into_iter().for_each(|highest| *highest = None);
        }
    }

    /// Takes over a call. When it was let in with a counter that does not rise, says what had been
    /// used before, and by which call.
    #[inline(always)]
    fn follow(&mut self, index: usize, seen: &Observation) -> Option<((u64, u64), usize)> {
        let Call::SubmitBuffer { iv, count, len, .. } = seen.call else { return None };
        // Memory and room are asked for last, so whoever lacks them has been let in.
        let is_let_in = seen.code.is_some_and(|code| {
            [Hresult::S_OK, Hresult::E_OUTOFMEMORY, Hresult::D3DDDIERR_WASSTILLDRAWING]
                .contains(&code)
        });
        if !is_let_in {
            return None;
        }
        // A NULL handle that is served has no slot; it counts as a session of its own.
        let slot = seen.session_slot.map_or(0, |slot| usize::from(slot) + 1);
        if self.highest.len() <= slot {
            self.highest.resize(slot + 1, None);
        }
        let reused = self.highest[slot].filter(|(used, _)| (iv, count) <= *used);
        if reused.is_none() && seen.is_ok() {
            let last = (iv, count.saturating_add(u64::from(len / 16).saturating_sub(1)));
            self.highest[slot] = Some((last, index));
        }
        reused
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;

    const KEYED: &str = "d0 = create-device -> ok
        s0 = create-session d0 -> ok
        exchange-key s0 key=7 -> ok\n";

    fn two(first: &str, between: &str, second: &str, rings: &[&str]) {
        check(
            &format!(
                "{KEYED}submit-buffer s0 {first} -> ok\n{between}submit-buffer s0 {second} -> ok"
            ),
            rings,
        );
    }

    #[test]
    fn the_same_counters_twice_ring() {
        two("iv=1 count=0 len=16", "", "iv=1 count=0 len=16", &["keystream-reuse"]);
    }

    #[test]
    fn used_counters_that_only_lack_of_memory_keeps_out_ring() {
        check(
            &format!(
                "{KEYED}submit-buffer s0 iv=1 count=0 len=16 -> ok
                inject-allocation-failure after=0
                submit-buffer s0 iv=1 count=0 len=16 -> E_OUTOFMEMORY"
            ),
            &["keystream-reuse"],
        );
    }

    #[test]
    fn ranges_that_overlap_by_one_block_ring() {
        two("iv=1 count=0 len=48", "", "iv=1 count=2 len=16", &["keystream-reuse"]);
        two("iv=1 count=0 len=48", "", "iv=1 count=3 len=16", &[]);
    }

    #[test]
    fn a_refresh_does_not_restart_the_counters() {
        let refresh = "start-refresh s0 -> ok\nfinish-refresh s0 -> ok\n";
        two("iv=5 count=0 len=16", refresh, "iv=4 count=0 len=16", &["keystream-reuse"]);
        two("iv=5 count=0 len=16", refresh, "iv=6 count=0 len=16", &[]);
    }

    #[test]
    fn ivs_are_numbers_not_bytes_in_native_order() {
        two("iv=0x100 count=0 len=16", "", "iv=0xff count=0 len=16", &["keystream-reuse"]);
        two("iv=0xff count=0 len=16", "", "iv=0x100 count=0 len=16", &[]);
    }
}
