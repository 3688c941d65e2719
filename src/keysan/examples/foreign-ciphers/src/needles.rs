//! What is looked for: a key and everything that a cipher makes of it alone.

use aes::{Aes128, Block, hazmat};
use cipher::{BlockCipherEncrypt, KeyInit};
use keysan::{SecretSet, SetIsFull};

/// How much text is encrypted, in bytes: a display line's worth, and no whole number of blocks.
pub(crate) const TEXT_LEN: usize = 5_100;

/// The count in the first block's counter block. GCM begins there, having used 1 for its tag; with
/// CTR beginning there too, all ciphers use the same keystream.
pub(crate) const FIRST_COUNT: u32 = 2;

/// What a needle is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Key,
    RoundKey,
    InverseRoundKey,
    Keystream,
}

impl Kind {
    /// In the order of the table's counts.
    pub(crate) const ALL: [Kind; 4] =
        [Kind::Key, Kind::RoundKey, Kind::InverseRoundKey, Kind::Keystream];

    /// The kind of the needle that is called so.
    pub(crate) fn of_tag(tag: u32) -> Kind {
        Kind::ALL[(tag / TAGS_A_KIND) as usize]
    }
}

/// More than there are needles of any kind.
const TAGS_A_KIND: u32 = 1 << 16;

/// Every needle of one key, each in full, so that no alignment hides it.
pub(crate) fn set_of(key: &[u8; 16], nonce: &[u8; 12]) -> Result<SecretSet, SetIsFull> {
    let mut set = SecretSet::new();
    let mut register = |kind: Kind, needles: &[[u8; 16]]| {
        let tags = kind as u32 * TAGS_A_KIND..;
        needles.iter().zip(tags).try_for_each(|(needle, tag)| set.register(needle, tag).map(drop))
    };
    let round_keys = round_keys(key);
    let between = &round_keys[1..10];
    // The first round key is the key, and the inverse schedule begins and ends like the other.
    register(Kind::Key, &round_keys[..1])?;
    register(Kind::RoundKey, &round_keys[1..])?;
    register(Kind::InverseRoundKey, &between.iter().map(inverse_round_key).collect::<Vec<_>>())?;
    register(Kind::Keystream, &keystream(key, nonce, FIRST_COUNT - 1))?;
    Ok(set)
}

/// What every cipher must have made of the text.
pub(crate) fn encrypted(key: &[u8; 16], nonce: &[u8; 12], text: &[u8]) -> Vec<u8> {
    let keystream = keystream(key, nonce, FIRST_COUNT);
    text.iter().zip(keystream.as_flattened()).map(|(byte, key_byte)| byte ^ key_byte).collect()
}

/// The nonce and a count, as CTR and GCM put them together.
pub(crate) fn counter_block(nonce: &[u8; 12], count: u32) -> [u8; 16] {
    let mut block = [0; 16];
    block[..12].copy_from_slice(nonce);
    block[12..].copy_from_slice(&count.to_be_bytes());
    block
}

/// From the block of this count to the one that encrypts the last byte of text.
fn keystream(key: &[u8; 16], nonce: &[u8; 12], first_count: u32) -> Vec<[u8; 16]> {
    let cipher = Aes128::new(key.into());
    let encrypted = |count| {
        let mut block = counter_block(nonce, count).into();
        cipher.encrypt_block(&mut block);
        block.into()
    };
    (first_count..).take(TEXT_LEN.div_ceil(16) + 1).map(encrypted).collect()
}

/// The key expansion of FIPS 197, section 5.2, for 16 bytes of key.
fn round_keys(key: &[u8; 16]) -> [[u8; 16]; 11] {
    let mut round_keys = [*key; 11];
    let mut round_constant = 1_u8;
    for round in 1..11 {
        let last = round_keys[round - 1];
        let [a, b, c, d] = [last[12], last[13], last[14], last[15]];
        let mut word = substituted([b, c, d, a]);
        word[0] ^= round_constant;
        // Doubled in the field of AES.
        round_constant = (round_constant << 1) ^ (0x1b * (round_constant >> 7));
        for (place, byte) in round_keys[round].iter_mut().enumerate() {
            word[place % 4] ^= last[place];
            *byte = word[place % 4];
        }
    }
    round_keys
}

/// SubWord, by way of a whole round.
///
/// With four equal columns ShiftRows changes nothing, and what MixColumns did is undone.
fn substituted(word: [u8; 4]) -> [u8; 4] {
    let mut block: Block = [word; 4].as_flattened().try_into().expect("four words are a block");
    hazmat::cipher_round(&mut block, &Block::default());
    hazmat::inv_mix_columns(&mut block);
    [block[0], block[1], block[2], block[3]]
}

/// The round key as the equivalent inverse cipher uses it (FIPS 197, section 5.3.5).
fn inverse_round_key(round_key: &[u8; 16]) -> [u8; 16] {
    let mut block = (*round_key).into();
    hazmat::inv_mix_columns(&mut block);
    block.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 197, appendix A.1.
    #[test]
    fn the_schedule_is_that_of_the_standard() {
        let key = 0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c_u128.to_be_bytes();
        let round_keys = round_keys(&key).map(u128::from_be_bytes);
        assert_eq!(round_keys[1], 0xa0fa_fe17_8854_2cb1_23a3_3939_2a6c_7605);
        assert_eq!(round_keys[10], 0xd014_f9a8_c9ee_2589_e13f_0cc8_b663_0ca6);
    }

    #[test]
    fn every_needle_is_registered_under_its_kind() {
        let (key, nonce) = ([7; 16], [9; 12]);
        let set = set_of(&key, &nonce).unwrap();
        assert_eq!(set.len(), 1 + 10 + 9 + 320);
        let check = |needle: [u8; 16], kind: Kind| {
            let mut kinds = Vec::new();
            set.scan_bytes(&needle, &mut |sighting| kinds.push(Kind::of_tag(sighting.tag)));
            assert!(!kinds.is_empty() && kinds.iter().all(|&seen| seen == kind));
        };
        check(key, Kind::Key);
        check(round_keys(&key)[10], Kind::RoundKey);
        check(inverse_round_key(&round_keys(&key)[9]), Kind::InverseRoundKey);
        check(keystream(&key, &nonce, 1)[0], Kind::Keystream);
        check(keystream(&key, &nonce, 1)[319], Kind::Keystream);
    }
}
