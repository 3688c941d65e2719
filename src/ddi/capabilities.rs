//! What a driver says that it can do: `D3DCONTENTPROTECTIONCAPS`.

use crate::Guid;

/// `D3DCONTENTPROTECTIONCAPS`, as numbers.
///
/// In memory it has the layout of a 64-bit machine, little-endian, on every target:
/// [`to_bytes`](Self::to_bytes).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ContentProtectionCaps {
    /// Bits, such as [`FRESHEN_SESSION_KEY`](Self::FRESHEN_SESSION_KEY).
    pub caps: u32,
    /// How the session key is wrapped: one mechanism for each crypto type.
    pub key_exchange_type: Guid,
    /// What the address of a buffer is a multiple of, in bytes; 0 counts as 1 (S-40).
    pub buffer_alignment_start: u32,
    /// What the length of a buffer is a multiple of, in bytes; 0 counts as 1 (S-40).
    pub block_alignment_size: u32,
    /// How much protected memory there is, in bytes.
    pub protected_memory_size: u64,
}

impl ContentProtectionCaps {
    /// Its size in memory, in bytes: what `DataSize` has to be.
    pub const LEN: usize = 40;

    /// The driver does the cryptography in software.
    pub const SOFTWARE: u32 = 0x1;
    /// The GPU does the cryptography.
    pub const HARDWARE: u32 = 0x2;
    /// Protected surfaces are always protected.
    pub const PROTECTION_ALWAYS_ON: u32 = 0x4;
    /// Parts of a buffer may be encrypted and others not.
    pub const PARTIAL_DECRYPTION: u32 = 0x8;
    /// A content key may be given with each buffer.
    pub const CONTENT_KEY: u32 = 0x10;
    /// The session key can be refreshed.
    pub const FRESHEN_SESSION_KEY: u32 = 0x20;
    /// Surfaces can be read back, encrypted.
    pub const ENCRYPTED_READ_BACK: u32 = 0x40;
    /// They are read back under a key of their own, which the driver makes.
    pub const ENCRYPTED_READ_BACK_KEY: u32 = 0x80;
    /// Counters have to be sequential.
    pub const SEQUENTIAL_CTR_IV: u32 = 0x100;
    /// Only the data of slices is encrypted.
    pub const ENCRYPT_SLICEDATA_ONLY: u32 = 0x200;
    /// Every bit that the Direct3D 9 documents know.
    pub const ALL_BITS: u32 = 0x3FF;

    /// The structure as it lies in memory. The four bytes of padding are zero, and show nothing of the
    /// memory that it was made in.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..4].copy_from_slice(&self.caps.to_le_bytes());
        bytes[4..20].copy_from_slice(&self.key_exchange_type.0);
        bytes[20..24].copy_from_slice(&self.buffer_alignment_start.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.block_alignment_size.to_le_bytes());
        bytes[Self::PADDING.end..].copy_from_slice(&self.protected_memory_size.to_le_bytes());
        bytes
    }

    /// Reads the structure from memory, whatever is in its padding.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let number = |at: usize| bytes[at..].first_chunk().map_or(0, |it| u32::from_le_bytes(*it));
        Self {
            caps: number(0),
            key_exchange_type: bytes[4..].first_chunk().map_or(Guid::NULL, |it| Guid(*it)),
            buffer_alignment_start: number(20),
            block_alignment_size: number(24),
            protected_memory_size: bytes.last_chunk().map_or(0, |it| u64::from_le_bytes(*it)),
        }
    }

    /// Where nothing is.
    pub const PADDING: core::ops::Range<usize> = 28..32;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structure_has_the_layout_of_the_header() {
        let caps = ContentProtectionCaps {
            caps: 0x0102_0304,
            key_exchange_type: Guid([7; 16]),
            buffer_alignment_start: 0x1112_1314,
            block_alignment_size: 0x2122_2324,
            protected_memory_size: 0x3132_3334_3536_3738,
        };
        let mut bytes = caps.to_bytes();
        assert_eq!(bytes[..4], [4, 3, 2, 1]);
        assert_eq!(bytes[4..20], [7; 16]);
        assert_eq!(bytes[20..28], [0x14, 0x13, 0x12, 0x11, 0x24, 0x23, 0x22, 0x21]);
        assert_eq!(bytes[28..32], [0; 4]);
        assert_eq!(bytes[32..], [0x38, 0x37, 0x36, 0x35, 0x34, 0x33, 0x32, 0x31]);
        bytes[ContentProtectionCaps::PADDING].fill(9);
        assert_eq!(ContentProtectionCaps::from_bytes(&bytes), caps);
    }
}
