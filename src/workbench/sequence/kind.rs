//! What there is to call: the opcode and the word of every kind, and those kept for later.

#[cfg(doc)]
use super::Call;

/// What a [`Call`] is, without its arguments.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum CallKind {
    /// See [`Call::CreateDevice`].
    CreateDevice = 0x01,
    /// See [`Call::DestroyDevice`].
    DestroyDevice = 0x02,
    /// See [`Call::CreateSession`].
    CreateSession = 0x03,
    /// See [`Call::DestroySession`].
    DestroySession = 0x04,
    /// See [`Call::ExchangeKey`].
    ExchangeKey = 0x05,
    /// See [`Call::StartRefresh`].
    StartRefresh = 0x06,
    /// See [`Call::FinishRefresh`].
    FinishRefresh = 0x07,
    /// See [`Call::SubmitBuffer`].
    SubmitBuffer = 0x08,
    /// See [`Call::SessionStatus`].
    SessionStatus = 0x09,
    /// See [`Call::Retire`].
    Retire = 0x0A,
    /// See [`Call::ResetEngine`].
    ResetEngine = 0x0B,
    /// See [`Call::InjectEntropy`].
    InjectEntropy = 0x0C,
    /// See [`Call::InjectAllocationFailure`].
    InjectAllocationFailure = 0x0D,
}

impl CallKind {
    /// Every kind, in the order of the opcodes.
    pub const ALL: &[Self] = &[
        Self::CreateDevice,
        Self::DestroyDevice,
        Self::CreateSession,
        Self::DestroySession,
        Self::ExchangeKey,
        Self::StartRefresh,
        Self::FinishRefresh,
        Self::SubmitBuffer,
        Self::SessionStatus,
        Self::Retire,
        Self::ResetEngine,
        Self::InjectEntropy,
        Self::InjectAllocationFailure,
    ];

    /// The word that begins the call in the text form.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::CreateDevice => "create-device",
            Self::DestroyDevice => "destroy-device",
            Self::CreateSession => "create-session",
            Self::DestroySession => "destroy-session",
            Self::ExchangeKey => "exchange-key",
            Self::StartRefresh => "start-refresh",
            Self::FinishRefresh => "finish-refresh",
            Self::SubmitBuffer => "submit-buffer",
            Self::SessionStatus => "session-status",
            Self::Retire => "retire",
            Self::ResetEngine => "reset-engine",
            Self::InjectEntropy => "inject-entropy",
            Self::InjectAllocationFailure => "inject-allocation-failure",
        }
    }

    /// What the call does, in one line.
    #[must_use]
    pub const fn summary(self) -> &'static str {
        match self {
            Self::CreateDevice => "opens a device on the adapter",
            Self::DestroyDevice => "closes a device and every session it created",
            Self::CreateSession => "makes a crypto session without a key",
            Self::DestroySession => "ends a session for every caller, at once",
            Self::ExchangeKey => "gives a session its key, once in its life",
            Self::StartRefresh => "has the driver draw a random number and hand it out",
            Self::FinishRefresh => "has the driver XOR the random number into the key",
            Self::SubmitBuffer => "queues one buffer encrypted under the key of this moment",
            Self::SessionStatus => "asks whether the session still has its key",
            Self::Retire => "lets the GPU complete up to so many commands",
            Self::ResetEngine => "resets the engine: every session key is lost",
            Self::InjectEntropy => "makes the entropy source misbehave for so many draws",
            Self::InjectAllocationFailure => {
                "refuses one allocation of the next call that makes any"
            }
        }
    }

    /// The opcode on the wire.
    #[must_use]
    pub const fn opcode(self) -> u8 {
        self as u8
    }

    /// The kind with this opcode, or `None` for numbers that are unknown or reserved.
    #[must_use]
    pub fn from_opcode(opcode: u8) -> Option<Self> {
        Self::ALL.get(usize::from(opcode).checked_sub(1)?).copied()
    }
}

/// Opcodes and words kept for the entries of the interface that no call drives.
///
/// Opcode 0x23 is left out on purpose: it is `#`, with which the text form begins.
pub const RESERVED: &[(u8, &str)] = &[
    (0x10, "content-protection-caps"),
    (0x11, "key-exchange-type"),
    (0x12, "private-session-size"),
    (0x13, "certificate-size"),
    (0x14, "certificate"),
    (0x15, "encryption-blt"),
    (0x16, "decryption-blt"),
    (0x17, "pitch"),
    (0x18, "encryption-blt-key"),
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_opcode_and_word_means_one_thing() {
        let opcodes: Vec<u8> = CallKind::ALL.iter().map(|kind| kind.opcode()).collect();
        let reserved = RESERVED.iter().map(|&(opcode, _)| opcode);
        let all: Vec<u8> = opcodes.iter().copied().chain(reserved).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        let words: Vec<&str> = CallKind::ALL.iter().map(|kind| kind.word()).collect();
        let all: Vec<&str> =
            words.iter().copied().chain(RESERVED.iter().map(|&(_, word)| word)).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }

    #[test]
    fn an_opcode_names_its_kind_and_a_reserved_one_names_none() {
        for &kind in CallKind::ALL {
            assert_eq!(CallKind::from_opcode(kind.opcode()), Some(kind));
        }
        for &(opcode, word) in RESERVED {
            assert_eq!(CallKind::from_opcode(opcode), None, "{word}");
        }
        assert_eq!(CallKind::from_opcode(0), None);
        assert_eq!(CallKind::from_opcode(b'#'), None);
    }
}
