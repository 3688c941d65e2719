//! Which bug somebody means by some digits of its fingerprint.

use std::path::PathBuf;

use crate::store::{Bug, Store};

use super::super::failure::Failure;

/// The bug whose fingerprint begins with these digits, of this driver if one is named.
pub(in super::super) fn picked(
    store: &Store,
    digits: &str,
    driver: Option<&str>,
) -> Result<Bug, Failure> {
    let wanted = digits.to_lowercase().replace('-', "");
    if wanted.is_empty() || !wanted.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(Failure::usage(format!("{digits:?} is no fingerprint"))
            .way_out("one such as 5f0c-91ab, or its first digits; rekeylab findings lists them"));
    }
    let is_meant = |bug: &Bug| {
        bug.fingerprint.to_string().replace('-', "").starts_with(&wanted)
            && driver.is_none_or(|driver| driver == bug.driver)
    };
    let mut bugs: Vec<Bug> = store.bugs()?.into_iter().filter(is_meant).collect();
    match bugs.len() {
        0 => {
            let of = driver.map(|driver| format!(" of {driver}")).unwrap_or_default();
            let message =
                format!("no finding{of} begins with {digits} in {}", store.path().display());
            Err(Failure::usage(message).way_out("rekeylab findings"))
        }
        1 => Ok(bugs.remove(0)),
        _ => {
            let all: Vec<String> =
                bugs.iter().map(|bug| format!("{} ({})", bug.fingerprint, bug.driver)).collect();
            Err(Failure::usage(format!("{digits} is the beginning of {}", all.join(" and of ")))
                .way_out("more digits, or --driver NAME"))
        }
    }
}

/// Where the reproducer of a bug is, if it is there.
pub(in super::super) fn reproducer_path(store: &Store, bug: &Bug) -> Option<PathBuf> {
    let path = store.folder().join(bug.file.as_deref()?);
    path.is_file().then_some(path)
}
