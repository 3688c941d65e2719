//! Finds the shortest, plainest sequence for which something still holds.

use core::cmp::Ordering;
use std::collections::HashSet;

use rekeylab_ddi::Limits;

use super::simplify::{Number, order, with_plainer_words};
use crate::sequence::call::{Call, CallSequence};
use crate::sequence::renumber::{self, Created};
use crate::sequence::slot::Slot;
use crate::sequence::slot::SlotKind;
use crate::sequence::words::HandleForm;

/// The most times that [`minimize`] asks its predicate: some ten times what 64 calls need.
pub const EVALUATIONS_MAX: usize = 20_000;

/// Longest sequence of which every pair of calls is tried; there are 300 pairs then.
const PAIRS_LEN_MAX: usize = 25;

/// How many calls [`minimize`] runs for the last steps: 2000 changes of twelve calls are 24,000.
pub const LAST_STEPS_MAX: u64 = 200_000;

/// The shortest, plainest form of `sequence` that can be found for which `holds` says yes.
///
/// A pure function if `holds` is one. The result holds, and unless a bound stopped the search, no
/// change that was tried makes it smaller or plainer: in particular, no single call can be removed.
/// A sequence that does not hold to begin with comes back as it is.
#[must_use]
pub fn minimize(
    sequence: &CallSequence,
    limits: &Limits,
    holds: impl FnMut(&CallSequence) -> bool,
) -> CallSequence {
    minimize_within(sequence, limits, LAST_STEPS_MAX, holds)
}

/// The same, when runs are dear: once nothing can be removed any more, candidates of `last_steps`
/// calls in all are tried to find the form that other sequences with the same bug end in too.
#[must_use]
pub fn minimize_within(
    sequence: &CallSequence,
    limits: &Limits,
    last_steps: u64,
    holds: impl FnMut(&CallSequence) -> bool,
) -> CallSequence {
    let mut search = Search {
        limits: *limits,
        best: sequence.clone(),
        candidate: CallSequence::default(),
        holds,
        refused: HashSet::new(),
        left: EVALUATIONS_MAX,
        calls_left: last_steps,
    };
    if !search.ask(&sequence.clone()) {
        return search.best;
    }
    loop {
        search.remove_and_simplify();
        let before = search.best.clone();
        search.try_neighbours();
        // Every change leads to a plainer form, so this ends.
        if search.best == before {
            return search.best;
        }
    }
}

/// A search for the plainest form, and where it stands.
pub(super) struct Search<F> {
    /// Of the driver: how long buffers are, and how many fill a queue.
    pub(super) limits: Limits,
    /// The best sequence so far; it holds.
    pub(super) best: CallSequence,
    /// Memory for the next one to try.
    candidate: CallSequence,
    holds: F,
    /// What did not hold; only asked for what is in it, so its order is nobody's business.
    refused: HashSet<Vec<Call>>,
    /// How many more times the predicate may be asked.
    pub(super) left: usize,
    /// How many more calls may run for the last steps.
    pub(super) calls_left: u64,
}

impl<F: FnMut(&CallSequence) -> bool> Search<F> {
    /// Removes calls and makes arguments plainer until neither goes any further.
    fn remove_and_simplify(&mut self) {
        loop {
            let before = self.best.clone();
            self.attempt(|calls| renumber::canonicalize(calls));
            self.cut_tail();
            self.cut_chunks();
            self.cut_groups();
            self.cut_pairs();
            self.take_joint_steps();
            self.simplify_numbers_together();
            for index in 0..self.best.calls.len() {
                self.simplify_slots(index);
                self.simplify_words(index);
                self.simplify_numbers(index);
            }
            if self.best == before {
                return;
            }
        }
    }

