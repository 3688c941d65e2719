//! The layers of looking: which kinds of places an execution looks into for secrets.

use core::fmt;
use core::ops::BitOr;

use serde::{Deserialize, Serialize};

/// One kind of place that is looked into, and when.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Layer {
    /// What a call writes back: buffers, handles, fences. After every call.
    Outputs,
    /// The driver's log and the messages of its panics. Whenever there is one.
    Log,
    /// What `Debug` of the driver shows. After every call.
    Debug,
    /// Heap blocks at the moment they are freed.
    FreedHeap,
    /// The whole heap of the driver, live and freed. After calls at which a secret dies, and when
    /// the driver is gone.
    Heap,
    /// The homes that the driver declares: whether each holds the secret it should. With `Heap`.
    Homes,
    /// The part of the stack that a call dirtied. After every call.
    Stack,
    /// All registers at the instant a call returns. After every call.
    Registers,
    /// Writable statics and thread-locals of the driver. With `Heap`.
    Statics,
    /// Not a place: what is made of a key, round keys and keystream, is searched for too, in every
    /// other layer.
    Derived,
    /// Words that follow the key and not the payload, in four more runs of the sequence.
    Differential,
}

impl Layer {
    /// Every layer.
    pub const ALL: [Self; 11] = [
        Self::Outputs,
        Self::Log,
        Self::Debug,
        Self::FreedHeap,
        Self::Heap,
        Self::Homes,
        Self::Stack,
        Self::Registers,
        Self::Statics,
        Self::Derived,
        Self::Differential,
    ];

    /// Its name in reports and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Outputs => "outputs",
            Self::Log => "log",
            Self::Debug => "debug",
            Self::FreedHeap => "freed-heap",
            Self::Heap => "heap",
            Self::Homes => "homes",
            Self::Stack => "stack",
            Self::Registers => "registers",
            Self::Statics => "statics",
            Self::Derived => "derived",
            Self::Differential => "differential",
        }
    }
}

/// A set of layers.
#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Layers(u16);

impl Layers {
    /// Nothing is looked into.
    pub const NONE: Self = Self(0);
    /// What costs next to nothing: the fast lane.
    pub const FAST: Self = Self::NONE.with(Layer::Outputs).with(Layer::Log).with(Layer::FreedHeap);
    /// Every place after every call or where a secret dies: the gated lane.
    pub const GATED: Self = Self::FAST
        .with(Layer::Heap)
        .with(Layer::Homes)
        .with(Layer::Stack)
        .with(Layer::Registers)
        .with(Layer::Statics);
    /// Everything.
    pub const ALL: Self =
        Self::GATED.with(Layer::Debug).with(Layer::Derived).with(Layer::Differential);

    /// This set and one layer more.
    #[must_use]
    pub const fn with(self, layer: Layer) -> Self {
        Self(self.0 | 1 << layer as u16)
    }

    /// This set but for one layer.
    #[must_use]
    pub const fn without(self, layer: Layer) -> Self {
        Self(self.0 & !(1 << layer as u16))
    }

    /// Whether the layer is in the set.
    #[must_use]
    pub const fn has(self, layer: Layer) -> bool {
        self.0 & 1 << layer as u16 != 0
    }

    /// Whether one of those layers is in the set.
    const fn has_any(self, layers: Self) -> bool {
        self.0 & layers.0 != 0
    }

    /// The names of those in the set.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        self.iter().map(Layer::name).collect()
    }

    /// The layers with these names, separated by commas; the first name that no layer has otherwise.
    ///
    /// # Errors
    ///
    /// The name that there is not.
    pub fn from_names(names: &str) -> Result<Self, &str> {
        let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
        let by_name = |name| Layer::ALL.into_iter().find(|layer| layer.name() == name).ok_or(name);
        names.map(by_name).collect()
    }

    /// What is in this set and not in the other.
    #[must_use]
    pub const fn except(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What is in both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether a call must go through the gate for these layers.
    #[must_use]
    pub const fn need_the_gate(self) -> bool {
        self.has_any(Self::NONE.with(Layer::Stack).with(Layer::Registers))
    }

    /// Whether so much is looked into that every call is worth a look around, not only those at
    /// which a secret dies.
    #[must_use]
    pub const fn are_thorough(self) -> bool {
        self.has(Layer::Debug) && self.look_around()
    }

    /// Whether the places where a secret dies are looked into.
    #[must_use]
    pub const fn look_around(self) -> bool {
        self.has_any(Self::NONE.with(Layer::Heap).with(Layer::Homes).with(Layer::Statics))
    }

    /// The layers in the set, in the order of [`Layer::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Layer> {
        Layer::ALL.into_iter().filter(move |&layer| self.has(layer))
    }
}

impl BitOr for Layers {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl FromIterator<Layer> for Layers {
    fn from_iter<I: IntoIterator<Item = Layer>>(layers: I) -> Self {
        layers.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
