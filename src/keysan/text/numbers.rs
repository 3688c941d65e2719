//! Reads digits as hex strings, as lists of bytes, and as integers of any width in both byte orders.

use std::ops::Range;

use zeroize::Zeroize as _;

use super::Encoding;
use super::stream::Stream;
use super::wide;

/// Fewer digits than this cannot say eight bytes, not even as single-digit numbers.
pub(super) const DIGITS_MIN: usize = 8;

/// Widths in bytes that a list of numbers is read with.
const WIDTHS: [usize; 5] = [1, 2, 4, 8, 16];

/// How digits are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Radix {
    Decimal,
    Hex,
}

/// Scans each stretch of text that is digits and separators only.
pub(super) fn scan(text: &[u8], radix: Radix, stream: &mut Stream<'_>) {
    let mut from = 0;
    while let Some(run) = next_run(text, from, radix) {
        from = run.range.end;
        if run.digit_count >= DIGITS_MIN {
            if radix == Radix::Hex {
                scan_digits(text, &run, stream);
            }
            scan_integers(text, Groups::of(text, &run, radix), run.range.start, radix, stream);
            scan_wide(text, &run, radix, stream);
        }
    }
}

/// Numbers with nothing but separators between them.
struct Run {
    range: Range<usize>,
    digit_count: usize,
}

/// Letters that are no digits end a run, whatever else stands between digits does not: lists,
/// dumps, tuples and nested arrays all differ in their punctuation only.
fn next_run(text: &[u8], from: usize, radix: Radix) -> Option<Run> {
    let start = from + text.get(from..)?.iter().position(|byte| radix.is_digit(*byte))?;
    let mut run = Run { range: start..start, digit_count: 0 };
    let mut index = start;
    while let Some(&byte) = text.get(index) {
        if radix.is_digit(byte) {
            run.digit_count += 1;
            run.range.end = index + 1;
        } else if !byte.is_ascii() {
            break;
        } else if byte.is_ascii_alphabetic() && !radix.is_prefix(text, index) {
            let Some(suffix_len) = radix.suffix_len(text, index) else { break };
            index += suffix_len;
            continue;
        }
        index += 1;
    }
    Some(run)
}

/// The numbers of a run that have more than 128 bits, each by itself.
fn scan_wide(text: &[u8], run: &Run, radix: Radix, stream: &mut Stream<'_>) {
    for group in Groups::of(text, run, radix) {
        if Integer::read(text, &group, radix).is_some() {
            continue;
        }
        let (base, encoding) = match radix {
            Radix::Decimal => (10, Encoding::DecimalInteger),
            Radix::Hex => (16, Encoding::HexInteger),
        };
        let position = group.digits.start;
        let digits = text[group.digits].iter().filter_map(|digit| radix.value(*digit));
        wide::scan_number(digits, base, encoding, position, stream);
    }
}

/// The digits of a run one after the other, whatever their grouping; at both phases, since a
/// single digit may stand before them.
fn scan_digits(text: &[u8], run: &Run, stream: &mut Stream<'_>) {
    if run.digit_count < 16 {
        return;
    }
    for phase in 0..2 {
        stream.stretch(Encoding::Hex, run.range.start, |stream| {
            let digits = Groups::of(text, run, Radix::Hex).flat_map(|group| &text[group.digits]);
            let mut high = None;
            for digit in digits.skip(phase).filter_map(|digit| Radix::Hex.value(*digit)) {
                match high.take() {
                    None => high = Some(digit),
                    Some(high) => stream.push(high << 4 | digit),
                }
            }
        });
    }
}

/// The numbers of a run as integers of each width that occurs among them.
///
/// A number too wide for a reading ends what came before it: it is something else, an address in
/// front of a dump say.
pub(super) fn scan_integers(
    text: &[u8],
    groups: impl Iterator<Item = Group> + Clone,
    position: usize,
    radix: Radix,
    stream: &mut Stream<'_>,
) {
    let mut counts = [0_usize; WIDTHS.len()];
    for group in groups.clone() {
        if let Some(class) = Integer::read(text, &group, radix).and_then(Integer::width_class) {
            counts[class] += 1;
        }
    }
    let mut fitting = 0;
    for (&width, count) in WIDTHS.iter().zip(counts) {
        fitting += count;
        if count == 0 || fitting * width < 8 {
            continue;
        }
        let encoding = match (radix, width) {
            (Radix::Hex, 1) => Encoding::Hex,
            (Radix::Hex, _) => Encoding::HexInteger,
            (Radix::Decimal, 1) => Encoding::DecimalList,
            (Radix::Decimal, _) => Encoding::DecimalInteger,
        };
        let orders = if width == 1 { 0..1 } else { 0..2 };
        for order in orders {
            stream.stretch(encoding, position, |stream| {
                for group in groups.clone() {
                    match Integer::read(text, &group, radix).filter(|number| number.fits(width)) {
                        Some(mut number) => {
                            let mut all = number.value.to_le_bytes();
                            number.value.zeroize();
                            let bytes = &mut all[..width];
                            if order == 1 {
                                bytes.reverse();
                            }
                            stream.push_all(bytes);
                            all.zeroize();
                        }
                        None => stream.cut(),
                    }
                }
            });
        }
    }
}

impl Radix {
    #[inline]
    pub(super) fn is_digit(self, byte: u8) -> bool {
        match self {
            Radix::Decimal => byte.is_ascii_digit(),
            Radix::Hex => byte.is_ascii_hexdigit(),
        }
    }

