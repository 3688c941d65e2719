//! What is wrong with what a driver says that it can do.

use rekeylab_ddi::{ContentProtectionCaps, Guid, Limits};

use crate::observation::{Choices, UNTOUCHED};

/// A way in which the capabilities are not what the driver does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CapabilityFault {
    /// Something works and is not advertised: its bit.
    Hidden(u32),
    /// Something is advertised and does not work: its bit.
    Promised(u32),
    /// Bits that no document knows.
    Unknown(u32),
    /// Buffers of another granularity are taken than is said.
    Alignment {
        /// What is said, in bytes.
        said: u32,
        /// What is taken, in bytes.
        taken: u32,
    },
    /// Keys are exchanged in another way than is said.
    KeyExchange,
    /// Something was written where the structure has nothing.
    Padding,
}

/// The first fault of a structure of capabilities.
pub(super) fn fault(
    bytes: &[u8; ContentProtectionCaps::LEN],
    limits: &Limits,
    choices: Choices,
) -> Option<CapabilityFault> {
    use ContentProtectionCaps as Caps;
    let said = Caps::from_bytes(bytes);
    let padding = &bytes[Caps::PADDING];
    let knows_all = !choices.more_capabilities;

    // Of entries that no sequence calls nothing is known where a driver has more.
    let judged = if knows_all {
        Caps::ALL_BITS & !BY_WHOM
    } else {
        Caps::FRESHEN_SESSION_KEY | Caps::ENCRYPTED_READ_BACK_KEY
    };
    let mut works = Caps::FRESHEN_SESSION_KEY | Caps::SEQUENTIAL_CTR_IV;
    if !choices.no_read_back_keys {
        works |= Caps::ENCRYPTED_READ_BACK_KEY;
    }
    let mut hidden = works & judged & !said.caps;
    if said.caps & BY_WHOM == 0 {
        hidden |= Caps::SOFTWARE;
    }
    // What is not advertised is not used; what is, clients rely on, and nobody is free there.
    if choices.has(Choices::HIDDEN_CAPABILITIES) {
        hidden = 0;
    }
    let promised = said.caps & judged & !works;
    let unknown = if knows_all { said.caps & !Caps::ALL_BITS } else { 0 };
    let (alignment, taken) = (said.block_alignment_size.max(1), limits.block_alignment.max(1));
    let is_exchange_right = if knows_all {
        said.key_exchange_type == Guid::KEY_EXCHANGE_PLAIN
    } else {
        said.key_exchange_type != Guid::NULL
    };
    let is_padding_right = padding == [0; 4] || !knows_all && padding == [UNTOUCHED; 4];

    if promised != 0 {
        Some(CapabilityFault::Promised(lowest(promised)))
    } else if hidden != 0 {
        Some(CapabilityFault::Hidden(lowest(hidden)))
    } else if unknown != 0 {
        Some(CapabilityFault::Unknown(unknown))
    } else if alignment != taken {
        Some(CapabilityFault::Alignment { said: alignment, taken })
    } else if !is_exchange_right {
        Some(CapabilityFault::KeyExchange)
    } else {
        (!is_padding_right).then_some(CapabilityFault::Padding)
    }
}

/// The bits that say who does the cryptography, of which one is enough.
const BY_WHOM: u32 = ContentProtectionCaps::SOFTWARE | ContentProtectionCaps::HARDWARE;

/// The lowest bit that is set.
const fn lowest(bits: u32) -> u32 {
    bits & bits.wrapping_neg()
}
