//! A secret, seen somewhere: which one, during which call, and where.

use core::fmt;

pub use keysan::gate::Register;
pub use keysan::heap::Block;

use serde::{Deserialize, Serialize};

use super::{Layer, handed};

/// A secret by its name. Its bytes are never here.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct SecretName {
    /// What it is.
    pub kind: SecretKind,
    /// The session slot it belongs to.
    pub session: u16,
    /// The epoch of the session in which a key is in force, or at whose end a random number is
    /// applied; the key that was exchanged is that of epoch 0. Of a read-back key, which of its session
    /// it is, from 1.
    pub epoch: u32,
}

/// What kind of secret it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum SecretKind {
    /// A session key.
    Key,
    /// A refresh random number: public on the wire, a secret once it is spent.
    Random,
    /// A read-back key: made by the driver, and known to the client by its wrap.
    ReadBackKey,
    /// The round keys of a session key, which nobody needs between calls.
    RoundKey,
    /// The first block of the keystream of a buffer.
    Keystream,
}

impl SecretKind {
    /// Whether it may exist during a call only.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        match self {
            Self::Key | Self::Random | Self::ReadBackKey => false,
            Self::RoundKey | Self::Keystream => true,
        }
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            SecretKind::Key => "K",
            SecretKind::Random => "R",
            SecretKind::ReadBackKey => {
                return write!(f, "B[s{}, number {}]", self.session, self.epoch);
            }
            SecretKind::RoundKey => "a round key of K",
            SecretKind::Keystream => "keystream of K",
        };
        write!(f, "{what}[s{}, epoch {}]", self.session, self.epoch)
    }
}

/// Eight or more bytes of a secret, seen in a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Sighting {
    /// Which secret: an index into [`Trace::secrets`](super::Trace::secrets).
    pub secret: u32,
    /// Which bytes of it were seen first: those from here on, eight at least.
    pub window: u8,
    /// During which call: an index into [`Trace::calls`](super::Trace::calls).
    pub call: u32,
    /// Where.
    #[serde(with = "handed::place")]
    pub place: Place,
}

/// Where a secret was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// In the buffer that the call gives back, this many bytes from its start.
    Output {
        /// Offset in bytes.
        offset: u32,
    },
    /// In a line of the driver's log.
    Log {
        /// Which line of the call, from 1.
        line: u32,
        /// How it was written there.
        encoding: keysan::text::Encoding,
    },
    /// In what `Debug` of the driver shows after the call.
    Debug {
        /// How it was written there.
        encoding: keysan::text::Encoding,
    },
    /// In the message of a panic.
    Panic {
        /// How it was written there.
        encoding: keysan::text::Encoding,
    },
    /// In a heap block at the moment the driver gave it back.
    FreedHeap {
        /// The block.
        block: Block,
        /// Where in the block, in bytes.
        offset: u32,
    },
    /// In the driver's heap, outside every home.
    Heap {
        /// The block.
        block: Block,
        /// Where in the block, in bytes; behind its length is the gap to the next.
        offset: u32,
    },
    /// In a home that the driver declares, where it does not belong.
    Home {
        /// The home.
        home: Home,
    },
    /// In the part of the stack that the call had used.
    Stack {
        /// How far below the call's entry, in bytes.
        depth: u32,
    },
    /// In a register at the instant the call returned.
    Register {
        /// Which register.
        register: Register,
        /// Where in the register, in bytes.
        offset: u32,
    },
    /// In a static.
    Static {
        /// Its name.
        name: &'static str,
        /// Where in it, in bytes.
        offset: u32,
    },
    /// In a thread-local.
    ThreadLocal {
        /// Its name.
        name: &'static str,
        /// Where in it, in bytes.
        offset: u32,
    },
    /// In how much there is, or where: with another key the same calls leave another shape.
    Shape {
        /// What is another.
        of: Shaped,
    },
}

/// What can have another shape with another key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shaped {
    /// How much of the heap is in use.
    Heap,
    /// How deep the stack of a call is.
    Stack,
    /// Where a home lies.
    Home,
    /// What is done at all.
    Way,
    /// What lies in the heap between blocks.
    Gap,
}

impl Place {
    /// The layer that looks into such places.
    #[must_use]
    pub const fn layer(&self) -> Layer {
        match self {
            Self::Output { .. } => Layer::Outputs,
            Self::Log { .. } | Self::Panic { .. } => Layer::Log,
            Self::Debug { .. } => Layer::Debug,
            Self::FreedHeap { .. } => Layer::FreedHeap,
            Self::Heap { .. } => Layer::Heap,
            Self::Home { .. } => Layer::Homes,
            Self::Stack { .. } => Layer::Stack,
            Self::Register { .. } => Layer::Registers,
            Self::Static { .. } | Self::ThreadLocal { .. } => Layer::Statics,
            Self::Shape { .. } => Layer::Differential,
        }
    }
}

