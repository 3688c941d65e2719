//! Moments as the store keeps them: RFC 3339 in UTC, always with nine digits behind the second.

use core::fmt;
use core::str::FromStr;
use std::time::SystemTime;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A moment, to the nanosecond. Its text sorts as it does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Moment(Timestamp);

impl Moment {
    /// The beginning of 1970, for what has no time of its own.
    pub const EPOCH: Self = Self(Timestamp::UNIX_EPOCH);

    /// Now, by the clock of this machine.
    #[must_use]
    pub fn now() -> Self {
        Self(Timestamp::now())
    }

    /// A moment by the clock of the system, if it is one that has a text.
    pub(super) fn of(time: SystemTime) -> Option<Self> {
        Timestamp::try_from(time).ok().map(Self)
    }

    /// Seconds since the beginning of 1970; 0 before it.
    #[must_use]
    pub fn seconds(self) -> u64 {
        u64::try_from(self.0.as_second()).unwrap_or(0)
    }

    /// The moment right behind this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(SignedDuration::from_nanos(1)).unwrap_or(self.0))
    }

    /// As people read it: to the second.
    #[must_use]
    pub fn short(self) -> String {
        format!("{:.0}", self.0)
    }
}

/// A time that is not one.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{text:?} is no time; expected one such as 2027-01-31 or 2027-01-31T12:00:00Z")]
pub struct NoMoment {
    text: String,
}

impl FromStr for Moment {
    type Err = NoMoment;

    /// Reads RFC 3339, or a date alone, which is its first moment in UTC.
    fn from_str(text: &str) -> Result<Self, NoMoment> {
        let date = format!("{text}T00:00:00Z");
        let moment = text.parse().or_else(|_| date.parse());
        moment.map(Self).map_err(|_| NoMoment { text: text.to_owned() })
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.9}", self.0)
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        moment.to_string()
    }
}

impl TryFrom<String> for Moment {
    type Error = NoMoment;

    fn try_from(text: String) -> Result<Self, NoMoment> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_one_text_and_a_date_is_its_beginning() {
        let text = |text: &str| text.parse::<Moment>().unwrap().to_string();
        assert_eq!(text("2027-01-31"), "2027-01-31T00:00:00.000000000Z");
        assert_eq!(text("2027-01-31T01:30:00+01:30"), "2027-01-31T00:00:00.000000000Z");
        assert_eq!(Moment::EPOCH.next().to_string(), "1970-01-01T00:00:00.000000001Z");
        assert_eq!(Moment::EPOCH.short(), "1970-01-01T00:00:00Z");
        for wrong in ["", "soon", "2027-02-30", "2027-01-31T12:00:00"] {
            assert!(wrong.parse::<Moment>().unwrap_err().to_string().contains("2027-01-31"));
        }
    }
}
