//! Finds secrets in printed text by decoding the text, not by encoding the secrets.
//!
//! A key reaches a log as hex, as a list of numbers, as one large number, as base64 or escaped.
//! Each stretch of text that can be read in one of these ways is decoded to bytes, and the bytes
//! are scanned. So the secrets stay masked, and any eight bytes of one are enough:
//!
//! ```
//! use keysan::SecretSet;
//! use keysan::text::{Encoding, Scratch, scan_text};
//!
//! let secret = 0x3ac5_910e_77d2_48bf_06e9_5c83_1df4_a06b_u128.to_be_bytes();
//! let mut set = SecretSet::new();
//! set.register(&secret, 7)?;
//!
//! let mut seen = Vec::new();
//! let line = format!("refresh failed, key was {:?}", &secret[..8]);
//! scan_text(&set, &line, &mut Scratch::new(), &mut |sighting| seen.push(sighting.encoding));
//! assert_eq!(seen, [Encoding::DecimalList]);
//! # Ok::<(), keysan::SetIsFull>(())
//! ```
//!
//! Not read: numbers with a name before each (`b0=12 b1=255`) unless each has a line of its own, binary and octal
//! numbers, base58 and numbers of more than 8192 bits, and text that was encoded twice, but for hex in base64.

mod base32;
mod base64;
mod escapes;
mod lines;
mod numbers;
mod stream;
mod survey;
mod wide;

use std::fmt;

use crate::secret_set::{SecretSet, Sighting};
use numbers::Radix;
pub use stream::Scratch;
use stream::Stream;
use survey::Survey;

/// How the secret was printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// The bytes themselves, or one character for each byte.
    Raw,
    /// Hex digits of bytes, in groups of any size.
    Hex,
    /// Numbers of 16 bits and more in hex, in either byte order, leading zeros printed or not.
    HexInteger,
    /// A list of bytes in decimal, signed or not.
    DecimalList,
    /// Numbers of 16 bits and more in decimal, in either byte order; signed or not up to 128 bits.
    DecimalInteger,
    /// Base64, standard or URL alphabet, beginning anywhere.
    Base64,
    /// Characters with escape sequences among them.
    Escaped,
    /// Base32 in the alphabets of RFC 4648, Bech32 and Crockford, beginning anywhere.
    Base32,
    /// Base58 as Bitcoin has it, alone between other characters.
    Base58,
    /// Hex digits that were encoded in base64.
    HexInBase64,
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Encoding::Raw => "raw",
            Encoding::Hex => "hex",
            Encoding::HexInteger => "hex integer",
            Encoding::DecimalList => "decimal list",
            Encoding::DecimalInteger => "decimal integer",
            Encoding::Base64 => "base64",
            Encoding::Escaped => "escaped",
            Encoding::Base32 => "base32",
            Encoding::Base58 => "base58",
            Encoding::HexInBase64 => "hex in base64",
        })
    }
}

/// Eight bytes of a secret, read out of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextSighting {
    /// The caller's name of the secret.
    pub tag: u32,
    /// Which eight bytes: they begin at this offset of the secret, 0 to 8.
    pub window: u8,
    /// The byte of the text where the stretch begins that was decoded; for raw bytes exactly
    /// where the eight bytes begin.
    pub position: usize,
    /// How it was printed.
    pub encoding: Encoding,
}

/// Reads `text` in every way it can be read and scans what it says.
///
/// A copy that can be read in two ways (hex bytes are also a hex number) is sighted in both. What
/// is decoded passes through `scratch` and is wiped from it before this returns.
pub fn scan_text(
    set: &SecretSet,
    text: &str,
    scratch: &mut Scratch,
    sink: &mut dyn FnMut(TextSighting),
) {
    let bytes = text.as_bytes();
    if set.is_empty() || bytes.len() < 8 {
        return;
    }
    set.scan_bytes(bytes, &mut |Sighting { tag, window, position }| {
        sink(TextSighting { tag, window, position, encoding: Encoding::Raw });
    });
    let survey = Survey::of(bytes);
    let stream = &mut Stream::new(set, scratch, sink);
    if !bytes.is_ascii() {
        escapes::scan_characters(text, stream);
    }
    if survey.has_backslash() {
        escapes::scan(text, stream);
    }
    if survey.may_hold_hex() {
        numbers::scan(bytes, Radix::Hex, stream);
    }
    if survey.may_hold_decimals() {
        numbers::scan(bytes, Radix::Decimal, stream);
    }
    if survey.may_hold_base64() {
        base64::scan(bytes, stream);
        // Their digits are all digits of base64, too, and they need as many of them.
        base32::scan(bytes, stream);
        wide::scan_base58(bytes, stream);
    }
    if bytes.contains(&b'\n') {
        lines::scan(bytes, stream);
    }
}
