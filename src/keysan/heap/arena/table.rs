//! What is known of each block of an arena, in the order of their addresses.

use std::cell::Cell;
use std::ptr;
use std::slice;

/// The least distance from the start of one block to that of the next.
pub(super) const STRIDE: usize = 32;

/// One block, 32 bytes.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    /// From the start of the arena's memory.
    pub(super) start: u32,
    pub(super) len: u32,
    pub(super) allocated_in: u32,
    /// `None` while it is allocated.
    pub(super) freed_in: Option<u32>,
    /// The block that was freed next, of those that nobody has looked into yet; [`NONE`] ends them.
    pub(super) next_unseen: u32,
    /// Of a freed block that was looked into, what its contents added up to then; until then, which
    /// of the frees it was.
    pub(super) sum: u64,
}

/// No entry.
pub(super) const NONE: u32 = u32::MAX;

/// The blocks of one arena, in memory of their own; it grows in place and never moves.
pub(super) struct Table {
    entries: Cell<*mut Entry>,
    /// For each 32 bytes of the arena's memory, which entry begins there, if one does. What stands
    /// there is only believed when the entry agrees, so nothing needs to be cleared.
    indices: Cell<*mut u32>,
    len: Cell<usize>,
    /// Entries before this one are from before the last reset.
    first: Cell<usize>,
}

impl Table {
    pub(super) const fn new() -> Table {
        Table {
            entries: Cell::new(ptr::null_mut()),
            indices: Cell::new(ptr::null_mut()),
            len: Cell::new(0),
            first: Cell::new(0),
        }
    }

    /// An empty table in the memory given.
    ///
    /// # Safety
    ///
    /// Both are this table's until [`Table::leave`], initialised, aligned to pages, and long enough
    /// for an entry and an index for each [`STRIDE`] bytes of the arena's memory.
    pub(super) unsafe fn move_into(&self, entries: *mut u8, indices: *mut u8) {
        self.entries.set(entries.cast());
        self.indices.set(indices.cast());
        self.truncate(0);
    }

    /// Forgets the memory.
    pub(super) fn leave(&self) {
        self.entries.set(ptr::null_mut());
        self.indices.set(ptr::null_mut());
        self.truncate(0);
    }

    /// # Safety
    ///
    /// The block lies in the arena's memory, at least [`STRIDE`] bytes behind the last one.
    #[inline]
    pub(super) unsafe fn push(&self, entry: Entry) {
        let index = self.len.get();
        // SAFETY: there is room for so many entries, and an index for each stride, as `move_into`
        // was promised; no two blocks of a sequence begin in the same stride.
        unsafe {
            self.entries.get().add(index).write(entry);
            let number = u32::try_from(index).unwrap_or(u32::MAX);
            self.indices.get().add(entry.start as usize / STRIDE).write(number);
        }
        self.len.set(index + 1);
    }

    /// Notes that a block was freed, as the `free_index`th, and answers its index, if there is such
    /// a block and it was not freed before.
    ///
    /// Reads and writes single fields: whole entries would wait for their fields to be written.
    #[inline]
    pub(super) fn mark_freed(&self, start: u32, freed_in: u32, free_index: u64) -> Option<usize> {
        let index = self.find_start(start)?;
        // SAFETY: one of the entries, which are only ever borrowed inside this file.
        unsafe {
            let entry = self.entries.get().add(index);
            if (*entry).freed_in.is_some() {
                return None;
            }
            (*entry).freed_in = Some(freed_in);
            (*entry).next_unseen = NONE;
            (*entry).sum = free_index;
        }
        Some(index)
    }

    /// Lets `next` follow `index` among the freed blocks that nobody has looked into.
    #[inline]
    pub(super) fn chain(&self, index: usize, next: usize) {
        if index < self.len.get() {
            let next = u32::try_from(next).unwrap_or(NONE);
            // SAFETY: one of the entries, borrowed by nobody.
            unsafe { (*self.entries.get().add(index)).next_unseen = next };
        }
    }

    /// Notes what the contents of a freed block add up to.
    #[inline]
    pub(super) fn note_sum(&self, index: usize, sum: u64) {
        if index < self.len.get() {
            // SAFETY: one of the entries, borrowed by nobody.
            unsafe { (*self.entries.get().add(index)).sum = sum };
        }
    }

    #[inline]
    pub(super) fn entry(&self, index: usize) -> Option<Entry> {
        self.with_all(|entries| entries.get(index).copied())
    }

    /// The entry that begins at the offset, which lies in the arena's memory.
    #[inline]
    pub(super) fn find_start(&self, offset: u32) -> Option<usize> {
        if self.indices.get().is_null() {
            return None;
        }
        // SAFETY: there is an index for each stride of the memory, zero at first.
        let index = unsafe { self.indices.get().add(offset as usize / STRIDE).read() } as usize;
        self.with_all(|entries| (entries.get(index)?.start == offset).then_some(index))
    }

    /// Where it is noted that there is an entry of this index, which is so as soon as the number there is greater; and
    /// where it is noted that its block was freed.
    #[cfg(feature = "trace")]
    pub(super) fn marks(&self, index: usize) -> (*const u8, *const u8) {
        let entry = self.entries.get().wrapping_add(index);
        // SAFETY: only the address of a field, of an entry that there is room for.
        let freed_in = unsafe { &raw const (*entry).freed_in };
        (self.len.as_ptr().cast_const().cast(), freed_in.cast())
    }

    /// The last entry that begins at or before the offset.
    #[inline]
    pub(super) fn find(&self, offset: u32) -> Option<(usize, Entry)> {
        self.with_all(|entries| {
            let behind = entries.partition_point(|entry| entry.start <= offset);
            let index = behind.checked_sub(1)?;
            Some((index, *entries.get(index)?))
        })
    }

    /// How many entries are left when those behind the last allocated block are dropped.
    pub(super) fn len_with_allocated(&self) -> usize {
        self.with_all(|entries| {
            entries.iter().rposition(|entry| entry.freed_in.is_none()).map_or(0, |last| last + 1)
        })
    }

    /// Keeps `len` entries, and those as ones from before.
    pub(super) fn truncate(&self, len: usize) {
        self.len.set(len);
        self.first.set(len);
    }

    pub(super) fn len(&self) -> usize {
        self.len.get()
    }

    pub(super) fn first(&self) -> usize {
        self.first.get()
    }

    #[inline]
    fn with_all<R>(&self, look: impl FnOnce(&[Entry]) -> R) -> R {
        if self.len.get() == 0 {
            return look(&[]);
        }
        // SAFETY: this many entries were written, and the callers above, which are all there are,
        // write none while they look.
        look(unsafe { slice::from_raw_parts(self.entries.get(), self.len.get()) })
    }
}
