//! This program, to be started again, also once a new build has taken its place on the disk.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Where the system finds the program of the process that asks, whatever has become of its file.
const RUNNING: &str = "/proc/self/exe";

/// Where this program was started from.
static STARTED_FROM: OnceLock<PathBuf> = OnceLock::new();

/// Where this program was started from.
///
/// # Errors
///
/// When the system does not say.
#[cfg(feature = "command")]
pub(crate) fn this_program() -> io::Result<PathBuf> {
    if let Some(path) = STARTED_FROM.get() {
        return Ok(path.clone());
    }
    let path = std::env::current_exe()?;
    Ok(STARTED_FROM.get_or_init(|| path).clone())
}

/// What is to be started for this path: the path itself, but for that of this program if another build stands there
/// now, which may speak otherwise than this one. Then it is this one, where the system still has it.
pub(crate) fn as_started(path: &Path) -> &Path {
    let is_this_program = STARTED_FROM.get().is_some_and(|started| started == path);
    if is_this_program { still(path, Path::new(RUNNING)) } else { path }
}

/// The path, or `running` if that is there and is another file by now.
fn still<'a>(path: &'a Path, running: &'a Path) -> &'a Path {
    match (identity(path), identity(running)) {
        (there, Some(running_one)) if there != Some(running_one) => running,
        _ => path,
    }
}

/// What tells a file from every other one on this machine. Elsewhere than on Unix a program that runs cannot be
/// replaced.
fn identity(path: &Path) -> Option<(u64, u64)> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.dev(), metadata.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

#[cfg(all(test, feature = "command"))]
mod tests {
    use std::fs;

    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_program_that_was_replaced_or_removed_is_started_as_it_runs() {
        let folder = tempfile::tempdir().unwrap();
        let (path, running) = (folder.path().join("rekeylab"), folder.path().join("running"));
        fs::write(&path, "old").unwrap();
        fs::hard_link(&path, &running).unwrap();
        assert_eq!(still(&path, &running), path);
        fs::remove_file(&path).unwrap();
        assert_eq!(still(&path, &running), running);
        fs::write(&path, "new").unwrap();
        assert_eq!(still(&path, &running), running);
        // Where the system does not have it, there is nothing better than the path.
        fs::remove_file(&running).unwrap();
        assert_eq!(still(&path, &running), path);
    }

    #[test]
    fn what_is_not_this_program_is_started_from_where_it_stands() {
        let program = this_program().unwrap();
        assert_eq!(as_started(&program), program);
        assert_eq!(as_started(Path::new("/no/such/program")), Path::new("/no/such/program"));
    }
}
