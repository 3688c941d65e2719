//! Reads characters and escape sequences as the bytes they stand for.

use super::Encoding;
use super::stream::Stream;

/// One byte for each character up to U+00FF, the way `byte as char` prints bytes.
pub(super) fn scan_characters(text: &str, stream: &mut Stream<'_>) {
    stream.stretch(Encoding::Raw, 0, |stream| {
        text.chars().for_each(|character| push_character(character, stream));
    });
}

/// Escape sequences of Rust, C and JSON, with plain characters among them.
pub(super) fn scan(text: &str, stream: &mut Stream<'_>) {
    let start = text.find('\\').unwrap_or(0);
    stream.stretch(Encoding::Escaped, start, |stream| unescape(text, Digits::EndTheEscape, stream));
    // In C a backslash takes up to three octal digits; in Rust `\0` stands alone.
    if text.as_bytes().windows(2).any(|pair| pair[0] == b'\\' && is_octal(pair[1])) {
        stream.stretch(Encoding::Escaped, start, |stream| unescape(text, Digits::AreOctal, stream));
    }
}

/// What digits behind a backslash mean.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Digits {
    EndTheEscape,
    AreOctal,
}

fn unescape(text: &str, digits: Digits, stream: &mut Stream<'_>) {
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        if character != '\\' {
            push_character(character, stream);
            continue;
        }
        let escape = read_escape(rest.as_bytes(), digits);
        match escape.character {
            Some(character) => push_character(character, stream),
            None => stream.push(b'\\'),
        }
        rest = rest.get(escape.len..).unwrap_or_default();
    }
}

/// What stands behind a backslash.
struct Escape {
    /// `None` when it is no escape sequence, and the backslash means itself.
    character: Option<char>,
    len: usize,
}

fn read_escape(rest: &[u8], digits: Digits) -> Escape {
    let simple = |character| Escape { character: Some(character), len: 1 };
    match rest {
        [b'u', b'{', tail @ ..] => {
            let len = tail.iter().take(6).take_while(|byte| byte.is_ascii_hexdigit()).count();
            // The closing brace is part of the sequence.
            let closed = tail.get(len) == Some(&b'}');
            number(tail, len, 16, 2 + usize::from(closed))
        }
        [b'u', tail @ ..] if are_hex(tail, 4) => number(tail, 4, 16, 1),
        [b'x', tail @ ..] if are_hex(tail, 2) => number(tail, 2, 16, 1),
        [first, ..] if digits == Digits::AreOctal && is_octal(*first) => {
            let len = rest.iter().take(3).take_while(|byte| is_octal(**byte)).count();
            number(rest, len, 8, 0)
        }
        [b'0', ..] => simple('\0'),
        [b'a', ..] => simple('\x07'),
        [b'b', ..] => simple('\x08'),
        [b't', ..] => simple('\t'),
        [b'n', ..] => simple('\n'),
        [b'v', ..] => simple('\x0b'),
        [b'f', ..] => simple('\x0c'),
        [b'r', ..] => simple('\r'),
        [quoted @ (b'\\' | b'\'' | b'"'), ..] => simple(char::from(*quoted)),
        _ => Escape { character: None, len: 0 },
    }
}

/// The character named by the first `len` digits, in a sequence with `around` bytes beside them.
fn number(digits: &[u8], len: usize, radix: u32, around: usize) -> Escape {
    let code = std::str::from_utf8(&digits[..len])
        .ok()
        .and_then(|digits| u32::from_str_radix(digits, radix).ok());
    Escape { character: code.and_then(char::from_u32), len: len + around }
}

fn are_hex(tail: &[u8], count: usize) -> bool {
    tail.get(..count).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

fn is_octal(byte: u8) -> bool {
    matches!(byte, b'0'..=b'7')
}

/// A character that is no byte ends what came before it.
fn push_character(character: char, stream: &mut Stream<'_>) {
    match u8::try_from(character) {
        Ok(byte) => stream.push(byte),
        Err(_) => stream.cut(),
    }
}
