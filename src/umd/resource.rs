//! Resources of one surface: the client's memory, or the driver's own.

use core::ptr::NonNull;

use rekeylab_abi::resource::{CreateResource, POOL_SYSTEM_MEMORY, POOL_VIDEO_MEMORY, SurfaceInfo};
use rekeylab_ddi::Hresult;

/// The largest surface, in bytes: an uncompressed picture of 8K.
const LEN_MAX: usize = 128 << 20;

/// A resource.
pub(crate) enum Resource {
    /// The client's memory, which the client may change at any time.
    System(SystemMemory),
    /// A protected surface.
    Surface(Box<[u8]>),
}

/// The client's memory.
pub(crate) struct SystemMemory {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the client says that the memory is there until the resource is destroyed, on whatever thread.
unsafe impl Send for SystemMemory {}

impl Resource {
    /// What a client asks for.
    ///
    /// # Errors
    ///
    /// `E_INVALIDARG` for anything but one surface of a byte a pixel in system or video memory;
    /// `E_OUTOFMEMORY`.
    pub(crate) fn new(args: &CreateResource, surface: &SurfaceInfo) -> Result<Self, Hresult> {
        let (width, height) = (surface.width as usize, surface.height as usize);
        if args.surf_count != 1 || width == 0 || height == 0 {
            return Err(Hresult::E_INVALIDARG);
        }
        match args.pool {
            POOL_SYSTEM_MEMORY => {
                let start = NonNull::new(surface.sys_mem.cast_mut().cast());
                let len = (surface.sys_mem_pitch as usize).checked_mul(height);
                let (start, len) = start.zip(len).ok_or(Hresult::E_INVALIDARG)?;
                Ok(Self::System(SystemMemory { start, len }))
            }
            POOL_VIDEO_MEMORY => {
                let len = width.checked_mul(height).filter(|&len| len <= LEN_MAX);
                let len = len.ok_or(Hresult::E_OUTOFMEMORY)?;
                let mut bytes = Vec::new();
                bytes.try_reserve_exact(len).map_err(|_| Hresult::E_OUTOFMEMORY)?;
                bytes.resize(len, 0);
                Ok(Self::Surface(bytes.into_boxed_slice()))
            }
            _ => Err(Hresult::E_INVALIDARG),
        }
    }
}

impl SystemMemory {
    /// A copy of its first bytes; the client cannot change it any more.
    ///
    /// # Errors
    ///
    /// `E_INVALIDARG` when there are not so many.
    pub(crate) fn copy(&self, len: usize) -> Result<Vec<u8>, Hresult> {
        if len > self.len {
            return Err(Hresult::E_INVALIDARG);
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len).map_err(|_| Hresult::E_OUTOFMEMORY)?;
        bytes.resize(len, 0);
        // SAFETY: the client says that so many bytes are there until the resource is destroyed.
        unsafe { self.start.as_ptr().copy_to_nonoverlapping(bytes.as_mut_ptr(), len) };
        Ok(bytes)
    }
}
