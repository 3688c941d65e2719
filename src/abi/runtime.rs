//! What a driver may call: contexts and command buffers that are real memory, and a device that can be
//! lost. Whatever is not known here is counted and refused.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rekeylab_ddi::Hresult;

use crate::around::leave;
use crate::callbacks::{
    AdapterCallbacks, CREATE_CONTEXT, CreateContext, DESTROY_CONTEXT, DEVICE_CALLBACK_COUNT,
    DestroyContext, DeviceCallbacks, NAMES, QueryAdapterInfo, RENDER, Render,
};
use crate::{Convention, Handle};

/// The runtime's side of one adapter or device: what its driver called, and what it is told.
///
/// The runtime's handle is a number and no address, so that whatever a driver passes as one is looked up
/// and never followed.
#[derive(Debug)]
pub struct Runtime {
    handle: usize,
    is_lost: AtomicBool,
    counts: [AtomicU32; DEVICE_CALLBACK_COUNT],
    contexts: Mutex<BTreeMap<usize, Context>>,
}

/// A callback by name, and how often it was called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Callback {
    /// Its name, without `pfn` and `Cb`.
    pub name: &'static str,
    /// How often.
    pub count: u32,
}

/// What a driver writes commands into. The memory is only ever touched by the driver.
#[derive(Debug)]
struct Context {
    commands: Box<[u64]>,
    allocations: Box<[u64]>,
    patches: Box<[u64]>,
}

/// Sizes of the buffers of a context: 64 KiB of commands, and 256 entries of each list.
const COMMANDS_LEN: u32 = 64 << 10;
const LIST_LEN: u32 = 256;
/// Room for an entry of either list, in bytes: more than both need.
const LIST_ENTRY_LEN: u32 = 32;

/// All that live, by their handles.
static RUNTIMES: Mutex<BTreeMap<usize, Arc<Runtime>>> = Mutex::new(BTreeMap::new());

/// Calls from a driver that named no device or adapter that lives.
static STRAY: AtomicU32 = AtomicU32::new(0);

impl Runtime {
    /// A device, or an adapter, of which nothing was called.
    pub(crate) fn open() -> Arc<Self> {
        let mut all = lock(&RUNTIMES);
        // The first free number: the same sequence of calls has the same handles everywhere.
        let taken = |number: &usize| all.contains_key(&handle_of(*number));
        let number = (1..).find(|number| !taken(number)).unwrap_or(1);
        let runtime = Arc::new(Self {
            handle: handle_of(number),
            is_lost: AtomicBool::new(false),
            counts: [const { AtomicU32::new(0) }; DEVICE_CALLBACK_COUNT],
            contexts: Mutex::default(),
        });
        all.insert(runtime.handle, Arc::clone(&runtime));
        runtime
    }

    /// What the driver is told as its handle.
    pub(crate) fn handle(&self) -> Handle {
        core::ptr::without_provenance_mut(self.handle)
    }

    /// Nothing that the driver calls finds it any more.
    pub(crate) fn close(&self) {
        lock(&RUNTIMES).remove(&self.handle);
    }

    /// From here on, whoever submits commands is told that the device is gone; or no longer.
    pub fn lose(&self, is_lost: bool) {
        self.is_lost.store(is_lost, Ordering::SeqCst);
    }

    /// How often commands were submitted: the one call by which a driver learns that the device is gone.
    #[must_use]
    pub fn render_count(&self) -> u32 {
        self.counts[RENDER].load(Ordering::SeqCst)
    }

    /// What the driver called, in the order of the table.
    #[must_use]
    pub fn called(&self) -> Vec<Callback> {
        let counts = NAMES.iter().zip(&self.counts);
        let called = counts
            .map(|(&name, count)| Callback { name, count: count.load(Ordering::SeqCst) })
            .filter(|callback| callback.count > 0);
        called.collect()
    }

    /// How many calls from drivers named nothing that lives, in this process.
    #[must_use]
    pub fn stray_count() -> u32 {
        STRAY.load(Ordering::SeqCst)
    }

    fn create_context(&self, args: &mut CreateContext) -> Hresult {
        let words = |len: u32| vec![0_u64; len as usize / size_of::<u64>()].into_boxed_slice();
        let lists = || words(LIST_LEN * LIST_ENTRY_LEN);
        let mut context =
            Context { commands: words(COMMANDS_LEN), allocations: lists(), patches: lists() };
        let mut contexts = lock(&self.contexts);
        let number = (1..).find(|number| !contexts.contains_key(number)).unwrap_or(1);
        args.context = core::ptr::without_provenance_mut(number);
        args.command_buffer = context.commands.as_mut_ptr().cast();
        args.command_buffer_size = COMMANDS_LEN;
        args.allocation_list = context.allocations.as_mut_ptr().cast();
        args.allocation_list_size = LIST_LEN;
        args.patch_location_list = context.patches.as_mut_ptr().cast();
        args.patch_location_list_size = LIST_LEN;
        args.command_buffer_address = 0;
        contexts.insert(number, context);
        Hresult::S_OK
    }

