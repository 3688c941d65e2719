//! A bug: what its events come to.

use std::collections::{BTreeMap, BTreeSet};

use super::event::{Body, Event};
use super::origin::{Build, Origin};
use super::state::{Sources, Standing, State, Step, step, told};
use super::time::Moment;
use crate::report::Fingerprint;

/// A bug of one driver, as its events tell it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bug {
    /// The driver that has it.
    pub driver: String,
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// The invariant that it breaks; empty if no event says so.
    pub invariant: String,
    /// What happens, as a sentence fragment.
    pub happened: String,
    /// The text of its reproducer, if an event has brought one.
    pub text: Option<String>,
    /// Where the reproducer is stored, below the folder of findings.
    pub file: Option<String>,
    /// Where it stands whether or not it is ignored.
    pub standing: Standing,
    /// Who ignores it, if somebody ever said so and nobody took it back.
    pub ignored: Option<Ignored>,
    /// The bug that it is in other clothes.
    pub duplicate_of: Option<Fingerprint>,
    /// When it was first seen.
    pub first_seen: Option<Moment>,
    /// When it was last seen, by a search or in a run of its reproducer.
    pub last_seen: Option<Moment>,
    /// How often searches have seen it.
    pub seen_count: u64,
    /// The build that last said something about it, whatever that was.
    pub last_build: Option<Build>,
}

/// That nobody wants to hear of a bug.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ignored {
    /// Who said so.
    pub by: String,
    /// Why.
    pub why: String,
    /// From when on it is told again.
    pub until: Option<Moment>,
}

impl Bug {
    /// What the events of one bug come to, in whatever order they are.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[must_use]
    pub fn of(events: &[Event]) -> Self {
        let mut sorted: Vec<&Event> = events.iter().collect();
        sorted.sort_by(|a, b| a.order().cmp(&b.order()));
        let first = sorted.first().expect("a bug has an event");
        let mut bug = Self::nothing(first.driver.clone(), first.fingerprint);
        for event in sorted {
            bug.follow(event);
        }
        bug
    }

    /// What is told of it at this time; `None` if it was forgotten.
    #[must_use]
    pub fn state(&self, now: Moment) -> Option<State> {
        let is_over = |ignored: &Ignored| ignored.until.is_some_and(|until| until <= now);
        told(self.standing, self.ignored.as_ref().is_some_and(|ignored| !is_over(ignored)))
    }

    /// It before anything happened.
    fn nothing(driver: String, fingerprint: Fingerprint) -> Self {
        Self {
            driver,
            fingerprint,
            invariant: String::new(),
            happened: String::new(),
            text: None,
            file: None,
            standing: Standing::Absent,
            ignored: None,
            duplicate_of: None,
            first_seen: None,
            last_seen: None,
            seen_count: 0,
            last_build: None,
        }
    }

    fn follow(&mut self, event: &Event) {
        let it = match &event.body {
            Body::Found { invariant, happened, text, file, origin } => {
                // The first reproducer stays, unless it was never stored.
                if self.text.is_none() || self.file.is_none() && file.is_some() {
                    (self.text, self.file) = (Some(text.clone()), file.clone());
                    (self.invariant, self.happened) = (invariant.clone(), happened.clone());
                }
                self.see(event.time, 1);
                Step::Shows(self.sources(origin))
            }
            Body::Seen { times, origin } => {
                self.see(event.time, *times);
                Step::Shows(self.sources(origin))
            }
            // Runs that could not tell say nothing.
            Body::Tried { votes: 0, .. } => return,
            Body::Tried { shown, votes, origin } => {
                let sources = self.sources(origin);
                if *shown > 0 && self.standing != Standing::Absent {
                    self.see(event.time, 0);
                }
                match *shown {
                    0 => Step::Holds(sources),
                    shown if shown < *votes => Step::ShowsInSome(sources),
                    _ => Step::Shows(sources),
                }
            }
            Body::Ignored { by, why, until } => {
                self.ignored = Some(Ignored { by: by.clone(), why: why.clone(), until: *until });
                Step::Remark
            }
            Body::Unignored { .. } => {
                self.ignored = None;
                Step::Remark
            }
            Body::DuplicateOf { of } => {
                self.duplicate_of = (*of != self.fingerprint).then_some(*of);
                Step::Remark
            }
            Body::Forgotten {} => {
                // What it looks like stays, for whoever sees it again without a reproducer.
                (self.ignored, self.duplicate_of) = (None, None);
                (self.first_seen, self.last_seen, self.seen_count) = (None, None, 0);
                Step::Forgotten
            }
        };
        let is_tried = matches!(event.body, Body::Tried { .. });
        if is_tried && self.standing == Standing::Absent {
            // Who tries a bug that somebody else forgot meanwhile does not bring it back.
            return;
        }
        self.standing = step(self.standing, it);
        if let Some(Origin { build, .. }) = event.body.origin() {
            self.last_build = Some(build.clone());
        }
    }

    fn see(&mut self, time: Moment, times: u64) {
        self.first_seen.get_or_insert(time);
        self.last_seen = Some(time);
        self.seen_count = self.seen_count.saturating_add(times);
    }

    fn sources(&self, origin: &Origin) -> Sources {
        let last = self.last_build.as_ref();
        let is_same = last.is_some_and(|last| last.is_of_same_sources(&origin.build));
        if is_same { Sources::Same } else { Sources::Other }
    }
}

impl Body {
    /// By whom it was seen or tried.
    #[must_use]
    pub fn origin(&self) -> Option<&Origin> {
        match self {
            Self::Found { origin, .. } | Self::Seen { origin, .. } | Self::Tried { origin, .. } => {
                Some(origin)
            }
            _ => None,
        }
    }
}

/// The bug that each is told with: itself, or the one that it is a duplicate of.
///
/// Two stores that are merged may each say the opposite. Of bugs that are duplicates of each other in a
/// circle, the one with the smallest fingerprint is the one that the others are told with.
#[must_use]
pub fn told_with(bugs: &[Bug]) -> BTreeMap<(String, Fingerprint), Fingerprint> {
    let key = |bug: &Bug| (bug.driver.clone(), bug.fingerprint);
    let next: BTreeMap<_, _> =
        bugs.iter().filter_map(|bug| Some((key(bug), bug.duplicate_of?))).collect();
    let known: BTreeSet<_> = bugs.iter().map(key).collect();
    let root = |bug: &Bug| {
        let (mut at, mut path) = (bug.fingerprint, vec![bug.fingerprint]);
        while let Some(&of) = next.get(&(bug.driver.clone(), at)) {
            if !known.contains(&(bug.driver.clone(), of)) {
                break;
            }
            if let Some(start) = path.iter().position(|&seen| seen == of) {
                return path[start..].iter().copied().min().unwrap_or(at);
            }
            path.push(of);
            at = of;
        }
        at
    };
    bugs.iter().map(|bug| (key(bug), root(bug))).collect()
}
