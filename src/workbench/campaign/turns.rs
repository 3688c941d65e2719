//! Who works in which lane, and for how long: lanes share out the workers, and a worker that has
//! several takes turns.

use std::time::Duration;

/// Below this, starting a worker is not worth it; the engine counts whole seconds.
const SHORTEST: Duration = Duration::from_secs(1);

/// The longest time in which every lane of a worker has its turn.
///
/// With each turn the working set is read again, and what the other lane has kept is learnt.
const ROUND_MAX: Duration = Duration::from_secs(120);

/// A lane, as far as sharing is concerned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    /// Its part beside those of the others.
    pub(super) part: u32,
    /// How many new inputs are a turn, where turns are counted in inputs.
    pub(super) input_count: u64,
}

/// What a worker is started for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Turn {
    /// The lane, by its place in the plan.
    pub(super) lane: usize,
    /// How long it lasts.
    pub(super) time: Duration,
    /// After how many inputs beside those of the working set it ends, should that be earlier.
    pub(super) input_count: Option<u64>,
}

/// The turns of one worker.
#[derive(Clone, Debug)]
pub(super) struct Turns {
    lanes: Vec<(usize, Share)>,
    total: Duration,
    is_counted_in_inputs: bool,
    begun_count: usize,
    current: Option<(Turn, Duration)>,
}

/// The turns of `jobs` workers in a search of `total`.
///
/// Every lane has at least one worker, or a turn of one. Where turns are counted in inputs, how fast
/// the machine is changes how many there are, and not with what one begins.
pub(super) fn crew(
    shares: &[Share],
    jobs: usize,
    total: Duration,
    is_counted_in_inputs: bool,
) -> Vec<Turns> {
    let of_workers: Vec<Vec<usize>> = if jobs < shares.len() {
        (0..jobs).map(|worker| (worker..shares.len()).step_by(jobs).collect()).collect()
    } else {
        split(shares, jobs).into_iter().map(|lane| vec![lane]).collect()
    };
    let turns = |lanes: Vec<usize>| Turns {
        lanes: lanes.into_iter().map(|lane| (lane, shares[lane])).collect(),
        total,
        is_counted_in_inputs,
        begun_count: 0,
        current: None,
    };
    of_workers.into_iter().map(turns).collect()
}

/// The lane of each worker: one each, and the others go where there are fewest for the part.
fn split(shares: &[Share], workers: usize) -> Vec<usize> {
    let mut lanes: Vec<usize> = (0..shares.len()).collect();
    while lanes.len() < workers && !shares.is_empty() {
        let have = |lane: usize| lanes.iter().filter(|&&of_worker| of_worker == lane).count();
        // a / b < c / d, without fractions.
        let next = (1..shares.len()).fold(0, |best, lane| {
            let is_worse_off = have(lane) as u64 * u64::from(shares[best].part)
                < have(best) as u64 * u64::from(shares[lane].part);
            if is_worse_off { lane } else { best }
        });
        lanes.push(next);
    }
    lanes
}

impl Turns {
    /// What to do next, so long after the search began; `None` when all is done.
    pub(super) fn next(&mut self, elapsed: Duration) -> Option<Turn> {
        let left = self.total.saturating_sub(elapsed);
        // A lane without a turn has seen nothing, so each has one, however short the time is.
        let has_each_had_one = self.begun_count >= self.lanes.len();
        let is_alone = self.lanes.len() == 1;
        if has_each_had_one && (is_alone || left < SHORTEST) {
            return None;
        }
        let (lane, share) = *self.lanes.get(self.begun_count % self.lanes.len())?;
        let is_counted = self.is_counted_in_inputs && !is_alone;
        let time = if is_alone || is_counted { left } else { left.min(self.turn_time(share)) };
        let time = time.max(SHORTEST);
        let input_count = is_counted.then_some(share.input_count);
        self.begun_count += 1;
        let turn = Turn { lane, time, input_count };
        self.current = Some((turn, elapsed + time));
        Some(turn)
    }

    /// Whether the worker works in this lane.
    pub(super) fn has_lane(&self, lane: usize) -> bool {
        self.lanes.iter().any(|(its, _)| *its == lane)
    }

