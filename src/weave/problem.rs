//! What is wrong with a fault or with its place in the sources.

use core::fmt;

/// Something that keeps the faults from being woven in, and where it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The file to mend, as a path from the top of the repository.
    pub file: String,
    /// The line to look at, counted from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong, as a lower-case fragment; it may have more lines.
    pub message: String,
}

impl Problem {
    /// A problem at a line of a file.
    #[must_use]
    pub fn new(file: &str, line: usize, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message),
            line => write!(f, "{}:{line}: {}", self.file, self.message),
        }
    }
}

impl core::error::Error for Problem {}
