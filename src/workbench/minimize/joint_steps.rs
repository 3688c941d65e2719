//! Steps that change several calls at once, where each change alone would lose what shows.

use super::neighbours::calls_for;
use super::search::Search;
use super::sessions::{merge, rise};
use super::simplify::Number;
use crate::sequence::call::CallKind;
use crate::sequence::call::{Call, CallSequence};
use crate::sequence::renumber;
use crate::sequence::slot::Slot;
use crate::sequence::words::EntropyFault;

/// With more buffers than this, nobody tries how few of the longest do as well.
const FILLING_MAX: usize = 64;

/// More sessions than this are not merged two by two.
const MERGED_MAX: usize = 16;

impl<F: FnMut(&CallSequence) -> bool> Search<F> {
    /// Fewer sessions, fewer buffers and plainer counters.
    pub(super) fn take_joint_steps(&mut self) {
        self.merge_sessions();
        self.rank_counters();
        self.gather_bytes();
        self.remove_refreshes();
        self.fail_instead();
    }

    /// The same calls in a plainer order, and the same numbers in plainer places.
    pub(super) fn rearrange(&mut self) {
        self.swap_calls();
        self.swap_numbers();
        self.transfer_bytes();
        self.move_buffers();
        self.replace_injections();
    }

    /// The longest buffer that the driver takes and the shortest, in bytes.
    fn buffer_lens(&self) -> (u64, u64) {
        (self.limits.buffer_len_max.into(), self.limits.block_alignment.into())
    }

    /// What many buffers show together may not need the sessions that they were found in.
    fn merge_sessions(&mut self) {
        self.attempt_neighbour(|calls| renumber::canonicalize(calls));
        let count = renumber::Created::by(&self.best.calls).sessions.min(MERGED_MAX);
        let count = u8::try_from(count).unwrap_or(u8::MAX);
        for (from, into) in
            (0..count).rev().flat_map(|from| (0..from).map(move |into| (from, into)))
        {
            let (from, into) = (Slot(from), Slot(into));
            let is_merged = self.attempt_neighbour(|calls| {
                rise(calls, |session| if session == from { into } else { session });
                merge(calls, from, into);
            });
            if !is_merged {
                self.attempt_neighbour(|calls| merge(calls, from, into));
            }
        }
    }

    /// IVs that count the buffers of each session, or at least keep their order.
    fn rank_counters(&mut self) {
        if !self.attempt_neighbour(|calls| rise(calls, |session| session)) {
            self.attempt_neighbour(|calls| rank(calls));
        }
    }

    /// As many bytes in fewer buffers.
    fn gather_bytes(&mut self) {
        let (longest, _) = self.buffer_lens();
        let mut end = self.len();
        while end > 0 {
            end = end.min(self.len());
            let is_buffer = |call: &Call| call.kind() == CallKind::SubmitBuffer;
            let run =
                self.best.calls[..end].iter().rev().take_while(|call| is_buffer(call)).count();
            let starts = end - run..end.saturating_sub(1);
            // The last of them may show the bug, and the one before it may fill the queue.
            for (start, spared) in
                starts.flat_map(|start| (0..3).map(move |spared| (start, spared)))
            {
                if start + spared < end
                    && self.attempt_neighbour(|calls| gather(calls, start, end - spared, longest))
                {
                    break;
                }
            }
            self.fill_with_longest(end, run);
            end = end.min(self.len());
            end -= run.max(1).min(end);
        }
    }

    /// What many buffers fill by their number, a few of the longest fill by their bytes.
    fn fill_with_longest(&mut self, end: usize, run: usize) {
        let end = end.min(self.len());
        let Some(start) = end.checked_sub(run) else { return };
        let (longest, _) = self.buffer_lens();
        // Twice as many of the longest buffers as fill the queue.
        let filling = 2 * u64::from(self.limits.queue_len_max) / longest.max(1);
        let filling = usize::try_from(filling).unwrap_or(usize::MAX).min(FILLING_MAX);
        for (kept, spared) in (1..=filling).flat_map(|kept| (0..3).map(move |it| (kept, it))) {
            if kept + spared < run
                && self.attempt_neighbour(|calls| {
                    calls.drain(start + kept..end - spared);
                    for call in &mut calls[start..start + kept] {
                        Number::LEN.set(call, longest);
                    }
                })
            {
                return;
            }
        }
    }

