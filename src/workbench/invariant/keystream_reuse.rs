//! `keystream-reuse`: in one session no counter block is used twice, whatever its keys.

use rekeylab_ddi::Hresult;

use super::remembered::Remembered;
use super::{Case, Invariant, Verdict, Violation, abort_function, read_back};
use crate::observation::{Choices, Observation, StateHash, Trace};
use crate::sequence::{Call, Shape};

/// The name of the invariant.
pub const KEYSTREAM_REUSE: &str = "keystream-reuse";

pub(super) const INVARIANT: Invariant = Invariant {
    name: KEYSTREAM_REUSE,
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
    counters.keys.clear();
    counters.earlier.clear();
    if !case.trace.read_backs.is_empty() {
        read_back::check(case, verdict);
    }
    let restarts = case.trace.choices.has(Choices::COUNTERS_RESTART);
    for (index, seen) in case.trace.calls.iter().enumerate() {
        counters.follow_key(case.trace, seen, restarts);
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
    let Counters { highest, keys: _, earlier: _ } = counters;
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
    highest: Vec<Used>,
    /// By session slot: the key in force, of drivers whose counters restart with it.
    keys: Vec<Key>,
    /// What was used under the keys before: the session slot, the key, and the highest counter.
    earlier: Vec<(usize, KeyName, Used)>,
}

/// The highest (IV, Count), and the call that used it; `None` if nothing was used.
type Used = Option<((u64, u64), usize)>;

/// What a key is made of: the same makings are the same key.
#[derive(Clone, Copy, Debug, Default)]
struct Key {
    seed: u32,
    shape: Shape,
    /// All the random numbers since, XORed.
    randoms: u128,
    /// The one that the next finish applies.
    pending: u128,
}

type KeyName = (u32, Shape, u128);

impl Key {
    fn name(self) -> KeyName {
        (self.seed, self.shape, self.randoms)
    }
}

impl Counters {
    /// Of a driver whose counters restart with each new key (S-26): goes on with what was used under the key
    /// that is in force from this call on.
    #[inline(always)]
    fn follow_key(&mut self, trace: &Trace, seen: &Observation, restarts: bool) {
        if restarts && seen.is_ok() {
            self.follow_new_key(trace, seen);
        }
    }

    fn follow_new_key(&mut self, trace: &Trace, seen: &Observation) {
        let slot = seen.session_slot.map_or(0, |slot| usize::from(slot) + 1);
        if self.keys.len() <= slot {
            self.keys.resize(slot + 1, Key::default());
            self.highest.resize(self.highest.len().max(slot + 1), None);
        }
        let mut key = self.keys[slot];
        match seen.call {
            Call::ExchangeKey { key: seed, shape, .. } => {
                (key.seed, key.shape, key.randoms) = (seed, shape, 0);
            }
            Call::StartRefresh { .. } => {
                let random = trace.buffer_of(seen).first_chunk().copied().unwrap_or_default();
                self.keys[slot].pending = u128::from_le_bytes(random);
                return;
            }
            Call::FinishRefresh { .. } => key.randoms ^= key.pending,
            _ => return,
        }
        let before = core::mem::replace(&mut self.keys[slot], key);
        let used = self.highest[slot].take();
        self.earlier.push((slot, before.name(), used));
        let under_it = |(at, name, _): &&(usize, _, _)| *at == slot && *name == key.name();
        self.highest[slot] =
            self.earlier.iter().rev().find(under_it).and_then(|(_, _, used)| *used);
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
    use super::super::testing::{check, rings, trace_of};
    use super::Choices;

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
    fn where_counters_restart_with_a_new_key_they_do_not_with_one_that_was_there() {
        let rung = |between: &str| {
            let used = "submit-buffer s0 iv=1 count=0 len=16 -> ok";
            let mut trace = trace_of(&format!("{KEYED}{used}\n{between}{used}"));
            trace.choices = Choices::default().with(Choices::COUNTERS_RESTART).unwrap();
            trace.choices = trace.choices.with(7).unwrap();
            rings(&trace)
        };
        let refresh = "start-refresh s0 -> ok\nfinish-refresh s0 -> ok\n";
        assert_eq!(rung(refresh), [""; 0]);
        assert_eq!(
            rung("start-refresh s0 -> ok\n"),
            ["keystream-reuse"],
            "the old key is in force"
        );
        assert_eq!(rung("exchange-key s0 key=8 -> ok\n"), [""; 0]);
        assert_eq!(
            rung("exchange-key s0 key=7 -> ok\n"),
            ["keystream-reuse"],
            "it is the same key"
        );
        let and_back = "exchange-key s0 key=8 -> ok\nexchange-key s0 key=7 -> ok\n";
        assert_eq!(rung(and_back), ["keystream-reuse"], "the key has come back");
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
