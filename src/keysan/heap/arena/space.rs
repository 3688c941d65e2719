//! An arena's memory: handing out blocks, taking them back, and painting what is nobody's.

use std::alloc::Layout;
use std::cell::Cell;
use std::ptr::{self, NonNull};
use std::slice;

use super::super::len_of_a_sanitizers;
#[cfg(feature = "trace")]
use super::BlockMarks;
use super::known::Known;
use super::poison::Poison;
use super::row::{self, Slot};
use super::table::{Entry, NONE, STRIDE, Table};
use super::{Block, BlockPlace, PAINT_WORD};
use crate::heap::allocator::settled;
use crate::secret_set::{Looked, SecretSet, Sighting};

/// What the used part begins with: the canary, and a gap like that behind a block.
const HEAD_LEN: usize = CANARY_LEN + GAP_LEN;
pub(super) const CANARY_LEN: usize = 16;

/// The least there is between two blocks.
const GAP_LEN: usize = 16;

/// The least alignment of a block.
const GRAIN: usize = 16;

const _: () = assert!(GRAIN + GAP_LEN >= STRIDE, "no two blocks begin in the same stride");

/// Fresh memory is painted in steps of this size, a few pages at a time.
const PAINT_STEP: usize = 64 << 10;

/// A sequence that used more has the rest given back to the kernel instead of painted again.
const REPAINT_MAX: usize = 4 << 20;

/// The memory of the arena attached to a thread, if one is.
///
/// Offsets count from the start of the memory. Below `floor` are blocks from before the last reset
/// that somebody still holds; from there to `next` is the used part, and on to `painted` paint.
pub(in super::super) struct Space {
    slot: Cell<Option<Slot>>,
    memory: Cell<*mut u8>,
    /// How much of the memory may be used; 0 while no arena is attached.
    limit: Cell<usize>,
    /// Whether it hands out blocks.
    is_serving: Cell<bool>,
    floor: Cell<usize>,
    next: Cell<usize>,
    painted: Cell<usize>,
    table: Table,
    /// Blocks still allocated, also those below the floor.
    live: Cell<usize>,
    /// The first and the last of the freed blocks that nobody has looked into; see [`Entry`].
    unseen: Cell<Option<(usize, usize)>>,
    call: Cell<u32>,
    /// Requests since the last reset that did not fit.
    outside: Cell<u64>,
    poison: Cell<Option<Poison>>,
    /// Blocks that a sanitizer hands out in its place.
    known: Known,
}

impl Space {
    pub(in super::super) const fn new() -> Space {
        Space {
            slot: Cell::new(None),
            memory: Cell::new(ptr::null_mut()),
            limit: Cell::new(0),
            is_serving: Cell::new(false),
            floor: Cell::new(0),
            next: Cell::new(0),
            painted: Cell::new(0),
            table: Table::new(),
            live: Cell::new(0),
            unseen: Cell::new(None),
            call: Cell::new(0),
            outside: Cell::new(0),
            poison: Cell::new(None),
            known: Known::new(),
        }
    }

    /// A block, or `None` without an arena or with too little room in it.
    #[inline]
    pub(in super::super) fn allocate(&self, layout: Layout) -> Option<NonNull<u8>> {
        let (len, align) = (layout.size(), layout.align().max(GRAIN));
        let memory = self.memory.get();
        if !self.is_serving.get() {
            return None;
        }
        // Neither is above the limit, so nothing below overflows.
        if len.max(align) > self.limit.get() {
            return self.refuse();
        }
        // Of the address, because the memory need not be aligned for more than pages.
        let start = (memory.addr() + self.next.get()).next_multiple_of(align) - memory.addr();
        let next = (start + len + GAP_LEN).next_multiple_of(GRAIN);
        if next > self.painted.get() && !self.paint_up_to(next) {
            return self.refuse();
        }
        self.next.set(next);
        self.live.set(self.live.get() + 1);
        let allocated_in = self.call.get();
        let (start_of, len_of) = (small(start), small(len));
        let entry = Entry {
            start: start_of,
            len: len_of,
            allocated_in,
            freed_in: None,
            next_unseen: NONE,
            sum: 0,
        };
        // SAFETY: the block was just found to fit into the memory, and starts at least a grain and
        // a gap behind the last one.
        unsafe { self.table.push(entry) };
        // SAFETY: `start` is below the limit, in the memory of the slot.
        let block = unsafe { memory.add(start) };
        if let Some(poison) = self.poison.get() {
            // SAFETY: memory of this arena.
            unsafe { poison.allow(block, len) };
        }
        NonNull::new(block)
    }

