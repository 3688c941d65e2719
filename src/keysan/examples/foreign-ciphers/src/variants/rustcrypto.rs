//! RustCrypto's `aes` and `ctr`, with every `zeroize` feature on.

use std::hint::black_box;

use aes::Aes128;
use cipher::{BlockCipherEncrypt, KeyInit, KeyIvInit, StreamCipher};
use zeroize::zeroize_stack;

use super::Task;

type Aes128Ctr = ctr::Ctr128BE<Aes128>;

/// Text is encrypted in two pieces, as a stream is: this much, which ends inside a block, and the
/// rest.
const FIRST_PIECE: usize = 100;

/// The way the documentation shows it.
pub(super) fn on_the_stack(task: &mut Task<'_>) {
    let mut cipher = Aes128Ctr::new(task.key.into(), task.counter_block.into());
    encrypt(&mut cipher, task.text);
    black_box(&cipher);
}

/// The same with the cipher on the heap.
pub(super) fn boxed(task: &mut Task<'_>) {
    let mut cipher = Box::new(Aes128Ctr::new(task.key.into(), task.counter_block.into()));
    encrypt(&mut cipher, task.text);
    black_box(&cipher);
}

/// What the key's expansion alone leaves.
pub(super) fn unused(task: &mut Task<'_>) {
    black_box(&Aes128Ctr::new(task.key.into(), task.counter_block.into()));
}

/// The ordinary way, and then the stack below it wiped, as `zeroize` advises.
pub(super) fn wiped<const LEN: usize>(task: &mut Task<'_>) {
    // Inlined, its frame would be part of this one and above what is wiped.
    #[inline(never)]
    fn apart(task: &mut Task<'_>) {
        on_the_stack(task);
    }
    apart(task);
    zeroize_stack::<LEN>();
}

/// The bare block cipher, with the counter kept by hand.
pub(super) fn block_by_block(task: &mut Task<'_>) {
    let cipher = Aes128::new(task.key.into());
    let counts = u128::from_be_bytes(*task.counter_block)..;
    for (count, piece) in counts.zip(task.text.chunks_mut(16)) {
        let mut block = count.to_be_bytes().into();
        cipher.encrypt_block(&mut block);
        piece.iter_mut().zip(block).for_each(|(byte, key_byte)| *byte ^= key_byte);
    }
    black_box(&cipher);
}

fn encrypt(cipher: &mut Aes128Ctr, text: &mut [u8]) {
    let (first, rest) = text.split_at_mut(FIRST_PIECE);
    cipher.apply_keystream(first);
    cipher.apply_keystream(rest);
}
