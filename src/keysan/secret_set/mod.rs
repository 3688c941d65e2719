//! Holds masked secrets and finds any eight bytes of them in memory.

use std::fmt;

/// Eight-byte windows in a sixteen-byte secret, one for each offset from 0 to 8.
const WINDOWS: usize = 9;

/// Secrets a set can hold.
///
/// 512 secrets are 4,608 windows: 3.5 % of the filter's bits. Above 5 % too many words of innocent
/// memory survive the filter, and the scan slows down.
const CAPACITY: usize = 512;

/// Bits of a spread word that choose a filter bit: 2^17 bits are 16 KiB, half of a first-level
/// cache.
const FILTER_BITS: u32 = 17;
const FILTER_WORDS: usize = 1 << (FILTER_BITS - 6);

/// Bits of a spread word that choose a place in the table, which is a bit over half full at most.
const SLOT_BITS: u32 = 13;
const SLOTS: usize = 1 << SLOT_BITS;

/// Set in an entry's home when it was the first to set its filter bit.
const FIRST_ON_ITS_BIT: u16 = 1 << 15;

/// A set of secrets to look for, kept masked.
///
/// Each secret is stored as its nine 8-byte windows XORed with a mask, never in the clear, so a
/// scan of the set's own memory finds nothing. Every word of the memory under scan gets the same
/// mask, is looked up in a small bitmap, and the few that survive are compared with the windows.
/// The cost of a scan hardly depends on the number of secrets.
///
/// All memory is taken in [`SecretSet::new`]; registering, clearing and scanning allocate nothing.
pub struct SecretSet {
    mask: u64,
    /// One bit for each spread word that may be a window.
    filter: Box<[u64; FILTER_WORDS]>,
    /// Open addressing: 0 is empty, `n` is entry `n - 1`.
    slots: Box<[u16; SLOTS]>,
    /// Masked windows; entry `n` is window `n % 9` of secret `n / 9`.
    needles: Vec<u64>,
    /// For each entry its slot and [`FIRST_ON_ITS_BIT`], so that it can be taken out again.
    homes: Vec<u16>,
    /// The caller's name of each secret.
    tags: Vec<u32>,
    /// Whether eight zero bytes may be a window; if not, zeroed lines are skipped.
    zero_may_be_a_needle: bool,
}

/// Eight bytes of a secret, seen where the scan looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The caller's name of the secret.
    pub tag: u32,
    /// Which eight bytes: they begin at this offset of the secret, 0 to 8.
    pub window: u8,
    /// Where they begin in the scanned bytes.
    pub position: usize,
}

/// The set holds as many secrets as it can; the one offered was not registered.
///
/// Scanning on would pass over that secret in silence, so a caller should treat this as a failure
/// of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetIsFull;

impl SecretSet {
    /// An empty set with keysan's own mask.
    #[must_use]
    pub fn new() -> SecretSet {
        SecretSet::with_mask(0)
    }

    /// An empty set whose mask is derived from `seed`.
    ///
    /// The mask is no secret: it only keeps windows from standing in memory in the clear. No seed
    /// gives a mask with a zero byte, which would leave a byte of every window as it was.
    #[must_use]
    pub fn with_mask(seed: u64) -> SecretSet {
        SecretSet {
            mask: mix(seed) | 0x0101_0101_0101_0101,
            filter: zeroed_box(),
            slots: zeroed_box(),
            needles: Vec::with_capacity(CAPACITY * WINDOWS),
            homes: Vec::with_capacity(CAPACITY * WINDOWS),
            tags: Vec::with_capacity(CAPACITY),
            zero_may_be_a_needle: false,
        }
    }

    /// Adds a secret under the caller's name for it.
    ///
    /// The same sixteen bytes registered again take no room and keep their first tag. Secrets that
    /// share only a window keep both tags, and both are sighted.
    pub fn register(&mut self, secret: &[u8; 16], tag: u32) -> Result<(), SetIsFull> {
        let needles = masked_windows(secret, self.mask);
        if self.holds(&needles) {
            return Ok(());
        }
        if self.tags.len() == CAPACITY {
            return Err(SetIsFull);
        }
        self.tags.push(tag);
        for needle in needles {
            self.insert(needle);
        }
        Ok(())
    }

