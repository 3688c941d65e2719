//! How calls name devices and sessions.

use super::words::HandleForm;

/// How a call names a device or a session: the how-manieth one that was ever created.
///
/// It wraps over every slot created so far in the sequence, dead and failed ones included: half of
/// what we look for happens to the dead. Before the first creation it names the NULL handle.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Slot(pub u8);

impl Slot {
    /// Which of `created` slots is meant, or `None` when there is none yet.
    #[must_use]
    pub fn resolve(self, created: usize) -> Option<usize> {
        (created > 0).then(|| usize::from(self.0) % created)
    }
}

/// A session, and the device through which the call is aimed at it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct SessionRef {
    /// The session.
    pub slot: Slot,
    /// The device to go through; `None` is the one that created the session.
    pub via: Option<Slot>,
    /// What is passed in the place of its handle.
    pub handle: HandleForm,
}

impl SessionRef {
    /// The session in this slot, through its own device.
    #[must_use]
    pub const fn new(slot: u8) -> Self {
        Self { slot: Slot(slot), via: None, handle: HandleForm::Given }
    }
}

/// What a slot counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SlotKind {
    /// Devices.
    Device,
    /// Sessions.
    Session,
}
