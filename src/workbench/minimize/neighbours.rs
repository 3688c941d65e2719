//! The last steps to the shortest, plainest form: every sequence that is one step away is tried.
//!
//! Removing calls leads to a form of which nothing can be removed, and which one that is depends on
//! where it began. From each of them, the steps here lead to the same one.

use super::search::Search;
use super::simplify::Number;
use crate::sequence::Effects;
use crate::sequence::call::CallKind;
use crate::sequence::call::{Call, CallSequence};
use crate::sequence::renumber::{self, Created};
use crate::sequence::slot::SlotKind;
use crate::sequence::slot::{SessionRef, Slot};
use crate::sequence::words::{CryptoType, DecodeProfile, EntropyFault, HandleForm};

/// How many of the devices and sessions that exist a new call is aimed at.
const TARGETS_MAX: usize = 4;

/// Longest sequence of which a call is replaced while another is removed: there are some 2000
/// ways to do so then.
const EXCHANGE_LEN_MAX: usize = 12;

/// As many draws as one call makes at most (S-12).
const ALL_DRAWS: u32 = 4;

/// More draws than one call makes, so that the next one is concerned too.
const MORE_DRAWS: u32 = ALL_DRAWS + 1;

impl<F: FnMut(&CallSequence) -> bool> Search<F> {
    /// Tries all that is one step away, as long as [`Search::calls_left`] lasts.
    pub(super) fn try_neighbours(&mut self) {
        self.lift();
        // There are few of these, so they come while there is still something left to pay them with.
        self.exchange_names();
        self.swap_calls();
        self.move_forwards();
        self.replace();
        self.remove_and_replace();
        self.exchange_names();
        self.sort_ends();
        self.rearrange();
        for index in 0..self.len() {
            self.try_powers(index);
            self.shift_numbers(index);
        }
    }

    /// What shows with the sessions of a device may show with devices alone, one call earlier.
    fn lift(&mut self) {
        let has_session = |call: &Call| matches!(call, Call::CreateSession { .. });
        if !self.best.calls.iter().any(has_session) {
            return;
        }
        self.attempt_neighbour(|calls| {
            renumber::canonicalize(calls);
            calls.retain(|call| !matches!(call, Call::CreateDevice | Call::DestroyDevice { .. }));
            for call in calls {
                *call = match *call {
                    Call::CreateSession { .. } => Call::CreateDevice,
                    Call::DestroySession { session } => {
                        Call::DestroyDevice { device: session.slot, handle: session.handle }
                    }
                    call => match call.session() {
                        Some(target) => Call::create_session(target.slot),
                        None => call,
                    },
                };
            }
        });
    }

    /// Calls of a plainer kind first, wherever the order does not matter.
    fn move_forwards(&mut self) {
        for from in 1..self.len() {
            for to in 0..from {
                let kind = |index: usize| self.best.calls[index].kind();
                if kind(from) >= kind(to) {
                    continue;
                }
                // What is created earlier gets a lower index, which others may have to follow.
                if self.attempt_neighbour(|calls| calls[to..=from].rotate_right(1))
                    || self.attempt_neighbour(|calls| {
                        let mut order: Vec<usize> = (0..calls.len()).collect();
                        order[to..=from].rotate_right(1);
                        renumber::reorder(calls, &order);
                    })
                {
                    break;
                }
            }
        }
    }

    /// A plainer call in the place of each.
    fn replace(&mut self) {
        for at in (0..self.len()).rev() {
            for call in calls_for(&self.best.calls, at) {
                if call.kind() <= self.best.calls[at].kind()
                    && self.attempt_neighbour(|calls| calls[at] = call)
                {
                    break;
                }
            }
        }
    }

    /// Another call in the place of one, if that makes a third superfluous.
    fn remove_and_replace(&mut self) {
        let mut at = self.len();
        while at > 0 {
            at -= 1;
            if (2..=EXCHANGE_LEN_MAX).contains(&self.len()) && self.remove_one_for(at) {
                at = self.len();
            }
        }
    }