    /// Removes a refresh that is needed for nothing but another key: where it only makes two sessions or
    /// two buffers have different keys, an exchange with another key does the same in fewer calls.
    fn remove_refreshes(&mut self) {
        let mut start = self.len();
        while start > 0 {
            start = (start - 1).min(self.len().saturating_sub(1));
            let Some(Call::StartRefresh { session, .. }) = self.best.calls.get(start).copied()
            else {
                continue;
            };
            let is_end = |call: &Call| matches!(call, Call::FinishRefresh { session: other } if *other == session);
            let Some(length) = self.best.calls[start..].iter().position(is_end) else { continue };
            let finish = start + length;
            if !self.exchange_instead(start, finish) {
                self.repeat_instead(start, finish);
            }
        }
    }

    /// Removes a refresh and exchanges another key.
    fn exchange_instead(&mut self, start: usize, finish: usize) -> bool {
        (0..self.len()).any(|exchange| {
            let Some(key) = Number::KEY.of(&self.best.calls[exchange]) else { return false };
            self.attempt_neighbour(|calls| {
                Number::KEY.set(&mut calls[exchange], u64::from(key == 0));
                renumber::keep(calls, |index, _| index != start && index != finish);
            })
        })
    }

    /// Removes a refresh that is needed for nothing but a number which two calls are given: the second
    /// is given what the first one was.
    fn repeat_instead(&mut self, start: usize, finish: usize) {
        let is_refresh = |index: usize| index == start || index == finish;
        for at in 0..self.len().saturating_sub(1) {
            let is_injection = self.best.calls[at].kind() == CallKind::InjectEntropy;
            if !is_injection || is_refresh(at + 1) {
                continue;
            }
            for fault in [EntropyFault::Repeat, EntropyFault::Again] {
                let is_taken = self.attempt_neighbour(|calls| {
                    calls[at] = calls[at + 1];
                    calls[at + 1] = Call::InjectEntropy { fault, draws: 1 };
                    renumber::keep(calls, |index, _| !is_refresh(index));
                });
                if is_taken {
                    return;
                }
            }
        }
    }

    /// Replaces all finishes, or all destructions, by one injected failure. They may only be there so
    /// that the call before them can be made again, and a call that failed can be made again too.
    fn fail_instead(&mut self) {
        for kind in [CallKind::FinishRefresh, CallKind::DestroySession] {
            let is_kind = |call: &Call| call.kind() == kind || call.is_injection();
            let removed = self.best.calls.iter().filter(|call| is_kind(call)).count();
            if removed < 2 {
                continue;
            }
            let faults = EntropyFault::ALL.iter();
            let injections: Vec<Call> = faults
                .flat_map(|&fault| (1..=4).map(move |draws| Call::InjectEntropy { fault, draws }))
                .collect();
            for (at, injection) in (0..self.len().saturating_sub(removed))
                .flat_map(|at| injections.iter().map(move |injection| (at, *injection)))
            {
                let is_taken = self.attempt_neighbour(|calls| {
                    calls.retain(|call| !is_kind(call));
                    calls.insert(at, injection);
                });
                if is_taken {
                    break;
                }
            }
        }
    }

    /// A buffer of a later session among those of an earlier one.
    fn move_buffers(&mut self) {
        let (_, shortest) = self.buffer_lens();
        let is_buffer = |call: &Call| call.kind() == CallKind::SubmitBuffer;
        for (to, from) in pairs(self.len()) {
            let calls = &self.best.calls;
            let is_end = to > 0 && is_buffer(&calls[to - 1]) && !is_buffer(&calls[to]);
            if is_end && is_buffer(&calls[from]) {
                self.attempt_neighbour(|calls| {
                    let moved = calls.remove(from);
                    let mut call = calls[to - 1];
                    Number::LEN.set(&mut call, Number::LEN.of(&moved).unwrap_or(shortest));
                    let iv = Number::IV.of(&call).unwrap_or(0);
                    Number::IV.set(&mut call, iv.saturating_add(1));
                    calls.insert(to, call);
                    rise(calls, |session| session);
                });
            }
        }
    }

