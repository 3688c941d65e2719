//! What to do after a sequence to learn more about the bug that it shows.
//!
//! Two bugs may show the same in their shortest forms and differ a call later. The follow-ups are a
//! fixed set, so that a bug is asked the same questions wherever it is found.

use super::simplify::Number;
use crate::sequence::call::CallKind;
use crate::sequence::call::{Call, CallSequence};
use crate::sequence::renumber::{self, Created};
use crate::sequence::slot::{SessionRef, Slot};

/// Sessions, and devices, that are asked: the first two and the last two. More would cost more runs
/// and ask what these have answered.
const ENDS: usize = 2;

/// The sequence with a few plain calls behind it or before its last call, in a fixed order.
#[must_use]
pub(crate) fn follow_ups(calls: &[Call]) -> Vec<CallSequence> {
    let mut base = calls.to_vec();
    renumber::canonicalize(&mut base);
    let created = Created::by(&base);
    let mut all = Vec::new();
    for session in ends(created.sessions) {
        for more in behind(&base, SessionRef { slot: session, ..SessionRef::default() }, created) {
            all.push(CallSequence { calls: [&base[..], &more].concat() });
        }
    }
    for device in ends(created.devices) {
        let mut create = CallKind::CreateSession.plain();
        renumber::each_slot(&mut create, |_, slot| *slot = device);
        let more = [create, Call::CreateDevice, Call::destroy_device(device), create];
        all.push(CallSequence { calls: [&base[..], &more].concat() });
    }
    let Some((last, before)) = base.split_last() else { return all };
    for session in ends(Created::by(before).sessions) {
        let status =
            on(SessionRef { slot: session, ..SessionRef::default() }, CallKind::SessionStatus);
        all.push(CallSequence { calls: [before, &[status, *last]].concat() });
    }
    all
}

/// What may be done with a session at the end of these calls.
fn behind(base: &[Call], session: SessionRef, created: Created) -> [Vec<Call>; 6] {
    let ivs = || base.iter().filter_map(|call| Number::IV.of(call));
    let (low, high) = (ivs().min().unwrap_or(1), ivs().max().unwrap_or(0).saturating_add(1));
    let call = |kind| on(session, kind);
    let submit = |iv, count, len| {
        let mut submit = call(CallKind::SubmitBuffer);
        Number::IV.set(&mut submit, iv);
        Number::COUNT.set(&mut submit, count);
        Number::LEN.set(&mut submit, len);
        submit
    };
    let mut exchange = call(CallKind::ExchangeKey);
    Number::KEY.set(&mut exchange, UNUSED_KEY);
    let (start, finish) = (call(CallKind::StartRefresh), call(CallKind::FinishRefresh));
    let (status, destroy) = (call(CallKind::SessionStatus), call(CallKind::DestroySession));
    let mut create = CallKind::CreateSession.plain();
    let owner = owner_of(base, session.slot);
    renumber::each_slot(&mut create, |_, slot| *slot = owner);
    let new_session = u8::try_from(created.sessions).map_or(session, SessionRef::new);
    let buffer = submit(high, 0, 16);
    [
        vec![finish, buffer, status],
        vec![start, finish, buffer, start],
        // A used block again, alone and with others, and the blocks before and behind it.
        vec![submit(high, 2, 64), submit(high, 5, 16), submit(high, 0, 16), submit(low, 0, 16)],
        vec![exchange, buffer, CallKind::Retire.plain(), buffer],
        vec![
            buffer,
            destroy,
            create,
            on(new_session, CallKind::ExchangeKey),
            on(new_session, CallKind::SubmitBuffer),
        ],
        vec![buffer, Call::ResetEngine, status, exchange, buffer],
    ]
}

/// The seed of a key that no session has: generators stay far below it.
const UNUSED_KEY: u64 = 0xA7E5;

/// A plain call on a session.
fn on(session: SessionRef, kind: CallKind) -> Call {
    let mut call = kind.plain();
    if let Some(target) = call.session_mut() {
        *target = session;
    }
    call
}

/// The device on which a session was created.
fn owner_of(calls: &[Call], session: Slot) -> Slot {
    let creates = calls.iter().filter(|call| call.kind() == CallKind::CreateSession);
    creates.filter_map(Call::device).nth(session.0.into()).unwrap_or_default()
}

/// The first and the last of so many slots.
fn ends(count: usize) -> impl Iterator<Item = Slot> {
    let is_end = move |index: &usize| *index < ENDS || index + ENDS >= count;
    (0..count).filter(is_end).filter_map(|index| u8::try_from(index).ok()).map(Slot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequence::SequenceText;

    fn after(calls: &str) -> Vec<String> {
        let text = format!("# rekeylab sequence 1\n{calls}");
        let calls = SequenceText::parse(&text).unwrap().sequence().calls;
        let texts = follow_ups(&calls).into_iter().map(|one| SequenceText::from(&one).to_string());
        texts.collect()
    }

    #[test]
    fn whatever_way_slots_are_spelt_the_same_follows() {
        let plain = after("create-device\ncreate-session d0\nsession-status s0\n");
        assert_eq!(plain, after("create-device\ncreate-session d7\nsession-status s3\n"));
        assert_eq!(plain.len(), 8);
    }

    #[test]
    fn of_many_sessions_only_the_first_and_the_last_are_asked() {
        let many = format!("create-device\n{}", "create-session d0\n".repeat(8));
        let more = format!("create-device\n{}", "create-session d0\n".repeat(60));
        assert_eq!(after(&many).len(), after(&more).len());
    }

    #[test]
    fn nothing_follows_where_nothing_exists() {
        assert_eq!(after("retire 1\n"), [""; 0]);
    }
}
