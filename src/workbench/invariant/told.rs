//! Which violation of a run is told first: what was used comes before what was left.
//!
//! A key that was never updated also leaves the old one behind, a call earlier. Whoever reads only that
//! looks for a missing wipe, and there is none.

use super::{Verdict, Violation, key_residue, wrong_answer, wrong_key_epoch};
use crate::observation::{Layer, Place};

/// How much a violation says about its bug; what says most comes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Weight {
    /// What the driver did, or handed out.
    Used,
    /// What stands in text that it prints or would print of itself: nothing else that goes wrong comes of that.
    Printed,
    /// What it keeps in memory that has an owner; or a symptom that the work of another bug may be.
    Kept,
    /// What lies in dead stack and registers, where much comes by on its way to somewhere else.
    Passed,
}

impl Violation {
    /// How much it says about its bug.
    #[must_use]
    pub fn weight(&self) -> Weight {
        if self.is_text() {
            return Weight::Printed;
        }
        let layer = self.place.map(|place| place.layer());
        match layer.filter(|_| self.is_residue()) {
            Some(Layer::Stack | Layer::Registers) => Weight::Passed,
            Some(_) => Weight::Kept,
            // Room that is missing is a symptom of whatever keeps it, and a home that holds nothing, or
            // the wrong bound key, one of what is done with it later.
            None if self.is_inferred && self.is_about_what_is_there() => Weight::Kept,
            None => Weight::Used,
        }
    }

    fn is_about_what_is_there(&self) -> bool {
        [wrong_answer::INVARIANT.name, wrong_key_epoch::INVARIANT.name].contains(&self.invariant)
    }

    /// Whether it is about what stands in text of the driver.
    pub(super) fn is_text(&self) -> bool {
        matches!(self.place, Some(Place::Debug { .. } | Place::Log { .. }))
    }

    /// Whether it says no more than that a secret was left somewhere.
    pub(crate) fn is_residue(&self) -> bool {
        self.invariant == key_residue::INVARIANT.name
    }
}

impl Verdict {
    /// The violation to talk about first: of those that say most, the one at the earliest call, and
    /// there the most specific.
    #[must_use]
    pub fn first(&self) -> Option<&Violation> {
        self.first_where(|_| true)
    }

    /// The violation to talk about first, of those that are `wanted`.
    #[must_use]
    pub fn first_where(&self, wanted: impl Fn(&Violation) -> bool) -> Option<&Violation> {
        self.violations.iter().filter(|violation| wanted(violation)).min_by_key(|it| order(it))
    }

    /// All violations, in the order in which they are told.
    #[must_use]
    pub fn told(&self) -> Vec<&Violation> {
        let mut told: Vec<_> = self.violations.iter().collect();
        told.sort_by_key(|violation| order(violation));
        told
    }
}