    /// Forgets every secret. Costs time for what was registered, not for the size of the set.
    pub fn clear(&mut self) {
        for &needle in &self.needles {
            self.filter[Place::of(needle).filter_word] = 0;
        }
        for home in &self.homes {
            self.slots[usize::from(home & !FIRST_ON_ITS_BIT) % SLOTS] = 0;
        }
        self.needles.clear();
        self.homes.clear();
        self.tags.clear();
        self.zero_may_be_a_needle = false;
    }

    /// How many secrets are registered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tags.len()
    }

    /// Whether no secret is registered, so that a scan can find nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    /// Looks at every word of `bytes` whose address is a multiple of eight.
    ///
    /// That is enough for a complete copy of a secret at any address, since sixteen bytes always
    /// contain an aligned word. A part of a secret is found when it contains one.
    pub fn scan_aligned(&self, bytes: &[u8], sink: &mut dyn FnMut(Sighting)) {
        if self.is_empty() {
            return;
        }
        let start = bytes.as_ptr().addr().wrapping_neg() % 8;
        let Some(aligned) = bytes.get(start..) else { return };
        let (lines, rest) = aligned.as_chunks::<64>();
        for (index, line) in lines.iter().enumerate() {
            let words = line.as_chunks::<8>().0;
            if self.line_may_hold_a_needle(words) {
                self.confirm(words, start + index * 64, sink);
            }
        }
        let words = rest.as_chunks::<8>().0;
        if words.iter().any(|word| self.may_be_a_needle(self.masked(word))) {
            self.confirm(words, start + lines.len() * 64, sink);
        }
    }

    /// Looks at every offset of `bytes`; for outputs and decoded text, where a part of a secret
    /// may stand anywhere.
    pub fn scan_bytes(&self, bytes: &[u8], sink: &mut dyn FnMut(Sighting)) {
        if self.is_empty() {
            return;
        }
        for (position, window) in bytes.windows(8).enumerate() {
            let Some(word) = window.first_chunk() else { return };
            if self.may_be_a_needle(self.masked(word)) {
                self.confirm(std::slice::from_ref(word), position, sink);
            }
        }
    }

    /// Takes out the secret registered last, leaving the set as it was before.
    pub(crate) fn forget_last(&mut self) {
        if self.tags.pop().is_none() {
            return;
        }
        for _ in 0..WINDOWS {
            // Last in, first out: no later entry can have probed past this one, and no later entry
            // relies on a filter bit that this one set.
            if let (Some(needle), Some(home)) = (self.needles.pop(), self.homes.pop()) {
                self.slots[usize::from(home & !FIRST_ON_ITS_BIT) % SLOTS] = 0;
                if home & FIRST_ON_ITS_BIT != 0 {
                    let place = Place::of(needle);
                    self.filter[place.filter_word] &= !(1 << place.filter_bit);
                }
            }
        }
    }

    #[inline]
    fn masked(&self, word: &[u8; 8]) -> u64 {
        u64::from_le_bytes(*word) ^ self.mask
    }

    #[inline]
    fn may_be_a_needle(&self, masked: u64) -> bool {
        self.filter_says(masked) & 1 != 0
    }

    /// The answer is in the lowest bit, so that eight of them can be combined without a branch.
    #[inline]
    fn filter_says(&self, masked: u64) -> u64 {
        let place = Place::of(masked);
        self.filter[place.filter_word] >> place.filter_bit
    }

    #[inline]
    fn line_may_hold_a_needle(&self, words: &[[u8; 8]]) -> bool {
        let any_bit = words.iter().fold(0, |bits, word| bits | u64::from_le_bytes(*word));
        if any_bit == 0 && !self.zero_may_be_a_needle {
            return false;
        }
        let says = words.iter().fold(0, |says, word| says | self.filter_says(self.masked(word)));
        says & 1 != 0
    }

    /// Compares words that passed the filter with the windows themselves.
    #[cold]
    #[inline(never)]
    fn confirm(&self, words: &[[u8; 8]], start: usize, sink: &mut dyn FnMut(Sighting)) {
        for (index, word) in words.iter().enumerate() {
            let masked = self.masked(word);
            // Mostly one word of eight survived; asking again is cheaper than eight table look-ups.
            if !self.may_be_a_needle(masked) {
                continue;
            }
            for entry in self.entries_in_chain(masked) {
                if self.needles[entry] == masked {
                    let window = u8::try_from(entry % WINDOWS).unwrap_or(u8::MAX);
                    let tag = self.tags[entry / WINDOWS];
                    sink(Sighting { tag, window, position: start + index * 8 });
                }
            }
        }
    }

    /// The entries that share this word's place in the table. The table is never full.
    fn entries_in_chain(&self, masked: u64) -> impl Iterator<Item = usize> {
        let mut slot = Place::of(masked).slot;
        std::iter::from_fn(move || {
            let entry = usize::from(self.slots[slot]).checked_sub(1)?;
            slot = (slot + 1) % SLOTS;
            Some(entry)
        })
    }

    fn holds(&self, needles: &[u64; WINDOWS]) -> bool {
        self.may_be_a_needle(needles[0])
            && self.entries_in_chain(needles[0]).any(|entry| {
                entry % WINDOWS == 0 && self.needles.get(entry..entry + WINDOWS) == Some(needles)
            })
    }

    #[inline]
    fn insert(&mut self, needle: u64) {
        let place = Place::of(needle);
        let filter_word = &mut self.filter[place.filter_word];
        let first = (*filter_word >> place.filter_bit) & 1 == 0;
        *filter_word |= 1 << place.filter_bit;
        let mut slot = place.slot;
        while self.slots[slot] != 0 {
            slot = (slot + 1) % SLOTS;
        }
        self.needles.push(needle);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "at most 4,608 entries in 8,192 slots, checked by a test"
        )]
        let (number, home) = (self.needles.len() as u16, slot as u16);
        self.slots[slot] = number;
        self.homes.push(if first { home | FIRST_ON_ITS_BIT } else { home });
        self.zero_may_be_a_needle |= needle == self.mask;
    }
}

