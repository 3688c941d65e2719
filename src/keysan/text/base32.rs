//! Reads base32 in its usual alphabets, beginning at any character.

use super::Encoding;
use super::stream::Stream;

/// Digits that eight bytes take.
const RUN_MIN: usize = 13;

/// Of RFC 4648 the usual one and that for sorting, that of Bech32 (BIP 173), and Crockford's.
const ALPHABETS: [&[u8; 32]; 4] = [
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
    b"0123456789ABCDEFGHIJKLMNOPQRSTUV",
    b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
    b"0123456789ABCDEFGHJKMNPQRSTVWXYZ",
];

pub(super) fn scan(text: &[u8], stream: &mut Stream<'_>) {
    for values in &VALUES {
        let mut start = 0;
        for run in text.split(|byte| values[usize::from(*byte)] == NO_DIGIT) {
            // Where a byte begins in the run is unknown.
            for phase in 0..8 {
                if run.len() >= RUN_MIN + phase {
                    stream.stretch(Encoding::Base32, start + phase, |stream| {
                        decode(&run[phase..], values, stream);
                    });
                }
            }
            start += run.len() + 1;
        }
    }
}

fn decode(digits: &[u8], values: &[u8; 256], stream: &mut Stream<'_>) {
    let (mut bits, mut count) = (0_u16, 0);
    for digit in digits {
        bits = bits << 5 | u16::from(values[usize::from(*digit)]);
        count += 5;
        if count >= 8 {
            count -= 8;
            stream.push((bits >> count).to_le_bytes()[0]);
        }
    }
}

/// For each alphabet the value of each digit in either case, and [`NO_DIGIT`] for every other byte.
const VALUES: [[u8; 256]; ALPHABETS.len()] = {
    let mut values = [[NO_DIGIT; 256]; ALPHABETS.len()];
    let mut alphabet = 0;
    while alphabet < ALPHABETS.len() {
        let mut value = 0;
        while value < 32 {
            let digit = ALPHABETS[alphabet][value as usize];
            values[alphabet][digit as usize] = value;
            values[alphabet][digit.to_ascii_lowercase() as usize] = value;
            value += 1;
        }
        alphabet += 1;
    }
    values
};

const NO_DIGIT: u8 = 32;
