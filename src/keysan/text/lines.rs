//! Reads bytes that are spread over lines: dumps with few bytes a line, and one number a line behind words.

use std::ops::Range;

use super::Encoding;
use super::numbers::{Group, Radix, scan_integers};
use super::stream::Stream;

pub(super) fn scan(text: &[u8], stream: &mut Stream<'_>) {
    // What stands behind a gap are more bytes, or the same as characters, which may be hex digits.
    for gap in [Gap::WithinBytes, Gap::BehindBytes] {
        stream.stretch(Encoding::Hex, 0, |stream| {
            for line in lines(text) {
                if !push_dumped(&text[line], gap, stream) {
                    stream.cut();
                }
            }
        });
    }
    for radix in [Radix::Hex, Radix::Decimal] {
        let groups = lines(text).filter_map(|line| last_number(text, line, radix));
        scan_integers(text, groups, 0, radix, stream);
    }
}

/// What two spaces or a tab stand for in a line of a dump.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gap {
    WithinBytes,
    BehindBytes,
}

/// The lines, without their ends.
fn lines(text: &[u8]) -> impl Iterator<Item = Range<usize>> + Clone {
    let mut start = 0;
    text.split(|byte| *byte == b'\n').map(move |line| {
        let range = start..start + line.len();
        start = range.end + 1;
        range
    })
}

/// The bytes of a line of a dump, if it is one: an address, and groups of hex digits up to whatever stands behind.
fn push_dumped(line: &[u8], gap: Gap, stream: &mut Stream<'_>) -> bool {
    // A log has its own words before.
    let line = line.iter().rposition(|byte| *byte == b']').map_or(line, |at| &line[at + 1..]);
    let line = line.trim_ascii_start();
    let line = line.strip_prefix(b"0x").unwrap_or(line);
    let digit_count = |text: &[u8]| text.iter().take_while(|it| it.is_ascii_hexdigit()).count();
    let address_len = digit_count(line);
    if !(2..=16).contains(&address_len) {
        return false;
    }
    let mut rest = &line[address_len..];
    if !rest.first().is_some_and(|byte| matches!(byte, b':' | b' ' | b'\t')) {
        return false;
    }
    let mut has_bytes = false;
    loop {
        // Two spaces and more stand before the bytes and between halves of a line, and `-` does.
        let skipped = rest.iter().take_while(|it| matches!(it, b':' | b' ' | b'\t' | b'-')).count();
        if gap == Gap::BehindBytes && has_bytes && skipped > 1 {
            return true;
        }
        rest = &rest[skipped..];
        rest = rest.strip_prefix(b"0x").unwrap_or(rest);
        let len = digit_count(rest);
        let is_alone = rest.get(len).is_none_or(|byte| byte.is_ascii_whitespace());
        if len == 0 || len > 16 || len % 2 != 0 || !is_alone {
            return has_bytes;
        }
        for pair in rest[..len].chunks(2) {
            let nibbles = pair.iter().filter_map(|digit| Radix::Hex.value(*digit));
            stream.push(nibbles.fold(0, |byte, nibble| byte << 4 | nibble));
        }
        has_bytes = true;
        rest = &rest[len..];
    }
}

/// The number at the end of a line, whatever stands before it.
fn last_number(text: &[u8], line: Range<usize>, radix: Radix) -> Option<Group> {
    let bytes = &text[line.clone()];
    let end = bytes.iter().rposition(u8::is_ascii_alphanumeric)? + 1;
    let len = bytes[..end].iter().rev().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let (mut start, end) = (line.start + end - len, line.start + end);
    if radix == Radix::Hex && matches!(&text[start..end], [b'0', b'x' | b'X', _, ..]) {
        start += 2;
    }
    let word = &text[start..end];
    let digit_count = word.iter().take_while(|byte| radix.is_digit(**byte)).count();
    let is_all = digit_count == len.min(word.len())
        || radix.suffix_len(text, start + digit_count) == Some(word.len() - digit_count);
    (digit_count > 0 && is_all).then(|| Group::at(text, start..start + digit_count, radix))
}