impl Default for SecretSet {
    fn default() -> SecretSet {
        SecretSet::new()
    }
}

/// Shows the number of secrets and nothing of them.
impl fmt::Debug for SecretSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretSet").field("secrets", &self.len()).finish_non_exhaustive()
    }
}

impl fmt::Display for SetIsFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the set already holds {CAPACITY} secrets")
    }
}

impl std::error::Error for SetIsFull {}

/// Where a masked word belongs in the filter and in the table.
struct Place {
    filter_word: usize,
    filter_bit: u64,
    slot: usize,
}

impl Place {
    /// One multiplication moves every bit of the word into the top bits, from which both places
    /// are taken.
    #[inline]
    fn of(masked: u64) -> Place {
        let spread = masked.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Place {
            filter_word: (spread >> (64 - FILTER_BITS + 6)) as usize,
            filter_bit: (spread >> (64 - FILTER_BITS)) % 64,
            slot: (spread >> (64 - SLOT_BITS)) as usize,
        }
    }
}

#[inline]
fn masked_windows(secret: &[u8; 16], mask: u64) -> [u64; WINDOWS] {
    let whole = u128::from_le_bytes(*secret);
    std::array::from_fn(|offset| {
        #[expect(clippy::cast_possible_truncation, reason = "the lowest eight bytes are wanted")]
        let window = (whole >> (8 * offset)) as u64;
        window ^ mask
    })
}

/// A finishing step of a well-known generator: similar seeds give unlike words.
pub(crate) fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Zeroed memory straight from the allocator, without a detour over the stack.
fn zeroed_box<T: Copy + Default, const LEN: usize>() -> Box<[T; LEN]> {
    match vec![T::default(); LEN].into_boxed_slice().try_into() {
        Ok(array) => array,
        Err(_) => unreachable!("the vector was made with this length"),
    }
}

#[cfg(test)]
mod tests;