    /// Takes back a block of this thread's arena or another's, as [`row::holds`] recognised it.
    ///
    /// One that was freed under watch, as the `free_index`th, is kept for
    /// [`look_at_freed`](Self::look_at_freed).
    #[inline]
    pub(in super::super) fn free(&self, block: *mut u8, free_index: Option<u64>) {
        match self.offset_of(block) {
            Some(offset) => self.mark_freed(offset, free_index),
            None => row::leave_to_owner(block),
        }
    }

    /// Whether blocks were freed that nobody has looked into yet.
    #[inline]
    pub(in super::super) fn has_unseen(&self) -> bool {
        self.unseen.get().is_some()
    }

    /// Scans the blocks that were freed under watch since the last time, and notes what they add up
    /// to; hands on each sighting with the block, its length and which of the frees it was.
    pub(in super::super) fn look_at_freed(
        &self,
        set: &SecretSet,
        sink: &mut dyn FnMut(Sighting, Block, u64),
    ) {
        let Some((first, _)) = self.unseen.take() else { return };
        let mut index = small(first);
        while let Some(entry) = self.table.entry(index as usize) {
            let start = self.at(entry.start as usize);
            let number = (index as usize).checked_sub(self.table.first());
            let block = described(number.unwrap_or(NONE as usize), &entry);
            // SAFETY: a freed block of this arena, which nobody may write to; the loads are the
            // machine's own, whatever sanitizers think of the memory.
            unsafe {
                set.scan_memory(start, entry.len as usize, &mut |seen| {
                    sink(seen, block, entry.sum);
                });
            }
            self.settle(index as usize, &entry);
            index = entry.next_unseen;
        }
    }

    /// Notes what a freed block adds up to.
    fn settle(&self, index: usize, entry: &Entry) {
        self.allow(entry.start as usize, entry.len as usize);
        self.table.note_sum(index, self.sum(entry.start, entry.len));
        self.forbid(entry.start as usize, entry.len as usize);
    }

    /// A block was allocated by a sanitizer's allocator, under a watch. Allocates nothing.
    pub(in super::super) fn note_elsewhere(&self, block: *const u8, len: usize) {
        if self.is_serving.get() {
            self.known.note(block, len, self.call.get());
        }
    }

    /// Such a block, perhaps, is about to be freed; answers what is known of it. Allocates nothing.
    pub(in super::super) fn forget_elsewhere(&self, block: *const u8) -> Option<Block> {
        self.known.free(block, self.call.get())
    }

    /// Scans what was noted and is still allocated, with a canary; `None` without a sanitizer. Positions go on behind
    /// the used part.
    pub(super) fn scan_elsewhere(
        &self,
        set: &SecretSet,
        sink: &mut dyn FnMut(Sighting),
    ) -> Option<Looked> {
        self.known.scan(self.used_len(), set, sink)
    }

    pub(super) fn has_elsewhere(&self) -> bool {
        self.known.live_count() > 0
    }

    /// Begins with an empty arena of `limit` bytes in the slot.
    pub(super) fn attach(&self, slot: Slot, limit: usize) {
        self.slot.set(Some(slot));
        self.memory.set(slot.memory.as_ptr());
        // SAFETY: the slot is this space's alone, and both parts are long enough for as many
        // blocks as the memory has room for.
        unsafe { self.table.move_into(slot.table.as_ptr(), slot.indices.as_ptr()) };
        self.limit.set(limit.min(row::MEMORY_LEN));
        self.is_serving.set(true);
        self.poison.set(Poison::find());
        if let Some(len_of) = len_of_a_sanitizers() {
            self.known.attach(len_of);
        }
        self.painted.set(0);
        self.live.set(0);
        self.begin_call(0);
        self.reset();
    }

