//! Where a sanitizer looks, where it cannot look on this machine, and why.

use std::fmt;

use crate::gate::GateNotProven;
use crate::heap::{NotAttached, NotProven};

/// A kind of place where secrets are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Layer {
    /// Heap blocks at the moment a call frees them.
    FreedBlocks,
    /// Everything that calls allocated since the last clear, freed or not, when a scan is asked
    /// for.
    Heap,
    /// The part of the stack that a call used, when it has returned.
    Stack,
    /// All registers, when a call has returned.
    Registers,
    /// The statics and thread-locals that were named, when a scan is asked for.
    Statics,
    /// Buffers that the caller passes.
    Outputs,
    /// Texts that the caller passes, and messages of panics.
    Texts,
}

impl Layer {
    /// All layers, in the order in which they are declared.
    pub const ALL: [Layer; 7] = [
        Layer::FreedBlocks,
        Layer::Heap,
        Layer::Stack,
        Layer::Registers,
        Layer::Statics,
        Layer::Outputs,
        Layer::Texts,
    ];
}

/// A layer that is not looked into: what is there stays unseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlindSpot {
    /// The layer.
    pub layer: Layer,
    /// Why.
    pub why: WhyBlind,
}

/// Why a layer is not looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhyBlind {
    /// This system, or this processor, is not served.
    NotPorted,
    /// [`ScanningAllocator`](crate::heap::ScanningAllocator) is not the program's global allocator.
    NotInstalled,
    /// The program was stripped of its symbols.
    Stripped,
    /// [`Keysan::watch_statics`](super::Keysan::watch_statics) was not called.
    NotAsked,
    /// It was called, and said of no static's name that it is meant.
    NoneNamed,
    /// [`Keysan::leave_out`](super::Keysan::leave_out) was called.
    LeftOut,
    /// Memory from before the last [`clear`](super::Keysan::clear) is still in use, by a cache of the
    /// process perhaps, and lies where no scan looks. All other memory is looked into as usual.
    HeldOver,
}

/// Why no sanitizer was opened.
///
/// What this machine merely lacks is a [`BlindSpot`] and no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no arena to be had; most often because this thread has a sanitizer already.
    Arena(NotAttached),
    /// Freed blocks are looked into, and a canary was not found in one.
    FreedBlocks(NotProven),
    /// Stack and registers are looked into, and something left there was not found.
    Gate(GateNotProven),
}

/// A look that was none, so that silence means nothing: the run is void.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Void {
    /// Where it looked.
    pub layer: Layer,
    /// What was wrong with it.
    pub why: WhyVoid,
}

/// What was wrong with a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhyVoid {
    /// It did not find the canary that was planted for it.
    CanaryNotSeen,
    /// Calls allocated more than the arena holds, and the rest was not scanned.
    ArenaIsFull,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Layer::FreedBlocks => "freed heap blocks",
            Layer::Heap => "heap",
            Layer::Stack => "dead stack",
            Layer::Registers => "registers",
            Layer::Statics => "statics",
            Layer::Outputs => "outputs",
            Layer::Texts => "texts",
        })
    }
}

impl fmt::Display for BlindSpot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.layer, self.why)
    }
}

impl fmt::Display for WhyBlind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WhyBlind::NotPorted => "not ported to this system",
            WhyBlind::NotInstalled => "the global allocator is not keysan's",
            WhyBlind::Stripped => "the program was stripped of its symbols",
            WhyBlind::NotAsked => "no statics were asked for",
            WhyBlind::NoneNamed => "no static has a name that was asked for",
            WhyBlind::LeftOut => "left out by the caller",
            WhyBlind::HeldOver => "memory of an earlier sequence is still in use",
        })
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Arena(why) => write!(f, "no arena for the heap: {why}"),
            OpenError::FreedBlocks(why) => write!(f, "freed heap blocks: {why}"),
            OpenError::Gate(why) => write!(f, "stack and registers: {why}"),
        }
    }
}

impl fmt::Display for Void {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.why {
            WhyVoid::CanaryNotSeen => "the canary was not sighted",
            WhyVoid::ArenaIsFull => "the arena had no room for all that was allocated",
        };
        write!(f, "the run is void: {}: {why}", self.layer)
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(match self {
            OpenError::Arena(why) => why,
            OpenError::FreedBlocks(why) => why,
            OpenError::Gate(why) => why,
        })
    }
}

impl std::error::Error for Void {}
