//! An arena: everything that watched calls allocate, kept readable until it is reset.
//!
//! Without an arena a freed block goes back to the system, and only what it held at that moment is
//! seen. While a watch is open on a thread with an arena attached, blocks come from the arena:
//! their contents stay when they are freed, a gap of paint stands behind each of them, and all of
//! it can be scanned at any time. [`Arena::reset`] begins the next sequence of calls.
//!
//! # Addresses
//!
//! Arenas lie at a fixed address where the kernel allows it. They are slots of a row: 256, or fewer under
//! a limit on address space, of which the row takes about half at most. Each thread's arena takes the
//! first free slot, and blocks follow one another, so the same sequence gets the
//! same addresses after each reset and in each run. In a sequence no address is given out twice.
//!
//! # Blocks that outlive a reset
//!
//! Safe code may hold a block for longer than its sequence: in a thread-local cache, in a panic's
//! payload. Such memory is never given out again while it is held. The *floor*, where the used
//! part begins, rises above the highest block still allocated and comes down again at the first
//! reset after its free; [`Arena::retained_len`] says how high it stands. What lies below the
//! floor is not scanned, and addresses are those of other runs only if the floor is.
//!
//! Blocks may be freed on any thread, during a watch or not. A free on another thread is noted and
//! collected when the arena is next scanned, checked, counted or reset. An arena dropped while
//! blocks are still allocated leaves its memory in place for ever.
//!
//! # Under a sanitizer
//!
//! A sanitizer hands out the blocks of C itself. Those that were allocated under a watch are known here all the same:
//! a scan looks into them for as long as they are allocated, and they are counted among the live and the retained.
//! Their gaps, and what they hold once they are freed, are the sanitizer's to mind.

mod known;
mod pages;
mod poison;
mod row;
mod space;
mod table;

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;

pub(crate) use row::ROW_END;
pub(super) use row::{holds, len_of, live_len_of};
pub(super) use space::Space;

use super::pause;
use crate::same::is_same;
use crate::secret_set::{Looked, SecretSet, Sighting};
use space::{CANARY_LEN, described};

/// What memory of an arena holds before anybody writes to it.
pub(crate) const PAINT_WORD: u64 = 0x0000_5AB5_5AB5_5AB5;

/// What a scan looks at together.
const LINE: usize = 64;

thread_local! {
    // Like the ledger: made at compile time, never dropped.
    static SPACE: Space = const { Space::new() };
}

/// Runs `look` with this thread's arena, attached or not.
#[inline]
pub(super) fn with_space<R>(look: impl FnOnce(&Space) -> R) -> R {
    SPACE.with(look)
}

/// The arena of the thread that attached it.
///
/// It takes effect through [`ScanningAllocator`](super::ScanningAllocator); with another global
/// allocator, which [`is_installed`](super::is_installed) tells, it stays empty.
pub struct Arena {
    /// The used part as it was when [`Arena::has_changed`] was last asked.
    before: RefCell<Vec<u64>>,
    /// All other state is the thread's.
    _stays_on_its_thread: PhantomData<*mut ()>,
}

/// Why there is no arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAttached {
    /// Not on this platform: arenas need 64-bit Linux, and Miri has none either.
    NotPorted,
    /// This thread has one already.
    AlreadyAttached,
    /// The kernel gave no address space, or every slot of the row is in use.
    NoAddressSpace,
}

/// A block of the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Which allocation since the last reset it was, from 0.
    pub number: u32,
    /// Its size in bytes as it was asked for.
    pub len: u32,
    /// The call that allocated it, by the caller's number: see [`Arena::begin_call`].
    pub allocated_in: u32,
    /// The call that freed it, or the one that was current when a free on another thread was
    /// noticed; `None` while it is allocated.
    pub freed_in: Option<u32>,
}

/// A place in the used part of the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockPlace {
    /// The block that the place lies in, or behind; `None` for the canary and the gap behind it.
    pub block: Option<Block>,
    /// Bytes from the start of the block, or of the used part if there is no block.
    pub offset: u32,
}

/// Where a block is, and where it is noted what becomes of it.
#[cfg(feature = "trace")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockMarks {
    /// Its first byte.
    pub(crate) start: *const u8,
    /// The eight bytes that become `count_with_it` when it is allocated.
    pub(crate) count: *const u8,
    pub(crate) count_with_it: u64,
    /// Eight bytes that change when it is freed.
    pub(crate) freed: *const u8,
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, len, allocated_in, freed_in } = self;
        write!(f, "block #{number} of {len} bytes, allocated in call {allocated_in}")?;
        match freed_in {
            Some(call) => write!(f, ", freed in call {call}"),
            None => f.write_str(", never freed"),
        }
    }
}

