//! Structures by which an adapter and a device are opened, and asked what they can.

use core::ffi::c_void;

use crate::callbacks::{AdapterCallbacks, DeviceCallbacks};
use crate::session::AlignedGuid;
use crate::table::DeviceFuncs;
use crate::{Entry, Handle};

/// `D3D_UMD_INTERFACE_VERSION_WIN7`: the oldest with crypto sessions.
pub const VERSION_WIN7: u32 = 0x2003;

/// The `Interface` of Direct3D 9.
pub const INTERFACE_D3D9: u32 = 9;

/// `D3DDDICAPS_GETCONTENTPROTECTIONCAPS`, a [`GetCaps::kind`].
pub const CAPS_CONTENT_PROTECTION: u32 = 42;

/// `D3DDDICAPS_GETCERTIFICATESIZE`, a [`GetCaps::kind`] that is answered by a `u32`.
pub const CAPS_CERTIFICATE_SIZE: u32 = 43;

/// `D3DDDICAPS_GETCERTIFICATE`, a [`GetCaps::kind`] that is answered by so many bytes.
pub const CAPS_CERTIFICATE: u32 = 44;

/// A [`CertificateInfo::certificate_type`]: that of crypto sessions.
pub const CERTIFICATE_CRYPTO_SESSION: u32 = 2;

/// `D3DDDIARG_OPENADAPTER`, the argument of `OpenAdapter`.
#[derive(Debug)]
#[repr(C)]
pub struct OpenAdapter {
    /// In: the runtime's handle. Out: the driver's.
    pub adapter: Handle,
    /// Which interface is wanted.
    pub interface: u32,
    /// In which version.
    pub version: u32,
    /// What the driver may call.
    pub adapter_callbacks: *const AdapterCallbacks,
    /// The table that the driver fills.
    pub adapter_funcs: *mut AdapterFuncs,
    /// Out: the version that the driver was made for.
    pub driver_version: u32,
}

layout!(OpenAdapter: 40 / 24 {
    adapter @ 0, interface @ 8, version @ 12, adapter_callbacks @ 16, adapter_funcs @ 24,
    driver_version @ 32,
});

/// `D3DDDI_ADAPTERFUNCS`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct AdapterFuncs {
    /// `(hAdapter, const D3DDDIARG_GETCAPS*)`.
    pub get_caps: Entry,
    /// `(hAdapter, D3DDDIARG_CREATEDEVICE*)`.
    pub create_device: Entry,
    /// `(hAdapter)`.
    pub close_adapter: Entry,
}

layout!(AdapterFuncs: 24 / 12 { get_caps @ 0, create_device @ 8, close_adapter @ 16 });

/// `D3DDDIARG_CREATEDEVICE`.
#[derive(Debug)]
#[repr(C)]
pub struct CreateDevice {
    /// In: the runtime's handle. Out: the driver's.
    pub device: Handle,
    /// Which interface is wanted.
    pub interface: u32,
    /// In which version.
    pub version: u32,
    /// What the driver may call.
    pub callbacks: *const DeviceCallbacks,
    /// Memory for commands, of drivers without contexts.
    pub command_buffer: *mut c_void,
    /// Its size, in bytes.
    pub command_buffer_size: u32,
    /// Memory for allocations that commands use.
    pub allocation_list: *mut c_void,
    /// How many there is room for.
    pub allocation_list_size: u32,
    /// Memory for places in commands that hold addresses.
    pub patch_location_list: *mut c_void,
    /// How many there is room for.
    pub patch_location_list_size: u32,
    /// The table that the driver fills.
    pub device_funcs: *mut DeviceFuncs,
    /// Bit 0: several threads will call.
    pub flags: u32,
    /// Where the GPU sees the commands.
    pub command_buffer_address: u64,
}

layout!(CreateDevice: 96 / 56 {
    device @ 0, interface @ 8, version @ 12, callbacks @ 16, command_buffer @ 24, command_buffer_size @ 32,
    allocation_list @ 40, allocation_list_size @ 48, patch_location_list @ 56,
    patch_location_list_size @ 64, device_funcs @ 72, flags @ 80, command_buffer_address @ 88,
});

/// `D3DDDIARG_GETCAPS`.
#[derive(Debug)]
#[repr(C)]
pub struct GetCaps {
    /// What is asked: a `D3DDDICAPS_TYPE`.
    pub kind: u32,
    /// Of what.
    pub info: *mut c_void,
    /// Where the driver writes the answer.
    pub data: *mut c_void,
    /// Its size, in bytes.
    pub data_size: u32,
}

layout!(GetCaps: 32 / 16 { kind @ 0, info @ 8, data @ 16, data_size @ 24 });

/// `DDICONTENTPROTECTIONCAPS`: for which crypto type and profile [`CAPS_CONTENT_PROTECTION`] asks.
#[derive(Debug)]
#[repr(C)]
pub struct ContentProtectionQuery {
    /// NULL_GUID: all.
    pub crypto_type: AlignedGuid,
    /// NULL_GUID: what is not for decode.
    pub decode_profile: AlignedGuid,
}

layout!(ContentProtectionQuery: 32 / 32 { crypto_type @ 0, decode_profile @ 16 });

/// `DDICERTIFICATEINFO`: of which certificate [`CAPS_CERTIFICATE_SIZE`] and [`CAPS_CERTIFICATE`] ask.
#[derive(Debug)]
#[repr(C)]
pub struct CertificateInfo {
    /// What it is for.
    pub certificate_type: u32,
    /// Of certificates for authenticated channels.
    pub channel_type: u32,
    /// Of certificates for crypto sessions.
    pub crypto_session_type: AlignedGuid,
}

layout!(CertificateInfo: 24 / 24 { certificate_type @ 0, channel_type @ 4, crypto_session_type @ 8 });

/// `D3DCONTENTPROTECTIONCAPS` of `d3d9caps.h`, which is packed to four bytes on x86 only.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(target_pointer_width = "64", repr(C))]
#[cfg_attr(not(target_pointer_width = "64"), repr(C, packed(4)))]
pub struct ContentProtectionCaps {
    /// Bits, which are those of [`rekeylab_ddi::ContentProtectionCaps`].
    pub caps: u32,
    /// How the session key is wrapped.
    pub key_exchange_type: AlignedGuid,
    /// Where buffers may start, in bytes.
    pub buffer_alignment_start: u32,
    /// What their length is a multiple of, in bytes.
    pub block_alignment_size: u32,
    /// How much protected memory there is, in bytes.
    pub protected_memory_size: u64,
}

layout!(ContentProtectionCaps: 40 / 36 {
    caps @ 0, key_exchange_type @ 4, buffer_alignment_start @ 20, block_alignment_size @ 24,
    protected_memory_size @ 32,
});
