//! The global allocator: the system's, another or an arena, with a look into each block that is freed.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::slice;

use super::{Block, LEDGER, Ledger, arena};

/// An allocator, usually the system's, which scans freed blocks while a [`watch`](super::watch) is open, and
/// takes blocks from the thread's [`Arena`](super::Arena) meanwhile if one is attached.
///
/// Outside a watch each call costs a load or two more. Blocks are scanned as they are and
/// never wiped: a wiping allocator would hide what keysan is there to find.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScanningAllocator<A = System> {
    underneath: A,
}

impl ScanningAllocator {
    /// Over the system's allocator, for a `#[global_allocator]` static.
    #[must_use]
    pub const fn new() -> ScanningAllocator {
        ScanningAllocator { underneath: System }
    }
}

impl<A: GlobalAlloc> ScanningAllocator<A> {
    /// Over another allocator, `MiMalloc` or `Jemalloc` say, for a program that ships with it:
    ///
    /// ```
    /// use std::alloc::System; // stands for another one
    ///
    /// use keysan::heap::ScanningAllocator;
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: ScanningAllocator<System> = ScanningAllocator::over(System);
    /// ```
    ///
    /// With an arena the code under test gets its blocks from there; what it is given underneath matters to blocks
    /// that were allocated outside calls and to those for which the arena has no room.
    #[must_use]
    pub const fn over(allocator: A) -> ScanningAllocator<A> {
        ScanningAllocator { underneath: allocator }
    }
}

// SAFETY: a block comes from the allocator underneath or from an arena, which never has one address twice while it
// is allocated, and goes back to where it came from: an arena's blocks, of whichever thread, are
// told by their addresses. What is added neither allocates nor panics, and reads a block of
// the other's only while it is still allocated.
unsafe impl<A: GlobalAlloc> GlobalAlloc for ScanningAllocator<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !LEDGER.with(Ledger::is_watching) {
            // SAFETY: the caller's promises are passed on unchanged.
            return unsafe { self.underneath.alloc(layout) };
        }
        if let Some(block) = arena::with_space(|space| space.allocate(layout)) {
            LEDGER.with(|ledger| ledger.note_allocation(layout.size()));
            return block.as_ptr();
        }
        // SAFETY: the caller's promises are passed on unchanged.
        let block = past_c(|| unsafe { self.underneath.alloc(layout) });
        if count_allocation(block, layout) {
            // SAFETY: just allocated with this size, and nobody else's yet.
            unsafe { block.write_bytes(PAINT, layout.size()) };
        }
        block
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !LEDGER.with(Ledger::is_watching) {
            // SAFETY: the caller's promises are passed on unchanged.
            return unsafe { self.underneath.alloc_zeroed(layout) };
        }
        if let Some(block) = arena::with_space(|space| space.allocate(layout)) {
            LEDGER.with(|ledger| ledger.note_allocation(layout.size()));
            // SAFETY: just allocated with this size, and nobody else's yet.
            unsafe { block.write_bytes(0, layout.size()) };
            return block.as_ptr();
        }
        // SAFETY: the caller's promises are passed on unchanged.
        let block = past_c(|| unsafe { self.underneath.alloc_zeroed(layout) });
        count_allocation(block, layout);
        block
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let is_watching = LEDGER.with(Ledger::is_watching);
        if arena::holds(block) {
            // It keeps what it holds, so that it can be looked into when the watch closes: the
            // scan leaves nothing of its own on the stack of the code under test.
            let free_index =
                is_watching.then(|| LEDGER.with(|ledger| ledger.note_free(layout.size())));
            arena::with_space(|space| space.free(block, free_index));
            return;
        }
        if is_watching {
            // SAFETY: the caller owns `block` with this layout until it is freed below.
            LEDGER.with(|ledger| unsafe { look_into(ledger, block, layout.size(), None) });
            // SAFETY: the caller's promises are passed on unchanged.
            past_c(|| unsafe { self.underneath.dealloc(block, layout) });
            return;
        }
        // SAFETY: the caller's promises are passed on unchanged.
        unsafe { self.underneath.dealloc(block, layout) };
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if !LEDGER.with(Ledger::is_watching) && !arena::holds(block) {
            // SAFETY: the caller's promises are passed on unchanged.
            return unsafe { self.underneath.realloc(block, layout, new_size) };
        }
        // The system might move the block and free the old place by itself, unseen; so the move
        // is made here, always, and the old place goes through `dealloc`. So are moves out of an
        // arena, which the system knows nothing of.
        // SAFETY: the caller promises that `new_size`, rounded up to the alignment, fits in isize.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        // SAFETY: `new_size` is not zero, as the caller promises.
        let moved = unsafe { self.alloc(new_layout) };
        if !moved.is_null() {
            let kept_len = layout.size().min(new_size);
            // SAFETY: both blocks are at least `kept_len` long, and a new block overlaps no other.
            unsafe { block.copy_to_nonoverlapping(moved, kept_len) };
            // SAFETY: the caller hands over `block`, made with `layout`, once the move succeeded.
            unsafe { self.dealloc(block, layout) };
        }
        moved
    }
}

