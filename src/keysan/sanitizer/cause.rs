//! Findings that have one cause: the same secret, left in the same kind of place by the same call.

use std::fmt;

use super::differential::Difference;
use super::finding::{Finding, Moment, Place, Why};
use crate::differential::Follows;

/// What is behind some findings, and these.
///
/// Code that leaves a key on its stack mostly leaves several copies, and parts of it in registers as well. Displayed,
/// a cause is one line with the first finding and how many there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause<'f> {
    /// What they have in common: layer, secret, and the call or thing by name. It has no offsets, no numbers of calls
    /// and no names of registers, so it is the same from build to build, and is what a
    /// [`Baseline`](super::Baseline) accepts.
    pub shape: String,
    /// The findings, in the order in which they were seen.
    pub findings: Vec<&'f Finding>,
}

/// Puts together what has one cause, in the order in which each was first seen.
#[must_use]
pub fn causes(findings: &[Finding]) -> Vec<Cause<'_>> {
    let mut causes: Vec<Cause<'_>> = Vec::new();
    for finding in findings {
        let shape = in_one_line(&shape(finding));
        match causes.iter_mut().find(|cause| cause.shape == shape) {
            Some(cause) => cause.findings.push(finding),
            None => causes.push(Cause { shape, findings: vec![finding] }),
        }
    }
    causes
}

impl Difference {
    /// What it has in common with others of its cause, like [`Cause::shape`]: layer, what it follows, and the call or
    /// thing by name. It is what a [`Baseline`](super::Baseline) accepts.
    #[must_use]
    pub fn shape(&self) -> String {
        let Difference { place, follows, seen, .. } = self;
        let what = match follows {
            Follows::Key => "what follows the key, left",
            Follows::KeyAndPayload => "what follows key and payload, left",
        };
        in_one_line(&in_place(what, place, seen))
    }
}

/// A shape in one line, whatever names are made of.
fn in_one_line(shape: &str) -> String {
    shape.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a finding has in common with others of its cause.
fn shape(finding: &Finding) -> String {
    let Finding { secret, place, why, seen, .. } = finding;
    let what = match why {
        Why::Retired { .. } => "after its end",
        Why::LeftBehind => "left",
        Why::OutsideItsHomes => "outside its homes",
        Why::GivenOut => "given out",
        Why::NotAtHome => "not at home",
    };
    in_place(&format!("{secret}, {what}"), place, seen)
}

/// What was left and where, by the names of calls and things.
fn in_place(what: &str, place: &Place, seen: &Moment) -> String {
    let layer = place.layer();
    match place {
        Place::Heap { allocated, freed: Some(freed), .. } => {
            let (allocated, freed) = (named(allocated), named(freed));
            format!("{layer}: {what}, allocated by {allocated}, freed by {freed}")
        }
        Place::Heap { allocated, freed: None, .. } => {
            format!("{layer}: {what}, allocated by {}", named(allocated))
        }
        Place::Static { name, .. } | Place::Output { name, .. } | Place::Text { name, .. } => {
            format!("{layer}: {what} in {name}")
        }
        Place::FreedBlock { .. } | Place::Stack { .. } | Place::Register { .. } => {
            format!("{layer}: {what} by {}", named(seen))
        }
    }
}

/// A moment without its number.
fn named(moment: &Moment) -> String {
    match moment {
        Moment::Start => "the start".to_owned(),
        Moment::Call { name, .. } => name.to_string(),
        Moment::Scan { name } => format!("the scan {name}"),
    }
}

impl fmt::Display for Cause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shape)?;
        match &self.findings[..] {
            [] => Ok(()),
            [only] => write!(f, ": {only}"),
            [first, rest @ ..] => {
                let (count, s) = (rest.len(), if rest.len() == 1 { "" } else { "s" });
                write!(f, ": {first}; and in {count} more place{s}")
            }
        }
    }
}
