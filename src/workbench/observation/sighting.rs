//! A secret, seen somewhere: which one, during which call, and where.

use core::fmt;

/// A secret by its name. Its bytes are never here.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SecretName {
    /// Key or random number.
    pub kind: SecretKind,
    /// The session slot it belongs to.
    pub session: u16,
    /// The epoch of the session in which a key is in force, or at whose end a random number is
    /// applied; the key that was exchanged is that of epoch 0.
    pub epoch: u32,
}

/// What kind of secret it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SecretKind {
    /// A session key.
    Key,
    /// A refresh random number: public on the wire, a secret once it is spent.
    Random,
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.kind {
            SecretKind::Key => 'K',
            SecretKind::Random => 'R',
        };
        write!(f, "{letter}[s{}, epoch {}]", self.session, self.epoch)
    }
}

/// Eight or more bytes of a secret, seen in a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sighting {
    /// Which secret: an index into [`Trace::secrets`](super::Trace::secrets).
    pub secret: u32,
    /// Which bytes of it were seen first: those from here on, eight at least.
    pub window: u8,
    /// During which call: an index into [`Trace::calls`](super::Trace::calls).
    pub call: u32,
    /// Where.
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
    /// In a heap block that the driver gave back.
    FreedHeap {
        /// Length of the block, in bytes.
        len: u32,
        /// Where in the block, in bytes.
        offset: u32,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Output { offset } => write!(f, "the call's output, at byte {offset}"),
            Self::Debug { encoding } => write!(f, "the driver's Debug text, as {encoding}"),
            Self::Panic { encoding } => write!(f, "the message of a panic, as {encoding}"),
            Self::FreedHeap { len, offset } => {
                write!(f, "a freed heap block of {len} bytes, at byte {offset}")
            }
        }
    }
}
