//! A driver in a shared library, opened and called as the runtime does.

mod adapter;
mod arguments;
mod device;
mod error;
mod resources;
mod shim;

use core::ffi::c_void;
use core::fmt;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use std::path::Path;
use std::sync::Arc;

use crate::{Convention, Entry};

pub use adapter::Adapter;
pub use device::{Device, DriverHandle};
pub use error::{CertificateError, LibraryError};
pub use resources::SystemMemory;
pub use shim::{ShimError, WrapFunction};

/// A library that exports `OpenAdapter`.
///
/// Its code runs in this process, with all that this process may do, from the moment it is loaded: name a
/// library only if you would run it as a program. Nothing here can undo what it does to memory that is not
/// its own, so whoever expects that of it drives it in a process that may die.
#[derive(Clone)]
pub struct Library(Arc<Loaded>);

struct Loaded {
    open_adapter: NonNull<c_void>,
    convention: Convention,
    // Never unloaded: threads that are ending may still run destructors of the library's thread-locals.
    library: ManuallyDrop<libloading::Library>,
}

// SAFETY: the address is only ever called, and code does not move.
unsafe impl Send for Loaded {}
// SAFETY: as above; whether the code may be called from two threads at once is the driver's promise.
unsafe impl Sync for Loaded {}

impl Library {
    /// Loads a library that wants to be called by this convention.
    ///
    /// # Errors
    ///
    /// When the system does not load it, or it does not export `OpenAdapter`.
    pub fn load(path: &Path, convention: Convention) -> Result<Self, LibraryError> {
        // SAFETY: the code that runs while it is loaded is the library's own, which whoever named it
        // trusts like a program.
        let library = unsafe { open(path) }
            .map_err(|error| LibraryError::Load { reason: in_full(&error) })?;
        Self::of(library, convention)
    }

    fn of(library: libloading::Library, convention: Convention) -> Result<Self, LibraryError> {
        // SAFETY: only its address is taken, which stays right as long as the library is loaded.
        let address = unsafe {
            let symbol = library.get::<*mut c_void>(c"OpenAdapter").ok();
            symbol.and_then(|symbol| NonNull::new(symbol.try_as_raw_ptr()?))
        };
        let open_adapter = address.ok_or(LibraryError::NoExport)?;
        Ok(Self(Arc::new(Loaded { open_adapter, convention, library: ManuallyDrop::new(library) })))
    }

    /// The program itself, into which a driver was linked.
    ///
    /// # Errors
    ///
    /// When none was, or the program does not export its `OpenAdapter`.
    pub fn linked(convention: Convention) -> Result<Self, LibraryError> {
        #[cfg(unix)]
        let library: libloading::Library = libloading::os::unix::Library::this().into();
        #[cfg(windows)]
        let library: libloading::Library = libloading::os::windows::Library::this()
            .map_err(|error| LibraryError::Load { reason: in_full(&error) })?
            .into();
        Self::of(library, convention).map_err(|_| LibraryError::NotLinked)
    }

    /// Opens its adapter.
    ///
    /// # Errors
    ///
    /// When it refuses, is too old, or leaves its table empty.
    pub fn open_adapter(&self) -> Result<Adapter, LibraryError> {
        Adapter::open(self)
    }

    /// An address in the library's code: by it the dynamic linker knows which library that is.
    #[must_use]
    pub fn code(&self) -> *const u8 {
        self.0.open_adapter.as_ptr().cast_const().cast()
    }

    /// Makes sure that it exports a function for tests, too.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub fn require(&self, name: &str) -> Result<(), LibraryError> {
        match self.function(name) {
            Some(_) => Ok(()),
            None => Err(LibraryError::NoFunction { name: name.to_owned() }),
        }
    }

    /// The function that it exports under this name.
    fn function(&self, name: &str) -> Entry {
        // SAFETY: only its address is taken, which stays right as long as the library is loaded.
        unsafe {
            let symbol = self.0.library.get::<*mut c_void>(name.as_bytes()).ok()?;
            NonNull::new(symbol.try_as_raw_ptr()?)
        }
    }

    fn convention(&self) -> Convention {
        self.0.convention
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No addresses: they differ from run to run.
        f.debug_struct("Library").field("convention", &self.0.convention).finish_non_exhaustive()
    }
}

/// Loads a library with all that it needs: what is missing is told now, and not by the first call of it.
///
/// # Safety
///
/// As for [`libloading::Library::new`].
unsafe fn open(path: &Path) -> Result<libloading::Library, libloading::Error> {
    #[cfg(unix)]
    {
        use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
        // SAFETY: the caller's promise.
        unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }.map(Into::into)
    }
    #[cfg(not(unix))]
    {
        // SAFETY: the caller's promise.
        unsafe { libloading::Library::new(path) }
    }
}

/// An error and what it was caused by: the system's own words come last.
fn in_full(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// An address at which no code can be, and which says that a driver has not written an entry.
fn canary<T>() -> *mut T {
    // Not canonical on x86-64, and beyond what programs get elsewhere.
    #[cfg(target_pointer_width = "64")]
    const CANARY: usize = 0x7EEE_DEAD_0000_0000;
    #[cfg(not(target_pointer_width = "64"))]
    const CANARY: usize = 0xFFFF_F000;
    core::ptr::without_provenance_mut(CANARY)
}
