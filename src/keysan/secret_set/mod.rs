//! Holds masked secrets and finds any eight bytes of them in memory.

use std::fmt;

/// Eight-byte windows in a sixteen-byte secret, one for each offset from 0 to 8.
const WINDOWS: usize = 9;

/// Bits of a spread word that choose a filter bit: 2^17 bits are 16 KiB, half of a first-level
/// cache.
const FILTER_BITS: u32 = 17;
const FILTER_WORDS: usize = 1 << (FILTER_BITS - 6);

/// A set of secrets to look for, kept masked.
///
/// Each secret is stored as its nine 8-byte windows XORed with a mask, never in the clear, so a
/// scan of the set's own memory finds nothing. Every word of the memory under scan gets the same
/// mask, is looked up in a small bitmap, and the few that survive are compared with the windows.
/// Up to some dozens of secrets, the cost of a scan hardly depends on their number.
///
/// All memory is taken in [`SecretSet::new`]; registering, clearing and scanning allocate nothing.
pub struct SecretSet {
    mask: u64,
    /// One bit for each spread word that may be a window.
    filter: Box<[u64; FILTER_WORDS]>,
    /// Masked windows of each secret.
    needles: Vec<[u64; WINDOWS]>,
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
    /// How many secrets a set can hold.
    ///
    /// Their windows are 7 % of the filter's bits. Of fuller filters too many words of innocent
    /// memory survive, and the scan slows down.
    pub const CAPACITY: usize = 1024;

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
            needles: Vec::with_capacity(SecretSet::CAPACITY),
            tags: Vec::with_capacity(SecretSet::CAPACITY),
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
        if self.tags.len() == SecretSet::CAPACITY {
            return Err(SetIsFull);
        }
        self.tags.push(tag);
        self.needles.push(needles);
        needles.iter().for_each(|&needle| self.note(needle));
        Ok(())
    }

    /// Forgets every secret. Costs time for what was registered, not for the size of the set.
    pub fn clear(&mut self) {
        for &needle in self.needles.as_flattened() {
            self.filter[Place::of(needle).word] = 0;
        }
        self.needles.clear();
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
        let kept = self.tags.len().saturating_sub(1);
        let (needles, tags) = (self.needles.clone(), self.tags.clone());
        self.clear();
        self.needles.extend(&needles[..kept]);
        self.tags.extend(&tags[..kept]);
        needles[..kept].as_flattened().iter().for_each(|&needle| self.note(needle));
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
        self.filter[place.word] >> place.bit
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
            // Mostly one word of eight survived, and asking again is cheap. The survivor is compared
            // with every window, one after the other: there are few, and so are survivors.
            if !self.may_be_a_needle(masked) {
                continue;
            }
            let windows = self.needles.as_flattened().iter().enumerate();
            for (entry, _) in windows.filter(|&(_, needle)| *needle == masked) {
                let window = u8::try_from(entry % WINDOWS).unwrap_or(u8::MAX);
                let tag = self.tags[entry / WINDOWS];
                sink(Sighting { tag, window, position: start + index * 8 });
            }
        }
    }

    fn holds(&self, needles: &[u64; WINDOWS]) -> bool {
        self.may_be_a_needle(needles[0]) && self.needles.contains(needles)
    }

    /// Lets a masked window through the filter.
    #[inline]
    fn note(&mut self, needle: u64) {
        let place = Place::of(needle);
        self.filter[place.word] |= 1 << place.bit;
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
        write!(f, "the set already holds {} secrets", SecretSet::CAPACITY)
    }
}

impl std::error::Error for SetIsFull {}

/// Where a masked word belongs in the filter.
struct Place {
    word: usize,
    bit: u64,
}

impl Place {
    /// One multiplication moves every bit of the word into the top bits, which choose the place.
    #[inline]
    fn of(masked: u64) -> Place {
        let spread = masked.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Place {
            word: (spread >> (64 - FILTER_BITS + 6)) as usize,
            bit: (spread >> (64 - FILTER_BITS)) % 64,
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
