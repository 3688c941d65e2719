//! Structures of the resource entries, as far as uploads and read-backs need them.

use core::ffi::c_void;

use crate::Handle;

/// `D3DDDIPOOL_SYSTEMMEM`: the memory is the client's.
pub const POOL_SYSTEM_MEMORY: u32 = 1;
/// `D3DDDIPOOL_VIDEOMEMORY`: the memory is the driver's.
pub const POOL_VIDEO_MEMORY: u32 = 2;
/// `D3DDDIFMT_L8`: a byte a pixel.
pub const FORMAT_L8: u32 = 50;
/// Bit of [`CreateResource::flags`]: what is in it may not be read by everybody.
pub const FLAG_RESTRICTED_CONTENT: u32 = 1 << 30;
/// Bit of [`Lock::flags`].
pub const LOCK_READ_ONLY: u32 = 1 << 0;
/// Bit of [`Lock::flags`]: work that is not done yet is answered by `D3DDDIERR_WASSTILLDRAWING`.
pub const LOCK_DO_NOT_WAIT: u32 = 1 << 9;

/// `D3DDDI_SURFACEINFO`: one surface of a resource.
#[derive(Debug)]
#[repr(C)]
pub struct SurfaceInfo {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// In pixels; 0 or 1 where it is flat.
    pub depth: u32,
    /// The client's memory, if the pool is system memory.
    pub sys_mem: *const c_void,
    /// Bytes from row to row of it.
    pub sys_mem_pitch: u32,
    /// Bytes from slice to slice of it.
    pub sys_mem_slice_pitch: u32,
}

layout!(SurfaceInfo: 32 / 24 {
    width @ 0, height @ 4, depth @ 8, sys_mem @ 16, sys_mem_pitch @ 24, sys_mem_slice_pitch @ 28,
});

/// `D3DDDIARG_CREATERESOURCE`.
#[derive(Debug)]
#[repr(C)]
pub struct CreateResource {
    /// A `D3DDDIFORMAT`.
    pub format: u32,
    /// A `D3DDDI_POOL`.
    pub pool: u32,
    /// A `D3DDDIMULTISAMPLE_TYPE`.
    pub multisample_type: u32,
    /// Its quality.
    pub multisample_quality: u32,
    /// The surfaces.
    pub surf_list: *const SurfaceInfo,
    /// How many.
    pub surf_count: u32,
    /// How many of them are levels of one picture.
    pub mip_levels: u32,
    /// Of vertex buffers.
    pub fvf: u32,
    /// Of primaries.
    pub vid_pn_source_id: u32,
    /// Of primaries: numerator and denominator.
    pub refresh_rate: [u32; 2],
    /// In: the runtime's handle. Out: the driver's.
    pub resource: Handle,
    /// `D3DDDI_RESOURCEFLAGS`.
    pub flags: u32,
    /// Of primaries.
    pub rotation: u32,
}

layout!(CreateResource: 64 / 56 {
    format @ 0, pool @ 4, multisample_type @ 8, multisample_quality @ 12, surf_list @ 16, surf_count @ 24,
    mip_levels @ 28, fvf @ 32, vid_pn_source_id @ 36, refresh_rate @ 40, resource @ 48, flags @ 56,
    rotation @ 60,
});

/// `D3DDDIARG_CREATERESOURCE2`, of Windows 8.
#[derive(Debug)]
#[repr(C)]
pub struct CreateResource2 {
    /// All that there was before.
    pub first: CreateResource,
    /// `D3DDDI_RESOURCEFLAGS2`.
    pub flags2: u32,
}

layout!(CreateResource2: 72 / 60 { first @ 0, flags2 @ 64 });

/// `D3DDDIARG_LOCK`.
#[derive(Debug)]
#[repr(C)]
pub struct Lock {
    /// The resource.
    pub resource: Handle,
    /// Which part of it.
    pub sub_resource_index: u32,
    /// A range, an area or a box, if the flags say so.
    pub region: [u32; 6],
    /// Out: where the bytes are.
    pub surf_data: *mut c_void,
    /// Out: bytes from row to row.
    pub pitch: u32,
    /// Out: bytes from slice to slice.
    pub slice_pitch: u32,
    /// `D3DDDI_LOCKFLAGS`.
    pub flags: u32,
}

layout!(Lock: 64 / 48 {
    resource @ 0, sub_resource_index @ 8, region @ 12, surf_data @ 40, pitch @ 48, slice_pitch @ 52,
    flags @ 56,
});

/// `D3DDDIARG_UNLOCK`.
#[derive(Debug)]
#[repr(C)]
pub struct Unlock {
    /// The resource.
    pub resource: Handle,
    /// Which part of it.
    pub sub_resource_index: u32,
    /// `D3DDDI_UNLOCKFLAGS`.
    pub flags: u32,
}

layout!(Unlock: 16 / 12 { resource @ 0, sub_resource_index @ 8, flags @ 12 });
