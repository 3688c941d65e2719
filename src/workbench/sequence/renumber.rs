//! Takes calls out and puts calls in, while the other calls keep meaning what they meant.
//!
//! Slots count creations. Where a creation appears or disappears, all later slots would silently
//! name something else; here they are renumbered. Two things cannot be kept: the NULL handle, once
//! something was created before the call, and slots above 255.

use std::ops::Range;

use super::call::Call;
use super::slot::{Slot, SlotKind};

/// How many devices and sessions were created.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Created {
    /// Devices.
    pub devices: usize,
    /// Sessions.
    pub sessions: usize,
}

impl Created {
    /// By these calls.
    #[must_use]
    pub fn by(calls: &[Call]) -> Self {
        let mut created = Self::default();
        calls.iter().for_each(|call| created.note(call));
        created
    }

    /// Goes past one call.
    pub fn note(&mut self, call: &Call) {
        match call.kind().descriptor().does.creates {
            Some(SlotKind::Device) => self.devices += 1,
            Some(SlotKind::Session) => self.sessions += 1,
            None => {}
        }
    }

    pub(crate) fn of(self, kind: SlotKind) -> usize {
        match kind {
            SlotKind::Device => self.devices,
            SlotKind::Session => self.sessions,
        }
    }
}

/// Shows every slot of a call to `change`.
pub(crate) fn each_slot(call: &mut Call, mut change: impl FnMut(SlotKind, &mut Slot)) {
    if let Some(device) = call.device_mut() {
        change(SlotKind::Device, device);
    }
    if let Some(session) = call.session_mut() {
        change(SlotKind::Session, &mut session.slot);
        if let Some(via) = &mut session.via {
            change(SlotKind::Device, via);
        }
    }
}

/// Makes `slot` mean `index` among `created`, and leaves it alone if it does already.
fn aim(slot: &mut Slot, index: usize, created: usize) {
    if slot.resolve(created) != Some(index)
        && let Ok(index) = u8::try_from(index)
    {
        *slot = Slot(index);
    }
}

/// Inserts a call that was made for this place.
pub fn insert(calls: &mut Vec<Call>, at: usize, call: Call) {
    let window = Created::by(&[call]);
    if window != Created::default() {
        make_room(calls, at, window);
    }
    calls.insert(at, call);
}

/// Removes a call. What used the thing it created goes to the one created before.
pub fn remove(calls: &mut Vec<Call>, at: usize) -> Call {
    if let Call::CreateDevice | Call::CreateSession { .. } = calls[at] {
        let removed = calls[at];
        let mut index = 0;
        keep(calls, |_, _| {
            index += 1;
            index - 1 != at
        });
        removed
    } else {
        calls.remove(at)
    }
}

/// Copies `source[range]` to `at`; what was created inside the window is meant there too.
///
/// Slots that name something from before the window stay as they are, whatever they name there.
pub fn graft(calls: &mut Vec<Call>, at: usize, source: &[Call], range: Range<usize>) {
    let before_source = Created::by(&source[..range.start]);
    let before = Created::by(&calls[..at]);
    let window = &source[range];
    make_room(calls, at, Created::by(window));
    let (mut old, mut new) = (before_source, before);
    let copies = window.iter().map(|&call| {
        let mut copy = call;
        each_slot(&mut copy, |kind, slot| {
            if let Some(index) = slot.resolve(old.of(kind)) {
                let inside = index.checked_sub(before_source.of(kind));
                aim(slot, inside.map_or(index, |inside| before.of(kind) + inside), new.of(kind));
            }
        });
        old.note(&call);
        new.note(&call);
        copy
    });
    calls.splice(at..at, copies);
}

/// Keeps the calls that `wanted` says yes to; it sees each call's index and the call.
///
/// What used a thing that is gone goes to the one created before it.
pub fn keep(calls: &mut Vec<Call>, mut wanted: impl FnMut(usize, &Call) -> bool) {
    let (mut old, mut new) = (Created::default(), Created::default());
    // For everything created so far, how many of those before and including it are kept.
    let mut kept_devices = Vec::new();
    let mut kept_sessions = Vec::new();
    let mut index = 0;
    calls.retain_mut(|call| {
        let is_wanted = wanted(index, call);
        index += 1;
        if is_wanted {
            each_slot(call, |kind, slot| {
                let kept = match kind {
                    SlotKind::Device => &kept_devices,
                    SlotKind::Session => &kept_sessions,
                };
                if let Some(index) = slot.resolve(old.of(kind)) {
                    let kept: usize = kept[index];
                    aim(slot, kept.saturating_sub(1), new.of(kind));
                }
            });
            new.note(call);
        }
        old.note(call);
        match call {
            Call::CreateDevice => kept_devices.push(new.devices),
            Call::CreateSession { .. } => kept_sessions.push(new.sessions),
            _ => {}
        }
        is_wanted
    });
}

/// Puts the calls in another order, given as old positions; they go on naming what they named.
///
/// What would be named before it is created is named by its index all the same.
pub(crate) fn reorder(calls: &mut [Call], order: &[usize]) {
    let old = calls.to_vec();
    let mut named = old.clone();
    canonicalize(&mut named);
    // For everything that was created, its new index.
    let [mut devices, mut sessions] = [Vec::new(), Vec::new()];
    for (position, call) in old.iter().enumerate() {
        let is_before = |other: &&usize| **other != position;
        let earlier = order.iter().take_while(is_before).map(|&other| old[other]);
        let new = Created::by(&earlier.collect::<Vec<_>>());
        match call {
            Call::CreateDevice => devices.push(new.devices),
            Call::CreateSession { .. } => sessions.push(new.sessions),
            _ => {}
        }
    }
    for (call, &from) in calls.iter_mut().zip(order) {
        *call = named[from];
        each_slot(call, |kind, slot| {
            let new = match kind {
                SlotKind::Device => &devices,
                SlotKind::Session => &sessions,
            };
            if let Some(Ok(index)) = new.get(usize::from(slot.0)).map(|&index| u8::try_from(index))
            {
                *slot = Slot(index);
            }
        });
    }
}

/// Writes every slot as the plain index of what it names; at the NULL handle, as 0.
pub fn canonicalize(calls: &mut [Call]) {
    let mut created = Created::default();
    for call in calls {
        each_slot(call, |kind, slot| {
            let index = slot.resolve(created.of(kind)).unwrap_or(0);
            *slot = u8::try_from(index).map_or(*slot, Slot);
        });
        created.note(call);
    }
}

/// Renumbers the calls from `at` on, before which `window` is about to be created.
fn make_room(calls: &mut [Call], at: usize, window: Created) {
    let before = Created::by(&calls[..at]);
    let mut old = before;
    for call in &mut calls[at..] {
        each_slot(call, |kind, slot| {
            if let Some(index) = slot.resolve(old.of(kind)) {
                let moved = if index < before.of(kind) { 0 } else { window.of(kind) };
                aim(slot, index + moved, old.of(kind) + window.of(kind));
            }
        });
        old.note(call);
    }
}
