//! Writes the packages of the core without planted faults, as a workspace of their own.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use syn::{Expr, Item, Lit, Meta};

use crate::conditions::first_trace;
use crate::strip::strip;

/// The core, and what it stands on.
const PACKAGES: [&str; 3] = ["src/ddi", "src/cipher", "src/driver"];

/// What the copy is linted with: whatever computes something must be of use without faults.
const LINTS: &str = "\
unused = { level = \"deny\", priority = -1 }
unused_braces = \"allow\"
unused_imports = \"allow\"
unused_mut = \"allow\"
unused_parens = \"allow\"
";

/// Writes the copy into `to`; files that are there already and the same are left alone.
pub(crate) fn copy(from: &Path, to: &Path, left_in: Option<&str>) -> Result<(), Box<dyn Error>> {
    let root: String = read(&from.join("Cargo.toml"))?
        .lines()
        .filter(|line| !line.starts_with("default-members = "))
        .map(|line| match line {
            _ if line.starts_with("members = ") => format!("members = {PACKAGES:?}\n"),
            "[workspace.lints.rust]" => format!("{line}\n{LINTS}"),
            _ => format!("{line}\n"),
        })
        .collect();
    write(&to.join("Cargo.toml"), &root)?;
    write(&to.join("Cargo.lock"), &read(&from.join("Cargo.lock"))?)?;
    let mut is_left_in = false;
    for package in PACKAGES {
        let manifest: String = read(&from.join(package).join("Cargo.toml"))?
            .lines()
            .filter(|line| !line.starts_with("faults = "))
            .map(|line| format!("{line}\n"))
            .collect();
        write(&to.join(package).join("Cargo.toml"), &manifest)?;
        // Only what is still part of the package is copied.
        let mut files = vec![PathBuf::from(package).join("lib.rs")];
        while let Some(file) = files.pop() {
            let name = file.display();
            let text = read(&from.join(&file))?;
            let stripped = strip(&text, left_in).map_err(|error| format!("{name}: {error}"))?;
            let parsed = syn::parse_file(&stripped).map_err(|error| {
                format!("{name} without faults: {error}, {:?}", error.span().start())
            })?;
            if let Some((line, word)) = first_trace(&stripped) {
                return Err(format!("{name}:{line}: `{word}` is still there").into());
            }
            is_left_in |= left_in.is_some() && strip(&text, None)? != stripped;
            files.extend(modules(&file, &parsed.items));
            write(&to.join(&file), &stripped)?;
        }
    }
    match left_in {
        Some(fault) if !is_left_in => Err(format!("no code of the core asks for {fault}").into()),
        _ => Ok(()),
    }
}

/// The files of the modules that are declared in a file, but for its tests.
fn modules(file: &Path, items: &[Item]) -> Vec<PathBuf> {
    let folder = file.parent().expect("every file is in a package");
    let below = match file.file_stem() {
        Some(name) if name != "lib" => folder.join(name),
        _ => folder.to_owned(),
    };
    let declared = items.iter().filter_map(|item| match item {
        Item::Mod(module) if module.content.is_none() => Some(module),
        _ => None,
    });
    declared
        .map(|module| {
            let path = module.attrs.iter().find_map(|attribute| match &attribute.meta {
                Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
                    Expr::Lit(literal) => match &literal.lit {
                        Lit::Str(path) => Some(path.value()),
                        _ => None,
                    },
                    _ => None,
                },
                _ => None,
            });
            path.map_or_else(
                || below.join(format!("{}.rs", module.ident)),
                |path| folder.join(path),
            )
        })
        .collect()
}

fn read(path: &Path) -> Result<String, Box<dyn Error>> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()).into())
}

fn write(path: &Path, text: &str) -> Result<(), Box<dyn Error>> {
    // What is the same is not compiled again.
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let written =
        path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, text));
    written.map_err(|error| format!("{}: {error}", path.display()).into())
}
