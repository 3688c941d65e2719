//! The row of slots in the address space, one for each arena, and frees from other threads.
//!
//! All of it is process-wide, so that any thread can tell an arena's block by its address.

use std::ptr::{self, NonNull};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

use super::pages;
use super::table::{Entry, STRIDE};

/// Memory of one arena, in bytes.
pub(super) const MEMORY_LEN: usize = 128 << 20;

/// Behind the memory stand the entries of its block table, which are as long as the closest blocks
/// are apart, and then the indices into it.
const ENTRIES_LEN: usize = MEMORY_LEN / STRIDE * size_of::<Entry>();
const INDICES_LEN: usize = MEMORY_LEN / STRIDE * size_of::<u32>();
const SLOT_LEN: usize = MEMORY_LEN + ENTRIES_LEN + INDICES_LEN;

/// The most arenas, one for each thread with a sanitizer. A limit on address space makes them fewer.
const SLOTS: usize = 256;

const ROW_LEN: u64 = SLOT_LEN as u64 * SLOTS as u64;

/// Where the row should begin: far from where the kernel puts programs, libraries and stacks, and
/// outside what the sanitizers keep for themselves. The same in each run, hence the same
/// addresses in each run.
const WANTED: u64 = 0x6b65_0000_0000;

/// Where it then ends.
pub(crate) const ROW_END: u64 = WANTED + ROW_LEN;
const _: () = assert!(ROW_END <= 1 << 47, "programs have 47 bits of addresses, or more");

/// Where the row begins; [`NOWHERE`] while there is none.
static ROW: AtomicPtr<u8> = AtomicPtr::new(ptr::without_provenance_mut(NOWHERE));

/// An address that no block comes near: programs have the lower half of the address space.
const NOWHERE: usize = usize::MAX / 2 + 1;

/// How long it is, in bytes.
static LEN: AtomicU64 = AtomicU64::new(0);

/// One bit for each slot in use, or left behind with blocks still allocated.
static CLAIMED: [AtomicU64; SLOTS / 64] = [const { AtomicU64::new(0) }; SLOTS / 64];

static FOREIGN_FREES: [ForeignFrees; SLOTS] = [const { ForeignFrees::new() }; SLOTS];

/// Whether the address belongs to an arena, of whichever thread.
#[inline]
pub(in super::super) fn holds(address: *const u8) -> bool {
    // Relaxed: who holds a block's address got it, by whatever way, from the thread that saw the
    // row being made.
    let offset = address.addr().wrapping_sub(ROW.load(Ordering::Relaxed).addr());
    pages::IS_PORTED && (offset as u64) < LEN.load(Ordering::Relaxed)
}

/// How long the block is, of whichever thread's arena, that begins at this address and is allocated.
pub(in super::super) fn len_of(block: *const u8) -> Option<usize> {
    entry_of(block).map(|entry| entry.len as usize)
}

/// The same; `None` for one that was freed.
pub(in super::super) fn live_len_of(block: *const u8) -> Option<usize> {
    entry_of(block).filter(|entry| entry.freed_in.is_none()).map(|entry| entry.len as usize)
}

fn entry_of(block: *const u8) -> Option<Entry> {
    let row = ROW.load(Ordering::Relaxed);
    let offset = block.addr().wrapping_sub(row.addr());
    if !holds(block) || offset % SLOT_LEN >= MEMORY_LEN {
        return None;
    }
    // SAFETY: the slot lies in the row.
    let memory = unsafe { row.add(offset - offset % SLOT_LEN) };
    // SAFETY: the slot of an allocated block is open, with both parts of its table. The index and the entry of
    // the block were written before anybody had its address, and neither changes while it is allocated.
    unsafe {
        let entries = memory.add(MEMORY_LEN);
        let indices = entries.add(ENTRIES_LEN).cast::<u32>();
        let index = indices.add(offset % SLOT_LEN / STRIDE).read() as usize;
        let is_one = index < ENTRIES_LEN / size_of::<Entry>();
        let entry = is_one.then(|| *entries.cast::<Entry>().add(index))?;
        (entry.start as usize == offset % SLOT_LEN).then_some(entry)
    }
}

/// Notes that a thread other than its owner freed a block.
///
/// Should the owner have too many to collect already, the block counts as allocated for ever.
#[cold]
pub(super) fn leave_to_owner(block: *mut u8) {
    let offset = block.addr().wrapping_sub(ROW.load(Ordering::Relaxed).addr());
    if let Some(frees) = FOREIGN_FREES.get(offset / SLOT_LEN) {
        frees.leave(block);
    }
}

/// A slot of the row, claimed for one arena.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    index: usize,
    /// [`MEMORY_LEN`] bytes of memory, which read as zeros.
    pub(super) memory: NonNull<u8>,
    /// Zeros for the entries of its table.
    pub(super) table: NonNull<u8>,
    /// Zeros for the indices.
    pub(super) indices: NonNull<u8>,
}

