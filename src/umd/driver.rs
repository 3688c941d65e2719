//! What lives behind the handles: adapters with their core, devices with their resources.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rekeylab_abi::Handle;
use rekeylab_abi::callbacks::DeviceCallbacks;
use rekeylab_ddi::{
    CheckCryptoSessionStatus, Completion, CreateDevice, CryptoSessionDdi, CtrIv, DeviceHandle,
    Hresult, Retire, SessionHandle, SessionStatus, SubmitBuffer,
};
use rekeylab_driver::{Adapter, Bounds, OsEntropy, SoftwareEngine};
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
        let core = Adapter::new(OsEntropy, SoftwareEngine, PlainKey, bounds());
        let adapter = OpenAdapter { core: Core(core), targets: BTreeMap::new() };
        self.adapters.insert(handle, adapter);
        to_handle(handle)
    }

    /// The core behind an open adapter.
    pub(crate) fn adapter(&mut self, adapter: Handle) -> Result<&mut Adapter, Hresult> {
        let open = self.adapters.get_mut(&adapter.addr());
        Ok(&mut open.ok_or(Hresult::D3DDDIERR_INVALIDHANDLE)?.core.0)
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

    /// Queues the first `len` bytes of the client's memory for a surface.
    pub(crate) fn upload(
        &mut self,
        device: Handle,
        session: SessionHandle,
        (source, surface): (Handle, Handle),
        len: u32,
        iv: Option<CtrIv>,
    ) -> Result<(), Hresult> {
        // Whose session it is comes before everything else, as in the core.
        let mut status = CheckCryptoSessionStatus { session, status: SessionStatus::OK };
        let (core, open) = self.core_of(device)?;
        succeed(core.check_crypto_session_status(open, &mut status))?;
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
        succeed(core.submit_buffer(open, &mut args))?;
        let target = Target { device: device.addr(), surface: surface.addr() };
        let fence = args.fence;
        let adapter = self.adapter_of(device)?;
        adapter.targets.insert(fence, target);
        Ok(())
    }

    /// Time passes until all that was accepted has happened, on every device of the adapter.
    pub(crate) fn finish_work(&mut self, device: Handle) -> Result<(), Hresult> {
        while self.finish_one(device)? {}
        Ok(())
    }

    /// Time passes until all that was accepted for a surface has happened, and whatever was accepted before
    /// that.
    pub(crate) fn finish_work_for(
        &mut self,
        device: Handle,
        surface: Handle,
    ) -> Result<(), Hresult> {
        let waits = |target: &Target| target.surface == surface.addr();
        while self.adapter_of(device)?.targets.values().any(waits) {
            if !self.finish_one(device)? {
                break;
            }
        }
        Ok(())
    }

    /// The buffer that was accepted first happens; false if there is none.
    fn finish_one(&mut self, device: Handle) -> Result<bool, Hresult> {
        let adapter = self.adapter_of(device)?;
        if adapter.targets.is_empty() {
            return Ok(false);
        }
        let len = adapter.core.0.limits().buffer_len_max as usize;
        // Content, which is not left behind in freed memory.
        let mut surface = Zeroizing::new(vec![0; len]);
        let mut completions = [Completion::EMPTY];
        let mut args = Retire {
            count: 1,
            completions: &mut completions,
            completed_count: 0,
            surface: &mut surface,
            surface_len: 0,
        };
        succeed(adapter.core.0.retire(&mut args))?;
        if args.completed_count == 0 {
            return Ok(false);
        }
        let [completion] = completions;
        let target = adapter.targets.remove(&completion.fence);
        // A surface that is gone meanwhile wants nothing.
        if let Some(Target { device, surface: target }) = target
            && let Ok(place) = self.surface_of(to_handle(device), to_handle(target))
            && let (Some(place), Some(bytes)) =
                (place.get_mut(..completion.len as usize), surface.get(..completion.len as usize))
        {
            place.copy_from_slice(bytes);
        }
        Ok(true)
    }

    fn adapter_of(&mut self, device: Handle) -> Result<&mut OpenAdapter, Hresult> {
        let open = self.devices.get(&device.addr());
        let open = open.and_then(|open| self.adapters.get_mut(&open.adapter));
        open.ok_or(Hresult::D3DDDIERR_INVALIDHANDLE)
    }
}

/// The bounds of adapters to come: those of a product, unless the environment says others.
fn bounds() -> Bounds {
    let text = std::env::var("REKEYLAB_UMD_BOUNDS").unwrap_or_default();
    bounds_of(&text).unwrap_or_default()
}

/// `GENERATIONS,BUFFER,QUEUE`: handles a slot, bytes of a buffer, bytes of the queue.
fn bounds_of(text: &str) -> Option<Bounds> {
    let numbers: Vec<u32> =
        text.split(',').map(|number| number.parse().ok()).collect::<Option<_>>()?;
    let [generations_max, buffer_len_max, queue_len_max] = numbers[..] else { return None };
    Some(Bounds { generations_max, buffer_len_max, queue_len_max })
}

/// `Ok` for `S_OK`.
pub(crate) fn succeed(code: Hresult) -> Result<(), Hresult> {
    if code.is_ok() { Ok(()) } else { Err(code) }
}

/// A number as a handle; nothing is at that address.
pub(crate) fn to_handle(number: usize) -> Handle {
    core::ptr::without_provenance_mut(number)
}

#[cfg(test)]
mod tests {
    use super::bounds_of;

    #[test]
    fn bounds_are_three_numbers_or_those_of_a_product() {
        let bounds = bounds_of("3,1024,4096").unwrap();
        let numbers = (bounds.generations_max, bounds.buffer_len_max, bounds.queue_len_max);
        assert_eq!(numbers, (3, 1024, 4096));
        for text in ["", "3", "3,1024", "3,1024,4096,1", "a,b,c", "-1,2,3"] {
            assert!(bounds_of(text).is_none(), "{text:?}");
        }
    }
}
