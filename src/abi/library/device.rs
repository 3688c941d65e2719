//! A device of a driver: its table, checked, and each entry as a call.

use core::cell::{Cell, RefCell};
use core::ffi::c_void;
use core::ptr::{self, NonNull};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use rekeylab_ddi::{CtrIv, Guid, Hresult};

use super::arguments::argument;
use super::resources::{Memory, SystemMemory};
use super::{Adapter, LibraryError, canary};
use crate::opening::{CreateDevice, INTERFACE_D3D9};
use crate::runtime::Runtime;
use crate::session::{
    AlignedGuid, CreateCryptoSession, CryptoSessionKeyExchange, DecryptionBlt,
    DestroyCryptoSession, EncryptionBlt, FinishSessionKeyRefresh, GetEncryptionBltKey,
    StartSessionKeyRefresh,
};
use crate::table::{DeviceFuncs, ENTRY_COUNT, NAMES, index, promised};
use crate::{Entry, Handle, session};

/// How many entries a driver has room for: some drivers write more than their version promises.
const ROOM: usize = 256;

/// A device; it ends when it is dropped.
///
/// Each call answers the driver's code, or `None` where the driver does not offer the entry.
pub struct Device {
    adapter: Adapter,
    handle: Handle,
    entries: [Entry; ENTRY_COUNT],
    pub(super) runtime: Arc<Runtime>,
    /// What the driver has, by its handles, until it is told that it has it no longer.
    pub(super) memories: RefCell<BTreeMap<DriverHandle, Rc<Memory>>>,
    /// What stands in the padding of the next argument structure.
    padding: Cell<u8>,
}

/// A handle as a client keeps it: a number that means something to the driver alone.
///
/// Most drivers take it for the address of an object. So a number that the driver has not written, or whose
/// object has ended, may be given to those only that check what they are given.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DriverHandle(pub u64);

impl Device {
    pub(super) fn create(adapter: &Adapter) -> Result<Self, LibraryError> {
        let opened = &adapter.0;
        let runtime = Runtime::open();
        let mut table = vec![NonNull::new(canary::<c_void>()); ROOM];
        argument!(args: CreateDevice, 0xC5, {
            device: runtime.handle(),
            interface: INTERFACE_D3D9,
            version: opened.version,
            callbacks: &raw const *opened.device_callbacks,
            command_buffer: ptr::null_mut(),
            command_buffer_size: 0,
            allocation_list: ptr::null_mut(),
            allocation_list_size: 0,
            patch_location_list: ptr::null_mut(),
            patch_location_list_size: 0,
            device_funcs: table.as_mut_ptr().cast::<DeviceFuncs>(),
            flags: 0,
            command_buffer_address: 0,
        });
        let (convention, refused) = (opened.library.convention(), |code| {
            runtime.close();
            Err(LibraryError::Refused { what: "CreateDevice", code })
        });
        let Some(create) = opened.funcs.create_device else { return refused(Hresult::E_NOTIMPL) };
        // SAFETY: the driver put this function there when it was opened; the arguments live through the
        // call, and the table has more room than any version needs.
        let code = unsafe {
            call!(convention, create => (Handle, *mut CreateDevice)(opened.handle, args))
        };
        let code = Hresult(code.cast_unsigned());
        if !code.is_ok() {
            return refused(code);
        }
        // SAFETY: the structure is still there, and the member is a pointer.
        let handle = unsafe { (*args).device };
        let promised = promised(opened.version);
        let mut entries = [None; ENTRY_COUNT];
        // What stands behind what the version promises means nothing, whoever wrote it.
        entries[..promised].copy_from_slice(&table[..promised]);
        let unwritten = NonNull::new(canary());
        if let Some(missing) = entries.iter().position(|&entry| entry == unwritten) {
            runtime.close();
            return Err(LibraryError::NotFilled { what: "CreateDevice", entry: NAMES[missing] });
        }
        Ok(Self {
            adapter: adapter.clone(),
            handle,
            entries,
            runtime,
            memories: RefCell::default(),
            padding: Cell::new(0),
        })
    }

