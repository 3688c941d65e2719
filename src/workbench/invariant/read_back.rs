//! The counters of read-backs, for `keystream-reuse`: they make keystream of the key that uploads use as well.

use super::{Case, KEYSTREAM_REUSE, Verdict, Violation};
use crate::observation::{Choices, Observation, Trace};
use crate::sequence::Call;
use crate::sequence::expand::{self, World};

/// Judges the counters of a trace in which surfaces were read back encrypted.
///
/// No choice excuses a counter block that is used twice under one key, whoever made it (R-29, INV-05). That there
/// is one row of counters, which rises through uploads and read-backs alike, is S-29: a driver may say that it has two,
/// as long as they never meet. What uploads do among themselves is judged elsewhere.
pub(super) fn check(case: &Case<'_>, verdict: &mut Verdict) {
    let trace = case.trace;
    let mut ledger = Ledger::default();
    for (index, seen) in trace.calls.iter().enumerate() {
        let used = read_in(trace, index, seen).chain(uploaded(index, seen));
        let used: Vec<Used> = used.filter_map(|(slot, used)| ledger.of(slot, used)).collect();
        for used in used {
            if let Some(breach) = ledger.breach(&used, trace.choices)
                && !verdict.claims(index)
            {
                verdict.violations.push(violation(index, &used, &breach));
            }
            ledger.used.push(used);
        }
        ledger.follow_key(trace, seen);
    }
}

/// Counter blocks that were used together. It has a key, so nothing prints it.
#[derive(Clone, Copy)]
struct Used {
    session: u16,
    key: [u8; 16],
    iv: u64,
    count: u64,
    /// How many, from that Count on.
    blocks: u64,
    call: usize,
    /// The call that submitted what was read back; `None` for an upload.
    read_back_of: Option<usize>,
}

/// What is wrong with counters.
enum Breach {
    /// A block of them was used before.
    Reuse(Used),
    /// They do not rise above these.
    Apart(Used),
}

/// What a session knows of its key.
#[derive(Clone, Copy, Default)]
struct Held {
    key: [u8; 16],
    /// What the next finish applies.
    random: [u8; 16],
}

/// Everything that was used, and which key is in force.
#[derive(Default)]
struct Ledger {
    /// By session slot.
    held: Vec<Held>,
    used: Vec<Used>,
}

/// The counters without the key, and the session slot whose key it is.
type Claim = (u16, Used);

/// What a call read back.
fn read_in<'a>(
    trace: &'a Trace,
    index: usize,
    seen: &'a Observation,
) -> impl Iterator<Item = Claim> + 'a {
    trace.read_backs_of(seen).iter().filter(|read| read.refusal.is_none()).filter_map(move |read| {
        let is_it = |seen: &Observation| {
            let is_buffer = matches!(seen.call, Call::SubmitBuffer { .. });
            is_buffer && seen.is_ok() && seen.scalar == read.fence
        };
        let submitted = trace.calls.get(..index)?.iter().rposition(is_it)?;
        let session = trace.calls[submitted].session_slot?;
        let (iv, count, blocks) = (read.iv, read.count, read.blocks());
        let read_back_of = Some(submitted);
        let used = Used { session, key: [0; 16], iv, count, blocks, call: index, read_back_of };
        Some((session, used))
    })
}

/// What a call uploaded.
fn uploaded(index: usize, seen: &Observation) -> Option<Claim> {
    let Call::SubmitBuffer { iv, count, len, .. } = seen.call else { return None };
    let session = seen.session_slot.filter(|_| seen.is_ok())?;
    let (blocks, read_back_of) = (u64::from(len.div_ceil(16)), None);
    let used = Used { session, key: [0; 16], iv, count, blocks, call: index, read_back_of };
    Some((session, used))
}

impl Used {
    /// Whether a block is among both. Count wraps in its 64 bits and never reaches the IV.
    fn meets(&self, other: &Self) -> bool {
        let of_one_key = (self.session, self.key, self.iv) == (other.session, other.key, other.iv);
        let is_ahead = other.count.wrapping_sub(self.count) < self.blocks;
        of_one_key && (is_ahead || self.count.wrapping_sub(other.count) < other.blocks)
    }

    /// IV and Count of the last block.
    fn last(&self) -> (u64, u64) {
        (self.iv, self.count.saturating_add(self.blocks.saturating_sub(1)))
    }

    fn is_read_back(&self) -> bool {
        self.read_back_of.is_some()
    }
}

impl Ledger {
    /// The counters under the key that is in force.
    fn of(&self, slot: u16, used: Used) -> Option<Used> {
        let held = self.held.get(usize::from(slot))?;
        Some(Used { key: held.key, ..used })
    }

