//! The functions behind the tables: each checks its pointers, and asks the driver.

use core::ffi::c_void;
use core::ptr::NonNull;

use rekeylab_abi::callbacks::{
    CREATE_CONTEXT, CreateContext, DESTROY_CONTEXT, DestroyContext, DeviceCallbacks, RENDER, Render,
};
use rekeylab_abi::opening::{
    CAPS_CONTENT_PROTECTION, ContentProtectionCaps, ContentProtectionQuery, CreateDevice, GetCaps,
    VERSION_WIN7,
};
use rekeylab_abi::resource::{CreateResource, Lock, Unlock};
use rekeylab_abi::session::{
    CreateCryptoSession, CryptoSessionKeyExchange, DecryptionBlt, DestroyCryptoSession,
    FinishSessionKeyRefresh, GetEncryptionBltKey, StartSessionKeyRefresh,
};
use rekeylab_abi::table::{DeviceFuncs, index, promised};
use rekeylab_abi::{Entry, Handle};
use rekeylab_ddi::{CryptoSessionDdi as _, CtrIv, Hresult, SessionHandle};

use crate::driver::{Runtime, lock, succeed, to_handle};
use crate::mechanism::BLOB_LEN;
use crate::resource::Resource;

/// The address of a function.
pub(crate) fn address(function: *const ()) -> Entry {
    NonNull::new(function.cast_mut().cast::<c_void>())
}

/// A code as it travels.
fn answer(result: Result<(), Hresult>) -> i32 {
    result.err().unwrap_or(Hresult::S_OK).0.cast_signed()
}

/// The structure that the runtime passed.
///
/// # Safety
///
/// `args` is NULL or a structure of that type, which nobody else touches during the call.
unsafe fn passed<'a, T>(args: *const T) -> Result<&'a T, Hresult> {
    // SAFETY: the caller's promise.
    unsafe { args.as_ref() }.ok_or(Hresult::E_INVALIDARG)
}

/// The same for one that is written to.
///
/// # Safety
///
/// As for [`passed`].
unsafe fn passed_mut<'a, T>(args: *mut T) -> Result<&'a mut T, Hresult> {
    // SAFETY: the caller's promise.
    unsafe { args.as_mut() }.ok_or(Hresult::E_INVALIDARG)
}

fn session(handle: Handle) -> SessionHandle {
    SessionHandle(handle.addr() as u64)
}

/// Length of the structure of capabilities for the core, which has the layout of a 64-bit machine everywhere.
#[expect(clippy::cast_possible_truncation, reason = "it has 40 bytes")]
const CAPS_LEN: u32 = rekeylab_ddi::ContentProtectionCaps::LEN as u32;

/// `pfnGetCaps`: what is offered for content protection; nothing else is known.
pub(crate) extern "C" fn get_caps(adapter: Handle, args: *const GetCaps) -> i32 {
    answer((|| {
        // SAFETY: what the interface promises of the runtime.
        let args = unsafe { passed(args) }?;
        lock().adapter(adapter)?;
        if args.kind != CAPS_CONTENT_PROTECTION {
            return Err(Hresult::E_NOTIMPL);
        }
        // SAFETY: what the interface promises of this kind.
        let query = unsafe { passed(args.info.cast::<ContentProtectionQuery>()) }?;
        let mut bytes = [0; rekeylab_ddi::ContentProtectionCaps::LEN];
        let place = NonNull::new(args.data.cast::<ContentProtectionCaps>());
        let is_len_right = args.data_size as usize == size_of::<ContentProtectionCaps>();
        let mut ddi = rekeylab_ddi::GetContentProtectionCaps {
            crypto_type: query.crypto_type.0,
            decode_profile: query.decode_profile.0,
            caps: place.filter(|_| is_len_right).map(|_| &mut bytes[..]),
            caps_len: if is_len_right { CAPS_LEN } else { u32::MAX },
        };
        let answered = succeed(lock().adapter(adapter)?.get_content_protection_caps(&mut ddi));
        // The core has zeroed what it refused (S-48), and that is passed on.
        if let (Some(place), true) = (place, is_len_right) {
            // On x86 the structure is packed, and what follows the padding comes in its place.
            let padding = rekeylab_ddi::ContentProtectionCaps::PADDING;
            let is_packed = size_of::<ContentProtectionCaps>() < bytes.len();
            let (head, tail) = bytes.split_at(if is_packed { padding.end } else { 0 });
            let head = &head[..padding.start.min(head.len())];
            let place = place.cast::<u8>();
            // SAFETY: the runtime says that so many bytes are there, and head and tail are as many.
            unsafe {
                place.copy_from_nonoverlapping(NonNull::from(head).cast(), head.len());
                let rest = place.add(head.len());
                rest.copy_from_nonoverlapping(NonNull::from(tail).cast(), tail.len());
            }
        }
        answered
    })())
}

