//! Which deaths of a worker are accidents, and when starting it again is no use.

use std::time::Duration;

use super::worker::Ended;

/// The deaths of one worker since it last made progress.
#[derive(Clone, Debug, Default)]
pub(super) struct Deaths {
    in_a_row: u32,
    cause: String,
}

/// After so many deaths of one cause in a row, none of them with any progress, a worker is given up.
const DEATHS_MAX: u32 = 5;

/// How long is waited before the second start in a row; then twice as long each time.
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// What to do about a worker that died.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// It is started again after that time.
    StartAgain(Duration),
    /// It would die again.
    GiveUp,
}

impl Deaths {
    /// Notes a death. One that got so far as to search, or that rid the working set of an input which
    /// kills workers, has made progress, and all before is forgiven.
    pub(super) fn note(&mut self, ended: &Ended, has_cleared_input: bool) -> Next {
        if ended.has_searched || has_cleared_input {
            *self = Self::default();
            return Next::StartAgain(FIRST_WAIT);
        }
        let cause = ended.cause.complaint.clone().unwrap_or_else(|| ended.status.clone());
        if cause != self.cause {
            *self = Self { in_a_row: 0, cause };
        }
        self.in_a_row += 1;
        if self.in_a_row >= DEATHS_MAX {
            return Next::GiveUp;
        }
        Next::StartAgain(FIRST_WAIT * (1 << self.in_a_row))
    }

    /// How often it died for the last cause.
    pub(super) fn in_a_row(&self) -> u32 {
        self.in_a_row
    }
}

#[cfg(test)]
mod tests {
    use super::super::worker::Cause;
    use super::*;

    fn died(of: &str, has_searched: bool) -> Ended {
        Ended {
            number: 0,
            lane: 0,
            status: of.to_owned(),
            is_success: false,
            was_killed_by_us: false,
            has_searched,
            cause: Cause::default(),
            artifacts: Vec::new(),
            directory: std::path::PathBuf::new(),
            lines: std::collections::VecDeque::new(),
        }
    }

    #[test]
    fn a_worker_that_only_dies_is_given_up_and_waits_longer_each_time() {
        let mut deaths = Deaths::default();
        let waits: Vec<Next> =
            (0..5).map(|_| deaths.note(&died("signal: 9", false), false)).collect();
        let wait = |millis| Next::StartAgain(Duration::from_millis(millis));
        assert_eq!(waits, [wait(100), wait(200), wait(400), wait(800), Next::GiveUp]);
    }

    #[test]
    fn progress_forgives_and_another_cause_counts_anew() {
        let mut deaths = Deaths::default();
        let die = |deaths: &mut Deaths| {
            for _ in 0..4 {
                deaths.note(&died("signal: 9", false), false);
            }
        };
        for _ in 0..3 {
            die(&mut deaths);
            assert_ne!(deaths.note(&died("signal: 9", true), false), Next::GiveUp);
            die(&mut deaths);
            assert_ne!(deaths.note(&died("signal: 9", false), true), Next::GiveUp);
            die(&mut deaths);
            assert_ne!(deaths.note(&died("exit status: 77", false), false), Next::GiveUp);
        }
    }
}
