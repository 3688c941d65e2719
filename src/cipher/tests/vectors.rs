//! Published and derived vectors, on every backend; the label in front of each says which.
//!
//! The counter block is written as two numbers, IV and count, as they stand in memory.

#![allow(clippy::unwrap_used, reason = "a panic in a test is the message, in its helpers too")]

use rekeylab_cipher::{Backend, Block};

/// The key of most vectors: NIST SP 800-38A.
const KEY: Block = 0x2b7e151628aed2a6abf7158809cf4f3c_u128.to_be_bytes();
/// The same after V-09's refresh.
const REFRESHED_KEY: Block = 0x2b7f17152cabd4a1a3fe1f8305c24133_u128.to_be_bytes();

/// The plaintext and the counter block of SP 800-38A F.5.
const PLAINTEXT: &str = "6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51 \
                         30c81c46a35ce411e5fbc1191a0a52ef f69f2445df4f9b17ad2b417be66c3710";
const IV: u64 = 0xf0f1f2f3f4f5f6f7;
const COUNT: u64 = 0xf8f9fafbfcfdfeff;

fn available() -> impl Iterator<Item = Backend> {
    Backend::ALL.into_iter().filter(|backend| backend.is_available())
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|c| c.to_digit(16)).map(|d| u8::try_from(d).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn block(text: &str) -> Block {
    hex(text).try_into().unwrap()
}

/// Both directions: the keystream turns plaintext into ciphertext and back.
fn check_ctr(key: &Block, iv: u64, count: u64, plaintext: &[u8], ciphertext: &str) {
    for backend in available() {
        let mut data = plaintext.to_vec();
        backend.ctr_xor(key, iv, count, &mut data).unwrap();
        assert_eq!(data, hex(ciphertext), "{backend:?}, forwards");
        backend.ctr_xor(key, iv, count, &mut data).unwrap();
        assert_eq!(data, plaintext, "{backend:?}, back");
    }
}

fn check_block(key: &Block, plaintext: Block, ciphertext: &str) {
    for backend in available() {
        let mut data = plaintext;
        backend.encrypt_block(key, &mut data);
        assert_eq!(data, block(ciphertext), "{backend:?}, forwards");
        backend.decrypt_block(key, &mut data);
        assert_eq!(data, plaintext, "{backend:?}, back");
    }
}

#[test]
fn v01_nist_counter_mode_four_blocks() {
    let ciphertext = "874d6191b620e3261bef6864990db6ce 9806f66b7970fdff8617187bb9fffdff \
                      5ae4df3edbd5d35e5b4f09020db03eab 1e031dda2fbe03d1792170a0f3009cee";
    check_ctr(&KEY, IV, COUNT, &hex(PLAINTEXT), ciphertext);
}

#[test]
fn v02_rfc_3686_one_block() {
    let key = block("ae6852f8121067cc4bf7a5765577f39e");
    let ciphertext = "e4095d4fb7a7b3792d6175a3261311b8";
    check_ctr(&key, 0x0000003000000000, 1, b"Single block msg", ciphertext);
}

#[test]
fn v03_rfc_3686_two_blocks() {
    let key = block("7e24067817fae0d743d6ce1f32539163");
    let plaintext: Vec<u8> = (0x00..=0x1f).collect();
    let ciphertext = "5104a106168a72d9790d41ee8edad388eb2e1efc46da57c8fce630df9141be28";
    check_ctr(&key, 0x006cb6dbc0543b59, 0xda48d90b00000001, &plaintext, ciphertext);
}

#[test]
fn v04_rfc_3686_two_blocks_and_four_bytes() {
    let key = block("7691be035e5020a8ac6e618529f9a0dc");
    let plaintext: Vec<u8> = (0x00..=0x23).collect();
    let ciphertext = "c1cf48a89f2ffdd9cf4652e9efdb72d74540a42bde6d7836d59a5ceaaef3105325b2072f";
    check_ctr(&key, 0x00e0017b27777f3f, 0x4a1786f000000001, &plaintext, ciphertext);
}

#[test]
fn v05_nist_and_fips_single_blocks() {
    let plaintext = block("6bc1bee22e409f96e93d7e117393172a");
    check_block(&KEY, plaintext, "3ad77bb40d7a3660a89ecaf32466ef97");
    let key = block("000102030405060708090a0b0c0d0e0f");
    let plaintext = block("00112233445566778899aabbccddeeff");
    check_block(&key, plaintext, "69c4e0d86a7b0430d8cdb78070b4c55a");
}

#[test]
fn v06_the_count_continues_across_the_buffers_of_a_frame() {
    let keystream = hex("69bb88bdf16a4b7146103763afeef614 d2ce7ce4b8d921c4dbcde77843200bd8 \
         96db1095a7f593e2e7edb39174f0446b f0afec64baa066074d3ede4bb0538f20 \
         ae326f89fd6f4b4f5c14cc10ced5a34b 254be4d26720860cff7c0b2a45025d35 \
         5f9ad4b2203b4eff7fbd4266f8894bb9 eb6a56d46f2c11ab8c34be5c5185b002 \
         58ee9079c0b1a0f85e28ddcdcd4f5944");
    for backend in available() {
        let mut whole = [0; 144];
        backend.ctr_xor(&KEY, 7, 1, &mut whole).unwrap();
        assert_eq!(whole[..], keystream, "{backend:?}, in one buffer");
        for (buffer_index, count) in [1, 4, 7].into_iter().enumerate() {
            let mut buffer = [0; 48];
            backend.ctr_xor(&KEY, 7, count, &mut buffer).unwrap();
            let expected = &keystream[48 * buffer_index..][..48];
            assert_eq!(buffer[..], *expected, "{backend:?}, buffer {buffer_index}");
        }
    }
}

#[test]
fn v06_little_endian_counter_blocks_give_another_keystream() {
    let little_endian = "a38a021569f723c0413706beae08252a";
    check_ctr(&KEY, 7_u64.swap_bytes(), 1_u64.swap_bytes(), &[0; 16], little_endian);
}

#[test]
fn v07_v08_the_last_count_neither_carries_into_the_iv_nor_wraps() {
    check_ctr(&KEY, 1, u64::MAX, &[0; 16], "9e582c699ddc0085c0d36b60e14c06d0");
    // V-07: what a carry into the IV would have continued with.
    let carried = "d4ccbed38df03f156b7a8a31966d9c0f 0c2e338d3941b7cc33bad514eb773aee";
    check_ctr(&KEY, 2, 0, &[0; 32], carried);
    // V-08: what a wrap of the count would have continued with.
    let wrapped = "dc0a3bc38609c26f6f2a63a39cf7ee93 c5eb9614bd235873ff3771254315047c";
    check_ctr(&KEY, 1, 0, &[0; 32], wrapped);
    // Either is refused.
    for backend in available() {
        assert!(backend.ctr_xor(&KEY, 1, u64::MAX, &mut [0; 17]).is_err(), "{backend:?}");
        assert!(backend.ctr_xor(&KEY, 1, u64::MAX, &mut [0; 48]).is_err(), "{backend:?}");
    }
}

#[test]
fn v09_the_refreshed_key_is_the_old_one_xor_the_random() {
    let random = block("000102030405060708090a0b0c0d0e0f");
    let key: Block = std::array::from_fn(|i| KEY[i] ^ random[i]);
    assert_eq!(key, REFRESHED_KEY);
    let ciphertext = "d5d6084535fbb8cdf8683569ac90c619 6e715509037b380c4b13742b7aaf0f06 \
                      7b6797bf9a83a90c16d53b991b83e217 b862b02bfbd083c4d46f17c5aeeed63b";
    check_ctr(&key, IV, COUNT, &hex(PLAINTEXT), ciphertext);
}

#[test]
fn v10_a_stale_wrap_opens_to_another_key_without_an_error() {
    let content_key = block("00112233445566778899aabbccddeeff");
    check_block(&KEY, content_key, "8df4e9aac5c7573a27d8d055d6e4d64b");
    check_block(&REFRESHED_KEY, content_key, "c25cbed1f3b7064b72eebc4eb0396dfe");
    for backend in available() {
        let mut stale = block("8df4e9aac5c7573a27d8d055d6e4d64b");
        backend.decrypt_block(&REFRESHED_KEY, &mut stale);
        assert_eq!(stale, block("b1e99221f7cef4e97930618da1e8c190"), "{backend:?}");
    }
}

#[test]
fn v11_known_keystream_is_a_valid_wrap_of_its_counter_block() {
    for backend in available() {
        let mut forged = block("ec8cdf7398607cb0f2d21675ea9ea1e4");
        backend.decrypt_block(&KEY, &mut forged);
        assert_eq!(forged, block("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"), "{backend:?}");
    }
}

#[test]
fn v12_the_zero_block_under_both_keys() {
    check_block(&KEY, [0; 16], "7df76b0c1ab899b33e42f047b91b546f");
    check_block(&REFRESHED_KEY, [0; 16], "be34c24724d58ec44eb3485ca8f627d2");
}