    /// What to do after the worker stopped within its turn: the rest of it, or the next.
    pub(super) fn resume(&mut self, elapsed: Duration) -> Option<Turn> {
        let (turn, end) = self.current?;
        let time = end.saturating_sub(elapsed);
        if time < SHORTEST { self.next(elapsed) } else { Some(Turn { time, ..turn }) }
    }

    /// How long a turn lasts: rounds are equally long, and each is shared by the parts.
    fn turn_time(&self, share: Share) -> Duration {
        let rounds = self.total.as_secs().div_ceil(ROUND_MAX.as_secs()).max(1);
        let rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
        let parts: u32 = self.lanes.iter().map(|(_, share)| share.part).sum();
        self.total / rounds * share.part / parts.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn shares(parts: &[u32]) -> Vec<Share> {
        parts.iter().map(|&part| Share { part, input_count: 1000 }).collect()
    }

    /// The lanes and seconds of one worker whose turns last exactly as long as they may.
    fn turns_of_one(parts: &[u32], seconds: u64) -> Vec<(usize, u64)> {
        let mut crew = crew(&shares(parts), 1, Duration::from_secs(seconds), false);
        let [turns] = &mut crew[..] else { panic!("{crew:?}") };
        let mut elapsed = Duration::ZERO;
        let mut taken = Vec::new();
        while let Some(turn) = turns.next(elapsed) {
            elapsed += turn.time;
            taken.push((turn.lane, turn.time.as_secs()));
        }
        taken
    }

    #[test]
    fn workers_are_shared_out_by_parts_and_no_lane_goes_without() {
        let split = |parts: &[u32], workers| split(&shares(parts), workers);
        assert_eq!(split(&[1, 1], 2), [0, 1]);
        assert_eq!(split(&[1, 1], 5), [0, 1, 0, 1, 0]);
        assert_eq!(split(&[1, 3], 2), [0, 1]);
        assert_eq!(split(&[1, 3], 8), [0, 1, 1, 1, 0, 1, 1, 1]);
        assert_eq!(split(&[3, 1], 4), [0, 1, 0, 0]);
        assert_eq!(split(&[7], 3), [0, 0, 0]);
    }

    #[test]
    fn one_worker_takes_turns_by_parts() {
        assert_eq!(turns_of_one(&[1, 1], 60), [(0, 30), (1, 30)]);
        assert_eq!(turns_of_one(&[1, 3], 60), [(0, 15), (1, 45)]);
        assert_eq!(turns_of_one(&[1, 1], 240), [(0, 60), (1, 60), (0, 60), (1, 60)]);
        assert_eq!(turns_of_one(&[5], 240), [(0, 240)], "a lane alone has all the time at once");
    }

    #[test]
    fn every_lane_has_a_turn_even_when_the_time_is_too_short_for_two() {
        assert_eq!(turns_of_one(&[1, 1], 1), [(0, 1), (1, 1)]);
    }

    #[test]
    fn a_worker_that_stops_early_goes_on_with_its_turn_and_then_with_the_next() {
        let mut crew = crew(&shares(&[1, 1]), 1, 60 * SECOND, false);
        let turns = &mut crew[0];
        assert_eq!(turns.next(Duration::ZERO).map(|turn| turn.lane), Some(0));
        let rest = turns.resume(10 * SECOND).unwrap();
        assert_eq!((rest.lane, rest.time), (0, 20 * SECOND));
        assert_eq!(turns.resume(30 * SECOND).map(|turn| turn.lane), Some(1));
        assert_eq!(turns.resume(60 * SECOND), None);
    }

    #[test]
    fn turns_are_counted_in_inputs_only_where_somebody_takes_turns() {
        let counted = |parts: &[u32], jobs| {
            let mut crew = crew(&shares(parts), jobs, 60 * SECOND, true);
            let turn = crew[0].next(Duration::ZERO).unwrap();
            (turn.input_count, turn.time)
        };
        assert_eq!(counted(&[1, 1], 1), (Some(1000), 60 * SECOND), "no clock cuts it short");
        assert_eq!(counted(&[1, 1], 2), (None, 60 * SECOND));
        assert_eq!(counted(&[1], 1), (None, 60 * SECOND));
    }
}