    fn destroy_context(&self, args: &DestroyContext) -> Hresult {
        match lock(&self.contexts).remove(&args.context.addr()) {
            Some(_) => Hresult::S_OK,
            None => Hresult::E_INVALIDARG,
        }
    }

    fn render(&self, args: &mut Render) -> Hresult {
        if self.is_lost.load(Ordering::SeqCst) {
            return Hresult::D3DDDIERR_DEVICEREMOVED;
        }
        let mut contexts = lock(&self.contexts);
        let Some(context) = contexts.get_mut(&args.context.addr()) else {
            return Hresult::E_INVALIDARG;
        };
        // The commands are done as soon as they are submitted, so the same memory serves again.
        args.new_command_buffer = context.commands.as_mut_ptr().cast();
        args.new_command_buffer_size = COMMANDS_LEN;
        args.new_allocation_list = context.allocations.as_mut_ptr().cast();
        args.new_allocation_list_size = LIST_LEN;
        args.new_patch_location_list = context.patches.as_mut_ptr().cast();
        args.new_patch_location_list_size = LIST_LEN;
        args.queued_buffer_count = 0;
        args.new_command_buffer_address = 0;
        Hresult::S_OK
    }
}

/// Handles look like addresses, and nothing is there.
fn handle_of(number: usize) -> usize {
    number << 12
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Finds who was called, counts it, and answers; a panic ends the process, because it must not unwind
/// through a driver.
fn serve(handle: Handle, index: usize, answer: impl FnOnce(&Runtime) -> Hresult) -> i32 {
    let served = catch_unwind(AssertUnwindSafe(|| {
        leave(|| {
            let runtime = lock(&RUNTIMES).get(&handle.addr()).cloned();
            let Some(runtime) = runtime else {
                STRAY.fetch_add(1, Ordering::SeqCst);
                return Hresult::E_INVALIDARG;
            };
            if let Some(count) = runtime.counts.get(index) {
                count.fetch_add(1, Ordering::SeqCst);
            }
            answer(&runtime)
        })
    }));
    match served {
        Ok(code) => code.0.cast_signed(),
        Err(_) => std::process::abort(),
    }
}

/// The structure that a driver passed; `None` for NULL and for what is not aligned.
///
/// # Safety
///
/// `args` is NULL, or the driver's own structure of that type, which nothing else touches during the call.
unsafe fn passed<'a, T>(args: *mut T) -> Option<&'a mut T> {
    if !args.is_aligned() {
        return None;
    }
    // SAFETY: the caller's promise.
    unsafe { args.as_mut() }
}

/// The callbacks as functions of one convention.
macro_rules! functions {
    ($module:ident, $abi:literal) => {
        mod $module {
            use super::*;

            pub(super) extern $abi fn query_adapter_info(
                _adapter: Handle,
                _args: *const QueryAdapterInfo,
            ) -> i32 {
                // There is no kernel driver that could answer.
                Hresult::E_NOTIMPL.0.cast_signed()
            }

            pub(super) extern $abi fn render(device: Handle, args: *mut Render) -> i32 {
                serve(device, RENDER, |runtime| {
                    // SAFETY: what the interface demands of whoever calls it.
                    let args = unsafe { passed(args) };
                    args.map_or(Hresult::E_INVALIDARG, |args| runtime.render(args))
                })
            }

            pub(super) extern $abi fn create_context(device: Handle, args: *mut CreateContext) -> i32 {
                serve(device, CREATE_CONTEXT, |runtime| {
                    // SAFETY: what the interface demands of whoever calls it.
                    let args = unsafe { passed(args) };
                    args.map_or(Hresult::E_INVALIDARG, |args| runtime.create_context(args))
                })
            }

            pub(super) extern $abi fn destroy_context(device: Handle, args: *mut DestroyContext) -> i32 {
                serve(device, DESTROY_CONTEXT, |runtime| {
                    // SAFETY: what the interface demands of whoever calls it.
                    let args = unsafe { passed(args) };
                    args.map_or(Hresult::E_INVALIDARG, |args| runtime.destroy_context(args))
                })
            }

            /// Whatever is not known here: E_NOTIMPL, with nothing written.
            pub(super) extern $abi fn other<const INDEX: usize>(
                device: Handle,
                _args: *mut core::ffi::c_void,
            ) -> i32 {
                serve(device, INDEX, |_| Hresult::E_NOTIMPL)
            }

            pub(super) fn tables() -> (AdapterCallbacks, DeviceCallbacks) {
                let address = |function: *const ()| {
                    core::ptr::NonNull::new(function.cast_mut().cast::<core::ffi::c_void>())
                };
                let adapter = AdapterCallbacks {
                    query_adapter_info: address(query_adapter_info as *const ()),
                    get_multisample_method_list: address(other::<0xFFFF> as *const ()),
                };
                let mut entries = [
                    other::<0> as *const (), other::<1> as *const (), other::<2> as *const (),
                    other::<3> as *const (), other::<4> as *const (), other::<5> as *const (),
                    other::<6> as *const (), other::<7> as *const (), other::<8> as *const (),
                    other::<9> as *const (), other::<10> as *const (), other::<11> as *const (),
                    other::<12> as *const (), other::<13> as *const (), other::<14> as *const (),
                    other::<15> as *const (), other::<16> as *const (), other::<17> as *const (),
                    other::<18> as *const (), other::<19> as *const (), other::<20> as *const (),
                    other::<21> as *const (),
                ];
                entries[RENDER] = render as *const ();
                entries[CREATE_CONTEXT] = create_context as *const ();
                entries[DESTROY_CONTEXT] = destroy_context as *const ();
                (adapter, DeviceCallbacks { entries: entries.map(address) })
            }
        }
    };
}

functions!(native, "C");
#[cfg(target_arch = "x86_64")]
functions!(windows, "win64");

/// Both tables of callbacks, for drivers of this convention.
pub(crate) fn tables(convention: Convention) -> (AdapterCallbacks, DeviceCallbacks) {
    match convention {
        Convention::Native => native::tables(),
        #[cfg(target_arch = "x86_64")]
        Convention::Windows => windows::tables(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(runtime: &Runtime) -> (i32, CreateContext) {
        // SAFETY: all members are numbers and pointers, which may be zero.
        let mut args = unsafe { core::mem::zeroed::<CreateContext>() };
        let code = native::create_context(runtime.handle(), &raw mut args);
        (code, args)
    }

    #[test]
    fn a_context_is_real_memory_until_it_is_destroyed_once() {
        let runtime = Runtime::open();
        let (code, args) = context(&runtime);
        assert_eq!((code, args.command_buffer_size), (0, 65_536));
        // SAFETY: the context has so much memory, and lives.
        unsafe {
            args.command_buffer.cast::<u8>().write_bytes(0xAB, args.command_buffer_size as usize)
        };
        let mut end = DestroyContext { context: args.context };
        assert_eq!(native::destroy_context(runtime.handle(), &raw mut end), 0);
        let refused = native::destroy_context(runtime.handle(), &raw mut end);
        assert_eq!(refused, Hresult::E_INVALIDARG.0.cast_signed());
        let counts = [("CreateContext", 1), ("DestroyContext", 2)];
        assert_eq!(runtime.called(), counts.map(|(name, count)| Callback { name, count }));
        runtime.close();
    }

    #[test]
    fn a_lost_device_is_told_where_commands_are_submitted() {
        let runtime = Runtime::open();
        let (_, args) = context(&runtime);
        // SAFETY: all members are numbers and pointers, which may be zero.
        let mut render = unsafe { core::mem::zeroed::<Render>() };
        render.context = args.context;
        assert_eq!(native::render(runtime.handle(), &raw mut render), 0);
        assert_eq!(render.new_command_buffer, args.command_buffer);
        runtime.lose(true);
        let lost = native::render(runtime.handle(), &raw mut render);
        assert_eq!(lost, Hresult::D3DDDIERR_DEVICEREMOVED.0.cast_signed());
        runtime.close();
    }

    #[test]
    fn a_stray_handle_and_null_are_refused_and_never_followed() {
        let before = Runtime::stray_count();
        let refused = Hresult::E_INVALIDARG.0.cast_signed();
        let stray = core::ptr::without_provenance_mut(0x1234_5678);
        assert_eq!(native::render(stray, core::ptr::null_mut()), refused);
        assert!(Runtime::stray_count() > before);
        let runtime = Runtime::open();
        assert_eq!(native::render(runtime.handle(), core::ptr::null_mut()), refused);
        let unknown = native::other::<0>(runtime.handle(), core::ptr::null_mut());
        assert_eq!(unknown, Hresult::E_NOTIMPL.0.cast_signed());
        runtime.close();
    }
}
