//! What is accepted in code that one cannot change: by its cause, with a reason, until it is no longer met.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use super::cause::{Cause, causes};
use super::{BlindSpot, Differences, Keysan, Void};

/// Causes that are accepted, each with the reason.
///
/// Nearly every library leaves some copy in a register or on the stack. A test of code that uses one accepts what it
/// cannot mend, and fails for everything else, and for what is accepted and is met no more:
///
/// ```
/// use keysan::sanitizer::Baseline;
///
/// let baseline = Baseline::parse(
///     "registers: session key, left by seal\tthe C library copies with vector registers\n",
/// )?;
/// # let mut keysan = keysan::Keysan::open()?;
/// // ... calls ...
/// baseline.check(&keysan)?;     // behind each sequence
/// // behind the last of them:
/// assert_eq!(baseline.stale().count(), 1, "nothing was called here");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The text has a cause a line, a tab, and the reason. Empty lines and lines that begin with `#` are comments. The
/// shape of a cause is what [`Cause::shape`] says, and what [`Unaccepted`] prints, ready to be taken over.
#[derive(Debug, Default)]
pub struct Baseline {
    /// The file, if it is one.
    path: Option<PathBuf>,
    accepted: Vec<Accepted>,
}

/// A cause that is accepted.
#[derive(Debug)]
struct Accepted {
    shape: String,
    reason: String,
    is_met: Cell<bool>,
}

/// Why a baseline cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum BaselineError {
    /// Its file cannot be read.
    Read(PathBuf, io::Error),
    /// A line is no cause, a tab and a reason: the file if there is one, the number from 1, and what stands there.
    Line(Option<PathBuf>, usize, String),
    /// Two lines accept one cause: the file, and the number of the second.
    Twice(Option<PathBuf>, usize, String),
}

/// What was found beyond what is accepted, or why nobody knows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unaccepted {
    /// The causes as they are displayed, each behind the line that would accept it.
    Causes(Vec<(String, String)>),
    /// A look was none.
    Void(Void),
    /// A layer could be looked into when the sanitizer was opened, and cannot be any more.
    Blind(BlindSpot),
    /// So many sightings had no room in the list of findings, and nobody knows what they were.
    Unlisted(u64),
}

impl Baseline {
    /// Reads the text of a baseline.
    ///
    /// # Errors
    ///
    /// When a line is something else, or accepts what another does.
    pub fn parse(text: &str) -> Result<Baseline, BaselineError> {
        Baseline::of(None, text)
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or as for [`parse`](Baseline::parse).
    pub fn read(path: impl AsRef<Path>) -> Result<Baseline, BaselineError> {
        let path = path.as_ref();
        let text = fs::read_to_string(path)
            .map_err(|error| BaselineError::Read(path.to_owned(), error))?;
        Baseline::of(Some(path.to_owned()), &text)
    }

    fn of(path: Option<PathBuf>, text: &str) -> Result<Baseline, BaselineError> {
        let mut baseline = Baseline { path, accepted: Vec::new() };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim().is_empty() || line.trim_start().starts_with('#') {
                continue;
            }
            let wrong = |of: fn(Option<PathBuf>, usize, String) -> BaselineError| {
                Err(of(baseline.path.clone(), number, line.to_owned()))
            };
            let parts = line.split_once('\t').map(|(shape, why)| (shape.trim(), why.trim()));
            // The word that stands for a reason is none.
            let is_whole =
                |(shape, why): &(&str, &str)| !shape.is_empty() && !["", "WHY"].contains(why);
            let Some((shape, reason)) = parts.filter(is_whole) else {
                return wrong(BaselineError::Line);
            };
            if baseline.accepted.iter().any(|it| it.shape == shape) {
                return wrong(BaselineError::Twice);
            }
            let (shape, reason) = (shape.to_owned(), reason.to_owned());
            baseline.accepted.push(Accepted { shape, reason, is_met: Cell::new(false) });
        }
        Ok(baseline)
    }

    /// Whether all that was found since the last clear is accepted. To be called behind each sequence: what is
    /// accepted is noted as met.
    ///
    /// # Errors
    ///
    /// With the causes that are not accepted; or when a look was none, the list of findings was full, or the heap became
    /// a blind spot, so that silence would mean nothing.
    pub fn check(&self, keysan: &Keysan) -> Result<(), Unaccepted> {
        let findings = keysan.findings().map_err(Unaccepted::Void)?;
        if keysan.unlisted_count() > 0 {
            return Err(Unaccepted::Unlisted(keysan.unlisted_count()));
        }
        if let Some(spot) = keysan.became_blind() {
            return Err(Unaccepted::Blind(spot));
        }
        let told = |cause: &Cause<'_>| (cause.shape.clone(), cause.to_string());
        self.check_causes(causes(findings).iter().map(told).collect())
    }

