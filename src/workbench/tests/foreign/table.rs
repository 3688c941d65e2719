//! The driver core behind its device table answers every sequence as it does without.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::sample::top;

/// Limits of the core, and the environment that gives it these.
const SMALL: &str = "\
[environment]
REKEYLAB_UMD_BOUNDS = \"3,1024,4096\"
[limits]
devices = 4
sessions = 8
generations = 3
queue-commands = 32
buffer-bytes = 1024
queue-bytes = 4096
";

const PRODUCT: &str = "\
[limits]
devices = 4
sessions = 8
generations = 16777215
queue-commands = 32
buffer-bytes = 65536
queue-bytes = 1048576
";

/// The core as a library, which was built along with this test.
pub(crate) fn library() -> PathBuf {
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let name = format!("{prefix}rekeylab_umd{suffix}");
    let test = std::env::current_exe().unwrap();
    let mut places = test.ancestors().skip(1).map(|folder| folder.join(&name));
    places.find(|path| path.is_file()).unwrap()
}

/// A data sheet of this library.
fn sheet(directory: &Path, library: &Path, rest: &str) -> PathBuf {
    let path = directory.join("sheet.toml");
    let library = library.display();
    let text = format!(
        "name = \"a library\"\nlibrary = \"{library}\"\nhandles = \"checked\"\n{rest}\n\
         [key-exchange]\nbefore = \"plain test key: \"\n\
         [choices]\nrefusals = \"as-the-core\"\ncapabilities = true\nread-back-keys = true\n"
    );
    fs::write(&path, text).unwrap();
    path
}

fn rekeylab(arguments: &[&str], paths: &[PathBuf]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
    let output = command.args(arguments).args(paths).current_dir(top()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Every file of the corpus.
fn corpus() -> Vec<PathBuf> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "seq") {
                files.push(path);
            }
        }
    }
    let mut files = Vec::new();
    walk(&top().join("corpus"), &mut files);
    files.sort();
    files
}

/// Those of these files that do not hold on the core behind the table.
fn not_held(rest: &str, files: &[PathBuf]) -> BTreeSet<String> {
    let directory = tempfile::tempdir().unwrap();
    let sheet = sheet(directory.path(), &library(), rest);
    let arguments = ["replay", "--format", "json", "--driver", sheet.to_str().unwrap()];
    let (code, out, err) = rekeylab(&arguments, files);
    assert!(matches!(code, Some(3 | 5)), "{code:?}: {err}");
    let count = format!("replayed {} files", files.len());
    assert!(err.contains(&count), "{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    let files = report["files"].as_array().unwrap();
    files.iter().map(|file| file["file"].as_str().unwrap().to_owned()).collect()
}

/// Whether a sequence wants something that no driver behind a table can be made to do: that memory or
/// random numbers fail.
fn injects(path: &Path) -> bool {
    fs::read_to_string(path).unwrap().lines().any(|line| line.starts_with("inject-"))
}

fn is_for_a_product(path: &Path) -> bool {
    fs::read_to_string(path).unwrap().contains("bounds=product")
}

#[test]
fn every_file_of_the_corpus_has_the_answers_through_the_table_that_it_has_without() {
    let (product, small): (Vec<_>, Vec<_>) =
        corpus().into_iter().filter(|path| !injects(path)).partition(|path| is_for_a_product(path));
    assert!(product.len() >= 5 && small.len() >= 150, "{} {}", product.len(), small.len());
    assert_eq!(not_held(SMALL, &small), BTreeSet::new());
    assert_eq!(not_held(PRODUCT, &product), BTreeSet::new());
}

#[test]
fn a_driver_without_encrypted_read_back_is_told_before_anything_runs() {
    let directory = tempfile::tempdir().unwrap();
    let sheet = sheet(directory.path(), &library(), SMALL);
    let text = fs::read_to_string(&sheet).unwrap();
    let text = format!("read-back = \"encryption-blt\"\n{text}");
    let said = |text: &str| {
        fs::write(&sheet, text).unwrap();
        let arguments = ["run", "--driver", sheet.to_str().unwrap()];
        let (code, out, err) = rekeylab(&arguments, &[corpus().remove(0)]);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
        err
    };
    // What would be read back under a read-back key is not decrypted here.
    let err = said(&text);
    assert!(err.contains("sheet.toml: surfaces are read under the session key"), "{err}");
    let err = said(&text.replace("read-back-keys = true", ""));
    assert!(err.contains("does not offer EncryptionBlt"), "{err}");
    assert!(err.contains("read-back = \"lock\""), "{err}");
}

#[test]
fn what_cannot_be_looked_into_behind_a_table_is_named_and_changes_the_exit_code() {
    let directory = tempfile::tempdir().unwrap();
    let sheet = sheet(directory.path(), &library(), SMALL);
    let seed = top().join("corpus/seeds/a-chain-of-eight-refreshes.seq");
    let driver = ["run", "--driver", sheet.to_str().unwrap()];
    let (code, _, err) = rekeylab(&driver, std::slice::from_ref(&seed));
    assert_eq!(code, Some(5), "{err}");
    for layer in ["homes", "debug", "differential"] {
        assert!(err.contains(layer), "{err}");
    }
    for layer in ["outputs", "log", "heap", "stack", "registers", "statics", "derived"] {
        assert!(!err.contains(layer), "{layer}: {err}");
    }
}

#[test]
fn a_library_that_cannot_be_driven_is_told_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let told = |library: &Path, rest: &str| {
        let sheet = sheet(directory.path(), library, rest);
        let seed = top().join("corpus/seeds/destroy-while-refreshing.seq");
        let (code, out, err) = rekeylab(&["run", "--driver", sheet.to_str().unwrap()], &[seed]);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
        err
    };
    let missing = told(Path::new("/nowhere/lib.so"), "");
    assert!(missing.contains("/nowhere/lib.so: cannot be loaded: "), "{missing}");
    let mistaken = told(&library(), "seasons = 8");
    assert!(mistaken.contains("TOML parse error at line 4, column 1"), "{mistaken}");
    let libc = Path::new("libc.so.6");
    if cfg!(all(target_os = "linux", target_env = "gnu")) {
        // A name without a folder is looked for where the system looks.
        let found = fs::read_dir("/lib/x86_64-linux-gnu").into_iter().flatten().flatten();
        let Some(path) = found.map(|entry| entry.path()).find(|path| path.ends_with(libc)) else {
            return;
        };
        let no_driver = told(&path, "");
        assert!(no_driver.contains("does not export OpenAdapter"), "{no_driver}");
        assert!(no_driver.contains("nm -D"), "{no_driver}");
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_driver_that_is_called_by_the_wrong_convention_does_not_take_the_command_along() {
    let directory = tempfile::tempdir().unwrap();
    let sheet = sheet(directory.path(), &library(), "convention = \"windows\"");
    let seed = top().join("corpus/seeds/destroy-while-refreshing.seq");
    let (code, _, err) = rekeylab(&["run", "--driver", sheet.to_str().unwrap()], &[seed]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("convention"), "{err}");
}
