//! What builds show: which findings each of them shows and does not show, and what differs between two.

use core::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::report::Fingerprint;
use crate::store::{Body, Build, Event, Moment};

/// A bug, as the findings store tells it from others.
pub(super) type Name = (String, Fingerprint);

/// With how many builds before it a build is compared.
pub(super) const COMPARED_WITH: usize = 5;

/// Whether a build shows a bug.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Vote {
    build: Build,
    time: Moment,
    shows: bool,
}

/// What the events of a bug say about builds. One that shows it in some runs shows it.
pub(super) fn votes(events: &[Event]) -> Vec<Vote> {
    let vote = |event: &Event| {
        let (origin, shows) = match &event.body {
            Body::Found { origin, .. } | Body::Seen { origin, .. } => (origin, true),
            Body::Tried { shown, origin, .. } => (origin, *shown > 0),
            _ => return None,
        };
        Some(Vote { build: origin.build.clone(), time: event.time, shows })
    };
    events.iter().filter_map(vote).collect()
}

/// A build, and what it says about bugs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Seen {
    pub(super) build: Build,
    /// When it was first asked about anything.
    pub(super) first: Moment,
    pub(super) shows: BTreeSet<Name>,
    pub(super) holds: BTreeSet<Name>,
}

impl Seen {
    /// What it is called in the paths of pages.
    pub(super) fn name(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        self.build.to_string().chars().map(plain).collect()
    }
}

/// All builds that were asked about anything, the latest first.
pub(super) fn builds<'a>(bugs: impl Iterator<Item = (&'a Name, &'a Vec<Vote>)>) -> Vec<Seen> {
    let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
    for (name, votes) in bugs {
        for vote in votes {
            let build = seen.entry(vote.build.to_string()).or_insert_with(|| Seen {
                build: vote.build.clone(),
                first: vote.time,
                shows: BTreeSet::new(),
                holds: BTreeSet::new(),
            });
            build.first = build.first.min(vote.time);
            if vote.shows {
                build.holds.remove(name);
                build.shows.insert(name.clone());
            } else if !build.shows.contains(name) {
                build.holds.insert(name.clone());
            }
        }
    }
    let mut seen: Vec<Seen> = seen.into_values().collect();
    seen.sort_by_cached_key(|seen| Reverse((seen.first, seen.name())));
    seen
}

/// What differs between two builds, in words, and the bugs that it is so of.
pub(super) fn differences<'a>(
    before: &'a Seen,
    after: &'a Seen,
) -> [(&'static str, Vec<&'a Name>); 5] {
    let of = |shown: &'a Seen, is_so: &dyn Fn(&Name) -> bool| -> Vec<&'a Name> {
        shown.shows.iter().filter(|name| is_so(name)).collect()
    };
    let is_asked =
        |seen: &Seen, name: &Name| seen.shows.contains(name) || seen.holds.contains(name);
    [
        (
            "The later one shows it, the earlier one does not",
            of(after, &|name| before.holds.contains(name)),
        ),
        (
            "The earlier one shows it, the later one does not",
            of(before, &|name| after.holds.contains(name)),
        ),
        ("Both show it", of(after, &|name| before.shows.contains(name))),
        (
            "The later one shows it, the earlier one was not asked",
            of(after, &|name| !is_asked(before, name)),
        ),
        (
            "The earlier one shows it, the later one was not asked",
            of(before, &|name| !is_asked(after, name)),
        ),
    ]
}
