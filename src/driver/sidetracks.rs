//! What planted faults remember that the honest core does not: counts, first secrets, the dead.
//!
//! Leftovers of secrets are the business of `keepsakes.rs`; what is kept here changes answers.

use core::fmt;

use crate::counter::CounterTrack;
use crate::device::{Device, SessionPlace};
use crate::fault::{Fault, fault, planted};
use crate::home::Home;
use crate::limits::SESSIONS_MAX;
use crate::session::Session;

/// What is remembered in a session.
#[derive(Default)]
pub(crate) struct SessionSidetrack {
    /// Successful starts.
    pub(crate) starts: u32,
    /// Successful finishes.
    pub(crate) finishes: u32,
    /// Accepted buffers.
    pub(crate) buffers: u32,
    /// Accepted buffers while a refresh is pending, all refreshes together.
    pub(crate) pending_buffers: u32,
    /// A start has failed for want of entropy.
    pub(crate) has_entropy_failed: bool,
    /// The session before it in its slot was destroyed while refreshing.
    pub(crate) inherits_refresh: bool,
    first_key: Option<OwnHome>,
    first_random: Option<OwnHome>,
}

/// A home that stays where it is while its owner moves.
type OwnHome = Box<Home>;

impl SessionSidetrack {
    /// The session has just taken its key.
    pub(crate) fn note_exchange(&mut self, key: &Home) {
        if matches!(planted(), Some(Fault::FifthKeyIsTheFirst | Fault::RestoredKeyForgetsCounters))
        {
            self.first_key = Some(copy_of(key));
        }
    }

    /// The session is about to finish a refresh, and `random` waits for it.
    pub(crate) fn note_finish(&mut self, random: &mut Home) {
        self.finishes += 1;
        if planted() != Some(Fault::SecondRefreshAppliesFirstRandom) {
            return;
        }
        match &self.first_random {
            None => self.first_random = Some(copy_of(random)),
            Some(first) if self.finishes == 2 => random.copy_from(first),
            Some(_) => {}
        }
    }

    /// Whether the key is the session's first one.
    pub(crate) fn is_first_key(&self, key: &Home) -> bool {
        self.first_key.as_ref().is_some_and(|first| first.holds(key.bytes()))
    }

    /// Writes what is remembered; see [`Adapter::write_state`](crate::Adapter::write_state).
    #[cfg(feature = "homes")]
    pub(crate) fn write_state(&self, sink: &mut crate::observe::StateSink<'_>) {
        let Self {
            starts,
            finishes,
            buffers,
            pending_buffers,
            has_entropy_failed,
            inherits_refresh,
            first_key,
            first_random,
        } = self;
        for count in [starts, finishes, buffers, pending_buffers] {
            sink.number((*count).into());
        }
        sink.flag(*has_entropy_failed);
        sink.flag(*inherits_refresh);
        for first in [first_key, first_random] {
            sink.flag(first.is_some());
            if let Some(first) = first {
                sink.bytes(first.bytes());
            }
        }
    }

    /// Puts the session's first key into a captured one's place.
    pub(crate) fn bind_first_key(&self, key: &mut Home) {
        if let Some(first) = &self.first_key {
            key.copy_from(first);
        }
    }
}

fn copy_of(secret: &Home) -> OwnHome {
    let mut copy = Box::new(Home::empty());
    copy.copy_from(secret);
    copy
}

impl fmt::Debug for SessionSidetrack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionSidetrack(..)")
    }
}

/// What is remembered of the session that ended last, and of a retire.
#[derive(Default)]
pub(crate) struct AdapterSidetrack {
    /// With its key.
    ended: Option<Session>,
    place: Option<SessionPlace>,
    counters: CounterTrack,
    was_refreshing: bool,
    /// Bytes that lost commands of this retire would have had.
    pub(crate) lost_len: u32,
}

impl AdapterSidetrack {
    /// A session has just ended; gives back what is to be dropped.
    pub(crate) fn keep(
        &mut self,
        place: SessionPlace,
        ended: Option<Session>,
        generations_max: u32,
    ) -> Option<Session> {
        self.place = Some(place);
        self.was_refreshing =
            ended.as_ref().is_some_and(|session| !session.secrets().random.holds(&[0; 16]));
        self.counters = ended.as_ref().map(Session::counters).unwrap_or_default();
        if fault!(NewSessionInheritsKey) {
            self.ended = ended;
            return None;
        }
        if fault!(WornOutSessionForgotten) && place.session.generation == generations_max {
            core::mem::forget(ended);
            return None;
        }
        ended
    }

    /// Writes what is remembered; see [`Adapter::write_state`](crate::Adapter::write_state).
    #[cfg(feature = "homes")]
    pub(crate) fn write_state(&self, sink: &mut crate::observe::StateSink<'_>) {
        let Self { ended, place, counters, was_refreshing, lost_len } = self;
        sink.flag(ended.is_some());
        if let Some(session) = ended {
            session.write_state(sink);
        }
        sink.flag(place.is_some());
        if let Some(SessionPlace { device, session }) = place {
            for place in [device, session] {
                sink.count(place.index);
                sink.number(place.generation.into());
            }
        }
        counters.write_state(sink);
        sink.flag(*was_refreshing);
        sink.number((*lost_len).into());
    }

    /// The session that is to live in a place.
    pub(crate) fn new_session(&mut self, place: SessionPlace) -> Session {
        let mut session = self.ended.take().map_or_else(Session::new, Session::reborn);
        let is_heir = self.place.is_some_and(|last| {
            last.device == place.device && last.session.index == place.session.index
        });
        if fault!(CountersOutliveSession) && is_heir {
            session.inherit_counters(self.counters);
        }
        if fault!(NewSessionInheritsRefresh) && is_heir && self.was_refreshing {
            session.inherit_refresh();
        }
        session
    }
}

/// Ends the session in the first slot of a full device; says whether it did.
pub(crate) fn evict_first(sessions: &mut Device) -> bool {
    if sessions.iter().count() < SESSIONS_MAX {
        return false;
    }
    let first = sessions.iter().next().map(|(place, _)| place);
    first.and_then(|place| sessions.remove(place)).is_some()
}
