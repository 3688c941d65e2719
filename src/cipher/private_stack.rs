//! Runs an operation on a stack of its own and leaves neither that stack nor a register dirty.
//!
//! Compiled code spills what it likes where it likes, so nobody outside can say which bytes to
//! wipe. Giving it a whole stack, and wiping all that was touched, needs no such knowledge and no
//! guess at a depth.

use std::cell::Cell;
use std::ffi::c_void;
use std::{ptr, slice};

use crate::trampoline;

/// Whether [`run`] works on this system.
pub(crate) const IS_PORTED: bool = true;

/// The usable part of a stack. Debug builds of the portable cipher have been seen to use 27 KiB;
/// the rest is for later compilers, and for signal handlers that happen to run here.
const STACK_LEN: usize = 128 * 1024;

thread_local! {
    static STACK: PrivateStack = PrivateStack::map();
}

/// Runs `operation` on this thread's private stack, then wipes the stack and the registers.
///
/// A panic in `operation` aborts the process: nothing may unwind off this stack.
pub(crate) fn run<F: FnMut()>(operation: &mut F) {
    let is_done = STACK.try_with(|stack| stack.run_if_free(operation)).unwrap_or(false);
    if !is_done {
        // The thread is ending and its stack is gone, or a signal handler interrupted an
        // operation. Both are rare enough to pay for a stack that is used once.
        PrivateStack::map().run_if_free(operation);
    }
}

/// A painted stack with a guard below it.
struct PrivateStack {
    mapping: *mut c_void,
    mapping_len: usize,
    is_busy: Cell<bool>,
}

impl PrivateStack {
    fn map() -> PrivateStack {
        // SAFETY: takes a constant and returns a number.
        let page_len = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        let guard_len = usize::try_from(page_len).expect("every system has a page size");
        let mapping_len = guard_len + STACK_LEN;
        // SAFETY: a new private mapping at an address that the kernel chooses overlaps nothing.
        let mapping = unsafe {
            libc::mmap(
                ptr::null_mut(),
                mapping_len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert!(mapping != libc::MAP_FAILED, "no memory for a private stack");
        // SAFETY: the guard is the lowest page of the mapping, and nothing refers to it yet.
        let is_guarded = unsafe { libc::mprotect(mapping, guard_len, libc::PROT_NONE) } == 0;
        assert!(is_guarded, "no guard page for a private stack");
        let stack = PrivateStack { mapping, mapping_len, is_busy: Cell::new(false) };
        // SAFETY: the stack part is mapped, writable, aligned to a page and not otherwise
        // referred to; `u64` has no invalid values.
        unsafe { slice::from_raw_parts_mut(stack.bottom().cast(), STACK_LEN / 8) }
            .fill(trampoline::PAINT);
        stack
    }

    /// Runs `operation` here and returns true, or returns false if this stack is in use.
    fn run_if_free<F: FnMut()>(&self, operation: &mut F) -> bool {
        if self.is_busy.replace(true) {
            return false;
        }
        // SAFETY: the stack is mapped, painted and page-aligned, nobody else uses it while
        // `is_busy` is set, and it outlives the call. `call_operation::<F>` takes a pointer to an
        // `F`, which is what it gets, and cannot unwind.
        unsafe {
            trampoline::call_and_wipe(
                self.bottom(),
                self.top(),
                call_operation::<F>,
                ptr::from_mut(operation).cast(),
            );
        }
        self.is_busy.set(false);
        true
    }

    fn bottom(&self) -> *mut u8 {
        self.mapping.cast::<u8>().wrapping_add(self.mapping_len - STACK_LEN)
    }

    fn top(&self) -> *mut u8 {
        self.mapping.cast::<u8>().wrapping_add(self.mapping_len)
    }
}

impl Drop for PrivateStack {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, whole, and was wiped after its last use.
        let is_unmapped = unsafe { libc::munmap(self.mapping, self.mapping_len) } == 0;
        debug_assert!(is_unmapped, "the mapping was made by this stack");
    }
}

/// What the trampoline calls. Being `extern "C"`, it turns a panic into an abort.
unsafe extern "C" fn call_operation<F: FnMut()>(operation: *mut c_void) {
    // SAFETY: `run_if_free` passes the exclusive reference that it was given, and waits.
    let operation = unsafe { &mut *operation.cast::<F>() };
    operation();
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    fn is_all_paint(stack: &PrivateStack) -> bool {
        // SAFETY: as in `map`; the stack is not in use.
        let words = unsafe { slice::from_raw_parts(stack.bottom().cast::<u64>(), STACK_LEN / 8) };
        words.iter().all(|&word| word == trampoline::PAINT)
    }

    /// Uses 1 KiB of stack a level, and some four times as much without optimisation.
    fn dirty_the_stack(levels: u64) -> u64 {
        let scratch = black_box([levels; 128]);
        if levels == 0 { scratch[0] } else { dirty_the_stack(levels - 1) + black_box(scratch)[1] }
    }

    #[inline(never)]
    fn dirty_one_large_frame() {
        // Only the far end is written, beside what the compiler probes.
        let mut scratch = std::mem::MaybeUninit::<[u8; 40_000]>::uninit();
        // SAFETY: writes one byte inside the array.
        unsafe { black_box(scratch.as_mut_ptr()).cast::<u8>().write_volatile(1) };
    }

    #[test]
    fn an_operation_leaves_its_stack_as_it_found_it() {
        let stack = PrivateStack::map();
        assert!(is_all_paint(&stack));
        for levels in [0, 1, 5, 20] {
            assert!(stack.run_if_free(&mut || _ = black_box(dirty_the_stack(levels))));
            assert!(is_all_paint(&stack), "{levels} levels");
        }
        assert!(stack.run_if_free(&mut dirty_one_large_frame));
        assert!(is_all_paint(&stack), "one large frame");
    }

    #[test]
    fn an_operation_runs_on_the_private_stack() {
        let stack = PrivateStack::map();
        let mut address = 0;
        assert!(stack.run_if_free(&mut || address = ptr::from_ref(&black_box(0_u8)).addr()));
        assert!((stack.bottom().addr()..stack.top().addr()).contains(&address));
    }

    #[test]
    fn an_operation_inside_an_operation_gets_another_stack() {
        let mut total = 0;
        run(&mut || {
            total += 1;
            run(&mut || total += dirty_the_stack(3));
            total += 1;
        });
        assert_eq!(total, 2 + 3 + 2 + 1);
    }

    #[test]
    fn an_operation_still_runs_while_its_thread_ends() {
        struct RunsWhenDropped;
        impl Drop for RunsWhenDropped {
            fn drop(&mut self) {
                let mut is_done = false;
                run(&mut || is_done = true);
                assert!(is_done);
            }
        }
        thread_local!(static LATE: RunsWhenDropped = const { RunsWhenDropped });
        let thread = std::thread::spawn(|| {
            // Whichever is registered later is dropped first; one of the two orders is late.
            LATE.with(|_| ());
            run(&mut || ());
        });
        assert!(thread.join().is_ok());
    }
}
