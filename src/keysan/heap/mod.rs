//! Looks into every heap block at the moment it is freed.
//!
//! Install the allocator once in the program, then open a watch around each call:
//!
//! ```
//! use keysan::{SecretSet, heap};
//!
//! #[global_allocator]
//! static ALLOCATOR: heap::ScanningAllocator = heap::ScanningAllocator::new();
//!
//! let mut set = SecretSet::new();
//! heap::prove_it_looks(&mut set)?;
//!
//! heap::watch(&set, || drop(std::hint::black_box(vec![1, 2, 3])));
//! let report = heap::take_report(|freed| panic!("{freed:?}"));
//! assert_eq!((report.allocations, report.frees), (1, 1));
//! # Ok::<(), heap::NotProven>(())
//! ```
//!
//! A watch covers the thread that opened it, and only what happens while it is open: a block
//! counts as allocated where it is allocated and as freed where it is freed.
//!
//! With an [`Arena`] attached to the thread, freed blocks keep their contents until the arena is
//! reset, and everything that was allocated can be scanned at any time.

mod allocator;
mod arena;
#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64", not(miri)))]
pub mod c;
mod proof;

use std::cell::Cell;
use std::ptr;

pub use allocator::ScanningAllocator;
#[cfg_attr(
    not(all(target_arch = "x86_64", target_pointer_width = "64", target_os = "linux", not(miri))),
    expect(unused_imports, reason = "where there is no gate, no stacks have to lie beside arenas")
)]
pub(crate) use arena::ROW_END;
pub use arena::{Arena, Block, BlockPlace, BlockSighting, NotAttached, StrayKind, StrayWrite};
#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64", not(miri)))]
use c::{LenOf, len_of_a_sanitizers};
pub use proof::{NotProven, is_installed, prove_it_looks, prove_it_looks_at_c};

use crate::secret_set::{SecretSet, Sighting};
use arena::Space;

/// How a sanitizer is asked for the length of a block; nobody is, here.
#[cfg(not(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64", not(miri))))]
type LenOf = fn(*const u8) -> usize;

#[cfg(not(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64", not(miri))))]
fn len_of_a_sanitizers() -> Option<LenOf> {
    None
}

/// Whether the heap of C is that of `AddressSanitizer`, which says what it allocates and frees.
///
/// A watch sees that then, and [`prove_it_looks_at_c`] succeeds; but stacks may be the sanitizer's as well, and a
/// [gate](crate::gate) around its code is not promised to find what is on them.
#[must_use]
pub fn is_a_sanitizers() -> bool {
    len_of_a_sanitizers().is_some()
}

/// Sightings kept between two reports; further ones are only counted.
///
/// A call that leaves more than this is broken in a way that the first few already tell.
const SIGHTINGS_MAX: usize = 64;

/// Runs `call` and looks into each block that this thread frees meanwhile.
///
/// Blocks of the system are looked into as they are freed; those of an arena, which keep what they
/// hold, when `call` has returned. Open the watch around a [gate](crate::gate), not inside it, and
/// keysan's own work leaves nothing on the gate's stack.
///
/// What is seen is kept for [`take_report`]. Watches nest: the inner one looks for its own set and
/// the outer one goes on when it returns, by panic too. Counts go to the thread, not to the watch.
#[inline]
pub fn watch<R>(set: &SecretSet, call: impl FnOnce() -> R) -> R {
    let _restored_on_return = Watching::switch_to(set);
    call()
}

/// Runs `call` unwatched, inside a watch or not.
///
/// For code of the workbench that is called back from inside a watched call: what it frees is not
/// the driver's.
#[inline]
pub fn pause<R>(call: impl FnOnce() -> R) -> R {
    let _restored_on_return = Watching::switch_to(ptr::null());
    call()
}

/// Hands each sighting since the last report to `sink`, answers the counts, and starts afresh.
///
/// Nothing that `sink` does is watched.
#[inline]
pub fn take_report(sink: impl FnMut(FreedSighting)) -> Report {
    LEDGER.with(|ledger| if ledger.is_blank() { Report::default() } else { hand_out(ledger, sink) })
}

/// Where the blocks are counted that this thread's watches have seen freed since the last report: eight bytes, for as
/// long as the thread lives.
#[cfg(feature = "trace")]
pub(crate) fn free_count() -> *const u8 {
    LEDGER.with(|ledger| {
        // SAFETY: only the address of a field.
        unsafe { (&raw const (*ledger.tally.as_ptr()).frees).cast() }
    })
}

#[inline(never)]
fn hand_out(ledger: &Ledger, mut sink: impl FnMut(FreedSighting)) -> Report {
    let tally = ledger.tally.take();
    if tally.sighted > 0 {
        pause(|| {
            let sightings = &ledger.sightings[..tally.sighted as usize];
            sightings.iter().for_each(|sighting| sink(sighting.get()));
        });
    }
    tally.report()
}

/// What the watches of this thread saw since the last report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Blocks allocated inside a watch; moving a block counts here and among the frees.
    pub allocations: u64,
    /// Blocks freed inside a watch, each of them looked into.
    pub frees: u64,
    /// Blocks allocated minus blocks freed. Below zero when older blocks were freed.
    pub live_blocks: i64,
    /// Bytes allocated minus bytes freed.
    pub live_bytes: i64,
    /// Sightings handed out with this report.
    pub sighted: u32,
    /// Sightings beyond those: seen, and not kept.
    pub dropped: u32,
}

impl Report {
    /// Whether no freed block held a registered secret.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.sighted == 0 && self.dropped == 0
    }
}