    fn remove_one_for(&mut self, at: usize) -> bool {
        let others = (0..self.len()).rev().filter(|&other| other != at);
        for removed in others {
            let mut rest = self.best.calls.clone();
            renumber::keep(&mut rest, |index, _| index != removed);
            let at = if removed < at { at - 1 } else { at };
            for call in calls_for(&rest, at) {
                if call == rest[at] {
                    continue;
                }
                let is_taken = self.attempt_neighbour(|calls| {
                    calls.clone_from(&rest);
                    calls[at] = call;
                });
                if is_taken {
                    return true;
                }
            }
        }
        false
    }

    /// Two devices or two sessions in each other's place.
    fn exchange_names(&mut self) {
        let created = Created::by(&self.best.calls);
        for wanted in [SlotKind::Device, SlotKind::Session] {
            let count = created.of(wanted).min(TARGETS_MAX);
            let count = u8::try_from(count).unwrap_or(u8::MAX);
            for (a, b) in (0..count).flat_map(|b| (0..b).map(move |a| (a, b))) {
                self.attempt_neighbour(|calls| {
                    for call in calls {
                        renumber::each_slot(call, |kind, slot| {
                            if kind == wanted && slot.0 == a {
                                *slot = Slot(b);
                            } else if kind == wanted && slot.0 == b {
                                *slot = Slot(a);
                            }
                        });
                    }
                });
            }
        }
    }

    /// What was created first is destroyed first: where many are, no two of their ends can be
    /// exchanged without the names of those that take their places.
    fn sort_ends(&mut self) {
        for kind in [CallKind::DestroyDevice, CallKind::DestroySession] {
            self.attempt_neighbour(|calls| {
                renumber::canonicalize(calls);
                let ends = || calls.iter().filter(|call| call.kind() == kind);
                let mut sorted: Vec<Call> = ends().copied().collect();
                sorted.sort_by_key(|end| end.device().or(end.session().map(|it| it.slot)));
                let mut sorted = sorted.into_iter();
                for call in calls.iter_mut().filter(|call| call.kind() == kind) {
                    *call = sorted.next().unwrap_or(*call);
                }
            });
        }
    }

    /// Powers of two, where numbers begin to behave differently and bisection does not look.
    fn try_powers(&mut self, index: usize) {
        for number in Number::of_kind(self.best.calls[index].kind()) {
            let Some(value) = number.of(&self.best.calls[index]) else { continue };
            for power in (1..64).map(|bit| 1 << bit).take_while(|&power| power < value) {
                if self.attempt_neighbour(|calls| number.set(&mut calls[index], power)) {
                    break;
                }
            }
        }
    }

    /// One number a little plainer and another of the same call a little higher, for what only
    /// their sum shows.
    fn shift_numbers(&mut self, index: usize) {
        for (lower, higher) in Number::pairs(self.best.calls[index].kind()) {
            for step in [16, 1] {
                loop {
                    let call = &self.best.calls[index];
                    let (Some(low), Some(high)) = (lower.of(call), higher.of(call)) else { break };
                    let Some((low, high)) = low.checked_sub(step).zip(high.checked_add(1)) else {
                        break;
                    };
                    let is_taken = self.attempt_neighbour(|calls| {
                        lower.set(&mut calls[index], low);
                        higher.set(&mut calls[index], high);
                    });
                    if !is_taken {
                        break;
                    }
                }
            }
        }
    }

    /// [`Search::attempt`], which is paid for: in calls that ran, or were copied to no end.
    pub(super) fn attempt_neighbour(&mut self, change: impl FnOnce(&mut Vec<Call>)) -> bool {
        if self.calls_left == 0 {
            return false;
        }
        let (before, len) = (self.left, self.len() as u64);
        let is_taken = self.attempt(change);
        let price = if self.left < before { len } else { 1 + len / 16 };
        self.calls_left = self.calls_left.saturating_sub(price);
        is_taken
    }
}

