//! What a sequence has created so far, by which the alphabet decides what may follow.

use crate::observation::StateHash;
use crate::sequence::{Call, Slot};

/// What the calls of a sequence were to create, whatever was answered: it decides which letters
/// follow, so that the number of sequences is the same for every driver.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Created {
    pub(super) device_count: u8,
    pub(super) session_count: u8,
    /// The device of each session; `None` for one that was created before any device.
    owners: [Option<u8>; SESSIONS_MAX],
    pub(super) is_injected: bool,
    pub(super) is_closed: bool,
}

/// Sessions that a sequence of any alphabet may create.
const SESSIONS_MAX: usize = 4;

impl Created {
    /// What these calls were to create.
    #[must_use]
    pub fn by(calls: &[Call]) -> Self {
        let mut created = Self::default();
        calls.iter().for_each(|call| created.note(call));
        created
    }

    fn note(&mut self, call: &Call) {
        match *call {
            Call::CreateDevice => self.device_count += 1,
            Call::CreateSession { device: Slot(device), .. } => {
                let owner = (device < self.device_count).then_some(device);
                self.owners[usize::from(self.session_count)] = owner;
                self.session_count += 1;
            }
            Call::CloseAdapter => self.is_closed = true,
            _ => self.is_injected |= call.is_injection(),
        }
    }

    /// The device of each session, in the order of their slots.
    pub(super) fn owners(&self) -> impl Iterator<Item = Option<u8>> {
        self.owners.into_iter().take(self.session_count.into())
    }

    /// Writes it as part of a state.
    pub(super) fn write_state(&self, hash: &mut StateHash) {
        let Self { device_count, session_count, owners, is_injected, is_closed } = self;
        hash.bytes(&[*device_count, *session_count]);
        hash.flag(*is_injected);
        hash.flag(*is_closed);
        owners.iter().for_each(|owner| hash.maybe(owner.map(u64::from)));
    }
}
