//! What `AddressSanitizer`'s allocator says of itself: it calls hooks.
//!
//! Nothing here needs the sanitizer to link: without it in the program there are no hooks. `ThreadSanitizer` has the
//! same ones, but calls them when `calloc` has written its zeros, so that a block cannot be painted, and hands memory
//! out as its last owner left it: whose secret is in there, nobody could say.

use std::ffi::{CStr, c_int, c_void};
use std::sync::OnceLock;

use super::super::allocator::{PAINT, look_into};
use super::super::{LEDGER, Ledger, arena};

/// The length of a block in bytes; 0 when nothing is allocated at that address.
pub(in super::super) type LenOf = fn(*const u8) -> usize;

/// Blocks up to this length are painted, in bytes. Longer ones may come from the system as zeros that `calloc`
/// counts on, and have no earlier owner.
const PAINTED_MAX: usize = 64 << 10;

/// Functions of sanitizer/allocator_interface.h.
#[derive(Clone, Copy, Debug)]
struct Interface {
    owns: unsafe extern "C" fn(*const c_void) -> c_int,
    len_of: unsafe extern "C" fn(*const c_void) -> usize,
}

type OnAllocation = unsafe extern "C" fn(*const c_void, usize);
type OnFree = unsafe extern "C" fn(*const c_void);

/// What the sanitizer of this program offers, once its hooks are installed; `None` if they cannot be.
static INTERFACE: OnceLock<Option<Interface>> = OnceLock::new();

/// How the sanitizer is asked for a length, if the allocator in front of the C library's is its own. From then on it
/// calls the hooks.
///
/// Not to be asked before it is known whose the heap is: a name that is not found leaves a message, which is
/// allocated by whoever has the heap at that moment and freed by whoever has it later.
pub(super) fn len_of() -> Option<LenOf> {
    INTERFACE.get_or_init(install_hooks).map(|_| len_of_block as LenOf)
}

fn install_hooks() -> Option<Interface> {
    address_of(c"__asan_init")?;
    let owns = address_of(c"__sanitizer_get_ownership")?;
    let len_of = address_of(c"__sanitizer_get_allocated_size")?;
    let install = address_of(c"__sanitizer_install_malloc_and_free_hooks")?;
    // SAFETY: functions of these types have those names.
    let (owns, len_of, install) = unsafe {
        (
            std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*const c_void) -> c_int>(owns),
            std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*const c_void) -> usize>(
                len_of,
            ),
            std::mem::transmute::<*mut c_void, unsafe extern "C" fn(OnAllocation, OnFree) -> c_int>(
                install,
            ),
        )
    };
    // SAFETY: it only notes the two functions, which are there for as long as the program is.
    let is_installed = unsafe { install(on_allocation, on_free) } != 0;
    is_installed.then_some(Interface { owns, len_of })
}

fn address_of(name: &CStr) -> Option<*mut c_void> {
    // SAFETY: looks a name up among what the program has loaded.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!address.is_null()).then_some(address)
}

fn len_of_block(block: *const u8) -> usize {
    let Some(Some(interface)) = INTERFACE.get() else { return 0 };
    // The length of what is not allocated ends the process, with a report of something else than happened.
    // SAFETY: both take any address; the second is only asked of a block that is allocated.
    unsafe {
        if (interface.owns)(block.cast()) == 0 { 0 } else { (interface.len_of)(block.cast()) }
    }
}

/// The sanitizer has allocated a block, on whatever thread. Allocates nothing.
unsafe extern "C" fn on_allocation(block: *const c_void, len: usize) {
    if block.is_null() || !LEDGER.with(Ledger::is_watching) {
        return;
    }
    LEDGER.with(|ledger| ledger.note_allocation(len));
    let block = block.cast::<u8>().cast_mut();
    if len <= PAINTED_MAX {
        // SAFETY: just allocated with this size, and nobody else's yet.
        unsafe { block.write_bytes(PAINT, len) };
    }
    arena::with_space(|space| space.note_elsewhere(block, len));
}

/// The sanitizer is about to free a block, or to complain of that, on whatever thread. Allocates nothing.
unsafe extern "C" fn on_free(block: *const c_void) {
    let block = block.cast::<u8>().cast_mut();
    // Also outside a watch: it is no longer to be scanned.
    let known = arena::with_space(|space| space.forget_elsewhere(block));
    if !LEDGER.with(Ledger::is_watching) {
        return;
    }
    let len = len_of_block(block);
    if len > 0 {
        // SAFETY: allocated until this returns, and as long as its allocator says.
        LEDGER.with(|ledger| unsafe { look_into(ledger, block, len, known) });
    }
}