    #[inline]
    pub(super) fn value(self, digit: u8) -> Option<u8> {
        match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' if self == Radix::Hex => Some(digit - b'a' + 10),
            b'A'..=b'F' if self == Radix::Hex => Some(digit - b'A' + 10),
            _ => None,
        }
    }

    /// Whether an `x` stands before hex digits and behind nothing but a lone zero, as in `0xff`,
    /// `\xff` and `&#xff;`.
    fn is_prefix(self, text: &[u8], index: usize) -> bool {
        let before = |steps| index.checked_sub(steps).map(|place| text[place]);
        let is_free = |byte: Option<u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric());
        self == Radix::Hex
            && matches!(text[index], b'x' | b'X')
            && text.get(index + 1).is_some_and(u8::is_ascii_hexdigit)
            && (is_free(before(1)) || before(1) == Some(b'0') && is_free(before(2)))
    }

    /// The length of what says the type of the number whose last digit stands before `index`, as in `12u8` and
    /// `0x0cUL`; `None` if it is something else.
    pub(super) fn suffix_len(self, text: &[u8], index: usize) -> Option<usize> {
        let before = |steps| index.checked_sub(steps).map(|place| text[place]);
        let digit = if before(1) == Some(b'_') { before(2) } else { before(1) };
        let rest = text.get(index..).filter(|_| digit.is_some_and(|byte| self.is_digit(byte)))?;
        let letters = rest.iter().take(NO_SUFFIX);
        let len = letters.take_while(|byte| byte.is_ascii_alphanumeric()).count();
        SUFFIXES.contains(&&rest[..len]).then_some(len)
    }
}

/// What may stand behind a number to say its type.
const SUFFIXES: [&[u8]; 20] = [
    b"u8", b"u16", b"u32", b"u64", b"u128", b"i8", b"i16", b"i32", b"i64", b"i128", b"U", b"UL",
    b"ULL", b"L", b"LL", b"u", b"ul", b"ull", b"l", b"ll",
];

/// Longer than the longest of them.
const NO_SUFFIX: usize = 5;

/// Digits that stand together.
pub(super) struct Group {
    digits: Range<usize>,
    is_negative: bool,
}

impl Group {
    pub(super) fn at(text: &[u8], digits: Range<usize>, radix: Radix) -> Group {
        let is_negative = radix == Radix::Decimal && has_sign(text, digits.start);
        Group { digits, is_negative }
    }
}

/// The groups of a run, without the zero of an `0x`.
#[derive(Clone)]
struct Groups<'t> {
    text: &'t [u8],
    radix: Radix,
    rest: Range<usize>,
}

impl<'t> Groups<'t> {
    fn of(text: &'t [u8], run: &Run, radix: Radix) -> Groups<'t> {
        Groups { text, radix, rest: run.range.clone() }
    }
}

impl Iterator for Groups<'_> {
    type Item = Group;

    fn next(&mut self) -> Option<Group> {
        let is_digit = |byte: &u8| self.radix.is_digit(*byte);
        loop {
            let rest = &self.text[self.rest.clone()];
            let start = self.rest.start + rest.iter().position(is_digit)?;
            let rest = &self.text[start..self.rest.end];
            let end = start + rest.iter().position(|byte| !is_digit(byte)).unwrap_or(rest.len());
            self.rest.start = end;
            let is_zero_of_prefix = end - start == 1
                && self.text[start] == b'0'
                && end < self.rest.end
                && self.radix.is_prefix(self.text, end);
            if !is_zero_of_prefix {
                let typed = if self.text.get(end) == Some(&b'_') { end + 1 } else { end };
                if let Some(len) = self.radix.suffix_len(self.text, typed) {
                    self.rest.start = typed + len;
                }
                self.rest.start = self.rest.start.min(self.rest.end);
                return Some(Group::at(self.text, start..end, self.radix));
            }
        }
    }
}

/// Whether a minus before the digits belongs to them; in `12-13` it stands between two numbers.
fn has_sign(text: &[u8], start: usize) -> bool {
    let before = |steps| start.checked_sub(steps).map(|place| text[place]);
    before(1) == Some(b'-') && before(2).is_none_or(|byte| !byte.is_ascii_alphanumeric())
}

/// A number as two's complement, with the bits it needs.
#[derive(Clone, Copy)]
struct Integer {
    value: u128,
    bits: u32,
}

impl Integer {
    /// `None` when it has more than 128 bits.
    fn read(text: &[u8], group: &Group, radix: Radix) -> Option<Integer> {
        let digits = &text[group.digits.clone()];
        let mut digits = digits.iter().filter_map(|digit| radix.value(*digit));
        let magnitude = match radix {
            Radix::Hex => digits.try_fold(0_u128, |value, digit| {
                (value >> 124 == 0).then_some(value << 4 | u128::from(digit))
            })?,
            Radix::Decimal => digits.try_fold(0_u128, |value, digit| {
                value.checked_mul(10)?.checked_add(u128::from(digit))
            })?,
        };
        if !group.is_negative || magnitude == 0 {
            return Some(Integer { value: magnitude, bits: 128 - magnitude.leading_zeros() });
        }
        // -128 fits eight bits and -129 does not.
        let bits = 129 - (magnitude - 1).leading_zeros();
        (bits <= 128).then_some(Integer { value: magnitude.wrapping_neg(), bits })
    }

    fn fits(self, width: usize) -> bool {
        self.bits as usize <= 8 * width
    }

    /// The narrowest of [`WIDTHS`] that holds it.
    fn width_class(self) -> Option<usize> {
        WIDTHS.iter().position(|width| self.fits(*width))
    }
}
