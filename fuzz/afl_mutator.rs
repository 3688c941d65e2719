//! The workbench's mutator as the library that AFL++ loads: it changes calls where AFL++ would change bytes.
#![allow(unsafe_code, reason = "what AFL++ calls is part of the C boundary")]

use std::ffi::{c_uint, c_void};

use rekeylab::fuzzing::mutate;

/// What is kept between two inputs.
struct Mutator {
    seed: u32,
    out: Vec<u8>,
}

/// Begins: AFL++ hands what comes back to the other functions.
#[unsafe(no_mangle)]
pub extern "C" fn afl_custom_init(_afl: *mut c_void, seed: c_uint) -> *mut c_void {
    Box::into_raw(Box::new(Mutator { seed, out: Vec::new() })).cast()
}

/// Changes the input `buffer`; the answer is the length of what `out` points to then. The second input, which AFL++
/// offers to be spliced in, is left alone.
///
/// # Safety
///
/// `data` is what [`afl_custom_init`] gave, used by one thread; `buffer` points to `len` bytes, and `out` to where a
/// pointer can be written. What is written there is valid until the next call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn afl_custom_fuzz(
    data: *mut c_void,
    buffer: *const u8,
    len: usize,
    out: *mut *const u8,
    _other: *const u8,
    _other_len: usize,
    len_max: usize,
) -> usize {
    // SAFETY: `data` came from `Box::into_raw` in `afl_custom_init`, and AFL++ has one call at a time.
    let mutator = unsafe { &mut *data.cast::<Mutator>() };
    // SAFETY: AFL++ lends its input for this call.
    let input = unsafe { core::slice::from_raw_parts(buffer, len) };
    let len = len.min(len_max);
    mutator.out.resize(len_max, 0);
    mutator.out[..len].copy_from_slice(&input[..len]);
    mutator.seed = mutator.seed.wrapping_add(1);
    // AFL++ has stages of its own for changed bytes, so each of these seeds shall change calls.
    if mutator.seed.is_multiple_of(8) {
        mutator.seed = mutator.seed.wrapping_add(1);
    }
    let len =
        mutate(&mut mutator.out, len, len_max, mutator.seed, |_, len, len_max| len.min(len_max));
    // SAFETY: AFL++ passes the address of a pointer of its own.
    unsafe { *out = mutator.out.as_ptr() };
    len
}

/// Ends.
///
/// # Safety
///
/// `data` is what [`afl_custom_init`] gave, and is used no more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn afl_custom_deinit(data: *mut c_void) {
    // SAFETY: it came from `Box::into_raw`, and AFL++ ends once.
    drop(unsafe { Box::from_raw(data.cast::<Mutator>()) });
}

/// Coverage is that of the target: what is compiled with counters for it and is in here too, counts nothing.
#[unsafe(no_mangle)]
pub extern "C" fn __sanitizer_cov_trace_pc_guard(_guard: *mut u32) {}

/// As above.
#[unsafe(no_mangle)]
pub extern "C" fn __sanitizer_cov_trace_pc_guard_init(_start: *mut u32, _stop: *mut u32) {}
