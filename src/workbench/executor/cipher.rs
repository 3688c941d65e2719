//! Shows that the cipher is AES-128-CTR, by published vectors, before anything is measured with it.
//!
//! Client, model and driver use the same block function. Were it another one, all of them would
//! agree, and every buffer would seem right.

use rekeylab_cipher::{Backend, Block};

/// A published encryption in counter mode.
struct Vector {
    key: u128,
    iv: u64,
    count: u64,
    plaintext: &'static [u128],
    ciphertext: &'static [u128],
}

const KEY: u128 = 0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c;

const VECTORS: &[Vector] = &[
    // V-01: NIST SP 800-38A, F.5.1.
    Vector {
        key: KEY,
        iv: 0xf0f1_f2f3_f4f5_f6f7,
        count: 0xf8f9_fafb_fcfd_feff,
        plaintext: &[
            0x6bc1_bee2_2e40_9f96_e93d_7e11_7393_172a,
            0xae2d_8a57_1e03_ac9c_9eb7_6fac_45af_8e51,
            0x30c8_1c46_a35c_e411_e5fb_c119_1a0a_52ef,
            0xf69f_2445_df4f_9b17_ad2b_417b_e66c_3710,
        ],
        ciphertext: &[
            0x874d_6191_b620_e326_1bef_6864_990d_b6ce,
            0x9806_f66b_7970_fdff_8617_187b_b9ff_fdff,
            0x5ae4_df3e_dbd5_d35e_5b4f_0902_0db0_3eab,
            0x1e03_1dda_2fbe_03d1_7921_70a0_f300_9cee,
        ],
    },
    // V-02: RFC 3686, vector #1.
    Vector {
        key: 0xae68_52f8_1210_67cc_4bf7_a576_5577_f39e,
        iv: 0x0000_0030_0000_0000,
        count: 1,
        plaintext: &[u128::from_be_bytes(*b"Single block msg")],
        ciphertext: &[0xe409_5d4f_b7a7_b379_2d61_75a3_2613_11b8],
    },
];

/// V-05: key, block and encrypted block of NIST SP 800-38A, F.1.1 and of FIPS 197, C.1.
const BLOCKS: [[u128; 3]; 2] = [
    [KEY, 0x6bc1_bee2_2e40_9f96_e93d_7e11_7393_172a, 0x3ad7_7bb4_0d7a_3660_a89e_caf3_2466_ef97],
    [
        0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f,
        0x0011_2233_4455_6677_8899_aabb_ccdd_eeff,
        0x69c4_e0d8_6a7b_0430_d8cd_b780_70b4_c55a,
    ],
];

/// A backend of the cipher does not compute what is published.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the {backend:?} backend of the cipher is not AES-128-CTR: its {operation} is wrong")]
pub struct NotAes {
    backend: Backend,
    operation: &'static str,
}

/// Shows that a backend computes what is published.
///
/// # Errors
///
/// [`NotAes`], with the operation that is wrong.
///
/// # Panics
///
/// Panics if the backend is not available here.
pub fn prove_cipher(backend: Backend) -> Result<(), NotAes> {
    let check = |operation, is_right: bool| {
        if is_right { Ok(()) } else { Err(NotAes { backend, operation }) }
    };
    for vector in VECTORS {
        let key = vector.key.to_be_bytes();
        let mut blocks: Vec<Block> = vector.plaintext.iter().map(|b| b.to_be_bytes()).collect();
        let is_done = backend.ctr_xor(&key, vector.iv, vector.count, blocks.as_flattened_mut());
        let ciphertext = vector.ciphertext.iter().map(|block| block.to_be_bytes());
        check("counter mode", is_done.is_ok() && blocks.into_iter().eq(ciphertext))?;
    }
    for [key, plaintext, ciphertext] in BLOCKS.map(|blocks| blocks.map(u128::to_be_bytes)) {
        let mut block = plaintext;
        backend.encrypt_block(&key, &mut block);
        check("encryption of a block", block == ciphertext)?;
        backend.decrypt_block(&key, &mut block);
        check("decryption of a block", block == plaintext)?;
        // More than any batch, and no whole number of them.
        let mut many = [plaintext; 21];
        backend.encrypt_blocks(&key, &mut many);
        check("encryption of blocks", many == [ciphertext; 21])?;
    }
    Ok(())
}

/// The same of the functions that choose the backend by themselves, which everybody uses.
pub(super) fn prove_the_chosen_one() -> Result<(), NotAes> {
    prove_cipher(rekeylab_cipher::backend())?;
    for [key, plaintext, ciphertext] in BLOCKS.map(|blocks| blocks.map(u128::to_be_bytes)) {
        let (mut block, mut keystream) = (plaintext, [0; 16]);
        rekeylab_cipher::encrypt_block(&key, &mut block);
        let mut blocks = [plaintext];
        rekeylab_cipher::encrypt_blocks(&key, &mut blocks);
        let (iv, count) = plaintext.split_at(8);
        let number = |half: &[u8]| half.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
        let is_done = rekeylab_cipher::ctr_xor(&key, number(iv), number(count), &mut keystream);
        let is_right = block == ciphertext && blocks == [ciphertext] && keystream == ciphertext;
        rekeylab_cipher::decrypt_block(&key, &mut block);
        if is_done.is_err() || !is_right || block != plaintext {
            return Err(NotAes {
                backend: rekeylab_cipher::backend(),
                operation: "choice by itself",
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_backend_here_is_the_published_cipher() {
        for backend in Backend::ALL.into_iter().filter(|backend| backend.is_available()) {
            assert_eq!(prove_cipher(backend), Ok(()));
        }
        assert_eq!(prove_the_chosen_one(), Ok(()));
    }
}
