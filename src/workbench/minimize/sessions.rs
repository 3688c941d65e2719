//! The same calls with the sessions told apart, or made one.

use super::simplify::Number;
use crate::sequence::call::{Call, CallSequence};
use crate::sequence::renumber;
use crate::sequence::slot::{SessionRef, Slot};

/// The same calls with another key for every exchange whose key an earlier one used, or `None` if no
/// two use the same.
///
/// Two sessions that hold one key cannot be told apart by what comes out of them.
pub(crate) fn with_own_keys(sequence: &CallSequence) -> Option<CallSequence> {
    let mut calls = sequence.calls.clone();
    let mut used: Vec<u64> = calls.iter().filter_map(|call| Number::KEY.of(call)).collect();
    let mut earlier = Vec::new();
    let mut is_changed = false;
    for call in &mut calls {
        let Some(key) = Number::KEY.of(call) else { continue };
        if earlier.contains(&key) {
            let unused = (1..).find(|key| !used.contains(key))?;
            Number::KEY.set(call, unused);
            used.push(unused);
            is_changed = true;
        }
        earlier.push(key);
    }
    is_changed.then_some(CallSequence { calls })
}

/// The same calls with all sessions in one, or `None` if there is one already.
pub(crate) fn in_one_session(sequence: &CallSequence) -> Option<CallSequence> {
    let mut calls = sequence.calls.clone();
    renumber::canonicalize(&mut calls);
    let count = u8::try_from(renumber::Created::by(&calls).sessions).unwrap_or(u8::MAX);
    rise(&mut calls, |_| Slot(0));
    for from in (1..count).rev() {
        merge(&mut calls, Slot(from), Slot(0));
    }
    (count > 1).then_some(CallSequence { calls })
}

/// Makes the calls of one session those of another, which was created earlier and has its own key.
///
/// The slots are plain indices, as after [`renumber::canonicalize`].
pub(super) fn merge(calls: &mut Vec<Call>, from: Slot, into: Slot) {
    let mut created = 0;
    calls.retain(|call| match call {
        Call::CreateSession { .. } => {
            created += 1;
            created != usize::from(from.0) + 1
        }
        Call::ExchangeKey { session, .. } => session.slot != from,
        _ => true,
    });
    for session in calls.iter_mut().filter_map(Call::session_mut) {
        if session.slot == from {
            *session = SessionRef { slot: into, ..SessionRef::default() };
        } else if session.slot > from {
            session.slot.0 -= 1;
        }
    }
}

/// Gives the buffers of each session IVs in the order of the calls, and equal ones where they were
/// equal; `session_of` says whose buffers those of a session are to be.
pub(super) fn rise(calls: &mut [Call], session_of: impl Fn(Slot) -> Slot) {
    let mut counts = [0_u64; 256];
    let mut given: Vec<((Slot, u64, u64), u64)> = Vec::new();
    for call in calls {
        if let Call::SubmitBuffer { session, iv, count, .. } = call {
            let begin = (session.slot, *iv, *count);
            let earlier = given.iter().find(|(other, _)| *other == begin).map(|&(_, given)| given);
            let new = earlier.unwrap_or_else(|| {
                let buffers = &mut counts[usize::from(session_of(session.slot).0)];
                *buffers += 1;
                given.push((begin, *buffers));
                *buffers
            });
            (*iv, *count) = (new, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequence::SequenceText;

    fn sequence(exchanges: &[(u8, u32)]) -> CallSequence {
        let lines = exchanges.iter().map(|(slot, key)| format!("exchange-key s{slot} key={key}\n"));
        let text = format!("# rekeylab sequence 1\n{}", lines.collect::<String>());
        SequenceText::parse(&text).unwrap().sequence()
    }

    #[test]
    fn a_key_that_came_before_is_exchanged_for_one_that_nobody_uses() {
        let shared = sequence(&[(0, 2), (1, 2), (0, 1), (1, 2)]);
        assert_eq!(with_own_keys(&shared), Some(sequence(&[(0, 2), (1, 3), (0, 1), (1, 4)])));
        assert_eq!(with_own_keys(&sequence(&[(0, 2), (1, 1)])), None);
    }
}
