//! Where a bug stands, as a pure function of where it stood and what happened.

use core::fmt;

use serde::Serialize;

/// What is told of a bug.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It shows in a build that mended it, or in a later one.
    Regressed,
    /// It was found, and no other build has been asked.
    New,
    /// It shows in a later build, too.
    Known,
    /// It shows in some runs and in others of the same sources it does not.
    Flaky,
    /// A later build did not show it in any run.
    Fixed,
    /// Somebody wants to hear no more of it, for a time or for ever.
    Ignored,
}

impl State {
    /// Every state, in the order in which bugs are told.
    pub const ALL: [Self; 6] =
        [Self::Regressed, Self::New, Self::Known, Self::Flaky, Self::Fixed, Self::Ignored];

    /// Its name, as it is typed and told.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Regressed => "regressed",
            Self::New => "new",
            Self::Known => "known",
            Self::Flaky => "flaky",
            Self::Fixed => "fixed",
            Self::Ignored => "ignored",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a bug stands whether or not somebody ignores it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub enum Standing {
    /// There is no such bug: nobody has seen it, or not since it was forgotten.
    #[default]
    Absent,
    /// [`State::New`].
    New,
    /// [`State::Known`].
    Known,
    /// [`State::Fixed`].
    Fixed,
    /// [`State::Regressed`].
    Regressed,
    /// [`State::Flaky`].
    Flaky,
}

/// What an event says about where a bug stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Step {
    /// A build showed it: a search found it, or every run of its reproducer did.
    Shows(Sources),
    /// Some runs of its reproducer showed it, and others did not.
    ShowsInSome(Sources),
    /// No run of its reproducer showed it.
    Holds(Sources),
    /// Somebody ignores it, or does no more, or says that it is another bug: where it stands is
    /// untouched, so that it is as it would have been when that ends.
    Remark,
    /// It is no bug.
    Forgotten,
}

/// The sources of a build, beside those of the one that last said something about the bug.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Sources {
    /// The same: nothing was changed in between.
    Same,
    /// Others, or nobody knows.
    Other,
}

/// Where a bug stands after a step.
#[must_use]
pub fn step(standing: Standing, step: Step) -> Standing {
    use Sources::{Other, Same};
    use Standing::{Absent, Fixed, Flaky, Known, New, Regressed};
    use Step::{Forgotten, Holds, Remark, Shows, ShowsInSome};
    match (standing, step) {
        (_, Forgotten) => Absent,
        (standing, Remark) => standing,

        // A tombstone ends when a search sees the bug again.
        (Absent, Shows(Same | Other)) => New,
        (Absent, ShowsInSome(_) | Holds(_)) => Absent,

        (New, Shows(Same)) => New,
        (New, Shows(Other)) => Known,
        (Known, Shows(Same | Other)) => Known,
        // What nobody has changed did not get broken: it was never mended.
        (Fixed, Shows(Same) | ShowsInSome(Same)) => Flaky,
        (Fixed, Shows(Other) | ShowsInSome(Other)) => Regressed,
        // Until it is mended again, that it came back is what matters.
        (Regressed, Shows(Same | Other) | ShowsInSome(Same | Other)) => Regressed,
        (Flaky, Shows(Same)) => Flaky,
        // It is tried many times, so this is no accident.
        (Flaky, Shows(Other)) => Known,

        (New | Known | Flaky, ShowsInSome(Same | Other)) => Flaky,

        (New | Known | Flaky, Holds(Same)) => Flaky,
        (Regressed, Holds(Same)) => Flaky,
        (Fixed, Holds(Same | Other)) => Fixed,
        (New | Known | Flaky | Regressed, Holds(Other)) => Fixed,
    }
}

/// What is told of a bug that stands somewhere; `None` for one that is not there.
#[must_use]
pub fn told(standing: Standing, is_ignored: bool) -> Option<State> {
    Some(match standing {
        Standing::Absent => return None,
        _ if is_ignored => State::Ignored,
        Standing::New => State::New,
        Standing::Known => State::Known,
        Standing::Fixed => State::Fixed,
        Standing::Regressed => State::Regressed,
        Standing::Flaky => State::Flaky,
    })
}

#[cfg(test)]
mod tests {
    use super::Sources::{Other, Same};
    use super::Standing::{Absent, Fixed, Flaky, Known, New, Regressed};
    use super::Step::{Forgotten, Holds, Remark, Shows, ShowsInSome};
    use super::*;

    const STEPS: [Step; 8] = [
        Shows(Same),
        Shows(Other),
        ShowsInSome(Same),
        ShowsInSome(Other),
        Holds(Same),
        Holds(Other),
        Remark,
        Forgotten,
    ];

    #[test]
    fn every_step_from_everywhere_leads_where_the_table_says() {
        let table = [
            // Shows, in some, holds: each in the same sources and in others; a remark; forgotten.
            (Absent, [New, New, Absent, Absent, Absent, Absent, Absent, Absent]),
            (New, [New, Known, Flaky, Flaky, Flaky, Fixed, New, Absent]),
            (Known, [Known, Known, Flaky, Flaky, Flaky, Fixed, Known, Absent]),
            (Fixed, [Flaky, Regressed, Flaky, Regressed, Fixed, Fixed, Fixed, Absent]),
            (
                Regressed,
                [Regressed, Regressed, Regressed, Regressed, Flaky, Fixed, Regressed, Absent],
            ),
            (Flaky, [Flaky, Known, Flaky, Flaky, Flaky, Fixed, Flaky, Absent]),
        ];
        for (standing, row) in table {
            for (it, expected) in STEPS.into_iter().zip(row) {
                assert_eq!(step(standing, it), expected, "{standing:?} and {it:?}");
            }
        }
    }

    #[test]
    fn a_bug_that_is_ignored_is_told_as_that_and_one_that_is_not_there_not_at_all() {
        let standings = [New, Known, Fixed, Regressed, Flaky];
        for standing in standings {
            assert_eq!(told(standing, true), Some(State::Ignored));
            assert_eq!(format!("{standing:?}"), format!("{:?}", told(standing, false).unwrap()));
        }
        assert_eq!([told(Absent, false), told(Absent, true)], [None, None]);
        assert_eq!(State::ALL.len(), standings.len() + 1);
    }

    #[test]
    fn a_bug_can_only_regress_once_it_was_fixed() {
        for standing in [Absent, New, Known, Flaky] {
            assert!(STEPS.iter().all(|&it| step(standing, it) != Regressed), "{standing:?}");
        }
    }
}
