//! What C's `malloc` and its family do in a program that exports them as its own.
//!
//! A library in C or C++ calls whatever `malloc` the program has. The package `keysan-c-heap` makes the program
//! export these functions under those names; then a watch sees what such a library allocates and frees on the
//! watched thread, and an [`Arena`](super::Arena) hands it its blocks. Outside a watch a call goes on to the
//! allocator that the program would have had.
//!
//! Where another allocator was put in front of the C library's, the heap is its own, and all calls go on to it. That
//! of `AddressSanitizer` says what it allocates and frees, and a watch sees it all the same (`sanitizer.rs`); of any
//! other, [`prove_it_looks_at_c`](super::prove_it_looks_at_c) fails.

mod next;
mod sanitizer;

use std::alloc::Layout;
use std::ffi::c_void;
use std::ptr;

use super::allocator::{PAINT, look_into};
use super::{LEDGER, Ledger, arena};
use next::{NEXT, Owner};
pub(super) use sanitizer::LenOf;

/// The alignment of what `malloc` answers, in bytes.
const ALIGNMENT: usize = 16;

/// `malloc`.
///
/// # Safety
///
/// As for the function of C.
#[must_use]
pub unsafe fn malloc(size: usize) -> *mut c_void {
    // SAFETY: the caller's promise.
    unsafe { memalign(ALIGNMENT, size) }
}

/// `memalign`, and `aligned_alloc`.
///
/// # Safety
///
/// As for the function of C.
#[must_use]
pub unsafe fn memalign(alignment: usize, size: usize) -> *mut c_void {
    if is_watched() {
        if let Some(block) = from_arena(alignment, size) {
            return block;
        }
        // SAFETY: the caller's promise is passed on.
        let block = unsafe { NEXT.memalign(alignment, size) };
        if !block.is_null() {
            LEDGER.with(|ledger| ledger.note_allocation(size));
            // All that there is room for, which is what is looked into when it is freed.
            // SAFETY: just allocated, as long as its allocator says, and nobody else's yet.
            unsafe { block.cast::<u8>().write_bytes(PAINT, NEXT.usable_size(block).max(size)) };
        }
        return block;
    }
    // SAFETY: the caller's promise is passed on.
    unsafe { NEXT.memalign(alignment, size) }
}

/// `calloc`.
///
/// # Safety
///
/// As for the function of C.
#[must_use]
pub unsafe fn calloc(count: usize, size: usize) -> *mut c_void {
    if !is_watched() {
        // SAFETY: the caller's promise is passed on.
        return unsafe { NEXT.calloc(count, size) };
    }
    let Some(len) = count.checked_mul(size) else { return ptr::null_mut() };
    // SAFETY: the caller's promise.
    let block = unsafe { malloc(len) };
    if !block.is_null() {
        // SAFETY: just allocated with this size, and nobody else's yet.
        unsafe { block.cast::<u8>().write_bytes(0, len) };
    }
    block
}

/// `realloc`.
///
/// # Safety
///
/// As for the function of C.
#[must_use]
pub unsafe fn realloc(block: *mut c_void, size: usize) -> *mut c_void {
    if !is_watched() && !arena::holds(block.cast()) {
        // SAFETY: the caller's promise is passed on.
        return unsafe { NEXT.realloc(block, size) };
    }
    // As the C library does: without a block it allocates, without a size it frees.
    if !block.is_null() && size == 0 {
        // SAFETY: the caller's promise.
        unsafe { free(block) };
        return ptr::null_mut();
    }
    // The move is made here, so that the old place is seen when it is freed.
    // SAFETY: the caller's promise.
    let moved = unsafe { malloc(size) };
    if !moved.is_null() && !block.is_null() {
        // SAFETY: a block that is allocated, as the caller promises.
        let kept_len = unsafe { malloc_usable_size(block) }.min(size);
        // SAFETY: both blocks are at least that long, and a new block overlaps no other.
        unsafe { block.cast::<u8>().copy_to_nonoverlapping(moved.cast(), kept_len) };
        // SAFETY: the caller hands the old block over once the move succeeded.
        unsafe { free(block) };
    }
    moved
}

/// `free`. Of an address in an arena that is no block's, or of one that was freed before, the process is ended.
///
/// # Safety
///
/// As for the function of C.
pub unsafe fn free(block: *mut c_void) {
    let is_watched = is_watched();
    if arena::holds(block.cast()) {
        let Some(len) = arena::live_len_of(block.cast()) else { refuse() };
        let free_index = is_watched.then(|| LEDGER.with(|ledger| ledger.note_free(len)));
        arena::with_space(|space| space.free(block.cast(), free_index));
        return;
    }
    if is_watched && !block.is_null() {
        // SAFETY: allocated until it is freed below, and as long as its allocator says.
        unsafe {
            let len = NEXT.usable_size(block);
            LEDGER.with(|ledger| look_into(ledger, block.cast(), len, None));
        }
    }
    // SAFETY: the caller's promise is passed on.
    unsafe { NEXT.free(block) }
}

/// Ends the process, as the C library does when it notices.
#[cold]
fn refuse() -> ! {
    let told = b"SUMMARY: keysan: free() of a block that is not allocated\n";
    // SAFETY: readable for as long as they are.
    unsafe { libc::write(libc::STDERR_FILENO, told.as_ptr().cast(), told.len()) };
    std::process::abort();
}

/// `malloc_usable_size`.
///
/// # Safety
///
/// As for the function of C.
#[must_use]
pub unsafe fn malloc_usable_size(block: *mut c_void) -> usize {
    if arena::holds(block.cast()) {
        return arena::len_of(block.cast()).unwrap_or_default();
    }
    // SAFETY: the caller's promise is passed on.
    unsafe { NEXT.usable_size(block) }
}

/// Whether what is allocated now is to be seen: not while the dynamic linker is asked, which allocates and frees.
fn is_watched() -> bool {
    LEDGER.with(Ledger::is_watching) && NEXT.owner() == Owner::CLibrary
}

/// A block of this thread's arena, if it has one that serves and has room.
fn from_arena(alignment: usize, size: usize) -> Option<*mut c_void> {
    let layout = Layout::from_size_align(size, alignment.max(ALIGNMENT)).ok()?;
    let block = arena::with_space(|space| space.allocate(layout))?;
    LEDGER.with(|ledger| ledger.note_allocation(size));
    Some(block.as_ptr().cast())
}

/// How a sanitizer is asked for the length of its blocks, where the heap is a sanitizer's that says what it allocates
/// and frees.
pub(super) fn len_of_a_sanitizers() -> Option<LenOf> {
    (NEXT.owner() == Owner::Another).then(sanitizer::len_of).flatten()
}
