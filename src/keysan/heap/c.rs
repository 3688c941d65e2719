//! What C's `malloc` and its family do in a program that exports them as its own.
//!
//! A library in C or C++ calls whatever `malloc` the program has. The package `keysan-c-heap` makes the program
//! export these functions under those names; then a watch sees what such a library allocates and frees on the
//! watched thread, and an [`Arena`](super::Arena) hands it its blocks. Outside a watch a call goes on to the
//! allocator that the program would have had.
//!
//! Where another allocator was put in front of the C library's, such as that of AddressSanitizer, the heap is
//! its own: all calls go on to it, and [`prove_it_looks_at_c`](super::prove_it_looks_at_c) fails.

use std::alloc::Layout;
use std::ffi::{CStr, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU8, Ordering};

use super::allocator::{PAINT, look_into};
use super::{LEDGER, Ledger, arena};

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
            LEDGER.with(|ledger| look_into(ledger, block.cast(), len));
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
    LEDGER.with(Ledger::is_watching) && NEXT.state() == OF_THE_C_LIBRARY
}

/// A block of this thread's arena, if it has one that serves and has room.
fn from_arena(alignment: usize, size: usize) -> Option<*mut c_void> {
    let layout = Layout::from_size_align(size, alignment.max(ALIGNMENT)).ok()?;
    let block = arena::with_space(|space| space.allocate(layout))?;
    LEDGER.with(|ledger| ledger.note_allocation(size));
    Some(block.as_ptr().cast())
}

/// The allocator that the program would have had.
static NEXT: Next = Next::new();

/// Addresses of functions; null for one that there is not.
struct Next {
    state: AtomicU8,
    malloc: AtomicPtr<c_void>,
    memalign: AtomicPtr<c_void>,
    calloc: AtomicPtr<c_void>,
    realloc: AtomicPtr<c_void>,
    free: AtomicPtr<c_void>,
    usable_size: AtomicPtr<c_void>,
}

/// Nobody has looked yet.
const UNKNOWN: u8 = 0;
/// Somebody is looking, and may need memory for it.
const LOOKING: u8 = 1;
/// The C library has it.
const OF_THE_C_LIBRARY: u8 = 2;
/// Somebody else was put in front of the C library.
const OF_ANOTHER: u8 = 3;

unsafe extern "C" {
    // The C library's functions under the names that nobody replaces.
    fn __libc_memalign(alignment: usize, size: usize) -> *mut c_void;
    fn __libc_malloc(size: usize) -> *mut c_void;
    fn __libc_calloc(count: usize, size: usize) -> *mut c_void;
    fn __libc_realloc(block: *mut c_void, size: usize) -> *mut c_void;
    fn __libc_free(block: *mut c_void);
}

impl Next {
    const fn new() -> Next {
        Next {
            state: AtomicU8::new(UNKNOWN),
            malloc: AtomicPtr::new(ptr::null_mut()),
            memalign: AtomicPtr::new(ptr::null_mut()),
            calloc: AtomicPtr::new(ptr::null_mut()),
            realloc: AtomicPtr::new(ptr::null_mut()),
            free: AtomicPtr::new(ptr::null_mut()),
            usable_size: AtomicPtr::new(ptr::null_mut()),
        }
    }

    fn state(&self) -> u8 {
        match self.state.load(Ordering::Acquire) {
            UNKNOWN => self.look(),
            known => known,
        }
    }

    /// Asks the dynamic linker whose `malloc` comes behind the program's.
    #[cold]
    fn look(&self) -> u8 {
        let is_first = self
            .state
            .compare_exchange(UNKNOWN, LOOKING, Ordering::Acquire, Ordering::Relaxed)
            .is_ok();
        if !is_first {
            // This thread is at it, further out, or another is; what is allocated meanwhile is the C library's.
            return LOOKING;
        }
        let next = |name: &CStr| {
            // SAFETY: looks a name up among what the program has loaded.
            unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) }
        };
        // The C library has no other name for it.
        self.usable_size.store(next(c"malloc_usable_size"), Ordering::Relaxed);
        let state = if next(c"malloc") == next(c"__libc_malloc") || next(c"malloc").is_null() {
            OF_THE_C_LIBRARY
        } else {
            self.malloc.store(next(c"malloc"), Ordering::Relaxed);
            self.memalign.store(next(c"memalign"), Ordering::Relaxed);
            self.calloc.store(next(c"calloc"), Ordering::Relaxed);
            self.realloc.store(next(c"realloc"), Ordering::Relaxed);
            self.free.store(next(c"free"), Ordering::Relaxed);
            OF_ANOTHER
        };
        self.state.store(state, Ordering::Release);
        state
    }

    /// The other allocator's function, if there is another allocator and it has one.
    fn other(&self, function: &AtomicPtr<c_void>) -> Option<*mut c_void> {
        if self.state() != OF_ANOTHER {
            return None;
        }
        Some(function.load(Ordering::Relaxed)).filter(|address| !address.is_null())
    }

    unsafe fn malloc(&self, size: usize) -> *mut c_void {
        match self.other(&self.malloc) {
            // SAFETY: a function of this type has that name.
            Some(address) => unsafe {
                std::mem::transmute::<*mut c_void, unsafe extern "C" fn(usize) -> *mut c_void>(
                    address,
                )(size)
            },
            // SAFETY: the caller's promise is passed on.
            None => unsafe { __libc_malloc(size) },
        }
    }

    unsafe fn memalign(&self, alignment: usize, size: usize) -> *mut c_void {
        if alignment <= ALIGNMENT {
            // SAFETY: the caller's promise is passed on.
            return unsafe { self.malloc(size) };
        }
        match self.other(&self.memalign) {
            // SAFETY: a function of this type has that name.
            Some(address) => unsafe {
                std::mem::transmute::<*mut c_void, unsafe extern "C" fn(usize, usize) -> *mut c_void>(
                    address,
                )(alignment, size)
            },
            // SAFETY: the caller's promise is passed on.
            None => unsafe { __libc_memalign(alignment, size) },
        }
    }

    unsafe fn calloc(&self, count: usize, size: usize) -> *mut c_void {
        match self.other(&self.calloc) {
            // SAFETY: a function of this type has that name.
            Some(address) => unsafe {
                std::mem::transmute::<*mut c_void, unsafe extern "C" fn(usize, usize) -> *mut c_void>(
                    address,
                )(count, size)
            },
            // SAFETY: the caller's promise is passed on.
            None => unsafe { __libc_calloc(count, size) },
        }
    }

    unsafe fn realloc(&self, block: *mut c_void, size: usize) -> *mut c_void {
        match self.other(&self.realloc) {
            // SAFETY: a function of this type has that name.
            Some(address) => unsafe {
                std::mem::transmute::<
                    *mut c_void,
                    unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void,
                >(address)(block, size)
            },
            // SAFETY: the caller's promise is passed on.
            None => unsafe { __libc_realloc(block, size) },
        }
    }

    unsafe fn free(&self, block: *mut c_void) {
        match self.other(&self.free) {
            // SAFETY: a function of this type has that name.
            Some(address) => unsafe {
                std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void)>(address)(
                    block,
                )
            },
            // SAFETY: the caller's promise is passed on.
            None => unsafe { __libc_free(block) },
        }
    }

    unsafe fn usable_size(&self, block: *mut c_void) -> usize {
        self.state();
        let address = self.usable_size.load(Ordering::Relaxed);
        if address.is_null() {
            return 0;
        }
        // SAFETY: a function of this type has that name.
        unsafe {
            std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void) -> usize>(address)(
                block,
            )
        }
    }
}
