//! The calls that a sequence is made of: one descriptor each, from which their forms follow.

use super::argument::{Argument, Field, Record, Usual, Value, WireField};
use super::descriptor::{Descriptor, Effects};
use super::slot::{SessionRef, Slot, SlotKind};
use super::words::{
    Blob, BoundsChoice, CryptoType, DecodeProfile, EntropyFault, HandleForm, NullPointer, Room,
    Shape,
};

/// Declares every call: the variant with its opcode, word and sentence, how often a generator makes it
/// in each [`Situation`], what else it does, and its arguments, each with its plain value and what is
/// known of it.
///
/// Text, wire, generation, mutation and minimising follow from that; what it does to a driver is said
/// by the executor, and what must be answered by the model.
macro_rules! calls {
    ($(
        $(#[$doc:meta])*
        $variant:ident = $opcode:literal, $word:literal, $summary:literal,
        odds $odds:expr, $does:expr
        $(, { $($(#[$field_doc:meta])* $field:ident: $type:ty = $plain:expr, $argument:expr;)+ })?;
    )*) => {
        /// One request to the driver, or to the seams below it.
        ///
        /// Devices and sessions are named by [`Slot`].
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Call {
            $($(#[$doc])* $variant $({ $($(#[$field_doc])* $field: $type,)+ })?,)*
        }

        /// What a [`Call`] is, without its arguments. The discriminants are the opcodes of the wire
        /// form: permanent, and never given to another call.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum CallKind {
            $(#[doc = concat!("See [`Call::", stringify!($variant), "`].")] $variant = $opcode,)*
        }

        impl CallKind {
            /// Every kind, in the order of the opcodes.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// What is known of the kind.
            #[must_use]
            pub const fn descriptor(self) -> &'static Descriptor {
                match self {
                    $(Self::$variant => {
                        const DESCRIPTOR: Descriptor = Descriptor {
                            word: $word,
                            summary: $summary,
                            odds: $odds,
                            does: $does,
                            arguments: &[$($($argument,)+)?],
                        };
                        &DESCRIPTOR
                    })*
                }
            }

            /// The plainest call of the kind, on the first device or session.
            ///
            /// Its arguments are what the text form takes for missing ones, and where minimisation
            /// goes.
            #[must_use]
            pub const fn plain(self) -> Call {
                match self { $(Self::$variant => Call::$variant $({ $($field: $plain,)+ })?,)* }
            }

            /// The call of this kind that a wire record says.
            #[inline]
            pub(super) fn read(self, record: &Record) -> Call {
                match self {
                    $(Self::$variant => Call::$variant $({
                        $($field: <$type as Field>::read(record, const { $argument.wire }),)+
                    })?,)*
                }
            }
        }

        impl Call {
            /// What the call is, without its arguments.
            #[must_use]
            pub const fn kind(&self) -> CallKind {
                match self { $(Self::$variant { .. } => CallKind::$variant,)* }
            }

            /// The session that the call is aimed at, if it is aimed at one.
            #[must_use]
            #[inline]
            pub fn session(&self) -> Option<SessionRef> {
                match self { $(Self::$variant $({ $($field,)+ })? => None $($(.or(Field::session($field)))+)?,)* }
            }

            /// The same, to be changed.
            #[inline]
            pub fn session_mut(&mut self) -> Option<&mut SessionRef> {
                match self { $(Self::$variant $({ $($field,)+ })? => None $($(.or(Field::session_mut($field)))+)?,)* }
            }

            /// The device that the call names by itself (not through a session), to be changed.
            #[inline]
            pub fn device_mut(&mut self) -> Option<&mut Slot> {
                match self { $(Self::$variant $({ $($field,)+ })? => None $($(.or(Field::device($field)))+)?,)* }
            }

            /// An argument as a number, in the order of [`Descriptor::arguments`]; `None` if there are
            /// not so many.
            #[must_use]
            pub fn value(&self, index: usize) -> Option<u64> {
                match self {
                    $(Self::$variant $({ $($field,)+ })? => {
                        let values: &[u64] = &[$($(Value::number($field),)+)?];
                        values.get(index).copied()
                    })*
                }
            }

            /// Changes an argument; false if there are not so many, or it does not take the value.
            pub fn set_value(&mut self, index: usize, value: u64) -> bool {
                match self {
                    $(Self::$variant $({ $($field,)+ })? => {
                        let fields: &mut [&mut dyn Value] = &mut [$($($field,)+)?];
                        fields.get_mut(index).is_some_and(|field| field.take(value))
                    })*
                }
            }

            /// Writes the arguments into a wire record.
            #[inline]
            pub(super) fn write(&self, record: &mut Record) {
                match self {
                    $(Self::$variant $({ $($field,)+ })? => {
                        $($(Field::write($field, record, const { $argument.wire });)+)?
                    })*
                }
            }
        }
    };
}

// The odds stand in the order of `Situation`: no device, no session, unkeyed, keyed, pending, unknown,
// dead.
calls! {
    /// `create-device`: opens a device and makes the next device slot.
    CreateDevice = 0x01, "create-device", "opens a device on the adapter",
        odds [80, 4, 2, 2, 1, 4, 2], Effects { allocates: true, ..Effects::creates(SlotKind::Device) };

    /// `destroy-device`: closes a device and all its sessions.
    DestroyDevice = 0x02, "destroy-device", "closes a device and every session it created",
        odds [1, 1, 1, 1, 1, 4, 1], Effects::SPENDS, {
        /// Which device.
        device: Slot = Slot(0), Argument::DEVICE;
        /// What is passed in the place of its handle.
        handle: HandleForm = HandleForm::Given,
            Argument::word("handle", WireField::Mode, HandleForm::WORDS).tempting(16);
    };

    /// `create-session`: makes a session and the next session slot, whether or not it succeeds.
    CreateSession = 0x03, "create-session", "makes a crypto session without a key",
        odds [4, 60, 2, 3, 2, 4, 8], Effects { allocates: true, ..Effects::creates(SlotKind::Session) }, {
        /// On which device.
        device: Slot = Slot(0), Argument::DEVICE;
        /// With which cipher.
        crypto: CryptoType = CryptoType::Aes128Ctr,
            Argument::word("type", WireField::ModeLow, CryptoType::WORDS).tempting(16);
        /// For which decode profile.
        profile: DecodeProfile = DecodeProfile::None,
            Argument::word("profile", WireField::ModeHigh, DecodeProfile::WORDS).tempting(8);
        /// What is passed in the place of the device's handle.
        handle: HandleForm = HandleForm::Given,
            Argument::word("handle", WireField::Size, HandleForm::WORDS).tempting(96);
    };

    /// `destroy-session`.
    DestroySession = 0x04, "destroy-session", "ends a session for every caller, at once",
        odds [1, 3, 3, 4, 5, 4, 8], Effects::SPENDS, {
        /// Which session.
        session: SessionRef = SessionRef::new(0), Argument::SESSION;
    };

    /// `exchange-key`: gives the session the key grown from a seed.
    ExchangeKey = 0x05, "exchange-key", "gives a session its key, once in its life",
        odds [1, 3, 48, 2, 2, 4, 6], Effects::NONE, {
        /// Which session.
        session: SessionRef = SessionRef::new(0), Argument::SESSION;
        /// Seed of the key; the same seed is the same key everywhere.
        key: u32 = 1, Argument::short("key", WireField::Size, &[]).usually(Usual::From(1, 15));
        /// What is wrong with the wrapped key, if anything.
        blob: Blob = Blob::Good, Argument::word("blob", WireField::ModeLow, Blob::WORDS).tempting(12);
        /// What the key looks like.
        shape: Shape = Shape::Plain,
            Argument::word("shape", WireField::X, Shape::WORDS).tempting(24);
    };

    /// `start-refresh`.
    StartRefresh = 0x06, "start-refresh", "has the driver draw a random number and hand it out",
        odds [1, 3, 3, 24, 5, 4, 6], Effects { draws: true, ..Effects::NONE }, {
        /// Which session.
        session: SessionRef = SessionRef::new(0), Argument::SESSION;
        /// Claimed length of the random-number buffer, in bytes.
        size: u32 = 16, Argument::short("size", WireField::Size, SIZES).tempting(10).weighing(7);
        /// Whether the buffer pointer is NULL.
        null: bool = false, Argument::word("null", WireField::ModeLow, &["none", "buffer"]).tempting(32);
    };

    /// `finish-refresh`.
    FinishRefresh = 0x07, "finish-refresh", "has the driver XOR the random number into the key",
        odds [1, 3, 2, 4, 34, 4, 6], Effects::SPENDS, {
        /// Which session.
        session: SessionRef = SessionRef::new(0), Argument::SESSION;
    };

    /// `submit-buffer`: one AES-CTR buffer under the key that the client holds at this moment.
    SubmitBuffer = 0x08, "submit-buffer", "queues one buffer encrypted under the key of this moment",
        odds [1, 5, 3, 30, 20, 4, 8], Effects { allocates: true, ..Effects::NONE }, {
        /// Which session.
        session: SessionRef = SessionRef::new(0), Argument::SESSION;
        /// IV, as a number.
        iv: u64 = 1,
            Argument::long("iv", WireField::X, IVS).usually(Usual::Counters).rising().weighing(3);
        /// Count of the first block, as a number.
        count: u64 = 0,
            Argument::long("count", WireField::Y, COUNTS).usually(Usual::Counters).weighing(2);
        /// Claimed length of the data, in bytes.
        len: u32 = 16,
            Argument::buffer_len("len", WireField::Size).usually(Usual::Counters).weighing(2);
        /// Which pointer is NULL, if any.
        null: NullPointer = NullPointer::None,
            Argument::word("null", WireField::ModeLow, NullPointer::WORDS).usually(Usual::Counters);
    };

    /// `session-status`.
    SessionStatus = 0x09, "session-status", "asks whether the session still has its key",
        odds [1, 2, 2, 3, 3, 4, 12], Effects::NONE, {
        /// Which session.
        session: SessionRef = SessionRef::new(0), Argument::SESSION;
    };

    /// `retire`: the GPU timeline advances.
    Retire = 0x0A, "retire", "lets the GPU complete up to so many commands",
        odds [1, 3, 2, 10, 8, 4, 3], Effects::SPENDS, {
        /// By at most this many commands.
        count: u32 = 1,
            Argument::short("", WireField::Size, FEW).usually(Usual::From(1, 3)).tempting(8);
        /// How much room there is for what they produce.
        room: Room = Room::Enough,
            Argument::word("room", WireField::Mode, Room::WORDS).tempting(8);
    };

    /// `reset-engine`: the tear-down event.
    ResetEngine = 0x0B, "reset-engine", "resets the engine: every session key is lost",
        odds [1, 1, 1, 2, 3, 4, 2], Effects::SPENDS;

    /// `inject-entropy`: what the entropy source answers to the next draws.
    InjectEntropy = 0x0C, "inject-entropy", "makes the entropy source misbehave for so many draws",
        odds [1, 1, 1, 3, 2, 4, 1], Effects::INJECTS, {
        /// The fault.
        fault: EntropyFault = EntropyFault::Fail,
            Argument::word("", WireField::Mode, EntropyFault::WORDS).usually(Usual::AnyWord);
        /// How many draws it lasts.
        draws: u32 = 1, Argument::short("draws", WireField::Size, FEW).tempting(4);
    };

    /// `inject-allocation-failure`: one allocation request is refused, of the next driver call that
    /// makes any.
    InjectAllocationFailure = 0x0D, "inject-allocation-failure",
        "refuses one allocation of the next call that makes any",
        odds [1, 1, 2, 3, 3, 4, 1], Effects::INJECTS, {
        /// How many requests of that call are granted first.
        after: u32 = 0,
            Argument::short("after", WireField::Size, &[0, 1, 2, 3, 4, 8]).usually(Usual::From(0, 4));
    };

    /// `encryption-blt-key`: `GetEncryptionBltKey`.
    EncryptionBltKey = 0x18, "encryption-blt-key",
        "has the driver make a new read-back key and hand it out wrapped",
        odds [1, 2, 2, 7, 7, 4, 4], Effects { draws: true, ..Effects::SPENDS }, {
        /// Which session.
        session: SessionRef = SessionRef::new(0), Argument::SESSION;
        /// Claimed length of the buffer for the wrapped key, in bytes.
        size: u32 = 16, Argument::short("size", WireField::Size, SIZES).tempting(10).weighing(7);
        /// Whether the buffer pointer is NULL.
        null: bool = false, Argument::word("null", WireField::ModeLow, &["none", "buffer"]).tempting(32);
    };

    /// `content-protection-caps`: `GetCaps` of type `D3DDDICAPS_GETCONTENTPROTECTIONCAPS`.
    ContentProtectionCaps = 0x10, "content-protection-caps",
        "asks what the driver can do for a cipher and a decode profile",
        odds [3, 2, 1, 1, 1, 2, 1], Effects::NONE, {
        /// For which cipher; `null` asks for any.
        crypto: CryptoType = CryptoType::Aes128Ctr,
            Argument::word("type", WireField::ModeLow, CryptoType::WORDS).tempting(4);
        /// For which decode profile.
        profile: DecodeProfile = DecodeProfile::None,
            Argument::word("profile", WireField::ModeHigh, DecodeProfile::WORDS).tempting(4);
        /// Claimed length of the buffer for the structure, in bytes.
        size: u32 = 40, Argument::short("size", WireField::Size, CAPS_SIZES).tempting(10).weighing(7);
        /// Whether the buffer pointer is NULL.
        null: bool = false, Argument::word("null", WireField::X, &["none", "buffer"]).tempting(32);
    };

    /// `close-adapter`: the driver goes with everything open, and nothing can be called any more.
    CloseAdapter = 0x0E, "close-adapter", "closes the adapter with all that is open; the end",
        odds [0, 0, 0, 0, 0, 0, 0], Effects::FRAMES;

    /// `open-adapter`: how the adapter is opened. It is always open, so this counts as the first call
    /// only.
    OpenAdapter = 0x0F, "open-adapter", "as the first call: the bounds, and the random numbers to come",
        odds [0, 0, 0, 0, 0, 0, 0], Effects::FRAMES, {
        /// The bounds that the driver keeps.
        bounds: BoundsChoice = BoundsChoice::Small,
            Argument::word("bounds", WireField::Mode, BoundsChoice::WORDS);
        /// Seed of the random numbers that the entropy source answers.
        entropy: u32 = 0, Argument::short("entropy", WireField::Size, &[0, 1, 2, u32::MAX as u64]);
    };
}

/// Opcodes and words kept for the entries of the interface that no call drives.
///
/// Opcode 0x23 is left out on purpose: it is `#`, with which the text form begins.
pub const RESERVED: &[(u8, &str)] = &[
    (0x11, "key-exchange-type"),
    (0x12, "private-session-size"),
    (0x13, "certificate-size"),
    (0x14, "certificate"),
    (0x15, "encryption-blt"),
    (0x16, "decryption-blt"),
    (0x17, "pitch"),
    (0x19, "session-handle"),
    (0x1A, "hardware-key-data"),
    (0x1B, "private-data-size"),
    (0x20, "create-channel"),
    (0x21, "exchange-channel-key"),
    (0x22, "query-channel"),
    (0x24, "configure-channel"),
    (0x25, "destroy-channel"),
    (0x30, "create-decoder"),
    (0x31, "destroy-decoder"),
    (0x32, "set-decode-target"),
    (0x33, "begin-frame"),
    (0x34, "end-frame"),
    (0x35, "decode-extension"),
    (0x36, "set-hardware-protection"),
];

/// How the adapter of a sequence is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Opening {
    /// The bounds that the driver keeps.
    pub bounds: BoundsChoice,
    /// Seed of the random numbers that the entropy source answers.
    pub entropy: u32,
}

impl Opening {
    /// As the first call says, if it says so.
    #[must_use]
    pub fn of(calls: &[Call]) -> Self {
        match calls.first() {
            Some(&Call::OpenAdapter { bounds, entropy }) => Self { bounds, entropy },
            _ => Self::default(),
        }
    }
}

/// A whole test case: calls in order.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct CallSequence {
    /// The calls; at most [`CALLS_MAX`] of them count.
    pub calls: Vec<Call>,
}

/// The most calls in one sequence: enough to go round a counter of eight bits with three calls each
/// time, and a bound on every run.
pub const CALLS_MAX: usize = 1024;

/// The most calls in a log, which is a sequence only once it has been cut: a run of all of them takes
/// a second, and cutting takes some tens of runs.
pub const LOG_CALLS_MAX: usize = 1_000_000;

impl Call {
    /// Creates a plain session on this device.
    #[must_use]
    pub const fn create_session(device: Slot) -> Self {
        Self::CreateSession {
            device,
            crypto: CryptoType::Aes128Ctr,
            profile: DecodeProfile::None,
            handle: HandleForm::Given,
        }
    }

    /// Destroys this device, by the handle that it got.
    #[must_use]
    pub const fn destroy_device(device: Slot) -> Self {
        Self::DestroyDevice { device, handle: HandleForm::Given }
    }

    /// The device that the call names by itself (not through a session).
    #[must_use]
    pub fn device(&self) -> Option<Slot> {
        let mut copy = *self;
        copy.device_mut().copied()
    }

    /// Whether the call prepares the seams instead of entering the driver.
    #[must_use]
    pub const fn is_injection(&self) -> bool {
        self.kind().descriptor().does.injects
    }

    /// Whether the call enters the driver, which then answers.
    #[must_use]
    pub const fn enters_driver(&self) -> bool {
        let does = self.kind().descriptor().does;
        !does.injects && !does.frames
    }

    /// Its arguments with their values, in their order.
    pub fn arguments(&self) -> impl Iterator<Item = (&'static Argument, u64)> {
        let arguments = self.kind().descriptor().arguments.iter().enumerate();
        arguments.filter_map(|(index, argument)| Some((argument, self.value(index)?)))
    }
}

/// Lengths claimed for the random-number buffer: around 16 bytes, and where a sign bit is set.
const SIZES: &[u64] = &[0, 1, 15, 16, 17, 32, 0x8000_0000, u32::MAX as u64];

/// Lengths claimed for the structure of capabilities: around its 40 bytes, and the 36 that it has where it is
/// packed.
const CAPS_SIZES: &[u64] = &[0, 4, 36, 39, 40, 41, 48, 0x8000_0000, u32::MAX as u64];

/// IVs: around the width of a byte, of 32 bits, of the sign, and the last ones.
const IVS: &[u64] = &[0, 1, 255, 256, u32::MAX as u64, 1 << 32, 1 << 63, u64::MAX - 1, u64::MAX];

/// Counts: the first ones, and those from which a buffer of a few blocks wraps.
const COUNTS: &[u64] = &[0, 1, u32::MAX as u64, 1 << 32, u64::MAX - 2, u64::MAX - 1, u64::MAX];

/// How many commands retire, or draws fail: few, many, all.
const FEW: &[u64] = &[0, 1, 2, 3, 4, 5, 8, 16, 64, 1024, u32::MAX as u64];
