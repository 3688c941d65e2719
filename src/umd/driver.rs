//! What lives behind the handles: adapters with their core, devices with their resources.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rekeylab_abi::Handle;
use rekeylab_abi::callbacks::DeviceCallbacks;
use rekeylab_ddi::{
    Completion, CreateDevice, CryptoSessionDdi, CtrIv, DeviceHandle, Hresult, Retire,
    SessionHandle, SubmitBuffer,
};
use rekeylab_driver::{Adapter, Bounds, OsEntropy, QUEUE_COMMANDS_MAX, SoftwareEngine};
use zeroize::Zeroizing;

use crate::mechanism::PlainKey;
use crate::resource::Resource;

/// All adapters of the process and their devices.
///
/// Handles are numbers out of one sequence, so that none is ever another's, and a dead one stays dead.
pub(crate) struct Driver {
    last_handle: usize,
    adapters: BTreeMap<usize, OpenAdapter>,
    devices: BTreeMap<usize, OpenDevice>,
}

struct OpenAdapter {
    core: Core,
    /// Where the bytes of an accepted buffer go, by its fence.
    targets: BTreeMap<u64, Target>,
}

/// The core behind an adapter.
struct Core(Adapter);

// SAFETY: the seams that it is made with here have no state and may be used on any thread, and nothing else
// of it is tied to one.
unsafe impl Send for Core {}

struct Target {
    device: usize,
    surface: usize,
}

/// An open device.
pub(crate) struct OpenDevice {
    adapter: usize,
    core: DeviceHandle,
    pub(crate) runtime: Runtime,
    resources: BTreeMap<usize, Resource>,
}

/// What a device calls back with.
#[derive(Clone, Copy)]
pub(crate) struct Runtime {
    /// The runtime's handle of the device.
    pub(crate) device: usize,
    pub(crate) callbacks: DeviceCallbacks,
    /// The context that the runtime has made for it.
    pub(crate) context: usize,
}

// SAFETY: the addresses are only ever called, and the runtime says that they may be from any thread.
unsafe impl Send for Runtime {}

