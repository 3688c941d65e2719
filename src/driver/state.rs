//! The life of a session: a pure function over documented states.

use rekeylab_ddi::Hresult;

/// Where a session stands between calls.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum State {
    /// Created, owned by a device, without a key.
    /// Accepts exchange, status, destroy; refuses start, finish, read-back key, submit (S-04, S-05).
    Unkeyed,
    /// Holds a key and may use it.
    /// Accepts start, read-back key, submit, status, destroy; refuses exchange (S-07) and finish
    /// (S-02).
    Keyed,
    /// Holds a key, still in force, and a random number that waits for finish.
    /// Accepts finish, read-back key, submit, status, destroy; refuses start (S-01) and exchange
    /// (S-08).
    /// Lasts until finish, destroy or tear-down; nothing cancels it (S-09) and no time limit
    /// applies (S-10).
    Pending,
    /// The engine was reset and the key is gone.
    /// Accepts status and destroy; refuses all else, and nothing revives it (S-52).
    Lost,
    /// Destroyed. Refuses everything, for ever, as a handle that never was (S-23).
    Dead,
}

/// What may happen to a session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Event {
    /// A key exchange whose blob is good.
    Exchange,
    /// A refresh is to begin.
    Start,
    /// A refresh is to end.
    Finish,
    /// A read-back key is to be made.
    ReadBackKey,
    /// A buffer is to be processed.
    Submit,
    /// Somebody asks for the status.
    Status,
    /// The session is to end.
    Destroy,
    /// The engine was reset.
    TearDown,
}

/// Why a session refuses an event.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Refusal {
    /// The session lives, and its state does not allow it (S-45).
    WrongState,
    /// There is no such session any more (S-23, S-44).
    NoSession,
}

impl From<Refusal> for Hresult {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::WrongState => Self::D3DDDIERR_INVALIDCALL,
            Refusal::NoSession => Self::D3DDDIERR_INVALIDHANDLE,
        }
    }
}

/// The next state, or why the event is refused.
///
/// Every pair is written out, so that a new state or event does not compile until each of its
/// pairs was decided.
///
/// # Errors
///
/// A [`Refusal`]; the state then stays as it is (INV-04).
pub const fn step(state: State, event: Event) -> Result<State, Refusal> {
    use Event::{Destroy, Exchange, Finish, ReadBackKey, Start, Status, Submit, TearDown};
    use Refusal::{NoSession, WrongState};
    use State::{Dead, Keyed, Lost, Pending, Unkeyed};
    match (state, event) {
        (Unkeyed, Exchange) => Ok(Keyed),
        // Semantics decision: nothing that needs a key works before there is one (S-04, S-05). A
        // refresh over a zero key would make the random number, sent in the clear, the key.
        (Unkeyed, Start | Finish | ReadBackKey | Submit) => Err(WrongState),
        (Unkeyed, Status) => Ok(Unkeyed),

        // Semantics decision: a session is keyed once; a new key needs a new session (S-07).
        // Installing the same key again would restart its counters.
        (Keyed, Exchange) => Err(WrongState),
        (Keyed, Start) => Ok(Pending),
        // Semantics decision: finish without start is refused, and so is the second finish (S-02,
        // S-03). XOR with zero would claim a refresh that never was, with a kept random number it
        // would bring the old key back.
        (Keyed, Finish) => Err(WrongState),
        (Keyed, ReadBackKey | Submit | Status) => Ok(Keyed),

        // Semantics decision: no key exchange between start and finish (S-08).
        (Pending, Exchange) => Err(WrongState),
        // Semantics decision: the second start is refused and the first random number stays
        // (S-01), the only reading under which both sides agree on which one counts.
        (Pending, Start) => Err(WrongState),
        (Pending, Finish) => Ok(Keyed),
        // The key in force until finish is the old one.
        (Pending, ReadBackKey | Submit | Status) => Ok(Pending),

        // Semantics decision: a lost session answers its status and can be destroyed (S-52).
        (Lost, Exchange | Start | Finish | ReadBackKey | Submit) => Err(WrongState),
        (Lost, Status) => Ok(Lost),

        // Semantics decision: destroying a live session never fails (S-21, S-22, S-49).
        (Unkeyed | Keyed | Pending | Lost, Destroy) => Ok(Dead),
        // Semantics decision: a tear-down takes the key of every live session (S-54).
        (Unkeyed | Keyed | Pending | Lost, TearDown) => Ok(Lost),

        (Dead, Exchange | Start | Finish | ReadBackKey | Submit | Status | Destroy | TearDown) => {
            Err(NoSession)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, Refusal, State, step};

    const STATES: [State; 5] =
        [State::Unkeyed, State::Keyed, State::Pending, State::Lost, State::Dead];
    const EVENTS: [Event; 8] = [
        Event::Exchange,
        Event::Start,
        Event::Finish,
        Event::ReadBackKey,
        Event::Submit,
        Event::Status,
        Event::Destroy,
        Event::TearDown,
    ];

    #[test]
    fn a_refresh_finishes_at_most_once() {
        for state in STATES {
            let once = step(state, Event::Finish);
            assert!(once.and_then(|state| step(state, Event::Finish)).is_err(), "{state:?}");
        }
    }

    #[test]
    fn a_refresh_starts_at_most_once_before_it_finishes() {
        for state in STATES {
            let once = step(state, Event::Start);
            assert!(once.and_then(|state| step(state, Event::Start)).is_err(), "{state:?}");
        }
    }

    #[test]
    fn a_session_is_keyed_at_most_once_in_its_life() {
        // Every state that can follow an exchange refuses the next one.
        let mut reached = vec![State::Keyed];
        let mut next = 0;
        while let Some(&state) = reached.get(next) {
            assert!(step(state, Event::Exchange).is_err(), "{state:?}");
            for event in EVENTS {
                if let Ok(state) = step(state, event)
                    && !reached.contains(&state)
                {
                    reached.push(state);
                }
            }
            next += 1;
        }
        assert_eq!(reached.len(), 4, "all but Unkeyed follow an exchange");
    }

    #[test]
    fn nothing_leaves_dead_and_only_destroy_leaves_lost() {
        for event in EVENTS {
            assert_eq!(step(State::Dead, event), Err(Refusal::NoSession));
            match step(State::Lost, event) {
                Ok(State::Dead) => assert_eq!(event, Event::Destroy),
                Ok(state) => assert_eq!(state, State::Lost),
                Err(refusal) => assert_eq!(refusal, Refusal::WrongState),
            }
        }
    }

    #[test]
    fn no_key_no_service() {
        for event in [Event::Start, Event::Finish, Event::ReadBackKey, Event::Submit] {
            assert_eq!(step(State::Unkeyed, event), Err(Refusal::WrongState));
            assert_eq!(step(State::Lost, event), Err(Refusal::WrongState));
        }
    }

    #[test]
    fn every_live_session_can_be_destroyed_torn_down_and_asked() {
        for state in [State::Unkeyed, State::Keyed, State::Pending, State::Lost] {
            assert_eq!(step(state, Event::Destroy), Ok(State::Dead));
            assert_eq!(step(state, Event::TearDown), Ok(State::Lost));
            assert_eq!(step(state, Event::Status), Ok(state));
        }
    }
}
