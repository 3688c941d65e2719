//! Reads numbers of any number of bits: decimal and hex ones of more than 128 bits, and base58, which is one too.

use zeroize::Zeroize as _;

use super::Encoding;
use super::stream::Stream;

/// The longest number that is read, in words of 32 bits: one of 8192 bits. Reading takes time with the square of it.
const WORDS_MAX: usize = 256;

/// Digits of base58 that eight bytes take.
const BASE58_MIN: usize = 11;

/// Each row of base58 digits as one number. Where it begins has to be known, unlike with base64: every digit changes
/// every byte.
pub(super) fn scan_base58(text: &[u8], stream: &mut Stream<'_>) {
    let value = |byte: &u8| BASE58[usize::from(*byte)];
    let mut start = 0;
    for row in text.split(|byte| value(byte) == NO_DIGIT) {
        if row.len() >= BASE58_MIN {
            let mut number = Number::default();
            if row.iter().all(|digit| number.append(58, value(digit))) {
                stream.stretch(Encoding::Base58, start, |stream| number.push_to(stream));
            }
        }
        start += row.len() + 1;
    }
}

/// A number of this radix, in both byte orders.
pub(super) fn scan_number(
    digits: impl Iterator<Item = u8>,
    radix: u8,
    encoding: Encoding,
    position: usize,
    stream: &mut Stream<'_>,
) {
    let mut number = Number::default();
    for digit in digits {
        if !number.append(radix, digit) {
            return;
        }
    }
    stream.stretch(encoding, position, |stream| number.push_to(stream));
    stream.stretch(encoding, position, |stream| number.push_reversed_to(stream));
}

/// A number that is wiped when it is dropped.
struct Number {
    /// From the lowest on.
    words: [u32; WORDS_MAX],
    len: usize,
}

impl Default for Number {
    fn default() -> Number {
        Number { words: [0; WORDS_MAX], len: 0 }
    }
}

impl Number {
    /// Takes one more digit, unless the number becomes too long.
    fn append(&mut self, radix: u8, digit: u8) -> bool {
        let mut carry = u64::from(digit);
        for word in &mut self.words[..self.len] {
            let product = u64::from(*word) * u64::from(radix) + carry;
            let [low, high] = halves(product);
            (*word, carry) = (low, high.into());
        }
        if carry != 0 {
            let Some(word) = self.words.get_mut(self.len) else { return false };
            *word = halves(carry)[0];
            self.len += 1;
        }
        true
    }

    /// From the lowest byte on.
    fn push_reversed_to(&self, stream: &mut Stream<'_>) {
        for word in &self.words[..self.len] {
            stream.push_all(&word.to_le_bytes());
        }
    }

    /// From the highest byte on.
    fn push_to(&self, stream: &mut Stream<'_>) {
        for word in self.words[..self.len].iter().rev() {
            stream.push_all(&word.to_be_bytes());
        }
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        self.words[..self.len].zeroize();
    }
}

/// The lower and the upper half.
fn halves(word: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
}

/// The value of each digit, and [`NO_DIGIT`] for every other byte.
const BASE58: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let alphabet = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut value = 0;
    while value < 58 {
        values[alphabet[value as usize] as usize] = value;
        value += 1;
    }
    values
};

const NO_DIGIT: u8 = 58;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_grows_digit_by_digit_until_it_is_too_long() {
        let mut number = Number::default();
        for digit in b"340282366920938463463374607431768211456" {
            assert!(number.append(10, digit - b'0'));
        }
        assert_eq!(number.words[..number.len], [0, 0, 0, 0, 1], "2 to the power of 128");
        let mut long = Number::default();
        let digits = (0..3000).take_while(|_| long.append(10, 9)).count();
        assert_eq!(digits, 2466, "8192 bits have so many digits");
    }
}
