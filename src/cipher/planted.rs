//! Planted faults: ways to leave key material in registers, as compiled code might.
//!
//! The opposite of what this crate is for, so that a workbench can show that it looks. They do
//! their harm on x86-64 only; elsewhere, and where AES-NI is missing, they leave nothing.

/// Leaves a secret in `xmm0`.
pub fn leave_in_xmm0(secret: &[u8; 16]) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: reads the sixteen bytes behind a reference, with a move that needs no alignment;
    // writes no memory, and the register that it changes is declared.
    unsafe {
        core::arch::asm!(
            "movdqu xmm0, [{secret}]",
            secret = in(reg) secret,
            out("xmm0") _,
            options(nostack, preserves_flags, readonly),
        );
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = secret;
}

/// Expands a key and leaves its last two round keys in `xmm14` and `xmm15`, as an operation of this
/// crate would whose wipe forgot them.
pub fn leave_schedule_in_xmm14_15(key: &[u8; 16]) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    if crate::Backend::AesNi.is_available() {
        // SAFETY: the processor has the instructions, which was just asked. Reads the sixteen
        // bytes behind a reference and the constants, which are aligned; writes no memory, and the
        // registers that it changes are declared.
        unsafe {
            core::arch::asm!(
                "movdqu xmm5, [{key}]",
                schedule!(),
                "pxor xmm4, xmm4", "pxor xmm5, xmm5", "pxor xmm6, xmm6", "pxor xmm7, xmm7",
                "pxor xmm8, xmm8", "pxor xmm9, xmm9", "pxor xmm10, xmm10", "pxor xmm11, xmm11",
                "pxor xmm12, xmm12", "pxor xmm13, xmm13",
                key = in(reg) key,
                constants = in(reg) &crate::aes_ni_macros::CONSTANTS,
                out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
                out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
                options(nostack, preserves_flags, readonly),
            );
        }
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = key;
}

/// Writes the ten round keys behind the key itself to memory, where no operation of this crate
/// ever puts them; leaves `round_keys` alone where it cannot expand keys.
pub fn expand_into(key: &[u8; 16], round_keys: &mut [[u8; 16]; 10]) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    if crate::Backend::AesNi.is_available() {
        // SAFETY: the processor has the instructions, which was just asked. Reads the sixteen
        // bytes behind a reference and the constants, which are aligned; writes the 160 bytes
        // behind an unshared one, with moves that need no alignment. The registers that it changes
        // are declared.
        unsafe {
            core::arch::asm!(
                "movdqu xmm5, [{key}]",
                schedule!(),
                "movdqu [{to}], xmm6", "movdqu [{to} + 16], xmm7",
                "movdqu [{to} + 32], xmm8", "movdqu [{to} + 48], xmm9",
                "movdqu [{to} + 64], xmm10", "movdqu [{to} + 80], xmm11",
                "movdqu [{to} + 96], xmm12", "movdqu [{to} + 112], xmm13",
                "movdqu [{to} + 128], xmm14", "movdqu [{to} + 144], xmm15",
                wipe_registers!(),
                key = in(reg) key,
                to = in(reg) round_keys,
                constants = in(reg) &crate::aes_ni_macros::CONSTANTS,
                out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
                out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
                out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
                options(nostack),
            );
        }
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = (key, round_keys);
}

#[cfg(all(test, target_arch = "x86_64", not(miri)))]
mod tests {
    use super::expand_into;

    #[test]
    fn the_round_keys_are_those_of_fips_197() {
        let mut round_keys = [[0; 16]; 10];
        expand_into(&0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c_u128.to_be_bytes(), &mut round_keys);
        if crate::Backend::AesNi.is_available() {
            let [first, .., last] = round_keys.map(u128::from_be_bytes);
            assert_eq!(first, 0xa0fa_fe17_8854_2cb1_23a3_3939_2a6c_7605);
            assert_eq!(last, 0xd014_f9a8_c9ee_2589_e13f_0cc8_b663_0ca6);
        }
    }
}
