//! A workspace with one finding, and its dashboard.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

#[cfg(feature = "faults")]
use rekeylab::store::Body;
use rekeylab::store::{Build, Origin, Sighted, Store};

/// A workspace with one finding, of the core or of the core with a fault.
pub(crate) struct Desk {
    pub(crate) directory: tempfile::TempDir,
}

/// A reproducer that shows its invariant, of the core with a fault or without.
pub(crate) struct Reproducer {
    pub(crate) fault: Option<&'static str>,
    pub(crate) invariant: &'static str,
    pub(crate) file: &'static str,
    pub(crate) fingerprint: &'static str,
}

impl Desk {
    pub(crate) fn new(reproducers: &[Reproducer]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let findings = root.join("fuzz/findings");
        fs::create_dir_all(&findings).unwrap();
        for manifest in ["Cargo.toml", "fuzz/Cargo.toml"] {
            fs::write(root.join(manifest), "").unwrap();
        }
        let mut store = Store::open(&findings).unwrap();
        for (number, reproducer) in reproducers.iter().enumerate() {
            let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
            let text = fs::read_to_string(top.join(reproducer.file)).unwrap();
            let folder = findings.join(reproducer.invariant);
            fs::create_dir_all(&folder).unwrap();
            let path = folder.join(format!("{number}.seq"));
            fs::write(&path, &text).unwrap();
            let driver = match reproducer.fault {
                Some(fault) => format!("core+fault:{fault}"),
                None => "core".to_owned(),
            };
            let sighted = Sighted {
                fingerprint: reproducer.fingerprint.parse().unwrap(),
                invariant: reproducer.invariant,
                happened: "something happened",
                text: &text,
                path: Some(&path),
            };
            let build = Build::named("0123456789abcdef0123456789abcdef01234567");
            let origin = Origin { build, machine: "m".to_owned(), lane: "fuzz".to_owned() };
            store.note_sighted(&driver, &sighted, &origin).unwrap();
        }
        Self { directory }
    }

    /// Another build was asked three times, and does not show it.
    #[cfg(feature = "faults")]
    pub(crate) fn is_mended(&self, reproducer: &Reproducer, build: &str) {
        let origin = Origin {
            build: Build::named(build),
            machine: "m".to_owned(),
            lane: "known bugs again".to_owned(),
        };
        let mut store = Store::open(&self.directory.path().join("fuzz/findings")).unwrap();
        let body = Body::Tried { shown: 0, votes: 3, origin };
        store.note("core", reproducer.fingerprint.parse().unwrap(), body).unwrap();
    }

    /// Writes a file of the workspace.
    #[cfg(feature = "faults")]
    pub(crate) fn write(&self, path: &str, text: &str) {
        fs::write(self.directory.path().join(path), text).unwrap();
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
        // Cargo tells tests where the package is, and there is a workspace around it.
        command.env_remove("CARGO_MANIFEST_DIR").current_dir(self.directory.path());
        command.arg("dashboard").args(words);
        command
    }

    /// Everything as files; a file of it.
    pub(crate) fn written(&self) -> impl Fn(&str) -> String {
        let output = self.command(&["--out", "site"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let site = self.directory.path().join("site");
        move |path| fs::read_to_string(site.join(path)).unwrap()
    }
}

/// A dashboard that is served.
pub(crate) struct Served {
    pub(crate) child: Child,
    pub(crate) address: String,
}

impl Served {
    pub(crate) fn of(desk: &Desk) -> Self {
        let mut command = desk.command(&["--port", "0"]);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim_start_matches("http://").split('/').next().unwrap().to_owned();
        Self { child, address }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