    fn breach(&self, used: &Used, choices: Choices) -> Option<Breach> {
        // Of two uploads it is told elsewhere.
        let is_asked = |other: &&Used| {
            other.session == used.session && (used.is_read_back() || other.is_read_back())
        };
        let reused = self.used.iter().filter(is_asked).find(|other| other.meets(used));
        if let Some(&other) = reused {
            return Some(Breach::Reuse(other));
        }
        if choices.has(Choices::TWO_ROWS) {
            return None;
        }
        let restarts = choices.has(Choices::COUNTERS_RESTART);
        let counts = |other: &&Used| !restarts || other.key == used.key;
        let before = self.used.iter().filter(is_asked).filter(counts);
        let highest = before.max_by_key(|other| other.last())?;
        ((used.iv, used.count) <= highest.last()).then_some(Breach::Apart(*highest))
    }

    /// Takes over which key is in force from this call on.
    fn follow_key(&mut self, trace: &Trace, seen: &Observation) {
        let Some(slot) = seen.session_slot.map(usize::from).filter(|_| seen.is_ok()) else {
            return;
        };
        if self.held.len() <= slot {
            self.held.resize(slot + 1, Held::default());
        }
        let held = &mut self.held[slot];
        match seen.call {
            Call::ExchangeKey { key, shape, .. } => {
                expand::session_key(World::default(), key, shape, &mut held.key);
                held.random = [0; 16];
            }
            Call::StartRefresh { .. } => {
                let random = trace.buffer_of(seen).first_chunk().copied();
                held.random = random.unwrap_or_default();
            }
            Call::FinishRefresh { .. } => {
                held.key.iter_mut().zip(held.random).for_each(|(key, random)| *key ^= random);
                held.random = [0; 16];
            }
            _ => {}
        }
    }
}

