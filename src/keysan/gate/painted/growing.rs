//! Lets a painted stack grow when a call needs more of it, and says so when there is no more, before the process
//! ends of that.
//!
//! A stack that is large from the start would have to be painted as a whole, which few calls need. So most of it may
//! not be touched, and whoever touches it all the same gets a signal: the handler paints what is missing, and the
//! instruction is made again. At the end of all of it, the kernel only knows that a page was touched that nobody may
//! touch; whoever reads "signal 11" looks for a wild pointer in code that has none.

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use super::stack::{GUARD_LEN, PAGE_LEN, PAINT};

/// A stack that can grow.
pub(super) struct Place {
    /// Where its memory begins, with the guard; null for none, and dangling while the other two are not said yet.
    start: AtomicPtr<u8>,
    /// The lowest address of what may be used now.
    bottom: AtomicUsize,
    /// One past the uppermost.
    end: AtomicUsize,
}

/// As many gates as are ever open together; of what there are more, none grows.
const PLACE_COUNT: usize = 256;

static PLACES: [Place; PLACE_COUNT] = [const {
    Place {
        start: AtomicPtr::new(ptr::null_mut()),
        bottom: AtomicUsize::new(0),
        end: AtomicUsize::new(0),
    }
}; PLACE_COUNT];

/// What was done about such faults before.
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

/// From now on the stack whose memory begins at `start` with a guard grows, down from `bottom`; `None` if there are
/// too many that do.
///
/// # Safety
///
/// From `start` to `end`, of which `bottom` is a page, all is one mapping of the caller's, which stays until
/// [`Place::forget`]. What is below `bottom` may not be touched, and belongs to the stack from then on.
pub(super) unsafe fn watch(start: *mut u8, bottom: usize, end: usize) -> Option<&'static Place> {
    let (free, taken) = (ptr::null_mut(), ptr::dangling_mut());
    let place = PLACES.iter().find(|place| {
        place.start.compare_exchange(free, taken, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    })?;
    place.bottom.store(bottom, Ordering::Relaxed);
    place.end.store(end, Ordering::Relaxed);
    place.start.store(start, Ordering::Release);
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
    Some(place)
}

impl Place {
    /// The lowest address of what may be used now.
    #[inline]
    pub(super) fn bottom(&self) -> usize {
        self.bottom.load(Ordering::Relaxed)
    }

    /// The stack is gone.
    pub(super) fn forget(&self) {
        self.bottom.store(0, Ordering::Relaxed);
        self.start.store(ptr::null_mut(), Ordering::Release);
    }

    /// Whether this address is of this stack, and not to be touched.
    fn has(&self, address: usize) -> bool {
        let start = self.start.load(Ordering::Acquire);
        // No mapping begins in the first page, so neither of the two marks is one.
        start.addr() >= PAGE_LEN && (start.addr()..self.bottom()).contains(&address)
    }

    /// Makes the stack twice as large, or so large that this address is in it; whether that went.
    fn grow_to(&self, address: usize) -> bool {
        let start = self.start.load(Ordering::Acquire);
        let (lowest, bottom) = (start.addr() + GUARD_LEN, self.bottom());
        if address < lowest {
            return false;
        }
        let twice = bottom.saturating_sub(self.end.load(Ordering::Relaxed) - bottom);
        let grown = twice.min(address / PAGE_LEN * PAGE_LEN).max(lowest);
        let words = start.wrapping_add(grown - start.addr()).cast::<u64>();
        // SAFETY: pages of the mapping that whoever began to watch has promised; nobody uses them yet.
        if unsafe {
            libc::mprotect(words.cast(), bottom - grown, libc::PROT_READ | libc::PROT_WRITE)
        } != 0
        {
            return false;
        }
        for word in 0..(bottom - grown) / size_of::<u64>() {
            // SAFETY: as above, and writable since the call.
            unsafe { words.wrapping_add(word).write_volatile(PAINT) };
        }
        self.bottom.store(grown, Ordering::Relaxed);
        true
    }

    /// How large it can become, in bytes.
    fn len_max(&self) -> usize {
        self.end.load(Ordering::Relaxed) - self.start.load(Ordering::Acquire).addr() - GUARD_LEN
    }
}

/// Lets a stack grow, or says that it was used up, if that is it, and leaves the rest to whoever was there before.
unsafe extern "C" fn on_fault(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes what it knows of the fault.
    let address = unsafe { (*info).si_addr() }.addr();
    if let Some(place) = PLACES.iter().find(|place| place.has(address)) {
        if place.grow_to(address) {
            return;
        }
        say(b"keysan: a call has overflowed its stack, which has ");
        say_number(place.len_max() >> 10);
        say(b" KiB while it is looked into; open keysan with a larger one\n");
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
