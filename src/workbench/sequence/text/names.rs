//! What results are called, and what a name means.

use std::collections::BTreeMap;

use super::error::ParseError;
use super::line::{Line, Token};
use crate::sequence::call::CallKind;
use crate::sequence::slot::{Slot, SlotKind};

/// What the results of earlier lines are called.
#[derive(Default)]
pub(super) struct Names<'a> {
    pub(super) devices: BTreeMap<&'a str, usize>,
    pub(super) sessions: BTreeMap<&'a str, usize>,
    device_count: usize,
    session_count: usize,
}

impl<'a> Names<'a> {
    /// Counts what a line made, and binds its name.
    pub(super) fn created(&mut self, kind: CallKind, name: Option<&'a str>) {
        let (names, count) = match kind.descriptor().does.creates {
            Some(SlotKind::Device) => (&mut self.devices, &mut self.device_count),
            Some(SlotKind::Session) => (&mut self.sessions, &mut self.session_count),
            None => return,
        };
        if let Some(name) = name {
            names.insert(name, *count);
        }
        *count += 1;
    }
}

/// A bound name, or the letter and a number.
pub(super) fn slot(
    line: &mut Line<'_>,
    what: &str,
    letter: char,
    names: &BTreeMap<&str, usize>,
) -> Result<Slot, ParseError> {
    let find = |word: &str| match names.get(word) {
        Some(&index) => u8::try_from(index).ok(),
        None => word.strip_prefix(letter).filter(|digits| is_digits(digits))?.parse().ok(),
    };
    let is_beyond =
        |word: &str| names.contains_key(word) || word.strip_prefix(letter).is_some_and(is_digits);
    let expected = match line.peek() {
        Some(Token::Word(word)) if is_beyond(word) => {
            format!("one of the {what}s {letter}0 to {letter}255")
        }
        _ => format!("a {what} such as {letter}0"),
    };
    line.word(|| expected, find).map(Slot)
}

/// Whether a result may be called so.
pub(super) fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && word.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// Whether this is a number in decimal.
pub(super) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