    /// Lets go of the slot; with blocks still allocated it stays mapped, and theirs, for ever.
    pub(super) fn detach(&self) {
        self.collect_foreign_frees();
        self.known.leave();
        if let Some(poison) = self.poison.take() {
            // SAFETY: memory of this arena.
            unsafe { poison.allow(self.memory.get(), self.painted.get()) };
        }
        self.memory.set(ptr::null_mut());
        self.limit.set(0);
        self.is_serving.set(false);
        self.table.leave();
        if let Some(slot) = self.slot.take()
            && self.live.get() == 0
        {
            // SAFETY: nothing is allocated there, and this space just forgot it.
            unsafe { slot.release() };
        }
    }

    pub(super) fn is_attached(&self) -> bool {
        self.slot.get().is_some()
    }

    pub(super) fn serve(&self, is_serving: bool) {
        self.is_serving.set(is_serving && self.is_attached());
    }

    pub(super) fn begin_call(&self, call: u32) {
        self.call.set(call);
    }

    /// Forgets every block above the last one still allocated, and paints their memory again.
    #[inline]
    pub(super) fn reset(&self) {
        self.collect_foreign_frees();
        self.known.reset();
        let kept = if self.live.get() == 0 { 0 } else { self.table.len_with_allocated() };
        let last_kept = kept.checked_sub(1).and_then(|last| self.table.entry(last));
        let floor = last_kept.map_or(0, |entry| end_of(&entry));
        self.table.truncate(kept);
        self.unseen.set(None);
        self.floor.set(floor);
        self.outside.set(0);
        let used_end = self.next.replace(floor + HEAD_LEN);
        self.allow(floor, self.painted.get().saturating_sub(floor));
        let repainted = (floor + REPAINT_MAX).next_multiple_of(PAINT_STEP);
        self.paint(floor, used_end.min(repainted).min(self.painted.get()));
        if used_end > repainted {
            self.discard_from(repainted);
        }
        if !self.paint_up_to(floor + HEAD_LEN) {
            // No room even for the canary: nothing is used, and a scan proves nothing.
            self.next.set(floor);
        }
        self.forbid(floor, self.painted.get().saturating_sub(floor));
    }

    /// Notes what other threads freed, as freed in the current call.
    #[inline]
    pub(super) fn collect_foreign_frees(&self) {
        let Some(slot) = self.slot.get() else { return };
        slot.collect_foreign_frees(|block| {
            if let Some(offset) = self.offset_of(block) {
                self.mark_freed(offset, None);
            }
        });
    }

    /// Runs `look` while instrumented code, ours too, may read all of the used part.
    #[inline]
    pub(super) fn with_poison_lifted<R>(&self, look: impl FnOnce() -> R) -> R {
        let Some(poison) = self.poison.get() else { return look() };
        self.allow(self.floor.get(), self.used_len());
        // Put aside, so that a block freed by `look` is not forbidden while it is being looked at.
        self.poison.set(None);
        let answer = look();
        self.poison.set(Some(poison));
        self.forbid(self.floor.get(), self.painted.get() - self.floor.get());
        for (_, entry) in self.entries().filter(|(_, entry)| entry.freed_in.is_none()) {
            self.allow(entry.start as usize, entry.len as usize);
        }
        answer
    }

    /// The used part, canary first. Its bytes count as initialised.
    pub(super) fn used(&self) -> (*mut u8, usize) {
        (settled(self.at(self.floor.get())), self.used_len())
    }

    /// Some of the used part as words.
    ///
    /// # Safety
    ///
    /// Offsets of the used part, `start` a multiple of 8; nobody writes to it while the answer is
    /// held, and the poison is lifted.
    pub(super) unsafe fn words(&self, start: usize, end: usize) -> &[u64] {
        let len = end.saturating_sub(start) / 8;
        // SAFETY: all of the memory up to `painted` was written to, and is ours to read.
        unsafe { slice::from_raw_parts(settled(self.at(start)).cast(), len) }
    }

    /// Blocks of this sequence, with their numbers.
    pub(super) fn entries(&self) -> impl Iterator<Item = (usize, Entry)> {
        let first = self.table.first();
        (first..self.table.len())
            .filter_map(move |index| Some((index - first, self.table.entry(index)?)))
    }