impl Home {
    /// Whether it is for a mark by which something is known again, which is no secret itself.
    #[must_use]
    pub const fn is_of_a_mark(&self) -> bool {
        matches!(self, Self::LastMark { .. } | Self::ReadBackMark { .. })
    }
}

/// A home that a driver declares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Home {
    /// Of a session's key.
    Key {
        /// The session slot.
        session: u16,
    },
    /// Of a session's random number between start and finish.
    Random {
        /// The session slot.
        session: u16,
    },
    /// Of the mark by which a session knows its last random number again.
    LastMark {
        /// The session slot.
        session: u16,
    },
    /// Of a session's read-back key.
    ReadBackKey {
        /// The session slot.
        session: u16,
    },
    /// Of the mark by which a session knows its last read-back key again.
    ReadBackMark {
        /// The session slot.
        session: u16,
    },
    /// Of the key that a queued command was submitted under.
    BoundKey {
        /// The command's fence.
        fence: u64,
    },
}

/// A secret in its home.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stay {
    /// The secret: an index into [`Trace::secrets`](super::Trace::secrets).
    pub secret: u32,
    /// After which call.
    pub call: u32,
    /// The home.
    pub home: Home,
}

/// A home without the secret that lives in it at that time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EmptyHome {
    /// The secret: an index into [`Trace::secrets`](super::Trace::secrets).
    pub secret: u32,
    /// After which call.
    pub call: u32,
    /// The home.
    pub home: Home,
}

/// Words in a row that follow the key and not the payload, whatever is written in them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Following {
    /// After which call: an index into [`Trace::calls`](super::Trace::calls), or their number when
    /// the driver was gone.
    pub call: u32,
    /// Where the first of them is.
    pub place: Place,
    /// How many words of eight bytes.
    pub word_count: u32,
}

/// Text that is another when the key is another, and the same when only the payloads are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TextFollowing {
    /// The call after which it was said.
    pub call: u32,
    /// Where it was said.
    pub place: TextPlace,
}

/// Where a driver says something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TextPlace {
    /// In its log.
    Log {
        /// Which line of what the call logged; counts from 1.
        line: u32,
    },
    /// In its `Debug` text.
    Debug,
}

impl fmt::Display for TextPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log { line } => write!(f, "line {line} of the log"),
            Self::Debug => f.write_str("the `Debug` text"),
        }
    }
}

/// A byte that nobody had promised the driver was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StrayWrite {
    /// The block, or the one in front of the gap.
    #[serde(with = "handed::block")]
    pub block: Block,
    /// Where, in bytes from the start of the block.
    pub offset: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Output { offset } => write!(f, "the call's output, at byte {offset}"),
            Self::Log { line, encoding } => {
                write!(f, "line {line} of the call's log, as {encoding}")
            }
            Self::Debug { encoding } => write!(f, "the driver's Debug text, as {encoding}"),
            Self::Panic { encoding } => write!(f, "the message of a panic, as {encoding}"),
            Self::FreedHeap { block, offset } => {
                write!(f, "a heap block that was being freed, at byte {offset} of {block}")
            }
            Self::Heap { block, offset } if *offset >= block.len => {
                write!(f, "the heap, {} bytes behind the end of {block}", offset - block.len)
            }
            Self::Heap { block, offset } => write!(f, "the heap, at byte {offset} of {block}"),
            Self::Home { home } => write!(f, "{home}"),
            Self::Stack { depth } => {
                write!(f, "the dead stack, {depth} bytes below the entry of the call")
            }
            Self::Register { register, offset } => {
                write!(f, "register {register}, at byte {offset}, when the call returned")
            }
            Self::Static { name, offset } => write!(f, "the static {name}, at byte {offset}"),
            Self::ThreadLocal { name, offset } => {
                write!(f, "the thread-local {name}, at byte {offset}")
            }
            Self::Shape { of } => f.write_str(match of {
                Shaped::Heap => "how much of the heap is in use",
                Shaped::Stack => "how much stack the call took",
                Shaped::Home => "where a home of a secret lies",
                Shaped::Way => "what the driver does",
                Shaped::Gap => "the heap between two blocks",
            }),
        }
    }
}

impl fmt::Display for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key { session } => write!(f, "the home of the key of s{session}"),
            Self::Random { session } => write!(f, "the home of the random number of s{session}"),
            Self::LastMark { session } => write!(f, "the home of the last mark of s{session}"),
            Self::ReadBackKey { session } => {
                write!(f, "the home of the read-back key of s{session}")
            }
            Self::ReadBackMark { session } => {
                write!(f, "the home of the read-back mark of s{session}")
            }
            Self::BoundKey { fence } => {
                write!(f, "the home of the key bound to the command with fence {fence}")
            }
        }
    }
}
