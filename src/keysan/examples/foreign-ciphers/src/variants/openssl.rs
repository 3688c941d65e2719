//! The system's OpenSSL through `openssl`: AES-128 in CTR mode.

use openssl::cipher::Cipher;
use openssl::cipher_ctx::CipherCtx;

use super::Task;

pub(super) fn ctr(task: &mut Task<'_>) {
    let mut context = CipherCtx::new().expect("memory for a context");
    context
        .encrypt_init(Some(Cipher::aes_128_ctr()), Some(task.key), Some(task.counter_block))
        .expect("key and counter block have the cipher's lengths");
    let len = task.text.len();
    context.cipher_update_inplace(task.text, len).expect("CTR takes any length");
}