/// The driver of this process.
pub(crate) fn lock() -> MutexGuard<'static, Driver> {
    static DRIVER: Mutex<Driver> =
        Mutex::new(Driver { last_handle: 0, adapters: BTreeMap::new(), devices: BTreeMap::new() });
    // A panic does not leave this library: it ends the process.
    DRIVER.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Driver {
    fn next_handle(&mut self) -> usize {
        // No address, and aligned like one.
        self.last_handle += 16;
        self.last_handle
    }

    /// An adapter without devices.
    pub(crate) fn open_adapter(&mut self) -> Handle {
        let handle = self.next_handle();
        let core = Adapter::new(OsEntropy, SoftwareEngine, PlainKey, Bounds::default());
        let adapter = OpenAdapter { core: Core(core), targets: BTreeMap::new() };
        self.adapters.insert(handle, adapter);
        to_handle(handle)
    }

    /// Whether there is such an adapter.
    pub(crate) fn has_adapter(&self, adapter: Handle) -> bool {
        self.adapters.contains_key(&adapter.addr())
    }

    /// Ends an adapter and all its devices.
    pub(crate) fn close_adapter(&mut self, adapter: Handle) -> Result<(), Hresult> {
        let removed = self.adapters.remove(&adapter.addr());
        self.devices.retain(|_, device| device.adapter != adapter.addr());
        removed.map(drop).ok_or(Hresult::D3DDDIERR_INVALIDHANDLE)
    }

    /// A device without sessions and resources.
    pub(crate) fn create_device(
        &mut self,
        adapter: Handle,
        runtime: Runtime,
    ) -> Result<Handle, Hresult> {
        let open = self.adapters.get_mut(&adapter.addr());
        let open = open.ok_or(Hresult::D3DDDIERR_INVALIDHANDLE)?;
        let mut args = CreateDevice::default();
        succeed(open.core.0.create_device(&mut args))?;
        let handle = self.next_handle();
        let device = OpenDevice {
            adapter: adapter.addr(),
            core: args.device,
            runtime,
            resources: BTreeMap::new(),
        };
        self.devices.insert(handle, device);
        Ok(to_handle(handle))
    }

    /// Ends a device, its sessions and its resources; says what it called back with.
    pub(crate) fn destroy_device(&mut self, device: Handle) -> Result<Runtime, Hresult> {
        let (core, open) = self.core_of(device)?;
        succeed(core.destroy_device(open))?;
        let removed = self.devices.remove(&device.addr());
        removed.map(|device| device.runtime).ok_or(Hresult::D3DDDIERR_INVALIDHANDLE)
    }

    /// The core of a device, and what it calls the device.
    pub(crate) fn core_of(
        &mut self,
        device: Handle,
    ) -> Result<(&mut Adapter, DeviceHandle), Hresult> {
        let open = self.devices.get(&device.addr());
        let found = open.and_then(|open| Some((self.adapters.get_mut(&open.adapter)?, open.core)));
        let (adapter, core) = found.ok_or(Hresult::D3DDDIERR_INVALIDHANDLE)?;
        Ok((&mut adapter.core.0, core))
    }

    /// What a device calls back with.
    pub(crate) fn runtime_of(&self, device: Handle) -> Result<Runtime, Hresult> {
        let open = self.devices.get(&device.addr());
        open.map(|open| open.runtime).ok_or(Hresult::D3DDDIERR_INVALIDHANDLE)
    }

    /// Takes a resource of a device.
    pub(crate) fn add_resource(
        &mut self,
        device: Handle,
        resource: Resource,
    ) -> Result<Handle, Hresult> {
        let handle = self.next_handle();
        let open = self.devices.get_mut(&device.addr());
        let open = open.ok_or(Hresult::D3DDDIERR_INVALIDHANDLE)?;
        open.resources.insert(handle, resource);
        Ok(to_handle(handle))
    }

    /// Ends a resource; what was still to be put there goes nowhere.
    pub(crate) fn destroy_resource(
        &mut self,
        device: Handle,
        resource: Handle,
    ) -> Result<(), Hresult> {
        let open = self.devices.get_mut(&device.addr());
        let open = open.ok_or(Hresult::D3DDDIERR_INVALIDHANDLE)?;
        let removed = open.resources.remove(&resource.addr());
        removed.map(drop).ok_or(Hresult::D3DDDIERR_INVALIDHANDLE)
    }

    /// Where the bytes of a surface are, and how many.
    pub(crate) fn surface_of(
        &mut self,
        device: Handle,
        resource: Handle,
    ) -> Result<&mut [u8], Hresult> {
        let open = self.devices.get_mut(&device.addr());
        let open = open.ok_or(Hresult::D3DDDIERR_INVALIDHANDLE)?;
        match open.resources.get_mut(&resource.addr()) {
            Some(Resource::Surface(bytes)) => Ok(bytes),
            Some(Resource::System(_)) => Err(Hresult::E_INVALIDARG),
            None => Err(Hresult::D3DDDIERR_INVALIDHANDLE),
        }
    }

    /// Queues the first `len` bytes of the client's memory for a surface. Where the queue is full, what is in
    /// it happens first.
    pub(crate) fn upload(
        &mut self,
        device: Handle,
        session: SessionHandle,
        (source, surface): (Handle, Handle),
        len: u32,
        iv: Option<CtrIv>,
    ) -> Result<(), Hresult> {
        if self.surface_of(device, surface)?.len() < len as usize {
            return Err(Hresult::E_INVALIDARG);
        }
        let open = self.devices.get(&device.addr()).ok_or(Hresult::D3DDDIERR_INVALIDHANDLE)?;
        let data = match open.resources.get(&source.addr()) {
            Some(Resource::System(memory)) => memory.copy(len as usize)?,
            Some(Resource::Surface(_)) => return Err(Hresult::E_INVALIDARG),
            None => return Err(Hresult::D3DDDIERR_INVALIDHANDLE),
        };
        let mut args =
            SubmitBuffer { session, iv: iv.as_ref(), data: Some(&data), data_len: len, fence: 0 };
        let (core, open) = self.core_of(device)?;
        let mut code = core.submit_buffer(open, &mut args);
        if code == Hresult::D3DDDIERR_WASSTILLDRAWING {
            self.finish_work(device)?;
            let (core, open) = self.core_of(device)?;
            code = core.submit_buffer(open, &mut args);
        }
        succeed(code)?;
        let target = Target { device: device.addr(), surface: surface.addr() };
        let fence = args.fence;
        let adapter = self.adapter_of(device)?;
        adapter.targets.insert(fence, target);
        Ok(())
    }

    /// Time passes: all that was accepted happens, on every device of the adapter.
    pub(crate) fn finish_work(&mut self, device: Handle) -> Result<(), Hresult> {
        loop {
            let adapter = self.adapter_of(device)?;
            if adapter.targets.is_empty() {
                return Ok(());
            }
            // Content, which is not left behind in freed memory.
            let mut surface = Zeroizing::new(vec![0; Bounds::default().queue_len_max as usize]);
            let mut completions = [Completion::EMPTY; QUEUE_COMMANDS_MAX];
            let mut args = Retire {
                count: u32::MAX,
                completions: &mut completions,
                completed_count: 0,
                surface: &mut surface,
                surface_len: 0,
            };
            succeed(adapter.core.0.retire(&mut args))?;
            let count = args.completed_count as usize;
            if count == 0 {
                return Ok(());
            }
            for completion in &completions[..count] {
                let target = self.adapter_of(device)?.targets.remove(&completion.fence);
                let bytes = &surface[completion.offset as usize..][..completion.len as usize];
                // A surface that is gone meanwhile wants nothing.
                if let Some(Target { device, surface }) = target
                    && let Ok(place) = self.surface_of(to_handle(device), to_handle(surface))
                    && let Some(place) = place.get_mut(..bytes.len())
                {
                    place.copy_from_slice(bytes);
                }
            }
        }
    }

    fn adapter_of(&mut self, device: Handle) -> Result<&mut OpenAdapter, Hresult> {
        let open = self.devices.get(&device.addr());
        let open = open.and_then(|open| self.adapters.get_mut(&open.adapter));
        open.ok_or(Hresult::D3DDDIERR_INVALIDHANDLE)
    }
}

/// `Ok` for `S_OK`.
pub(crate) fn succeed(code: Hresult) -> Result<(), Hresult> {
    if code.is_ok() { Ok(()) } else { Err(code) }
}

/// A number as a handle; nothing is at that address.
pub(crate) fn to_handle(number: usize) -> Handle {
    core::ptr::without_provenance_mut(number)
}
