//! The calls that a sequence is made of: what to do, without any driver.

use super::kind::CallKind;
use super::words::{Blob, CryptoType, DecodeProfile, EntropyFault, NullPointer};

/// One request to the driver, or to the seams below it.
///
/// Devices and sessions are named by [`Slot`]. The discriminants are the opcodes of the wire form:
/// permanent, and never given to another call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Call {
    /// `create-device`: opens a device and makes the next device slot.
    CreateDevice,
    /// `destroy-device`: closes a device and all its sessions.
    DestroyDevice {
        /// Which device.
        device: Slot,
    },
    /// `create-session`: makes a session and the next session slot, whether or not it succeeds.
    CreateSession {
        /// On which device.
        device: Slot,
        /// With which cipher.
        crypto: CryptoType,
        /// For which decode profile.
        profile: DecodeProfile,
    },
    /// `destroy-session`.
    DestroySession {
        /// Which session.
        session: SessionRef,
    },
    /// `exchange-key`: gives the session the key grown from a seed.
    ExchangeKey {
        /// Which session.
        session: SessionRef,
        /// Seed of the key; the same seed is the same key everywhere.
        key: u32,
        /// What is wrong with the wrapped key, if anything.
        blob: Blob,
    },
    /// `start-refresh`.
    StartRefresh {
        /// Which session.
        session: SessionRef,
        /// Claimed length of the random-number buffer, in bytes.
        size: u32,
        /// Whether the buffer pointer is NULL.
        null: bool,
    },
    /// `finish-refresh`.
    FinishRefresh {
        /// Which session.
        session: SessionRef,
    },
    /// `submit-buffer`: one AES-CTR buffer under the key that the client holds at this moment.
    SubmitBuffer {
        /// Which session.
        session: SessionRef,
        /// IV, as a number.
        iv: u64,
        /// Count of the first block, as a number.
        count: u64,
        /// Claimed length of the data, in bytes.
        len: u32,
        /// Which pointer is NULL, if any.
        null: NullPointer,
    },
    /// `session-status`.
    SessionStatus {
        /// Which session.
        session: SessionRef,
    },
    /// `retire`: the GPU timeline advances.
    Retire {
        /// By at most this many commands.
        count: u32,
    },
    /// `reset-engine`: the tear-down event.
    ResetEngine,
    /// `inject-entropy`: what the entropy source answers to the next draws.
    InjectEntropy {
        /// The fault.
        fault: EntropyFault,
        /// How many draws it lasts.
        draws: u32,
    },
    /// `inject-allocation-failure`: one allocation request is refused, of the next
    /// driver call that makes any.
    InjectAllocationFailure {
        /// How many requests of that call are granted first.
        after: u32,
    },
}

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
}

impl SessionRef {
    /// The session in this slot, through its own device.
    #[must_use]
    pub const fn new(slot: u8) -> Self {
        Self { slot: Slot(slot), via: None }
    }
}

/// A whole test case: calls in order.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct CallSequence {
    /// The calls; at most [`CALLS_MAX`] of them count.
    pub calls: Vec<Call>,
}

/// The most calls in one sequence: far more than any bug has needed, and a bound on every run.
pub const CALLS_MAX: usize = 512;

impl Call {
    /// What the call is, without its arguments.
    #[must_use]
    pub const fn kind(&self) -> CallKind {
        match self {
            Self::CreateDevice => CallKind::CreateDevice,
            Self::DestroyDevice { .. } => CallKind::DestroyDevice,
            Self::CreateSession { .. } => CallKind::CreateSession,
            Self::DestroySession { .. } => CallKind::DestroySession,
            Self::ExchangeKey { .. } => CallKind::ExchangeKey,
            Self::StartRefresh { .. } => CallKind::StartRefresh,
            Self::FinishRefresh { .. } => CallKind::FinishRefresh,
            Self::SubmitBuffer { .. } => CallKind::SubmitBuffer,
            Self::SessionStatus { .. } => CallKind::SessionStatus,
            Self::Retire { .. } => CallKind::Retire,
            Self::ResetEngine => CallKind::ResetEngine,
            Self::InjectEntropy { .. } => CallKind::InjectEntropy,
            Self::InjectAllocationFailure { .. } => CallKind::InjectAllocationFailure,
        }
    }

    /// The session that the call is aimed at, if it is aimed at one.
    #[must_use]
    pub const fn session(&self) -> Option<SessionRef> {
        match *self {
            Self::DestroySession { session }
            | Self::ExchangeKey { session, .. }
            | Self::StartRefresh { session, .. }
            | Self::FinishRefresh { session }
            | Self::SubmitBuffer { session, .. }
            | Self::SessionStatus { session } => Some(session),
            Self::CreateDevice
            | Self::DestroyDevice { .. }
            | Self::CreateSession { .. }
            | Self::Retire { .. }
            | Self::ResetEngine
            | Self::InjectEntropy { .. }
            | Self::InjectAllocationFailure { .. } => None,
        }
    }

    /// The same, to be changed.
    pub const fn session_mut(&mut self) -> Option<&mut SessionRef> {
        match self {
            Self::DestroySession { session }
            | Self::ExchangeKey { session, .. }
            | Self::StartRefresh { session, .. }
            | Self::FinishRefresh { session }
            | Self::SubmitBuffer { session, .. }
            | Self::SessionStatus { session } => Some(session),
            Self::CreateDevice
            | Self::DestroyDevice { .. }
            | Self::CreateSession { .. }
            | Self::Retire { .. }
            | Self::ResetEngine
            | Self::InjectEntropy { .. }
            | Self::InjectAllocationFailure { .. } => None,
        }
    }

    /// The device that the call names by itself (not through a session).
    #[must_use]
    pub const fn device(&self) -> Option<Slot> {
        match *self {
            Self::DestroyDevice { device } | Self::CreateSession { device, .. } => Some(device),
            _ => None,
        }
    }

    /// Whether the call prepares the seams instead of entering the driver.
    #[must_use]
    pub const fn is_injection(&self) -> bool {
        matches!(self, Self::InjectEntropy { .. } | Self::InjectAllocationFailure { .. })
    }
}

impl CallKind {
    /// The plainest call of the kind, on the first device or session.
    ///
    /// Its arguments are what the text form takes for missing ones, and where minimisation goes.
    #[must_use]
    pub const fn plain(self) -> Call {
        let device = Slot(0);
        let session = SessionRef::new(0);
        match self {
            Self::CreateDevice => Call::CreateDevice,
            Self::DestroyDevice => Call::DestroyDevice { device },
            Self::CreateSession => Call::CreateSession {
                device,
                crypto: CryptoType::Aes128Ctr,
                profile: DecodeProfile::None,
            },
            Self::DestroySession => Call::DestroySession { session },
            Self::ExchangeKey => Call::ExchangeKey { session, key: 1, blob: Blob::Good },
            Self::StartRefresh => Call::StartRefresh { session, size: 16, null: false },
            Self::FinishRefresh => Call::FinishRefresh { session },
            Self::SubmitBuffer => {
                Call::SubmitBuffer { session, iv: 1, count: 0, len: 16, null: NullPointer::None }
            }
            Self::SessionStatus => Call::SessionStatus { session },
            Self::Retire => Call::Retire { count: 1 },
            Self::ResetEngine => Call::ResetEngine,
            Self::InjectEntropy => Call::InjectEntropy { fault: EntropyFault::Fail, draws: 1 },
            Self::InjectAllocationFailure => Call::InjectAllocationFailure { after: 0 },
        }
    }
}
