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
//! Not read: numbers with a name before each (`b0=12 b1=255`), numbers with a type behind each
//! (`12u8, 255u8`), binary and octal numbers, base32, and text that was encoded twice.

mod base64;
mod escapes;
mod numbers;
mod stream;
mod survey;

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
    /// Numbers of 16 to 128 bits in hex, in either byte order, leading zeros printed or not.
    HexInteger,
    /// A list of bytes in decimal, signed or not.
    DecimalList,
    /// Numbers of 16 to 128 bits in decimal, signed or not, in either byte order.
    DecimalInteger,
    /// Base64, standard or URL alphabet, beginning anywhere.
    Base64,
    /// Characters with escape sequences among them.
    Escaped,
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
    }
}
