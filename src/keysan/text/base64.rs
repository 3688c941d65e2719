//! Reads base64 in the standard and the URL alphabet, beginning at any character.

use super::Encoding;
use super::stream::Stream;

/// Digits that eight bytes take.
pub(super) const RUN_MIN: usize = 11;

/// Whether `byte` is a digit of either alphabet; both are read at once.
#[inline]
pub(super) const fn is_digit(byte: u8) -> bool {
    VALUES[byte as usize] != NO_DIGIT
}

pub(super) fn scan(text: &[u8], stream: &mut Stream<'_>) {
    let mut start = 0;
    for run in text.split(|byte| !is_digit(*byte)) {
        // Where the base64 begins in the run is unknown: `key/` before it may belong to it or not.
        for phase in 0..4 {
            if run.len() >= RUN_MIN + phase {
                stream.stretch(Encoding::Base64, start + phase, |stream| {
                    decode(&run[phase..], stream);
                });
            }
        }
        start += run.len() + 1;
    }
}

fn decode(digits: &[u8], stream: &mut Stream<'_>) {
    for group in digits.chunks(4) {
        let mut bits = 0_u32;
        for digit in group {
            bits = bits << 6 | u32::from(VALUES[usize::from(*digit)] & 63);
        }
        bits <<= 6 * (4 - group.len()) + 8;
        // Two digits carry one byte, three two, four three.
        stream.push_all(&bits.to_be_bytes()[..group.len() * 6 / 8]);
    }
}

/// The value of each digit, and [`NO_DIGIT`] for every other byte.
const VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut value = 0;
    while value < 64 {
        values[alphabet[value as usize] as usize] = value;
        value += 1;
    }
    (values[b'-' as usize], values[b'_' as usize]) = (62, 63);
    values
};

const NO_DIGIT: u8 = 64;
