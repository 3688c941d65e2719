//! keysan's own variables: two tell where all others are, two prove that it is true.
//!
//! The file says where variables are relative to each other, and a running program where one of
//! them is. So the address of one static, less its symbol's value, is what all statics were moved
//! by, and the same holds for the thread-locals of a thread. No rule of a loader, an architecture
//! or a thread library has to be known for that.

use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use super::symbols::{RegionKind, Symbol};
use crate::secret_set::SecretSet;

static ANCHOR: AtomicU64 = AtomicU64::new(0);
static CANARY: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];

thread_local! {
    static LOCAL_ANCHOR: Cell<u64> = const { Cell::new(0) };
    static LOCAL_CANARY: Cell<[u64; 2]> = const { Cell::new([0; 2]) };
}

/// keysan's own variables, as the program's file describes them.
#[derive(Debug)]
pub(super) struct Own {
    anchor: usize,
    local_anchor: usize,
    canary: Symbol,
    local_canary: Symbol,
}

/// What to add to a symbol's value, in the calling thread.
#[derive(Clone, Copy)]
pub(super) struct Bases {
    statics: usize,
    /// `None` where this thread has none yet.
    thread_locals: Option<usize>,
}

impl Own {
    /// Finds them by name, and checks that the canaries are where the anchors say.
    pub(super) fn find(symbols: &[Symbol]) -> Option<Own> {
        let own = Own {
            anchor: the_one(symbols, "ANCHOR")?.value,
            local_anchor: the_one(symbols, "LOCAL_ANCHOR")?.value,
            canary: the_one(symbols, "CANARY")?.clone(),
            local_canary: the_one(symbols, "LOCAL_CANARY")?.clone(),
        };
        let bases = own.bases();
        // Black boxes, here and below: the optimiser removes variables that it sees nobody read.
        let canary = black_box(&CANARY).as_ptr().addr();
        let local_canary = LOCAL_CANARY.with(|canary| black_box(canary).as_ptr().addr());
        let is_proven = bases.address_of(&own.canary) == Some(canary)
            && bases.address_of(&own.local_canary) == Some(local_canary);
        is_proven.then_some(own)
    }

    pub(super) fn canaries(&self) -> [&Symbol; 2] {
        [&self.canary, &self.local_canary]
    }

    #[inline]
    pub(super) fn bases(&self) -> Bases {
        let local_anchor = LOCAL_ANCHOR.with(|anchor| black_box(anchor).as_ptr().addr());
        Bases {
            statics: black_box(&ANCHOR).as_ptr().addr().wrapping_sub(self.anchor),
            thread_locals: Some(local_anchor.wrapping_sub(self.local_anchor)),
        }
    }
}

impl Bases {
    pub(super) fn new(statics: usize, thread_locals: Option<usize>) -> Bases {
        Bases { statics, thread_locals }
    }

    #[inline]
    pub(super) fn address_of(self, symbol: &Symbol) -> Option<usize> {
        let base = match symbol.kind {
            RegionKind::Static => self.statics,
            RegionKind::ThreadLocal => self.thread_locals?,
        };
        Some(base.wrapping_add(symbol.value))
    }
}

/// Writes the set's canary into both; all sets have the same one, so that threads do not disagree.
pub(super) fn plant(set: &SecretSet) {
    let mut canary = [0; 16];
    set.plant_canary(&mut canary);
    let (first, second) = canary.split_at(8);
    let words =
        [first, second].map(|half| half.first_chunk().map_or(0, |&half| u64::from_ne_bytes(half)));
    CANARY.iter().zip(words).for_each(|(place, word)| place.store(word, Ordering::Relaxed));
    LOCAL_CANARY.set(words);
}

/// The one symbol of this module whose name has this segment; none if several have it, as when a
/// program contains two versions of keysan.
fn the_one<'a>(symbols: &'a [Symbol], segment: &str) -> Option<&'a Symbol> {
    let is_meant = |symbol: &&Symbol| {
        let name = symbol.name.strip_prefix(concat!(module_path!(), "::"));
        name.is_some_and(|name| name.split("::").next() == Some(segment))
    };
    let mut meant = symbols.iter().filter(is_meant);
    meant.next().filter(|_| meant.next().is_none())
}