/// `pfnCreateDevice`: fills the table, and has the runtime make a context.
pub(crate) extern "C" fn create_device(adapter: Handle, args: *mut CreateDevice) -> i32 {
    answer((|| {
        // SAFETY: what the interface promises of the runtime.
        let args = unsafe { passed_mut(args) }?;
        // SAFETY: as above.
        let callbacks = *unsafe { passed(args.callbacks) }?;
        let table = NonNull::new(args.device_funcs).ok_or(Hresult::E_INVALIDARG)?;
        let context = create_context(args.device, &callbacks)?;
        let runtime = Runtime { device: args.device.addr(), callbacks, context };
        let device =
            lock().create_device(adapter, runtime).inspect_err(|_| end_context(&runtime))?;
        fill(table);
        args.device = device;
        Ok(())
    })())
}

/// `pfnCloseAdapter`.
pub(crate) extern "C" fn close_adapter(adapter: Handle) -> i32 {
    answer(lock().close_adapter(adapter))
}

/// Writes what Windows 7 promises of the table, and nothing behind it.
fn fill(table: NonNull<DeviceFuncs>) {
    let entries = table.cast::<Entry>();
    for at in 0..promised(VERSION_WIN7) {
        let function = match at {
            index::LOCK => lock_surface as *const (),
            index::UNLOCK => unlock_surface as *const (),
            index::CREATE_RESOURCE => create_resource as *const (),
            index::DESTROY_RESOURCE => destroy_resource as *const (),
            index::FLUSH => flush as *const (),
            index::DESTROY_DEVICE => destroy_device as *const (),
            index::CREATE_CRYPTO_SESSION => create_crypto_session as *const (),
            index::CRYPTO_SESSION_KEY_EXCHANGE => key_exchange as *const (),
            index::DESTROY_CRYPTO_SESSION => destroy_crypto_session as *const (),
            index::START_SESSION_KEY_REFRESH => start_session_key_refresh as *const (),
            index::FINISH_SESSION_KEY_REFRESH => finish_session_key_refresh as *const (),
            index::GET_ENCRYPTION_BLT_KEY => get_encryption_blt_key as *const (),
            index::DECRYPTION_BLT => decryption_blt as *const (),
            _ => not_offered as *const (),
        };
        // SAFETY: the runtime says that the table has all entries of the version that it asked for.
        unsafe { entries.add(at).write(address(function)) };
    }
}

extern "C" fn not_offered(_device: Handle, _args: *mut c_void) -> i32 {
    answer(Err(Hresult::E_NOTIMPL))
}

extern "C" fn destroy_device(device: Handle) -> i32 {
    let ended = lock().destroy_device(device);
    answer(ended.map(|runtime| end_context(&runtime)))
}

extern "C" fn create_crypto_session(device: Handle, args: *mut CreateCryptoSession) -> i32 {
    answer((|| {
        // SAFETY: what the interface promises of the runtime.
        let args = unsafe { passed_mut(args) }?;
        let mut ddi = rekeylab_ddi::CreateCryptoSession {
            crypto_type: args.crypto_type.0,
            decode_profile: args.decode_profile.0,
            session: SessionHandle::NULL,
        };
        let mut driver = lock();
        let (core, device) = driver.core_of(device)?;
        let code = core.create_crypto_session(device, &mut ddi);
        let number = usize::try_from(ddi.session.0).map_err(|_| Hresult::E_OUTOFMEMORY)?;
        args.session = to_handle(number);
        succeed(code)
    })())
}

