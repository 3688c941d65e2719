//! The GUIDs by which the documents name crypto types and decode profiles.

use core::fmt;

/// A GUID as it lies in memory on Windows: the first three fields little-endian.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Guid(pub [u8; 16]);

impl Guid {
    /// All zero: no crypto type, or a session that is not used for decode.
    pub const NULL: Self = Self([0; 16]);
    /// `D3DCRYPTOTYPE_AES128_CTR`, `D3D11_CRYPTO_TYPE_AES128_CTR`.
    pub const CRYPTO_TYPE_AES128_CTR: Self =
        Self::new(0x9B6B_D711, 0x4F74, 0x41C9, 0x9E7B_0BE2_D7D9_3B4F);
    /// `D3DCRYPTOTYPE_PROPRIETARY`.
    pub const CRYPTO_TYPE_PROPRIETARY: Self =
        Self::new(0xAB4E_9AFD, 0x1D1C, 0x46E6, 0xA72F_0869_917B_0DE8);
    /// This project's own key exchange for tests, which protects nothing: the session key as it is.
    pub const KEY_EXCHANGE_PLAIN: Self =
        Self::new(0x9F2C_41D6, 0x6B1E, 0x4D0F, 0x8A37_52E4_C09B_1D68);
    /// `D3DKEYEXCHANGE_RSAES_OAEP`.
    pub const KEY_EXCHANGE_RSAES_OAEP: Self =
        Self::new(0xC194_9895, 0xD72A, 0x4A1D, 0x8E5D_ED85_7D17_1520);
    /// `DXVA_ModeH264_VLD_NoFGT`, the decode profile that the driver core offers.
    pub const DECODE_PROFILE_H264_VLD: Self =
        Self::new(0x1B81_BE68, 0xA0C7, 0x11D3, 0xB984_00C0_4F2E_73C5);

    /// Builds a GUID from its fields as they are written between braces.
    #[must_use]
    pub const fn new(data1: u32, data2: u16, data3: u16, data4: u64) -> Self {
        let a = data1.to_le_bytes();
        let b = data2.to_le_bytes();
        let c = data3.to_le_bytes();
        let d = data4.to_be_bytes();
        Self([
            a[0], a[1], a[2], a[3], b[0], b[1], c[0], c[1], d[0], d[1], d[2], d[3], d[4], d[5],
            d[6], d[7],
        ])
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let g = &self.0;
        write!(
            f,
            "{{{:08X}-{:04X}-{:04X}-{:02X}{:02X}-",
            u32::from_le_bytes([g[0], g[1], g[2], g[3]]),
            u16::from_le_bytes([g[4], g[5]]),
            u16::from_le_bytes([g[6], g[7]]),
            g[8],
            g[9]
        )?;
        g[10..].iter().try_for_each(|byte| write!(f, "{byte:02X}"))?;
        f.write_str("}")
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::Guid;

    #[test]
    fn a_guid_is_little_endian_in_its_first_three_fields_only() {
        assert_eq!(
            Guid::CRYPTO_TYPE_AES128_CTR.0,
            [
                0x11, 0xD7, 0x6B, 0x9B, 0x74, 0x4F, 0xC9, 0x41, 0x9E, 0x7B, 0x0B, 0xE2, 0xD7, 0xD9,
                0x3B, 0x4F
            ]
        );
        assert_eq!(
            Guid::CRYPTO_TYPE_AES128_CTR.to_string(),
            "{9B6BD711-4F74-41C9-9E7B-0BE2D7D93B4F}"
        );
    }
}
