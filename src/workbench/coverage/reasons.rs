//! Why lines are never run: what people wrote down, and which of it is no longer so.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use super::lines::Coverage;

/// The file with the reasons, from the top of the repository.
pub const REASONS: &str = "ci/never-run.txt";

/// A reason for each line that is known to be never run: by its file, and by what stands in it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reasons {
    by_line: BTreeMap<(String, String), String>,
}

/// What a file of reasons says in a wrong way.
#[derive(Debug, thiserror::Error)]
pub enum ReasonsError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A line of it is none.
    #[error("{path}:{line}: {text:?} is not a file, a colon, a line of code, a tab and the reason")]
    NoReason {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What stands there.
        text: String,
    },
}

impl Reasons {
    /// Those of a repository, if it has any.
    ///
    /// # Errors
    ///
    /// When the file is there and cannot be read, or says something else.
    pub fn of(top: &Path) -> Result<Self, ReasonsError> {
        match fs::read_to_string(top.join(REASONS)) {
            Ok(text) => Self::parse(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(ReasonsError::Read { path: REASONS.to_owned(), source }),
        }
    }

    /// Reads the text of such a file: a reason a line, behind a tab; what begins with `#` is a comment.
    ///
    /// # Errors
    ///
    /// When a line says something else.
    pub fn parse(text: &str) -> Result<Self, ReasonsError> {
        let mut by_line = BTreeMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let parts = line.split_once('\t').and_then(|(place, reason)| {
                let (file, code) = place.split_once(": ")?;
                let parts = [file, code, reason].map(|part| part.trim().to_owned());
                parts.iter().all(|part| !part.is_empty()).then_some(parts)
            });
            let Some([file, code, reason]) = parts else {
                let (path, text) = (REASONS.to_owned(), line.to_owned());
                return Err(ReasonsError::NoReason { path, line: number, text });
            };
            by_line.insert((file, code), reason);
        }
        Ok(Self { by_line })
    }

    /// Why this line of this file is never run.
    #[must_use]
    pub fn reason(&self, file: &str, text: &str) -> Option<&str> {
        // A line that stands twice in a file has one reason for both.
        self.by_line.get(&(file.to_owned(), text.trim().to_owned())).map(String::as_str)
    }

    /// The lines that have a reason and are run, or are gone: their files and what stands in them.
    #[must_use]
    pub fn stale(&self, coverage: &Coverage) -> Vec<(&str, &str)> {
        let is_unreached = |file: &str, code: &str| {
            let file = coverage.files.get(file);
            file.is_some_and(|file| file.unreached().any(|(_, text)| text.trim() == code))
        };
        let named = self.by_line.keys().map(|(file, code)| (file.as_str(), code.as_str()));
        named.filter(|(file, code)| !is_unreached(file, code)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::lines::FileCoverage;
    use super::*;

    #[test]
    fn a_reason_belongs_to_a_line_wherever_it_stands_and_is_stale_once_it_is_run() {
        let reasons = Reasons::parse(
            "# why\n\nsrc/a.rs: return Err(Broken)\tnobody breaks it\nsrc/a.rs: run();\told\n",
        )
        .unwrap();
        let text = "run();\n    return Err(Broken)\n".to_owned();
        let file = FileCoverage { counts: BTreeMap::from([(1, 3), (2, 0)]), text };
        let coverage = Coverage { files: BTreeMap::from([("src/a.rs".to_owned(), file)]) };
        assert_eq!(reasons.reason("src/a.rs", "  return Err(Broken)"), Some("nobody breaks it"));
        assert_eq!(reasons.reason("src/b.rs", "return Err(Broken)"), None);
        assert_eq!(reasons.stale(&coverage), [("src/a.rs", "run();")]);
    }

    #[test]
    fn a_line_without_a_reason_is_named() {
        for text in ["src/a.rs: run();", "src/a.rs run();\twhy", "src/a.rs: \twhy", "src/a.rs: a\t"]
        {
            let error = Reasons::parse(&format!("# why\n{text}\n")).unwrap_err().to_string();
            assert!(error.starts_with("ci/never-run.txt:2: "), "{error}");
        }
    }
}
