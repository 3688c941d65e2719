//! Looks through what a call left: the dead stack, and the registers as they were captured.

use std::mem::offset_of;
use std::ptr;

use super::Gate;
use super::trampoline::{Above, PART_FROM_SIXTEEN, PART_LOWER_HALF, PART_MASKS};
use crate::gate::registers::{
    GENERAL_COUNT, VECTOR_WORDS, general_place, mask_place, stack_place, vector_place,
};
use crate::gate::{Leftover, LeftoverPlace};
use crate::secret_set::{Looked, SecretSet, Sighting};

/// What one scan of the registers covers: general, parts, narrow, canary, and what fills up whole
/// lines, which scan quickest: addresses and settings of the gate's own.
const CAPTURE_LEN: usize = offset_of!(Above, wide) - offset_of!(Above, general);

const _: () = assert!(CAPTURE_LEN.is_multiple_of(64), "whole lines");

/// Bytes in the widest vector register.
const VECTOR_LEN: usize = 8 * VECTOR_WORDS;

impl Gate {
    /// Both in one go, since the capture lies right above the stack: this runs after every call.
    #[inline]
    pub(super) fn scan_stack_and_registers(
        &mut self,
        line: *const u8,
        set: &SecretSet,
        sink: &mut dyn FnMut(Leftover),
    ) -> (Looked, Looked) {
        // SAFETY: mapped, and nobody else refers to it.
        set.plant_canary(unsafe { &mut (*self.stack.above()).stack_canary });
        let parts = self.prepare_capture(set);
        let (depth, stack_len) = (self.stack.depth_of(line), self.stack.end().addr() - line.addr());
        let place = |position: usize| match depth.checked_sub(position) {
            Some(below) if below > 0 => Some(stack_place(below)),
            _ => captured_place(position.checked_sub(stack_len)?),
        };
        let mut is_register_sighted = false;
        let note = &mut |leftover: Leftover| {
            is_register_sighted |= matches!(leftover.place, LeftoverPlace::Register { .. });
            sink(leftover);
        };
        let whole = self.whole_copies;
        // SAFETY: from a line of the stack to the end of the capture, all mapped, and the capture
        // begins where the canary of the stack ends. Nobody writes to it: no call is running, and
        // the sink cannot start one while the gate is borrowed.
        let looked = unsafe { scan(set, line, stack_len + CAPTURE_LEN, whole, &place, note) };
        let mut registers = Looked { bytes: CAPTURE_LEN, canaries: 0 };
        if parts != 0 {
            registers.bytes += self.scan_parts(parts, set, note);
        }
        if is_register_sighted {
            self.forget_registers();
        }
        // Of each canary two aligned words are met; one that is missing leaves both in doubt.
        if looked.canaries >= 4 {
            registers.canaries = 2;
        }
        (Looked { bytes: stack_len, canaries: registers.canaries }, registers)
    }

    /// Plants the canary of the registers, and takes note of which parts the last call filled.
    #[inline]
    fn prepare_capture(&mut self, set: &SecretSet) -> u64 {
        let above = self.stack.above();
        // SAFETY: mapped, and nobody else refers to it.
        unsafe {
            set.plant_canary(&mut (*above).register_canary);
            let parts = ptr::replace(&raw mut (*above).parts, 0);
            if parts & PART_LOWER_HALF != 0 {
                // Repeated in `wide`, and to be sighted once.
                (*above).narrow = [[0; 2]; 16];
            }
            parts
        }
    }

    #[inline]
    pub(super) fn scan_stack(
        &mut self,
        line: *const u8,
        set: &SecretSet,
        sink: &mut dyn FnMut(Leftover),
    ) -> Looked {
        // SAFETY: mapped, and nobody else refers to it.
        set.plant_canary(unsafe { &mut (*self.stack.above()).stack_canary });
        let len = self.stack.end().addr() - line.addr();
        let depth = self.stack.depth_of(line);
        // Of the canary's sixteen bytes no place on the stack is made: they are above the entry.
        let place = |position| Some(stack_place(depth.checked_sub(position)?));
        // SAFETY: from a line of the stack to its end, all mapped. Nobody writes to it: no call is
        // running, and the sink cannot start one while the gate is borrowed.
        unsafe { scan(set, line, len, self.whole_copies, &place, sink) }
    }

