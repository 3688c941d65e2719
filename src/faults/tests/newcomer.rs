//! A newcomer adds a fault with one file, and hears what is wrong with it if it does not fit.
#![allow(clippy::unwrap_used, reason = "in a test, the panic is the message")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

/// What the packages here are built from, from the top of the repository.
const PARTS: [&str; 7] =
    ["src/ddi", "src/cipher", "src/driver", "src/weave", "src/faults", "faults", "corpus/crashes"];

/// A copy of the workspace without the workbench.
struct Scratch {
    top: PathBuf,
    /// Kept from run to run, so that dependencies are compiled once.
    target: PathBuf,
}

impl Scratch {
    fn new(name: &str) -> Self {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("newcomer");
        let top = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        match fs::remove_dir_all(&top) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => panic!("{error}"),
            _ => {}
        }
        for part in PARTS {
            copy(&own.join(part), &top.join(part));
        }
        let manifest = fs::read_to_string(own.join("Cargo.toml")).unwrap();
        let members = |line: &str| match line {
            _ if line.starts_with("members = ") => {
                let packages = PARTS[..5].iter().map(|part| format!("{part:?}"));
                format!("members = [{}]", packages.collect::<Vec<_>>().join(", "))
            }
            _ if line.starts_with("default-members") => String::new(),
            _ => line.to_owned(),
        };
        let manifest = manifest.lines().map(members).collect::<Vec<_>>().join("\n");
        fs::write(top.join("Cargo.toml"), manifest).unwrap();
        fs::copy(own.join("Cargo.lock"), top.join("Cargo.lock")).unwrap();
        Self { top, target }
    }

    fn add(&self, file: &str, text: &str) {
        fs::write(self.top.join(file), text).unwrap();
    }

    /// Whether the copy with all faults compiles, and what is said of it.
    fn check(&self) -> (bool, String) {
        let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let ran = Command::new(cargo)
            .args(["check", "--quiet", "--offline", "--package", "rekeylab-faults"])
            .current_dir(&self.top)
            .env("CARGO_TARGET_DIR", &self.target)
            .env_remove("RUSTC_WRAPPER")
            .env_remove("RUSTFLAGS")
            .output()
            .unwrap();
        (ran.status.success(), String::from_utf8_lossy(&ran.stderr).into_owned())
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

const FAULT: &str = "\
a refresh that is finished twice in a row is counted once
breaks S-03

@@ driver/session.rs struct Session
+refreshes: u64,

@@ driver/session.rs Session::finish_refresh
 self.secrets.apply_random();
+self.refreshes += 1;
";

/// One test, because the steps share what they compile.
#[test]
fn one_file_is_a_fault_and_one_that_does_not_fit_is_told_with_its_place() {
    let scratch = Scratch::new("newcomers-copy");
    let file = "faults/double-finish/newcomers-fault.fault";
    scratch.add(file, FAULT);
    let (is_well, said) = scratch.check();
    assert!(is_well, "{said}");

    let stale = FAULT.replace("self.secrets.apply_random();", "self.secrets.apply_it();");
    scratch.add(file, &stale);
    let (is_well, said) = scratch.check();
    assert!(!is_well);
    let expected = format!(
        "{file}:7: src/driver/session.rs, Session::finish_refresh: these lines stand there 0 times and \
         not once:"
    );
    assert!(said.contains(&expected) && said.contains("    self.secrets.apply_it();"), "{said}");

    scratch.add(file, &FAULT.replace("self.refreshes += 1;", "self.refreshes += \"one\";"));
    let (is_well, said) = scratch.check();
    assert!(!is_well && said.contains(&format!("// {file}:9")), "{said}");
}
