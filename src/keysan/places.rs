//! Whether memory can be had at a place of one's own choosing.

/// Whether the system can be asked for memory at an address. `ThreadSanitizer` has its own idea of where memory may
/// be, and asks for address zero in the place of any other.
#[cfg(all(target_os = "linux", not(miri)))]
pub(crate) fn can_be_chosen() -> bool {
    // SAFETY: looks a name up among what the program has loaded.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__tsan_init".as_ptr()).is_null() }
}