impl BlockPlace {
    /// Whether the place lies behind its block, in memory that is nobody's.
    #[must_use]
    pub fn is_in_gap(&self) -> bool {
        self.block.is_none_or(|block| self.offset >= block.len)
    }
}

/// Eight bytes of a secret in the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockSighting {
    /// The caller's name of the secret.
    pub tag: u32,
    /// Which eight bytes: they begin at this offset of the secret, 0 to 8.
    pub window: u8,
    /// Where they begin, in bytes from the start of the used part; see [`Arena::place_of`].
    pub position: usize,
}

/// A write to memory that was nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StrayWrite {
    /// Which rule was broken.
    pub kind: StrayKind,
    /// The first byte that changed in a gap. After a free only the block is known, and the offset
    /// is 0.
    pub place: BlockPlace,
}

/// What a stray write went to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrayKind {
    /// A block already freed.
    AfterFree,
    /// The gap behind a block, or before the first.
    IntoGap,
}

impl Arena {
    /// Attaches an empty arena to this thread; dropping it detaches it.
    ///
    /// Takes some 272 MiB of address space and as much memory as the largest sequence used.
    ///
    /// # Errors
    ///
    /// See [`NotAttached`].
    pub fn attach() -> Result<Arena, NotAttached> {
        Arena::attach_with_limit(row::MEMORY_LEN)
    }

    /// An arena that can hold no more than `limit` bytes, gaps included.
    pub(crate) fn attach_with_limit(limit: usize) -> Result<Arena, NotAttached> {
        if !pages::IS_PORTED {
            return Err(NotAttached::NotPorted);
        }
        pause(|| {
            with_space(|space| {
                if space.is_attached() {
                    return Err(NotAttached::AlreadyAttached);
                }
                let slot = row::Slot::claim().ok_or(NotAttached::NoAddressSpace)?;
                space.attach(slot, limit);
                Ok(Arena { before: RefCell::default(), _stays_on_its_thread: PhantomData })
            })
        })
    }

    /// Says which call the following allocations and frees belong to: any number of the caller's,
    /// 0 before the first call.
    #[inline]
    pub fn begin_call(&self, call: u32) {
        with_space(|space| space.begin_call(call));
    }

    /// Whether watched calls get their memory from here; from the system otherwise. At first they do.
    pub fn serve(&self, is_serving: bool) {
        with_space(|space| space.serve(is_serving));
    }

    /// Scans every block since the last reset, allocated or freed, and the gaps between them.
    ///
    /// The used part begins with the set's canary, planted here just before: an answer with
    /// [`Looked::canaries`] at 0 means that the scan did not look. Nothing that `sink` does is
    /// watched. A block that another thread writes to meanwhile is read as it happens to be.
    #[inline]
    pub fn scan(&self, set: &SecretSet, sink: &mut (impl FnMut(BlockSighting) + ?Sized)) -> Looked {
        looking(|space| {
            let (start, len) = space.used();
            if len < CANARY_LEN {
                return Looked::default();
            }
            // SAFETY: the used part begins with sixteen bytes for the canary, which are nobody's.
            set.plant_canary(unsafe { &mut *start.cast::<[u8; CANARY_LEN]>() });
            // SAFETY: the used part is written in full and stays mapped while the arena is
            // attached. Its blocks' owners are not at work: they are on this thread, outside the
            // scan. An owner on another thread, or a sink that writes to a block, is no more than
            // a word read before or after the write, because the loads are the machine's own. Up to
            // the next whole line, which scans quickest, there is paint.
            let looked = unsafe {
                let whole_len = space.painted_len(len.next_multiple_of(LINE));
                set.scan_memory(start, whole_len, &mut |Sighting { tag, window, position }| {
                    sink(BlockSighting { tag, window, position });
                })
            };
            let elsewhere = space.scan_elsewhere(set, &mut |Sighting { tag, window, position }| {
                sink(BlockSighting { tag, window, position });
            });
            match elsewhere {
                None => Looked { bytes: len, ..looked },
                // Each of the two has to have met its own.
                Some(Looked { bytes, canaries }) => {
                    Looked { bytes: len + bytes, canaries: looked.canaries.min(canaries) }
                }
            }
        })
    }