extern "C" fn key_exchange(device: Handle, args: *mut CryptoSessionKeyExchange) -> i32 {
    answer((|| {
        // SAFETY: what the interface promises of the runtime.
        let args = unsafe { passed(args) }?;
        // A length that is refused anyway is not believed.
        let len = if args.data_size as usize == BLOB_LEN { BLOB_LEN } else { 0 };
        let start = NonNull::new(args.data.cast::<u8>());
        let blob = start.map(|start| {
            // SAFETY: the runtime says that so many bytes are there; nobody writes during the call.
            unsafe { core::slice::from_raw_parts(start.as_ptr().cast_const(), len) }
        });
        let ddi = rekeylab_ddi::CryptoSessionKeyExchange {
            session: session(args.session),
            blob,
            blob_len: args.data_size,
        };
        let mut driver = lock();
        let (core, device) = driver.core_of(device)?;
        succeed(core.crypto_session_key_exchange(device, &ddi))
    })())
}

extern "C" fn destroy_crypto_session(device: Handle, args: *const DestroyCryptoSession) -> i32 {
    answer((|| {
        // SAFETY: what the interface promises of the runtime.
        let args = unsafe { passed(args) }?;
        let mut driver = lock();
        let (core, device) = driver.core_of(device)?;
        succeed(core.destroy_crypto_session(device, session(args.session)))
    })())
}

extern "C" fn start_session_key_refresh(
    device: Handle,
    args: *const StartSessionKeyRefresh,
) -> i32 {
    answer((|| {
        // SAFETY: what the interface promises of the runtime.
        let args = unsafe { passed(args) }?;
        // A size that is refused anyway is not believed.
        let size = args.random_number_size as usize;
        let len = if size == rekeylab_ddi::RANDOM_NUMBER_LEN { size } else { 0 };
        let start = NonNull::new(args.random_number.cast::<u8>());
        let random_number = start.map(|start| {
            // SAFETY: the runtime says that so many bytes are there, for this call to write.
            unsafe { core::slice::from_raw_parts_mut(start.as_ptr(), len) }
        });
        let mut ddi = rekeylab_ddi::StartSessionKeyRefresh {
            session: session(args.session),
            random_number,
            random_number_len: args.random_number_size,
        };
        let mut driver = lock();
        let (core, device) = driver.core_of(device)?;
        succeed(core.start_session_key_refresh(device, &mut ddi))
    })())
}

extern "C" fn get_encryption_blt_key(device: Handle, args: *const GetEncryptionBltKey) -> i32 {
    answer((|| {
        // SAFETY: what the interface promises of the runtime.
        let args = unsafe { passed(args) }?;
        // A size that is refused anyway is not believed.
        let size = args.key_size as usize;
        let len = if size == rekeylab_ddi::SESSION_KEY_LEN { size } else { 0 };
        let start = NonNull::new(args.read_back_key.cast::<u8>());
        let read_back_key = start.map(|start| {
            // SAFETY: the runtime says that so many bytes are there, for this call to write.
            unsafe { core::slice::from_raw_parts_mut(start.as_ptr(), len) }
        });
        let mut ddi = rekeylab_ddi::GetEncryptionBltKey {
            session: session(args.session),
            read_back_key,
            key_len: args.key_size,
        };
        let mut driver = lock();
        let (core, device) = driver.core_of(device)?;
        succeed(core.get_encryption_blt_key(device, &mut ddi))
    })())
}

extern "C" fn finish_session_key_refresh(
    device: Handle,
    args: *const FinishSessionKeyRefresh,
) -> i32 {
    answer((|| {
        // SAFETY: what the interface promises of the runtime.
        let args = unsafe { passed(args) }?;
        let mut driver = lock();
        let (core, device) = driver.core_of(device)?;
        succeed(core.finish_session_key_refresh(device, session(args.session)))
    })())
}

/// An upload of a whole buffer, encrypted under the session key. It happens when time passes.
extern "C" fn decryption_blt(device: Handle, args: *const DecryptionBlt) -> i32 {
    answer((|| {
        // SAFETY: what the interface promises of the runtime.
        let args = unsafe { passed(args) }?;
        // The capabilities offer neither.
        if !args.encrypted_block_info.is_null() || !args.content_key.is_null() {
            return Err(Hresult::D3DDDIERR_NOTAVAILABLE);
        }
        if (args.src_sub_resource_index, args.dst_sub_resource_index) != (0, 0) {
            return Err(Hresult::E_INVALIDARG);
        }
        let iv = NonNull::new(args.iv.cast::<CtrIv>()).map(|iv| {
            // SAFETY: for AES-CTR the runtime passes this structure; it need not have aligned it.
            unsafe { iv.read_unaligned() }
        });
        let places = (args.src_resource, args.dst_resource);
        lock().upload(device, session(args.session), places, args.src_resource_size, iv)
    })())
}

