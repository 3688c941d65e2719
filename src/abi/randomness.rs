//! Random numbers that repeat: what a driver asks the system for can be the same in every run.
//!
//! A program that drives libraries exports `getrandom` and its friends. As long as nobody asks for anything else,
//! and outside a driver's entries always, they answer what the system answers.

use core::cell::Cell;
use core::ffi::{c_int, c_uint, c_void};

use crate::around::is_in_an_entry;

thread_local! {
    /// Where this thread's numbers go on; `None` for those of the system.
    static NEXT: Cell<Option<u64>> = const { Cell::new(None) };
}

/// From now on this thread's drivers get random numbers that grow from a seed; `None` for those of the system.
pub fn repeat_random_numbers(seed: Option<u64>) {
    NEXT.set(seed);
}

/// Keeps the functions in the program that a library calls.
pub fn export_randomness() {
    let exported = [
        getrandom as *const (),
        getentropy as *const (),
        arc4random as *const (),
        arc4random_buf as *const (),
    ];
    core::hint::black_box(exported);
}

/// Fills the place, if numbers are to repeat here.
///
/// # Safety
///
/// `into` has room for so many bytes.
unsafe fn repeated(into: *mut c_void, len: usize) -> bool {
    let Some(mut state) = NEXT.get().filter(|_| is_in_an_entry() && !into.is_null()) else {
        return false;
    };
    for at in (0..len).step_by(8) {
        // SplitMix64, by Steele, Lea and Flood: one number for each state, and no state twice.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = state;
        word = (word ^ word >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ word >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        let bytes = (word ^ word >> 31).to_le_bytes();
        // SAFETY: the caller's promise, and no more bytes than are left.
        unsafe { into.cast::<u8>().add(at).copy_from(bytes.as_ptr(), (len - at).min(8)) };
    }
    NEXT.set(Some(state));
    true
}

/// What the system answers.
///
/// # Safety
///
/// As for the function of C.
unsafe fn of_the_system(into: *mut c_void, len: usize, flags: c_uint) -> isize {
    // SAFETY: the caller's promise is passed on.
    let answer = unsafe { libc::syscall(libc::SYS_getrandom, into, len, flags) };
    isize::try_from(answer).unwrap_or(-1)
}

// SAFETY of the names: nobody else in a program that drives libraries has one of its own; all of it, and the
// libraries, get what they would have got but for a driver that is to repeat.

#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(into: *mut c_void, len: usize, flags: c_uint) -> isize {
    // SAFETY: the caller's promise.
    if unsafe { repeated(into, len) } {
        return len.cast_signed();
    }
    // SAFETY: as above.
    unsafe { of_the_system(into, len, flags) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn getentropy(into: *mut c_void, len: usize) -> c_int {
    // SAFETY: the caller's promise.
    let is_filled = len <= 256
        && unsafe { repeated(into, len) || of_the_system(into, len, 0) == len.cast_signed() };
    if is_filled { 0 } else { -1 }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn arc4random_buf(into: *mut c_void, len: usize) {
    // SAFETY: the caller's promise.
    if unsafe { repeated(into, len) } {
        return;
    }
    let mut done = 0;
    while done < len {
        // SAFETY: as above, and no more than is left.
        let count = unsafe { of_the_system(into.byte_add(done), len - done, 0) };
        done += usize::try_from(count).unwrap_or_default();
    }
}

#[unsafe(no_mangle)]
extern "C" fn arc4random() -> u32 {
    let mut number = 0_u32;
    // SAFETY: four bytes of its own.
    unsafe { arc4random_buf((&raw mut number).cast(), size_of::<u32>()) };
    number
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::around::{around_entries, enter};

    fn drawn(len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        // SAFETY: so many bytes are there.
        unsafe {
            assert_eq!(getrandom(bytes.as_mut_ptr().cast(), len, 0), len.cast_signed());
        }
        bytes
    }

    fn in_an_entry(seed: Option<u64>) -> Vec<u8> {
        let mut bytes = Vec::new();
        repeat_random_numbers(seed);
        around_entries(
            &mut |entry: &mut dyn FnMut()| entry(),
            |callback| callback(),
            || {
                enter(&mut || bytes = [drawn(16), drawn(3), drawn(16)].concat());
            },
        );
        repeat_random_numbers(None);
        bytes
    }

    #[test]
    fn numbers_repeat_in_entries_alone_and_only_if_that_is_wanted() {
        let first = in_an_entry(Some(7));
        assert_eq!(first, in_an_entry(Some(7)));
        assert_ne!(first, in_an_entry(Some(8)));
        assert_ne!(first[..16], first[19..], "no number comes twice");
        assert_ne!(in_an_entry(None), in_an_entry(None));
        repeat_random_numbers(Some(7));
        assert_ne!(drawn(16), drawn(16));
        assert_ne!(drawn(16), first[..16]);
        repeat_random_numbers(None);
    }

    #[test]
    fn all_of_them_answer() {
        let mut bytes = [0_u8; 32];
        // SAFETY: so many bytes are there.
        unsafe {
            assert_eq!(getentropy(bytes.as_mut_ptr().cast(), 32), 0);
            assert_eq!(getentropy(bytes.as_mut_ptr().cast(), 257), -1);
            arc4random_buf(bytes.as_mut_ptr().cast(), 32);
        }
        assert_ne!(bytes, [0; 32]);
        assert!((0..4).any(|_| arc4random() != 0));
    }
}
