//! Resources of a device: memory that the client has as well, surfaces that only the driver has, and what is
//! read from them.

use core::ffi::c_void;
use core::ptr::{self, NonNull};
use std::fmt;
use std::rc::Rc;

use rekeylab_ddi::Hresult;

use super::arguments::argument;
use super::device::{Device, DriverHandle};
use crate::resource::{
    CreateResource, CreateResource2, FLAG_RESTRICTED_CONTENT, FORMAT_L8, LOCK_READ_ONLY, Lock,
    POOL_SYSTEM_MEMORY, POOL_VIDEO_MEMORY, SurfaceInfo, Unlock,
};
use crate::table::index;

/// Memory of the client that is a resource of the driver as well.
#[derive(Debug)]
pub struct SystemMemory {
    /// The driver's handle.
    pub resource: DriverHandle,
    pub(super) memory: Rc<Memory>,
}

/// Bytes that are only ever touched through their pointer, because the driver has it, too.
pub(super) struct Memory(pub(super) NonNull<[u8]>);

impl Device {
    /// `CreateResource`, or `CreateResource2` where only that is offered: memory of `len` bytes that the
    /// client has as well.
    pub fn create_system_memory(&self, len: u32) -> Option<(Hresult, Option<SystemMemory>)> {
        let memory = Rc::new(Memory::new(len as usize));
        let start = memory.0.as_ptr().cast::<c_void>().cast_const();
        let (code, resource) = self.create_resource(POOL_SYSTEM_MEMORY, 0, start, len)?;
        let made = resource.map(|resource| {
            self.memories.borrow_mut().insert(resource, Rc::clone(&memory));
            SystemMemory { resource, memory }
        });
        Some((code, made))
    }

    /// The same for a surface of `len` bytes that only the driver has, with restricted content.
    pub fn create_surface(&self, len: u32) -> Option<(Hresult, Option<DriverHandle>)> {
        self.create_resource(POOL_VIDEO_MEMORY, FLAG_RESTRICTED_CONTENT, ptr::null(), len)
    }

    fn create_resource(
        &self,
        pool: u32,
        flags: u32,
        memory: *const c_void,
        len: u32,
    ) -> Option<(Hresult, Option<DriverHandle>)> {
        argument!(surface: SurfaceInfo, self.padding(), {
            width: len,
            height: 1,
            depth: 1,
            sys_mem: memory,
            sys_mem_pitch: if memory.is_null() { 0 } else { len },
            sys_mem_slice_pitch: 0,
        });
        argument!(args: CreateResource2, self.padding(), { flags2: 0 });
        let first = CreateResource {
            format: FORMAT_L8,
            pool,
            multisample_type: 0,
            multisample_quality: 0,
            surf_list: surface,
            surf_count: 1,
            mip_levels: 1,
            fvf: 0,
            vid_pn_source_id: 0,
            refresh_rate: [0; 2],
            resource: self.runtime.handle(),
            flags,
            rotation: 0,
        };
        // SAFETY: the member is a part of the structure, which has no padding of its own.
        unsafe { (&raw mut (*args).first).write(first) };
        let which = match self.has_entry(index::CREATE_RESOURCE) {
            true => index::CREATE_RESOURCE,
            false => index::CREATE_RESOURCE2,
        };
        let code = self.call(which, args)?;
        // SAFETY: the structure is still there, and the member is a pointer.
        let resource = unsafe { (*args).first.resource };
        // A driver that wrote nothing cannot be told from one whose handle is the runtime's number.
        Some((code, code.is_ok().then(|| DriverHandle::of(resource))))
    }

    /// `DestroyResource`.
    pub fn destroy_resource(&self, resource: DriverHandle) -> Option<Hresult> {
        let code = self.call_with(index::DESTROY_RESOURCE, resource.as_handle())?;
        if code.is_ok() {
            self.memories.borrow_mut().remove(&resource);
        }
        Some(code)
    }

    /// `Lock`, a copy of the first `len` bytes, and `Unlock`: the code of the lock and, where it is
    /// `S_OK` and a place was written, the bytes.
    pub fn read_surface(
        &self,
        surface: DriverHandle,
        len: usize,
    ) -> Option<(Hresult, Option<Vec<u8>>)> {
        argument!(args: Lock, self.padding(), {
            resource: surface.as_handle(),
            sub_resource_index: 0,
            region: [0; 6],
            surf_data: ptr::null_mut(),
            pitch: 0,
            slice_pitch: 0,
            flags: LOCK_READ_ONLY,
        });
        let code = self.call(index::LOCK, args)?;
        // SAFETY: the structure is still there, and the member is a pointer.
        let data = NonNull::new(unsafe { (*args).surf_data }.cast::<u8>());
        let bytes = data.filter(|_| code.is_ok()).map(|data| {
            let mut bytes = vec![0; len];
            // SAFETY: the driver says that the surface, which has so many bytes, is there while it is
            // locked.
            unsafe { data.as_ptr().copy_to_nonoverlapping(bytes.as_mut_ptr(), len) };
            bytes
        });
        if code.is_ok() {
            argument!(unlock: Unlock, self.padding(), {
                resource: surface.as_handle(),
                sub_resource_index: 0,
                flags: 0,
            });
            self.call(index::UNLOCK, unlock);
        }
        Some((code, bytes))
    }
}

impl SystemMemory {
    /// Puts bytes at its beginning, as many as fit.
    pub fn write(&mut self, bytes: &[u8]) {
        let len = bytes.len().min(self.memory.0.len());
        // SAFETY: the memory has so many bytes, and there is never a reference to it.
        unsafe { self.memory.start().copy_from_nonoverlapping(bytes.as_ptr(), len) };
    }

    /// A copy of it.
    #[must_use]
    pub fn read(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.memory.0.len()];
        // SAFETY: the memory has so many bytes, and there is never a reference to it.
        unsafe { self.memory.start().copy_to_nonoverlapping(bytes.as_mut_ptr(), bytes.len()) };
        bytes
    }
}

impl Memory {
    fn new(len: usize) -> Self {
        Self(NonNull::from(Box::leak(vec![0_u8; len].into_boxed_slice())))
    }

    fn start(&self) -> *mut u8 {
        self.0.as_ptr().cast()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: it was a box. The driver has been told that the resource ends, or the device is gone.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is in it may be content.
        write!(f, "{} bytes", self.0.len())
    }
}