    /// Whether the driver has a function at this index of the table; see [`index`](crate::table::index).
    #[must_use]
    pub fn has_entry(&self, index: usize) -> bool {
        self.entries.get(index).is_some_and(Option::is_some)
    }

    /// What the driver called, and how to lose the device.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// `CreateCryptoSession`: the code, and the handle that the driver wrote; `None` for none.
    pub fn create_crypto_session(
        &self,
        crypto_type: Guid,
        decode_profile: Guid,
    ) -> Option<(Hresult, Option<DriverHandle>)> {
        argument!(args: CreateCryptoSession, self.padding(), {
            crypto_type: AlignedGuid(crypto_type),
            decode_profile: AlignedGuid(decode_profile),
            session: canary(),
        });
        let code = self.call(index::CREATE_CRYPTO_SESSION, args)?;
        // SAFETY: the structure is still there, and the member is a pointer.
        let session = unsafe { (*args).session };
        Some((code, (session != canary()).then(|| DriverHandle::of(session))))
    }

    /// `CryptoSessionKeyExchange`, with a wrapped key of this claimed length.
    pub fn key_exchange(
        &self,
        session: DriverHandle,
        wrapped: Option<&mut [u8]>,
        data_size: u32,
    ) -> Option<Hresult> {
        argument!(args: CryptoSessionKeyExchange, self.padding(), {
            session: session.as_handle(),
            data_size: data_size,
            data: start_of(wrapped),
        });
        self.call(index::CRYPTO_SESSION_KEY_EXCHANGE, args)
    }

    /// `StartSessionKeyRefresh`, into a buffer of this claimed size.
    pub fn start_session_key_refresh(
        &self,
        session: DriverHandle,
        random_number: Option<&mut [u8]>,
        random_number_size: u32,
    ) -> Option<Hresult> {
        argument!(args: StartSessionKeyRefresh, self.padding(), {
            session: session.as_handle(),
            random_number: start_of(random_number),
            random_number_size: random_number_size,
        });
        self.call(index::START_SESSION_KEY_REFRESH, args)
    }

    /// `FinishSessionKeyRefresh`.
    pub fn finish_session_key_refresh(&self, session: DriverHandle) -> Option<Hresult> {
        argument!(args: FinishSessionKeyRefresh, self.padding(), { session: session.as_handle() });
        self.call(index::FINISH_SESSION_KEY_REFRESH, args)
    }

    /// `GetEncryptionBltKey`: into as many bytes as the size says.
    pub fn get_encryption_blt_key(
        &self,
        session: DriverHandle,
        read_back_key: Option<&mut [u8]>,
        key_size: u32,
    ) -> Option<Hresult> {
        argument!(args: GetEncryptionBltKey, self.padding(), {
            session: session.as_handle(),
            read_back_key: start_of(read_back_key),
            key_size: key_size,
        });
        self.call(index::GET_ENCRYPTION_BLT_KEY, args)
    }

    /// `DestroyCryptoSession`.
    pub fn destroy_crypto_session(&self, session: DriverHandle) -> Option<Hresult> {
        argument!(args: DestroyCryptoSession, self.padding(), { session: session.as_handle() });
        self.call(index::DESTROY_CRYPTO_SESSION, args)
    }

    /// `DecryptionBlt` of the first bytes of `source`, encrypted as a whole under the session key.
    pub fn decryption_blt(
        &self,
        session: DriverHandle,
        source: &SystemMemory,
        surface: DriverHandle,
        len: u32,
        counter: Option<CtrIv>,
    ) -> Option<Hresult> {
        let mut counter = counter.map(|CtrIv { iv, count }| session::CtrIv { iv, count });
        let iv = counter.as_mut().map_or(ptr::null_mut(), ptr::from_mut);
        argument!(args: DecryptionBlt, self.padding(), {
            session: session.as_handle(),
            src_resource: source.resource.as_handle(),
            src_sub_resource_index: 0,
            dst_resource: surface.as_handle(),
            dst_sub_resource_index: 0,
            src_resource_size: len,
            encrypted_block_info: ptr::null_mut(),
            content_key: ptr::null_mut(),
            iv: iv.cast(),
        });
        self.call(index::DECRYPTION_BLT, args)
    }

