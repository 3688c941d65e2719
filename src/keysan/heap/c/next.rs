//! Who has the heap behind the program's `malloc`: the C library, or an allocator that was put in front of it.

use std::ffi::{CStr, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU8, Ordering};

use super::ALIGNMENT;

/// Who has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Owner {
    /// Nobody has looked yet.
    Unknown,
    /// Somebody is looking, and may need memory for it.
    Looking,
    /// The C library.
    CLibrary,
    /// Somebody else was put in front of the C library.
    Another,
}

/// The allocator that the program would have had.
pub(super) static NEXT: Next = Next::new();

/// Addresses of functions; null for one that there is not.
pub(super) struct Next {
    owner: AtomicU8,
    malloc: AtomicPtr<c_void>,
    memalign: AtomicPtr<c_void>,
    calloc: AtomicPtr<c_void>,
    realloc: AtomicPtr<c_void>,
    free: AtomicPtr<c_void>,
    usable_size: AtomicPtr<c_void>,
}

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
            owner: AtomicU8::new(Owner::Unknown as u8),
            malloc: AtomicPtr::new(ptr::null_mut()),
            memalign: AtomicPtr::new(ptr::null_mut()),
            calloc: AtomicPtr::new(ptr::null_mut()),
            realloc: AtomicPtr::new(ptr::null_mut()),
            free: AtomicPtr::new(ptr::null_mut()),
            usable_size: AtomicPtr::new(ptr::null_mut()),
        }
    }

    pub(super) fn owner(&self) -> Owner {
        match self.owner.load(Ordering::Acquire) {
            known if known == Owner::CLibrary as u8 => Owner::CLibrary,
            known if known == Owner::Another as u8 => Owner::Another,
            known if known == Owner::Looking as u8 => Owner::Looking,
            _ => self.look(),
        }
    }

    /// Asks the dynamic linker whose `malloc` comes behind the program's.
    #[cold]
    fn look(&self) -> Owner {
        let (unknown, looking) = (Owner::Unknown as u8, Owner::Looking as u8);
        let is_first = self
            .owner
            .compare_exchange(unknown, looking, Ordering::Acquire, Ordering::Relaxed)
            .is_ok();
        if !is_first {
            // This thread is at it, further out, or another is; what is allocated meanwhile is the C library's.
            return Owner::Looking;
        }
        let next = |name: &CStr| {
            // SAFETY: looks a name up among what the program has loaded.
            unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) }
        };
        // The C library has no other name for it.
        self.usable_size.store(next(c"malloc_usable_size"), Ordering::Relaxed);
        let owner = if next(c"malloc") == next(c"__libc_malloc") || next(c"malloc").is_null() {
            Owner::CLibrary
        } else {
            self.malloc.store(next(c"malloc"), Ordering::Relaxed);
            self.memalign.store(next(c"memalign"), Ordering::Relaxed);
            self.calloc.store(next(c"calloc"), Ordering::Relaxed);
            self.realloc.store(next(c"realloc"), Ordering::Relaxed);
            self.free.store(next(c"free"), Ordering::Relaxed);
            Owner::Another
        };
        self.owner.store(owner as u8, Ordering::Release);
        owner
    }

    /// The other allocator's function, if there is another allocator and it has one.
    fn other(&self, function: &AtomicPtr<c_void>) -> Option<*mut c_void> {
        if self.owner() != Owner::Another {
            return None;
        }
        Some(function.load(Ordering::Relaxed)).filter(|address| !address.is_null())
    }

    pub(super) unsafe fn malloc(&self, size: usize) -> *mut c_void {
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

    pub(super) unsafe fn memalign(&self, alignment: usize, size: usize) -> *mut c_void {
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

    pub(super) unsafe fn calloc(&self, count: usize, size: usize) -> *mut c_void {
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

    pub(super) unsafe fn realloc(&self, block: *mut c_void, size: usize) -> *mut c_void {
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

    pub(super) unsafe fn free(&self, block: *mut c_void) {
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

    pub(super) unsafe fn usable_size(&self, block: *mut c_void) -> usize {
        self.owner();
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