    /// Tries the best sequence with a change; takes it if it became plainer and still holds.
    pub(super) fn attempt(&mut self, change: impl FnOnce(&mut Vec<Call>)) -> bool {
        let mut candidate = std::mem::take(&mut self.candidate);
        candidate.calls.clone_from(&self.best.calls);
        change(&mut candidate.calls);
        let is_plainer = order(&candidate.calls, &self.best.calls) == Ordering::Less;
        // A file without a call is taken for one that was cut.
        let is_better = is_plainer && !candidate.calls.is_empty() && self.ask(&candidate);
        if is_better {
            std::mem::swap(&mut self.best, &mut candidate);
        }
        self.candidate = candidate;
        is_better
    }

    fn ask(&mut self, candidate: &CallSequence) -> bool {
        // Many changes lead to one candidate, and the last round tries again what the one before did.
        if self.left == 0 || self.refused.contains(&candidate.calls) {
            return false;
        }
        self.left -= 1;
        let holds = (self.holds)(candidate);
        if !holds {
            self.refused.insert(candidate.calls.clone());
        }
        holds
    }

    pub(super) fn len(&self) -> usize {
        self.best.calls.len()
    }

    /// Bisects for the shortest beginning; nearly always everything happens before the end.
    fn cut_tail(&mut self) {
        let mut too_short = 0;
        while too_short + 1 < self.len() {
            let middle = too_short + (self.len() - too_short) / 2;
            if !self.attempt(|calls| calls.truncate(middle)) {
                too_short = middle;
            }
        }
    }

    /// Removes halves, quarters, ..., single calls; from the end, where less depends on them.
    fn cut_chunks(&mut self) {
        let mut width = self.len().div_ceil(2);
        while width > 0 {
            let mut end = self.len();
            while end > 0 {
                let start = end.saturating_sub(width);
                self.cut(|index| (start..end).contains(&index));
                end = start.min(self.len());
            }
            width /= 2;
        }
    }

    /// Removes what belongs together: one half alone would change the meaning of the other.
    fn cut_groups(&mut self) {
        let mut index = self.len();
        while index > 0 {
            index = (index - 1).min(self.len().saturating_sub(1));
            let Some(group) = group(&self.best.calls, index) else { continue };
            self.cut(|index| group[index]);
        }
    }

    fn cut_pairs(&mut self) {
        if self.len() > PAIRS_LEN_MAX {
            return;
        }
        let mut first = 0;
        while first < self.len() {
            let mut second = first + 1;
            while second < self.len() {
                if !self.cut(|index| index == first || index == second) {
                    second += 1;
                }
            }
            first += 1;
        }
    }

    /// Removes the calls that `is_cut` says; first so that the others keep their meaning, then
    /// (because the meaning may not matter, but the number may) just so.
    fn cut(&mut self, is_cut: impl Fn(usize) -> bool) -> bool {
        if self.attempt(|calls| renumber::keep(calls, |index, _| !is_cut(index))) {
            return true;
        }
        let calls = self.best.calls.iter().enumerate();
        let mut cut = calls.filter(|(index, _)| is_cut(*index)).map(|(_, call)| *call);
        let creates = cut.any(|call| Created::by(&[call]) != Created::default());
        creates
            && self.attempt(|calls| {
                let mut index = 0;
                calls.retain(|_| {
                    index += 1;
                    !is_cut(index - 1)
                });
            })
    }

    /// Numbers that must stay equal or in order, like IVs, can only change together.
    fn simplify_numbers_together(&mut self) {
        for number in Number::all() {
            let mut values: Vec<u64> =
                self.best.calls.iter().filter_map(|call| number.of(call)).collect();
            values.sort_unstable();
            values.dedup();
            let plain = number.plain();
            let replace = |search: &mut Self, new: &dyn Fn(u64) -> u64| {
                search.attempt(|calls| {
                    for call in calls {
                        if let Some(value) = number.of(call) {
                            number.set(call, new(value));
                        }
                    }
                })
            };
            let rank = |value| values.binary_search(&value).unwrap_or(0) as u64;
            if replace(self, &|_| plain) || replace(self, &|value| plain + rank(value)) {
                continue;
            }
            for &old in &values {
                replace(self, &|value| if value == old { plain } else { value });
            }
        }
    }

