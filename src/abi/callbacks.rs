//! Structures and tables of what a driver may call.

use core::ffi::c_void;

use crate::{Entry, Handle};

/// `D3DDDI_ADAPTERCALLBACKS`; the first argument of each is the runtime's hAdapter.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct AdapterCallbacks {
    /// `(hAdapter, const D3DDDICB_QUERYADAPTERINFO*)`.
    pub query_adapter_info: Entry,
    /// Not needed for crypto sessions.
    pub get_multisample_method_list: Entry,
}

layout!(AdapterCallbacks: 16 / 8 { query_adapter_info @ 0, get_multisample_method_list @ 8 });

/// How many entries [`DeviceCallbacks`] has.
pub const DEVICE_CALLBACK_COUNT: usize = 22;

/// `D3DDDI_DEVICECALLBACKS` of Windows 7, by index; see [`NAMES`]. The first argument of each is the
/// runtime's hDevice, but for the escape callback, which takes its hAdapter.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct DeviceCallbacks {
    /// The addresses.
    pub entries: [Entry; DEVICE_CALLBACK_COUNT],
}

layout!(DeviceCallbacks: 176 / 88 { entries @ 0 });

/// The names of the device callbacks, without `pfn` and `Cb`.
pub const NAMES: [&str; DEVICE_CALLBACK_COUNT] = [
    "Allocate",
    "Deallocate",
    "SetPriority",
    "QueryResidency",
    "SetDisplayMode",
    "Present",
    "Render",
    "Lock",
    "Unlock",
    "Escape",
    "CreateOverlay",
    "UpdateOverlay",
    "FlipOverlay",
    "DestroyOverlay",
    "CreateContext",
    "DestroyContext",
    "CreateSynchronizationObject",
    "DestroySynchronizationObject",
    "WaitForSynchronizationObject",
    "SignalSynchronizationObject",
    "SetAsyncCallbacks",
    "SetDisplayPrivateDriverFormat",
];

/// Index of the callback that submits commands; its answer is how a driver learns that the device is gone.
pub const RENDER: usize = 6;
/// Index of the callback that makes a context and its command buffer.
pub const CREATE_CONTEXT: usize = 14;
/// Index of the callback that ends a context.
pub const DESTROY_CONTEXT: usize = 15;

/// `D3DDDICB_QUERYADAPTERINFO`.
#[derive(Debug)]
#[repr(C)]
pub struct QueryAdapterInfo {
    /// Where the kernel driver's answer goes.
    pub private_driver_data: *mut c_void,
    /// Its size, in bytes.
    pub private_driver_data_size: u32,
}

layout!(QueryAdapterInfo: 16 / 8 { private_driver_data @ 0, private_driver_data_size @ 8 });

/// `D3DDDICB_CREATECONTEXT`.
#[derive(Debug)]
#[repr(C)]
pub struct CreateContext {
    /// Which engine.
    pub node_ordinal: u32,
    /// On which adapters.
    pub engine_affinity: u32,
    /// `D3DDDI_CREATECONTEXTFLAGS`.
    pub flags: u32,
    /// For the kernel driver.
    pub private_driver_data: *mut c_void,
    /// Its size, in bytes.
    pub private_driver_data_size: u32,
    /// Out: the context.
    pub context: Handle,
    /// Out: memory for commands.
    pub command_buffer: *mut c_void,
    /// Out: its size, in bytes.
    pub command_buffer_size: u32,
    /// Out: memory for allocations that commands use.
    pub allocation_list: *mut c_void,
    /// Out: how many there is room for.
    pub allocation_list_size: u32,
    /// Out: memory for places in commands that hold addresses.
    pub patch_location_list: *mut c_void,
    /// Out: how many there is room for.
    pub patch_location_list_size: u32,
    /// Out: where the GPU sees the commands.
    pub command_buffer_address: u64,
}

layout!(CreateContext: 96 / 56 {
    node_ordinal @ 0, engine_affinity @ 4, flags @ 8, private_driver_data @ 16,
    private_driver_data_size @ 24, context @ 32, command_buffer @ 40, command_buffer_size @ 48,
    allocation_list @ 56, allocation_list_size @ 64, patch_location_list @ 72,
    patch_location_list_size @ 80, command_buffer_address @ 88,
});

/// `D3DDDICB_DESTROYCONTEXT`.
#[derive(Debug)]
#[repr(C)]
pub struct DestroyContext {
    /// The context that ends.
    pub context: Handle,
}

layout!(DestroyContext: 8 / 4 { context @ 0 });

/// `D3DDDICB_RENDER` of Windows 7.
#[derive(Debug)]
#[repr(C)]
pub struct Render {
    /// Length of the commands, in bytes.
    pub command_length: u32,
    /// Where they begin in the command buffer, in bytes.
    pub command_offset: u32,
    /// How many allocations they use.
    pub num_allocations: u32,
    /// How many places in them hold addresses.
    pub num_patch_locations: u32,
    /// Out: memory for the next commands.
    pub new_command_buffer: *mut c_void,
    /// In: the size that is wanted; out: its size, in bytes.
    pub new_command_buffer_size: u32,
    /// Out: memory for allocations.
    pub new_allocation_list: *mut c_void,
    /// Out: how many there is room for.
    pub new_allocation_list_size: u32,
    /// Out: memory for places that hold addresses.
    pub new_patch_location_list: *mut c_void,
    /// Out: how many there is room for.
    pub new_patch_location_list_size: u32,
    /// `D3DKMT_RENDERFLAGS`.
    pub flags: u32,
    /// The context.
    pub context: Handle,
    /// How many others the commands go to.
    pub broadcast_context_count: u32,
    /// Those.
    pub broadcast_context: [Handle; 64],
    /// Out: how many command buffers wait.
    pub queued_buffer_count: u32,
    /// Out: where the GPU sees the next commands.
    pub new_command_buffer_address: u64,
    /// For the kernel driver.
    pub private_driver_data: *mut c_void,
    /// Its size, in bytes.
    pub private_driver_data_size: u32,
}

layout!(Render: 624 / 328 {
    command_length @ 0, command_offset @ 4, num_allocations @ 8, num_patch_locations @ 12,
    new_command_buffer @ 16, new_command_buffer_size @ 24, new_allocation_list @ 32,
    new_allocation_list_size @ 40, new_patch_location_list @ 48, new_patch_location_list_size @ 56,
    flags @ 60, context @ 64, broadcast_context_count @ 72, broadcast_context @ 80,
    queued_buffer_count @ 592, new_command_buffer_address @ 600, private_driver_data @ 608,
    private_driver_data_size @ 616,
});
