//! Random inputs: every backend agrees with an unrelated library, at every length.

use cryptoxide::aes::Aes128;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rekeylab_cipher::{Backend, Block, ctr_xor, decrypt_block, encrypt_block, encrypt_blocks};

/// Any number will do; a fixed one makes a failure happen again.
const SEED: u64 = 0x5eed;

/// Miri runs some thousand times slower and needs no more than a taste.
const CASE_COUNT: usize = if cfg!(miri) { 20 } else { 3000 };

fn available() -> impl Iterator<Item = Backend> {
    Backend::ALL.into_iter().filter(|backend| backend.is_available())
}

/// Counter mode as the specification puts it, on the other library's block function.
fn expected_ctr(key: &Block, iv: u64, count: u64, plaintext: &[u8]) -> Vec<u8> {
    let cipher = Aes128::new(key);
    let keystream = (0..).flat_map(|i| {
        let counter_block = u128::from(iv) << 64 | u128::from(count.wrapping_add(i));
        cipher.encrypt_block(&counter_block.to_be_bytes())
    });
    plaintext.iter().zip(keystream).map(|(byte, mask)| byte ^ mask).collect()
}

fn check_ctr(key: &Block, iv: u64, count: u64, plaintext: &[u8]) {
    let expected = expected_ctr(key, iv, count, plaintext);
    for backend in available() {
        // Bytes on either side, to see that nothing outside the buffer changes.
        let mut memory = vec![0xee; plaintext.len() + 64];
        memory[32..][..plaintext.len()].copy_from_slice(plaintext);
        let answer = backend.ctr_xor(key, iv, count, &mut memory[32..][..plaintext.len()]);
        assert_eq!(answer, Ok(()), "{backend:?}");
        let (before, rest) = memory.split_at(32);
        let (data, after) = rest.split_at(plaintext.len());
        assert_eq!(data, expected, "{backend:?}, {} bytes", plaintext.len());
        assert_eq!((before, after), (&[0xee; 32][..], &[0xee; 32][..]), "{backend:?}");
    }
}

#[test]
fn counter_mode_agrees_on_random_inputs() {
    let mut rng = StdRng::seed_from_u64(SEED);
    for _ in 0..CASE_COUNT {
        let mut plaintext = vec![0; rng.random_range(0..300)];
        rng.fill(&mut plaintext[..]);
        // A count this close to its end, but with room for 19 blocks, sets every high bit.
        let count = if rng.random() { rng.random() } else { u64::MAX - 19 };
        check_ctr(&rng.random(), rng.random(), count, &plaintext);
    }
}

#[test]
fn counter_mode_agrees_at_every_short_length() {
    let mut rng = StdRng::seed_from_u64(SEED);
    for len in 0..=130 {
        let mut plaintext = vec![0; len];
        rng.fill(&mut plaintext[..]);
        check_ctr(&rng.random(), rng.random(), rng.random::<u32>().into(), &plaintext);
    }
}

#[test]
fn counter_mode_agrees_on_a_long_buffer() {
    let mut rng = StdRng::seed_from_u64(SEED);
    let mut plaintext = vec![0; 64 * 1024 + 5];
    rng.fill(&mut plaintext[..]);
    check_ctr(&rng.random(), rng.random(), rng.random::<u32>().into(), &plaintext);
}

#[test]
fn blocks_agree_whether_one_at_a_time_or_many() {
    let mut rng = StdRng::seed_from_u64(SEED);
    for case_index in 0..CASE_COUNT {
        let key: Block = rng.random();
        let blocks: Vec<Block> = (0..case_index % 20).map(|_| rng.random()).collect();
        let cipher = Aes128::new(&key);
        let expected: Vec<Block> = blocks.iter().map(|block| cipher.encrypt_block(block)).collect();
        for backend in available() {
            let mut together = blocks.clone();
            backend.encrypt_blocks(&key, &mut together);
            assert_eq!(together, expected, "{backend:?}, together");
            let mut alone = blocks.clone();
            alone.iter_mut().for_each(|block| backend.encrypt_block(&key, block));
            assert_eq!(alone, expected, "{backend:?}, alone");
            alone.iter_mut().for_each(|block| backend.decrypt_block(&key, block));
            assert_eq!(alone, blocks, "{backend:?}, back");
        }
    }
}

#[test]
fn the_free_functions_agree_as_well() {
    let mut rng = StdRng::seed_from_u64(SEED);
    let (key, plaintext): (Block, Block) = (rng.random(), rng.random());
    let mut data = plaintext;
    ctr_xor(&key, 1, 2, &mut data).unwrap();
    assert_eq!(data[..], expected_ctr(&key, 1, 2, &plaintext));

    let ciphertext = Aes128::new(&key).encrypt_block(&plaintext);
    let mut block = plaintext;
    encrypt_block(&key, &mut block);
    assert_eq!(block, ciphertext);
    decrypt_block(&key, &mut block);
    assert_eq!(block, plaintext);
    let mut blocks = [plaintext; 5];
    encrypt_blocks(&key, &mut blocks);
    assert_eq!(blocks, [ciphertext; 5]);
}
