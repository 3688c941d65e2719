//! The shortest known way to each feature, to go on from.

use rand::Rng;

use super::feature::{FEATURES, Reached};
use crate::generate::dice;
use crate::sequence::{Call, CallSequence};

/// The ways.
#[derive(Debug)]
pub(super) struct Ways {
    /// The shortest beginning of a sequence that has reached each feature; empty if none has.
    shortest: Box<[CallSequence]>,
    /// The features that have a way.
    known: Vec<u16>,
}

/// A way that is as short as the known one replaces it with a probability of 1 in this, so that the
/// search does not go on from the same sequence for ever.
const REPLACE_ODDS: u32 = 4;

impl Ways {
    pub(super) fn new() -> Self {
        Self { shortest: vec![CallSequence::default(); FEATURES].into(), known: Vec::new() }
    }

    /// How many features have a way.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Notes that a run of these calls has reached a feature.
    pub(super) fn note(&mut self, reached: Reached, calls: &[Call], rng: &mut impl Rng) {
        let way = &calls[..calls.len().min(reached.after.into())];
        let shortest = &mut self.shortest[usize::from(reached.feature)].calls;
        let is_new = shortest.is_empty();
        if is_new {
            self.known.push(reached.feature);
        }
        let is_as_short = || way.len() == shortest.len();
        if is_new || way.len() < shortest.len() || is_as_short() && dice::one_in(rng, REPLACE_ODDS)
        {
            shortest.clear();
            shortest.extend_from_slice(way);
        }
    }

    /// The way to any of the features.
    ///
    /// # Panics
    ///
    /// When none is known.
    pub(super) fn pick(&self, rng: &mut impl Rng) -> &CallSequence {
        &self.shortest[usize::from(dice::pick(rng, &self.known))]
    }
}

#[cfg(test)]
mod tests {
    use rand_xoshiro::Xoshiro256PlusPlus;
    use rand_xoshiro::rand_core::SeedableRng;

    use super::*;
    use crate::sequence::CallKind;

    fn ways(noted: &[(u16, u16, usize)]) -> (Ways, Xoshiro256PlusPlus) {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut ways = Ways::new();
        for &(feature, after, calls) in noted {
            let calls = vec![CallKind::ResetEngine.plain(); calls];
            ways.note(Reached { feature, after }, &calls, &mut rng);
        }
        (ways, rng)
    }

    #[test]
    fn the_way_to_a_feature_ends_where_it_was_reached_and_only_gets_shorter() {
        for (noted, len) in [(&[(7, 5, 9)][..], 5), (&[(7, 5, 9), (7, 3, 9), (7, 4, 9)], 3)] {
            let (ways, mut rng) = ways(noted);
            assert_eq!(ways.pick(&mut rng).calls.len(), len);
        }
    }

    #[test]
    fn every_feature_is_gone_on_from_as_often_however_many_runs_reached_it() {
        let common = (0..20).flat_map(|_| (0..9).map(|feature| (feature, 1, 1)));
        let noted: Vec<_> = common.chain([(9, 2, 2)]).collect();
        let (ways, mut rng) = ways(&noted);
        let count = (0..1000).filter(|_| ways.pick(&mut rng).calls.len() == 2).count();
        assert!((50..200).contains(&count), "{count}");
    }
}
