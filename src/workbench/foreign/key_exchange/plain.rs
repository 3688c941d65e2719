//! A key in the clear, with bytes around it: a key exchange for tests.

use serde::Deserialize;
use zeroize::Zeroize as _;

use super::Mechanism;

/// A key exchange in which the key is in the clear: bytes before it, the key, and bytes behind it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Plain {
    #[serde(default, rename = "mechanism")]
    _mechanism: Mechanism,
    /// Text before the key.
    #[serde(default)]
    before: String,
    /// Bytes between that and the key, in hexadecimal digits.
    #[serde(default, deserialize_with = "hex")]
    before_hex: Vec<u8>,
    /// Bytes behind the key, in hexadecimal digits.
    #[serde(default, deserialize_with = "hex")]
    after_hex: Vec<u8>,
    /// What follows at the end.
    checksum: Option<Checksum>,
}

/// A checksum over all the bytes before it, little-endian.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Checksum {
    /// FNV-1a of 32 bits.
    #[serde(rename = "fnv1a-32")]
    Fnv1a32,
    /// The sum of all bytes in 32 bits.
    #[serde(rename = "sum-32")]
    Sum32,
}

impl Plain {
    /// Wraps a key; whoever has it wipes it.
    pub(in crate::foreign) fn wrap(&self, key: &[u8]) -> Vec<u8> {
        let mut bytes = [self.before.as_bytes(), &self.before_hex, key, &self.after_hex].concat();
        if let Some(checksum) = self.checksum {
            let sum = checksum.of(&bytes).to_le_bytes();
            let mut whole = Vec::with_capacity(bytes.len() + sum.len());
            whole.extend_from_slice(&bytes);
            whole.extend_from_slice(&sum);
            bytes.zeroize();
            return whole;
        }
        bytes
    }
}

impl Checksum {
    fn of(self, bytes: &[u8]) -> u32 {
        let fnv = |sum: u32, byte: &u8| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        let add = |sum: u32, byte: &u8| sum.wrapping_add((*byte).into());
        match self {
            Self::Fnv1a32 => bytes.iter().fold(0x811C_9DC5, fnv),
            Self::Sum32 => bytes.iter().fold(0, add),
        }
    }
}

fn hex<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let byte = |pair: &[u8; 2]| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok();
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    bytes.filter(|_| rest.is_empty()).ok_or_else(|| {
        serde::de::Error::custom(format!("{text:?} is not pairs of hexadecimal digits"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_follows_all_the_rest() {
        let text = "before = \"V1\"\nbefore-hex = \"0aFF\"\nchecksum = \"fnv1a-32\"\n";
        let whole = toml::from_str::<Plain>(text).unwrap().wrap(b"k");
        // FNV-1a of nothing and of "a", as its authors publish them.
        assert_eq!(Checksum::Fnv1a32.of(b""), 0x811C_9DC5);
        assert_eq!(Checksum::Fnv1a32.of(b"a"), 0xE40C_292C);
        assert_eq!(whole[..5], *b"V1\x0a\xffk");
        assert_eq!(whole[5..], Checksum::Fnv1a32.of(&whole[..5]).to_le_bytes());
    }
}
