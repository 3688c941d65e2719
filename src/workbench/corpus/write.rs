//! Writes files whole or not at all, and never over a different one unless told to.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use super::error::CorpusError;

/// What became of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Written {
    /// It is new.
    New,
    /// It was there, byte for byte.
    Already,
}

/// Writes a file that must not be there yet, unless with the same bytes. The path `-` is standard output.
///
/// # Errors
///
/// When something else is there, or the system refuses; nothing is left behind then.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<Written, CorpusError> {
    if let Some(written) = write_elsewhere(path, bytes) {
        return written;
    }
    let file = staged(path, bytes)?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(Written::New),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            let is_same = fs::metadata(path)
                .is_ok_and(|metadata| metadata.is_file() && metadata.len() == bytes.len() as u64)
                && fs::read(path).is_ok_and(|there| there == bytes);
            if is_same {
                Ok(Written::Already)
            } else {
                Err(CorpusError::Exists { path: path.to_owned() })
            }
        }
        Err(error) => Err(CorpusError::Write { path: path.to_owned(), source: error.error }),
    }
}

/// The same for what must outlive a machine that dies in the next moment: it is on the disk, name and all,
/// when this returns.
///
/// # Errors
///
/// Those of [`write_new`].
pub fn write_new_durably(path: &Path, bytes: &[u8]) -> Result<Written, CorpusError> {
    let written = write_new(path, bytes)?;
    let directory = path.parent().unwrap_or(Path::new("."));
    let is_ours = written == Written::New && !is_device(path);
    let synced =
        if is_ours { fs::File::open(path).and_then(|file| file.sync_all()) } else { Ok(()) };
    // Not every system lets a directory be opened; there its names are kept by themselves.
    if is_ours && let Ok(directory) = fs::File::open(directory) {
        let _ = directory.sync_all();
    }
    synced.map_err(|source| CorpusError::Write { path: path.to_owned(), source })?;
    Ok(written)
}

/// Writes a file, replacing one that is there; of a link, what it leads to. The path `-` is standard output.
///
/// # Errors
///
/// When the system refuses; the old file is untouched then.
pub fn write_over(path: &Path, bytes: &[u8]) -> Result<Written, CorpusError> {
    if let Some(written) = write_elsewhere(path, bytes) {
        return written;
    }
    let behind_links = if path.is_symlink() { path.canonicalize() } else { Ok(path.to_owned()) };
    let path =
        &behind_links.map_err(|source| CorpusError::Write { path: path.to_owned(), source })?;
    let file = staged(path, bytes)?;
    match file.persist(path) {
        Ok(_) => Ok(Written::New),
        Err(error) => Err(CorpusError::Write { path: path.to_owned(), source: error.error }),
    }
}

/// Writes to what is no file and cannot be replaced: a device, or standard output; `None` if the path is another.
fn write_elsewhere(path: &Path, bytes: &[u8]) -> Option<Result<Written, CorpusError>> {
    if path == Path::new("-") {
        let mut out = io::stdout().lock();
        let written = out.write_all(bytes).and_then(|()| out.flush());
        let cannot = |source| CorpusError::Write { path: "standard output".into(), source };
        return Some(written.map(|()| Written::New).map_err(cannot));
    }
    is_device(path).then(|| write_device(path, bytes))
}

/// A finished file beside the place where it goes: only there can it be moved in one step.
fn staged(path: &Path, bytes: &[u8]) -> Result<NamedTempFile, CorpusError> {
    let cannot = |source| CorpusError::Write { path: path.to_owned(), source };
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".rekeylab-").suffix(".part");
    #[cfg(unix)]
    {
        // Readable like any other file; the caller's umask still applies.
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(directory).map_err(cannot)?;
    file.write_all(bytes).and_then(|()| file.flush()).map_err(cannot)?;
    Ok(file)
}

/// Whether the path is there and is neither a file nor a directory: it cannot be replaced, only
/// written to.
fn is_device(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

fn write_device(path: &Path, bytes: &[u8]) -> Result<Written, CorpusError> {
    let cannot = |source| CorpusError::Write { path: path.to_owned(), source };
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        let kind = fs::metadata(path).map_err(cannot)?.file_type();
        if !kind.is_char_device() {
            // Opening a pipe would wait for somebody to read.
            return Err(cannot(io::Error::other("it is a pipe, a socket or a disk, not a file")));
        }
    }
    let mut device = fs::OpenOptions::new().write(true).open(path).map_err(cannot)?;
    device.write_all(bytes).map_err(cannot)?;
    Ok(Written::New)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_link_stays_and_what_it_leads_to_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (directory.path().join("a.seq"), directory.path().join("link"));
        fs::write(&path, "one").unwrap();
        std::os::unix::fs::symlink("a.seq", &link).unwrap();
        assert_eq!(write_over(&link, b"two").unwrap(), Written::New);
        assert!(link.is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"two");
    }

    #[test]
    fn a_different_file_is_never_written_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.seq");
        assert_eq!(write_new(&path, b"one").unwrap(), Written::New);
        assert_eq!(write_new(&path, b"one").unwrap(), Written::Already);
        assert!(matches!(write_new(&path, b"two"), Err(CorpusError::Exists { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(write_over(&path, b"two").unwrap(), Written::New);
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left behind");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error_that_names_the_file() {
        for write in [write_new, write_over] {
            let error = write(Path::new("/dev/full"), b"x").unwrap_err();
            assert!(error.to_string().starts_with("cannot write /dev/full: No space"), "{error}");
        }
    }
}
