//! Reads the arguments of a call: its place, and what has a name.

use super::error::ParseError;
use super::line::{Line, Token};
use super::names::{Names, is_digits, slot};
use crate::sequence::call::Call;
use crate::sequence::kind::CallKind;
use crate::sequence::words::{Blob, CryptoType, DecodeProfile, EntropyFault, NullPointer};

/// The arguments, in any order; those that are missing stay plain.
pub(super) fn arguments(
    line: &mut Line<'_>,
    kind: CallKind,
    names: &Names<'_>,
) -> Result<Call, ParseError> {
    let mut call = kind.plain();
    let keys = keys(kind);
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
        named(line, &mut call, keys[index], names)?;
    }
    Ok(call)
}

/// The names of the arguments that a call takes with a `=`.
const fn keys(kind: CallKind) -> &'static [&'static str] {
    match kind {
        CallKind::CreateSession => &["type", "profile"],
        CallKind::ExchangeKey => &["key", "blob", "via"],
        CallKind::StartRefresh => &["size", "null", "via"],
        CallKind::SubmitBuffer => &["iv", "count", "len", "null", "via"],
        CallKind::DestroySession | CallKind::FinishRefresh | CallKind::SessionStatus => &["via"],
        CallKind::InjectEntropy => &["draws"],
        CallKind::InjectAllocationFailure => &["after"],
        CallKind::CreateDevice
        | CallKind::DestroyDevice
        | CallKind::Retire
        | CallKind::ResetEngine => &[],
    }
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
    match call {
        Call::DestroyDevice { device } | Call::CreateSession { device, .. } => {
            *device = slot(line, "device", 'd', &names.devices)?;
        }
        Call::Retire { count } => *count = short(line)?,
        Call::InjectEntropy { fault, .. } => {
            *fault = line
                .word(|| one_of(EntropyFault::ALL, EntropyFault::word), EntropyFault::from_word)?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// The value of the argument `key`, which the call is known to take.
fn named(
    line: &mut Line<'_>,
    call: &mut Call,
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
    match call {
        Call::CreateSession { crypto, .. } if key == "type" => {
            *crypto =
                line.word(|| one_of(CryptoType::ALL, CryptoType::word), CryptoType::from_word)?;
        }
        Call::CreateSession { profile, .. } => {
            *profile = line.word(
                || one_of(DecodeProfile::ALL, DecodeProfile::word),
                DecodeProfile::from_word,
            )?;
        }
        Call::ExchangeKey { key: seed, .. } if key == "key" => *seed = short(line)?,
        Call::ExchangeKey { blob, .. } => {
            *blob = line.word(|| one_of(Blob::ALL, Blob::word), Blob::from_word)?;
        }
        Call::StartRefresh { size, .. } if key == "size" => *size = short(line)?,
        Call::StartRefresh { null, .. } => {
            let words = [("none", false), ("buffer", true)];
            let read = |word| words.iter().find(|pair| pair.0 == word).map(|pair| pair.1);
            *null = line.word(|| one_of(&words, |pair| pair.0), read)?;
        }
        Call::SubmitBuffer { iv, .. } if key == "iv" => *iv = long(line)?,
        Call::SubmitBuffer { count, .. } if key == "count" => *count = long(line)?,
        Call::SubmitBuffer { len, .. } if key == "len" => *len = short(line)?,
        Call::SubmitBuffer { null, .. } => {
            *null =
                line.word(|| one_of(NullPointer::ALL, NullPointer::word), NullPointer::from_word)?;
        }
        Call::InjectEntropy { draws, .. } => *draws = short(line)?,
        Call::InjectAllocationFailure { after } => *after = short(line)?,
        _ => unreachable!("`keys` lists no such argument for the call"),
    }
    Ok(())
}

fn short(line: &mut Line<'_>) -> Result<u32, ParseError> {
    line.word(|| format!("a number up to {}", u32::MAX), |word| u32::try_from(number(word)?).ok())
}

fn long(line: &mut Line<'_>) -> Result<u64, ParseError> {
    line.word(|| format!("a number up to {:#x}", u64::MAX), number)
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

fn one_of<T: Copy>(values: &[T], word: impl Fn(T) -> &'static str) -> String {
    let words: Vec<&str> = values.iter().map(|&value| word(value)).collect();
    format!("one of {}", words.join(", "))
}
