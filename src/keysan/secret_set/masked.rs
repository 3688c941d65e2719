//! Reads memory through a mask, so that what it holds never stands in a register in the clear.
//!
//! On x86-64 the reads are assembly, for two reasons. `xor register, [memory]` masks the bytes on
//! their way in, and the optimiser, which does not see that load, cannot keep an unmasked copy of
//! it in another register or spill one to the stack. And the memory may be poisoned for
//! `AddressSanitizer`, unwritten in the eyes of `MemorySanitizer` and of the language, or freed:
//! assembly is not instrumented and reads what is in the machine.
//!
//! On little-endian AArch64 they are assembly as well, for the second reason and half of the first: no
//! instruction there masks what it loads, so the bytes stand in one register in the clear until the
//! next instruction masks them in that same register. No other copy of them is made.
//!
//! Elsewhere, and under Miri, the reads are plain ones, and none of this is promised.

/// The windows of a secret, one for each offset from 0 to 8.
pub(super) const WINDOWS: usize = 9;

/// The eight bytes at `at`, masked.
///
/// # Safety
///
/// They are mapped and readable, and nobody writes to them meanwhile.
#[inline(always)]
pub(super) unsafe fn read_word(at: *const u8, mask: u64) -> u64 {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        let mut word = mask;
        // SAFETY: the caller vouches for the eight bytes, and nothing else is touched.
        unsafe {
            std::arch::asm!(
                "xor {word}, qword ptr [{at}]",
                word = inout(reg) word,
                at = in(reg) at,
                options(nostack, readonly),
            );
        }
        word
    }
    #[cfg(all(target_arch = "aarch64", target_endian = "little", not(miri)))]
    {
        let word;
        // SAFETY: the caller vouches for the eight bytes, and nothing else is touched.
        unsafe {
            std::arch::asm!(
                "ldr {word}, [{at}]",
                "eor {word}, {word}, {mask}",
                // Written before the mask is read, so never the mask's own register.
                word = out(reg) word,
                at = in(reg) at,
                mask = in(reg) mask,
                options(nostack, readonly, preserves_flags),
            );
        }
        word
    }
    #[cfg(not(any(
        all(target_arch = "x86_64", not(miri)),
        all(target_arch = "aarch64", target_endian = "little", not(miri)),
    )))]
    {
        // SAFETY: readable as the caller promises; an array of bytes needs no alignment.
        u64::from_le_bytes(unsafe { at.cast::<[u8; 8]>().read() }) ^ mask
    }
}

/// The window of a secret at `offset`, masked.
///
/// # Panics
///
/// When the offset is none of a window.
#[inline(always)]
pub(super) fn window(secret: &[u8; 16], offset: u8, mask: u64) -> u64 {
    let window = &secret[usize::from(offset)..][..8];
    // SAFETY: the window is eight bytes long.
    unsafe { read_word(window.as_ptr(), mask) }
}

/// Eight bytes, masked.
pub(super) fn window_of(bytes: &[u8; 8], mask: u64) -> u64 {
    // SAFETY: eight bytes long.
    unsafe { read_word(bytes.as_ptr(), mask) }
}
