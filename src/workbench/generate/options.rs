//! Which parts of the search are on: each can be switched off, to measure what it is worth.

use rekeylab_ddi::Limits;

use crate::sequence::words::BoundsChoice;

/// Limits that a few calls reach. They are those of the driver core as the workbench opens it, which a
/// test there holds.
pub const SMALL_LIMITS: Limits = Limits {
    devices_max: 4,
    sessions_max: 8,
    generations_max: 3,
    queue_commands_max: 32,
    buffer_len_max: 1024,
    queue_len_max: 4096,
    block_alignment: 16,
    key_exchange_blob_len: 32,
    entropy_draws_max: 4,
};

/// The bounds of a product, as the driver core keeps them there; a test there holds it.
pub const PRODUCT_LIMITS: Limits = Limits {
    generations_max: (1 << 24) - 1,
    buffer_len_max: 64 << 10,
    queue_len_max: 1 << 20,
    ..SMALL_LIMITS
};

/// The limits of a driver, for each choice of bounds that it can be opened with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LimitsAt {
    /// Those of a workbench.
    pub small: Limits,
    /// Those of a product.
    pub product: Limits,
}

impl LimitsAt {
    /// Those of the driver core.
    pub const CORE: Self = Self { small: SMALL_LIMITS, product: PRODUCT_LIMITS };

    /// Those that a driver says for each choice.
    pub fn of_each(limits: impl Fn(BoundsChoice) -> Limits) -> Self {
        Self { small: limits(BoundsChoice::Small), product: limits(BoundsChoice::Product) }
    }

    /// The limits of a driver that is opened with these bounds.
    #[must_use]
    pub const fn of(&self, bounds: BoundsChoice) -> Limits {
        match bounds {
            BoundsChoice::Small => self.small,
            BoundsChoice::Product => self.product,
        }
    }
}

impl From<Limits> for LimitsAt {
    /// A driver of one kind has the same limits always.
    fn from(limits: Limits) -> Self {
        Self { small: limits, product: limits }
    }
}

/// How long sequences are, and which parts of the search are on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SearchOptions {
    /// The limits of the driver, which sequences are made to reach.
    pub limits: Limits,
    /// Those of the driver when it is opened with the bounds of a product.
    pub product_limits: Limits,
    /// Fewest calls of a generated sequence.
    pub calls_min: u32,
    /// Most calls of a generated sequence, not counting what repetition and the ending add.
    pub calls_max: u32,
    /// Calls are also aimed at the dead and through foreign devices.
    pub misdirection: bool,
    /// Arguments are also taken from the boundaries of their range.
    pub boundaries: bool,
    /// The next call depends on what the earlier ones have led to.
    pub dependencies: bool,
    /// A few calls are made over and over, so that bounds and the ends of counters are reached, and
    /// now and then one call twice.
    pub repetition: bool,
    /// Sequences end with devices that come and go and with tables that are filled, where what was
    /// kept or lost by mistake shows. In a search the first ones do, and few later ones.
    pub ending: bool,
    /// Every other sequence goes on from the shortest way to a state, a transition or a depth that
    /// was reached before.
    pub feedback: bool,
}

impl Default for SearchOptions {
    /// Everything on.
    fn default() -> Self {
        Self {
            limits: SMALL_LIMITS,
            product_limits: PRODUCT_LIMITS,
            calls_min: 24,
            calls_max: 48,
            misdirection: true,
            boundaries: true,
            dependencies: true,
            repetition: true,
            ending: true,
            feedback: true,
        }
    }
}

/// A part of the search that can be switched off.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Its name on the command line and in benchmarks.
    pub name: &'static str,
    /// Its switch.
    pub switch: fn(&mut SearchOptions) -> &mut bool,
}

/// Every part.
pub const PARTS: &[Part] = &[
    Part { name: "misdirection", switch: |options| &mut options.misdirection },
    Part { name: "boundaries", switch: |options| &mut options.boundaries },
    Part { name: "dependencies", switch: |options| &mut options.dependencies },
    Part { name: "repetition", switch: |options| &mut options.repetition },
    Part { name: "ending", switch: |options| &mut options.ending },
    Part { name: "feedback", switch: |options| &mut options.feedback },
];

impl SearchOptions {
    /// Everything on, for a driver with these limits.
    #[must_use]
    pub fn within(limits: impl Into<LimitsAt>) -> Self {
        let LimitsAt { small, product } = limits.into();
        Self { limits: small, product_limits: product, ..Self::default() }
    }

    /// The same for a sequence that opens the driver with these bounds.
    #[must_use]
    pub(super) fn at(&self, bounds: BoundsChoice) -> Self {
        let all = LimitsAt { small: self.limits, product: self.product_limits };
        Self { limits: all.of(bounds), ..*self }
    }

    /// The same without one part.
    #[must_use]
    pub fn without(mut self, part: &Part) -> Self {
        *(part.switch)(&mut self) = false;
        self
    }
}
