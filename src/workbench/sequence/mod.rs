//! What to do: call sequences as values, as text and as bytes.
//!
//! | form | file | for |
//! |---|---|---|
//! | value | [`call`], [`kind`], [`words`] | executing, generating, minimising |
//! | text | [`text`] | people, the corpus, reports: the artefact of record |
//! | wire | [`wire`] | engines that mutate bytes |
//!
//! Nothing here knows a driver, and nothing here depends on a clock, on ambient randomness or on
//! the order of a hash table.

pub mod arbitrary;
pub mod argument;
pub mod call;
mod descriptor;
pub mod expand;
pub mod kind;
pub mod misuse;
pub mod renumber;
pub mod slot;
pub mod text;
pub mod wire;
pub mod words;

pub use call::{CALLS_MAX, Call, CallKind, CallSequence, LOG_CALLS_MAX, Opening, RESERVED};
pub use descriptor::{Descriptor, Effects, Situation};
pub use slot::{SessionRef, Slot, SlotKind};
pub use text::{Entry, ParseError, ParseErrorKind, Remark, SequenceText, is_text};
pub use words::{
    Blob, BoundsChoice, CryptoType, DecodeProfile, EntropyFault, HandleForm, NullPointer, Room,
    Shape,
};

impl CallSequence {
    /// Reads a sequence from any bytes: text if they begin like text and parse, else wire.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut sequence = Self::default();
        Self::from_bytes_into(bytes, &mut sequence);
        sequence
    }

    /// The same, into a sequence whose memory is used again.
    ///
    /// Text that does not parse is read as wire, not refused: an engine that mutates a text seed
    /// must still get a sequence for every input.
    pub fn from_bytes_into(bytes: &[u8], sequence: &mut Self) {
        if is_text(bytes)
            && let Ok(text) = str::from_utf8(bytes)
            && let Ok(parsed) = SequenceText::parse(text)
        {
            sequence.calls.clear();
            sequence.calls.extend(parsed.entries.iter().map(|entry| entry.call));
        } else {
            wire::decode_into(bytes, sequence);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
