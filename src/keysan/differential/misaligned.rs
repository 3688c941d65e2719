//! Recordings of different shapes, and what that says about the code that was run.

use std::fmt;

use super::narrow;
use super::recording::{Record, Recording};

/// Why recordings could not be compared: control flow or sizes differed between the runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misaligned {
    /// Where the run with another key first left the shape of the base run, if it did.
    pub with_other_key: Option<Departure>,
    /// Where the run with another payload first did.
    pub with_other_payload: Option<Departure>,
}

/// The first record in which a run has another shape than the base run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departure {
    /// Which record, counted from 0.
    pub record: u32,
    /// The region that the base run recorded there; none if the base run had ended.
    pub region: Option<u32>,
    /// What is different about it.
    pub shape: Shape,
}

/// What can be different about a record, besides its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One of the runs has ended and the other goes on.
    Records,
    /// The regions are different ones: the runs went different ways.
    Region,
    /// The regions have different numbers of words.
    Words,
    /// Different words are excused: a declared home is not where it was.
    Excuses,
}

/// What the shape followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The key alone: control flow or a size depends on it, which is a finding in itself.
    Key,
    /// The payload alone.
    Payload,
    /// Both, or neither: perhaps the code under test does not do the same thing twice.
    Unclear,
}

impl Misaligned {
    /// What the shape followed.
    #[must_use]
    pub fn cause(&self) -> Cause {
        match (self.with_other_key, self.with_other_payload) {
            (Some(_), None) => Cause::Key,
            (None, Some(_)) => Cause::Payload,
            (Some(_), Some(_)) | (None, None) => Cause::Unclear,
        }
    }

    /// The first record in which any of the runs has another shape, counted from 0.
    #[must_use]
    pub fn first_record(&self) -> u32 {
        let departures = [self.with_other_key, self.with_other_payload];
        departures.into_iter().flatten().map(|departure| departure.record).min().unwrap_or(0)
    }
}

pub(super) fn check_shapes(
    base: &Recording,
    other_key: &Recording,
    other_payload: &Recording,
) -> Result<(), Misaligned> {
    let with_other_key = first_departure(base, other_key);
    let with_other_payload = first_departure(base, other_payload);
    if with_other_key.is_none() && with_other_payload.is_none() {
        return Ok(());
    }
    Err(Misaligned { with_other_key, with_other_payload })
}

fn first_departure(base: &Recording, other: &Recording) -> Option<Departure> {
    let (mut base, mut other) = (base.records(), other.records());
    let mut number = 0;
    loop {
        let (base, other) = (base.next(), other.next());
        let shape = match (base, other) {
            (None, None) => return None,
            (Some(_), None) | (None, Some(_)) => Some(Shape::Records),
            (Some(base), Some(other)) => different_shape(base, other),
        };
        if let Some(shape) = shape {
            let region = base.map(|record| record.region);
            return Some(Departure { record: narrow(number), region, shape });
        }
        number += 1;
    }
}

fn different_shape(base: Record<'_>, other: Record<'_>) -> Option<Shape> {
    if base.region != other.region {
        Some(Shape::Region)
    } else if base.words.len() != other.words.len() {
        Some(Shape::Words)
    } else if base.excuses != other.excuses {
        Some(Shape::Excuses)
    } else {
        None
    }
}

impl fmt::Display for Misaligned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cause = match self.cause() {
            Cause::Key => "with the key",
            Cause::Payload => "with the payload",
            Cause::Unclear => "in every run",
        };
        let record = self.first_record();
        write!(f, "what was recorded changes its shape {cause}, from record {record} on")
    }
}

impl std::error::Error for Misaligned {}