    /// Looks at the places up to seven bytes before and behind `offset` in this block, allocated or freed: a scan
    /// looks at aligned words only, and a copy may begin and end between two.
    ///
    /// The positions of the sightings are offsets in the block.
    #[cold]
    pub fn look_around(
        &self,
        set: &SecretSet,
        block: u32,
        offset: u32,
        sink: &mut dyn FnMut(BlockSighting),
    ) {
        looking(|space| {
            let Some(entry) = space.entry(block as usize) else { return };
            let (start, len) = (space.address_of(&entry), entry.len as usize);
            // SAFETY: a block of the used part, which is mapped; for its owner holds what `scan` says of it.
            unsafe {
                set.scan_around(start, len, offset as usize, &mut |seen| {
                    let Sighting { tag, window, position } = seen;
                    sink(BlockSighting { tag, window, position });
                });
            }
        });
    }

    /// Where a block is, and where it is noted what becomes of it: all of it readable until the arena is dropped.
    #[cfg(feature = "trace")]
    pub(crate) fn marks(&self, block: u32) -> Option<BlockMarks> {
        with_space(|space| space.marks(block as usize))
    }

    /// Hands out each freed block that was written to since its watch closed, and each gap written
    /// to. While a watch is open, only the gaps are checked.
    pub fn check_gaps_and_freed(&self, sink: &mut dyn FnMut(StrayWrite)) {
        looking(|space| {
            let mut check_gap = |start, end| {
                if let Some(offset) = first_unpainted(space, start, end) {
                    sink(StrayWrite { kind: StrayKind::IntoGap, place: space.place_of(offset) });
                }
            };
            let (start, end) = space.head_gap();
            check_gap(start, end);
            for (number, entry) in space.entries() {
                check_gap(entry.start as usize + entry.len as usize, space.gap_end(number));
            }
            if space.has_unseen() {
                return;
            }
            for (number, entry) in space.entries() {
                if entry.freed_in.is_some() && space.sum(entry.start, entry.len) != entry.sum {
                    let place = BlockPlace { block: Some(described(number, &entry)), offset: 0 };
                    sink(StrayWrite { kind: StrayKind::AfterFree, place });
                }
            }
        });
    }

    /// Appends the used part behind the canary to `into`, as words in the machine's byte order.
    ///
    /// Two runs of a sequence that differ in nothing but their keys can be compared by it.
    pub fn words(&self, into: &mut Vec<u64>) {
        looking(|space| {
            let (start, len) = space.used();
            let count = len.saturating_sub(CANARY_LEN) / 8;
            into.reserve(count);
            // SAFETY: the used part is written in full and a multiple of 8 long; there is room for
            // `count` words behind those of `into`. Should `into` itself be a block of the arena,
            // `copy` minds the overlap.
            unsafe {
                let from = start.wrapping_add(CANARY_LEN).cast::<u64>();
                from.copy_to(into.as_mut_ptr().add(into.len()), count);
                into.set_len(into.len() + count);
            }
        });
    }

    /// Whether the used part is another than when this was last asked, or [remembered], or since the
    /// last reset.
    ///
    /// Costs less than a scan, which is only worth while when there is something new to see.
    ///
    /// [remembered]: Arena::remember
    pub fn has_changed(&self) -> bool {
        // What lies elsewhere is not compared.
        let has_elsewhere = with_space(Space::has_elsewhere);
        has_elsewhere
            | self.with_before(|before, now| {
                let has_changed = !is_same(before, now);
                if has_changed {
                    before.clear();
                    before.extend_from_slice(now);
                }
                has_changed
            })
    }

    /// Takes the used part for seen, so that [`has_changed`](Arena::has_changed) asks about what
    /// changes from now on.
    pub fn remember(&self) {
        self.with_before(|before, now| {
            before.clear();
            before.extend_from_slice(now);
        });
    }

    /// The used part behind the canary as it was when last asked for, and as it is.
    #[inline]
    fn with_before<R>(&self, compare: impl FnOnce(&mut Vec<u64>, &[u64]) -> R) -> R {
        looking(|space| {
            let (floor, used_len) = (space.floor(), space.used_len());
            // SAFETY: the used part; its owners are not at work, and the poison is lifted.
            let now = unsafe { space.words(floor + CANARY_LEN, floor + used_len) };
            compare(&mut self.before.borrow_mut(), now)
        })
    }

    /// Which of [`Arena::words`] is at a position.
    #[must_use]
    pub fn word_at(&self, position: usize) -> usize {
        position.saturating_sub(CANARY_LEN) / 8
    }

