//! Which parts of the search are on: each can be switched off, to measure what it is worth.

/// How long sequences are, and which parts of the search are on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SearchOptions {
    /// Fewest calls of a generated sequence.
    pub calls_min: u32,
    /// Most calls of a generated sequence, not counting what repetition adds.
    pub calls_max: u32,
    /// Some call kinds are missing from a whole sequence, so that others get further.
    pub swarm: bool,
    /// Calls are also aimed at the dead and through foreign devices.
    pub misdirection: bool,
    /// Arguments are also taken from the boundaries of their range.
    pub boundaries: bool,
    /// The next call depends on what the earlier ones have led to.
    pub dependencies: bool,
    /// A few calls are made over and over, so that bounds and the ends of counters are reached.
    pub repetition: bool,
    /// Sequences that were kept are changed, call by call.
    pub mutation: bool,
    /// Sequences that were kept are crossed with each other.
    pub splice: bool,
    /// A sequence is kept when it reaches a state, a transition or a depth that none had reached;
    /// otherwise by chance.
    pub feedback: bool,
    /// Those that reach what few others do are changed more often.
    pub rarity: bool,
}

impl Default for SearchOptions {
    /// Everything on.
    fn default() -> Self {
        Self {
            calls_min: 24,
            calls_max: 48,
            swarm: true,
            misdirection: true,
            boundaries: true,
            dependencies: true,
            repetition: true,
            mutation: true,
            splice: true,
            feedback: true,
            rarity: true,
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
    Part { name: "swarm", switch: |options| &mut options.swarm },
    Part { name: "misdirection", switch: |options| &mut options.misdirection },
    Part { name: "boundaries", switch: |options| &mut options.boundaries },
    Part { name: "dependencies", switch: |options| &mut options.dependencies },
    Part { name: "repetition", switch: |options| &mut options.repetition },
    Part { name: "mutation", switch: |options| &mut options.mutation },
    Part { name: "splice", switch: |options| &mut options.splice },
    Part { name: "feedback", switch: |options| &mut options.feedback },
    Part { name: "rarity", switch: |options| &mut options.rarity },
];

impl SearchOptions {
    /// The same without one part.
    #[must_use]
    pub fn without(mut self, part: &Part) -> Self {
        *(part.switch)(&mut self) = false;
        self
    }
}
