//! A first pass over a text, which says which readings are worth trying: prose costs little.

use super::{base64, numbers};

/// What the first pass has learned. It may expect too much of a text, and never too little.
///
/// Three counts share a word, so that a byte of text is one addition and one mask: how many digits
/// stand in a row of base64, and how many hex and decimal digits stand in a run of numbers. Whatever
/// a count ever was is kept, bit by bit. One that grows beyond its lane adds to the next, which then
/// expects too much.
pub(super) struct Survey(u64);

impl Survey {
    pub(super) fn of(text: &[u8]) -> Survey {
        let (mut counts, mut seen) = (0_u64, 0);
        for byte in text {
            let Step { adds, keeps } = STEPS[usize::from(*byte)];
            counts = counts.wrapping_add(adds) & keeps;
            seen |= counts;
        }
        Survey(seen)
    }

    /// Whether a row of base64 is long enough for eight bytes.
    pub(super) fn may_hold_base64(&self) -> bool {
        self.0 & BASE64 >= BASE64_ENOUGH
    }

    /// Whether some run of numbers has enough hex digits.
    pub(super) fn may_hold_hex(&self) -> bool {
        self.0 & HEX >= HEX_ONE * DIGITS_ENOUGH
    }

    /// Whether some run of numbers has enough decimal digits.
    pub(super) fn may_hold_decimals(&self) -> bool {
        self.0 & DECIMAL >= DECIMAL_ONE * DIGITS_ENOUGH
    }

    pub(super) fn has_backslash(&self) -> bool {
        self.0 & BACKSLASH != 0
    }
}

/// What a byte of text does to the counts.
#[derive(Clone, Copy)]
struct Step {
    adds: u64,
    keeps: u64,
}

/// The lanes, from the lowest bits on.
const BASE64: u64 = HEX_ONE - 1;
const HEX: u64 = DECIMAL_ONE - HEX_ONE;
const DECIMAL: u64 = BACKSLASH - DECIMAL_ONE;
const HEX_ONE: u64 = 1 << 21;
const DECIMAL_ONE: u64 = 1 << 42;
/// The highest bit, so that a second one adds to nothing.
const BACKSLASH: u64 = 1 << 63;

/// A digit of base64 counts three, so that enough of them are a power of two, as all that is enough
/// has to be: of a count only its bits are kept.
const BASE64_ONE: u64 = 3;
const BASE64_ENOUGH: u64 = 32;
const _: () = assert!(BASE64_ONE * base64::RUN_MIN as u64 >= BASE64_ENOUGH);
const _: () = assert!(BASE64_ONE * (base64::RUN_MIN as u64 - 1) < BASE64_ENOUGH);
const DIGITS_ENOUGH: u64 = numbers::DIGITS_MIN as u64;
const _: () = assert!(DIGITS_ENOUGH.is_power_of_two());

const STEPS: [Step; 256] = {
    let mut steps = [Step { adds: 0, keeps: 0 }; 256];
    let mut number = 0;
    while number < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "it counts up to the last byte")]
        let byte = number as u8;
        steps[number] = step_of(byte);
        number += 1;
    }
    steps
};

const fn step_of(byte: u8) -> Step {
    let mut step = Step { adds: 0, keeps: 0 };
    if base64::is_digit(byte) {
        step.adds += BASE64_ONE;
        step.keeps |= BASE64;
    }
    // Some letters say the type of a number behind it.
    let is_of_suffix = matches!(byte, b'u' | b'i' | b'l' | b'U' | b'L');
    // An `x` may stand before hex digits, and all that is no letter between them.
    if byte.is_ascii() && (!byte.is_ascii_alphabetic() || byte.is_ascii_hexdigit())
        || matches!(byte, b'x' | b'X')
        || is_of_suffix
    {
        step.adds += if byte.is_ascii_hexdigit() { HEX_ONE } else { 0 };
        step.keeps |= HEX;
    }
    if byte.is_ascii() && !byte.is_ascii_alphabetic() || is_of_suffix {
        step.adds += if byte.is_ascii_digit() { DECIMAL_ONE } else { 0 };
        step.keeps |= DECIMAL;
    }
    if byte == b'\\' {
        step.adds += BACKSLASH;
        step.keeps |= BACKSLASH;
    }
    step
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, base64: bool, hex: bool, decimals: bool) {
        let survey = Survey::of(text.as_bytes());
        let says = (survey.may_hold_base64(), survey.may_hold_hex(), survey.may_hold_decimals());
        assert_eq!(says, (base64, hex, decimals), "{text}");
    }

    #[test]
    fn prose_is_not_worth_reading() {
        check("the engine was reset: 12 commands were lost", false, false, false);
        check("no refresh started: the entropy source is broken", false, false, false);
    }

    #[test]
    fn one_digit_too_few_is_not_enough_and_one_more_is() {
        check("g 0a:1b:2c:3 g 4", false, false, false);
        check("g 0a:1b:2c:3d", false, true, false);
        check("0x0a, 0x1b, 0", false, false, false);
        check("0x0a, 0x1b, 0xc", false, true, false);
        check("a 1, 2, 3, 4, 5, 6, 7 e 8", false, true, false);
        check("a 1, 2, 3, 4, 5, 6, 7, 8", false, true, true);
        check("ghijklmnop ghijklmnop", false, false, false);
        check("ghijklmnopq", true, false, false);
    }

    #[test]
    fn digits_of_which_there_are_more_than_a_lane_counts_stay_seen() {
        for len in [1 << 20, 1 << 21, 3 << 20, (1 << 21) + 7] {
            let survey = Survey::of("5".repeat(len).as_bytes());
            assert!(survey.may_hold_base64() && survey.may_hold_hex());
            assert!(survey.may_hold_decimals());
        }
        assert!(Survey::of("\\\\".as_bytes()).has_backslash());
        assert!(!Survey::of(b"/").has_backslash());
    }
}
