//! Turns sightings of secrets into violations: one for each leftover, with its life story.

use super::{Case, Verdict, Violation};
use crate::observation::{Cause, Lifetime, Place, Sighting};

/// One violation for each leftover among the sightings that `concerns` picks.
///
/// The same secret in the same place, seen again after later calls, is the same leftover.
pub(super) fn report(
    case: &Case<'_>,
    verdict: &mut Verdict,
    invariant: &'static str,
    rules: &'static str,
    concerns: impl Fn(&Sighting) -> bool,
) {
    let sightings = &case.trace.sightings;
    if sightings.is_empty() {
        return;
    }
    let lifetimes = case.trace.lifetimes();
    let mut reported: Vec<&Sighting> = Vec::new();
    for sighting in sightings.iter().filter(|sighting| concerns(sighting)) {
        if reported.iter().any(|known| is_same_leftover(known, sighting)) {
            continue;
        }
        reported.push(sighting);
        let name = case.trace.secrets.get(sighting.secret as usize);
        let lifetime = lifetimes.get(sighting.secret as usize);
        let secret = name.map_or_else(|| "a secret".to_owned(), ToString::to_string);
        let (first, last) = span(sightings, sighting);
        let since = lifetime.and_then(|lifetime| dead_since(lifetime, sighting.call));
        verdict.violations.push(Violation {
            invariant,
            call: sighting.call as usize,
            session: name.map(|name| name.session),
            happened: format!(
                "bytes {first} to {last} of {secret} were seen in {}",
                sighting.place
            ),
            expected: match since {
                Some(since) => format!("{secret} to be gone: {since}"),
                None => format!("{secret} to be seen nowhere outside its home"),
            },
            rules,
            is_inferred: false,
            place: Some(sighting.place),
        });
    }
}

/// "dead since call 4, the refresh was finished", if it is dead by then.
fn dead_since(lifetime: &Lifetime, call: u32) -> Option<String> {
    let died = lifetime.died.filter(|&died| died <= call)?;
    Some(match lifetime.cause {
        Cause::Transient => lifetime.cause.to_string(),
        cause => format!("dead since call {died}, {cause}"),
    })
}

fn is_same_leftover(known: &Sighting, other: &Sighting) -> bool {
    if known.secret != other.secret {
        return false;
    }
    match (&known.place, &other.place) {
        (
            Place::FreedHeap { block, .. } | Place::Heap { block, .. },
            Place::FreedHeap { block: other, .. } | Place::Heap { block: other, .. },
        ) => block.number == other.number,
        (Place::Home { home }, Place::Home { home: other }) => home == other,
        // A driver that shows a secret shows it for as long as it holds it.
        (Place::Debug { .. }, Place::Debug { .. }) => true,
        (Place::Static { name, .. }, Place::Static { name: other, .. })
        | (Place::ThreadLocal { name, .. }, Place::ThreadLocal { name: other, .. }) => {
            name == other
        }
        (place, other_place) => {
            known.call == other.call
                && core::mem::discriminant(place) == core::mem::discriminant(other_place)
        }
    }
}

/// The first and last byte of the copy that `sighting` is part of, as far as it was seen.
fn span(sightings: &[Sighting], sighting: &Sighting) -> (u8, u8) {
    let start = start_of(sighting);
    let parts = sightings.iter().filter(|part| {
        (part.secret, part.call) == (sighting.secret, sighting.call)
            && core::mem::discriminant(&part.place) == core::mem::discriminant(&sighting.place)
            && start_of(part) == start
    });
    let (first, last) = parts.fold((sighting.window, sighting.window), |(first, last), part| {
        (first.min(part.window), last.max(part.window))
    });
    (first, last + 7)
}

/// Where the copy would begin whose window was seen here; `None` where places have no order.
fn start_of(sighting: &Sighting) -> Option<i64> {
    let window = i64::from(sighting.window);
    Some(match sighting.place {
        Place::Output { offset }
        | Place::FreedHeap { offset, .. }
        | Place::Heap { offset, .. }
        | Place::Register { offset, .. }
        | Place::Static { offset, .. }
        | Place::ThreadLocal { offset, .. } => i64::from(offset) - window,
        Place::Stack { depth } => i64::from(depth) + window,
        Place::Home { .. }
        | Place::Log { .. }
        | Place::Debug { .. }
        | Place::Panic { .. }
        | Place::Shape { .. } => return None,
    })
}