    /// Two calls of one kind in each other's place; what they create keeps its name, or its users.
    pub(super) fn swap_calls(&mut self) {
        for (first, second) in pairs(self.len()) {
            let (one, other) = (self.best.calls[first], self.best.calls[second]);
            if one.kind() != other.kind() || one == other {
                continue;
            }
            if !self.attempt_neighbour(|calls| calls.swap(first, second)) {
                self.attempt_neighbour(|calls| {
                    let mut order: Vec<usize> = (0..calls.len()).collect();
                    order.swap(first, second);
                    renumber::reorder(calls, &order);
                });
            }
        }
    }

    /// The numbers of two calls in each other's place.
    fn swap_numbers(&mut self) {
        for (first, second) in pairs(self.len()) {
            for number in Number::of_kind(self.best.calls[first].kind()) {
                let of = |index: usize| number.of(&self.best.calls[index]);
                if let (Some(one), Some(other)) = (of(first), of(second))
                    && one != other
                {
                    self.attempt_neighbour(|calls| {
                        number.set(&mut calls[first], other);
                        number.set(&mut calls[second], one);
                    });
                }
            }
        }
    }

    /// Bytes of one buffer in another, so that one of them is as short or as long as can be.
    fn transfer_bytes(&mut self) {
        let (longest, shortest) = self.buffer_lens();
        for (first, second) in pairs(self.len()) {
            for (from, to) in [(first, second), (second, first)] {
                let of = |index: usize| Number::LEN.of(&self.best.calls[index]);
                let (Some(less), Some(more)) = (of(from), of(to)) else { continue };
                let moved = less.saturating_sub(shortest).min(longest.saturating_sub(more));
                if moved > 0 {
                    self.attempt_neighbour(|calls| {
                        Number::LEN.set(&mut calls[from], less - moved);
                        Number::LEN.set(&mut calls[to], more + moved);
                    });
                }
            }
        }
    }

    /// Two plain calls in the place of an injection and the call that it is for.
    fn replace_injections(&mut self) {
        for at in 0..self.len().saturating_sub(1) {
            if self.best.calls[at].is_injection() {
                let plain = calls_for(&self.best.calls[at + 1..], 0);
                let pairs =
                    plain.iter().flat_map(|one| plain.iter().map(move |other| [*one, *other]));
                for pair in pairs {
                    if self.attempt_neighbour(|calls| calls[at..at + 2].copy_from_slice(&pair)) {
                        break;
                    }
                }
            }
        }
    }
}

/// Every two of so many positions.
fn pairs(len: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..len).flat_map(move |first| (first + 1..len).map(move |second| (first, second)))
}

/// Gives the buffers of each session IVs that are in the order of what they begin with.
fn rank(calls: &mut [Call]) {
    let begin = |call: &Call| match *call {
        Call::SubmitBuffer { session, iv, count, .. } => Some((session.slot, iv, count)),
        _ => None,
    };
    let mut all: Vec<_> = calls.iter().filter_map(begin).collect();
    all.sort_unstable();
    all.dedup();
    for call in calls {
        let Some(own) = begin(call) else { continue };
        let rank = all.iter().filter(|other| other.0 == own.0 && **other <= own).count();
        Number::IV.set(call, rank as u64);
        Number::COUNT.set(call, 0);
    }
}

/// Puts the bytes of the buffers among these calls into as few as can hold them.
fn gather(calls: &mut Vec<Call>, start: usize, end: usize, longest: u64) {
    let len = |call: &Call| Number::LEN.of(call).unwrap_or(0).min(longest);
    let mut left: u64 = calls[start..end].iter().map(len).sum();
    for call in &mut calls[start..end] {
        let len = left.min(longest);
        Number::LEN.set(call, len);
        left -= len;
    }
    let mut index = 0;
    calls.retain(|call| {
        index += 1;
        !(start..end).contains(&(index - 1)) || Number::LEN.of(call) != Some(0)
    });
}
