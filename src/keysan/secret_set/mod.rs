//! Holds masked secrets and finds any eight bytes of them in memory.

use std::fmt;

mod backend;
mod canary;
mod filter;
mod masked;
mod needles;
mod scan;

pub use backend::Backend;

use canary::Canary;
use filter::Filter;
use masked::{WINDOWS, window, window_of};
use needles::{MANY, Needle, Needles};

/// The offsets of all windows.
const ALL_WINDOWS: [u8; WINDOWS] = [0, 1, 2, 3, 4, 5, 6, 7, 8];

/// The offsets of the windows that [`SecretSet::register_words`] registers.
const WORD_WINDOWS: [u8; 3] = [0, 4, 8];

/// A word for painting memory that shall later be seen to be untouched.
///
/// A scan passes over it as quickly as over zeros: like a pointer or a small number it is plain
/// (see [`SecretSet`]).
pub const PAINT_WORD: u64 = 0x0000_5AB5_5AB5_5AB5;

/// A set of secrets to look for, kept masked.
///
/// # How it looks
///
/// Each secret is stored as its nine 8-byte windows XORed with a mask. Every word of the memory
/// under scan gets the same mask on its way into a register, and is then asked three questions. Each
/// takes more time than the one before, and is asked of fewer words:
///
/// 1. Is it *plain*, its upper seventeen bits all zero or all one? Then it is a pointer, a small
///    number or [`PAINT_WORD`], and no needle. (Should a window be plain, as in a secret of zeros,
///    the question is not asked: nothing is ever passed over.)
/// 2. Is its bit set in a bitmap of 16 KiB? Up to some 700 secrets, less than 5 % of the bits are.
/// 3. Is it one of the windows, by a hash table?
///
/// All memory is taken in [`SecretSet::new`]; registering, clearing and scanning allocate nothing.
///
/// # Its canary
///
/// A set always holds one secret of its own, which is no secret. [`SecretSet::plant_canary`] writes
/// it, and scans count its windows in [`Looked::canaries`]: a region whose canary was not seen was
/// not looked at. It outlives [`SecretSet::clear`] and counts as nothing registered.
///
/// # Never in the clear
///
/// On x86-64, neither registering nor scanning puts a byte of a secret into a register or onto the
/// stack without a mask on it: the mask is applied by the instruction that loads. What the set
/// itself keeps is masked, its canary too. Not guaranteed: what the caller's own copy of the secret
/// leaves behind on its way here, what the processor keeps in its caches and buffers, and anything
/// on other architectures; on AArch64, scanning has eight bytes at a time in one register for one
/// instruction before they are masked there. The mask is in the same memory: it keeps bytes from being found by a
/// scan, not from somebody who looks for them.
///
/// # False alarms
///
/// With W windows registered, B bytes of aligned memory that look random hold W * (B / 8) / 2^64
/// windows by chance. Twenty keys and random numbers with nine windows and the round keys of ten
/// keys with thirty are 480 windows; 10 KiB scanned a sequence are 1280 words; so 3.3e-14 chance
/// hits a sequence, and at 60,000 sequences a second one in 16 years, if all of that memory were
/// random. Most is not, and what is plain cannot match.
pub struct SecretSet {
    mask: u64,
    backend: Backend,
    filter: Filter,
    needles: Needles,
    canary: Canary,
    /// Whether a window of the canary is one of a secret, too.
    shares_canary: bool,
    /// How many secrets the needles belong to.
    len: usize,
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

/// What a scan did, whatever it found: a region without its canary was not looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// How many bytes were looked at.
    pub bytes: usize,
    /// How many windows of the canary were seen.
    pub canaries: u32,
}

/// The set has no room for the secret offered; nothing of it was registered.
///
/// Scanning on would pass over that secret in silence, so a caller should treat this as a failure
/// of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetIsFull;

impl SecretSet {
    /// How many secrets a set holds in full, with room left for 11,264 more by their words.
    ///
    /// Room is counted in windows, of which a secret takes nine in full and three by its words; a
    /// set that registers nothing by words holds more than these.
    pub const CAPACITY: usize = 1024;

