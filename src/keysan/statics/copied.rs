//! Variables that others may write to, copied piece by piece to where they can be looked at.

use zeroize::Zeroize;

/// Bytes copied at a time.
const CHUNK: usize = 512;

/// Room for a piece of a variable; wiped when it has been looked at.
pub(super) struct Copied {
    /// Words, so that the copy can be aligned as the original is.
    words: [u64; CHUNK / 8],
}

impl Copied {
    pub(super) fn new() -> Copied {
        Copied { words: [0; CHUNK / 8] }
    }

    /// Copies `len` bytes from `address` in chunks, and shows each with its offset.
    ///
    /// A chunk is aligned as its original, and begins `overlap` bytes before the end of the last.
    ///
    /// # Safety
    ///
    /// All `len` bytes are mapped and readable.
    pub(super) unsafe fn each_chunk(
        &mut self,
        address: usize,
        len: usize,
        overlap: usize,
        show: &mut dyn FnMut(&[u8], usize),
    ) {
        let mut offset = 0;
        loop {
            let lead = (address + offset) % 8;
            let piece = (len - offset).min(CHUNK - lead);
            let words = &mut self.words[..(lead + piece).div_ceil(8)];
            let place = words.as_mut_ptr().cast::<u8>().wrapping_add(lead);
            // SAFETY: the piece lies within the caller's bytes, and within `words` behind `lead`.
            unsafe { copy(address + offset, place, piece) };
            // SAFETY: just written, within `words`, which nobody else uses while the slice lives.
            show(unsafe { std::slice::from_raw_parts(place, piece) }, offset);
            words.zeroize();
            offset += piece;
            if offset >= len {
                return;
            }
            offset -= overlap;
        }
    }

    /// Copies `len` bytes from `address` and shows them as words, the last filled up with zeroes.
    ///
    /// # Safety
    ///
    /// All `len` bytes are mapped and readable.
    pub(super) unsafe fn each_word(
        &mut self,
        address: usize,
        len: usize,
        show: &mut dyn FnMut(u64),
    ) {
        for offset in (0..len).step_by(CHUNK) {
            let piece = (len - offset).min(CHUNK);
            let words = &mut self.words[..piece.div_ceil(8)];
            // SAFETY: the piece lies within the caller's bytes, and within `words`.
            unsafe { copy(address + offset, words.as_mut_ptr().cast(), piece) };
            words.iter().copied().for_each(&mut *show);
            words.zeroize();
        }
    }
}

/// Copies bytes that another thread may write to at the same moment.
///
/// # Safety
///
/// `len` bytes are readable at `from` and writable at `to`, and the two do not overlap.
unsafe fn copy(from: usize, to: *mut u8, len: usize) {
    let whole = len - len % 8;
    for offset in (0..whole).step_by(8) {
        // SAFETY: `offset + 8` is at most `len`.
        unsafe { to.add(offset).cast::<u64>().write_unaligned(load_word(from + offset)) };
    }
    for offset in whole..len {
        // SAFETY: `offset` is less than `len`.
        unsafe { to.add(offset).write(load_byte(from + offset)) };
    }
}

/// Loads a word in assembly: the processor allows for others that write to it, where the rules of
/// the language do not, and the compiler can conclude nothing from what is loaded.
///
/// # Safety
///
/// Eight bytes are readable at `from`, aligned or not.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline]
unsafe fn load_word(from: usize) -> u64 {
    let word;
    // SAFETY: readable as the caller promises; nothing is written.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        std::arch::asm!("mov {}, qword ptr [{}]", out(reg) word, in(reg) from,
            options(readonly, nostack, preserves_flags));
        #[cfg(target_arch = "aarch64")]
        std::arch::asm!("ldr {}, [{}]", out(reg) word, in(reg) from,
            options(readonly, nostack, preserves_flags));
    }
    word
}

/// Loads a byte as [`load_word`] does a word.
///
/// # Safety
///
/// A byte is readable at `from`.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline]
unsafe fn load_byte(from: usize) -> u8 {
    let byte;
    // SAFETY: readable as the caller promises; nothing is written.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        std::arch::asm!("mov {}, byte ptr [{}]", out(reg_byte) byte, in(reg) from,
            options(readonly, nostack, preserves_flags));
        #[cfg(target_arch = "aarch64")]
        std::arch::asm!("ldrb {:w}, [{}]", out(reg) byte, in(reg) from,
            options(readonly, nostack, preserves_flags));
    }
    byte
}

/// Elsewhere a volatile load comes closest.
///
/// # Safety
///
/// Eight bytes are readable at `from`, aligned or not.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
unsafe fn load_word(from: usize) -> u64 {
    // SAFETY: readable as the caller promises, and an array of bytes needs no alignment.
    u64::from_ne_bytes(unsafe {
        std::ptr::with_exposed_provenance::<[u8; 8]>(from).read_volatile()
    })
}

/// Elsewhere a volatile load comes closest.
///
/// # Safety
///
/// A byte is readable at `from`.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
unsafe fn load_byte(from: usize) -> u8 {
    // SAFETY: readable as the caller promises.
    unsafe { std::ptr::with_exposed_provenance::<u8>(from).read_volatile() }
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, Copied};

    fn bytes() -> [u8; 2000] {
        std::array::from_fn(|place| u8::try_from(place % 251).expect("below 251"))
    }

    #[test]
    fn chunks_make_up_the_original_and_are_aligned_as_it_is() {
        let original = bytes();
        for start in 0..9 {
            for (len, overlap) in [(1, 7), (8, 0), (511, 7), (CHUNK, 7), (1500, 7), (1500, 0)] {
                let bytes = &original[start..start + len];
                let address = bytes.as_ptr().addr();
                let mut end = 0;
                let mut check = |chunk: &[u8], offset: usize| {
                    assert_eq!(offset, if end == 0 { 0 } else { end - overlap });
                    assert_eq!(chunk, &bytes[offset..offset + chunk.len()]);
                    assert_eq!(chunk.as_ptr().addr() % 8, (address + offset) % 8);
                    end = offset + chunk.len();
                };
                // SAFETY: a slice of this length is readable.
                unsafe { Copied::new().each_chunk(address, len, overlap, &mut check) };
                assert_eq!(end, len);
            }
        }
    }

    #[test]
    fn words_are_filled_up_with_zeroes() {
        let original = bytes();
        for len in [1, 8, 11, 512, 1027] {
            let mut words = Vec::new();
            // SAFETY: the array is longer than this.
            unsafe {
                Copied::new()
                    .each_word(original.as_ptr().addr(), len, &mut |word| words.push(word));
            }
            let mut expected = original[..len].to_vec();
            expected.resize(len.next_multiple_of(8), 0);
            let copied: Vec<u8> = words.into_iter().flat_map(u64::to_ne_bytes).collect();
            assert_eq!(copied, expected);
        }
    }

    #[test]
    fn nothing_stays_behind() {
        let original = bytes();
        let mut copied = Copied::new();
        // SAFETY: the array is that long.
        unsafe { copied.each_chunk(original.as_ptr().addr(), 2000, 7, &mut |_, _| {}) };
        assert_eq!(copied.words, [0; CHUNK / 8]);
        // SAFETY: the same.
        unsafe { copied.each_word(original.as_ptr().addr(), 2000, &mut |_| {}) };
        assert_eq!(copied.words, [0; CHUNK / 8]);
    }
}
