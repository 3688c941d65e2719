//! Says of most words at once that they are no needle.

use super::masked::WINDOWS;

/// Bits that choose a filter bit: 2^17 bits are 16 KiB, half of a first-level cache.
const FILTER_BITS: u32 = 17;
pub(super) const FILTER_WORDS: usize = 1 << (FILTER_BITS - 6);

/// Adding this to a plain word leaves its upper sixteen bits zero, and to no other.
pub(super) const PLAIN_OFFSET: u64 = 1 << 47;

/// The bits that are all zero or all one in a plain word.
pub(super) const PLAIN_BITS: u64 = !0 << 47;

/// The bitmap in small, for eight words at once: two registers of the widest kind.
///
/// The lowest ten bits of a masked word choose a bit, as the lowest seventeen do in the bitmap.
/// Windows of secrets are random bits under a mask, and so are the words that are not plain.
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

    /// Lets a masked window through the bitmap; the answer is zero unless its bit was set before.
    #[inline(always)]
    pub(super) fn admit(&mut self, masked: u64) -> u64 {
        let (word, bit) = (word_of(masked), 1 << (masked % 64));
        let before = self.bits[word];
        self.bits[word] = before | bit;
        self.coarse.0[word % 16] |= bit;
        before & bit
    }

    /// Lets plain words through if one of these masked windows is.
    #[inline(always)]
    pub(super) fn note_plain(&mut self, windows: &[u64], mask: u64) {
        // In a plain window the two upper bytes are alike. Of a whole secret, each such pair stands
        // one place apart in two of the last three windows, whose masks cancel out.
        let may_be = match windows {
            [.., first, second, third] if windows.len() == WINDOWS => {
                has_zero_byte(first ^ second) || has_zero_byte(second ^ third)
            }
            _ => true,
        };
        if may_be {
            self.skips_plain &= !windows.iter().any(|&masked| is_plain(masked, mask));
        }
    }

    /// Empties the words of the bitmap that these masked windows were noted in, and all that is
    /// coarser. Windows that were not named have to be admitted again.
    #[inline(always)]
    pub(super) fn forget(&mut self, masked: impl Iterator<Item = u64>) {
        masked.for_each(|masked| self.bits[word_of(masked)] = 0);
        (self.coarse, self.skips_plain) = (Coarse([0; 16]), true);
    }

    /// Lets nothing through any more.
    pub(super) fn forget_all(&mut self) {
        self.bits.fill(0);
        self.forget([].into_iter());
    }

    /// What has no bit here has none in the bitmap.
    #[inline(always)]
    #[cfg_attr(
        not(all(target_arch = "x86_64", not(miri))),
        expect(dead_code, reason = "only the widest registers hold the coarse bitmap")
    )]
    pub(super) fn coarse(&self) -> &Coarse {
        &self.coarse
    }

    /// Whether the masked word may be a window.
    #[inline(always)]
    pub(super) fn admits(&self, masked: u64) -> bool {
        self.says(masked) & 1 != 0
    }

    /// What [`admits`](Filter::admits) answers in the lowest bit, so that several answers can be combined without a branch.
    #[inline(always)]
    pub(super) fn says(&self, masked: u64) -> u64 {
        self.bits[word_of(masked)] >> (masked % 64)
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

/// Whether some byte of the word is zero.
#[inline(always)]
fn has_zero_byte(word: u64) -> bool {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    word.wrapping_sub(ONES) & !word & (ONES << 7) != 0
}

/// Which word of the bitmap a masked word has its bit in; which bit, say its lowest six.
#[inline(always)]
fn word_of(masked: u64) -> usize {
    (masked >> 6) as usize % FILTER_WORDS
}
