//! Moves secrets between their homes without a stop in a register that outlives the call.

/// Copies a secret from one home to another.
///
/// By reference on both sides: arrays are `Copy`, so a secret passed by value is left behind in
/// the callee's stack. On x86-64 the one register it passes through is zeroed again; elsewhere
/// the compiler chooses, and nothing is guaranteed.
pub fn copy_secret(from: &[u8; 16], to: &mut [u8; 16]) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: both pointers come from references to sixteen bytes, the second one unshared; the
    // block reads and writes nothing else, and unaligned moves need no alignment.
    unsafe {
        core::arch::asm!(
            "movdqu {secret}, [{from}]",
            "movdqu [{to}], {secret}",
            "pxor {secret}, {secret}",
            from = in(reg) from,
            to = in(reg) to,
            secret = out(xmm_reg) _,
            options(nostack, preserves_flags),
        );
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    to.copy_from_slice(from);
}

/// XORs the secret in one home into the one in another, in place.
///
/// With the same care as [`copy_secret`].
pub fn xor_secret(mask: &[u8; 16], secret: &mut [u8; 16]) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: as in `copy_secret`.
    unsafe {
        core::arch::asm!(
            "movdqu {a}, [{mask}]",
            "movdqu {b}, [{secret}]",
            "pxor {a}, {b}",
            "movdqu [{secret}], {a}",
            "pxor {a}, {a}",
            "pxor {b}, {b}",
            mask = in(reg) mask,
            secret = in(reg) secret,
            a = out(xmm_reg) _,
            b = out(xmm_reg) _,
            options(nostack, preserves_flags),
        );
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    secret.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
}

/// Whether two homes hold the same secret; takes the same time whatever they hold.
///
/// With the same care as [`copy_secret`]: nothing of either stays in a register.
#[must_use]
pub fn is_same_secret(a: &[u8; 16], b: &[u8; 16]) -> bool {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        let mut is_same: u32;
        // SAFETY: both pointers come from references to sixteen bytes; the block only reads them.
        unsafe {
            core::arch::asm!(
                "movdqu {x}, [{a}]",
                "movdqu {y}, [{b}]",
                "pcmpeqb {x}, {y}",
                // One bit for each byte that is the same, and then one for all of them.
                "pmovmskb {is_same:e}, {x}",
                "pxor {x}, {x}",
                "pxor {y}, {y}",
                "add {is_same:e}, 1",
                "shr {is_same:e}, 16",
                a = in(reg) a,
                b = in(reg) b,
                x = out(xmm_reg) _,
                y = out(xmm_reg) _,
                is_same = out(reg) is_same,
                options(nostack, readonly),
            );
        }
        is_same == 1
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    {
        a.iter().zip(b).fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::{copy_secret, is_same_secret, xor_secret};

    const V_09_KEY: u128 = 0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c;
    const V_09_RANDOM: u128 = 0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f;
    const V_09_UPDATED: u128 = 0x2b7f_1715_2cab_d4a1_a3fe_1f83_05c2_4133;

    #[test]
    fn one_different_bit_makes_another_secret() {
        let secret = V_09_KEY.to_be_bytes();
        assert!(is_same_secret(&secret, &V_09_KEY.to_be_bytes()));
        for bit in 0..128 {
            assert!(!is_same_secret(&secret, &(V_09_KEY ^ (1 << bit)).to_be_bytes()), "bit {bit}");
        }
    }

    #[test]
    fn a_copy_is_the_same_secret() {
        let mut copy = [0; 16];
        copy_secret(&V_09_KEY.to_be_bytes(), &mut copy);
        assert_eq!(u128::from_be_bytes(copy), V_09_KEY);
    }

    #[test]
    fn xor_is_the_refresh_of_v_09() {
        let mut key = V_09_KEY.to_be_bytes();
        xor_secret(&V_09_RANDOM.to_be_bytes(), &mut key);
        assert_eq!(u128::from_be_bytes(key), V_09_UPDATED);
    }
}
