//! Says it when a call uses up the stack that it runs on, before the process ends of that.
//!
//! The kernel only knows that a page was touched that nobody may touch. Whoever reads "signal 11" looks for a
//! wild pointer in code that has none.

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What lies below a painted stack.
pub(super) struct Guard {
    /// Its address.
    pub(super) start: usize,
    /// Its length, in bytes.
    pub(super) len: usize,
    /// How much stack there is above it, in bytes.
    pub(super) stack_len: usize,
}

/// A guard that is watched; 0 in the place of an address for none.
struct Place {
    start: AtomicUsize,
    len: AtomicUsize,
    stack_len: AtomicUsize,
}

/// As many gates as are ever open together; what there are more is not watched.
const PLACE_COUNT: usize = 256;

static PLACES: [Place; PLACE_COUNT] = [const {
    Place { start: AtomicUsize::new(0), len: AtomicUsize::new(0), stack_len: AtomicUsize::new(0) }
}; PLACE_COUNT];

/// What was done about such faults before.
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

/// A fault in this guard is told from now on.
pub(super) fn watch_for(guard: Guard) {
    for place in &PLACES {
        let is_free = place
            .start
            .compare_exchange(0, guard.start, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok();
        if is_free {
            place.len.store(guard.len, Ordering::Relaxed);
            place.stack_len.store(guard.stack_len, Ordering::Relaxed);
            break;
        }
    }
    BEFORE.get_or_init(|| {
        let mut before = MaybeUninit::<libc::sigaction>::uninit();
        // SAFETY: an action is numbers and addresses, of which all may be zero.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = on_fault as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: the handler may be called at any time and calls nothing that may not be called then; both
        // structures are there until the call returns.
        unsafe {
            libc::sigaction(libc::SIGSEGV, &raw const action, before.as_mut_ptr());
            // SAFETY: written by the call; it fails for no signal of this number.
            before.assume_init()
        }
    });
}

/// Nobody has that guard any more.
pub(super) fn forget(guard: &Guard) {
    let watched = PLACES.iter().find(|place| place.start.load(Ordering::Relaxed) == guard.start);
    if let Some(place) = watched {
        place.start.store(0, Ordering::Relaxed);
    }
}

/// Says that a stack was used up, if that is it, and leaves the rest to whoever was there before.
unsafe extern "C" fn on_fault(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes what it knows of the fault.
    let address = unsafe { (*info).si_addr() }.addr();
    let used_up = PLACES.iter().find(|place| {
        let start = place.start.load(Ordering::Relaxed);
        start != 0 && address.wrapping_sub(start) < place.len.load(Ordering::Relaxed)
    });
    if let Some(place) = used_up {
        say(b"keysan: a call has overflowed its stack, which has ");
        say_number(place.stack_len.load(Ordering::Relaxed) >> 10);
        say(b" KiB while it is looked into\n");
    }
    let before = BEFORE.get();
    let handler = before.map_or(libc::SIG_DFL, |before| before.sa_sigaction);
    if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
        // SAFETY: an action is numbers and addresses, of which all may be zero: the default.
        let action: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: the structure is there until the call returns. The instruction that has faulted is made
        // again and ends the process.
        unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
        return;
    }
    let takes_info = before.is_some_and(|before| before.sa_flags & libc::SA_SIGINFO != 0);
    // SAFETY: the address of a handler, whose type its flags say, as whoever installed it promised the kernel.
    unsafe {
        if takes_info {
            type OnFault = unsafe extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);
            std::mem::transmute::<usize, OnFault>(handler)(signal, info, context);
        } else {
            std::mem::transmute::<usize, unsafe extern "C" fn(c_int)>(handler)(signal);
        }
    }
}

/// Writes to standard error without anything that could wait or allocate.
fn say(words: &[u8]) {
    // SAFETY: readable for as long as they are.
    unsafe { libc::write(libc::STDERR_FILENO, words.as_ptr().cast(), words.len()) };
}

fn say_number(number: usize) {
    let mut digits = [b'0'; 20];
    let (mut rest, mut first) = (number, digits.len());
    while rest > 0 || first == digits.len() {
        first -= 1;
        digits[first] = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
    }
    say(&digits[first..]);
}
