//! The workbench's modules depend on each other in one direction only.

use std::fs;
use std::path::{Path, PathBuf};

/// Each module, and the modules it may use. The compiler holds the same between packages.
const DIRECTION: &[(&str, &[&str])] = &[
    ("sequence", &[]),
    ("observation", &["sequence"]),
    ("executor", &["sequence", "observation"]),
    ("invariant", &["sequence", "observation"]),
    ("report", &["sequence", "observation", "invariant"]),
    ("corpus", &["sequence", "observation", "invariant", "report"]),
    ("search", &["sequence", "observation"]),
    ("exhaust", &["sequence", "observation", "executor", "invariant"]),
    ("rules", &[]),
];

#[test]
fn modules_depend_in_one_direction_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    for &(module, allowed) in DIRECTION {
        for file in sources(root, module) {
            let text = fs::read_to_string(&file).unwrap();
            // Tests may look at whatever they like.
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            for (number, line) in code.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                for used in uses(code) {
                    let is_own = used == module;
                    let is_module = DIRECTION.iter().any(|(name, _)| *name == used)
                        || ["campaign", "cli", "fuzzing", "Workbench"].contains(&used);
                    if is_module && !is_own && !allowed.contains(&used) {
                        wrong.push(format!(
                            "{}:{}: {module} uses {used}",
                            file.display(),
                            number + 1
                        ));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_executor_touches_a_driver() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (module, _) in DIRECTION.iter().filter(|(module, _)| *module != "executor") {
        for file in sources(root, module) {
            let text = fs::read_to_string(&file).unwrap();
            let code = text.lines().filter_map(|line| line.split("//").next());
            assert!(!code.collect::<String>().contains("rekeylab_driver"), "{}", file.display());
        }
    }
}

/// What follows `crate::` on a line.
fn uses(code: &str) -> impl Iterator<Item = &str> {
    code.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

fn sources(root: &Path, module: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut open = vec![root.join(module), root.join(format!("{module}.rs"))];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("a folder of this package");
            open.extend(entries.map(|entry| entry.expect("an entry of it").path()));
        } else if path.is_file() && path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    assert!(!files.is_empty(), "there is no module {module}");
    files.sort();
    files
}