    fn simplify_slots(&mut self, index: usize) {
        self.attempt(|calls| {
            if let Some(session) = calls[index].session_mut() {
                session.via = None;
            }
        });
        self.attempt(|calls| {
            if let Some(session) = calls[index].session_mut() {
                session.handle = HandleForm::Given;
            }
        });
        for wanted in [SlotKind::Session, SlotKind::Device] {
            let lower = |search: &mut Self, to: &dyn Fn(u8) -> u8| {
                search.attempt(|calls| {
                    renumber::each_slot(&mut calls[index], |kind, slot| {
                        if kind == wanted {
                            *slot = Slot(to(slot.0));
                        }
                    });
                })
            };
            lower(self, &|_| 0);
            while lower(self, &|slot| slot.saturating_sub(1)) {}
        }
    }

    fn simplify_words(&mut self, index: usize) {
        for plainer in with_plainer_words(&self.best.calls[index]) {
            if self.attempt(|calls| calls[index] = plainer) {
                // The other word of the call may be plainer still, in the next round.
                return;
            }
        }
    }

    /// The plainest value, else 0, else (by bisection) the smallest.
    fn simplify_numbers(&mut self, index: usize) {
        for number in Number::of_kind(self.best.calls[index].kind()) {
            let Some(value) = number.of(&self.best.calls[index]) else { continue };
            let set = |search: &mut Self, value| {
                search.attempt(|calls| number.set(&mut calls[index], value))
            };
            if value == number.plain() || set(self, number.plain()) || set(self, 0) || value == 0 {
                continue;
            }
            if !set(self, value - 1) {
                continue;
            }
            let (mut too_small, mut enough) = (0, value - 1);
            while enough - too_small > 1 {
                let middle = too_small + (enough - too_small) / 2;
                if set(self, middle) {
                    enough = middle;
                } else {
                    too_small = middle;
                }
            }
        }
    }
}

/// Which calls belong to the one at `index`: all uses of what it creates, the finish of a start,
/// the call that an injection is for, the buffers that a retire completes.
fn group(calls: &[Call], index: usize) -> Option<Vec<bool>> {
    let mut group = vec![false; calls.len()];
    *group.get_mut(index)? = true;
    match calls[index] {
        Call::CreateDevice | Call::CreateSession { .. } => mark_uses(calls, index, &mut group),
        Call::StartRefresh { session, .. } => {
            let mut created = Created::by(&calls[..index]);
            let target = session.slot.resolve(created.sessions);
            for (later, call) in calls.iter().enumerate().skip(index) {
                if let Call::FinishRefresh { session } = call
                    && session.slot.resolve(created.sessions) == target
                {
                    group[later] = true;
                    break;
                }
                created.note(call);
            }
        }
        Call::Retire { count, .. } => {
            let is_buffer = |at: &usize| matches!(calls[*at], Call::SubmitBuffer { .. });
            let retired = usize::try_from(count).unwrap_or(usize::MAX);
            (0..index).filter(is_buffer).take(retired).for_each(|at| group[at] = true);
        }
        Call::InjectEntropy { .. } | Call::InjectAllocationFailure { .. } => {
            *group.get_mut(index + 1)? = true;
        }
        _ => return None,
    }
    Some(group)
}

/// Marks the uses of what call `index` creates, and of the sessions created on it.
fn mark_uses(calls: &[Call], index: usize, group: &mut [bool]) {
    let mut created = Created::default();
    let (mut devices, mut sessions) = (Vec::new(), Vec::new());
    for (at, call) in calls.iter().enumerate() {
        let mut copy = *call;
        renumber::each_slot(&mut copy, |kind, slot| {
            let (marks, count): (&Vec<bool>, _) = match kind {
                SlotKind::Device => (&devices, created.devices),
                SlotKind::Session => (&sessions, created.sessions),
            };
            group[at] |= at > index && slot.resolve(count).is_some_and(|index| marks[index]);
        });
        match call {
            Call::CreateDevice => devices.push(group[at]),
            Call::CreateSession { .. } => sessions.push(group[at]),
            _ => {}
        }
        created.note(call);
    }
}
