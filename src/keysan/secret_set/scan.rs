//! Walks over memory and confirms what the filter let through.

use super::filter::Filter;
use super::masked::read_word;
use super::{Looked, SecretSet, Sighting};

/// With so many words of a block to ask, all words of their lines are asked together.
const DENSE: u32 = 48;

/// One scan under way.
pub(super) struct Search<'set, 'sink> {
    set: &'set SecretSet,
    sink: &'sink mut dyn FnMut(Sighting),
    /// Where the first aligned word begins in what is scanned.
    first_word: usize,
    canaries: u32,
}

impl<'set> Search<'set, '_> {
    #[inline(always)]
    pub(super) fn mask(&self) -> u64 {
        self.set.mask
    }

    #[inline(always)]
    pub(super) fn filter(&self) -> &'set Filter {
        &self.set.filter
    }

    /// Puts the words of a block that may be needles, one bit each, to the bitmap.
    ///
    /// # Safety
    ///
    /// The words are mapped and readable, and nobody writes to them meanwhile.
    #[inline(always)]
    pub(super) unsafe fn ask(&mut self, block: *const u8, mut asked: u64, position: usize) {
        if asked.count_ones() >= DENSE {
            // SAFETY: only a block of whole lines has so many words to ask.
            asked &= unsafe { self.lines_admitted(block, asked) };
        }
        while asked != 0 {
            let offset = 8 * asked.trailing_zeros() as usize;
            // SAFETY: one of the words that are readable as the caller promises.
            let masked = unsafe { read_word(block.add(offset), self.set.mask) };
            if self.filter().admits(masked) {
                self.confirm(masked, self.first_word + position + offset);
            }
            asked &= asked - 1;
        }
    }

    /// The words of those lines in which the bitmap has a bit for some word.
    ///
    /// Eight words share one branch. Asking also about words that need not be asked costs less than
    /// finding out which need.
    ///
    /// # Safety
    ///
    /// As for [`Search::ask`]; and of each line that has a bit in `asked`, all words are readable.
    #[inline(always)]
    unsafe fn lines_admitted(&self, block: *const u8, asked: u64) -> u64 {
        let (mask, filter) = (self.mask(), self.filter());
        let (mut admitted, mut rest) = (0, asked);
        while rest != 0 {
            let line = rest.trailing_zeros() / 8 * 8;
            let start = block.wrapping_add(8 * line as usize);
            let says = (0..8).fold(0, |says, word| {
                // SAFETY: a word of a line that is readable as the caller promises.
                says | filter.says(unsafe { read_word(start.wrapping_add(8 * word), mask) })
            });
            admitted |= (says & 1).wrapping_neg() & 0xff << line;
            rest &= !(0xff << line);
        }
        admitted
    }

    /// Takes the words of a block that have a bit in the coarse bitmap, one bit each. Mostly they
    /// are the canary's, or secrets at home.
    ///
    /// # Safety
    ///
    /// As for [`Search::ask`].
    #[inline(always)]
    #[cfg_attr(
        not(all(target_arch = "x86_64", not(miri))),
        expect(dead_code, reason = "only the widest registers hold the coarse bitmap")
    )]
    pub(super) unsafe fn take(&mut self, block: *const u8, mut sifted: u64, position: usize) {
        if sifted.count_ones() >= DENSE {
            // SAFETY: only a block of whole lines has so many.
            sifted &= unsafe { self.lines_admitted(block, sifted) };
        }
        while sifted != 0 {
            let offset = 8 * sifted.trailing_zeros() as usize;
            // SAFETY: one of the words that are readable as the caller promises.
            let masked = unsafe { read_word(block.add(offset), self.set.mask) };
            if self.set.canary.owns(masked) || self.filter().admits(masked) {
                self.confirm(masked, self.first_word + position + offset);
            }
            sifted &= sifted - 1;
        }
    }

    /// Puts the last words of a region, fewer than a line, to the filter.
    ///
    /// # Safety
    ///
    /// As for [`Search::ask`].
    #[inline(always)]
    unsafe fn ask_last(&mut self, start: *const u8, count: usize, position: usize) {
        let (mask, filter) = (self.mask(), self.filter());
        for offset in (0..8 * count).step_by(8) {
            // SAFETY: one of the words that are readable as the caller promises.
            let masked = unsafe { read_word(start.add(offset), mask) };
            if filter.admits(masked) {
                self.confirm(masked, self.first_word + position + offset);
            }
        }
    }

    /// Compares a word that passed the filter with the canary first, which every scan meets, and
    /// then, unless its place in the table is free, with the windows.
    #[inline(always)]
    fn confirm(&mut self, masked: u64, position: usize) {
        if self.set.canary.owns(masked) {
            self.canaries += 1;
            if !self.set.shares_canary {
                return;
            }
        }
        if self.set.needles.may_hold(masked) {
            self.report(masked, position);
        }
    }

    #[inline(never)]
    fn report(&mut self, masked: u64, position: usize) {
        for number in self.set.needles.equal_to(masked) {
            let needle = self.set.needles.numbered(number);
            (self.sink)(Sighting { tag: needle.tag, window: needle.window, position });
        }
    }
}

