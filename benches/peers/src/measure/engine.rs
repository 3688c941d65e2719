//! Builds the fuzz targets, instrumented, with the stable toolchain.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds them below `directory`; where they are then.
///
/// # Errors
///
/// When cargo does not start or the build fails, which it has explained on stderr by then.
pub fn build(directory: &Path) -> io::Result<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(env!("CARGO"));
    command.args([
        "build",
        "--release",
        "--quiet",
        "--no-default-features",
        "--features",
        "engine",
    ]);
    command.args(["--bin", "opaque", "--bin", "indexed", "--bin", "calls", "--locked"]);
    command.arg("--manifest-path").arg(package.join("Cargo.toml"));
    command.arg("--target-dir").arg(directory);
    command.env("RUSTC_WRAPPER", package.join("instrument-driver-and-targets.sh"));
    // Flags for this program are not meant for those.
    command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    let status = command.status()?;
    if status.success() {
        return Ok(directory.join("release"));
    }
    Err(io::Error::other(format!("cargo build: {status}")))
}