/// Eight bytes of a secret in a block that was being freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreedSighting {
    /// The caller's name of the secret.
    pub tag: u32,
    /// Which eight bytes: they begin at this offset of the secret, 0 to 8.
    pub window: u8,
    /// Where they begin in the block.
    pub position: usize,
    /// The size of the block as it was asked for.
    pub block_len: usize,
    /// Which of the frees since the last report it was, from 0. Addresses are not given: they
    /// differ from run to run.
    pub free_index: u64,
    /// Which block of the thread's arena it was; `None` when it came from elsewhere, or from
    /// before the arena's last reset.
    pub block: Option<Block>,
}

thread_local! {
    // Made at compile time and never dropped: reading it is a load, at any point of a thread's
    // life, which is what an allocator needs.
    static LEDGER: Ledger = const { Ledger::new() };
}

/// What a thread's watches keep between allocator calls.
struct Ledger {
    /// Null when no watch is open, else borrowed by the innermost one.
    set: Cell<*const SecretSet>,
    tally: Cell<Tally>,
    /// The first `tally.sighted` are meant.
    sightings: [Cell<FreedSighting>; SIGHTINGS_MAX],
}

#[derive(Clone, Copy, Default)]
struct Tally {
    allocations: u64,
    frees: u64,
    allocated_bytes: u64,
    freed_bytes: u64,
    sighted: u32,
    dropped: u32,
}

impl Ledger {
    const fn new() -> Ledger {
        const BLANK: FreedSighting = FreedSighting {
            tag: 0,
            window: 0,
            position: 0,
            block_len: 0,
            free_index: 0,
            block: None,
        };
        Ledger {
            set: Cell::new(ptr::null()),
            tally: Cell::new(Tally {
                allocations: 0,
                frees: 0,
                allocated_bytes: 0,
                freed_bytes: 0,
                sighted: 0,
                dropped: 0,
            }),
            sightings: [const { Cell::new(BLANK) }; SIGHTINGS_MAX],
        }
    }

    fn is_watching(&self) -> bool {
        !self.set.get().is_null()
    }

    /// Whether nothing was allocated, freed or sighted since the last report.
    ///
    /// Most calls do neither, and it is quicker to see than to hand out a report and start afresh.
    #[inline]
    fn is_blank(&self) -> bool {
        let Tally { allocations, frees, sighted, dropped, .. } = self.tally.get();
        // What was freed before the last report may have been looked into after it.
        allocations | frees | u64::from(sighted | dropped) == 0
    }

    fn note_allocation(&self, block_len: usize) {
        let mut tally = self.tally.get();
        tally.allocations += 1;
        tally.allocated_bytes = tally.allocated_bytes.wrapping_add(block_len as u64);
        self.tally.set(tally);
    }

    /// Counts a free and answers which one it was, from 0.
    fn note_free(&self, block_len: usize) -> u64 {
        let mut tally = self.tally.get();
        let free_index = tally.frees;
        tally.frees += 1;
        tally.freed_bytes = tally.freed_bytes.wrapping_add(block_len as u64);
        self.tally.set(tally);
        free_index
    }

    fn note_sighting(
        &self,
        sighting: Sighting,
        block_len: usize,
        block: Option<Block>,
        free_index: u64,
    ) {
        let Sighting { tag, window, position } = sighting;
        let mut tally = self.tally.get();
        match self.sightings.get(tally.sighted as usize) {
            Some(free) => {
                free.set(FreedSighting { tag, window, position, block_len, free_index, block });
                tally.sighted += 1;
            }
            None => tally.dropped = tally.dropped.saturating_add(1),
        }
        self.tally.set(tally);
    }

    /// Looks into the arena's blocks that were freed under the watch that is open.
    #[inline]
    fn look_at_freed(&self) {
        if self.is_watching() && arena::with_space(Space::has_unseen) {
            self.look_at_unseen();
        }
    }

    #[inline(never)]
    fn look_at_unseen(&self) {
        // SAFETY: a set that is not null is borrowed by the watch that put it there, on this thread
        // and further out on this stack; the watch takes it away again before its borrow ends.
        let Some(set) = (unsafe { self.set.get().as_ref() }) else { return };
        arena::with_space(|space| {
            space.look_at_freed(set, &mut |sighting, block, free_index| {
                self.note_sighting(sighting, block.len as usize, Some(block), free_index);
            });
        });
    }
}

impl Tally {
    fn report(self) -> Report {
        Report {
            allocations: self.allocations,
            frees: self.frees,
            live_blocks: self.allocations.wrapping_sub(self.frees).cast_signed(),
            live_bytes: self.allocated_bytes.wrapping_sub(self.freed_bytes).cast_signed(),
            sighted: self.sighted,
            dropped: self.dropped,
        }
    }
}

/// Puts the thread's former watch back when dropped, so that a panic cannot leave one open.
struct Watching {
    before: *const SecretSet,
}

impl Watching {
    /// `set` must stay borrowed until the answer is dropped; null pauses.
    #[inline]
    fn switch_to(set: *const SecretSet) -> Watching {
        LEDGER.with(|ledger| {
            if !set.is_null() {
                // What was freed so far is the outer watch's.
                ledger.look_at_freed();
            }
            Watching { before: ledger.set.replace(set) }
        })
    }
}

impl Drop for Watching {
    #[inline]
    fn drop(&mut self) {
        LEDGER.with(|ledger| {
            ledger.look_at_freed();
            ledger.set.set(self.before);
        });
    }
}
