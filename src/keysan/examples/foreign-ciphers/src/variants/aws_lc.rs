//! AWS-LC through `aws-lc-rs`: AES-128 in CTR mode and GCM.

use std::hint::black_box;

use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{aead, cipher};

use super::Task;

pub(super) fn ctr(task: &mut Task<'_>) {
    let key = cipher::UnboundCipherKey::new(&cipher::AES_128, task.key);
    let key = cipher::EncryptingKey::ctr(key.expect("AES-128 keys have 16 bytes"));
    let key = key.expect("AES-128 has a CTR mode");
    let first_block = cipher::EncryptionContext::Iv128(FixedLength::from(*task.counter_block));
    let context = key.less_safe_encrypt(task.text, first_block);
    black_box(context.expect("the text is short"));
    black_box(&key);
}

pub(super) fn gcm(task: &mut Task<'_>) {
    let key = aead::UnboundKey::new(&aead::AES_128_GCM, task.key);
    let key = aead::LessSafeKey::new(key.expect("AES-128 keys have 16 bytes"));
    let nonce = aead::Nonce::assume_unique_for_key(*task.nonce);
    let tag = key.seal_in_place_separate_tag(nonce, aead::Aad::empty(), task.text);
    black_box((&key, &tag.expect("the text is short")));
}
