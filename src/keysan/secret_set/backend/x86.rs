//! The loops for x86-64.
//!
//! Whether a word is plain is asked of all words of a register at once: its upper seventeen bits
//! are unmasked, and after an addition the upper sixteen are zero for plain words only. AVX-512
//! also puts all words of a register to the coarse bitmap, which it keeps in two more.

use std::arch::asm;
use std::arch::x86_64::*;

use super::super::filter::{Coarse, PLAIN_BITS, PLAIN_OFFSET};
use super::super::scan::Search;

/// Bytes in a block.
const BLOCK: usize = 512;

/// Bytes in a line.
const LINE: usize = 64;

/// The bits that the addition leaves zero in plain words.
const SUM_BITS: i64 = -1 << 48;

/// # Safety
///
/// As for [`super::Backend::lines`].
#[target_feature(enable = "sse2")]
pub(super) unsafe fn lines_sse2(start: *const u8, count: usize, search: &mut Search<'_, '_>) {
    let mask = _mm_set1_epi64x(search.mask().cast_signed());
    let mask_of_plain = _mm_and_si128(mask, _mm_set1_epi64x(PLAIN_BITS.cast_signed()));
    let offset = _mm_set1_epi64x(PLAIN_OFFSET.cast_signed());
    let always = if search.filter().skips_plain { 0 } else { !0 };
    for (block, position, lines) in blocks(start, count) {
        let mut asked = 0;
        for line in 0..lines {
            let at = block.wrapping_add(LINE * line);
            let (a, b, c, d): (__m128i, __m128i, __m128i, __m128i);
            // SAFETY: reads one line, which is readable as the caller promises.
            unsafe {
                asm!(
                    "movdqu {a}, [{at}]",
                    "movdqu {b}, [{at} + 16]",
                    "movdqu {c}, [{at} + 32]",
                    "movdqu {d}, [{at} + 48]",
                    "pxor {a}, {mask}",
                    "pxor {b}, {mask}",
                    "pxor {c}, {mask}",
                    "pxor {d}, {mask}",
                    at = in(reg) at,
                    mask = in(xmm_reg) mask,
                    a = out(xmm_reg) a,
                    b = out(xmm_reg) b,
                    c = out(xmm_reg) c,
                    d = out(xmm_reg) d,
                    options(nostack, preserves_flags, readonly),
                );
            }
            let sums = |words| _mm_add_epi64(_mm_xor_si128(words, mask_of_plain), offset);
            // The upper halves of two registers' words, and whether their own upper halves, the
            // sixteen bits in question, are zero.
            let upper = |x, y| {
                let (x, y) = (_mm_castsi128_ps(sums(x)), _mm_castsi128_ps(sums(y)));
                _mm_srli_epi32::<16>(_mm_castps_si128(_mm_shuffle_ps::<0b11_01_11_01>(x, y)))
            };
            let eight = _mm_packs_epi32(
                _mm_cmpeq_epi32(upper(a, b), _mm_setzero_si128()),
                _mm_cmpeq_epi32(upper(c, d), _mm_setzero_si128()),
            );
            let plain = _mm_movemask_epi8(_mm_packs_epi16(eight, eight)) & 0xff;
            asked |= u64::from(!plain.cast_unsigned() & 0xff) << (8 * line);
        }
        // SAFETY: words of the lines in this block, which are readable as the caller promises.
        unsafe { search.ask(block, asked | always & words_of(lines), position) };
    }
}

/// # Safety
///
/// As for [`super::Backend::lines`].
#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
pub(super) unsafe fn lines_avx2(start: *const u8, count: usize, search: &mut Search<'_, '_>) {
    let mask = _mm256_set1_epi64x(search.mask().cast_signed());
    let mask_of_plain = _mm256_and_si256(mask, _mm256_set1_epi64x(PLAIN_BITS.cast_signed()));
    let offset = _mm256_set1_epi64x(PLAIN_OFFSET.cast_signed());
    let sum_bits = _mm256_set1_epi64x(SUM_BITS);
    let always = if search.filter().skips_plain { 0 } else { !0 };
    for (block, position, lines) in blocks(start, count) {
        let mut asked = 0;
        for line in 0..lines {
            let at = block.wrapping_add(LINE * line);
            let (a, b): (__m256i, __m256i);
            // SAFETY: reads one line, which is readable as the caller promises.
            unsafe {
                asm!(
                    "vpxor {a}, {mask}, [{at}]",
                    "vpxor {b}, {mask}, [{at} + 32]",
                    at = in(reg) at,
                    mask = in(ymm_reg) mask,
                    a = out(ymm_reg) a,
                    b = out(ymm_reg) b,
                    options(nostack, preserves_flags, readonly),
                );
            }
            let plain = |words| {
                let sums = _mm256_add_epi64(_mm256_xor_si256(words, mask_of_plain), offset);
                let upper = _mm256_and_si256(sums, sum_bits);
                let is_plain = _mm256_cmpeq_epi64(upper, _mm256_setzero_si256());
                _mm256_movemask_pd(_mm256_castsi256_pd(is_plain)).cast_unsigned()
            };
            let plain = plain(a) | plain(b) << 4;
            asked |= u64::from(plain ^ 0xff) << (8 * line);
        }
        // SAFETY: words of the lines in this block, which are readable as the caller promises.
        unsafe { search.ask(block, asked | always & words_of(lines), position) };
    }
}

