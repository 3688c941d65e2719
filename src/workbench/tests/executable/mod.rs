//! Writes a script that can be run at once, whatever other threads do.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Writes an executable file of this text.
///
/// A file that some process has open for writing cannot be run. While this process had it open, a child
/// that another thread starts would have it open as well, for a moment too long. So a shell writes it.
pub(crate) fn write_executable(path: &Path, text: &str) {
    let mut shell = Command::new("/bin/sh")
        .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    shell.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(shell.wait().unwrap().success(), "cannot write {}", path.display());
}