impl SecretSet {
    /// Looks at every word of `bytes` whose address is a multiple of eight.
    ///
    /// That is enough for a complete copy of a secret at any address, since sixteen bytes always
    /// contain an aligned word. A part of a secret is found when it contains one. Sightings come in
    /// order of position, and those of one position in order of registration.
    pub fn scan_aligned(&self, bytes: &[u8], sink: &mut dyn FnMut(Sighting)) -> Looked {
        // SAFETY: the bytes are borrowed.
        unsafe { self.scan_memory(bytes.as_ptr(), bytes.len(), sink) }
    }

    /// Looks at every offset of `bytes`; for outputs and decoded text, where a part of a secret
    /// may stand anywhere.
    pub fn scan_bytes(&self, bytes: &[u8], sink: &mut dyn FnMut(Sighting)) -> Looked {
        let mut search = Search { set: self, sink, first_word: 0, canaries: 0 };
        for (position, window) in bytes.windows(8).enumerate() {
            // SAFETY: the window is eight bytes long.
            let masked = unsafe { read_word(window.as_ptr(), self.mask) };
            if self.filter.admits(masked) {
                search.confirm(masked, position);
            }
        }
        Looked { bytes: bytes.len(), canaries: search.canaries }
    }

    /// Whether eight bytes, in the order of memory, may be part of a secret: mostly right, and never
    /// wrong about one that is. Worth asking before a scan of so little.
    #[inline]
    #[must_use]
    pub fn may_be_part(&self, bytes: [u8; 8]) -> bool {
        // SAFETY: the word is eight bytes long.
        self.filter.admits(unsafe { read_word(bytes.as_ptr(), self.mask) })
    }

    /// Looks at every aligned word of raw memory like [`SecretSet::scan_aligned`].
    ///
    /// On x86-64 every load is inline assembly, so that the memory may be poisoned for
    /// `AddressSanitizer`, never have been written (padding, spare capacity), or have been freed:
    /// no sanitizer is asked, and the bytes are the ones in the machine. What is loaded is masked in
    /// the same instruction (SSE2: in the same block of assembly), so a scan leaves no copy of what
    /// it saw in registers or on its stack. On little-endian AArch64 every load is inline assembly as
    /// well, and what it loads is masked by the next instruction of the same block. Elsewhere and
    /// under Miri the loads are plain reads.
    ///
    /// # Safety
    ///
    /// The memory is mapped and readable, and nobody writes to it meanwhile. Where the loads are
    /// plain reads, it is also allocated and initialised.
    #[inline]
    pub unsafe fn scan_memory(
        &self,
        start: *const u8,
        len: usize,
        sink: &mut dyn FnMut(Sighting),
    ) -> Looked {
        let first_word = start.addr().wrapping_neg() % 8;
        let count = len.saturating_sub(first_word) / 8;
        let mut search = Search { set: self, sink, first_word, canaries: 0 };
        if count > 0 {
            let (lines, rest) = (count / 8, count % 8);
            // SAFETY: the words from the first aligned address on lie within what is readable as
            // the caller promises; the backend was available when the set took it.
            unsafe {
                let start = start.add(first_word);
                if lines > 0 {
                    self.backend.lines(start, lines, &mut search);
                }
                search.ask_last(start.add(64 * lines), rest, 64 * lines);
            }
        }
        Looked { bytes: len, canaries: search.canaries }
    }

    /// Looks at the places up to seven bytes before and behind one that a scan of aligned words has met, so that a
    /// copy that begins between two words is sighted as a whole.
    ///
    /// `position` counts from `start`, as that of a [`Sighting`] does.
    ///
    /// # Safety
    ///
    /// As for [`SecretSet::scan_memory`], of which this is the same memory.
    #[cold]
    pub unsafe fn scan_around(
        &self,
        start: *const u8,
        len: usize,
        position: usize,
        sink: &mut dyn FnMut(Sighting),
    ) {
        let mut search = Search { set: self, sink, first_word: 0, canaries: 0 };
        let last = (position + 7).min(len.saturating_sub(8));
        for near in (position.saturating_sub(7)..=last).filter(|near| *near != position) {
            // SAFETY: eight bytes of the memory that the caller promises.
            let masked = unsafe { read_word(start.wrapping_add(near), self.mask) };
            if self.filter.admits(masked) {
                search.confirm(masked, near);
            }
        }
    }
}
