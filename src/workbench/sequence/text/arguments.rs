//! Reads the arguments of a call: its place, and what has a name.

use super::error::ParseError;
use super::line::{Line, Token};
use super::names::{Names, is_digits, slot};
use crate::sequence::argument::{Argument, Values};
use crate::sequence::call::{Call, CallKind};
use crate::sequence::words::HandleForm;

/// The arguments, in any order; those that are missing stay plain.
pub(super) fn arguments(
    line: &mut Line<'_>,
    kind: CallKind,
    names: &Names<'_>,
) -> Result<Call, ParseError> {
    let mut call = kind.plain();
    let arguments = kind.descriptor().arguments;
    let keys: Vec<&str> = keys(kind).collect();
    let mut seen = 0_u32;
    let mut has_place = false;
    while let Some(Token::Word(word)) = line.peek() {
        if line.peek_after(1) != Some(Token::Equals) {
            if has_place || !place(line, &mut call, names)? {
                return Err(line.error(expected_after(kind)));
            }
            has_place = true;
            continue;
        }
        let Some(index) = keys.iter().position(|&key| key == word) else {
            return Err(line.error(expected_after(kind)));
        };
        if seen & (1 << index) != 0 {
            return Err(line.error(format!("{word}= only once")));
        }
        seen |= 1 << index;
        line.advance();
        line.advance();
        named(line, &mut call, arguments, keys[index], names)?;
    }
    Ok(call)
}

/// The names of the arguments that a call takes with a `=`; any call on a session can be aimed through
/// another device, and with something else than the session's handle.
fn keys(kind: CallKind) -> impl Iterator<Item = &'static str> {
    let arguments = kind.descriptor().arguments.iter();
    let is_aimed = arguments.clone().any(|argument| matches!(argument.values, Values::Session));
    let keys = arguments.map(|argument| argument.key).filter(|key| !key.is_empty());
    keys.chain(is_aimed.then_some(["via", "handle"]).into_iter().flatten())
}

fn expected_after(kind: CallKind) -> String {
    let mut expected = String::new();
    for key in keys(kind) {
        expected.push_str(key);
        expected.push_str("=, ");
    }
    expected + "\"->\" or the end of the line"
}

/// The argument without a name; false if the call takes none.
fn place(line: &mut Line<'_>, call: &mut Call, names: &Names<'_>) -> Result<bool, ParseError> {
    if let Some(session) = call.session_mut() {
        session.slot = slot(line, "session", 's', &names.sessions)?;
        return Ok(true);
    }
    if let Some(device) = call.device_mut() {
        *device = slot(line, "device", 'd', &names.devices)?;
        return Ok(true);
    }
    let arguments = call.kind().descriptor().arguments;
    let Some(index) = arguments.iter().position(|argument| argument.key.is_empty()) else {
        return Ok(false);
    };
    let value = value(line, &arguments[index])?;
    call.set_value(index, value);
    Ok(true)
}

/// The value of the argument `key`, which the call is known to take.
fn named(
    line: &mut Line<'_>,
    call: &mut Call,
    arguments: &[Argument],
    key: &str,
    names: &Names<'_>,
) -> Result<(), ParseError> {
    if key == "via" {
        let via = slot(line, "device", 'd', &names.devices)?;
        if let Some(session) = call.session_mut() {
            session.via = Some(via);
        }
        return Ok(());
    }
    if key == "handle"
        && let Some(session) = call.session_mut()
    {
        let expected = || format!("one of {}", HandleForm::WORDS.join(", "));
        session.handle = line.word(expected, HandleForm::from_word)?;
        return Ok(());
    }
    let index = arguments.iter().position(|argument| argument.key == key);
    let index = index.expect("`keys` lists the arguments of the call");
    let value = value(line, &arguments[index])?;
    call.set_value(index, value);
    Ok(())
}

/// A value that the argument takes.
fn value(line: &mut Line<'_>, argument: &Argument) -> Result<u64, ParseError> {
    match argument.values {
        Values::Word(words) => {
            let position = |word| words.iter().position(|&known| known == word);
            let expected = || format!("one of {}", words.join(", "));
            line.word(expected, |word| u64::try_from(position(word)?).ok())
        }
        Values::Long(_) => line.word(|| format!("a number up to {:#x}", u64::MAX), number),
        Values::Short(_) | Values::Device | Values::Session => {
            let fits = |number: &u64| u32::try_from(*number).is_ok();
            line.word(|| format!("a number up to {}", u32::MAX), |word| number(word).filter(fits))
        }
    }
}

/// A number in decimal, or in hexadecimal behind `0x`.
pub(super) fn number(word: &str) -> Option<u64> {
    match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            u64::from_str_radix(digits, 16).ok()
        }
        None if is_digits(word) => word.parse().ok(),
        _ => None,
    }
}
