//! `ring`: AES-128-GCM, since it has no CTR by itself.

use std::hint::black_box;

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::Task;

pub(super) fn gcm(task: &mut Task<'_>) {
    let key = UnboundKey::new(&AES_128_GCM, task.key).expect("AES-128 keys have 16 bytes");
    let key = LessSafeKey::new(key);
    let nonce = Nonce::assume_unique_for_key(*task.nonce);
    let tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), task.text);
    black_box((&key, &tag.expect("the text is short")));
}