fn order(violation: &Violation) -> (Weight, usize) {
    (violation.weight(), violation.call)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{sight, trace_of};
    use super::super::{Model, judge};
    use super::{Verdict, Weight};
    use crate::observation::{
        Block, EmptyHome, Home, Place, SecretKind, SecretName, Sighting, Trace,
    };

    const REFRESHED: &str = "d0 = create-device -> ok
        s0 = create-session d0 -> ok
        exchange-key s0 key=7 -> ok
        start-refresh s0 -> ok
        finish-refresh s0 -> ok
        ";

    fn told(trace: &Trace) -> (&'static str, usize) {
        let mut verdict = Verdict::default();
        judge(trace, &mut Model::default(), &mut verdict);
        let first = verdict.first().unwrap();
        assert_eq!(verdict.told()[0], first);
        (first.invariant, first.call)
    }

    #[test]
    fn what_was_used_is_told_before_what_was_left_earlier() {
        let mut trace = trace_of(&format!("{REFRESHED}finish-refresh s0 -> ok"));
        sight(&mut trace, 4, Place::Stack { depth: 64 });
        assert_eq!(told(&trace), ("double-finish", 5));
    }

    #[test]
    fn a_wrong_answer_is_told_before_what_the_same_call_left() {
        let mut trace = trace_of(&format!("{REFRESHED}exchange-key s0 key=8 -> ok"));
        sight(&mut trace, 5, Place::Stack { depth: 64 });
        assert_eq!(told(&trace), ("wrong-answer", 5));
    }

    #[test]
    fn text_is_told_before_memory_and_memory_before_dead_stack_whichever_was_seen_first() {
        let mut trace = trace_of(&format!("{REFRESHED}session-status s0 -> ok"));
        let see = |trace: &mut Trace, call, place| {
            trace.sightings.push(Sighting { secret: 0, window: 0, call, place });
        };
        sight(&mut trace, 3, Place::Stack { depth: 64 });
        assert_eq!(told(&trace), ("key-residue", 3));
        let block = Block { number: 4, len: 48, allocated_in: 1, freed_in: None };
        see(&mut trace, 4, Place::Heap { block, offset: 0 });
        assert_eq!(told(&trace), ("key-residue", 4));
        see(&mut trace, 5, Place::Log { line: 1, encoding: keysan::text::Encoding::Hex });
        assert_eq!(told(&trace), ("key-leak", 5));
    }

    #[test]
    fn room_that_is_refused_is_told_after_the_secret_that_keeps_it() {
        let mut trace = trace_of(&format!("{REFRESHED}create-session d0 -> E_OUTOFMEMORY"));
        let block = Block { number: 4, len: 48, allocated_in: 1, freed_in: None };
        sight(&mut trace, 4, Place::Heap { block, offset: 0 });
        assert_eq!(told(&trace), ("key-residue", 4));
        assert!(Weight::Used < Weight::Kept && Weight::Kept < Weight::Passed);
    }

    /// The command is gone with its home; that its buffer never comes back is what is wrong.
    #[test]
    fn a_lost_buffer_is_told_before_the_empty_home_of_its_key() {
        let mut trace = trace_of(
            "d0 = create-device -> ok
            s0 = create-session d0 -> ok
            exchange-key s0 key=1 -> ok
            submit-buffer s0 iv=1 count=0 len=16 -> ok
            session-status s0 -> ok
            retire 1 -> ok",
        );
        trace.completions.clear();
        for seen in &mut trace.calls {
            seen.completions = 0..0;
        }
        trace.secrets = vec![SecretName { kind: SecretKind::Key, session: 0, epoch: 0 }];
        trace.empty_homes.push(EmptyHome { secret: 0, call: 4, home: Home::BoundKey { fence: 1 } });
        assert_eq!(told(&trace), ("lost-work", 5));
    }

    /// A late completion switched the key and keyed the session again; the next finish was refused, and
    /// what it would have made was already there.
    #[test]
    fn a_key_that_was_switched_early_is_told_where_it_was_switched() {
        let mut trace = trace_of(
            "d0 = create-device -> ok
            s0 = create-session d0 -> ok
            exchange-key s0 key=1 -> ok
            submit-buffer s0 iv=1 count=0 len=16 -> ok
            start-refresh s0 size=16 -> ok
            finish-refresh s0 -> ok
            start-refresh s0 size=16 -> ok
            retire 1 -> ok
            finish-refresh s0 -> D3DDDIERR_INVALIDCALL",
        );
        let name = |epoch| SecretName { kind: SecretKind::Key, session: 0, epoch };
        trace.secrets = vec![name(1), name(2)];
        let home = Home::Key { session: 0 };
        trace.empty_homes.push(EmptyHome { secret: 0, call: 7, home });
        let place = Place::Home { home };
        trace.sightings.push(Sighting { secret: 1, window: 0, call: 8, place });
        assert_eq!(told(&trace), ("wrong-key-epoch", 7));
    }
}