    /// The block of this number, if it is from after the last reset.
    pub(super) fn entry(&self, number: usize) -> Option<Entry> {
        self.table.entry(self.table.first().checked_add(number)?)
    }

    /// Where a block begins, and [where](Table::marks) it is noted that it was allocated, with the number that is noted
    /// then, and that it was freed.
    #[cfg(feature = "trace")]
    pub(super) fn marks(&self, number: usize) -> Option<BlockMarks> {
        let index = self.table.first().checked_add(number)?;
        let start = self.address_of(&self.table.entry(index)?);
        let (count, freed) = self.table.marks(index);
        Some(BlockMarks { start, count, count_with_it: index as u64 + 1, freed })
    }

    /// Where a block begins.
    pub(super) fn address_of(&self, entry: &Entry) -> *const u8 {
        self.at(entry.start as usize)
    }

    /// Where the gap behind a block ends: at the next block, or at the end of the used part.
    pub(super) fn gap_end(&self, number: usize) -> usize {
        let next = self.table.entry(self.table.first() + number + 1);
        next.map_or(self.next.get(), |entry| entry.start as usize)
    }

    /// The gap between the canary and the first block.
    pub(super) fn head_gap(&self) -> (usize, usize) {
        let first = self.table.entry(self.table.first());
        let end = first.map_or(self.next.get(), |entry| entry.start as usize);
        (self.floor.get() + CANARY_LEN, end)
    }

    /// What is at an offset of the used part, or of what lies elsewhere behind it.
    pub(super) fn place_of(&self, offset: usize) -> BlockPlace {
        if offset >= self.next.get() && self.has_elsewhere() {
            return self.known.place_of(offset - self.next.get());
        }
        let offset = offset.min(self.next.get());
        if let Some((index, entry)) = self.table.find(small(offset))
            && let Some(number) = index.checked_sub(self.table.first())
        {
            let block = Some(described(number, &entry));
            return BlockPlace { block, offset: small(offset) - entry.start };
        }
        BlockPlace { block: None, offset: small(offset.saturating_sub(self.floor.get())) }
    }

    /// What a block's contents add up to.
    ///
    /// Sums, and sums of the sums, so that no two words can change places unnoticed; in two lanes.
    /// Reads each word once; the poison must be lifted.
    #[inline]
    pub(super) fn sum(&self, start: u32, len: u32) -> u64 {
        let (start, len) = (start as usize, len as usize);
        // The last bytes of the block are read as a whole word, with some of the gap: it is longer
        // than a word.
        // SAFETY: the block is freed, so that no owner writes to it.
        let words = unsafe { self.words(start, start + len + 8) };
        let (last, words) = words.split_last().unwrap_or((&0, &[]));
        let (pairs, rest) = words.as_chunks::<2>();
        let (mut sums, mut weighted) = ([0_u64; 2], [0_u64; 2]);
        for pair in pairs {
            sums = [sums[0].wrapping_add(pair[0]), sums[1].wrapping_add(pair[1])];
            weighted = [weighted[0].wrapping_add(sums[0]), weighted[1].wrapping_add(sums[1])];
        }
        // The bytes that stand first in memory, as many as are the block's.
        let last = u64::from_le(*last) & !(u64::MAX << (8 * (len % 8)));
        let odd = rest.first().map_or(0, |word| word.rotate_left(8));
        sums[0]
            .wrapping_add(sums[1].rotate_left(16))
            .wrapping_add(weighted[0].rotate_left(24))
            .wrapping_add(weighted[1].rotate_left(40))
            .wrapping_add(last.rotate_left(56))
            .wrapping_add(odd)
    }

    pub(super) fn offset_of(&self, address: *const u8) -> Option<usize> {
        let offset = address.addr().wrapping_sub(self.memory.get().addr());
        (offset < self.limit.get()).then_some(offset)
    }

    pub(super) fn floor(&self) -> usize {
        self.floor.get()
    }

    pub(super) fn used_len(&self) -> usize {
        self.next.get() - self.floor.get()
    }

    /// As much of `len` bytes from the floor on as is painted or used.
    pub(super) fn painted_len(&self, len: usize) -> usize {
        len.min(self.painted.get() - self.floor.get())
    }

