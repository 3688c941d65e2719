//! What an execution saw: plain data, from which every verdict is reached.
//!
//! A trace holds everything needed to judge it, now or later, by people or by newer invariants,
//! without a driver. It contains random numbers and plaintext, so it is never printed whole.

mod choices;
mod death;
mod handed;
mod layer;
mod lifetime;
mod read_back;
mod sighting;
mod standing;
mod state_hash;

use core::fmt;
use core::ops::Range;

use rekeylab_ddi::{Completion, DeviceHandle, Hresult, Limits, SessionHandle};
use serde::{Deserialize, Serialize};

pub use choices::{Choices, number_of as silent_point};
pub use death::{Death, End};
pub use layer::{Layer, Layers};
pub use lifetime::{Cause, Lifetime};
pub use read_back::ReadBack;
pub use sighting::{
    Block, EmptyHome, Following, Home, Place, Register, SecretKind, SecretName, Shaped, Sighting,
    Stay, StrayWrite, TextFollowing, TextPlace,
};
pub use standing::{Before, DeviceStanding, Phase, SessionStanding, Standings};
pub use state_hash::{StateHash, StateId};

use crate::sequence::Call;

/// Fills every caller-owned buffer before a call, so that writes and their absence show.
pub const UNTOUCHED: u8 = 0xE7;

/// How many bytes the caller owns behind the ones it asks for, in bytes.
pub const MARGIN_LEN: usize = 32;

/// Everything one execution saw, in order.
///
/// It can be handed from one process to another. What both know is then left out, and what only a driver of ours
/// declares: homes, and runs compared.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Trace {
    /// The bounds that the driver published.
    #[serde(skip)]
    pub limits: Option<Limits>,
    /// What it chooses where the documents are silent.
    #[serde(skip)]
    pub choices: Choices,
    /// Whether the driver draws its random numbers itself, so that no two runs have the same outputs.
    #[serde(skip)]
    pub has_own_random: bool,
    /// One entry a call: those of the sequence, then the epilogue's.
    pub calls: Vec<Observation>,
    /// The completions that retire calls delivered; entries refer to ranges of it.
    #[serde(with = "handed::completions")]
    pub completions: Vec<Completion>,
    /// What the entropy source answered; entries refer to ranges of it.
    pub draws: Vec<Draw>,
    /// The surfaces that were read back encrypted; entries refer to ranges of it. Empty for a driver that is not asked
    /// to.
    pub read_backs: Vec<ReadBack>,
    /// The bytes of all buffers; entries refer to ranges of it.
    pub bytes: Vec<u8>,
    /// What the driver logged, line by line; entries refer to ranges of it.
    pub log: String,
    /// The names of the secrets that sightings refer to, in the order of their birth.
    pub secrets: Vec<SecretName>,
    /// Where secrets were seen.
    pub sightings: Vec<Sighting>,
    /// Homes that held the secret which lives there; noted when everything is looked into.
    #[serde(skip)]
    pub stays: Vec<Stay>,
    /// Homes that did not hold the secret which lives there.
    #[serde(skip)]
    pub empty_homes: Vec<EmptyHome>,
    /// Words that follow the key, whatever they say.
    #[serde(skip)]
    pub followings: Vec<Following>,
    /// Text of the driver that follows the key, in whatever encoding.
    #[serde(skip)]
    pub text_followings: Vec<TextFollowing>,
    /// Writes into freed blocks and into the gaps between blocks.
    pub stray_writes: Vec<StrayWrite>,
    /// The message of the panic that ended the execution, if one did.
    pub panic: Option<String>,
    /// How the process of the driver ended in the last call, if it took it along.
    #[serde(skip)]
    pub death: Option<Death>,
    /// Where the execution was when it did not go on any more, if it hung.
    pub hang: Option<Stage>,
    /// Bytes that the engine granted and never got back, once everything was destroyed.
    pub reserved_len: u64,
    /// Blocks of the heap that were not given back, if more of them stay behind with every run.
    #[serde(skip)]
    pub leaks: Vec<Block>,
    /// The layers that were looked into, each shown to look.
    pub layers: Layers,
    /// Why the run proves nothing about leftovers, if a scan did not find its canary.
    pub void: Option<Void>,
    /// How many calls of the sequence had run when it ended; the rest is the epilogue.
    pub sequence_len: usize,
    /// What the same sequence showed at the same time on other threads, if there were some.
    pub others: Vec<Trace>,
}

