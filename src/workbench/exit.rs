//! Every code that the command exits with, and what two of them come to.

/// How a run of the command ended; the numbers never change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
#[repr(u8)]
pub enum Exit {
    /// Every invariant held, and every expected answer came.
    #[default]
    Held = 0,
    /// The workbench itself could not do its job.
    WorkbenchFailed = 1,
    /// The command line or an input file cannot be used.
    BadUsage = 2,
    /// An invariant was broken, or an answer was not the expected one.
    InvariantBroken = 3,
    /// A planted fault rang no alarm, or the wrong one.
    AlarmSilent = 4,
    /// All held, but a layer that the command looks into could not be looked into.
    NotLookedInto = 5,
    /// Somebody said stop before the work was done; until then all held.
    Interrupted = 6,
    /// Nothing was run at all.
    NothingRun = 7,
    /// All held, but something could not be written.
    NotWritten = 8,
    /// All held, but a lane died: none of its workers could go on.
    LaneDied = 9,
}

impl Exit {
    /// Every exit, by number.
    pub const ALL: &[Self] = &[
        Self::Held,
        Self::WorkbenchFailed,
        Self::BadUsage,
        Self::InvariantBroken,
        Self::AlarmSilent,
        Self::NotLookedInto,
        Self::Interrupted,
        Self::NothingRun,
        Self::NotWritten,
        Self::LaneDied,
    ];

    /// The number that the shell sees.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The short name of the number.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Held => "all-held",
            Self::WorkbenchFailed => "workbench-failed",
            Self::BadUsage => "bad-usage",
            Self::InvariantBroken => "invariant-broken",
            Self::AlarmSilent => "alarm-silent",
            Self::NotLookedInto => "not-looked-into",
            Self::Interrupted => "interrupted",
            Self::NothingRun => "nothing-run",
            Self::NotWritten => "not-written",
            Self::LaneDied => "lane-died",
        }
    }

    /// What the number means.
    #[must_use]
    pub const fn says(self) -> &'static str {
        match self {
            Self::Held => "every invariant held and every expected answer came",
            Self::WorkbenchFailed => {
                "the workbench failed: a build, an engine, a disk or a directory"
            }
            Self::BadUsage => {
                "bad usage: a flag, or an input that is missing, unreadable or not a sequence"
            }
            Self::InvariantBroken => {
                "an invariant was broken, or an answer was not the one that a file expects"
            }
            Self::AlarmSilent => "a planted fault rang no alarm, or the wrong one",
            Self::NotLookedInto => {
                "all held, but not everything was looked into; --allow-missing accepts that"
            }
            Self::Interrupted => "somebody said stop before the work was done; until then all held",
            Self::NothingRun => "nothing was run at all, so nothing is known",
            Self::NotWritten => "all held, but something could not be written: a disk may be full",
            Self::LaneDied => {
                "all held, but a lane died: its engine ends again and again before it searches"
            }
        }
    }

    /// The exit of two pieces of work that were done one after the other.
    ///
    /// A finding about the driver counts more than trouble with a file, so that trouble with one
    /// file never hides a violation in another.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let weight = |exit| match exit {
            Self::Held => 0,
            Self::NotLookedInto => 1,
            Self::Interrupted => 2,
            Self::BadUsage => 3,
            Self::NothingRun => 4,
            Self::LaneDied => 5,
            Self::NotWritten => 6,
            Self::WorkbenchFailed => 7,
            Self::AlarmSilent => 8,
            Self::InvariantBroken => 9,
        };
        if weight(other) > weight(self) { other } else { self }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_that_scripts_rely_on() {
        let numbers: Vec<(u8, &str)> =
            Exit::ALL.iter().map(|exit| (exit.code(), exit.name())).collect();
        assert_eq!(
            numbers,
            [
                (0, "all-held"),
                (1, "workbench-failed"),
                (2, "bad-usage"),
                (3, "invariant-broken"),
                (4, "alarm-silent"),
                (5, "not-looked-into"),
                (6, "interrupted"),
                (7, "nothing-run"),
                (8, "not-written"),
                (9, "lane-died"),
            ]
        );
    }

    #[test]
    fn a_violation_is_never_hidden_by_an_error() {
        for &exit in Exit::ALL {
            assert_eq!(exit.and(Exit::InvariantBroken), Exit::InvariantBroken);
            assert_eq!(Exit::InvariantBroken.and(exit), Exit::InvariantBroken);
            assert_eq!(exit.and(Exit::Held), exit);
        }
    }
}
