//! Packs text seeds and reproducers into an engine's working set, as wire files.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::sequence::wire;

use super::error::CorpusError;
use super::find::find;
use super::read::read;
use super::write::{Written, write_new};

/// What packing did.
#[derive(Debug, Default)]
pub struct Packed {
    /// How many sequences are new in the working set.
    pub new_count: usize,
    /// How many sequences there were to pack.
    pub count: usize,
    /// Files that could not be read; the others are packed all the same.
    pub errors: Vec<CorpusError>,
}

/// Packs every sequence below `sources` into the directory `working_set`.
///
/// # Errors
///
/// When the working set cannot be written.
pub fn pack(sources: &[PathBuf], working_set: &Path) -> Result<Packed, CorpusError> {
    fs::create_dir_all(working_set)
        .map_err(|source| CorpusError::Write { path: working_set.to_owned(), source })?;
    let found = find(sources);
    let mut packed = Packed { errors: found.errors, ..Packed::default() };
    // A project may have no seeds or no reproducers yet.
    packed.errors.retain(|error| !matches!(error, CorpusError::NothingFound { .. }));
    for path in found.files {
        let stored = match read(&path) {
            Ok(stored) => stored,
            Err(error) => {
                packed.errors.push(error);
                continue;
            }
        };
        let mut bytes = Vec::new();
        wire::encode_into(&stored.sequence, &mut bytes);
        packed.count += 1;
        if write_new(&working_set.join(content_name(&bytes)), &bytes)? == Written::New {
            packed.new_count += 1;
        }
    }
    Ok(packed)
}

/// A name made from the content, so that packing again changes nothing.
///
/// The hash is not promised to stay the same between toolchains; a seed packed twice costs nothing.
fn content_name(bytes: &[u8]) -> String {
    let hash = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, bytes).hash(&mut hasher);
        hasher.finish()
    };
    format!("seed-{:016x}{:016x}", hash(0), hash(1))
}
