//! What can be wrong with a file, always naming it.

use std::io;
use std::path::PathBuf;

use crate::sequence::text::LOG_LEN_MAX;
use crate::sequence::{LOG_CALLS_MAX, ParseError};

/// The longest file that is read, in bytes: several times what the longest sequence needs.
pub const FILE_LEN_MAX: u64 = 1 << 20;

/// The longest log that is read, in bytes.
pub const LOG_FILE_LEN_MAX: u64 = LOG_LEN_MAX as u64;

/// A file that cannot be read, understood or written.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// The system refused.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Neither a file nor, where one may stand, a directory.
    #[error("cannot read {}: it is {kind}, not a file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is instead.
        kind: &'static str,
    },
    /// Longer than any sequence.
    #[error(
        "cannot read {}: it is longer than {len_max} bytes, the most that is read",
        path.display()
    )]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The most that is read, in bytes.
        len_max: u64,
    },
    /// Text in two-byte characters, as some editors and shells write it.
    #[error("{}:1:1: the text is UTF-16, and not UTF-8", path.display())]
    Utf16 {
        /// The file.
        path: PathBuf,
    },
    /// A text file that is not text.
    #[error("{}:{line}:{column}: byte {byte:#04x} is not UTF-8 text", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// Where the bytes stop being text; counts from 1.
        line: usize,
        /// The same, in characters; counts from 1.
        column: usize,
        /// The byte there.
        byte: u8,
    },
    /// A text that is not a sequence.
    #[error("{}:{}", path.display(), located(source))]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        source: ParseError,
    },
    /// A text without a single call: most often a file that was cut.
    #[error("{}:1:1: the text holds no call", path.display())]
    NoCall {
        /// The file.
        path: PathBuf,
    },
    /// A directory without a single sequence.
    #[error("{}: no sequence file in this directory", path.display())]
    NothingFound {
        /// The directory.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another file is there already.
    #[error("{} exists already and holds something else", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
}

/// `line:column: what`, the form in which editors jump.
fn located(error: &ParseError) -> String {
    let text = error.to_string();
    let what = text.split_once(": ").map_or(text.as_str(), |(_, what)| what);
    format!("{}:{}: {what}", error.line, error.column)
}

impl CorpusError {
    /// Whether the trouble was in writing: nothing that the caller gave was wrong.
    #[must_use]
    pub fn is_about_writing(&self) -> bool {
        matches!(self, Self::Write { .. })
    }

    /// What to try, where there is something.
    #[must_use]
    pub fn way_out(&self) -> Option<String> {
        Some(match self {
            Self::NotAFile { .. } => "give a file, a directory to `replay`, or - to read from \
                                      standard input"
                .to_owned(),
            Self::Parse { source, .. } => source.way_out(),
            Self::TooLong { len_max: FILE_LEN_MAX, .. } => {
                format!(
                    "`rekeylab minimize` takes a log of up to {LOG_CALLS_MAX} calls and cuts it"
                )
            }
            Self::TooLong { .. } => "leave out the beginning of the log".to_owned(),
            Self::Utf16 { path } => {
                format!("convert it: iconv -f UTF-16 -t UTF-8 {} > another.seq", path.display())
            }
            Self::NotText { .. } => {
                "a wire file must not be named .seq; rename it to .wire and try again".to_owned()
            }
            Self::Exists { .. } => "give another name, or --force to replace the file".to_owned(),
            Self::NothingFound { .. } => {
                "sequence files are named *.seq, *.wire, or have no extension".to_owned()
            }
            Self::Write { .. } => {
                "look whether the directory exists, is writable and has room".to_owned()
            }
            Self::Read { .. } | Self::NoCall { .. } => return None,
        })
    }
}