    /// `EncryptionBlt` of a surface into `target`: the code, and the counter that the driver wrote.
    pub fn encryption_blt(
        &self,
        session: DriverHandle,
        surface: DriverHandle,
        target: &SystemMemory,
    ) -> Option<(Hresult, CtrIv)> {
        let mut counter = session::CtrIv { iv: [0; 8], count: [0; 8] };
        argument!(args: EncryptionBlt, self.padding(), {
            session: session.as_handle(),
            src_resource: surface.as_handle(),
            src_sub_resource_index: 0,
            dst_resource: target.resource.as_handle(),
            dst_sub_resource_index: 0,
            dst_resource_size: u32::try_from(target.memory.0.len()).unwrap_or(u32::MAX),
            iv: (&raw mut counter).cast(),
        });
        let code = self.call(index::ENCRYPTION_BLT, args)?;
        Some((code, CtrIv { iv: counter.iv, count: counter.count }))
    }

    /// `Flush`, or `Flush1` where only that is offered: all that was accepted happens.
    pub fn flush(&self) -> Option<Hresult> {
        let convention = self.adapter.0.library.convention();
        if let Some(flush) = self.entries[index::FLUSH] {
            // SAFETY: the driver put this function there when the device was made.
            let code = unsafe { call!(convention, flush => (Handle)(self.handle)) };
            return Some(Hresult(code.cast_unsigned()));
        }
        let flush = self.entries[index::FLUSH1]?;
        // SAFETY: the driver put this function there when the device was made.
        let code = unsafe { call!(convention, flush => (Handle, u32)(self.handle, 0)) };
        Some(Hresult(code.cast_unsigned()))
    }

    /// Has a function that the library exports for tests take the device away: `HRESULT NAME(HANDLE)`, called as
    /// an entry is. `None` if there is none of this name.
    #[must_use]
    pub fn remove_by(&self, name: &str) -> Option<Hresult> {
        let library = &self.adapter.0.library;
        let remove = library.function(name)?;
        // SAFETY: whoever wrote its name into the data sheet says that it is such a function.
        let code = unsafe { call!(library.convention(), remove => (Handle)(self.handle)) };
        Some(Hresult(code.cast_unsigned()))
    }

    /// Calls an entry that takes a pointer to its arguments.
    pub(super) fn call<T>(&self, index: usize, args: *mut T) -> Option<Hresult> {
        self.call_with(index, args.cast())
    }

    /// Calls an entry that takes something of a pointer's size.
    pub(super) fn call_with(&self, index: usize, argument: *mut c_void) -> Option<Hresult> {
        let (entry, convention) = (self.entries[index]?, self.adapter.0.library.convention());
        // SAFETY: the driver put this function there when the device was made. Pointers to whatever type,
        // and handles, travel alike; what is pointed to lives until its maker reads it again.
        let code =
            unsafe { call!(convention, entry => (Handle, *mut c_void)(self.handle, argument)) };
        Some(Hresult(code.cast_unsigned()))
    }

    /// Another value each time, the same in every run.
    pub(super) fn padding(&self) -> u8 {
        self.padding.set(self.padding.get().wrapping_mul(5).wrapping_add(0x71));
        self.padding.get()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if let Some(destroy) = self.entries[index::DESTROY_DEVICE] {
            let convention = self.adapter.0.library.convention();
            // SAFETY: the driver put this function there when the device was made, and nothing calls the
            // device after this.
            let _ = unsafe { call!(convention, destroy => (Handle)(self.handle)) };
        }
        self.runtime.close();
    }
}

impl DriverHandle {
    pub(super) fn of(handle: Handle) -> Self {
        Self(handle.expose_provenance() as u64)
    }

    pub(super) fn as_handle(self) -> Handle {
        // On 32-bit machines the upper half of a forged number is lost, as it would be on its way.
        #[expect(clippy::cast_possible_truncation, reason = "handles are as wide as addresses")]
        ptr::with_exposed_provenance_mut(self.0 as usize)
    }
}

fn start_of(bytes: Option<&mut [u8]>) -> *mut c_void {
    bytes.map_or(ptr::null_mut(), |bytes| bytes.as_mut_ptr().cast())
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device").field("called", &self.runtime.called()).finish_non_exhaustive()
    }
}
