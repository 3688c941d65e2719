//! A function of the vendor's that wraps session keys, in a library of its own or in that of the driver.

use core::ffi::c_int;
use core::fmt;
use core::mem::ManuallyDrop;
use std::path::Path;
use std::sync::Arc;

use super::{in_full, open};

/// A function that wraps a session key as only the vendor can (R-09):
///
/// ```c
/// int NAME(const uint8_t key[16], const uint8_t *certificate, uint32_t certificate_size,
///          uint8_t *blob, uint32_t *blob_size);
/// ```
///
/// It answers 0. `certificate` is that of the driver, NULL if it has none; `blob_size` is the room in `blob` and
/// becomes the size of what was written there. It is called by the convention of C on this platform, whatever that
/// of the driver is. As with a driver, its code may do all that this process may.
#[derive(Clone)]
pub struct WrapFunction(Arc<Loaded>);

struct Loaded {
    name: String,
    function: Function,
    // Never unloaded, as a driver is not.
    _library: ManuallyDrop<libloading::Library>,
}

type Function = unsafe extern "C" fn(*const u8, *const u8, u32, *mut u8, *mut u32) -> c_int;

/// Why a function of the vendor's wraps no key.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ShimError {
    /// The system does not load its library.
    #[error("{library} cannot be loaded: {reason}")]
    Load {
        /// The library.
        library: String,
        /// What the system says.
        reason: String,
    },
    /// The library does not export it.
    #[error("{library} does not export {name}")]
    NoExport {
        /// The library.
        library: String,
        /// The name of the function.
        name: String,
    },
    /// It does not do it.
    #[error("{name} answered {answer}")]
    Refused {
        /// The name of the function.
        name: String,
        /// Its answer.
        answer: c_int,
    },
    /// It says that it has written nothing, or more than there was room for.
    #[error("{name} answered 0 and a blob of {size} bytes; there is room for {ROOM}")]
    Size {
        /// The name of the function.
        name: String,
        /// The size that it wrote.
        size: u32,
    },
    /// It has written behind the size that it says.
    #[error("{name} wrote behind the {ROOM} bytes that it was given")]
    Overrun {
        /// The name of the function.
        name: String,
    },
}

/// How long a wrapped key may be, in bytes.
const ROOM: u32 = 4 << 10;

/// Bytes behind that room, which nobody may write, and what stands there.
const MARGIN_LEN: usize = 32;
const UNWRITTEN: u8 = 0xE7;

impl WrapFunction {
    /// Loads the function of this name.
    ///
    /// # Errors
    ///
    /// When the system does not load the library, or it does not export that name.
    pub fn load(library: &Path, name: &str) -> Result<Self, ShimError> {
        let path = library.display().to_string();
        // SAFETY: the code that runs while it is loaded is the library's own, which whoever named it trusts like a
        // program.
        let loaded = unsafe { open(library) }
            .map_err(|error| ShimError::Load { library: path.clone(), reason: in_full(&error) })?;
        // SAFETY: whoever named the function says that it is of this type.
        let function = unsafe { loaded.get::<Function>(name.as_bytes()) }.map(|symbol| *symbol);
        match function {
            Ok(function) => Ok(Self(Arc::new(Loaded {
                name: name.to_owned(),
                function,
                _library: ManuallyDrop::new(loaded),
            }))),
            Err(_) => Err(ShimError::NoExport { library: path, name: name.to_owned() }),
        }
    }

    /// Wraps a key; whoever has the blob wipes it, because a key may be in it.
    ///
    /// # Errors
    ///
    /// When the function answers something else than 0, or no size that can be.
    pub fn wrap(&self, key: &[u8; 16], certificate: &[u8]) -> Result<Vec<u8>, ShimError> {
        let name = || self.0.name.clone();
        let certificate_size = u32::try_from(certificate.len()).unwrap_or(u32::MAX);
        let start = if certificate.is_empty() { core::ptr::null() } else { certificate.as_ptr() };
        let mut blob = vec![UNWRITTEN; ROOM as usize + MARGIN_LEN];
        let mut size = ROOM;
        // SAFETY: it has the type that it is documented to have, and all that it is given lives through the call.
        let answer = unsafe {
            (self.0.function)(
                key.as_ptr(),
                start,
                certificate_size,
                blob.as_mut_ptr(),
                &raw mut size,
            )
        };
        if blob[ROOM as usize..].iter().any(|&byte| byte != UNWRITTEN) {
            return Err(ShimError::Overrun { name: name() });
        }
        match (answer, size) {
            (0, 1..=ROOM) => {
                blob.truncate(size as usize);
                Ok(blob)
            }
            (0, size) => Err(ShimError::Size { name: name(), size }),
            (answer, _) => Err(ShimError::Refused { name: name(), answer }),
        }
    }
}

impl fmt::Debug for WrapFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No address: it differs from run to run.
        f.debug_tuple("WrapFunction").field(&self.0.name).finish()
    }
}