/// # Safety
///
/// As for [`super::Backend::lines`].
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,bmi1,bmi2,popcnt")]
pub(super) unsafe fn lines_avx512(start: *const u8, count: usize, search: &mut Search<'_, '_>) {
    let mask = _mm512_set1_epi64(search.mask().cast_signed());
    let mask_of_plain = _mm512_and_si512(mask, _mm512_set1_epi64(PLAIN_BITS.cast_signed()));
    let offset = _mm512_set1_epi64(PLAIN_OFFSET.cast_signed());
    let sum_bits = _mm512_set1_epi64(SUM_BITS);
    let always = if search.filter().skips_plain { 0 } else { !0 };
    let Coarse(coarse) = search.filter().coarse();
    // SAFETY: both halves of an array of sixteen words.
    let (low, high) = unsafe {
        let start = coarse.as_ptr().cast::<__m512i>();
        (_mm512_loadu_si512(start), _mm512_loadu_si512(start.add(1)))
    };
    // The words of one line that have to be asked.
    let sifted = |at: *const u8| {
        // SAFETY: one line of those that are readable as the caller promises.
        let words = unsafe { masked_line(at, mask) };
        let sums = _mm512_add_epi64(_mm512_xor_si512(words, mask_of_plain), offset);
        // The permutation reads four bits of an index, and the rotation six.
        let bits = _mm512_permutex2var_epi64(low, _mm512_srli_epi64::<6>(words), high);
        let bits = _mm512_rorv_epi64(bits, words);
        let is_admitted = _mm512_test_epi64_mask(bits, _mm512_set1_epi64(1));
        u64::from((_mm512_test_epi64_mask(sums, sum_bits) | always) & is_admitted)
    };
    let line =
        |block: *const u8, line: usize| sifted(block.wrapping_add(LINE * line)) << (8 * line);
    for (block, position, lines) in blocks(start, count) {
        let asked = if lines == BLOCK / LINE {
            // Written out: a loop would be left at a place that nobody foresees.
            line(block, 0)
                | line(block, 1)
                | line(block, 2)
                | line(block, 3)
                | line(block, 4)
                | line(block, 5)
                | line(block, 6)
                | line(block, 7)
        } else {
            (0..lines).fold(0, |asked, number| asked | line(block, number))
        };
        // SAFETY: words of the lines in this block, which are readable as the caller promises.
        unsafe { search.take(block, asked, position) };
    }
}

/// One line, masked.
///
/// # Safety
///
/// It is mapped and readable, and nobody writes to it meanwhile.
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn masked_line(at: *const u8, mask: __m512i) -> __m512i {
    let words: __m512i;
    // SAFETY: reads one line, which is readable as the caller promises.
    unsafe {
        asm!(
            "vpxorq {words}, {mask}, [{at}]",
            at = in(reg) at,
            mask = in(zmm_reg) mask,
            words = out(zmm_reg) words,
            options(nostack, preserves_flags, readonly),
        );
    }
    words
}

/// Where each block begins in memory and after `start`, and how many lines it has: eight, or what
/// is left.
#[inline(always)]
fn blocks(start: *const u8, lines: usize) -> impl Iterator<Item = (*const u8, usize, usize)> {
    let (mut position, mut left) = (0_usize, lines);
    std::iter::from_fn(move || {
        let lines = left.min(BLOCK / LINE);
        let block = (start.wrapping_add(position), position, lines);
        left -= lines;
        // Nothing in memory is long enough for it to wrap.
        position = position.wrapping_add(BLOCK);
        (lines > 0).then_some(block)
    })
}

/// One bit for each word of so many lines.
#[inline(always)]
fn words_of(lines: usize) -> u64 {
    !0 >> (64 - 8 * lines)
}
