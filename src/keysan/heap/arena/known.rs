//! Blocks of a sanitizer's allocator that were allocated under a watch: an arena cannot hand them out, but it knows them.

use std::cell::Cell;
use std::ptr;
use std::slice;

use super::super::LenOf;
use super::space::CANARY_LEN;
use super::{Block, BlockPlace, pages};
use crate::secret_set::{Looked, SecretSet, Sighting};

/// How many allocations of one sequence are kept.
const ENTRIES_MAX: usize = 1 << 17;

/// A power of two, so large that every other slot stays free.
const SLOT_COUNT: usize = 2 * ENTRIES_MAX;

/// Where the entries and the slots lie in the memory, in bytes, and how much it is. The canary comes first.
const ENTRIES_AT: usize = 4096;
const SLOTS_AT: usize = ENTRIES_AT + ENTRIES_MAX * size_of::<Entry>();
const MEMORY_LEN: usize = SLOTS_AT + SLOT_COUNT * size_of::<u32>();

/// Positions of two blocks are at least this far apart, in bytes.
const GAP_LEN: usize = 16;

/// One block.
#[derive(Clone, Copy)]
struct Entry {
    address: usize,
    len: usize,
    allocated_in: u32,
    /// Which slot has its number.
    slot: u32,
    is_live: bool,
}

/// The blocks that one thread has allocated, in order; in memory of their own, so that a hook allocates nothing.
pub(super) struct Known {
    /// Null without a sanitizer.
    memory: Cell<*mut u8>,
    len_of: Cell<Option<LenOf>>,
    len: Cell<usize>,
    /// Entries before this one are from before the last reset, and still allocated then.
    first: Cell<usize>,
    live: Cell<usize>,
    /// Allocations since the last reset that there was no room for.
    missed: Cell<u64>,
}

impl Known {
    pub(super) const fn new() -> Known {
        Known {
            memory: Cell::new(ptr::null_mut()),
            len_of: Cell::new(None),
            len: Cell::new(0),
            first: Cell::new(0),
            live: Cell::new(0),
            missed: Cell::new(0),
        }
    }

    /// Begins to know blocks, whose lengths are asked for in this way. Without memory for it, each allocation
    /// counts as missed.
    pub(super) fn attach(&self, len_of: LenOf) {
        self.leave();
        self.len_of.set(Some(len_of));
        let Some(memory) = pages::reserve(None, MEMORY_LEN) else { return };
        // SAFETY: reserved just now, for this alone.
        if unsafe { pages::open(memory.as_ptr(), MEMORY_LEN) } {
            self.memory.set(memory.as_ptr());
        }
    }

    /// Knows nothing any more.
    pub(super) fn leave(&self) {
        let memory = self.memory.replace(ptr::null_mut());
        if !memory.is_null() {
            // SAFETY: this thread's alone, and forgotten just now.
            unsafe { pages::give_back(memory, MEMORY_LEN) };
        }
        self.len_of.set(None);
        self.len.set(0);
        self.first.set(0);
        self.live.set(0);
        self.missed.set(0);
    }

    /// Forgets what was freed; what is still allocated is known as from before.
    pub(super) fn reset(&self) {
        let mut kept = 0;
        for index in 0..self.len.get() {
            let Some(entry) = self.entry(index) else { break };
            self.set_slot(entry.slot as usize, 0);
            if entry.is_live {
                self.write(kept, entry);
                kept += 1;
            }
        }
        self.len.set(0);
        for index in 0..kept {
            if let Some(entry) = self.entry(index) {
                self.push(entry);
            }
        }
        self.first.set(kept);
        self.live.set(kept);
        self.missed.set(0);
    }

    /// A block was allocated. Allocates nothing.
    pub(super) fn note(&self, block: *const u8, len: usize, call: u32) {
        if self.len_of.get().is_none() {
            return;
        }
        // One that another thread has freed came back.
        self.forget(block);
        let is_room = !self.memory.get().is_null() && self.len.get() < ENTRIES_MAX;
        if !is_room {
            self.missed.set(self.missed.get() + 1);
            return;
        }
        let address = block.addr();
        self.push(Entry { address, len, allocated_in: call, slot: 0, is_live: true });
        self.live.set(self.live.get() + 1);
    }

