//! Every masked window of a set in order of registration, and a hash table over them.

use super::{SetIsFull, zeroed_box};

/// Windows that fit: 1024 secrets in full and 11,264 by their words.
pub(super) const NEEDLES_MAX: usize = 1024 * 9 + 11_264 * 3;

/// Slots in use as long as the set is small: 8 KiB, so that they stay in a first-level cache.
const SLOT_BITS_MIN: u32 = 12;

/// Slots in use when the set is full: a third of them hold something.
const SLOT_BITS_MAX: u32 = 17;

const SLOTS: usize = 1 << SLOT_BITS_MAX;

const _: () = assert!(2 * NEEDLES_MAX < 1 << SLOT_BITS_MAX, "at most half of the slots fill");
const _: () = assert!(NEEDLES_MAX < u16::MAX as usize, "a slot can name every needle");

/// More needles than this are never compared one after the other.
const UNPLACED_MAX: u16 = 512;

/// With this many needles, emptying all slots in use costs no more than finding theirs.
pub(super) const MANY: usize = 768;

/// One masked window.
#[derive(Clone, Copy, Default)]
pub(super) struct Needle {
    pub(super) masked: u64,
    /// The caller's name of its secret.
    pub(super) tag: u32,
    /// Its offset in its secret.
    pub(super) window: u8,
}

/// The needles, found by their bits with open addressing.
///
/// Equal windows of several secrets all have a slot. A window is placed in the first free slot at
/// or behind its home, so a walk from there meets equal ones in order of registration.
pub(super) struct Needles {
    /// The needles from number 1 on; what is behind the last was forgotten, and is no needle.
    numbered: Box<[Needle; 1 << 16]>,
    last: u16,
    /// Needles up to this one are in the table. The others are compared one after the other, which
    /// is cheaper for a set that is seldom met with.
    placed: u16,
    /// Numbers of needles, or zero. Those up to `last_slot` are in use.
    slots: Box<[u16; SLOTS]>,
    last_slot: usize,
}

impl Needles {
    pub(super) fn new() -> Needles {
        Needles {
            numbered: zeroed_box(),
            last: 0,
            placed: 0,
            slots: zeroed_box(),
            last_slot: (1 << SLOT_BITS_MIN) - 1,
        }
    }

    pub(super) fn list(&self) -> &[Needle] {
        &self.numbered[1..=usize::from(self.last)]
    }

    pub(super) fn numbered(&self, number: u16) -> &Needle {
        &self.numbered[usize::from(number)]
    }

    /// Makes sure that `count` more needles fit, so that a secret is taken whole or not at all.
    #[inline(always)]
    pub(super) fn make_room(&mut self, count: usize) -> Result<(), SetIsFull> {
        let wanted = usize::from(self.last) + count;
        if wanted > NEEDLES_MAX {
            return Err(SetIsFull);
        }
        if 2 * wanted > self.last_slot {
            self.use_more_slots();
        }
        Ok(())
    }

    /// Adds the windows at these offsets of a secret, for which there is room.
    #[inline(always)]
    pub(super) fn push_all<const COUNT: usize>(
        &mut self,
        windows: [u64; COUNT],
        offsets: [u8; COUNT],
        tag: u32,
    ) {
        let first = usize::from(self.last) + 1;
        let free = &mut self.numbered[first..first + COUNT];
        for ((place, masked), window) in free.iter_mut().zip(windows).zip(offsets) {
            *place = Needle { masked, tag, window };
        }
        self.last += u16::try_from(COUNT).expect("a secret has nine windows");
        if self.last - self.placed >= UNPLACED_MAX {
            self.place_all();
        }
    }

    /// Puts all needles into the table, so that meeting one costs the same whatever there are.
    #[inline]
    pub(super) fn place_all(&mut self) {
        for number in self.placed + 1..=self.last {
            self.place(number, self.numbered(number).masked);
        }
        self.placed = self.last;
    }

    /// Takes out the needle that was added last. Nothing was placed behind it on its account.
    pub(super) fn pop(&mut self) -> Option<Needle> {
        let needle = *self.list().last()?;
        if self.placed == self.last {
            let mut slot = self.home(needle.masked);
            while self.slots[slot] != self.last {
                slot = self.next(slot);
            }
            self.slots[slot] = 0;
            self.placed -= 1;
        }
        self.numbered[usize::from(self.last)] = Needle::default();
        self.last -= 1;
        Some(needle)
    }

    /// Whether it is worth a walk to look for `masked`.
    #[inline(always)]
    pub(super) fn may_hold(&self, masked: u64) -> bool {
        self.placed != self.last || self.slots[self.home(masked)] != 0
    }

    /// The numbers of the needles equal to `masked`, in order of registration.
    #[inline(always)]
    pub(super) fn equal_to(&self, masked: u64) -> impl Iterator<Item = u16> {
        let mut slot = self.home(masked);
        let placed = std::iter::from_fn(move || {
            loop {
                let number = self.slots[slot];
                if number == 0 {
                    return None;
                }
                slot = self.next(slot);
                if self.numbered(number).masked == masked {
                    return Some(number);
                }
            }
        });
        let unplaced = self.placed + 1..=self.last;
        placed.chain(unplaced.filter(move |&number| self.numbered(number).masked == masked))
    }

    /// Forgets all, in time proportional to what there was.
    ///
    /// A set that is filled as far again and again keeps its slots; otherwise half are given up.
    pub(super) fn clear(&mut self) {
        let count = usize::from(self.last);
        self.free_slots();
        (self.last, self.placed) = (0, 0);
        if 8 * count < self.last_slot && self.last_slot >> SLOT_BITS_MIN != 0 {
            self.last_slot /= 2;
        }
    }

    #[inline(always)]
    fn place(&mut self, number: u16, masked: u64) {
        let mut slot = self.home(masked);
        while self.slots[slot] != 0 {
            slot = self.next(slot);
        }
        self.slots[slot] = number;
    }

    /// Twice as many, which is enough for one more secret.
    #[cold]
    fn use_more_slots(&mut self) {
        self.free_slots();
        self.last_slot = 2 * self.last_slot + 1;
        self.placed = 0;
        self.place_all();
    }

    /// Empties every slot: all in use, or each run from the home of each needle to its end.
    ///
    /// A needle's slot is at or behind its home, and all between are taken, unless an earlier walk
    /// has emptied them; but that went on to the end of the run, past this needle.
    fn free_slots(&mut self) {
        if usize::from(self.placed) >= MANY {
            self.slots[..=self.last_slot].fill(0);
            return;
        }
        for number in 1..=self.placed {
            let mut slot = self.home(self.numbered(number).masked);
            while self.slots[slot] != 0 {
                self.slots[slot] = 0;
                slot = self.next(slot);
            }
        }
    }

    #[inline(always)]
    fn home(&self, masked: u64) -> usize {
        let spread = masked.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - SLOT_BITS_MAX);
        spread as usize & (self.last_slot % SLOTS)
    }

    #[inline(always)]
    fn next(&self, slot: usize) -> usize {
        (slot + 1) & (self.last_slot % SLOTS)
    }

    #[cfg(test)]
    pub(super) fn slots(&self) -> &[u16] {
        &self.slots[..]
    }

    /// The list and what is left behind it.
    #[cfg(test)]
    pub(super) fn memory(&self) -> &[Needle] {
        &self.numbered[..]
    }
}