    pub(super) fn block_count(&self) -> usize {
        self.table.len() - self.table.first()
    }

    pub(super) fn live_count(&self) -> usize {
        self.live.get() + self.known.live_count()
    }

    /// Bytes of blocks from before the last reset.
    pub(super) fn retained_len(&self) -> usize {
        self.floor.get() + self.known.retained_len()
    }

    pub(super) fn outside_count(&self) -> u64 {
        self.outside.get() + self.known.missed_count()
    }

    #[inline]
    fn mark_freed(&self, offset: usize, free_index: Option<u64>) {
        let (start, call) = (small(offset), self.call.get());
        // Freed twice, or never handed out: the freeing code is unsound, and must not make us so.
        let Some(index) = self.table.mark_freed(start, call, free_index.unwrap_or(0)) else {
            return;
        };
        self.live.set(self.live.get() - 1);
        if free_index.is_some() {
            let first = self.unseen.get().map_or(index, |(first, last)| {
                self.table.chain(last, index);
                first
            });
            self.unseen.set(Some((first, index)));
            if self.poison.get().is_some()
                && let Some(entry) = self.table.entry(index)
            {
                self.forbid(offset, entry.len as usize);
            }
        } else if let Some(entry) = self.table.entry(index) {
            self.settle(index, &entry);
        }
    }

    #[cold]
    fn refuse(&self) -> Option<NonNull<u8>> {
        self.outside.set(self.outside.get() + u64::from(self.is_attached()));
        None
    }

    /// Paints fresh memory at least up to `end`; false when that is above the limit.
    #[cold]
    fn paint_up_to(&self, end: usize) -> bool {
        let painted = self.painted.get();
        if end > self.limit.get() {
            return false;
        }
        if end > painted {
            let ahead = end.next_multiple_of(PAINT_STEP).min(self.limit.get());
            self.paint(painted, ahead);
            self.painted.set(ahead);
            self.forbid(painted, ahead - painted);
        }
        true
    }

    #[inline]
    fn paint(&self, start: usize, end: usize) {
        // SAFETY: both are inside the memory, of which no block is allocated from `start` on; the
        // kernel's pages are initialised.
        let words = unsafe {
            slice::from_raw_parts_mut(self.at(start).cast::<u64>(), end.saturating_sub(start) / 8)
        };
        words.fill(PAINT_WORD);
    }

    /// Gives memory back that will be painted when it is needed again.
    #[cold]
    fn discard_from(&self, start: usize) {
        let start = start.next_multiple_of(PAINT_STEP);
        let painted = self.painted.get();
        if start < painted {
            let end = painted.next_multiple_of(PAINT_STEP);
            // SAFETY: no block is allocated from `start` on, and `painted` says that nothing is
            // painted there; whole steps are whole pages, and end inside the slot.
            unsafe { super::pages::discard(self.at(start), end - start) };
            self.painted.set(start);
        }
    }

    #[inline]
    fn forbid(&self, start: usize, len: usize) {
        if let Some(poison) = self.poison.get() {
            // SAFETY: memory of this arena, with no block in it as the callers see to.
            unsafe { poison.forbid(self.at(start), len) };
        }
    }

    #[inline]
    fn allow(&self, start: usize, len: usize) {
        if let Some(poison) = self.poison.get() {
            // SAFETY: memory of this arena.
            unsafe { poison.allow(self.at(start), len) };
        }
    }

    #[inline]
    fn at(&self, offset: usize) -> *mut u8 {
        // Offsets are below the limit; wrapping, since that is not known here.
        self.memory.get().wrapping_add(offset)
    }
}

/// A block as callers see it.
pub(super) fn described(number: usize, entry: &Entry) -> Block {
    Block {
        number: small(number),
        len: entry.len,
        allocated_in: entry.allocated_in,
        freed_in: entry.freed_in,
    }
}

/// Where the gap behind a block ends at the earliest.
fn end_of(entry: &Entry) -> usize {
    (entry.start as usize + entry.len as usize + GAP_LEN).next_multiple_of(GRAIN)
}

/// An offset, length or number in an arena, none of which needs more than 32 bits.
#[inline]
fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