/// How far the life of a driver is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Stage {
    /// It is being opened.
    Opening,
    /// This call is under way: an index into [`Trace::calls`].
    Call(u32),
    /// It is being dropped, behind the last call.
    Dropping,
}

impl Stage {
    /// Numbers that stand for no call, of which there are never so many.
    const OPENING: u32 = u32::MAX;
    const DROPPING: u32 = u32::MAX - 1;

    /// The stage as one number.
    pub(crate) const fn number(self) -> u32 {
        match self {
            Self::Opening => Self::OPENING,
            Self::Call(index) => index,
            Self::Dropping => Self::DROPPING,
        }
    }

    /// The stage of this number.
    pub(crate) const fn of_number(number: u32) -> Self {
        match number {
            Self::OPENING => Self::Opening,
            Self::DROPPING => Self::Dropping,
            index => Self::Call(index),
        }
    }
}

/// One call and what came of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Observation {
    /// The call.
    #[serde(with = "handed::call")]
    pub call: Call,
    /// The device slot it was aimed through, resolved; `None` when it needs none or none existed.
    pub device_slot: Option<u16>,
    /// The session slot it was aimed at, resolved.
    pub session_slot: Option<u16>,
    /// The device handle that was passed.
    #[serde(with = "handed::device")]
    pub device: DeviceHandle,
    /// The session handle that was passed.
    #[serde(with = "handed::session")]
    pub session: SessionHandle,
    /// What the driver answered; `None` for a call that never enters it, or did not return.
    #[serde(with = "handed::code")]
    pub code: Option<Hresult>,
    /// Whether the driver was not asked, because what stands between it and the client has answered.
    pub is_answered_for: bool,
    /// What else it wrote in a scalar: the new handle, the fence or the status; of a reset, see
    /// [`spares`](Self::spares).
    pub scalar: u64,
    /// The buffer the call was given, after the call, as a range of [`Trace::bytes`]: the
    /// random-number buffer, the submitted ciphertext, or the surface; margin included.
    pub buffer: Range<u32>,
    /// How much room a retire was given.
    pub room: RetireRoom,
    /// How many surface bytes a retire claims to have written.
    pub surface_len: u32,
    /// How many completions a retire claims to have written.
    pub claimed_count: u32,
    /// Whether a retire wrote to an entry behind those that it claims.
    pub is_list_overrun: bool,
    /// Its completions, as a range of [`Trace::completions`].
    pub completions: Range<u32>,
    /// Its entropy draws, as a range of [`Trace::draws`].
    pub draws: Range<u32>,
    /// The surfaces that were read back in it, as a range of [`Trace::read_backs`]: before all else that it did.
    pub read_backs: Range<u32>,
    /// What it logged, as a range of [`Trace::log`].
    pub log: Range<u32>,
    /// How many allocation requests the driver made, and whether one was refused.
    pub reservations: Reservations,
    /// Bytes that the engine had granted and not got back after the call.
    pub held_len: u64,
}

/// How much room a retire was given for what completes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RetireRoom {
    /// Length of the surface, in bytes.
    pub surface_len: u32,
    /// Length of the list of completions.
    pub entries: u32,
}

/// What a call asked the engine for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Reservations {
    /// Requests made.
    pub count: u16,
    /// Whether one of them was refused by injection.
    pub is_refused: bool,
}

/// A scan that did not prove that it looked: an error of the workbench, never a pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Void {
    /// What was to be looked into.
    pub layer: Layer,
    /// After which call.
    pub call: u32,
}

impl fmt::Display for Void {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layer, call } = self;
        write!(f, "the scan of {layer} after call {call} did not prove that it looked")
    }
}

/// One answer of the entropy source.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Draw {
    /// It failed.
    Failed,
    /// It answered these bytes.
    Answered([u8; 16]),
}

impl fmt::Debug for Draw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failed => "Failed",
            Self::Answered(_) => "Answered(..)",
        })
    }
}