extern "C" fn create_resource(device: Handle, args: *mut CreateResource) -> i32 {
    answer((|| {
        // SAFETY: what the interface promises of the runtime.
        let args = unsafe { passed_mut(args) }?;
        // SAFETY: as above; there is at least one.
        let surface = unsafe { passed(args.surf_list) }?;
        let resource = Resource::new(args, surface)?;
        args.resource = lock().add_resource(device, resource)?;
        Ok(())
    })())
}

extern "C" fn destroy_resource(device: Handle, resource: Handle) -> i32 {
    answer(lock().destroy_resource(device, resource))
}

/// Time passes, and then the surface is the client's until it is unlocked.
extern "C" fn lock_surface(device: Handle, args: *mut Lock) -> i32 {
    answer((|| {
        // SAFETY: what the interface promises of the runtime.
        let args = unsafe { passed_mut(args) }?;
        submit_to_runtime(device)?;
        let mut driver = lock();
        driver.finish_work_for(device, args.resource)?;
        let bytes = driver.surface_of(device, args.resource)?;
        args.surf_data = bytes.as_mut_ptr().cast();
        args.pitch = u32::try_from(bytes.len()).map_err(|_| Hresult::E_FAIL)?;
        args.slice_pitch = 0;
        Ok(())
    })())
}

extern "C" fn unlock_surface(device: Handle, args: *const Unlock) -> i32 {
    answer((|| {
        // SAFETY: what the interface promises of the runtime.
        let args = unsafe { passed(args) }?;
        lock().surface_of(device, args.resource).map(drop)
    })())
}

extern "C" fn flush(device: Handle) -> i32 {
    answer(submit_to_runtime(device).and_then(|()| lock().finish_work(device)))
}

/// Submits to the runtime, which says whether there is still a device; one that is gone takes all keys along.
fn submit_to_runtime(device: Handle) -> Result<(), Hresult> {
    let runtime = lock().runtime_of(device)?;
    // The runtime may do anything in here, call this driver too.
    let code = render(&runtime);
    if code == Hresult::D3DDDIERR_DEVICEREMOVED {
        let mut driver = lock();
        let (core, _) = driver.core_of(device)?;
        succeed(core.reset_engine())?;
        return Err(code);
    }
    Ok(())
}

fn render(runtime: &Runtime) -> Hresult {
    let Some(render) = runtime.callbacks.entries[RENDER] else { return Hresult::E_NOTIMPL };
    // SAFETY: all members are numbers and pointers, which may be zero.
    let mut args = unsafe { core::mem::zeroed::<Render>() };
    args.context = to_handle(runtime.context);
    // SAFETY: the runtime put a function of this type there.
    let code = unsafe {
        let render = core::mem::transmute::<
            NonNull<c_void>,
            unsafe extern "C" fn(Handle, *mut Render) -> i32,
        >(render);
        render(to_handle(runtime.device), &raw mut args)
    };
    Hresult(code.cast_unsigned())
}

fn create_context(device: Handle, callbacks: &DeviceCallbacks) -> Result<usize, Hresult> {
    let create = callbacks.entries[CREATE_CONTEXT].ok_or(Hresult::E_INVALIDARG)?;
    // SAFETY: all members are numbers and pointers, which may be zero.
    let mut args = unsafe { core::mem::zeroed::<CreateContext>() };
    // SAFETY: the runtime put a function of this type there.
    let code = unsafe {
        let create = core::mem::transmute::<
            NonNull<c_void>,
            unsafe extern "C" fn(Handle, *mut CreateContext) -> i32,
        >(create);
        create(device, &raw mut args)
    };
    succeed(Hresult(code.cast_unsigned()))?;
    Ok(args.context.addr())
}

fn end_context(runtime: &Runtime) {
    let Some(destroy) = runtime.callbacks.entries[DESTROY_CONTEXT] else { return };
    let args = DestroyContext { context: to_handle(runtime.context) };
    // SAFETY: the runtime put a function of this type there.
    let _ = unsafe {
        let destroy = core::mem::transmute::<
            NonNull<c_void>,
            unsafe extern "C" fn(Handle, *const DestroyContext) -> i32,
        >(destroy);
        destroy(to_handle(runtime.device), &raw const args)
    };
}