impl Slot {
    /// The first free slot; `None` without address space or with all slots in use.
    pub(super) fn claim() -> Option<Slot> {
        static RESERVED: Once = Once::new();
        RESERVED.call_once(|| {
            // Half of what there is, so that enough is left for everything else.
            let slots = (pages::address_space() / 2 / SLOT_LEN as u64).clamp(1, SLOTS as u64);
            let len = slots * SLOT_LEN as u64;
            let place = usize::try_from(WANTED).ok().zip(usize::try_from(len).ok());
            let reserved = place.and_then(|(wanted, len)| pages::reserve(Some(wanted), len));
            if let Some(row) = reserved {
                ROW.store(row.as_ptr(), Ordering::Relaxed);
                LEN.store(len, Ordering::Relaxed);
            }
        });
        let row = ROW.load(Ordering::Relaxed);
        if row.addr() == NOWHERE {
            return None;
        }
        let slots = usize::try_from(LEN.load(Ordering::Relaxed)).ok()? / SLOT_LEN;
        let index = claim_index(slots)?;
        // SAFETY: the slot lies in the row, which was reserved as a whole.
        let memory = unsafe { row.add(index * SLOT_LEN) };
        // SAFETY: as above; the claimed slot is this caller's alone.
        if !unsafe { pages::open(memory, SLOT_LEN) } {
            give_back(index);
            return None;
        }
        // SAFETY: the second part of the slot.
        let table = unsafe { memory.add(MEMORY_LEN) };
        // SAFETY: the third.
        let indices = unsafe { table.add(ENTRIES_LEN) };
        Some(Slot {
            index,
            memory: NonNull::new(memory)?,
            table: NonNull::new(table)?,
            indices: NonNull::new(indices)?,
        })
    }

    /// Hands each block that other threads freed meanwhile to `take`.
    #[inline]
    pub(super) fn collect_foreign_frees(self, take: impl FnMut(*mut u8)) {
        FOREIGN_FREES[self.index].collect(take);
    }

    /// Lets another arena have the slot.
    ///
    /// # Safety
    ///
    /// No block of the slot is still allocated, and the caller uses no part of it any more.
    pub(super) unsafe fn release(self) {
        // SAFETY: nobody uses the slot, as the caller promises.
        unsafe { pages::close(self.memory.as_ptr(), SLOT_LEN) };
        give_back(self.index);
    }
}

/// The first of so many slots that nobody has, which is the caller's from now on.
fn claim_index(slots: usize) -> Option<usize> {
    CLAIMED.iter().zip((0..slots).step_by(64)).find_map(|(claimed, first)| {
        let count = (slots - first).min(64);
        // Acquire and, in `give_back`, Release: the former owner is done with the slot.
        let bits = claimed.fetch_update(Ordering::Acquire, Ordering::Relaxed, |bits| {
            ((bits.trailing_ones() as usize) < count).then(|| bits | (bits + 1))
        });
        bits.ok().map(|bits| first + bits.trailing_ones() as usize)
    })
}

fn give_back(index: usize) {
    CLAIMED[index / 64].fetch_and(!(1 << (index % 64)), Ordering::Release);
}

/// Blocks of one arena that other threads freed, until its own thread collects them.
struct ForeignFrees {
    is_any_left: AtomicBool,
    /// Null where there is room.
    blocks: [AtomicPtr<u8>; ForeignFrees::MAX],
}

impl ForeignFrees {
    /// Between two resets. The code under test works on one thread; this is for the odd one out.
    const MAX: usize = 64;

    const fn new() -> ForeignFrees {
        ForeignFrees {
            is_any_left: AtomicBool::new(false),
            blocks: [const { AtomicPtr::new(ptr::null_mut()) }; ForeignFrees::MAX],
        }
    }

    fn leave(&self, block: *mut u8) {
        // Release: what this thread did to the block comes before the owner takes it back.
        let is_left = self.blocks.iter().any(|place| {
            place
                .compare_exchange(ptr::null_mut(), block, Ordering::Release, Ordering::Relaxed)
                .is_ok()
        });
        if is_left {
            self.is_any_left.store(true, Ordering::Release);
        }
    }

    #[inline]
    fn collect(&self, mut take: impl FnMut(*mut u8)) {
        if !self.is_any_left.load(Ordering::Relaxed) {
            return;
        }
        // Before the places are emptied: a block left meanwhile raises the flag again.
        self.is_any_left.store(false, Ordering::Relaxed);
        for place in &self.blocks {
            let block = place.swap(ptr::null_mut(), Ordering::Acquire);
            if !block.is_null() {
                take(block);
            }
        }
    }
}
