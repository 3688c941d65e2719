//! The portable cipher: the block function of the `aes` crate, with the counter arithmetic here.
//!
//! Called directly this is [`Backend::Plain`](crate::Backend::Plain), which leaves residue; called
//! on a private stack it is [`Backend::PrivateStack`](crate::Backend::PrivateStack). Everything
//! lives in locals, so that wiping that stack wipes all of it; nothing here may allocate.

use aes::Aes128;
use aes::cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};

use crate::{BLOCK_LEN, Block, KEY_LEN};

/// How many blocks of keystream are made at a time: what the widest block function takes at once.
const BATCH_LEN: usize = 16;

/// XORs `data` with keystream. The caller has made sure that the count does not overflow.
pub(crate) fn ctr_xor(key: &[u8; KEY_LEN], iv: u64, count: u64, data: &mut [u8]) {
    let cipher = Aes128::new(key.into());
    let mut keystream = [Block::default(); BATCH_LEN];
    let mut next_count = count;
    for part in data.chunks_mut(BATCH_LEN * BLOCK_LEN) {
        let blocks = &mut keystream[..part.len().div_ceil(BLOCK_LEN)];
        for block in &mut *blocks {
            block[..8].copy_from_slice(&iv.to_be_bytes());
            block[8..].copy_from_slice(&next_count.to_be_bytes());
            // Wraps at most once, after the very last block, and is not used then.
            next_count = next_count.wrapping_add(1);
        }
        cipher.encrypt_blocks(Array::cast_slice_from_core_mut(blocks));
        for (byte, mask) in part.iter_mut().zip(blocks.as_flattened()) {
            *byte ^= mask;
        }
    }
}

/// Encrypts independent blocks in place.
pub(crate) fn encrypt_blocks(key: &[u8; KEY_LEN], blocks: &mut [Block]) {
    Aes128::new(key.into()).encrypt_blocks(Array::cast_slice_from_core_mut(blocks));
}

/// Decrypts one block in place.
pub(crate) fn decrypt_block(key: &[u8; KEY_LEN], block: &mut Block) {
    Aes128::new(key.into()).decrypt_block(block.into());
}