/// The plain calls that could come in the place of one, plainer kinds first: on whatever exists there,
/// and on what the call is aimed at whose place they would take. A start that is refused for its
/// buffer, a buffer whose counters follow those before it, and entropy that is broken for as long as
/// one call draws or longer, and capabilities that are refused, are as good as plain. What prepares a failure comes only before a call
/// that can fail of it.
pub(super) fn calls_for(calls: &[Call], at: usize) -> Vec<Call> {
    let (before, [replaced, after @ ..]) = calls.split_at(at) else { return Vec::new() };
    let created = Created::by(before);
    let does_later =
        |what: fn(&Effects) -> bool| after.iter().any(|call| what(&call.kind().descriptor().does));
    let slots = |count: usize| {
        let count = count.clamp(1, TARGETS_MAX);
        (0..u8::try_from(count).unwrap_or(u8::MAX)).map(Slot)
    };
    let targets: Vec<SessionRef> = slots(created.sessions)
        .map(|Slot(slot)| SessionRef::new(slot))
        .chain(replaced.session())
        .collect();
    let mut all = Vec::new();
    for &kind in CallKind::ALL {
        let plain = kind.plain();
        if let Call::InjectEntropy { draws, .. } = plain {
            if !does_later(|does| does.draws) {
                continue;
            }
            for draws in [draws, ALL_DRAWS, MORE_DRAWS] {
                let faults = EntropyFault::ALL.iter();
                all.extend(faults.map(|&fault| Call::InjectEntropy { fault, draws }));
            }
        } else if plain.session().is_some() {
            all.extend(targets.iter().map(|&target| {
                let mut call = plain;
                if let Some(session) = call.session_mut() {
                    *session = target;
                }
                call
            }));
            match plain {
                Call::StartRefresh { null, .. } => {
                    let refused = |&session: &_| Call::StartRefresh { session, size: 0, null };
                    all.extend(targets.iter().map(refused));
                }
                Call::SubmitBuffer { .. } => {
                    all.extend(targets.iter().filter_map(|&target| next_buffer(before, target)));
                }
                _ => {}
            }
        } else if plain.device().is_some() {
            // What is passed in the place of a device's handle may show in a plainer call, too.
            let forged = handle_of(replaced).filter(|&handle| handle != HandleForm::Given);
            let handles = || core::iter::once(HandleForm::Given).chain(forged);
            all.extend(slots(created.devices).flat_map(|device| {
                handles().map(move |form| {
                    let mut call = plain;
                    renumber::each_slot(&mut call, |_, slot| *slot = device);
                    if let Call::DestroyDevice { handle, .. } | Call::CreateSession { handle, .. } =
                        &mut call
                    {
                        *handle = form;
                    }
                    call
                })
            }));
        } else if kind != CallKind::InjectAllocationFailure || does_later(|does| does.allocates) {
            all.push(plain);
            if let Call::ContentProtectionCaps { crypto, profile, size, null } = plain {
                let asked = |crypto, profile, size, null| Call::ContentProtectionCaps {
                    crypto,
                    profile,
                    size,
                    null,
                };
                all.push(asked(crypto, profile, 0, null));
                all.push(asked(CryptoType::Unknown, profile, size, null));
                all.push(asked(crypto, DecodeProfile::Unknown, size, null));
            }
        }
    }
    all
}

/// The plainest buffer that a session takes after those that were submitted to it, if there are any.
fn next_buffer(before: &[Call], target: SessionRef) -> Option<Call> {
    let is_its = |call: &&Call| call.session().is_some_and(|it| it.slot == target.slot);
    let last = before.iter().filter(is_its).filter_map(|call| Number::IV.of(call)).max()?;
    let mut call = CallKind::SubmitBuffer.plain();
    *call.session_mut()? = target;
    Number::IV.set(&mut call, last.checked_add(1)?);
    Some(call)
}

/// What a call on a device passes in the place of the device's handle.
fn handle_of(call: &Call) -> Option<HandleForm> {
    match call {
        Call::DestroyDevice { handle, .. } | Call::CreateSession { handle, .. } => Some(*handle),
        _ => None,
    }
}
