//! Says of most words at once that they are no needle.

/// Bits that choose a filter bit: 2^17 bits are 16 KiB, half of a first-level cache.
const FILTER_BITS: u32 = 17;
pub(super) const FILTER_WORDS: usize = 1 << (FILTER_BITS - 6);

/// Adding this to a plain word leaves its upper sixteen bits zero, and to no other.
pub(super) const PLAIN_OFFSET: u64 = 1 << 47;

/// The bits that are all zero or all one in a plain word.
pub(super) const PLAIN_BITS: u64 = !0 << 47;

/// The bitmap in small, for eight words at once: two registers of the widest kind.
///
/// The lowest ten bits of a masked word choose a bit. Windows of secrets are random bits under a
/// mask, and so are the words that are not plain.
#[repr(align(64))]
pub(super) struct Coarse(pub(super) [u64; 16]);

/// Two questions to a word that cost next to nothing: whether it is plain, and whether some needle
/// has the same bit in a small bitmap.
pub(super) struct Filter {
    bits: Box<[u64; FILTER_WORDS]>,
    coarse: Coarse,
    /// Whether plain words may be passed over: no needle is one.
    pub(super) skips_plain: bool,
}

impl Filter {
    pub(super) fn new() -> Filter {
        Filter { bits: super::zeroed_box(), coarse: Coarse([0; 16]), skips_plain: true }
    }

    /// Lets a masked window through the bitmap; whether it did before is in the lowest bit of the
    /// answer.
    #[inline(always)]
    pub(super) fn admit(&mut self, masked: u64) -> u64 {
        let place = place_of(masked);
        let before = self.bits[place.word];
        self.bits[place.word] = before | 1 << place.bit;
        self.coarse.0[(masked >> 6) as usize % 16] |= 1 << (masked % 64);
        before >> place.bit
    }

    /// Lets plain words through if one of these masked windows is.
    #[inline(always)]
    pub(super) fn note_plain(&mut self, masked: impl Iterator<Item = u64>, mask: u64) {
        let is_any = masked.fold(false, |is_any, word| is_any | is_plain(word, mask));
        self.skips_plain &= !is_any;
    }

    /// Empties the words of the bitmap that these masked windows were noted in, and all that is
    /// coarser. Windows that were not named have to be admitted again.
    #[inline(always)]
    pub(super) fn forget(&mut self, masked: impl Iterator<Item = u64>) {
        masked.for_each(|masked| self.bits[place_of(masked).word] = 0);
        (self.coarse, self.skips_plain) = (Coarse([0; 16]), true);
    }

    /// Lets nothing through any more.
    pub(super) fn forget_all(&mut self) {
        self.bits.fill(0);
        self.forget([].into_iter());
    }

    /// What has no bit here has none in the bitmap.
    #[inline(always)]
    pub(super) fn coarse(&self) -> &Coarse {
        &self.coarse
    }

    /// Whether the masked word may be a window.
    #[inline(always)]
    pub(super) fn admits(&self, masked: u64) -> bool {
        self.says(masked) & 1 != 0
    }

    /// The same of a word that nobody has asked anything yet. The coarse bitmap comes first: it
    /// stays in the nearest cache.
    #[inline(always)]
    pub(super) fn admits_new(&self, masked: u64) -> bool {
        self.coarse.0[(masked >> 6) as usize % 16] >> (masked % 64) & 1 != 0 && self.admits(masked)
    }

    /// What [`admits`](Filter::admits) answers in the lowest bit, so that several answers can be combined without a branch.
    #[inline(always)]
    pub(super) fn says(&self, masked: u64) -> u64 {
        let place = place_of(masked);
        self.bits[place.word] >> place.bit
    }

    #[cfg(test)]
    pub(super) fn bits(&self) -> &[u64; FILTER_WORDS] {
        &self.bits
    }
}

/// Whether the upper seventeen bits of a masked word are all zero or all one, as in pointers and
/// small numbers. Nothing but those bits is unmasked for the answer.
#[inline(always)]
pub(super) fn is_plain(masked: u64, mask: u64) -> bool {
    (masked ^ (mask & PLAIN_BITS)).wrapping_add(PLAIN_OFFSET) >> 48 == 0
}

/// Where a masked word belongs in the bitmap.
struct Place {
    word: usize,
    bit: u64,
}

/// One multiplication moves every bit of the word into the upper ones, which choose the place.
#[inline(always)]
fn place_of(masked: u64) -> Place {
    let spread = masked.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Place {
        word: (spread >> (64 - FILTER_BITS + 6)) as usize,
        bit: (spread >> (64 - FILTER_BITS)) % 64,
    }
}
