//! Weaves every fault below `faults/` into a copy of the driver core and its cipher.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use rekeylab_weave::{Fault, Package, Problem, Reproduced, catalogue, read_folder, weave};

/// Where the faults are, from the top of the repository.
const FAULTS: &str = "faults";
/// Where their reproducers are.
const REPRODUCERS: &str = "corpus/crashes";

fn main() {
    let top = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("../..");
    // Below a folder of its own, which places of panics begin with.
    let out = PathBuf::from(variable("OUT_DIR")).join("woven");
    for watched in ["src/driver", "src/cipher", FAULTS, REPRODUCERS] {
        println!("cargo::rerun-if-changed={}", top.join(watched).display());
    }
    // Each such line fails the build. A script that also ended with failure would have all its lines shown again.
    for problem in make(&top, &out).err().into_iter().flatten() {
        println!("cargo::error={}", problem.to_string().replace('\n', "\ncargo::error="));
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}

fn make(top: &Path, out: &Path) -> Result<(), Vec<Problem>> {
    let packages = [
        package(top, "driver", &["seams.rs", "limits.rs", "homes.rs"])?,
        package(top, "cipher", &[])?,
    ];
    let faults = read_folder(top, FAULTS)?;
    let woven = weave(&packages, &faults)?;
    let mut modules = String::new();
    for package in &packages {
        let root = out.join(&package.folder).join("lib.rs");
        let allowed =
            "warnings, clippy::all, clippy::unwrap_used, clippy::allow_attributes_without_reason";
        writeln!(
            modules,
            "#[allow({allowed}, reason = \"the honest sources pass the lints\")]\n#[path = {root:?}]\npub mod {};",
            package.folder
        )
        .expect("a string takes any text");
    }
    let reproduced = reproduced(top, &faults)?;
    let files = woven
        .into_iter()
        .chain([("modules.rs".to_owned(), modules)])
        .chain([("catalogue.rs".to_owned(), catalogue(&faults, &reproduced))]);
    for (name, text) in files {
        write(&out.join(&name), &text)
            .map_err(|error| vec![Problem::new(&name, 0, error.to_string())])?;
    }
    Ok(())
}

/// What is unchanged keeps its time.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if fs::read_to_string(path).is_ok_and(|written| written == text) {
        return Ok(());
    }
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::write(path, text)
}

fn package(top: &Path, folder: &str, shared: &[&str]) -> Result<Package, Vec<Problem>> {
    let path = format!("src/{folder}");
    let unreadable =
        |error: io::Error| vec![Problem::new(&path, 0, format!("cannot be read: {error}"))];
    let mut sources = BTreeMap::new();
    for entry in fs::read_dir(top.join(&path)).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".rs") {
            sources.insert(name, fs::read_to_string(entry.path()).map_err(unreadable)?);
        }
    }
    Ok(Package {
        folder: folder.to_owned(),
        library: format!("rekeylab_{folder}"),
        sources,
        shared: shared.iter().map(|&name| name.to_owned()).collect(),
    })
}

/// The calls of the shortest file that says `# fault: NAME`, of each fault that has one.
fn reproduced(top: &Path, faults: &[Fault]) -> Result<Reproduced, Vec<Problem>> {
    let mut shortest = Reproduced::new();
    for folder in names(top, REPRODUCERS)? {
        for file in names(top, &folder)?.into_iter().filter(|name| name.ends_with(".seq")) {
            let text = fs::read_to_string(top.join(&file)).map_err(|error| {
                vec![Problem::new(&file, 0, format!("cannot be read: {error}"))]
            })?;
            let Some(name) = text.lines().find_map(|line| line.strip_prefix("# fault: ")) else {
                continue;
            };
            let name = name.trim();
            if !faults.iter().any(|fault| fault.name == name) {
                return Err(vec![Problem::new(&file, 0, format!("there is no fault {name:?}"))]);
            }
            let is_call = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with('#');
            let count = text.lines().filter(is_call).count();
            let known = shortest.entry(name.to_owned()).or_insert(count);
            *known = count.min(*known);
        }
    }
    Ok(shortest)
}

/// What a folder holds, as paths from the top.
fn names(top: &Path, folder: &str) -> Result<Vec<String>, Vec<Problem>> {
    let unreadable =
        |error: io::Error| vec![Problem::new(folder, 0, format!("cannot be read: {error}"))];
    let mut names = Vec::new();
    for entry in fs::read_dir(top.join(folder)).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        names.push(format!("{folder}/{}", entry.file_name().to_string_lossy()));
    }
    names.sort();
    Ok(names)
}
