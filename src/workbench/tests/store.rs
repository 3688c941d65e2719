//! What was noted is there, however the process ended that noted it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "in a test, the panic is the message")]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rekeylab::store::{Body, Build, FILE_NAME, Origin, Sighted, Store};

/// Tells the child where its store is.
const FOLDER: &str = "REKEYLAB_TEST_STORE";

/// A process that notes one event after the other, each of another bug, and prints its id once it is
/// noted. It ends when something fails, and prints that.
#[test]
#[ignore = "other tests run it, in a process of its own"]
fn a_child_that_notes() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let mut out = std::io::stdout();
    let mut note = || -> Result<(), rekeylab::store::StoreError> {
        let mut store = Store::open(Path::new(&folder))?;
        let origin =
            Origin { build: Build::named("a"), machine: "m".to_owned(), lane: "l".to_owned() };
        let text = "# rekeylab sequence 1\nd0 = create-device\n".repeat(20);
        for number in 0_u16.. {
            let sighted = Sighted {
                fingerprint: format!("0000-{:04x}", number % 500).parse().unwrap(),
                invariant: "double-finish",
                happened: "it answered ok",
                text: &text,
                path: None,
            };
            let found = store.note_sighted("core", &sighted, &origin)?;
            writeln!(out, "noted {}", found.id).unwrap();
            let tried = Body::Tried { shown: 1, votes: 3, origin: origin.clone() };
            let tried = store.note("core", sighted.fingerprint, tried)?;
            writeln!(out, "noted {}", tried.id).unwrap();
        }
        Ok(())
    };
    let error = note().unwrap_err();
    writeln!(std::io::stdout(), "failed {error}").unwrap();
}

/// Starts the child by a line of shell, in which `"$0" "$@"` is the child.
fn start(folder: &Path, script: &str) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(std::env::current_exe().unwrap());
    command.args(["a_child_that_notes", "--exact", "--ignored", "--nocapture"]);
    command.env(FOLDER, folder).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// Whatever happened, the store opens, hangs together, and has these events.
fn check(folder: &Path, noted: &BTreeSet<String>) {
    let store = Store::open(folder).unwrap();
    let there: BTreeSet<String> =
        store.events().unwrap().into_iter().map(|event| event.id).collect();
    let lost: Vec<_> = noted.difference(&there).collect();
    assert!(lost.is_empty(), "{lost:?}");
    let connection = rusqlite::Connection::open(folder.join(FILE_NAME)).unwrap();
    let answer: String =
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(answer, "ok");
}

/// Kills so many processes that note, each at another moment.
fn kill_in_the_middle(times: u64) {
    let folder = tempfile::tempdir().unwrap();
    let mut noted = BTreeSet::new();
    for time in 0..times {
        let mut child = start(folder.path(), "exec \"$0\" \"$@\"");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut note = |line: String| {
            assert!(!line.starts_with("failed"), "{line}");
            noted.extend(line.split_once("noted ").map(|(_, id)| id.to_owned()));
        };
        // Some die while they open the store, the others in whatever they are at after a few notes.
        let wait_for = if time % 5 == 0 { 0 } else { 1 };
        let mut first = lines.by_ref().filter(|line| line.as_ref().unwrap().contains("noted "));
        first.by_ref().take(wait_for).for_each(|line| note(line.unwrap()));
        // A prime, so that the moments are spread over the time that some notes take.
        std::thread::sleep(Duration::from_micros(time * 7919 % 30_000));
        child.kill().unwrap();
        child.wait().unwrap();
        // What it had printed is in the pipe.
        lines.map_while(Result::ok).for_each(note);
        check(folder.path(), &noted);
    }
    assert!(noted.len() as u64 > times, "{}: too few to mean anything", noted.len());
    // A journal that was hardly begun may be left, which changes nothing; the next to write removes it.
    let mut store = Store::open(folder.path()).unwrap();
    store.note("core", "0000-0001".parse().unwrap(), Body::Forgotten {}).unwrap();
    let files = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name());
    assert_eq!(files.collect::<Vec<_>>(), [FILE_NAME]);
}

#[test]
fn a_process_that_is_killed_loses_nothing_that_it_has_noted() {
    kill_in_the_middle(40);
}

#[test]
#[ignore = "takes a minute or two; run it with `--ignored` after a change of how the store writes"]
fn five_hundred_processes_that_are_killed_lose_nothing_that_they_have_noted() {
    kill_in_the_middle(500);
}

#[test]
fn a_disk_that_fills_up_is_told_and_takes_nothing_with_it() {
    let folder = tempfile::tempdir().unwrap();
    drop(Store::open(folder.path()).unwrap());
    // A limit of what one file may hold ends a write as a full disk does, and needs no disk. The shell
    // counts in blocks of 512 or 1024 bytes.
    let child = start(folder.path(), "trap '' XFSZ; ulimit -f 300; exec \"$0\" \"$@\"");
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let noted: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.split_once("noted ").map(|(_, id)| id.to_owned()))
        .collect();
    assert!(noted.len() > 20, "{text}");
    let failed = text.lines().find(|line| line.contains("failed ")).unwrap();
    assert!(failed.contains("failed cannot write "), "{failed}");
    assert!(failed.contains(FILE_NAME), "{failed}");
    check(folder.path(), &noted);
    // And where there is room again, it goes on.
    let mut store = Store::open(folder.path()).unwrap();
    store.note("core", "0000-0001".parse().unwrap(), Body::Forgotten {}).unwrap();
}