    /// Whether all that a [differential](Keysan::differential) found is accepted, of which [`Difference::shape`] says the
    /// shape; what is accepted is noted as met. What follows the key in the same kind of place of the same call is one
    /// cause, in however many words.
    ///
    /// [`Difference::shape`]: super::Difference::shape
    ///
    /// # Errors
    ///
    /// With the causes that are not accepted.
    pub fn check_differential(&self, differences: &Differences) -> Result<(), Unaccepted> {
        let mut causes: Vec<(String, String, usize)> = Vec::new();
        for difference in &differences.found {
            let shape = difference.shape();
            match causes.iter_mut().find(|(known, ..)| *known == shape) {
                Some((.., more)) => *more += 1,
                None => causes.push((shape, difference.to_string(), 0)),
            }
        }
        let told = |(shape, first, more): (String, String, usize)| {
            let told = match more {
                0 => format!("{shape}: {first}"),
                1 => format!("{shape}: {first}; and in 1 more place"),
                _ => format!("{shape}: {first}; and in {more} more places"),
            };
            (shape, told)
        };
        self.check_causes(causes.into_iter().map(told).collect())
    }

    /// Whether all of these are accepted: shapes, and what is told of each.
    fn check_causes(&self, mut causes: Vec<(String, String)>) -> Result<(), Unaccepted> {
        causes.retain(|(shape, _)| {
            let accepted = self.accepted.iter().find(|accepted| accepted.shape == *shape);
            accepted.inspect(|accepted| accepted.is_met.set(true)).is_none()
        });
        if causes.is_empty() {
            return Ok(());
        }
        let line = |(shape, told): (String, String)| (format!("{shape}\tWHY"), told);
        Err(Unaccepted::Causes(causes.into_iter().map(line).collect()))
    }

    /// What is accepted and was not met by any [`check`](Baseline::check) so far: each shape with its reason. At the
    /// end of a test there should be none, since what is mended comes back unseen as long as it is accepted.
    pub fn stale(&self) -> impl Iterator<Item = (&str, &str)> {
        let stale = self.accepted.iter().filter(|accepted| !accepted.is_met.get());
        stale.map(|accepted| (accepted.shape.as_str(), accepted.reason.as_str()))
    }

    /// For the end of a test: panics if something accepted was never met.
    ///
    /// # Panics
    ///
    /// When it is stale.
    #[track_caller]
    pub fn assert_not_stale(&self) {
        let stale: String =
            self.stale().map(|(shape, why)| format!("\n  {shape}\t{why}")).collect();
        assert!(stale.is_empty(), "accepted, and met no more:{stale}");
    }
}

impl fmt::Display for BaselineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = |path: &Option<PathBuf>| {
            path.as_ref().map_or("the baseline".to_owned(), |path| path.display().to_string())
        };
        match self {
            BaselineError::Read(path, error) => {
                write!(f, "cannot read {}: {error}", path.display())
            }
            BaselineError::Line(path, number, text) => {
                write!(f, "{}:{number}: no cause, tab and reason: {text:?}", file(path))
            }
            BaselineError::Twice(path, number, text) => {
                write!(f, "{}:{number}: accepted by an earlier line: {text:?}", file(path))
            }
        }
    }
}

impl fmt::Display for Unaccepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unaccepted::Void(void) => void.fmt(f),
            Unaccepted::Blind(spot) => write!(
                f,
                "no longer looked into: {spot}; run each sequence in a process of its own, have what holds it over \
                 allocated before the first, or accept that by leave_out(Layer::{:?})",
                spot.layer
            ),
            Unaccepted::Unlisted(count) => write!(
                f,
                "{count} sightings had no room in the list of findings; clear keysan more often, or make the call shorter"
            ),
            Unaccepted::Causes(causes) => {
                f.write_str("secrets where they must not be:")?;
                causes.iter().try_for_each(|(_, told)| write!(f, "\n  {told}"))?;
                f.write_str("\nto accept them, with a reason in the place of WHY:")?;
                causes.iter().try_for_each(|(line, _)| write!(f, "\n{line}"))
            }
        }
    }
}

impl std::error::Error for BaselineError {}

impl std::error::Error for Unaccepted {}
