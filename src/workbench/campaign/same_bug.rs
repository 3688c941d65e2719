//! Whether two minimised sequences show one bug, of which one says more than the other.

use std::collections::BTreeSet;

use crate::fuzzing::symptom;
use crate::invariant::{Verdict, Weight};
use crate::observation::Trace;
use crate::sequence::{CallKind, CallSequence};

/// What a minimised sequence shows, as far as it takes to tell one bug by two symptoms from two bugs.
///
/// A driver that keeps a random number shows a secret that was left as soon as the refresh is finished,
/// and a second finish that is answered a call later. Each has a shortest form, and they are one bug: the
/// second form shows all that the first does, and says more.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    first: String,
    weight: Weight,
    all: BTreeSet<String>,
    kinds: Vec<CallKind>,
}

impl Shown {
    /// What the sequence showed that was run last; `None` if it broke nothing.
    pub(super) fn of(sequence: &CallSequence, verdict: &Verdict, trace: &Trace) -> Option<Self> {
        let first = verdict.first()?;
        Some(Self {
            first: symptom(first, trace),
            weight: first.weight(),
            all: verdict.violations.iter().map(|one| symptom(one, trace)).collect(),
            kinds: sequence.calls.iter().map(|call| call.kind()).collect(),
        })
    }

    /// Whether the other form shows this bug too, and says more of it. A key that is printed is a bug of its own:
    /// nothing else comes of it.
    pub(super) fn is_part_of(&self, other: &Self) -> bool {
        self.weight != Weight::Printed
            && other.weight < self.weight
            && other.all.contains(&self.first)
            && {
                let mut rest = other.kinds.iter();
                self.kinds.iter().all(|kind| rest.any(|its| its == kind))
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(first: &str, weight: Weight, also: &[&str], kinds: &[CallKind]) -> Shown {
        let all = also.iter().chain([&first]).map(|one| (*one).to_owned()).collect();
        Shown { first: first.to_owned(), weight, all, kinds: kinds.to_vec() }
    }

    #[test]
    fn what_is_left_is_part_of_what_is_used_where_the_longer_form_shows_both() {
        use CallKind::{CreateDevice, FinishRefresh, StartRefresh};
        let start = [CreateDevice, StartRefresh, FinishRefresh];
        let twice = [CreateDevice, StartRefresh, FinishRefresh, FinishRefresh];
        let left = shown("key-residue/finish-refresh", Weight::Kept, &[], &start);
        let used =
            |also: &[&str]| shown("double-finish/finish-refresh", Weight::Used, also, &twice);
        let both = used(&["key-residue/finish-refresh"]);
        assert!(left.is_part_of(&both));
        assert!(!both.is_part_of(&left) && !both.is_part_of(&both));
        assert!(!left.is_part_of(&used(&[])), "the longer form does not show it");
        let elsewhere = Shown { kinds: vec![StartRefresh, FinishRefresh, FinishRefresh], ..both };
        assert!(!left.is_part_of(&elsewhere), "its calls are others");
    }
}
