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

    // What a sequence can call; of other entries nothing is known where a driver has more.
    let mut judged = Caps::FRESHEN_SESSION_KEY | Caps::ENCRYPTED_READ_BACK_KEY;
    if knows_all {
        judged = Caps::ALL_BITS & !(Caps::SOFTWARE | Caps::HARDWARE);
    }
    let mut works = Caps::FRESHEN_SESSION_KEY | Caps::SEQUENTIAL_CTR_IV;
    if !choices.no_read_back_keys {
        works |= Caps::ENCRYPTED_READ_BACK_KEY;
    }
    let first = |bits: u32| (bits != 0).then(|| 1 << bits.trailing_zeros());
    let bits = || {
        let hidden = first(works & judged & !said.caps).map(CapabilityFault::Hidden);
        let by_whom = said.caps & (Caps::SOFTWARE | Caps::HARDWARE);
        hidden
            .or_else(|| first(said.caps & judged & !works).map(CapabilityFault::Promised))
            .or_else(|| (by_whom == 0).then_some(CapabilityFault::Hidden(Caps::SOFTWARE)))
    };
    let unknown = said.caps & !Caps::ALL_BITS;
    let is_exchange_right = if knows_all {
        said.key_exchange_type == Guid::KEY_EXCHANGE_PLAIN
    } else {
        said.key_exchange_type != Guid::NULL
    };
    let (said_alignment, taken) = (said.block_alignment_size.max(1), limits.block_alignment.max(1));
    let is_padding_right =
        padding == [0; 4] || choices.more_capabilities && padding == [UNTOUCHED; 4];

    let is_free = choices.has(Choices::CAPABILITIES);
    bits()
        .filter(|_| !is_free)
        .or_else(|| (knows_all && unknown != 0).then_some(CapabilityFault::Unknown(unknown)))
        .or_else(|| {
            let fault = CapabilityFault::Alignment { said: said_alignment, taken };
            (said_alignment != taken).then_some(fault)
        })
        .or_else(|| (!is_exchange_right).then_some(CapabilityFault::KeyExchange))
        .or_else(|| (!is_padding_right).then_some(CapabilityFault::Padding))
}
