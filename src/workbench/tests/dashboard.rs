//! The dashboard as a browser gets it: what is served is what is written, and nobody else is answered.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "in a test, the panic is the message")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rekeylab::store::{Build, Origin, Sighted, Store};

/// A workspace with one finding, of the core or of the core with a fault.
struct Desk {
    directory: tempfile::TempDir,
}

/// A reproducer that some fault makes show its invariant.
struct Reproducer {
    fault: Option<&'static str>,
    invariant: &'static str,
    file: &'static str,
    fingerprint: &'static str,
}

impl Desk {
    fn new(reproducer: &Reproducer) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let findings = root.join("fuzz/findings");
        let folder = findings.join(reproducer.invariant);
        fs::create_dir_all(&folder).unwrap();
        for manifest in ["Cargo.toml", "fuzz/Cargo.toml"] {
            fs::write(root.join(manifest), "").unwrap();
        }
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let text = fs::read_to_string(top.join(reproducer.file)).unwrap();
        let path = folder.join("a.seq");
        fs::write(&path, &text).unwrap();
        let mut store = Store::open(&findings).unwrap();
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
        Self { directory }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
        // Cargo tells tests where the package is, and there is a workspace around it.
        command.env_remove("CARGO_MANIFEST_DIR").current_dir(self.directory.path());
        command.arg("dashboard").args(words);
        command
    }

    /// Everything as files; a file of it.
    fn written(&self) -> impl Fn(&str) -> String {
        let output = self.command(&["--out", "site"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let site = self.directory.path().join("site");
        move |path| fs::read_to_string(site.join(path)).unwrap()
    }
}

/// A dashboard that is served.
struct Served {
    child: Child,
    address: String,
}

impl Served {
    fn of(desk: &Desk) -> Self {
        let mut command = desk.command(&["--port", "0"]);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim_start_matches("http://").split('/').next().unwrap().to_owned();
        Self { child, address }
    }

    /// The head and the body of what is answered.
    fn answer(&self, request: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.to_lowercase(), body.to_owned())
    }

    fn get(&self, path: &str, host: &str) -> (String, String) {
        self.answer(&format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const CORE: Reproducer = Reproducer {
    fault: None,
    invariant: "double-finish",
    file: "corpus/crashes/double-finish/finish-without-start-succeeds.seq",
    fingerprint: "df71-42b8",
};

#[test]
fn what_is_served_is_what_is_written_and_may_fetch_nothing() {
    let desk = Desk::new(&CORE);
    let written = desk.written();
    let served = Served::of(&desk);
    let paths = ["index.html", "findings/new-1.html", "finding/df71-42b8-core.html", "style.css"];
    for path in paths {
        let (head, body) = served.get(path, &served.address);
        assert!(head.starts_with("http/1.1 200"), "{path}: {head}");
        assert!(head.contains("content-security-policy: default-src 'none'"), "{head}");
        assert_eq!(body, written(path), "{path}");
    }
    let page = written("finding/df71-42b8-core.html");
    // The honest core does not show it.
    assert!(page.contains("this build does not show it"), "{page}");
    assert!(page.contains("finish-refresh s0"), "{page}");
    let top = desk.directory.path().display().to_string();
    for path in paths {
        assert!(!written(path).contains(&top), "{path} tells where it was made");
    }
}

#[test]
fn names_of_others_other_methods_and_paths_that_are_no_page_are_refused() {
    let desk = Desk::new(&CORE);
    let served = Served::of(&desk);
    let status = |head: &str| head.split(' ').nth(1).unwrap().to_owned();
    let (head, body) = served.get("index.html", "evil.example");
    assert_eq!(status(&head), "421", "{head}");
    assert!(!body.contains("finding"), "{body}");
    for path in ["nothing", "findings.sqlite", "../Cargo.toml", "finding/%2e%2e%2fa.html", "%00"] {
        assert_eq!(status(&served.get(path, "localhost").0), "404", "{path}");
    }
    let post = "POST /index.html HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(status(&served.answer(post).0), "405");
    // The port is taken now.
    let port = served.address.rsplit(':').next().unwrap();
    let output = desk.command(&["--port", port]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("--port"), "{told}");
}

#[test]
fn somebody_who_says_stop_ends_it_in_order() {
    let mut served = Served::of(&Desk::new(&CORE));
    let pid = served.child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(served.child.wait().unwrap().code(), Some(0));
}

#[cfg(feature = "faults")]
#[test]
fn a_finding_has_its_story_and_a_picture_of_where_the_secret_was_left() {
    let reproducer = Reproducer {
        fault: Some("finish-leaves-random"),
        invariant: "key-residue",
        file: "corpus/crashes/key-residue/a-finish-leaves-its-random-number.seq",
        fingerprint: "75a2-c974",
    };
    let page =
        Desk::new(&reproducer).written()("finding/75a2-c974-core-fault-finish-leaves-random.html");
    for said in [
        "violation: ",
        "reproduce: cargo run",
        "<svg class=\"lives\"",
        "class=\"left\"",
        "was left in",
    ] {
        assert!(page.contains(said), "{said:?} in {page}");
    }
}