    /// How many windows a set can hold: nine for a secret, three for one registered by its words.
    pub const WINDOWS_MAX: usize = needles::NEEDLES_MAX;

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
        let mask = mix(seed) | 0x0101_0101_0101_0101;
        let mut set = SecretSet {
            mask,
            backend: Backend::best(),
            filter: Filter::new(),
            needles: Needles::new(),
            canary: Canary::new(mask),
            shares_canary: false,
            len: 0,
        };
        set.admit_canary();
        set
    }

    /// The same set, scanning with `backend` instead of the best; for tests and benchmarks.
    ///
    /// # Panics
    ///
    /// When the processor lacks its instructions ([`Backend::is_available`]).
    #[must_use]
    pub fn with_backend(self, backend: Backend) -> SecretSet {
        assert!(backend.is_available(), "this processor has no {backend:?}");
        SecretSet { backend, ..self }
    }

    /// Adds a secret under the caller's name for it, and answers the name that it has now.
    ///
    /// The same sixteen bytes registered again take no room and keep their first tag. Secrets that
    /// share only a window keep both tags, and both are sighted.
    #[inline]
    pub fn register(&mut self, secret: &[u8; 16], tag: u32) -> Result<u32, SetIsFull> {
        self.register_windows(secret, ALL_WINDOWS, tag)
    }

    /// Adds only the windows at offsets 0, 4 and 8: for material that always lies on boundaries of
    /// four bytes, such as round keys. Costs a third of [`SecretSet::register`].
    ///
    /// A copy at another alignment is not found. Bytes that are registered in full already take no
    /// room and keep their first tag; the other way round, both registrations count.
    #[inline]
    pub fn register_words(&mut self, secret: &[u8; 16], tag: u32) -> Result<u32, SetIsFull> {
        self.register_windows(secret, WORD_WINDOWS, tag)
    }

    /// Adds eight bytes alone, unless they are there under a tag that `is_same` knows; whether they were added.
    pub(crate) fn register_window(
        &mut self,
        bytes: &[u8; 8],
        tag: u32,
        is_same: impl Fn(u32) -> bool,
    ) -> Result<bool, SetIsFull> {
        let masked = window_of(bytes, self.mask);
        if self.needles.equal_to(masked).any(|it| is_same(self.needles.numbered(it).tag)) {
            return Ok(false);
        }
        self.needles.make_room(1)?;
        self.filter.note_plain(&[masked], self.mask);
        self.filter.admit(masked);
        self.note_shared(&[masked]);
        self.needles.push_all([masked], [0], tag);
        self.len += 1;
        Ok(true)
    }

    /// Forgets every secret. Costs time for what was registered, not for the size of the set.
    pub fn clear(&mut self) {
        if self.needles.list().len() >= MANY {
            self.filter.forget_all();
        } else {
            self.filter.forget(self.needles.list().iter().map(|needle| needle.masked));
        }
        self.shares_canary = false;
        self.needles.clear();
        self.len = 0;
        self.admit_canary();
    }

    /// Makes ready for scans that will meet secrets, such as live ones in their homes.
    ///
    /// Without it, secrets registered last are searched for one by one when something looks like
    /// one of them, which is cheaper as long as nothing does.
    #[inline]
    pub fn expect_to_meet(&mut self) {
        self.needles.place_all();
    }

    /// How many secrets are registered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no secret is registered, so that a scan can find nothing but canaries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Writes the set's canary, which a scan that covers `place` counts in [`Looked::canaries`].
    ///
    /// The canary is the same for every set, whatever its mask.
    #[inline]
    pub fn plant_canary(&self, place: &mut [u8; 16]) {
        self.canary.plant(place, self.mask);
    }

    /// Takes out the secret registered last, leaving the set as it was before.
    pub(crate) fn forget_last(&mut self) {
        self.forget_down_to(self.len.saturating_sub(1));
    }

    /// Takes out the secrets registered last, leaving the set as it was when it had so many.
    pub(crate) fn forget_down_to(&mut self, len: usize) {
        while self.len > len {
            while let Some(needle) = self.needles.pop() {
                self.filter.forget([needle.masked].into_iter());
                if needle.window == 0 {
                    break;
                }
            }
            self.len -= 1;
        }
        // Others may have set bits of the words that were emptied.
        self.shares_canary = false;
        for &Needle { masked, .. } in self.needles.list() {
            self.filter.admit(masked);
            self.filter.note_plain(&[masked], self.mask);
            self.shares_canary |= self.canary.owns(masked);
        }
        self.admit_canary();
    }

    /// The tag under which the very bytes are registered already, in a way that covers this one.
    #[inline(always)]
    fn tag_of(&self, [first, last]: [u64; 2], by_words: bool) -> Option<u32> {
        if self.filter.admits(first) { self.tag_of_both([first, last], by_words) } else { None }
    }

    /// The windows at 0 and 8 are together the whole secret.
    #[inline(never)]
    fn tag_of_both(&self, [first, last]: [u64; 2], by_words: bool) -> Option<u32> {
        let needle = |number| self.needles.numbered(number);
        let mut equal = self.needles.equal_to(first);
        let number = equal.find(|&number| {
            let is_full = needle(number + 1).window == 1;
            let last_number = number + if is_full { 8 } else { 2 };
            needle(number).window == 0
                && (is_full || by_words)
                && needle(last_number).masked == last
        })?;
        Some(needle(number).tag)
    }

    /// Adds those windows of a secret unless it is known, and answers the name that it has now.
    #[inline(always)]
    fn register_windows<const COUNT: usize>(
        &mut self,
        secret: &[u8; 16],
        offsets: [u8; COUNT],
        tag: u32,
    ) -> Result<u32, SetIsFull> {
        let windows = offsets.map(|offset| window(secret, offset, self.mask));
        let halves = [windows[0], windows[COUNT - 1]];
        if let Some(known) = self.tag_of(halves, COUNT < WINDOWS) {
            return Ok(known);
        }
        self.needles.make_room(COUNT)?;
        self.filter.note_plain(&windows, self.mask);
        let admit = |was, masked| was | self.filter.admit(masked);
        if windows.into_iter().fold(0, admit) != 0 {
            self.note_shared(&windows);
        }
        self.needles.push_all(windows, offsets, tag);
        self.len += 1;
        Ok(tag)
    }

    /// Sees whether the canary has one of these windows.
    #[cold]
    fn note_shared(&mut self, windows: &[u64]) {
        self.shares_canary |= windows.iter().any(|&masked| self.canary.owns(masked));
    }

    fn admit_canary(&mut self) {
        for &masked in self.canary.windows() {
            self.filter.admit(masked);
        }
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
        f.write_str("the set has no room for another secret")
    }
}

impl std::error::Error for SetIsFull {}

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
