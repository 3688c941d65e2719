//! Inputs that a target hands over to the campaign that runs it, so that the engine goes on.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::path::PathBuf;

use super::sample::Sample;

/// Where inputs are handed over, and which.
#[derive(Debug)]
pub(super) struct HandedOver {
    directory: PathBuf,
    sample: Sample,
}

impl HandedOver {
    /// Into the directory that `REKEYLAB_FOUND` names; `None` if it names none.
    pub(super) fn from_environment() -> Option<Self> {
        let directory = std::env::var_os("REKEYLAB_FOUND").filter(|name| !name.is_empty())?;
        Some(Self { directory: directory.into(), sample: Sample::default() })
    }

    /// Hands an input over if enough of its look were not handed over before. `kind` is what engines put
    /// first in the name of such a file.
    pub(super) fn hand_over(&mut self, kind: &str, input: &[u8], look: String) {
        if !self.sample.wants(look.clone()) {
            return;
        }
        // The name says which look it is, so that whoever reads need not run it to know.
        let name = format!("{kind}-{:016x}-{:016x}", hash(look.as_bytes()), hash(input));
        let written = tempfile::NamedTempFile::new_in(&self.directory).and_then(|mut file| {
            file.write_all(input)?;
            file.persist(self.directory.join(name)).map_err(|error| error.error)
        });
        if let Err(error) = written {
            // The next of its look is another chance.
            self.sample.forget(&look);
            let path = self.directory.display();
            let line = format!("rekeylab: cannot-write={path}: {error}\n");
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
