//! The driver core as a user-mode driver of Direct3D 9: a shared library that exports `OpenAdapter`.
//!
//! It is the open driver behind the same door as any other, so that whatever drives foreign drivers can be
//! tried on one that is known. Only what crypto sessions need is offered: sessions and their refresh,
//! resources of one surface, uploads by `DecryptionBlt`. Every other entry answers `E_NOTIMPL`. The
//! environment may say `REKEYLAB_UMD_BOUNDS=GENERATIONS,BUFFER,QUEUE`, so that short sequences reach the bounds.
//!
//! ```text
//! OpenAdapter ─► table entries ─► Driver: handles, resources ─► the core's Adapter
//!                                   │ Lock, Flush: time passes, and what was uploaded is there
//!                                   └► pfnRenderCb: a device that is gone takes all keys along
//! ```

#![allow(unsafe_code, reason = "the boundary to C; every block says what makes it sound")]

mod driver;
mod entries;
mod mechanism;
mod resource;

use core::ptr::NonNull;

use rekeylab_abi::opening::{AdapterFuncs, OpenAdapter, VERSION_WIN7};
use rekeylab_ddi::Hresult;

pub use mechanism::{BLOB_LEN, BLOB_TAG, KEY_EXCHANGE_TYPE};

/// Opens an adapter: the one export of a driver.
///
/// Answers `E_INVALIDARG` for NULL and for runtimes older than Windows 7, which have no crypto sessions.
///
/// # Safety
///
/// `args` is NULL or a `D3DDDIARG_OPENADAPTER`, whose `pAdapterFuncs` is NULL or a table to fill.
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the name by which the runtime looks for it")]
pub unsafe extern "C" fn OpenAdapter(args: *mut OpenAdapter) -> i32 {
    // SAFETY: the caller's promise.
    let Some(args) = (unsafe { args.as_mut() }) else { return answer(Hresult::E_INVALIDARG) };
    let Some(funcs) = NonNull::new(args.adapter_funcs) else {
        return answer(Hresult::E_INVALIDARG);
    };
    if args.version < VERSION_WIN7 {
        return answer(Hresult::E_INVALIDARG);
    }
    let table = AdapterFuncs {
        get_caps: entries::address(entries::get_caps as *const ()),
        create_device: entries::address(entries::create_device as *const ()),
        close_adapter: entries::address(entries::close_adapter as *const ()),
    };
    // SAFETY: the caller's promise.
    unsafe { funcs.write(table) };
    args.adapter = driver::lock().open_adapter();
    args.driver_version = VERSION_WIN7;
    answer(Hresult::S_OK)
}

/// A code as it travels.
fn answer(code: Hresult) -> i32 {
    code.0.cast_signed()
}
