//! The shortest known way to each feature, and from which of them a search goes on.

use rand::Rng;

use super::feature::{FEATURES, Reached};
use crate::sequence::{Call, CallSequence, dice};

/// The ways, and how well trodden each end is.
#[derive(Debug)]
pub(super) struct Ways {
    /// The shortest beginning of a sequence that has reached each feature.
    shortest: Box<[CallSequence]>,
    /// How many runs reached each feature.
    hits: Box<[u32; FEATURES]>,
    /// The features that have a way.
    known: Vec<u16>,
}

/// How many ways are looked at to find one to a rare feature.
const CANDIDATES: u32 = 24;

/// One in so many ways that are as short as the known one takes its place, so that it is not always
/// the same that is gone on from.
const REPLACE_ODDS: u32 = 4;

impl Ways {
    pub(super) fn new() -> Self {
        Self {
            shortest: vec![CallSequence::default(); FEATURES].into(),
            hits: Box::new([0; FEATURES]),
            known: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Notes that a run of these calls has reached a feature.
    pub(super) fn note(&mut self, reached: Reached, calls: &[Call], rng: &mut impl Rng) {
        let index = usize::from(reached.feature);
        let way = &calls[..calls.len().min(reached.after.into())];
        let (hits, known) = (&mut self.hits[index], &mut self.shortest[index].calls);
        let is_new = *hits == 0;
        if is_new {
            self.known.push(reached.feature);
        }
        *hits = hits.saturating_add(1);
        let is_taken = is_new
            || way.len() < known.len()
            || way.len() == known.len() && dice::one_in(rng, REPLACE_ODDS);
        if is_taken {
            known.clear();
            known.extend_from_slice(way);
        }
    }

    /// A way to go on from: any or, if `rare`, of a few one that few runs have gone. Short ones are
    /// preferred in proportion, because every call of the way has to be made again.
    pub(super) fn pick(&self, rng: &mut impl Rng, rare: bool) -> &CallSequence {
        let candidates = if rare { CANDIDATES } else { 1 };
        let any = |_| usize::from(self.known[dice::index(rng, self.known.len())]);
        let price =
            |index: &usize| u64::from(self.hits[*index]) * self.shortest[*index].calls.len() as u64;
        let cheapest = (0..candidates).map(any).min_by_key(price);
        &self.shortest[cheapest.expect("there is a candidate")]
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
            assert_eq!(ways.pick(&mut rng, true).calls.len(), len);
        }
    }

    #[test]
    fn of_what_as_many_runs_reached_the_shorter_way_is_gone_on_from_more_often() {
        let (ways, mut rng) = ways(&[(1, 3, 9), (2, 1, 9)]);
        let short = (0..100).filter(|_| ways.pick(&mut rng, true).calls.len() == 1);
        assert!(short.count() > 90);
    }

    #[test]
    fn what_few_runs_reached_is_gone_on_from_more_often() {
        let common = (0..20).flat_map(|_| (0..9).map(|feature| (feature, 1, 1)));
        let noted: Vec<_> = common.chain([(9, 2, 2)]).collect();
        let (ways, mut rng) = ways(&noted);
        let mut count =
            |rare| (0..1000).filter(|_| ways.pick(&mut rng, rare).calls.len() == 2).count();
        assert!((50..200).contains(&count(false)));
        assert!(count(true) > 850);
    }
}
