//! A bug that somebody names on the command line: a finding, or a file that shows one.

use std::path::{Path, PathBuf};

use crate::corpus::{Form, read};
use crate::invariant;
use crate::report::Fingerprint;
use crate::sequence::SequenceText;
use crate::store::{Standing, Store};

use super::failure::Failure;
use super::findings::{picked, reproducer_path};
use super::noted;

/// A bug with its reproducer.
#[derive(Debug)]
pub(super) struct NamedBug {
    /// The invariant that it breaks; empty if the text does not say.
    pub(super) invariant: String,
    /// What happens, as a sentence fragment.
    pub(super) happened: String,
    /// What its file is or would be called, without fingerprint and extension.
    pub(super) name: String,
    /// The driver that has it, as the store names it.
    pub(super) driver: String,
    /// Its reproducer.
    pub(super) text: SequenceText,
    /// Whether it does not show in every run.
    pub(super) is_flaky: bool,
}

/// What is meant by a word: a file that is there, or else a finding of this folder.
pub(super) fn named_bug(
    what: &str,
    driver: Option<&str>,
    findings: Option<&Path>,
) -> Result<NamedBug, Failure> {
    let path = Path::new(what);
    if path.is_file() {
        let stored = read(path)?;
        let text = match stored.form {
            Form::Text(text) => text,
            Form::Wire => SequenceText::from(stored.sequence),
        };
        let driver = noted::driver_name(text.fault().as_deref());
        return Ok(NamedBug::new(path, driver, text));
    }
    let folder = noted::folder(findings);
    if !folder.is_dir() {
        let message =
            format!("{what} is no file, and there are no findings in {}", folder.display());
        return Err(Failure::usage(message).way_out("a file, or --findings DIR"));
    }
    let store = Store::open(&folder)?;
    let bug = picked(&store, what, driver)?;
    let path = reproducer_path(&store, &bug);
    let path = path.unwrap_or_else(|| PathBuf::from(format!("found-{}", bug.fingerprint)));
    let Some(text) = bug.text.as_deref() else {
        let message = format!("nobody has noted a reproducer of {}", bug.fingerprint);
        return Err(Failure::usage(message));
    };
    let text = SequenceText::parse(text)
        .map_err(|error| Failure::usage(format!("{}: {error}", bug.fingerprint)))?;
    let is_flaky = bug.standing == Standing::Flaky;
    Ok(NamedBug { is_flaky, ..NamedBug::new(&path, bug.driver, text) })
}

impl NamedBug {
    /// The bug of a text that is or would be in this file.
    fn new(path: &Path, driver: String, text: SequenceText) -> Self {
        let description = text.description();
        let said = description.lines().next().and_then(|line| line.split_once(": "));
        let is_invariant = |name: &str| invariant::ALL.iter().any(|it| it.name == name);
        let (invariant, happened) = said.filter(|(name, _)| is_invariant(name)).unwrap_or_default();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        Self {
            invariant: invariant.to_owned(),
            happened: happened.to_owned(),
            name: without_fingerprint(&stem).to_owned(),
            driver,
            text,
            is_flaky: false,
        }
    }
}

/// The name of a reproducer without the fingerprint behind it, if anything is left then.
fn without_fingerprint(stem: &str) -> &str {
    let at = stem.len().checked_sub("-5f0c-91ab".len());
    let cut = at.and_then(|at| stem.split_at_checked(at)).filter(|(name, _)| !name.is_empty());
    let Some((name, digits)) = cut else { return stem };
    let digits = digits.strip_prefix('-').map(str::parse::<Fingerprint>);
    if name != "found" && matches!(digits, Some(Ok(_))) { name } else { stem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_loses_its_fingerprint_and_nothing_else() {
        for (stem, name) in [
            ("finish-while-keyed-5f0c-91ab", "finish-while-keyed"),
            ("finish-while-keyed", "finish-while-keyed"),
            ("found-5f0c-91ab", "found-5f0c-91ab"),
            ("5f0c-91ab", "5f0c-91ab"),
            ("ä-5f0c-91ab", "ä"),
            ("äöüäöü", "äöüäöü"),
        ] {
            assert_eq!(without_fingerprint(stem), name);
        }
    }
}