    /// Where word `index` of [`Arena::words`] stands.
    #[must_use]
    pub fn place_of_word(&self, index: usize) -> BlockPlace {
        self.place_of(index.saturating_mul(8).saturating_add(CANARY_LEN))
    }

    /// What is at a position of the used part.
    #[must_use]
    pub fn place_of(&self, position: usize) -> BlockPlace {
        with_space(|space| space.place_of(space.floor() + position))
    }

    /// Where in the used part an address is.
    #[inline]
    #[must_use]
    pub fn position_of(&self, address: *const u8) -> Option<usize> {
        with_space(|space| {
            let position = space.offset_of(address)?.checked_sub(space.floor())?;
            (position < space.used_len()).then_some(position)
        })
    }

    /// Which block an address lies in, allocated or freed, and how far from its start.
    ///
    /// `None` for everything else, blocks from before the last reset included.
    #[must_use]
    pub fn locate(&self, address: *const u8) -> Option<(u32, usize)> {
        with_space(|space| {
            let place = space.place_of(space.offset_of(address)?);
            let block = place.block.filter(|_| !place.is_in_gap())?;
            Some((block.number, place.offset as usize))
        })
    }

    /// Hands out every block since the last reset, allocated or freed, with its address.
    pub fn each_block(&self, sink: &mut dyn FnMut(Block, *const u8)) {
        looking(|space| {
            for (number, entry) in space.entries() {
                sink(described(number, &entry), space.address_of(&entry));
            }
        });
    }

    /// Bytes in use since the last reset: canary, blocks and gaps.
    #[must_use]
    pub fn used_len(&self) -> usize {
        with_space(Space::used_len)
    }

    /// Bytes below the floor, held by blocks from before the last reset and lost to this sequence; and those of a
    /// sanitizer's blocks from before.
    #[must_use]
    pub fn retained_len(&self) -> usize {
        with_space(Space::retained_len)
    }

    /// Blocks since the last reset, freed ones included.
    #[must_use]
    pub fn block_count(&self) -> usize {
        with_space(Space::block_count)
    }

    /// Blocks still allocated, those from before the last reset included.
    #[must_use]
    pub fn live_count(&self) -> usize {
        with_space(|space| {
            space.collect_foreign_frees();
            space.live_count()
        })
    }

    /// Requests since the last reset that the arena had no room for. The system served them; what
    /// those blocks held was scanned when they were freed, and not kept.
    #[must_use]
    pub fn outside_count(&self) -> u64 {
        with_space(Space::outside_count)
    }

    /// Forgets everything but the blocks still allocated, and paints the used part again.
    ///
    /// The next sequence gets the addresses of the last one, unless blocks are retained.
    #[inline]
    pub fn reset(&self) {
        // What it holds was secret once. A sequence only ever uses more, so nothing is left behind
        // its end.
        let mut before = self.before.borrow_mut();
        before.fill(0);
        std::hint::black_box(&mut *before).clear();
        with_space(Space::reset);
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        with_space(Space::detach);
    }
}

/// Shows how much there is, and nothing of it.
impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena")
            .field("blocks", &self.block_count())
            .field("used_len", &self.used_len())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for NotAttached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotAttached::NotPorted => "arenas need 64-bit Linux",
            NotAttached::AlreadyAttached => "this thread already has an arena",
            NotAttached::NoAddressSpace => "no address space for another arena",
        })
    }
}

impl std::error::Error for NotAttached {}

/// Runs `look` on this thread's arena when nothing else happens to it: unwatched, with other
/// threads' frees collected and all of it readable.
#[inline]
fn looking<R>(look: impl FnOnce(&Space) -> R) -> R {
    pause(|| {
        with_space(|space| {
            space.collect_foreign_frees();
            space.with_poison_lifted(|| look(space))
        })
    })
}

/// The first byte of a gap that is not paint.
fn first_unpainted(space: &Space, start: usize, end: usize) -> Option<usize> {
    let aligned = start - start % 8;
    // SAFETY: a gap is nobody's to write to, and the poison is lifted.
    let words = unsafe { space.words(aligned, end) };
    let painted = PAINT_WORD.to_ne_bytes();
    words.iter().zip((aligned..).step_by(8)).find_map(|(word, at)| {
        if *word == PAINT_WORD {
            return None;
        }
        // The first word may begin with the last bytes of the block.
        let bytes = (at..).zip(word.to_ne_bytes()).zip(painted);
        let mut changed = bytes.filter(|&((offset, byte), paint)| offset >= start && byte != paint);
        changed.next().map(|((offset, _), _)| offset)
    })
}

#[cfg(test)]
mod tests;
