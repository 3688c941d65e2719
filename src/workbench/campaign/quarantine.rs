//! Inputs of the working set that kill the engine are put aside, and tried again on the next build.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};

/// The inputs of one working set that were put aside, and on which build.
///
/// An engine reads its whole working set when it starts, so an input in there that ends its process ends
/// every worker before it has searched at all.
#[derive(Debug)]
pub(super) struct Quarantine {
    directory: PathBuf,
    working_set: PathBuf,
    /// What is in there.
    inputs: BTreeSet<Vec<u8>>,
}

/// The file that says on which build the inputs were put aside.
pub(super) const BUILD: &str = "BUILD";

impl Quarantine {
    /// Opens the quarantine of a working set. If the programs are others than those that put inputs
    /// aside, these go back into the working set; how many is answered, too.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or moved.
    pub(super) fn open(
        directory: PathBuf,
        working_set: &Path,
        programs: &[PathBuf],
    ) -> io::Result<(Self, usize)> {
        fs::create_dir_all(&directory)?;
        let build = build_of(programs)?;
        let mut quarantine =
            Self { directory, working_set: working_set.to_owned(), inputs: BTreeSet::new() };
        let note = quarantine.directory.join(BUILD);
        let is_same = fs::read_to_string(&note).is_ok_and(|noted| noted.trim() == build);
        let mut tried_again = 0;
        for path in files(&quarantine.directory)? {
            let (Some(name), bytes) = (path.file_name(), fs::read(&path)?) else { continue };
            if name == BUILD {
                continue;
            }
            if is_same {
                quarantine.inputs.insert(bytes);
            } else {
                fs::rename(&path, quarantine.working_set.join(name))?;
                tried_again += 1;
            }
        }
        if !is_same {
            fs::write(&note, build)?;
        }
        Ok((quarantine, tried_again))
    }

    /// Takes out of the working set what is in quarantine already, such as seeds that were packed again.
    ///
    /// # Errors
    ///
    /// When a file cannot be moved.
    pub(super) fn clear(&self) -> io::Result<usize> {
        let mut count = 0;
        for input in &self.inputs {
            count += self.put_aside(input)?;
        }
        Ok(count)
    }

    /// Puts an input aside that has killed a worker; whether it was in the working set.
    ///
    /// # Errors
    ///
    /// When a file cannot be moved.
    pub(super) fn take(&mut self, input: Vec<u8>) -> io::Result<bool> {
        let count = self.put_aside(&input)?;
        if count > 0 {
            self.inputs.insert(input);
        }
        Ok(count > 0)
    }

    /// How many inputs are in quarantine.
    pub(super) fn len(&self) -> usize {
        self.inputs.len()
    }

    fn put_aside(&self, input: &[u8]) -> io::Result<usize> {
        let mut count = 0;
        for path in files(&self.working_set)? {
            let is_as_long =
                fs::metadata(&path).is_ok_and(|metadata| metadata.len() == input.len() as u64);
            if is_as_long
                && fs::read(&path).is_ok_and(|bytes| bytes == input)
                && let Some(name) = path.file_name()
            {
                fs::rename(&path, self.directory.join(name))?;
                count += 1;
            }
        }
        Ok(count)
    }
}

fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// What the programs are, in one word.
fn build_of(programs: &[PathBuf]) -> io::Result<String> {
    let mut hasher = DefaultHasher::new();
    for program in programs {
        fs::read(program)?.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_that_kills_is_put_aside_until_the_build_is_another() {
        let desk = tempfile::tempdir().unwrap();
        let at = |name: &str| desk.path().join(name);
        let set = at("set");
        fs::create_dir(&set).unwrap();
        fs::write(set.join("seed-1"), "kills").unwrap();
        fs::write(set.join("other"), "lives").unwrap();
        fs::write(at("program"), "1").unwrap();
        let open = || Quarantine::open(at("aside"), &set, &[at("program")]).unwrap();
        let (mut quarantine, _) = open();
        assert!(quarantine.take(b"kills".to_vec()).unwrap());
        assert!(!quarantine.take(b"never stored".to_vec()).unwrap(), "it was found just now");
        assert!(!set.join("seed-1").exists() && set.join("other").exists());
        // The next campaign packs its seeds again.
        fs::write(set.join("seed-1"), "kills").unwrap();
        let (quarantine, tried_again) = open();
        assert_eq!((quarantine.len(), tried_again, quarantine.clear().unwrap()), (1, 0, 1));
        assert!(!set.join("seed-1").exists());
        fs::write(at("program"), "2").unwrap();
        let (quarantine, tried_again) = open();
        assert_eq!((quarantine.len(), tried_again), (0, 1));
        assert!(set.join("seed-1").exists(), "it is tried again");
    }
}
