//! Where each device and each session stands, as far as the driver's answers tell.

use super::Observation;
use crate::sequence::Call;

/// What the answers to some calls say of every device and session that a call created.
///
/// It believes the driver and judges nothing. Whoever needs more than this keeps it beside it.
#[derive(Clone, Debug, Default)]
pub struct Standings {
    devices: Vec<DeviceStanding>,
    sessions: Vec<SessionStanding>,
    /// What calls did whose session handle was NULL, should a driver serve one.
    null_session: SessionStanding,
}

/// Where a device stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DeviceStanding {
    /// The handle that the driver gave it; 0 when its creation was refused.
    pub handle: u64,
    /// The call that created it.
    pub created: Option<u32>,
    /// The last call that destroyed it.
    pub ended: Option<u32>,
}

/// Where a session stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SessionStanding {
    /// The handle that the driver gave it; 0 when its creation was refused.
    pub handle: u64,
    /// The call that created it.
    pub created: Option<u32>,
    /// The slot of the device that created it; `None` when its creation was refused.
    pub device: Option<u16>,
    /// The last call that destroyed it, or its device.
    pub ended: Option<u32>,
    /// Whether a start succeeded that no finish has answered, whatever happened in between.
    pub is_started: bool,
    /// The last call that finished a refresh.
    pub finished: Option<u32>,
    /// How many refreshes were finished since its key was exchanged.
    pub epoch: u32,
    /// How many read-back keys it has made.
    pub read_back_keys: u32,
    has_key: bool,
    is_lost: bool,
}

/// Where what a call names stood before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Before {
    /// Its session; that of a NULL handle if it names none.
    pub session: SessionStanding,
    /// The last call that destroyed its device.
    pub device_ended: Option<u32>,
    /// An earlier call that had got the handle which it got.
    pub same_handle: Option<u32>,
}

/// A slot that no call has filled yet.
static NEVER_CREATED: SessionStanding = SessionStanding {
    handle: 0,
    created: None,
    device: None,
    ended: None,
    is_started: false,
    finished: None,
    epoch: 0,
    read_back_keys: 0,
    has_key: false,
    is_lost: false,
};

/// The state of a session: which calls it should accept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Phase {
    /// It was never created; the slot names nothing.
    Never,
    /// No key yet.
    Unkeyed,
    /// Has a key.
    Keyed,
    /// Has a key and a random number that waits for finish.
    Pending,
    /// The key was lost with the engine.
    Lost,
    /// Destroyed.
    Dead,
}

impl Phase {
    /// The phase in a story.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Never => "never created",
            Self::Unkeyed => "unkeyed",
            Self::Keyed => "keyed",
            Self::Pending => "refreshing",
            Self::Lost => "lost",
            Self::Dead => "destroyed",
        }
    }
}

impl SessionStanding {
    /// The state that follows from its fields.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match *self {
            Self { ended: Some(_), .. } => Phase::Dead,
            Self { created: None, .. } => Phase::Never,
            Self { is_lost: true, .. } => Phase::Lost,
            Self { has_key: false, .. } => Phase::Unkeyed,
            Self { is_started: true, .. } => Phase::Pending,
            _ => Phase::Keyed,
        }
    }

    /// Whether its key may be used.
    #[must_use]
    pub fn is_in_force(&self) -> bool {
        matches!(self.phase(), Phase::Keyed | Phase::Pending)
    }

    /// Whether calls should find it.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.created.is_some() && self.ended.is_none()
    }
}

impl Standings {
    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        // A new field does not compile until somebody has decided what becomes of it.
        let Self { devices, sessions, null_session } = self;
        devices.clear();
        sessions.clear();
        *null_session = SessionStanding::default();
    }

    /// Every device slot that a call filled, in their order.
    #[must_use]
    pub fn devices(&self) -> &[DeviceStanding] {
        &self.devices
    }

    /// Every session slot that a call filled, in their order.
    #[must_use]
    pub fn sessions(&self) -> &[SessionStanding] {
        &self.sessions
    }

    /// Where a session stands; `None` stands for the NULL handle.
    #[must_use]
    #[inline]
    pub fn session(&self, slot: Option<u16>) -> &SessionStanding {
        match slot {
            None => &self.null_session,
            Some(slot) => self.sessions.get(usize::from(slot)).unwrap_or(&NEVER_CREATED),
        }
    }

    /// Takes over what a call changed, and says where what it names stood before; `index` is its
    /// number.
    #[inline(always)]
    pub fn follow(&mut self, index: usize, seen: &Observation) -> Before {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let device = seen.device_slot.and_then(|slot| self.devices.get(usize::from(slot)));
        let mut before = Before {
            session: *self.session(seen.session_slot),
            device_ended: device.and_then(|device| device.ended),
            same_handle: None,
        };
        let is_same = |handle: u64| handle == seen.scalar && handle != 0;
        match seen.call {
            Call::CreateDevice if seen.is_ok() => {
                let mut devices = self.devices.iter();
                let same = devices.find(|device| is_same(device.handle));
                before.same_handle = same.and_then(|device| device.created);
                if let Some(device) = slot_mut(&mut self.devices, seen.device_slot) {
                    *device =
                        DeviceStanding { handle: seen.scalar, created: Some(index), ended: None };
                }
            }
            Call::CreateSession { .. } if seen.is_ok() => {
                let mut sessions = self.sessions.iter();
                let same = sessions.find(|session| is_same(session.handle));
                before.same_handle = same.and_then(|session| session.created);
                if let Some(session) = slot_mut(&mut self.sessions, seen.session_slot) {
                    *session = SessionStanding {
                        handle: seen.scalar,
                        created: Some(index),
                        device: seen.device_slot,
                        ..SessionStanding::default()
                    };
                }
            }
            // What was refused has its slot too.
            Call::CreateDevice => {
                slot_mut(&mut self.devices, seen.device_slot);
            }
            Call::CreateSession { .. } => {
                slot_mut(&mut self.sessions, seen.session_slot);
            }
            _ if !seen.is_ok() => {}
            Call::DestroyDevice { .. } => {
                if let Some(slot) = seen.device_slot
                    && let Some(device) = self.devices.get_mut(usize::from(slot))
                {
                    device.ended = Some(index);
                }
                for session in &mut self.sessions {
                    if session.device == seen.device_slot && session.is_alive() {
                        session.ended = Some(index);
                    }
                }
            }
            Call::ResetEngine => {
                let its = self.sessions.iter_mut().filter(|session| !seen.spares(session.device));
                its.for_each(|session| session.is_lost |= session.is_alive());
            }
            call => {
                if let Some(session) = self.session_mut(seen.session_slot) {
                    session.follow(index, &call);
                }
            }
        }
        before
    }

    fn session_mut(&mut self, slot: Option<u16>) -> Option<&mut SessionStanding> {
        match slot {
            None => Some(&mut self.null_session),
            Some(slot) => self.sessions.get_mut(usize::from(slot)),
        }
    }
}

