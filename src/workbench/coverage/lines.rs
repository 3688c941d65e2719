//! How often each line was run, read from a tracefile of lcov and written as one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use lcov::{Reader, Record};

/// How often each line of some files was run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Coverage {
    /// By path from the top of the repository, with `/` between its parts.
    pub files: BTreeMap<String, FileCoverage>,
}

/// How often each line of one file was run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FileCoverage {
    /// By line, from 1: how often it was run. Lines without code are not there.
    pub counts: BTreeMap<u32, u64>,
    /// What stands in the file, as it was measured.
    pub text: String,
}

/// Why a tracefile says nothing.
#[derive(Debug, thiserror::Error)]
pub enum LcovError {
    /// Something in it is no record.
    #[error("record {number} of the tracefile: {why}")]
    Record {
        /// Which one, from 1.
        number: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A file that it speaks of is not there.
    #[error("the tracefile speaks of {path}, which cannot be read: {source}")]
    Source {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

impl Coverage {
    /// Reads a tracefile. What lies outside of `top` is left out.
    ///
    /// # Errors
    ///
    /// When it is no tracefile, or a source of which it speaks cannot be read.
    pub fn from_lcov(tracefile: &[u8], top: &Path) -> Result<Self, LcovError> {
        let mut coverage = Self::default();
        let mut name = None;
        for (index, record) in Reader::new(tracefile).enumerate() {
            let record = record
                .map_err(|error| LcovError::Record { number: index + 1, why: error.to_string() })?;
            match record {
                Record::SourceFile { path } => {
                    name = path.strip_prefix(top).ok().map(slashed);
                    if let Some(name) = &name
                        && !coverage.files.contains_key(name)
                    {
                        let text = fs::read_to_string(&path)
                            .map_err(|source| LcovError::Source { path: name.clone(), source })?;
                        let file = FileCoverage { counts: BTreeMap::new(), text };
                        coverage.files.insert(name.clone(), file);
                    }
                }
                Record::LineData { line, count, .. } => {
                    if let Some(file) = name.as_ref().and_then(|name| coverage.files.get_mut(name))
                    {
                        let sum = file.counts.entry(line).or_default();
                        *sum = sum.saturating_add(count);
                    }
                }
                Record::EndOfRecord => name = None,
                _ => {}
            }
        }
        Ok(coverage)
    }

    /// The tracefile, with paths from the top of the repository.
    #[must_use]
    pub fn to_lcov(&self) -> String {
        let mut text = String::new();
        for (path, file) in &self.files {
            let mut add = |record: Record| {
                let _ = writeln!(text, "{record}");
            };
            add(Record::SourceFile { path: path.into() });
            for (&line, &count) in &file.counts {
                add(Record::LineData { line, count, checksum: None });
            }
            add(Record::LinesFound { found: count_of(file.counts.len()) });
            add(Record::LinesHit { hit: count_of(file.reached_count()) });
            add(Record::EndOfRecord);
        }
        text
    }
}

impl FileCoverage {
    /// How many lines were run at least once.
    #[must_use]
    pub fn reached_count(&self) -> usize {
        self.counts.values().filter(|&&count| count > 0).count()
    }

    /// The lines that were never run, with what stands there.
    pub fn unreached(&self) -> impl Iterator<Item = (u32, &str)> {
        let lines: Vec<&str> = self.text.lines().collect();
        let never = self.counts.iter().filter(|&(_, &count)| count == 0);
        never.map(move |(&line, _)| (line, lines.get(line as usize - 1).copied().unwrap_or("")))
    }
}

fn count_of(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

fn slashed(path: &Path) -> String {
    let parts: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tracefile_is_read_and_comes_back_with_paths_of_the_repository() {
        let top = tempfile::tempdir().unwrap();
        fs::write(top.path().join("a.rs"), "fn a() {\n    b();\n}\n").unwrap();
        let path = top.path().join("a.rs");
        let text = format!(
            "TN:\nSF:/elsewhere/x.rs\nDA:1,1\nend_of_record\nSF:{}\nDA:1,3\nDA:2,0\nend_of_record\n",
            path.display()
        );
        let coverage = Coverage::from_lcov(text.as_bytes(), top.path()).unwrap();
        let [(name, file)] = &coverage.files.iter().collect::<Vec<_>>()[..] else { panic!() };
        assert_eq!((name.as_str(), file.reached_count()), ("a.rs", 1));
        assert_eq!(file.unreached().collect::<Vec<_>>(), [(2, "    b();")]);
        assert_eq!(coverage.to_lcov(), "SF:a.rs\nDA:1,3\nDA:2,0\nLF:2\nLH:1\nend_of_record\n");
    }

    #[test]
    fn what_is_no_tracefile_is_told_with_its_record() {
        let top = Path::new("/");
        let error = Coverage::from_lcov(b"TN:\nnonsense\n", top).unwrap_err().to_string();
        assert!(error.starts_with("record 2 of the tracefile: "), "{error}");
        let error = Coverage::from_lcov(b"SF:/not/there.rs\n", top).unwrap_err().to_string();
        assert!(error.contains("not/there.rs, which cannot be read"), "{error}");
    }
}