fn violation(call: usize, used: &Used, breach: &Breach) -> Violation {
    let by = |other: &Used| match other.read_back_of {
        Some(submitted) => format!("the read-back of the buffer of call {submitted}"),
        None => format!("call {}", other.call),
    };
    let what = match used.read_back_of {
        Some(submitted) => format!("the buffer of call {submitted} was read back"),
        None => "it was let in".to_owned(),
    };
    let from = format!("{what} from IV {:#x} Count {:#x} on", used.iv, used.count);
    let (happened, expected, rules) = match breach {
        Breach::Reuse(other) => (
            format!("{from}, which {} had used under the same key", by(other)),
            "each counter block to be used once under a key, whoever made it",
            "R-29 S-29 INV-05",
        ),
        Breach::Apart(other) => {
            let (iv, count) = other.last();
            let had = format!("had used IV {iv:#x} up to Count {count:#x}");
            let happened = format!("{from}, although {} {had}", by(other));
            (happened, "one row of counters, which only rises", "R-29 S-29")
        }
    };
    Violation {
        invariant: KEYSTREAM_REUSE,
        call,
        session: Some(used.session),
        happened,
        expected: expected.to_owned(),
        rules,
        is_inferred: false,
        place: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{rings, trace_of, violations};
    use super::{Choices, Trace};
    use crate::observation::ReadBack;

    const KEYED: &str = "d0 = create-device -> ok
        s0 = create-session d0 -> ok
        exchange-key s0 key=7 -> ok\n";

    /// A trace in which each retire reads back what it completes, from these IVs on.
    fn read_back(calls: &str, ivs: &[u64]) -> Trace {
        let mut trace = trace_of(&format!("{KEYED}{calls}"));
        let mut ivs = ivs.iter();
        for index in 0..trace.calls.len() {
            let first = trace.read_backs.len();
            for completion in trace.completions_of(&trace.calls[index]).to_vec() {
                let (fence, len) = (completion.fence, completion.len);
                let iv = *ivs.next().unwrap();
                trace.read_backs.push(ReadBack { fence, iv, count: 0, len, refusal: None });
            }
            let at = |index: usize| u32::try_from(index).unwrap();
            let range = at(first)..at(trace.read_backs.len());
            trace.calls[index].read_backs = range;
        }
        trace
    }

    const TWO: &str = "submit-buffer s0 iv=1 count=0 len=32 -> ok\nretire 1 -> ok
        submit-buffer s0 iv=16 count=0 len=32 -> ok\nretire 1 -> ok";

    #[test]
    fn read_backs_above_all_that_was_used_are_silent() {
        assert_eq!(rings(&read_back(TWO, &[2, 17])), [""; 0]);
    }

    #[test]
    fn no_choice_excuses_a_block_that_is_used_twice() {
        for ivs in [[1, 17], [2, 2], [2, 1], [16, 17]] {
            let mut trace = read_back(TWO, &ivs);
            assert_eq!(rings(&trace), ["keystream-reuse"], "{ivs:?}");
            trace.choices = Choices::default().with(Choices::TWO_ROWS).unwrap().with(30).unwrap();
            trace.choices.any_failure = true;
            assert_eq!(rings(&trace), ["keystream-reuse"], "{ivs:?}");
            let told = violations(&trace);
            assert!(told[0].happened.contains("under the same key"), "{told:?}");
        }
    }

    #[test]
    fn two_rows_that_do_not_meet_are_a_choice() {
        for ivs in [[0, 17], [2, 7], [99, 100]] {
            let mut trace = read_back(TWO, &ivs);
            assert_eq!(rings(&trace), ["keystream-reuse"], "{ivs:?}");
            trace.choices = Choices::default().with(Choices::TWO_ROWS).unwrap();
            assert_eq!(rings(&trace), [""; 0], "{ivs:?}");
        }
    }

    #[test]
    fn counters_restart_for_a_new_key_only_where_that_is_chosen_and_never_under_the_old_one() {
        let refreshed = "submit-buffer s0 iv=1 count=0 len=16 -> ok\nretire 1 -> ok
            start-refresh s0 -> ok\nfinish-refresh s0 -> ok
            submit-buffer s0 iv=5 count=0 len=16 -> ok\nretire 1 -> ok";
        let mut trace = read_back(refreshed, &[2, 2]);
        assert_eq!(rings(&trace), ["keystream-reuse"]);
        trace.choices = Choices::default().with(Choices::COUNTERS_RESTART).unwrap();
        assert_eq!(rings(&trace), ["keystream-reuse"], "below the upload, under one key");
        let mut trace = read_back(refreshed, &[9, 6]);
        trace.choices = Choices::default().with(Choices::COUNTERS_RESTART).unwrap();
        assert_eq!(rings(&trace), [""; 0], "another key");
        // Without a finish the key is the old one.
        let started = refreshed.replace("\nfinish-refresh s0 -> ok", "").replace("iv=5", "iv=16");
        let mut trace = read_back(&started, &[9, 9]);
        trace.choices = Choices::default().with(Choices::COUNTERS_RESTART).unwrap();
        assert_eq!(rings(&trace), ["keystream-reuse"]);
    }

    #[test]
    fn an_upload_below_a_read_back_is_refused_and_that_is_no_wrong_answer() {
        let refused =
            TWO.replace("len=32 -> ok\nretire 1 -> ok", "len=32 -> D3DDDIERR_INVALIDCALL");
        let refused =
            refused.replacen("len=32 -> D3DDDIERR_INVALIDCALL", "len=32 -> ok\nretire 1 -> ok", 1);
        assert_eq!(rings(&read_back(&refused, &[99])), [""; 0]);
        assert_eq!(rings(&read_back(&refused, &[2])), ["wrong-answer"]);
    }

    #[test]
    fn a_read_back_under_another_key_or_in_the_clear_is_named() {
        let calls = "start-refresh s0 -> ok\nfinish-refresh s0 -> ok
            submit-buffer s0 iv=1 count=0 len=48 -> ok\nretire 1 -> ok";
        for (under, told) in [
            (Some(7), "was read back under K[s0, epoch 0], which is not in force"),
            (None, "was read back in the clear"),
        ] {
            let mut trace = read_back(calls, &[2]);
            let start = trace.calls[6].buffer.start as usize;
            // What the client makes of it: decrypted under the key in force.
            let mut key = [0; 16];
            crate::sequence::expand::session_key(
                crate::sequence::expand::World::default(),
                7,
                crate::sequence::Shape::Plain,
                &mut key,
            );
            let mut in_force = key;
            let random = trace.buffer_of(&trace.calls[3])[..16].to_vec();
            in_force.iter_mut().zip(random).for_each(|(key, random)| *key ^= random);
            let bytes = &mut trace.bytes[start..start + 48];
            if under.is_some() {
                rekeylab_cipher::ctr_xor(&key, 2, 0, bytes).unwrap();
            }
            rekeylab_cipher::ctr_xor(&in_force, 2, 0, bytes).unwrap();
            assert_eq!(rings(&trace), ["wrong-key-epoch"]);
            let happened = &violations(&trace)[0].happened;
            assert_eq!(*happened, format!("the buffer of call 5 {told}"));
        }
    }

    #[test]
    fn a_read_back_is_only_refused_behind_the_last_iv() {
        let refused = |iv: &str| {
            let calls = format!("submit-buffer s0 iv={iv} count=0 len=16 -> ok\nretire 1 -> ok");
            let mut trace = read_back(&calls, &[0]);
            let code = rekeylab_ddi::Hresult::D3DDDIERR_NOTAVAILABLE;
            trace.read_backs[0].refusal = Some(code);
            let start = trace.calls[4].buffer.start as usize;
            trace.bytes[start..start + 16].fill(0);
            rings(&trace)
        };
        assert_eq!(refused("1"), ["lost-work"]);
        assert_eq!(refused("0xffffffffffffffff"), [""; 0]);
    }
}