impl SessionStanding {
    /// Takes over what a call on it changed that succeeded.
    #[inline(always)]
    fn follow(&mut self, index: u32, call: &Call) {
        match call {
            Call::ExchangeKey { .. } => {
                (self.has_key, self.is_lost, self.epoch) = (true, false, 0);
            }
            Call::StartRefresh { .. } => self.is_started = true,
            Call::FinishRefresh { .. } => {
                self.epoch += u32::from(self.is_started);
                (self.is_started, self.finished) = (false, Some(index));
            }
            Call::EncryptionBltKey { .. } => self.read_back_keys += 1,
            Call::DestroySession { .. } => self.ended = Some(index),
            _ => {}
        }
    }
}

/// The place of a slot, made if there is none yet.
fn slot_mut<T: Clone + Default>(places: &mut Vec<T>, slot: Option<u16>) -> Option<&mut T> {
    let slot = usize::from(slot?);
    if places.len() <= slot {
        places.resize(slot + 1, T::default());
    }
    places.get_mut(slot)
}

#[cfg(test)]
mod tests {
    use rekeylab_ddi::Hresult;

    use super::*;
    use crate::sequence::SequenceText;

    /// Where session 0 stands after these calls, all of which are answered with success.
    fn standing_after(calls: &str) -> SessionStanding {
        let mut standings = Standings::default();
        let sequence = SequenceText::parse(calls).unwrap().sequence();
        for (index, call) in sequence.calls.into_iter().enumerate() {
            standings.follow(index, &served(call));
        }
        *standings.session(Some(0))
    }

    fn served(call: Call) -> Observation {
        let slot = call.session().map(|session| session.slot.0.into());
        let is_creation = matches!(call, Call::CreateSession { .. });
        Observation {
            code: Some(Hresult::S_OK),
            device_slot: Some(0),
            session_slot: slot.or(is_creation.then_some(0)),
            ..Observation::new(call)
        }
    }

    const KEYED: &str = "d0 = create-device\ns0 = create-session d0\nexchange-key s0\n";

    #[test]
    fn a_session_goes_where_the_answers_take_it() {
        for (calls, phase) in [
            ("d0 = create-device", Phase::Never),
            ("d0 = create-device\ns0 = create-session d0", Phase::Unkeyed),
            ("d0 = create-device\ns0 = create-session d0\nreset-engine", Phase::Lost),
            (KEYED, Phase::Keyed),
            (&format!("{KEYED}start-refresh s0"), Phase::Pending),
            (&format!("{KEYED}start-refresh s0\nfinish-refresh s0"), Phase::Keyed),
            (&format!("{KEYED}start-refresh s0\nreset-engine"), Phase::Lost),
            (&format!("{KEYED}destroy-session s0\nexchange-key s0"), Phase::Dead),
            (&format!("{KEYED}destroy-device d0"), Phase::Dead),
        ] {
            assert_eq!(standing_after(calls).phase(), phase, "{calls}");
        }
    }

    #[test]
    fn a_finish_counts_as_a_refresh_when_there_was_a_start() {
        let refreshed = format!("{KEYED}start-refresh s0\nfinish-refresh s0\n");
        assert_eq!(standing_after(&refreshed).epoch, 1);
        let twice = standing_after(&format!("{refreshed}finish-refresh s0"));
        assert_eq!((twice.epoch, twice.finished), (1, Some(5)));
    }

    #[test]
    fn a_refused_call_changes_nothing_and_a_refused_creation_leaves_a_gap() {
        let create = Call::create_session(crate::sequence::Slot(0));
        let mut standings = Standings::default();
        let refused = Observation { code: Some(Hresult::E_FAIL), ..served(create) };
        standings.follow(0, &refused);
        assert_eq!(standings.sessions(), [SessionStanding::default()]);
    }
}
