//! An adapter of a driver: what it can, and its devices.

use core::mem::MaybeUninit;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use rekeylab_ddi::{Guid, Hresult};

use super::arguments::argument;
use super::{Device, Library, LibraryError, canary};
use crate::callbacks::AdapterCallbacks;
use crate::opening::{
    AdapterFuncs, CAPS_CONTENT_PROTECTION, ContentProtectionCaps, ContentProtectionQuery, GetCaps,
    INTERFACE_D3D9, OpenAdapter, VERSION_WIN7,
};
use crate::runtime::{Runtime, tables};
use crate::session::AlignedGuid;
use crate::table::promised;
use crate::{Entry, Handle, callbacks::DeviceCallbacks};

/// An open adapter; closed when it and all its devices are dropped.
#[derive(Clone)]
pub struct Adapter(pub(super) Rc<Opened>);

/// What an adapter and its devices share.
pub(super) struct Opened {
    pub(super) library: Library,
    pub(super) handle: Handle,
    pub(super) funcs: AdapterFuncs,
    pub(super) version: u32,
    pub(super) device_callbacks: Box<DeviceCallbacks>,
    runtime: Arc<Runtime>,
    // The driver may keep the address.
    _callbacks: Box<AdapterCallbacks>,
}

impl Adapter {
    pub(super) fn open(library: &Library) -> Result<Self, LibraryError> {
        let (adapter_callbacks, device_callbacks) = tables(library.convention());
        let callbacks = Box::new(adapter_callbacks);
        let runtime = Runtime::open();
        let unwritten = core::ptr::NonNull::new(canary());
        let mut funcs = AdapterFuncs {
            get_caps: unwritten,
            create_device: unwritten,
            close_adapter: unwritten,
        };
        argument!(args: OpenAdapter, 0xC5, {
            adapter: runtime.handle(),
            interface: INTERFACE_D3D9,
            version: VERSION_WIN7,
            adapter_callbacks: &raw const *callbacks,
            adapter_funcs: &raw mut funcs,
            driver_version: 0,
        });
        let open = library.0.open_adapter;
        // SAFETY: the library exports this function under this name, with this argument.
        let code = unsafe { call!(library.convention(), open => (*mut OpenAdapter)(args)) };
        let code = Hresult(code.cast_unsigned());
        if !code.is_ok() {
            runtime.close();
            return Err(LibraryError::Refused { what: "OpenAdapter", code });
        }
        // SAFETY: the structure is still there, and both members are numbers.
        let (handle, version) = unsafe { ((*args).adapter, (*args).driver_version) };
        let is_written = |entry: Entry| entry.is_some() && entry != unwritten;
        let entries =
            [("pfnCreateDevice", funcs.create_device), ("pfnCloseAdapter", funcs.close_adapter)];
        if let Some(&(entry, _)) = entries.iter().find(|(_, entry)| !is_written(*entry)) {
            runtime.close();
            return Err(LibraryError::NotFilled { what: "OpenAdapter", entry });
        }
        if !is_written(funcs.get_caps) {
            funcs.get_caps = None;
        }
        let opened = Opened {
            library: library.clone(),
            handle,
            funcs,
            version,
            device_callbacks: Box::new(device_callbacks),
            runtime,
            _callbacks: callbacks,
        };
        let adapter = Self(Rc::new(opened));
        if version < VERSION_WIN7 {
            return Err(LibraryError::TooOld { version });
        }
        Ok(adapter)
    }

    /// The interface version that the driver was made for.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.0.version
    }

    /// How many entries of the device table that version promises.
    #[must_use]
    pub fn promised(&self) -> usize {
        promised(self.0.version)
    }

    /// What the driver can do for a crypto type and a decode profile; the answer only where the code is
    /// `S_OK`. `None` where it cannot be asked.
    #[must_use]
    pub fn content_protection_caps(
        &self,
        crypto_type: Guid,
        decode_profile: Guid,
    ) -> Option<(Hresult, Option<ContentProtectionCaps>)> {
        let get_caps = self.0.funcs.get_caps?;
        argument!(query: ContentProtectionQuery, 0xC5, {
            crypto_type: AlignedGuid(crypto_type),
            decode_profile: AlignedGuid(decode_profile),
        });
        let mut caps = MaybeUninit::<ContentProtectionCaps>::zeroed();
        argument!(args: GetCaps, 0xC5, {
            kind: CAPS_CONTENT_PROTECTION,
            info: query.cast(),
            data: caps.as_mut_ptr().cast(),
            data_size: CAPS_LEN,
        });
        let (convention, adapter) = (self.0.library.convention(), self.0.handle);
        // SAFETY: the driver put this function there when it was opened; the arguments live through the call.
        let code =
            unsafe { call!(convention, get_caps => (Handle, *const GetCaps)(adapter, args)) };
        let code = Hresult(code.cast_unsigned());
        // SAFETY: all members are numbers, and the place was zero before the driver wrote.
        Some((code, code.is_ok().then(|| unsafe { caps.assume_init() })))
    }

    /// Makes a device.
    ///
    /// # Errors
    ///
    /// When the driver refuses, or leaves its table empty.
    pub fn create_device(&self) -> Result<Device, LibraryError> {
        Device::create(self)
    }
}

/// Size of the answer about content protection, in bytes: 40, or 36 on 32-bit machines.
const CAPS_LEN: u32 = if cfg!(target_pointer_width = "64") { 40 } else { 36 };
const _: () = assert!(CAPS_LEN as usize == size_of::<ContentProtectionCaps>());

impl Drop for Opened {
    fn drop(&mut self) {
        if let Some(close) = self.funcs.close_adapter {
            // SAFETY: the driver put this function there when it was opened, and all devices are gone.
            let _ = unsafe { call!(self.library.convention(), close => (Handle)(self.handle)) };
        }
        self.runtime.close();
    }
}

impl fmt::Debug for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adapter").field("version", &self.0.version).finish_non_exhaustive()
    }
}