    /// Also forgets which parts were filled, and what they held if anything was sighted there.
    #[inline]
    pub(super) fn scan_registers(
        &mut self,
        set: &SecretSet,
        sink: &mut dyn FnMut(Leftover),
    ) -> Looked {
        let above = self.stack.above();
        let parts = self.prepare_capture(set);
        let mut is_sighted = false;
        let note = &mut |leftover| {
            is_sighted = true;
            sink(leftover);
        };
        // SAFETY: as above, and nobody writes to it: the sink cannot, as the gate is borrowed.
        let mut looked = unsafe {
            let start = (&raw const (*above).general).cast();
            scan(set, start, CAPTURE_LEN, false, &captured_place, note)
        };
        if parts != 0 {
            looked.bytes += self.scan_parts(parts, set, note);
        }
        if is_sighted {
            self.forget_registers();
        }
        looked
    }

    /// Scans what only some calls fill, and answers how many bytes that was.
    fn scan_parts(&self, parts: u64, set: &SecretSet, sink: &mut dyn FnMut(Leftover)) -> usize {
        let above = self.stack.above().cast_const();
        let vectors = (PART_LOWER_HALF, 0..16);
        let groups =
            (0..4).map(|group| (PART_FROM_SIXTEEN << group, 16 + 4 * group..20 + 4 * group));
        let mut bytes = 0;
        for (part, numbers) in std::iter::once(vectors).chain(groups) {
            if parts & part == 0 {
                continue;
            }
            let place = |position| {
                Some(vector_place(numbers.start + position / VECTOR_LEN, position % VECTOR_LEN))
            };
            let len = numbers.len() * VECTOR_LEN;
            // SAFETY: as in `scan_registers`.
            let looked = unsafe {
                let start = (&raw const (*above).wide[numbers.start]).cast();
                scan(set, start, len, false, &place, sink)
            };
            bytes += looked.bytes;
        }
        if parts & PART_MASKS != 0 {
            let place = |position| Some(mask_place(position / 8));
            // SAFETY: as in `scan_registers`.
            let looked = unsafe {
                let start = (&raw const (*above).masks).cast();
                scan(set, start, size_of::<[u64; 8]>(), false, &place, sink)
            };
            bytes += looked.bytes;
        }
        bytes
    }

    /// Empties the capture.
    #[cold]
    pub(super) fn forget_registers(&mut self) {
        let above = self.stack.above();
        // SAFETY: mapped, and nobody else refers to it.
        unsafe {
            (*above).general = [0; GENERAL_COUNT];
            (*above).parts = 0;
            (*above).narrow = [[0; 2]; 16];
            (*above).wide = [[0; VECTOR_WORDS]; 32];
            (*above).masks = [0; 8];
        }
    }
}

/// Scans one region and names the places in it; what has no place goes unreported. With `whole_copies`, also what
/// stands on the stack between two words, beside one that was sighted.
///
/// # Safety
///
/// The memory is mapped and readable, and nobody writes to it meanwhile.
#[inline]
unsafe fn scan(
    set: &SecretSet,
    start: *const u8,
    len: usize,
    whole_copies: bool,
    place: &dyn Fn(usize) -> Option<LeftoverPlace>,
    sink: &mut dyn FnMut(Leftover),
) -> Looked {
    if whole_copies {
        // SAFETY: just as the caller promises.
        return unsafe { scan_whole_copies(set, start, len, place, sink) };
    }
    // SAFETY: just as the caller promises.
    unsafe {
        set.scan_memory(start, len, &mut |Sighting { tag, window, position }| {
            if let Some(place) = place(position) {
                sink(Leftover { tag, window, place });
            }
        })
    }
}

/// [`scan`] with whole copies: apart from it, because that one runs after every call.
///
/// # Safety
///
/// As there.
#[cold]
unsafe fn scan_whole_copies(
    set: &SecretSet,
    start: *const u8,
    len: usize,
    place: &dyn Fn(usize) -> Option<LeftoverPlace>,
    sink: &mut dyn FnMut(Leftover),
) -> Looked {
    let mut note = |Sighting { tag, window, position }| {
        let place = place(position);
        if let Some(place) = place {
            sink(Leftover { tag, window, place });
        }
        place
    };
    // SAFETY: just as the caller promises.
    unsafe {
        set.scan_memory(start, len, &mut |sighting| {
            let place = note(sighting);
            if matches!(place, Some(LeftoverPlace::Stack { .. })) {
                set.scan_around(start, len, sighting.position, &mut |near| _ = note(near));
            }
        })
    }
}

/// What stands at `position` of a capture, from the general registers on.
fn captured_place(position: usize) -> Option<LeftoverPlace> {
    const NARROW: usize = offset_of!(Above, narrow) - offset_of!(Above, general);
    match position.checked_sub(NARROW) {
        Some(position) if position < 16 * 16 => Some(vector_place(position / 16, position % 16)),
        Some(_) => None,
        None => (position / 8 < GENERAL_COUNT).then(|| general_place(position / 8)),
    }
}
