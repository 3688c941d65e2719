//! What makes the call sequences: one arm a file, each going on until the judge breaks off.

pub mod derived;
pub mod engine;
#[cfg(feature = "command")]
mod hegel;
pub mod indexed;
pub mod opaque;
#[cfg(feature = "command")]
mod proptest;
#[cfg(feature = "command")]
mod rekeylab;

#[cfg(feature = "command")]
use std::ops::ControlFlow;

#[cfg(feature = "command")]
use ::rekeylab::generate::SearchOptions;
use ::rekeylab::generate::{PARTS, Part};

#[cfg(feature = "command")]
use crate::judge::{Judge, Outcome};

/// Most calls of a sequence in the arms that choose a length themselves.
#[cfg(feature = "command")]
const CALLS_MAX: usize = 64;

/// One way of hunting.
#[derive(Clone, Copy, Debug)]
pub enum Arm {
    /// Derived `Arbitrary`, handles as plain numbers, libFuzzer.
    Opaque,
    /// Derived `Arbitrary`, handles as indices, typed arguments, libFuzzer.
    Indexed,
    /// `proptest-state-machine` with a reference state.
    Proptest,
    /// `hegeltest` with rules and pools.
    Hegel,
    /// rekeylab's search without an engine.
    Rekeylab,
    /// rekeylab's mutator in libFuzzer.
    RekeylabEngine,
    /// rekeylab's search without an engine and without one of its parts.
    Without(&'static Part),
    /// The same target with libFuzzer's own mutator.
    EngineWithoutMutator,
}

impl Arm {
    /// Every arm, those without a part last.
    pub fn all() -> impl Iterator<Item = Self> {
        let parts = PARTS.iter().map(Self::Without);
        Self::WHOLE.into_iter().chain(parts).chain([Self::EngineWithoutMutator])
    }

    /// The arms that are compared with each other.
    pub const WHOLE: [Self; 6] = [
        Self::Opaque,
        Self::Indexed,
        Self::Proptest,
        Self::Hegel,
        Self::Rekeylab,
        Self::RekeylabEngine,
    ];

    /// Its name in the results; permanent.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Opaque => "opaque".to_owned(),
            Self::Indexed => "indexed".to_owned(),
            Self::Proptest => "proptest".to_owned(),
            Self::Hegel => "hegel".to_owned(),
            Self::Rekeylab => "rekeylab".to_owned(),
            Self::RekeylabEngine => "rekeylab-engine".to_owned(),
            Self::Without(part) => format!("without-{}", part.name),
            Self::EngineWithoutMutator => "engine-without-mutator".to_owned(),
        }
    }

    /// The arm of this name, or `None`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::all().find(|arm| arm.name() == name)
    }

    /// What it is, in a few words for people.
    #[must_use]
    pub fn title(self) -> String {
        match self {
            Self::Opaque => "Arbitrary, opaque handles".to_owned(),
            Self::Indexed => "Arbitrary, index handles".to_owned(),
            Self::Proptest => "proptest-state-machine".to_owned(),
            Self::Hegel => "hegeltest".to_owned(),
            Self::Rekeylab => "rekeylab".to_owned(),
            Self::RekeylabEngine => "rekeylab in libFuzzer".to_owned(),
            Self::Without(part) => format!("rekeylab without {}", part.name),
            Self::EngineWithoutMutator => "in libFuzzer without mutator".to_owned(),
        }
    }

    /// The fuzz target of an arm that libFuzzer drives; `None` for those that run here.
    #[must_use]
    pub fn engine_target(self) -> Option<&'static str> {
        match self {
            Self::Opaque => Some("opaque"),
            Self::Indexed => Some("indexed"),
            Self::RekeylabEngine | Self::EngineWithoutMutator => Some("calls"),
            Self::Proptest | Self::Hegel | Self::Rekeylab | Self::Without(_) => None,
        }
    }

    /// Hunts in this process until the judge breaks off; `None` for an arm that libFuzzer drives.
    #[cfg(feature = "command")]
    pub fn hunt(self, seed: u64, judge: &mut Judge) -> Option<Outcome> {
        let options = SearchOptions::default();
        match self {
            Self::Opaque | Self::Indexed | Self::RekeylabEngine | Self::EngineWithoutMutator => {
                None
            }
            Self::Proptest => Some(proptest::hunt(seed, judge)),
            Self::Hegel => Some(hegel::hunt(seed, judge)),
            Self::Rekeylab => Some(rekeylab::hunt(seed, options, judge)),
            Self::Without(part) => Some(rekeylab::hunt(seed, options.without(part), judge)),
        }
    }
}

/// Calls `step` until it breaks off.
#[cfg(feature = "command")]
fn until_over(mut step: impl FnMut() -> ControlFlow<Outcome>) -> Outcome {
    loop {
        if let ControlFlow::Break(outcome) = step() {
            return outcome;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_arm_is_found_by_its_name() {
        for arm in Arm::all() {
            assert_eq!(Arm::from_name(&arm.name()).map(Arm::title), Some(arm.title()));
        }
        assert!(Arm::from_name("without-luck").is_none());
    }
}
