//! Packs text seeds and reproducers into an engine's working set, in the forms that its target eats.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::sequence::wire;

use super::error::CorpusError;
use super::find::find;
use super::read::{Form, read};
use super::write::{Written, write_new};

/// The forms in which a target gets seeds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Forms {
    /// Wire: what targets mutate that run calls.
    Wire,
    /// The text with its comments, and wire: for targets that read both.
    TextAndWire,
}

/// What packing did.
#[derive(Debug, Default)]
pub struct Packed {
    /// How many sequences are new in the working set, in one form or another.
    pub new_count: usize,
    /// How many sequences there were to pack.
    pub count: usize,
    /// Files that could not be read; the others are packed all the same.
    pub errors: Vec<CorpusError>,
    /// Why some of it is not in the working set, if it could not be written.
    pub unwritten: Option<CorpusError>,
}

/// Packs every sequence below `sources` into the directory `working_set`, in these forms.
///
/// # Errors
///
/// When the working set cannot be made. Where there is no room for a file in it, the rest of the sequences
/// is left out.
pub fn pack(sources: &[PathBuf], working_set: &Path, forms: Forms) -> Result<Packed, CorpusError> {
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
        let mut wire = Vec::new();
        wire::encode_into(&stored.sequence, &mut wire);
        let mut inputs = vec![wire];
        if forms == Forms::TextAndWire
            && let Form::Text(text) = &stored.form
        {
            inputs.push(text.to_string().into_bytes());
        }
        let mut is_new = false;
        for bytes in inputs {
            let path = working_set.join(content_name(&bytes));
            match write_new(&path, &bytes) {
                Ok(written) => is_new |= written == Written::New,
                Err(error) => {
                    packed.unwritten = Some(error);
                    return Ok(packed);
                }
            }
        }
        packed.count += 1;
        packed.new_count += usize::from(is_new);
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
    format!("{PREFIX}{:016x}{:016x}", hash(0), hash(1))
}

/// What the names of packed files begin with.
const PREFIX: &str = "seed-";

/// Whether a file of a working set was packed, by its name.
#[must_use]
pub fn is_packed(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(PREFIX.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_reads_text_gets_the_text_too() {
        let desk = tempfile::tempdir().unwrap();
        let seeds = desk.path().join("seeds");
        fs::create_dir(&seeds).unwrap();
        let text = "# rekeylab sequence 1\n# Why it is here.\nd0 = create-device -> ok\n";
        fs::write(seeds.join("a.seq"), text).unwrap();
        let packed = |forms| {
            let working_set = desk.path().join(format!("{forms:?}"));
            let packed = pack(std::slice::from_ref(&seeds), &working_set, forms).unwrap();
            assert_eq!((packed.count, packed.new_count), (1, 1));
            let mut inputs: Vec<Vec<u8>> = fs::read_dir(working_set)
                .unwrap()
                .map(|file| file.unwrap().path())
                .inspect(|path| assert!(is_packed(path), "{path:?}"))
                .map(|path| fs::read(path).unwrap())
                .collect();
            inputs.sort();
            inputs
        };
        let wire = packed(Forms::Wire);
        assert_eq!(wire.len(), 1);
        assert!(!crate::sequence::is_text(&wire[0]));
        let both = packed(Forms::TextAndWire);
        assert!(both.contains(&wire[0]));
        let texts: Vec<_> = both.iter().filter(|input| crate::sequence::is_text(input)).collect();
        let [stored] = &texts[..] else { panic!("{both:?}") };
        assert!(str::from_utf8(stored).unwrap().contains("# Why it is here.\n"), "{stored:?}");
    }

    #[test]
    fn what_there_is_no_room_for_is_said_and_all_before_it_is_packed() {
        let desk = tempfile::tempdir().unwrap();
        let seeds = desk.path().join("seeds");
        fs::create_dir(&seeds).unwrap();
        fs::write(seeds.join("a.seq"), "# rekeylab sequence 1\nd0 = create-device\n").unwrap();
        fs::write(seeds.join("b.seq"), "# rekeylab sequence 1\nretire 1\n").unwrap();
        let pack_into = |name: &str| {
            let working_set = desk.path().join(name);
            (pack(std::slice::from_ref(&seeds), &working_set, Forms::Wire).unwrap(), working_set)
        };
        let mut wire = Vec::new();
        wire::encode_into(&read(&seeds.join("b.seq")).unwrap().sequence, &mut wire);
        // Where a directory is, there is no place for a file, whoever asks.
        let taken = desk.path().join("set").join(content_name(&wire));
        fs::create_dir_all(taken.join("x")).unwrap();
        let (packed, working_set) = pack_into("set");
        assert_eq!((packed.count, fs::read_dir(working_set).unwrap().count()), (1, 2));
        let why = packed.unwritten.unwrap().to_string();
        assert!(why.contains(&content_name(&wire)), "{why}");
        assert!(pack_into("other").0.unwritten.is_none());
    }
}
