//! A rough idea of where the calls so far have led, to choose a next call that matters.
//!
//! Not a model of a driver: it knows no limits, no failures and no queue. Where it is wrong, a call
//! is only a little less likely to be useful.

use crate::sequence::call::Call;
use crate::sequence::call::CallKind;
use crate::sequence::slot::Slot;
use crate::sequence::words::{Blob, CryptoType, HandleForm};

/// What exists, and in which state, after some calls.
#[derive(Clone, Default, Debug)]
pub struct Sketch {
    /// For every device ever created, whether it is open.
    pub devices: Vec<bool>,
    /// Every session ever created.
    pub sessions: Vec<SessionSketch>,
    /// Commands that may still be in flight.
    pub in_flight: u32,
    /// The fault that the call before has prepared, if it was an injection.
    pub injected: Option<CallKind>,
    /// The call before.
    pub last: Option<Call>,
    /// A session that one of the last few calls has ended.
    pub ended: Option<usize>,
    /// For how many more calls it counts as such.
    ended_for: u32,
}

/// For how many calls a session that ended is worth another look.
const ENDED_FOR: u32 = 4;

/// What is likely true of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionSketch {
    /// Index of the device that created it, if there was one.
    pub device: Option<usize>,
    /// Whether calls can still reach it.
    pub is_alive: bool,
    /// Whether it has a key.
    pub is_keyed: bool,
    /// Whether it is between start and finish.
    pub is_pending: bool,
    /// An IV above those used under its key.
    pub next_iv: u64,
    /// The IV of its last buffer, and the Count behind the last block of that.
    pub used_up_to: (u64, u64),
    /// Whether a refresh was finished since the last buffer.
    pub is_refreshed: bool,
}

impl Sketch {
    /// Forgets everything, and keeps the memory.
    pub fn clear(&mut self) {
        // A new field does not compile until somebody has decided what becomes of it.
        let Self { devices, sessions, in_flight, injected, last, ended, ended_for } = self;
        devices.clear();
        sessions.clear();
        (*in_flight, *ended_for) = (0, 0);
        (*injected, *last, *ended) = (None, None, None);
    }

    /// Goes through these calls from the start.
    pub fn draw(&mut self, calls: &[Call]) {
        self.clear();
        calls.iter().for_each(|call| self.note(call));
    }

    /// Goes past one call.
    pub fn note(&mut self, call: &Call) {
        self.injected = call.is_injection().then(|| call.kind());
        self.last = Some(*call);
        self.ended_for = self.ended_for.saturating_sub(1);
        if self.ended_for == 0 {
            self.ended = None;
        }
        match *call {
            Call::CreateDevice => self.devices.push(true),
            Call::DestroyDevice { device, handle: HandleForm::Given } => self.close(device),
            Call::CreateSession { device, crypto, profile: _, handle } => {
                let device = device.resolve(self.devices.len());
                let is_open = device.is_some_and(|device| self.devices[device]);
                self.sessions.push(SessionSketch {
                    device,
                    is_alive: is_open
                        && crypto == CryptoType::Aes128Ctr
                        && handle == HandleForm::Given,
                    is_keyed: false,
                    is_pending: false,
                    next_iv: 1,
                    used_up_to: (0, 0),
                    is_refreshed: false,
                });
            }
            Call::ResetEngine => {
                self.end(self.sessions.iter().rposition(|session| session.is_alive));
                self.sessions.iter_mut().for_each(|session| session.is_alive = false);
                self.in_flight = 0;
            }
            Call::Retire { count, .. } => self.in_flight = self.in_flight.saturating_sub(count),
            _ => self.note_session(call),
        }
    }

    /// The index of the session that a call on `slot` means.
    #[must_use]
    pub fn session(&self, slot: Slot) -> Option<usize> {
        slot.resolve(self.sessions.len())
    }

    fn note_session(&mut self, call: &Call) {
        let Some(target) = call.session() else { return };
        let Some(index) = self.session(target.slot) else { return };
        let session = &mut self.sessions[index];
        let is_foreign =
            target.via.is_some_and(|via| via.resolve(self.devices.len()) != session.device);
        let is_forged = target.handle != HandleForm::Given;
        if is_foreign || is_forged || !session.is_alive {
            return;
        }
        match *call {
            Call::DestroySession { .. } => {
                session.is_alive = false;
                self.end(Some(index));
            }
            Call::ExchangeKey { blob: Blob::Good, .. } => session.is_keyed = true,
            Call::StartRefresh { size: 16, null: false, .. } => {
                session.is_pending |= session.is_keyed
            }
            Call::FinishRefresh { .. } => {
                session.is_refreshed |= session.is_pending;
                session.is_pending = false;
            }
            Call::SubmitBuffer { iv, count, len, .. } if session.is_keyed => {
                session.used_up_to = (iv, count.wrapping_add(u64::from(len).div_ceil(16)));
                session.next_iv = session.next_iv.max(iv.saturating_add(1));
                session.is_refreshed = false;
                self.in_flight = self.in_flight.saturating_add(1);
            }
            _ => {}
        }
    }

    fn end(&mut self, session: Option<usize>) {
        if session.is_some() {
            (self.ended, self.ended_for) = (session, ENDED_FOR);
        }
    }

    fn close(&mut self, device: Slot) {
        let Some(device) = device.resolve(self.devices.len()) else { return };
        self.devices[device] = false;
        let is_its = |session: &SessionSketch| session.is_alive && session.device == Some(device);
        self.end(self.sessions.iter().rposition(is_its));
        let sessions = self.sessions.iter_mut();
        for session in sessions.filter(|session| session.device == Some(device)) {
            session.is_alive = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequence::SequenceText;

    fn sketch(text: &str) -> Sketch {
        let mut sketch = Sketch::default();
        sketch.draw(&SequenceText::parse(text).unwrap().sequence().calls);
        sketch
    }

    #[test]
    fn a_session_goes_from_created_to_keyed_to_pending_to_dead() {
        let mut text = "create-device\ncreate-session d0\n".to_owned();
        let facts = |text: &str| {
            let session = sketch(text).sessions[0];
            (session.is_alive, session.is_keyed, session.is_pending, session.next_iv)
        };
        assert_eq!(facts(&text), (true, false, false, 1));
        text += "exchange-key s0\nsubmit-buffer s0 iv=9\n";
        assert_eq!(facts(&text), (true, true, false, 10));
        text += "start-refresh s0\n";
        assert_eq!(facts(&text), (true, true, true, 10));
        assert_eq!(facts(&(text.clone() + "finish-refresh s0")), (true, true, false, 10));
        assert!(!facts(&(text.clone() + "destroy-session s0")).0);
        assert!(!facts(&(text.clone() + "reset-engine")).0);
        assert!(!facts(&(text.clone() + "destroy-device d0")).0);
        assert!(facts(&(text + "create-device\ndestroy-session s0 via=d1")).0);
    }
}