impl fmt::Debug for Trace {
    // Without buffers and draws, which hold random numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace")
            .field("calls", &self.calls)
            .field("sightings", &self.sightings)
            .field("followings", &self.followings)
            .field("layers", &self.layers)
            .finish_non_exhaustive()
    }
}

impl Observation {
    /// A call that has not been made yet.
    #[must_use]
    pub fn new(call: Call) -> Self {
        Self {
            call,
            device_slot: None,
            session_slot: None,
            device: DeviceHandle::NULL,
            session: SessionHandle::NULL,
            code: None,
            is_answered_for: false,
            scalar: 0,
            buffer: 0..0,
            room: RetireRoom::default(),
            surface_len: 0,
            claimed_count: 0,
            is_list_overrun: false,
            completions: 0..0,
            draws: 0..0,
            read_backs: 0..0,
            log: 0..0,
            reservations: Reservations::default(),
            held_len: 0,
        }
    }

    /// How many devices can be [spared](Self::spares): those of the first slots.
    pub const SPARED_MAX: usize = 64;

    /// Whether a reset of the engine left the device of that slot alone, because its driver had no way to hear of
    /// it. The driver core hears of every reset.
    #[must_use]
    pub fn spares(&self, device_slot: Option<u16>) -> bool {
        device_slot.and_then(Self::bit_of).is_some_and(|bit| self.scalar & bit != 0)
    }

    /// Notes that this reset left a device alone.
    pub(crate) fn spare(&mut self, device_slot: Option<u16>) {
        self.scalar |= device_slot.and_then(Self::bit_of).unwrap_or_default();
    }

    fn bit_of(device_slot: u16) -> Option<u64> {
        1u64.checked_shl(device_slot.into())
    }

    /// Whether the driver answered, with success.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.code.is_some_and(Hresult::is_ok)
    }

    /// Whether the driver answered, with a refusal.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.code.is_some_and(|code| !code.is_ok())
    }
}

impl Trace {
    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        // A new field does not compile until somebody has decided what becomes of it.
        let Self {
            limits,
            choices,
            has_own_random,
            calls,
            completions,
            draws,
            read_backs,
            bytes,
            log,
            secrets,
            sightings,
            stays,
            empty_homes,
            followings,
            text_followings,
            stray_writes,
            panic,
            death,
            hang,
            reserved_len,
            leaks,
            layers,
            void,
            sequence_len,
            others,
        } = self;
        calls.clear();
        completions.clear();
        draws.clear();
        read_backs.clear();
        bytes.clear();
        log.clear();
        secrets.clear();
        sightings.clear();
        stays.clear();
        empty_homes.clear();
        followings.clear();
        text_followings.clear();
        stray_writes.clear();
        leaks.clear();
        others.clear();
        (*limits, *panic, *death, *hang, *void) = (None, None, None, None, None);
        (*choices, *has_own_random) = (Choices::default(), false);
        (*reserved_len, *sequence_len, *layers) = (0, 0, Layers::NONE);
    }

    /// The buffer of a call, margin included.
    #[must_use]
    pub fn buffer_of(&self, observation: &Observation) -> &[u8] {
        slice(&self.bytes, &observation.buffer)
    }

    /// The completions that a call delivered.
    #[must_use]
    pub fn completions_of(&self, observation: &Observation) -> &[Completion] {
        slice(&self.completions, &observation.completions)
    }

    /// The lines that a call logged.
    #[must_use]
    pub fn log_of(&self, observation: &Observation) -> &str {
        let Range { start, end } = observation.log;
        self.log.get(start as usize..end as usize).unwrap_or_default()
    }

    /// The surfaces that were read back in a call.
    #[must_use]
    pub fn read_backs_of(&self, observation: &Observation) -> &[ReadBack] {
        slice(&self.read_backs, &observation.read_backs)
    }

    /// The entropy draws that a call made.
    #[must_use]
    pub fn draws_of(&self, observation: &Observation) -> &[Draw] {
        slice(&self.draws, &observation.draws)
    }
}

/// The part of `all` that a range of a hand-written or stored trace names; empty if it is not there.
fn slice<'a, T>(all: &'a [T], range: &Range<u32>) -> &'a [T] {
    all.get(range.start as usize..range.end as usize).unwrap_or_default()
}
