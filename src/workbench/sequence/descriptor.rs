//! What is known of a kind of call: its word, how often it is made and when, and what else it does.

use super::argument::Argument;
use super::slot::SlotKind;

/// What is known of a kind of call.
#[derive(Debug)]
pub struct Descriptor {
    /// The word that begins the call in the text form.
    pub word: &'static str,
    /// What the call does, in one line.
    pub summary: &'static str,
    /// How often a generator makes it, against the others, in each [`Situation`].
    pub odds: [u8; Situation::COUNT],
    /// What it does beside what the driver answers.
    pub does: Effects,
    /// Its arguments, in the order of the variant's fields.
    pub arguments: &'static [Argument],
}

/// In which situation a generator chooses the next call: what the session in question is ready for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Situation {
    /// No device is open.
    NoDevice,
    /// No session is alive.
    NoSession,
    /// The session has no key.
    Unkeyed,
    /// The session has a key.
    Keyed,
    /// The session is between start and finish.
    Pending,
    /// Nothing is known about sessions: the search without dependencies.
    Unknown,
    /// The session is dead or lost, and others live or it has only just ended.
    Dead,
}

impl Situation {
    /// How many there are.
    pub const COUNT: usize = 7;
}

/// What a call does beside what the driver answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Effects {
    /// What it makes the next slot of, whether or not it succeeds.
    pub creates: Option<SlotKind>,
    /// Whether the driver asks for memory in it.
    pub allocates: bool,
    /// Whether the driver draws random numbers in it.
    pub draws: bool,
    /// Whether a secret may be dead after it, so that live memory is worth looking through.
    pub spends: bool,
    /// Whether it prepares the seams instead of entering the driver.
    pub injects: bool,
    /// Whether it opens or closes the adapter instead of entering it.
    pub frames: bool,
}

impl Effects {
    /// Nothing.
    pub const NONE: Self = Self {
        creates: None,
        allocates: false,
        draws: false,
        spends: false,
        injects: false,
        frames: false,
    };

    /// Ends the life of a secret.
    pub(super) const SPENDS: Self = Self { spends: true, ..Self::NONE };

    /// Prepares the seams.
    pub const INJECTS: Self = Self { injects: true, ..Self::NONE };

    /// Opens or closes the adapter.
    pub(super) const FRAMES: Self = Self { frames: true, ..Self::NONE };

    /// Makes a slot.
    pub(super) const fn creates(kind: SlotKind) -> Self {
        Self { creates: Some(kind), ..Self::NONE }
    }
}