    /// A block is freed in this call, or was; answers it if it is known, and not from before the last reset.
    pub(super) fn free(&self, block: *const u8, call: u32) -> Option<Block> {
        let index = self.forget(block)?;
        let number = index.checked_sub(self.first.get())?;
        Some(Block { freed_in: Some(call), ..described(number, &self.entry(index)?) })
    }

    /// Scans the canary and the blocks that are still allocated. Positions count from `start`.
    pub(super) fn scan(
        &self,
        start: usize,
        set: &SecretSet,
        sink: &mut dyn FnMut(Sighting),
    ) -> Option<Looked> {
        let len_of = self.len_of.get()?;
        let memory = self.memory.get();
        if memory.is_null() {
            return Some(Looked::default());
        }
        // SAFETY: the memory begins with room for the canary, which is nobody's.
        let mut all = unsafe {
            set.plant_canary(&mut *memory.cast::<[u8; CANARY_LEN]>());
            set.scan_memory(memory, CANARY_LEN, sink)
        };
        for (position, index) in self.positions() {
            let Some(entry) = self.entry(index).filter(|entry| entry.is_live) else { continue };
            let block = ptr::without_provenance::<u8>(entry.address);
            if len_of(block) != entry.len {
                // Another thread has freed it.
                self.forget(block);
                continue;
            }
            // SAFETY: still allocated with this length, as the sanitizer says; its owner is not at work: it is
            // on this thread, outside the scan. The loads are the machine's own.
            all.bytes += unsafe {
                set.scan_memory(block, entry.len, &mut |Sighting { tag, window, position: at }| {
                    sink(Sighting { tag, window, position: start + position + at });
                })
            }
            .bytes;
        }
        Some(all)
    }

    /// What is at a position of [`scan`](Self::scan), from 0.
    pub(super) fn place_of(&self, position: usize) -> BlockPlace {
        let found = self.positions().take_while(|(start, _)| *start <= position).last();
        let entry = found.and_then(|(start, index)| Some((start, index, self.entry(index)?)));
        let Some((start, index, entry)) = entry else {
            return BlockPlace { block: None, offset: small(position) };
        };
        let block = Some(described(index.saturating_sub(self.first.get()), &entry));
        BlockPlace { block, offset: small(position - start) }
    }

    /// Blocks still allocated, those from before the last reset included.
    pub(super) fn live_count(&self) -> usize {
        self.live.get()
    }

    /// Bytes of blocks from before the last reset that are still allocated.
    pub(super) fn retained_len(&self) -> usize {
        let retained = (0..self.first.get()).filter_map(|index| self.entry(index));
        retained.filter(|entry| entry.is_live).map(|entry| entry.len.max(1)).sum()
    }

    /// Allocations since the last reset that are not known.
    pub(super) fn missed_count(&self) -> u64 {
        self.missed.get()
    }

    /// Where each block of this sequence begins, in the order of allocation, and its index.
    fn positions(&self) -> impl Iterator<Item = (usize, usize)> {
        (self.first.get()..self.len.get()).scan(0_usize, move |next, index| {
            let entry = self.entry(index)?;
            let position = *next;
            *next = position.saturating_add(entry.len).saturating_add(GAP_LEN) / GAP_LEN * GAP_LEN;
            Some((position, index))
        })
    }

    /// The block at this address is no longer allocated; its index, if it was known.
    fn forget(&self, block: *const u8) -> Option<usize> {
        if self.live.get() == 0 {
            return None;
        }
        let (_, index) = self.find(block.addr());
        let index = index?;
        let entry = self.entry(index).filter(|entry| entry.is_live)?;
        self.write(index, Entry { is_live: false, ..entry });
        self.live.set(self.live.get() - 1);
        Some(index)
    }

    /// Appends an entry, for which there is room.
    fn push(&self, entry: Entry) {
        let index = self.len.get();
        // An address that was given out again keeps its slot.
        let (slot, _) = self.find(entry.address);
        self.write(index, Entry { slot: small(slot), ..entry });
        self.set_slot(slot, small(index + 1));
        self.len.set(index + 1);
    }

