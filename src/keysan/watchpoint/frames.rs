//! Names the functions of a chain of calls, with the place in their source where the program says it.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
use std::ffi::c_void;
use std::fmt;
use std::path::{Component, Path, PathBuf};

use super::Hit;

/// A function that was being run, or was waiting for one that it had called.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// Its name; empty if the program has none for it.
    pub function: String,
    /// How many bytes behind its beginning the instruction is, or the one it waits for; `None` of a function that was
    /// inlined, and where that is not known.
    pub offset: Option<usize>,
    /// The file and the line, if the program was compiled with them.
    pub source: Option<(PathBuf, u32)>,
}

impl Frame {
    /// Whether it is of the standard library, or of keysan.
    #[must_use]
    pub fn is_of_a_library(&self) -> bool {
        const THEIRS: [&str; 8] =
            ["core::", "alloc::", "std::", "keysan::", "__rust", "__rdl_", "__rg_", "rust_"];
        let name = self.function.trim_start_matches(['<', '&', '*']);
        THEIRS.iter().any(|theirs| name.starts_with(theirs))
    }
}

/// The functions of a chain of calls, innermost first, those included that were inlined; and of each which frame it has.
pub(crate) fn frames_of(hit: &Hit) -> Vec<(usize, Frame)> {
    let mut frames = Vec::new();
    for (number, &address) in hit.addresses[..hit.len].iter().enumerate() {
        // Of what has called, the address is where it goes on; whoever looks a name up takes the byte before that.
        let looked_up = if number == 0 { address + 1 } else { address };
        let first = frames.len();
        backtrace::resolve(std::ptr::without_provenance_mut(looked_up), |symbol| {
            let function = symbol.name().map(|name| format!("{name:#}")).unwrap_or_default();
            let line = symbol.lineno().filter(|line| *line > 0);
            let source = symbol.filename().map(Path::to_owned).zip(line);
            frames.push((number, Frame { function, offset: None, source }));
        });
        if frames.len() == first {
            let function = String::new();
            frames.push((number, Frame { function, offset: None, source: None }));
        }
        // The last of them is the one that the others are inlined in.
        if let Some((_, outermost)) = frames.last_mut() {
            outermost.offset = offset_in_function(looked_up - 1);
        }
    }
    frames
}

/// How far behind the beginning of its function an address is, by what the program has for unwinding.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn offset_in_function(address: usize) -> Option<usize> {
    unsafe extern "C" {
        fn _Unwind_FindEnclosingFunction(address: *mut c_void) -> *mut c_void;
    }
    // SAFETY: only looks the address up, whatever it is.
    let start = unsafe { _Unwind_FindEnclosingFunction(std::ptr::without_provenance_mut(address)) };
    (!start.is_null()).then(|| address.checked_sub(start.addr())).flatten()
}

/// Elsewhere nothing is traced, and the unwinder may have no such function.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn offset_in_function(_address: usize) -> Option<usize> {
    None
}

/// `function+0x12 (file:line)`.
impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.function.is_empty() {
            "a function without a name"
        } else {
            &self.function
        })?;
        if let Some(offset) = self.offset {
            write!(f, "+{offset:#x}")?;
        }
        match &self.source {
            Some((file, line)) => write!(f, " ({}:{line})", shortened(file).display()),
            None => Ok(()),
        }
    }
}

/// A file as people look for it: from the current directory on, or from that of the crate in the registry.
fn shortened(file: &Path) -> PathBuf {
    let current = std::env::current_dir().ok();
    if let Some(within) = current.and_then(|current| file.strip_prefix(current).ok()) {
        return within.to_owned();
    }
    let parts: Vec<Component<'_>> = file.components().collect();
    // `registry/src/INDEX/CRATE-1.2.3/...` and `rustc/HASH/library/...`.
    let is = |index: usize, name: &str| parts.get(index).is_some_and(|it| it.as_os_str() == name);
    let from = (0..parts.len()).find_map(|index| {
        let is_registry = is(index, "registry") && is(index + 1, "src");
        let is_standard = is(index, "rustc") && is(index + 2, "library");
        (is_registry && parts.len() > index + 3)
            .then_some(index + 3)
            .or((is_standard && parts.len() > index + 2).then_some(index + 2))
    });
    match from {
        Some(from) => parts[from..].iter().collect(),
        None => file.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_begin_where_people_look_for_them() {
        let check = |file: &str, expected: &str| {
            assert_eq!(shortened(Path::new(file)), Path::new(expected), "{file}");
        };
        let here = std::env::current_dir().unwrap();
        check(&here.join("src/lib.rs").display().to_string(), "src/lib.rs");
        check("/u/.cargo/registry/src/index-1/aes-0.9.0/src/ni.rs", "aes-0.9.0/src/ni.rs");
        check("/rustc/59807616e/library/core/src/ptr.rs", "library/core/src/ptr.rs");
        check("/elsewhere/src/registry/src/x.rs", "/elsewhere/src/registry/src/x.rs");
    }
}
