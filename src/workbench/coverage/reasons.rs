//! Why lines are never run: what people wrote down, and which of it is no longer so.

use std::path::Path;
use std::{fs, io};

use super::lines::{Coverage, FileCoverage};

/// The file with the reasons, from the top of the repository.
pub const REASONS: &str = "ci/never-run.txt";

/// The reasons of a repository.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reasons(Vec<Reason>);

/// Why some lines of a file are never run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reason {
    /// The file, from the top of the repository.
    pub file: String,
    /// Which lines of it.
    pub of: Of,
    /// Why none of them is run, or not all.
    pub why: String,
}

/// Lines of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Of {
    /// All of it.
    File,
    /// The functions of this name.
    Function(String),
    /// Those that say this.
    Line(String),
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
    #[error(
        "{path}:{line}: {text:?} is not a file, perhaps a colon and a function or a line of code, a tab and why"
    )]
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

    /// Reads the text of such a file: a reason a line, behind a tab; what begins with `#` is a comment. Before the
    /// tab stands a file, `FILE: fn NAME` or `FILE: CODE`.
    ///
    /// # Errors
    ///
    /// When a line says something else.
    pub fn parse(text: &str) -> Result<Self, ReasonsError> {
        let mut reasons = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let Some(reason) = Reason::parse(line) else {
                let (path, text) = (REASONS.to_owned(), line.to_owned());
                return Err(ReasonsError::NoReason { path, line: number, text });
            };
            reasons.push(reason);
        }
        Ok(Self(reasons))
    }

    /// Why this line of a file is never run. What is said of a line goes before what is said of its function, and that
    /// before what is said of the file.
    #[must_use]
    pub fn reason(&self, path: &str, file: &FileCoverage, line: u32) -> Option<&Reason> {
        let of_file = self.0.iter().filter(|reason| reason.file == path);
        let fitting = of_file.filter(|reason| reason.of.covers(&file.text, line));
        fitting.max_by_key(|reason| match reason.of {
            Of::File => 0,
            Of::Function(_) => 1,
            Of::Line(_) => 2,
        })
    }

    /// Those that are about no line which is never run.
    #[must_use]
    pub fn stale(&self, coverage: &Coverage) -> Vec<&Reason> {
        let is_stale = |reason: &&Reason| {
            let file = coverage.files.get(&reason.file);
            let mut unreached = file.into_iter().flat_map(FileCoverage::unreached);
            !unreached.any(|(line, _)| file.is_some_and(|it| reason.of.covers(&it.text, line)))
        };
        self.0.iter().filter(is_stale).collect()
    }
}

impl Reason {
    fn parse(line: &str) -> Option<Self> {
        let (place, why) = line.split_once('\t')?;
        let (file, of) = match place.split_once(": ") {
            None => (place, Of::File),
            Some((file, code)) => match code.trim().strip_prefix("fn ") {
                Some(name) if name.chars().all(|c| c.is_alphanumeric() || c == '_') => {
                    (file, Of::Function(name.to_owned()))
                }
                _ => (file, Of::Line(code.trim().to_owned())),
            },
        };
        let (file, why) = (file.trim().to_owned(), why.trim().to_owned());
        let is_empty = file.is_empty() || why.is_empty() || of == Of::Line(String::new());
        (!is_empty && !file.ends_with(':')).then_some(Self { file, of, why })
    }
}

impl Of {
    /// Whether a line of this text is among them.
    fn covers(&self, text: &str, line: u32) -> bool {
        match self {
            Self::File => true,
            Self::Function(name) => is_in_function(text, name, line),
            Self::Line(code) => {
                text.lines().nth(line as usize - 1).is_some_and(|it| it.trim() == code)
            }
        }
    }
}

/// Whether a line is in a function of this name, from its head to the brace that stands as far to the left.
fn is_in_function(text: &str, name: &str, line: u32) -> bool {
    let head = format!("fn {name}");
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut end = None;
    for (number, text) in (1..=line).zip(text.lines()) {
        let is_head = text.trim_start().split_once(&head).is_some_and(|(before, behind)| {
            behind.starts_with(['(', '<']) && !before.contains("//")
        });
        if is_head {
            // One that has its braces in one line ends there.
            end = Some((number, indent(text), text.trim_end().ends_with('}')));
        }
        match end {
            Some((first, _, true)) if number > first => end = None,
            Some((first, column, false))
                if number > first && text.trim() == "}" && indent(text) == column =>
            {
                if number == line {
                    return true;
                }
                end = None;
            }
            _ => {}
        }
    }
    end.is_some()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const SOURCE: &str = "impl A {\n    fn one(&self) {}\n    fn two<T>(\n        self,\n    ) {\n        if b {\n        \
                          }\n        c();\n    }\n}\nfn two_more() {\n    c();\n}\n";

    #[test]
    fn a_function_goes_from_its_head_to_its_brace() {
        let lines = |name: &str| -> Vec<u32> {
            (1..14).filter(|it| is_in_function(SOURCE, name, *it)).collect()
        };
        assert_eq!(lines("one"), vec![2]);
        assert_eq!(lines("two"), vec![3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(lines("two_more"), vec![11, 12, 13]);
        assert!(lines("three").is_empty());
    }

    #[test]
    fn a_reason_is_about_a_file_a_function_or_a_line_and_stale_once_all_of_that_is_run() {
        let reasons = Reasons::parse(
            "# why\n\nsrc/a.rs\tnobody asks\nsrc/a.rs: fn two\tnobody calls it\nsrc/a.rs: c();\tno c\n\
             src/a.rs: fn one\tit was so\nsrc/b.rs\tgone\n",
        )
        .unwrap();
        let counts = BTreeMap::from([(2, 1), (3, 0), (8, 0), (11, 0), (12, 0)]);
        let file = FileCoverage { counts, text: SOURCE.to_owned() };
        let why = |line| reasons.reason("src/a.rs", &file, line).map(|it| it.why.as_str());
        assert_eq!(
            [why(3), why(8), why(11)],
            [Some("nobody calls it"), Some("no c"), Some("nobody asks")]
        );
        assert_eq!(reasons.reason("src/c.rs", &file, 3), None);
        let coverage = Coverage { files: BTreeMap::from([("src/a.rs".to_owned(), file.clone())]) };
        let stale: Vec<&str> = reasons.stale(&coverage).iter().map(|it| it.why.as_str()).collect();
        assert_eq!(stale, ["it was so", "gone"]);
    }

    #[test]
    fn a_line_without_a_reason_is_named() {
        for text in ["src/a.rs: run();", "src/a.rs: \twhy", "src/a.rs: a\t", "\twhy"] {
            let error = Reasons::parse(&format!("# why\n{text}\n")).unwrap_err().to_string();
            assert!(error.starts_with("ci/never-run.txt:2: "), "{error}");
        }
    }

    #[test]
    fn the_reasons_of_this_repository_can_be_read() {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        assert!(!Reasons::of(&top).unwrap().0.is_empty());
    }
}
