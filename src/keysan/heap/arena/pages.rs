//! The few requests to the kernel that an arena needs; Linux only.

pub(super) use kernel::{address_space, close, discard, give_back, open, reserve};

/// Whether arenas work here at all. Miri has no kernel to ask.
pub(super) const IS_PORTED: bool =
    cfg!(all(target_os = "linux", target_pointer_width = "64", not(miri)));

#[cfg(all(target_os = "linux", target_pointer_width = "64", not(miri)))]
mod kernel {
    use std::ptr::{self, NonNull};

    use libc::{
        MADV_DONTNEED, MAP_ANONYMOUS, MAP_FAILED, MAP_FIXED_NOREPLACE, MAP_NORESERVE, MAP_PRIVATE,
        PROT_NONE, PROT_READ, PROT_WRITE,
    };

    /// How much address space this process may have, in bytes.
    pub(in super::super) fn address_space() -> u64 {
        let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: 0 };
        // SAFETY: the kernel fills the structure, which outlives the call; should it refuse, nothing
        // is known of a limit.
        unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) };
        limit.rlim_cur
    }

    /// Takes `len` bytes of address space, unusable so far: at `wanted` if there is such a place and they are free
    /// there, else wherever the kernel likes.
    pub(in super::super) fn reserve(wanted: Option<usize>, len: usize) -> Option<NonNull<u8>> {
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
        let take = |place, flags| {
            // SAFETY: a new mapping, which replaces no other: the kernel refuses a place in use.
            let start = unsafe { libc::mmap(place, len, PROT_NONE, flags, -1, 0) };
            if start == MAP_FAILED { None } else { NonNull::new(start.cast::<u8>()) }
        };
        let wanted = wanted.filter(|_| crate::places::can_be_chosen());
        let there = wanted.map(ptr::without_provenance_mut);
        there
            .and_then(|place| take(place, flags | MAP_FIXED_NOREPLACE))
            .or_else(|| take(ptr::null_mut(), flags))
    }

    /// Makes reserved pages usable; they read as zeros until written.
    ///
    /// # Safety
    ///
    /// The range lies in reserved address space that the caller disposes of.
    pub(in super::super) unsafe fn open(start: *mut u8, len: usize) -> bool {
        // SAFETY: widens the access to pages that nobody else uses.
        unsafe { libc::mprotect(start.cast(), len, PROT_READ | PROT_WRITE) == 0 }
    }

    /// Gives the memory behind the pages back; they read as zeros again.
    ///
    /// # Safety
    ///
    /// As for [`open`], and nobody needs the contents.
    pub(in super::super) unsafe fn discard(start: *mut u8, len: usize) {
        // A refusal only costs memory: whoever discards does not rely on the zeros.
        // SAFETY: the contents are not needed, as the caller promises.
        unsafe { libc::madvise(start.cast(), len, MADV_DONTNEED) };
    }

    /// Makes pages unusable again, so that a late access stops the program.
    ///
    /// # Safety
    ///
    /// As for [`discard`].
    pub(in super::super) unsafe fn close(start: *mut u8, len: usize) {
        // SAFETY: nobody needs the contents or the pages, as the caller promises.
        unsafe {
            discard(start, len);
            libc::mprotect(start.cast(), len, PROT_NONE);
        }
    }

    /// Gives pages and their address space back.
    ///
    /// # Safety
    ///
    /// The range was reserved by [`reserve`] as a whole, and nobody uses it any more.
    pub(in super::super) unsafe fn give_back(start: *mut u8, len: usize) {
        // SAFETY: a mapping of its own that nobody uses, as the caller promises.
        unsafe { libc::munmap(start.cast(), len) };
    }
}

#[cfg(not(all(target_os = "linux", target_pointer_width = "64", not(miri))))]
mod kernel {
    use std::ptr::NonNull;

    pub(in super::super) fn address_space() -> u64 {
        0
    }

    pub(in super::super) fn reserve(_wanted: Option<usize>, _len: usize) -> Option<NonNull<u8>> {
        None
    }

    /// # Safety
    ///
    /// Never called: nothing was reserved.
    pub(in super::super) unsafe fn open(_start: *mut u8, _len: usize) -> bool {
        false
    }

    /// # Safety
    ///
    /// Never called: nothing was reserved.
    pub(in super::super) unsafe fn discard(_start: *mut u8, _len: usize) {}

    /// # Safety
    ///
    /// Never called: nothing was reserved.
    pub(in super::super) unsafe fn close(_start: *mut u8, _len: usize) {}

    /// # Safety
    ///
    /// Never called: nothing was reserved.
    pub(in super::super) unsafe fn give_back(_start: *mut u8, _len: usize) {}
}
