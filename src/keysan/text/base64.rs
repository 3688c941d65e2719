//! Reads base64 in the standard and the URL alphabet, beginning at any character.

use super::Encoding;
use super::numbers::Radix;
use super::stream::Stream;

/// Digits that eight bytes take.
pub(super) const RUN_MIN: usize = 11;

/// Digits that the hex digits of eight bytes take.
const HEX_RUN_MIN: usize = 22;

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
                    decode(&run[phase..], |byte| stream.push(byte));
                });
            }
            if run.len() >= HEX_RUN_MIN + phase {
                scan_hex_in(&run[phase..], start + phase, stream);
            }
        }
        start += run.len() + 1;
    }
}

/// What was printed as hex before it became base64.
fn scan_hex_in(digits: &[u8], position: usize, stream: &mut Stream<'_>) {
    for phase in 0..2 {
        stream.stretch(Encoding::HexInBase64, position, |stream| {
            let (mut high, mut skipped) = (None, 0);
            decode(digits, |byte| match Radix::Hex.value(byte) {
                Some(_) if skipped < phase => skipped += 1,
                Some(digit) => match high.take() {
                    None => high = Some(digit),
                    Some(high) => stream.push(high << 4 | digit),
                },
                // Whatever stands between hex digits may stand there, too.
                None => {}
            });
        });
    }
}

fn decode(digits: &[u8], mut push: impl FnMut(u8)) {
    for group in digits.chunks(4) {
        let mut bits = 0_u32;
        for digit in group {
            bits = bits << 6 | u32::from(VALUES[usize::from(*digit)] & 63);
        }
        bits <<= 6 * (4 - group.len()) + 8;
        // Two digits carry one byte, three two, four three.
        bits.to_be_bytes()[..group.len() * 6 / 8].iter().for_each(|byte| push(*byte));
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