/// What a watched block holds before anybody writes to it.
///
/// The system hands out blocks as their last owner left them. That owner may have been the code
/// around the watch, which rightly held secrets; unpainted, they would be found in parts of a
/// block that the code under test never touched.
pub(super) const PAINT: u8 = 0xB5;

/// Asks the system for something that is counted here: its allocator calls `malloc`, which a program may watch
/// as well.
#[inline]
fn past_c<R>(ask: impl FnOnce() -> R) -> R {
    LEDGER.with(|ledger| {
        let set = ledger.set.replace(ptr::null());
        let answer = ask();
        ledger.set.set(set);
        answer
    })
}

/// Counts an allocation by the system if it is watched and succeeded, and says so.
#[inline]
fn count_allocation(block: *mut u8, layout: Layout) -> bool {
    LEDGER.with(|ledger| {
        let is_counted = ledger.is_watching() && !block.is_null();
        if is_counted {
            ledger.note_allocation(layout.size());
        }
        is_counted
    })
}

/// Scans a block that is about to be freed, and counts the free. `known` is the block as the arena knows it.
///
/// # Safety
///
/// `block` is allocated, at least `len` bytes long, and nobody writes to it meanwhile.
#[inline(never)]
pub(super) unsafe fn look_into(ledger: &Ledger, block: *mut u8, len: usize, known: Option<Block>) {
    // SAFETY: a set that is not null is borrowed by the watch that put it there, on this thread
    // and further out on this stack; the watch takes it away again before its borrow ends.
    let set = unsafe { ledger.set.get().as_ref() };
    if let Some(set) = set {
        // SAFETY: allocated and unshared as the caller promises; initialised after `settled`.
        let bytes = unsafe { slice::from_raw_parts(settled(block), len) };
        let free_index = ledger.tally.get().frees;
        set.scan_aligned(bytes, &mut |sighting| {
            ledger.note_sighting(sighting, len, known, free_index);
        });
    }
    ledger.note_free(len);
}

/// The same pointer, to memory whose bytes the compiler must take for initialised.
///
/// A freed block has padding and spare capacity that nobody wrote, and those are the places of
/// interest. The empty assembly may, for all the compiler knows, have written every byte that the
/// pointer reaches; so the bytes read afterwards are the ones in the machine.
#[inline]
pub(super) fn settled(mut block: *mut u8) -> *mut u8 {
    #[cfg(not(miri))]
    // SAFETY: no instruction is emitted.
    unsafe {
        std::arch::asm!("/* {0} */", inout(reg) block, options(nostack, preserves_flags));
    }
    // Miri runs no assembly, and rightly objects to blocks that were not written in full.
    #[cfg(miri)]
    let _ = &mut block;
    block
}
