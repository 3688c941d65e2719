//! What was found, in words: which secret, why it should not be there, and where it is.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;

use super::layer::Layer;
use crate::gate::Register;
use crate::text::Encoding;

/// A secret where it must not be. Its bytes are never here.
///
/// Displayed, it is one line that says all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The name of the secret.
    pub secret: Cow<'static, str>,
    /// Which of its bytes, from the first seen to the last.
    pub bytes: RangeInclusive<u32>,
    /// Where the first of them was.
    pub place: Place,
    /// Why they should not be there.
    pub why: Why,
    /// When they were first seen.
    pub seen: Moment,
}

/// Why a place is the wrong one for a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// The secret was retired, and must be nowhere.
    Retired {
        /// The call before that; if it was the first thing to happen, the start.
        after: Moment,
        /// The caller's reason.
        reason: Cow<'static, str>,
    },
    /// The place is dead: freed, used and left, or a register after the return. No secret may
    /// stay there, however much alive it is elsewhere.
    LeftBehind,
    /// The secret lives, and this is none of the homes that were allowed.
    OutsideItsHomes,
    /// It was given out or printed.
    GivenOut,
    /// The other way round: this is its home, and the secret is not there, or not all of it.
    NotAtHome,
}

/// Where a secret was.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// In a heap block of the sanitizer's arena.
    Heap {
        /// From the block's start, in bytes; from its length on, behind its end.
        offset: u32,
        /// The block's length in bytes.
        len: u32,
        /// The call that allocated it.
        allocated: Moment,
        /// The call that freed it, if one has.
        freed: Option<Moment>,
    },
    /// In a heap block that was being freed and came from elsewhere.
    FreedBlock {
        /// From the block's start, in bytes.
        offset: u32,
        /// The block's length in bytes.
        len: u32,
    },
    /// On the stack that a call had used.
    Stack {
        /// Bytes below the entry of the call.
        depth: u32,
    },
    /// In a register, when a call had returned.
    Register {
        /// Which one.
        register: Register,
        /// Its byte.
        offset: u8,
    },
    /// In a static or a thread-local.
    Static {
        /// Its name.
        name: String,
        /// From its start, in bytes.
        offset: u32,
    },
    /// In a buffer that was passed.
    Output {
        /// The caller's name for it.
        name: String,
        /// From its start, in bytes.
        offset: u32,
    },
    /// In a text that was passed.
    Text {
        /// The caller's name for it.
        name: String,
        /// The line of the text, from 1.
        line: u32,
        /// How it was written there.
        encoding: Encoding,
    },
}

/// When something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before the first call.
    Start,
    /// During a call, or before the next.
    Call {
        /// Its number since the last clear, from 1.
        number: u32,
        /// The caller's name for it.
        name: Cow<'static, str>,
    },
    /// In a scan that was asked for.
    Scan {
        /// The caller's name for it.
        name: String,
    },
}

/// What a look says of a sighting, before anybody asks for words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Retired,
    LeftBehind,
    OutsideItsHomes,
    GivenOut,
    NotAtHome,
}

impl Place {
    /// The layer that looks into such places.
    #[must_use]
    pub fn layer(&self) -> Layer {
        match self {
            Place::Heap { .. } => Layer::Heap,
            Place::FreedBlock { .. } => Layer::FreedBlocks,
            Place::Stack { .. } => Layer::Stack,
            Place::Register { .. } => Layer::Registers,
            Place::Static { .. } => Layer::Statics,
            Place::Output { .. } => Layer::Outputs,
            Place::Text { .. } => Layer::Texts,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { secret, bytes, place, why, seen } = self;
        let (first, last) = (bytes.start(), bytes.end());
        if *why == Why::NotAtHome {
            return write!(f, "{secret} is not whole in its home, {place}; seen in {seen}");
        }
        write!(f, "{secret}, bytes {first} to {last}, {place}; {why}; seen in {seen}")
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Retired { after, reason } => write!(f, "retired after {after}: {reason}"),
            Why::LeftBehind => f.write_str("no secret may be left there"),
            Why::OutsideItsHomes => f.write_str("outside its homes"),
            Why::GivenOut => f.write_str("no secret may be given out"),
            Why::NotAtHome => f.write_str("not whole in its home"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Heap { offset, len, allocated, freed } => {
                match offset.checked_sub(*len) {
                    None => write!(f, "at byte {offset} of")?,
                    Some(behind) => write!(f, "{behind} bytes behind the end of")?,
                }
                write!(f, " a heap block of {len} bytes, allocated in {allocated}")?;
                freed.iter().try_for_each(|call| write!(f, ", freed in {call}"))
            }
            Place::FreedBlock { offset, len } => {
                write!(f, "at byte {offset} of a heap block of {len} bytes that was being freed")
            }
            Place::Stack { depth } => write!(f, "on the dead stack, {depth} bytes below the entry"),
            Place::Register { register, offset } => {
                write!(f, "in register {register} from byte {offset} on")
            }
            Place::Static { name, offset } => write!(f, "at byte {offset} of the static {name}"),
            Place::Output { name, offset } => write!(f, "at byte {offset} of the output {name}"),
            Place::Text { name, line, encoding } => {
                write!(f, "in line {line} of the text {name}, as {encoding}")
            }
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Moment::Start => f.write_str("the start"),
            Moment::Call { number, name } => write!(f, "call {number} ({name})"),
            Moment::Scan { name } => write!(f, "the scan {name}"),
        }
    }
}
