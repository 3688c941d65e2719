//! Keeps what campaigns leave on the disk within a budget: what is worth least goes first, findings never.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{quarantine, record};

/// What came of keeping within a budget.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Kept {
    /// Bytes on the disk, now.
    pub size: u64,
    /// How many files were removed, by what they are.
    pub removed: BTreeMap<&'static str, usize>,
    /// Whether that is within the budget.
    pub is_within: bool,
}

/// What may go, in this order; of each the oldest first.
const MAY_GO: [Kind; 3] = [
    Kind { name: "records of campaigns", folder: record::FOLDER, kept: 20 },
    Kind { name: "inputs in quarantine", folder: "quarantine", kept: 0 },
    Kind { name: "inputs that broke nothing when run again", folder: "raw", kept: 100 },
];

/// A kind of files that the search does not need.
struct Kind {
    name: &'static str,
    /// The folder that they are in, wherever that is.
    folder: &'static str,
    /// How many of them stay in any case, the youngest.
    kept: usize,
}

/// Removes files below these folders until all of them together take no more than `limit` bytes on the disk.
///
/// Working sets are bounded by trimming, and reproducers and the findings store are the record of what was found:
/// both are never touched, and may be too large by themselves. A file that is in an archive and in the workspace
/// goes from both, or the one would be restored from the other.
///
/// # Errors
///
/// When a folder cannot be read, or a file not removed.
pub fn keep_within(limit: u64, folders: &[PathBuf]) -> io::Result<Kept> {
    let mut found = Found::default();
    for folder in folders {
        found.walk(folder, None)?;
    }
    let mut kept = Kept { size: found.size, ..Kept::default() };
    for (number, kind) in MAY_GO.iter().enumerate() {
        let Some(files) = found.may_go.remove(&number) else { continue };
        let mut files: Vec<_> = files.into_iter().map(|(name, copies)| (copies, name)).collect();
        files.sort_unstable_by(|(a, name), (b, other)| (a.time, name).cmp(&(b.time, other)));
        let count = files.len().saturating_sub(kind.kept);
        for (copies, _) in files.into_iter().take(count) {
            if kept.size <= limit {
                break;
            }
            for path in &copies.paths {
                fs::remove_file(path)?;
                *kept.removed.entry(kind.name).or_default() += 1;
            }
            kept.size = kept.size.saturating_sub(copies.size);
        }
    }
    kept.is_within = kept.size <= limit;
    Ok(kept)
}

/// What is on the disk.
#[derive(Default)]
struct Found {
    size: u64,
    /// What may go, by the number of its kind and by its name.
    may_go: BTreeMap<usize, BTreeMap<PathBuf, Copies>>,
}

/// A file, in every place where it is.
struct Copies {
    paths: Vec<PathBuf>,
    size: u64,
    /// When the oldest of them was written.
    time: SystemTime,
}

impl Found {
    /// Goes through a folder that may be inside one of a kind; one that is not there is empty.
    fn walk(&mut self, folder: &Path, inside: Option<usize>) -> io::Result<()> {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        let of_name = |kind: &Kind| folder.file_name().is_some_and(|name| name == kind.folder);
        let inside = inside.or_else(|| MAY_GO.iter().position(of_name));
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            // What goes away meanwhile takes no room, and a link takes none that counts.
            let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
            if metadata.is_dir() {
                self.walk(&path, inside)?;
            } else if metadata.is_file() {
                self.take(path, &metadata, inside);
            }
        }
        Ok(())
    }

    fn take(&mut self, path: PathBuf, metadata: &Metadata, inside: Option<usize>) {
        let size = size_on_disk(metadata);
        self.size += size;
        // What a program notes for itself is no input.
        let is_note = |name: &&std::ffi::OsStr| *name == quarantine::BUILD;
        if let (Some(kind), Some(name)) = (inside, path.file_name().filter(|name| !is_note(name))) {
            let time = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            let copies = self
                .may_go
                .entry(kind)
                .or_default()
                .entry(name.into())
                .or_insert(Copies { paths: Vec::new(), size: 0, time });
            copies.size += size;
            copies.time = copies.time.min(time);
            copies.paths.push(path);
        }
    }
}

/// What a file takes: small ones take a whole block.
fn size_on_disk(metadata: &Metadata) -> u64 {
    #[cfg(unix)]
    {
        // The system counts in these, whatever the blocks of the disk are.
        std::os::unix::fs::MetadataExt::blocks(metadata) * 512
    }
    #[cfg(not(unix))]
    {
        metadata.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A file of some blocks, written so many seconds after 1970.
    fn write(path: &Path, seconds: u64) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, [0xab; 8192]).unwrap();
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
    }

    #[test]
    fn the_oldest_of_what_may_go_goes_from_everywhere_and_findings_stay() {
        let root = tempfile::tempdir().unwrap();
        let (work, archive) = (root.path().join("work"), root.path().join("archive"));
        for folder in [&work, &archive] {
            for number in 0..30 {
                write(&folder.join(format!("findings/campaigns/{number:03}.jsonl")), number);
            }
            write(&folder.join("findings/double-finish/1.seq"), 0);
            write(&folder.join("call_sequence/input"), 0);
        }
        write(&work.join("corpus/quarantine/call_sequence/a"), 5);
        write(&work.join("corpus/quarantine/call_sequence/BUILD"), 0);
        let folders = [work.clone(), archive.clone()];
        let all = keep_within(u64::MAX, &folders).unwrap();
        assert!(all.is_within && all.removed.is_empty(), "{all:?}");

        // Two records are enough, and each is in two places.
        let one = all.size / 66;
        let some = keep_within(all.size - 3 * one, &folders).unwrap();
        assert_eq!(some.removed, BTreeMap::from([("records of campaigns", 4)]));
        assert!(some.is_within && some.size < all.size, "{some:?}");
        for folder in [&work, &archive] {
            let is_there = |number| folder.join(format!("findings/campaigns/{number}")).exists();
            assert!(!is_there("000.jsonl") && !is_there("001.jsonl") && is_there("002.jsonl"));
        }

        // Nothing is enough: what may go has gone, and what is kept is there.
        let none = keep_within(0, &folders).unwrap();
        assert!(!none.is_within);
        assert_eq!(
            none.removed,
            BTreeMap::from([("records of campaigns", 16), ("inputs in quarantine", 1)])
        );
        for folder in [&work, &archive] {
            assert!(folder.join("findings/double-finish/1.seq").is_file());
            assert!(folder.join("call_sequence/input").is_file());
            assert!(folder.join("findings/campaigns/029.jsonl").is_file());
        }
        assert_eq!(keep_within(0, &folders).unwrap().size, none.size);
    }

    #[test]
    fn a_folder_that_is_not_there_takes_no_room() {
        let root = tempfile::tempdir().unwrap();
        let kept = keep_within(0, &[root.path().join("none")]).unwrap();
        assert_eq!((kept.size, kept.is_within), (0, true));
    }
}
