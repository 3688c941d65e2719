//! The loops over 64-byte lines, one for each kind of vector register.
//!
//! A loop masks each line on its way into the registers, and notes down for a block of eight lines
//! which of its 64 words are not plain. Only those are put to the bitmap, by [`Search::ask`]. No
//! branch depends on a single line, which would be mispredicted every other time.

use super::scan::Search;

/// The instructions that a scan is made of. All find the same.
///
/// A set chooses the best that the processor has; tests and benchmarks force the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// What every processor of the architecture has: SSE2 on x86-64, one word at a time elsewhere.
    Scalar,
    /// AVX2, BMI1 and 2, POPCNT.
    Avx2,
    /// AVX-512 (F, DQ and VL), and what [`Backend::Avx2`] needs.
    Avx512,
}

impl Backend {
    /// Every backend, the best last.
    pub const ALL: [Backend; 3] = [Backend::Scalar, Backend::Avx2, Backend::Avx512];

    /// Whether this processor has the instructions.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Backend::Scalar => true,
            #[cfg(all(target_arch = "x86_64", not(miri)))]
            Backend::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("bmi1")
                    && is_x86_feature_detected!("bmi2")
                    && is_x86_feature_detected!("popcnt")
            }
            #[cfg(all(target_arch = "x86_64", not(miri)))]
            Backend::Avx512 => {
                Backend::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
            }
            #[cfg(not(all(target_arch = "x86_64", not(miri))))]
            Backend::Avx2 | Backend::Avx512 => false,
        }
    }

    /// The best that is available.
    #[must_use]
    pub fn best() -> Backend {
        let available = Backend::ALL.into_iter().rev().find(|backend| backend.is_available());
        available.unwrap_or(Backend::Scalar)
    }

    /// Looks at `count` lines.
    ///
    /// # Safety
    ///
    /// The backend is available. The lines are mapped and readable, and nobody writes to them
    /// meanwhile.
    #[inline(always)]
    pub(super) unsafe fn lines(self, start: *const u8, count: usize, search: &mut Search<'_, '_>) {
        // SAFETY: as the caller promises.
        unsafe {
            match self {
                #[cfg(all(target_arch = "x86_64", not(miri)))]
                Backend::Scalar => x86::lines_sse2(start, count, search),
                #[cfg(all(target_arch = "x86_64", not(miri)))]
                Backend::Avx2 => x86::lines_avx2(start, count, search),
                #[cfg(all(target_arch = "x86_64", not(miri)))]
                Backend::Avx512 => x86::lines_avx512(start, count, search),
                #[cfg(not(all(target_arch = "x86_64", not(miri))))]
                _ => lines_anywhere(start, count, search),
            }
        }
    }
}

/// # Safety
///
/// As for [`Backend::lines`].
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
unsafe fn lines_anywhere(start: *const u8, count: usize, search: &mut Search<'_, '_>) {
    use super::filter::is_plain;
    use super::masked::read_word;

    let (mask, skips_plain) = (search.mask(), search.filter().skips_plain);
    for line in 0..count {
        let mut asked = 0;
        for word in 0..8 {
            // SAFETY: within the lines, which are readable as the caller promises.
            let masked = unsafe { read_word(start.add(64 * line + 8 * word), mask) };
            asked |= u64::from(!skips_plain || !is_plain(masked, mask)) << word;
        }
        // SAFETY: as above.
        unsafe { search.ask(start.add(64 * line), asked, 64 * line) };
    }
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod x86;
