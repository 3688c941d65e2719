//! What is wrong with a text, where, and what to try.

use super::{HEADER, VERSION};
use crate::sequence::call::LOG_CALLS_MAX;

/// The first thing in a text that cannot be read.
///
/// Reads `line 4, column 15: expected a session such as s0, found "q"`.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}, column {column}: {}", self.what())]
pub struct ParseError {
    /// The line; counts from 1.
    pub line: usize,
    /// The column in characters; counts from 1.
    pub column: usize,
    /// What could stand there.
    pub expected: String,
    /// What stands there, cut to a readable length; empty at the end of the line.
    pub found: String,
    /// What sort of mistake it is.
    pub kind: ParseErrorKind,
}

/// What sort of mistake a text contains.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParseErrorKind {
    /// Something else should stand there.
    Unexpected,
    /// A call that has a name and an opcode, and no implementation in this version.
    Reserved,
    /// The text is longer than this build reads.
    TooLong,
    /// It is of another version than this build reads.
    Version,
    /// A return code that has no name here.
    Code,
}

/// Most characters of what was found that an error repeats.
const FOUND_MAX: usize = 40;

impl ParseError {
    /// An error of the sort [`ParseErrorKind::Unexpected`].
    pub(super) fn unexpected(
        (line, column): (usize, usize),
        expected: impl Into<String>,
        found: &str,
    ) -> Self {
        let mut shown: String = found.chars().take(FOUND_MAX).collect();
        if shown.len() < found.len() {
            shown.push_str("...");
        }
        let (expected, kind) = (expected.into(), ParseErrorKind::Unexpected);
        Self { line, column, expected, found: shown, kind }
    }

    /// The same error, of another sort.
    pub(super) fn with_kind(self, kind: ParseErrorKind) -> Self {
        Self { kind, ..self }
    }

    /// What to try.
    #[must_use]
    pub fn way_out(&self) -> String {
        match self.kind {
            ParseErrorKind::Unexpected => {
                "the calls and their arguments are listed by `rekeylab list calls`".to_owned()
            }
            ParseErrorKind::Reserved => {
                "the calls that this version runs are listed by `rekeylab list calls`".to_owned()
            }
            ParseErrorKind::TooLong => format!(
                "`rekeylab minimize` takes a log of up to {LOG_CALLS_MAX} calls and cuts it; of a \
                 longer one, leave out the beginning"
            ),
            ParseErrorKind::Version => format!(
                "this build reads version {VERSION}, which begins \"{HEADER} {VERSION}\"; what is of a \
                 later version needs a later build"
            ),
            ParseErrorKind::Code => {
                "the names are listed by `rekeylab list codes`; any other code is \
                                     written as its number, such as 0x8876086c"
                    .to_owned()
            }
        }
    }

    fn what(&self) -> String {
        let Self { expected, found, .. } = self;
        match self.kind {
            ParseErrorKind::Reserved => {
                format!("`{found}` is reserved; this version does not run it")
            }
            ParseErrorKind::TooLong => format!("expected {expected}, found {found}"),
            _ if found.is_empty() => format!("expected {expected}, found the end of the line"),
            ParseErrorKind::Unexpected | ParseErrorKind::Version | ParseErrorKind::Code => {
                format!("expected {expected}, found {found:?}")
            }
        }
    }
}
