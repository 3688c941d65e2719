//! An adapter of a driver: what it can, and its devices.

use core::ffi::c_void;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use rekeylab_ddi::{Guid, Hresult};

use super::arguments::argument;
use super::{CertificateError, Device, Library, LibraryError, canary};
use crate::callbacks::AdapterCallbacks;
use crate::opening::{
    AdapterFuncs, CAPS_CERTIFICATE, CAPS_CERTIFICATE_SIZE, CAPS_CONTENT_PROTECTION,
    CERTIFICATE_CRYPTO_SESSION, CertificateInfo, ContentProtectionQuery, GetCaps, INTERFACE_D3D9,
    OpenAdapter, VERSION_WIN7,
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

    /// What the driver can do for a crypto type and a decode profile: into the bytes that the caller owns, of
    /// which it claims so many. `None` where it cannot be asked.
    pub fn get_content_protection_caps(
        &self,
        crypto_type: Guid,
        decode_profile: Guid,
        caps: Option<&mut [u8]>,
        size: u32,
    ) -> Option<Hresult> {
        argument!(query: ContentProtectionQuery, 0xC5, {
            crypto_type: AlignedGuid(crypto_type),
            decode_profile: AlignedGuid(decode_profile),
        });
        let data = caps.map_or(core::ptr::null_mut(), |caps| caps.as_mut_ptr().cast());
        // SAFETY: a driver that writes more than it may is what the bytes behind the structure are for, which
        // the caller owns.
        unsafe { self.get_caps(CAPS_CONTENT_PROTECTION, query.cast(), data, size) }
    }

    /// The certificate whose key the session keys of a crypto type are wrapped for, as the driver has it.
    ///
    /// # Errors
    ///
    /// When there is none, or not one that can be taken.
    pub fn certificate(&self, crypto_type: Guid) -> Result<Vec<u8>, CertificateError> {
        argument!(info: CertificateInfo, 0xC5, {
            certificate_type: CERTIFICATE_CRYPTO_SESSION,
            channel_type: 0,
            crypto_session_type: AlignedGuid(crypto_type),
        });
        let ask = |kind, data: *mut c_void, size| {
            // SAFETY: whoever asks has a place of so many bytes.
            let code = unsafe { self.get_caps(kind, info.cast(), data, size) };
            match code {
                None => Err(CertificateError::NotOffered),
                Some(code) if !code.is_ok() => Err(CertificateError::Refused { kind, code }),
                Some(_) => Ok(()),
            }
        };
        let mut len = 0_u32;
        ask(CAPS_CERTIFICATE_SIZE, (&raw mut len).cast(), 4)?;
        if len == 0 || len > CERTIFICATE_LEN_MAX {
            return Err(CertificateError::Length(len));
        }
        let mut bytes = vec![UNWRITTEN; len as usize + MARGIN_LEN];
        ask(CAPS_CERTIFICATE, bytes.as_mut_ptr().cast(), len)?;
        if bytes[len as usize..].iter().any(|&byte| byte != UNWRITTEN) {
            return Err(CertificateError::Overrun(len));
        }
        bytes.truncate(len as usize);
        Ok(bytes)
    }

    /// `GetCaps`; `None` where it cannot be asked.
    ///
    /// # Safety
    ///
    /// `info` is what that kind is asked with, and `data` has `data_size` bytes.
    unsafe fn get_caps(
        &self,
        kind: u32,
        info: *mut c_void,
        data: *mut c_void,
        data_size: u32,
    ) -> Option<Hresult> {
        let get_caps = self.0.funcs.get_caps?;
        argument!(args: GetCaps, 0xC5, { kind: kind, info: info, data: data, data_size: data_size });
        let (convention, adapter) = (self.0.library.convention(), self.0.handle);
        // SAFETY: the driver put this function there when it was opened; the arguments live through the call.
        let code =
            unsafe { call!(convention, get_caps => (Handle, *const GetCaps)(adapter, args)) };
        Some(Hresult(code.cast_unsigned()))
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

/// The longest certificate that is taken, in bytes; chains of them have some thousand.
const CERTIFICATE_LEN_MAX: u32 = 1 << 20;

/// Bytes behind a certificate that no driver may write.
const MARGIN_LEN: usize = 32;

/// What stands there.
const UNWRITTEN: u8 = 0xE7;

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
