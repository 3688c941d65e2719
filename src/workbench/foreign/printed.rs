//! What a driver prints, read while it runs: a log that it may have, wherever it thinks that goes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// A file that a driver's process prints to.
#[derive(Debug)]
pub(super) struct Printed {
    file: File,
    /// How far it was read, in bytes.
    read_len: AtomicU64,
}

/// How much is read of what one call prints, in bytes; of more, the beginning.
const READ_MAX: u64 = 64 << 10;

impl Printed {
    /// Reads what is printed from now on.
    pub(super) fn new(file: File) -> Self {
        let len = file.metadata().map_or(0, |metadata| metadata.len());
        Self { file, read_len: AtomicU64::new(len) }
    }

    /// Shows each line that was printed since the last time. What cannot be read shows nothing.
    pub(super) fn each_new_line(&self, show: impl FnMut(&str)) {
        let Ok(Some(bytes)) = self.new_bytes() else { return };
        String::from_utf8_lossy(&bytes).lines().for_each(show);
    }

    fn new_bytes(&self) -> io::Result<Option<Vec<u8>>> {
        let (len, read_len) = (self.file.metadata()?.len(), self.read_len.load(Ordering::Relaxed));
        if len == read_len {
            return Ok(None);
        }
        // It was cut off in front, because it had become long.
        let start = if len < read_len { 0 } else { read_len };
        self.read_len.store(len, Ordering::Relaxed);
        let wanted = usize::try_from((len - start).min(READ_MAX)).map_err(io::Error::other)?;
        let mut bytes = vec![0; wanted];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(Some(bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_is_new_is_shown_once_also_when_the_file_begins_again() {
        let mut file = tempfile::Builder::new().append(true).tempfile().unwrap().into_file();
        file.write_all(b"before\n").unwrap();
        let printed = Printed::new(file.try_clone().unwrap());
        let new = || {
            let mut lines = Vec::new();
            printed.each_new_line(|line| lines.push(line.to_owned()));
            lines
        };
        assert!(new().is_empty());
        file.write_all(b"one\ntwo\n").unwrap();
        assert_eq!(new(), ["one", "two"]);
        assert!(new().is_empty());
        file.set_len(0).unwrap();
        file.write_all(b"three\n").unwrap();
        assert_eq!(new(), ["three"]);
    }
}
