//! Proves that the allocator is installed and that its scan looks.

use std::alloc::{Layout, alloc, dealloc};
use std::cell::Cell;
use std::fmt;
use std::hint::black_box;

use super::{LEDGER, Report, Tally, pause, take_report, watch};
use crate::distinctive::looks_like_nothing_else;
use crate::secret_set::{SecretSet, mix};

/// The canary's name among the callers' tags, used for the length of one proof.
const CANARY: u32 = u32::MAX;

/// A block just large enough for the canary.
const CANARY_BLOCK: Layout = Layout::new::<[u64; 2]>();

/// Why a proof failed; until it succeeds, silence means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotProven {
    /// [`ScanningAllocator`](super::ScanningAllocator) is not this program's global allocator.
    NotInstalled,
    /// There was no room in the set for the canary.
    SetIsFull,
    /// The canary was freed under watch and not seen.
    NotSighted,
}

/// Whether the program's global allocator is keysan's.
///
/// Frees a block under watch and sees whether the count moves.
#[must_use]
pub fn is_installed() -> bool {
    // Shut in by a pause, so that an open watch does not count the set made here.
    pause(|| {
        let set = SecretSet::new();
        let report = aside(|| {
            watch(&set, || free_block_holding(&[0; 16]));
        });
        report.frees == 1 && report.allocations == 1
    })
}

/// Frees a block holding a fresh canary secret, and sees whether it is sighted.
///
/// Afterwards the set and the thread's counts are as before. Cheap enough to be done once a run;
/// needs room for one secret in the set.
pub fn prove_it_looks(set: &mut SecretSet) -> Result<(), NotProven> {
    prove(set, free_block_holding)
}

/// The same for the heap of C: frees a block as a library in C would that was loaded into this program.
///
/// # Errors
///
/// [`NotProven::NotInstalled`] where `malloc` is not the one of this program, as the package `keysan-c-heap`
/// exports it, or another allocator was put in front of the C library's that does not say what it frees.
pub fn prove_it_looks_at_c(set: &mut SecretSet) -> Result<(), NotProven> {
    // Whoever is a sanitizer says from now on what it frees.
    super::len_of_a_sanitizers();
    prove(set, free_c_block_holding)
}

/// Has a block freed that holds a canary, and sees whether it is sighted.
fn prove(set: &mut SecretSet, free: fn(&[u8; 16])) -> Result<(), NotProven> {
    let canary = fresh_canary();
    let count_before = set.len();
    set.register(&canary, CANARY).map_err(|_| NotProven::SetIsFull)?;
    let report = aside(|| watch(set, || free(&canary)));
    // Should the caller have registered these very bytes, they are not ours to forget.
    if set.len() > count_before {
        set.forget_last();
    }
    match report {
        Report { frees: 0, .. } => Err(NotProven::NotInstalled),
        report if report.is_clean() => Err(NotProven::NotSighted),
        _ => Ok(()),
    }
}

/// Calls `malloc` and `free` as the dynamic linker finds them for everybody.
#[cfg(all(target_os = "linux", not(miri)))]
#[inline(never)]
fn free_c_block_holding(secret: &[u8; 16]) {
    use std::ffi::c_void;
    // SAFETY: looks names up among what the program has loaded.
    let (malloc, free) = unsafe {
        (
            libc::dlsym(libc::RTLD_DEFAULT, c"malloc".as_ptr()),
            libc::dlsym(libc::RTLD_DEFAULT, c"free".as_ptr()),
        )
    };
    if malloc.is_null() || free.is_null() {
        return;
    }
    // SAFETY: functions of these types have those names.
    let (malloc, free) = unsafe {
        (
            std::mem::transmute::<*mut c_void, unsafe extern "C" fn(usize) -> *mut c_void>(malloc),
            std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void)>(free),
        )
    };
    // SAFETY: any length may be asked for.
    let block = unsafe { malloc(secret.len()) };
    if block.is_null() {
        return;
    }
    // SAFETY: so long and aligned. A volatile write, because a plain one just before a free may be left out.
    unsafe { block.cast::<[u8; 16]>().write_volatile(*secret) };
    // SAFETY: allocated above, and not used again.
    unsafe { free(block) };
}

#[cfg(not(all(target_os = "linux", not(miri))))]
fn free_c_block_holding(_secret: &[u8; 16]) {}

/// Runs `call` on a blank ledger, answers what it noted, and puts the thread's own back.
fn aside(call: impl FnOnce()) -> Report {
    LEDGER.with(|ledger| {
        let kept_tally = ledger.tally.replace(Tally::default());
        let kept_sightings = ledger.sightings.each_ref().map(Cell::get);
        call();
        let report = take_report(|_| {});
        ledger.tally.set(kept_tally);
        for (cell, kept) in ledger.sightings.iter().zip(kept_sightings) {
            cell.set(kept);
        }
        report
    })
}

/// Allocates, fills and frees a block in a way that the optimiser must leave standing.
#[inline(never)]
fn free_block_holding(secret: &[u8; 16]) {
    // SAFETY: the layout is not of size zero.
    let block = black_box(unsafe { alloc(CANARY_BLOCK) });
    if block.is_null() {
        return;
    }
    // SAFETY: the block is sixteen bytes long and aligned for words, hence for bytes. A volatile
    // write, because a plain one just before a free may be left out.
    unsafe { block.cast::<[u8; 16]>().write_volatile(*secret) };
    // SAFETY: allocated above with this layout, and not used again.
    unsafe { dealloc(black_box(block), CANARY_BLOCK) };
}

/// Sixteen bytes this thread has not used before, the same in every run.
fn fresh_canary() -> [u8; 16] {
    thread_local! {
        static DRAWN: Cell<u64> = const { Cell::new(0x6361_6e61_7279_0000) };
    }
    loop {
        let draw = DRAWN.get();
        DRAWN.set(draw.wrapping_add(2));
        let canary = u128::from(mix(draw)) << 64 | u128::from(mix(draw.wrapping_add(1)));
        let canary = canary.to_le_bytes();
        if looks_like_nothing_else(&canary) {
            return canary;
        }
    }
}

impl fmt::Display for NotProven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotProven::NotInstalled => "the global allocator is not keysan's scanning allocator",
            NotProven::SetIsFull => "no room in the set for the canary",
            NotProven::NotSighted => "a canary freed under watch was not sighted",
        })
    }
}

impl std::error::Error for NotProven {}
