//! The tracked sequences, as the tests read them.

use std::fs;
use std::path::{Path, PathBuf};

use rekeylab::sequence::SequenceText;

/// One `.seq` file.
pub(crate) struct File {
    /// Its path from the top of the repository, with slashes.
    pub(crate) path: String,
    /// What it holds.
    pub(crate) parsed: SequenceText,
}

/// The top of the repository.
pub(crate) fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every `.seq` file below a folder of the repository, in the order of the paths.
pub(crate) fn sequences(folder: &str) -> Vec<File> {
    let mut paths = Vec::new();
    collect(folder, &mut paths);
    paths.sort();
    let read = |path: String| {
        let text = fs::read_to_string(top().join(&path)).unwrap();
        let parsed = SequenceText::parse(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
        File { path, parsed }
    };
    paths.into_iter().map(read).collect()
}

fn collect(folder: &str, paths: &mut Vec<String>) {
    for entry in fs::read_dir(top().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            collect(&path, paths);
        } else {
            // Anything else in these folders would be replayed by nobody.
            assert!(path.ends_with(".seq"), "{path} is no sequence");
            paths.push(path);
        }
    }
}
