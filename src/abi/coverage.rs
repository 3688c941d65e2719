//! Coverage of a driver: the counters that Clang puts into a library beside each edge of its code.
//!
//! A library that is compiled with `-fsanitize-coverage=inline-8bit-counters,pc-table` says where they are when it
//! is loaded, to functions of these names. A program that drives one exports them.

use core::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

/// What libraries have said, in the order of their loading.
static KNOWN: Mutex<Vec<Counters>> = Mutex::new(Vec::new());

/// Counters that follow one another.
struct Counters {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: an address and a length, of memory that belongs to no thread.
unsafe impl Send for Counters {}

/// How many counters there are; 0 where no library has any.
#[must_use]
pub fn counter_count() -> usize {
    known(|counters| counters.iter().map(|it| it.len).sum())
}

/// Begins to count anew.
pub fn clear_counters() {
    known(|counters| {
        for Counters { start, len } in counters {
            // SAFETY: the library's own memory, writable as long as it is loaded, which is for ever. Other threads
            // of the driver may count meanwhile: what is lost of that is an edge that was not seen.
            unsafe { start.as_ptr().write_bytes(0, *len) };
        }
    });
}

/// Appends all counters as they are: how often each edge was passed, modulo 256.
pub fn copy_counters(into: &mut Vec<u8>) {
    known(|counters| {
        for Counters { start, len } in counters {
            let before = into.len();
            into.resize(before + *len, 0);
            // SAFETY: as above, and there is room for so many.
            unsafe { into[before..].as_mut_ptr().copy_from(start.as_ptr(), *len) };
        }
    });
}

fn known<R>(look: impl FnOnce(&mut Vec<Counters>) -> R) -> R {
    look(&mut KNOWN.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Keeps the functions in the program that a library calls when it is loaded.
pub fn export_coverage() {
    let exported =
        [__sanitizer_cov_8bit_counters_init as *const (), __sanitizer_cov_pcs_init as *const ()];
    core::hint::black_box(exported);
}

// SAFETY of the name: nobody else in a program that drives libraries has one of its own; a fuzz target does, and
// leaves this feature out.
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_8bit_counters_init(start: *mut u8, end: *mut u8) {
    let len = end.addr().saturating_sub(start.addr());
    let Some(start) = NonNull::new(start).filter(|_| len > 0) else { return };
    known(|counters| {
        // Each part of a library says it for all of them.
        if !counters.iter().any(|it| it.start == start) {
            counters.push(Counters { start, len });
        }
    });
}

// SAFETY of the name: as above.
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_pcs_init(_start: *const usize, _end: *const usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_library_says_when_it_is_loaded_is_read_and_cleared() {
        let mut counters = [1_u8, 0, 255];
        let range = counters.as_mut_ptr_range();
        __sanitizer_cov_8bit_counters_init(range.start, range.end);
        __sanitizer_cov_8bit_counters_init(range.start, range.end);
        __sanitizer_cov_8bit_counters_init(range.start, range.start);
        __sanitizer_cov_pcs_init(core::ptr::null(), core::ptr::null());
        assert_eq!(counter_count(), 3);
        let mut copied = vec![7];
        copy_counters(&mut copied);
        assert_eq!(copied, [7, 1, 0, 255]);
        clear_counters();
        copied.clear();
        copy_counters(&mut copied);
        assert_eq!(copied, [0; 3]);
        known(Vec::clear);
    }
}
