//! Says what was found: for people, for machines, and in the form that crash tools read.

mod aftermath;
mod evidence;
mod fingerprint;
#[cfg(feature = "command")]
mod github;
mod human;
mod hygiene;
mod json;
#[cfg(feature = "command")]
mod junit;
#[cfg(feature = "command")]
mod markdown;
#[cfg(feature = "command")]
pub mod results;
mod sanitizer;
#[cfg(feature = "command")]
mod sarif;
mod shell;

use crate::invariant::{Verdict, Violation};
use crate::observation::Trace;
use crate::sequence::CallSequence;

pub use aftermath::Aftermath;
pub use fingerprint::{Fingerprint, NoFingerprint};
#[cfg(feature = "command")]
pub use github::annotations;
pub use human::{Colour, story};
pub use hygiene::{HygieneReport, LEGEND, SecretLife, Spot, Stay, hygiene_report, hygiene_text};
pub use json::{JSON_VERSION, JsonReport, JsonViolation, json_report};
#[cfg(feature = "command")]
pub use junit::junit;
#[cfg(feature = "command")]
pub use markdown::markdown;
pub use sanitizer::{abort_with, sanitizer_line};
#[cfg(feature = "command")]
pub use sarif::sarif;
pub use shell::shell_word;

/// Everything a report is made of.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The sequence that was run.
    pub sequence: &'a CallSequence,
    /// What was seen.
    pub trace: &'a Trace,
    /// What did not hold.
    pub verdict: &'a Verdict,
    /// What its follow-ups showed; see [`Workbench::aftermath`](crate::Workbench::aftermath).
    pub aftermath: &'a Aftermath,
    /// The command that shows it again, or `None` when there is no file to name.
    pub replay: Option<&'a str>,
}

impl Subject<'_> {
    /// The fingerprint of one of its violations.
    #[must_use]
    pub fn fingerprint(&self, violation: &Violation) -> Fingerprint {
        Fingerprint::new(violation, self.trace, self.aftermath)
    }
}
