//! The text form: what is stored, read and reviewed.
//!
//! ```text
//! # rekeylab sequence 1
//! # A second finish finds no random number to apply.
//! d0 = create-device                      -> ok
//! s0 = create-session d0                  -> ok
//! exchange-key s0 key=7                   -> ok
//! start-refresh s0 size=16                -> ok
//! finish-refresh s0                       -> ok
//! finish-refresh s0                       -> D3DDDIERR_INVALIDCALL
//! ```
//!
//! One call a line, with the expected answer behind the arrow if one is known. What is missing takes
//! the value of [`CallKind::plain`](super::CallKind::plain); files without a version line are read
//! as version 1.
//!
//! Any identifier may name a result, and counts from the line after; the printer calls results `d0`,
//! `d1`, ... and `s0`, `s1`, ... in the order of their creation. A name that no earlier line binds
//! must be `d` or `s` with a number up to 255, and is that [`Slot`](super::Slot) as it stands.

mod arguments;
mod error;
mod line;
mod names;
mod parse;
mod print;

use rekeylab_ddi::Hresult;

pub use error::{ParseError, ParseErrorKind};

use super::call::{CALLS_MAX, Call, CallSequence, LOG_CALLS_MAX};

/// The newest version of the text form, the one that is written.
pub const VERSION: u32 = 1;

/// The longest text that is read, in bytes: several times what the longest sequence needs.
pub const TEXT_LEN_MAX: usize = 1 << 20;

/// The longest text of a log that is read, in bytes: what [`LOG_CALLS_MAX`] calls mostly need.
pub const LOG_LEN_MAX: usize = 1 << 26;

/// What the first line of a text begins with.
pub const HEADER: &str = "# rekeylab sequence";

/// A sequence as it stands in a file: calls, expected answers, comments.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SequenceText {
    /// The version that the text was written in.
    pub version: u32,
    /// The calls, in order.
    pub entries: Vec<Entry>,
    /// The comment lines and blank lines between them, in order; the version line is not one.
    pub remarks: Vec<Remark>,
}

/// One call and what stands on its line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The call.
    pub call: Call,
    /// What it should answer, if the text says so.
    pub expected: Option<Hresult>,
    /// The comment behind it.
    pub comment: Option<String>,
    /// The line it was read from, or would be written to; counts from 1.
    pub line: usize,
}

/// A line without a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remark {
    /// Index of the entry that it stands before; the number of entries at the end of the text.
    pub before: usize,
    /// What follows the `#`, or `None` for a blank line.
    pub comment: Option<String>,
}

/// Whether the bytes begin like a text, with or without a byte order mark.
#[must_use]
pub fn is_text(bytes: &[u8]) -> bool {
    bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).starts_with(HEADER.as_bytes())
}

impl SequenceText {
    /// Reads a text.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with the text, and where; the caller knows the file name.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        parse::parse(text, CALLS_MAX, TEXT_LEN_MAX)
    }

    /// Reads the text of a log, which may be longer than a sequence.
    ///
    /// # Errors
    ///
    /// The same; the bounds are [`LOG_CALLS_MAX`] and [`LOG_LEN_MAX`].
    pub fn parse_log(text: &str) -> Result<Self, ParseError> {
        parse::parse(text, LOG_CALLS_MAX, LOG_LEN_MAX)
    }

    /// The text of a sequence, with a description in front and the expected answers that are known.
    ///
    /// Calls beyond the end of `expected` expect nothing.
    #[must_use]
    pub fn new(
        sequence: &CallSequence,
        expected: &[Option<Hresult>],
        description: Option<&str>,
    ) -> Self {
        let remarks: Vec<Remark> = description
            .iter()
            .flat_map(|text| text.lines())
            .map(|line| Remark {
                before: 0,
                comment: Some(format!(" {line}").trim_end().to_owned()),
            })
            .collect();
        let first_line = remarks.len() + 2;
        let expected = expected.iter().copied().chain(std::iter::repeat(None));
        let entries = sequence.calls.iter().zip(expected).enumerate();
        let entries = entries
            .map(|(index, (&call, expected))| Entry {
                call,
                expected,
                comment: None,
                line: first_line + index,
            })
            .collect();
        Self { version: VERSION, entries, remarks }
    }

    /// The calls alone.
    #[must_use]
    pub fn sequence(&self) -> CallSequence {
        CallSequence { calls: self.entries.iter().map(|entry| entry.call).collect() }
    }

    /// The planted fault that a line `# fault: NAME` says the sequence shows.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let description = self.description();
        description.lines().find_map(|line| line.strip_prefix("fault: ")).map(str::to_owned)
    }

    /// The comment lines at the top, up to the first blank line or call: what the text is about.
    #[must_use]
    pub fn description(&self) -> String {
        let top = self.remarks.iter().take_while(|remark| remark.before == 0);
        let lines: Vec<&str> =
            top.map_while(|remark| remark.comment.as_deref()).map(str::trim).collect();
        lines.join("\n")
    }
}

impl From<&CallSequence> for SequenceText {
    fn from(sequence: &CallSequence) -> Self {
        Self::new(sequence, &[], None)
    }
}

impl From<CallSequence> for SequenceText {
    fn from(sequence: CallSequence) -> Self {
        Self::from(&sequence)
    }
}

#[cfg(test)]
mod error_tests;
#[cfg(test)]
mod tests;
