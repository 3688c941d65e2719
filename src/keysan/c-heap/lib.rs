//! Makes a program export `malloc` and its family, so that keysan sees the heap of libraries in C and C++.
//!
//! A program calls [`export`] once, anywhere, and has keysan's allocator as its own:
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: keysan::heap::ScanningAllocator = keysan::heap::ScanningAllocator::new();
//!
//! keysan_c_heap::export();
//! # #[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
//! keysan::heap::prove_it_looks_at_c(&mut keysan::SecretSet::new())?;
//! # Ok::<(), keysan::heap::NotProven>(())
//! ```
//!
//! The names are taken when the program is linked, whether or not the call is ever reached. It is a package of
//! its own because that is for a program to decide: a sanitizer brings its own `malloc`. Linux with the GNU C
//! library only; elsewhere nothing is exported.

#![allow(unsafe_code, reason = "functions of C, whose promises are passed on as they are")]

/// Keeps the functions in the program.
pub fn export() {
    #[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
    std::hint::black_box(exported::ADDRESSES);
}

#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
mod exported {
    use std::ffi::{c_int, c_void};
    use std::ptr;

    use keysan::heap::c;

    /// What has to stay in the program although nothing in it asks for all of them.
    pub(super) const ADDRESSES: [*const (); 9] = [
        malloc as *const (),
        calloc as *const (),
        realloc as *const (),
        free as *const (),
        memalign as *const (),
        aligned_alloc as *const (),
        posix_memalign as *const (),
        valloc as *const (),
        malloc_usable_size as *const (),
    ];

    const EINVAL: c_int = 22;
    const ENOMEM: c_int = 12;

    const PAGE_LEN: usize = 4096;

    // SAFETY, for all of these: the program that calls this package wants its `malloc` to be this one, and no
    // other part of it exports one. What the caller promised the function of C, it promised `c`.

    #[unsafe(no_mangle)]
    unsafe extern "C" fn malloc(size: usize) -> *mut c_void {
        // SAFETY: see above.
        unsafe { c::malloc(size) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
        // SAFETY: see above.
        unsafe { c::calloc(count, size) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn realloc(block: *mut c_void, size: usize) -> *mut c_void {
        // SAFETY: see above.
        unsafe { c::realloc(block, size) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn free(block: *mut c_void) {
        // SAFETY: see above.
        unsafe { c::free(block) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn memalign(alignment: usize, size: usize) -> *mut c_void {
        // SAFETY: see above.
        unsafe { c::memalign(alignment, size) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void {
        if !alignment.is_power_of_two() {
            return ptr::null_mut();
        }
        // SAFETY: see above.
        unsafe { c::memalign(alignment, size) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn posix_memalign(
        into: *mut *mut c_void,
        alignment: usize,
        size: usize,
    ) -> c_int {
        if !alignment.is_power_of_two() || !alignment.is_multiple_of(size_of::<usize>()) {
            return EINVAL;
        }
        // SAFETY: see above.
        let block = unsafe { c::memalign(alignment, size) };
        if block.is_null() {
            return ENOMEM;
        }
        // SAFETY: the caller passes a place for a pointer.
        unsafe { into.write(block) };
        0
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn valloc(size: usize) -> *mut c_void {
        // SAFETY: see above.
        unsafe { c::memalign(PAGE_LEN, size) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn malloc_usable_size(block: *mut c_void) -> usize {
        // SAFETY: see above.
        unsafe { c::malloc_usable_size(block) }
    }
}