    /// The slot of an address, and the entry that stands there.
    fn find(&self, address: usize) -> (usize, Option<usize>) {
        let mut slot = (address as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        loop {
            let at = usize::try_from(slot).unwrap_or(0) % SLOT_COUNT;
            let Some(index) = (self.slot(at) as usize).checked_sub(1) else { return (at, None) };
            if self.entry(index).is_none_or(|entry| entry.address == address) {
                return (at, Some(index));
            }
            slot += 1;
        }
    }

    fn entry(&self, index: usize) -> Option<Entry> {
        let memory = self.memory.get();
        if memory.is_null() || index >= ENTRIES_MAX {
            return None;
        }
        // SAFETY: the memory has room for so many entries, aligned, zeroed at first; those of this file are the
        // only accesses, and none borrows.
        Some(unsafe { self.entries().add(index).read() })
    }

    fn write(&self, index: usize, entry: Entry) {
        if !self.memory.get().is_null() && index < ENTRIES_MAX {
            // SAFETY: as in `entry`.
            unsafe { self.entries().add(index).write(entry) };
        }
    }

    fn slot(&self, at: usize) -> u32 {
        self.slots().get(at).map_or(0, Cell::get)
    }

    fn set_slot(&self, at: usize, number: u32) {
        if let Some(slot) = self.slots().get(at) {
            slot.set(number);
        }
    }

    fn entries(&self) -> *mut Entry {
        self.memory.get().wrapping_add(ENTRIES_AT).cast()
    }

    fn slots(&self) -> &[Cell<u32>] {
        let memory = self.memory.get();
        if memory.is_null() {
            return &[];
        }
        // SAFETY: this part of the memory is the slots' alone, aligned and zeroed at first, and there until `leave`,
        // which nobody calls while holding the answer.
        unsafe { slice::from_raw_parts(memory.wrapping_add(SLOTS_AT).cast(), SLOT_COUNT) }
    }
}

fn described(number: usize, entry: &Entry) -> Block {
    Block {
        number: small(number),
        len: small(entry.len),
        allocated_in: entry.allocated_in,
        freed_in: None,
    }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(all(test, target_os = "linux", target_pointer_width = "64", not(miri)))]
mod tests {
    use super::*;

    fn len_of(_block: *const u8) -> usize {
        16
    }

    fn at(address: usize) -> *const u8 {
        ptr::without_provenance(address)
    }

    #[test]
    fn blocks_are_known_by_number_until_they_are_freed_and_an_address_may_come_back() {
        let known = Known::new();
        known.note(at(0x1000), 16, 1);
        assert_eq!((known.live_count(), known.missed_count()), (0, 0), "without a sanitizer");
        known.attach(len_of);
        known.note(at(0x1000), 16, 1);
        known.note(at(0x2000), 40, 1);
        assert_eq!(known.live_count(), 2);
        let freed = known.free(at(0x1000), 3).unwrap();
        assert_eq!(
            (freed.number, freed.len, freed.allocated_in, freed.freed_in),
            (0, 16, 1, Some(3))
        );
        assert_eq!(known.free(at(0x1000), 3), None);
        known.note(at(0x1000), 8, 4);
        assert_eq!(known.place_of(32 + 9).block.unwrap().number, 1);
        let place = known.place_of(32 + 48 + 3);
        assert_eq!((place.block.unwrap().number, place.offset), (2, 3));
        known.leave();
    }

    #[test]
    fn a_reset_keeps_what_is_still_allocated_as_from_before() {
        let known = Known::new();
        known.attach(len_of);
        for number in 0..1000 {
            known.note(at(0x1000 + 16 * number), 16, 1);
        }
        (0..999).for_each(|number| assert!(known.free(at(0x1000 + 16 * number), 2).is_some()));
        known.reset();
        assert_eq!((known.live_count(), known.retained_len()), (1, 16));
        known.note(at(0x1000), 16, 1);
        assert_eq!(known.free(at(0x1000), 2).unwrap().number, 0);
        assert_eq!(known.free(at(0x1000 + 16 * 999), 2), None);
        assert_eq!((known.live_count(), known.retained_len()), (0, 0));
        known.leave();
    }

    #[test]
    fn what_there_is_no_room_for_is_missed() {
        let known = Known::new();
        known.attach(len_of);
        for number in 0..=ENTRIES_MAX {
            known.note(at(0x1000 + 16 * number), 16, 1);
        }
        assert_eq!(known.missed_count(), 1);
        known.leave();
    }
}
