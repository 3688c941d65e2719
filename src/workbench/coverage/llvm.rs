//! Finds the two tools of LLVM that turn counters into lines.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The oldest version of LLVM whose tools read what current compilers write.
pub const LLVM_MIN: u32 = 18;

/// No newer version is looked for by name.
const LLVM_MAX: u32 = 40;

/// `llvm-profdata` and `llvm-cov`, of one version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tools {
    /// Adds up counters.
    pub profdata: PathBuf,
    /// Says which line each counter is about.
    pub cov: PathBuf,
}

/// Why there are no tools.
#[derive(Debug, thiserror::Error)]
#[error("no llvm-cov and llvm-profdata of LLVM {LLVM_MIN} or later{}", too_old(.found))]
pub struct ToolsError {
    /// The programs that are too old, with their versions.
    pub found: Vec<String>,
}

fn too_old(found: &[String]) -> String {
    if found.is_empty() { String::new() } else { format!(" (there is {})", found.join(", ")) }
}

impl Tools {
    /// Those that `LLVM_COV` and `LLVM_PROFDATA` name, those of the toolchain's component `llvm-tools`, or
    /// those on `PATH`, the newest first.
    ///
    /// # Errors
    ///
    /// When there are none, or only older ones.
    pub fn find() -> Result<Self, ToolsError> {
        let mut found = Vec::new();
        for tools in candidates() {
            match version(&tools.cov) {
                Some(major) if major >= LLVM_MIN && version(&tools.profdata).is_some() => {
                    return Ok(tools);
                }
                Some(major) => found.push(format!("{} {major}", tools.cov.display())),
                None => {}
            }
        }
        Err(ToolsError { found })
    }
}

fn candidates() -> Vec<Tools> {
    let mut candidates = Vec::new();
    let named = |name: &str| std::env::var_os(name).map(PathBuf::from);
    if let (Some(cov), Some(profdata)) = (named("LLVM_COV"), named("LLVM_PROFDATA")) {
        candidates.push(Tools { profdata, cov });
    }
    if let Some(folder) = component() {
        let (profdata, cov) = (folder.join("llvm-profdata"), folder.join("llvm-cov"));
        candidates.push(Tools { profdata, cov });
    }
    let on_path = |ending: String| {
        let tool = |name: &str| PathBuf::from(format!("{name}{ending}"));
        Tools { profdata: tool("llvm-profdata"), cov: tool("llvm-cov") }
    };
    candidates.extend((LLVM_MIN..=LLVM_MAX).rev().map(|major| on_path(format!("-{major}"))));
    candidates.push(on_path(String::new()));
    candidates
}

/// Where the toolchain keeps its tools.
fn component() -> Option<PathBuf> {
    let mut command = Command::new("rustc");
    command.args(["--print", "target-libdir"]).stderr(Stdio::null());
    let said = command.output().ok()?.stdout;
    let libraries = PathBuf::from(String::from_utf8(said).ok()?.trim_end());
    Some(libraries.parent()?.join("bin"))
}

/// The major version that a tool says it has.
fn version(tool: &Path) -> Option<u32> {
    let said = Command::new(tool).arg("--version").stderr(Stdio::null()).output().ok()?.stdout;
    let said = String::from_utf8_lossy(&said).into_owned();
    let (_, behind) = said.split_once("LLVM version ")?;
    behind.split('.').next()?.parse().ok()
}
