//! The sequences that a search keeps, and which of them is changed next.

use rand::Rng;

use super::feature::FEATURES;
use crate::sequence::{CallSequence, dice};

/// What is kept.
#[derive(Debug)]
pub(super) struct Pool {
    kept: Vec<Kept>,
    /// How many runs reached each feature.
    hits: Box<[u32; FEATURES]>,
}

#[derive(Debug)]
struct Kept {
    sequence: CallSequence,
    features: Box<[u16]>,
}

/// Most sequences that are kept; after that, new ones replace those at random.
const KEPT_MAX: usize = 4096;

/// How many sequences are looked at to find a rare one.
const CANDIDATES: usize = 4;

impl Pool {
    pub(super) fn new() -> Self {
        Self { kept: Vec::new(), hits: Box::new([0; FEATURES]) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    pub(super) fn at(&self, index: usize) -> &CallSequence {
        &self.kept[index].sequence
    }

    /// Counts a run that reached these features; says whether one of them is new.
    pub(super) fn count(&mut self, features: &[u16]) -> bool {
        let mut is_new = false;
        for &feature in features {
            let hits = &mut self.hits[usize::from(feature)];
            is_new |= *hits == 0;
            *hits = hits.saturating_add(1);
        }
        is_new
    }

    pub(super) fn keep(&mut self, sequence: &CallSequence, features: &[u16]) {
        if self.kept.len() < KEPT_MAX {
            self.kept.push(Kept { sequence: sequence.clone(), features: features.into() });
        }
    }

    /// Which sequence to change next: of a few at random, the one that reached the rarest feature.
    pub(super) fn pick(&self, rng: &mut impl Rng, rare: bool) -> usize {
        let mut best = dice::index(rng, self.kept.len());
        if rare {
            for _ in 1..CANDIDATES {
                let other = dice::index(rng, self.kept.len());
                if self.rarest(other) < self.rarest(best) {
                    best = other;
                }
            }
        }
        best
    }

    /// How many runs reached the feature of it that the fewest reached.
    fn rarest(&self, index: usize) -> u32 {
        let features = self.kept[index].features.iter();
        features.map(|&feature| self.hits[usize::from(feature)]).min().unwrap_or(u32::MAX)
    }
}
