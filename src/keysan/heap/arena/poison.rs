//! `AddressSanitizer`'s poison on memory that is nobody's, found at run time.
//!
//! Nothing here needs the sanitizer to link: without it in the program there is no [`Poison`].

/// A function of the sanitizer's interface: start and length of the memory.
type OnMemory = unsafe extern "C" fn(*const std::ffi::c_void, usize);

/// Forbids memory to instrumented code, and allows it again.
#[derive(Clone, Copy)]
pub(super) struct Poison {
    forbid: OnMemory,
    allow: OnMemory,
}

impl Poison {
    /// `None` in a program without `AddressSanitizer`.
    pub(super) fn find() -> Option<Poison> {
        let forbid = function(c"__asan_poison_memory_region")?;
        let allow = function(c"__asan_unpoison_memory_region")?;
        Some(Poison { forbid, allow })
    }

    /// Instrumented code that touches the memory from now on is reported.
    ///
    /// # Safety
    ///
    /// The memory belongs to an arena, and nobody's block lies in it.
    #[cold]
    pub(super) unsafe fn forbid(self, start: *const u8, len: usize) {
        // SAFETY: the sanitizer only writes its shadow of the memory, which it has for all of it.
        unsafe { (self.forbid)(start.cast(), len) };
    }

    /// Instrumented code may use the memory.
    ///
    /// # Safety
    ///
    /// The memory belongs to an arena.
    #[cold]
    pub(super) unsafe fn allow(self, start: *const u8, len: usize) {
        // SAFETY: as for `forbid`.
        unsafe { (self.allow)(start.cast(), len) };
    }
}

#[cfg(all(target_os = "linux", not(miri)))]
fn function(name: &std::ffi::CStr) -> Option<OnMemory> {
    // SAFETY: looks a name up among what the program has loaded.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    // SAFETY: an `Option` of a function pointer is null or the address of a function, and the
    // names looked up are those of functions of this type (sanitizer/asan_interface.h).
    unsafe { std::mem::transmute::<*mut libc::c_void, Option<OnMemory>>(address) }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
fn function(_name: &std::ffi::CStr) -> Option<OnMemory> {
    None
}
