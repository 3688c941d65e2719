//! A call that never returns: each command ends all the same, and says which call it was.
//!
//! What is planted here is drilled in no other test: a thread that hangs cannot be ended, so it has to be
//! in a process of its own.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rekeylab::campaign::OwnProcess;
use rekeylab::campaign::findings::{Findings, Held};
use rekeylab::drill::hangs;
use rekeylab::executor::core_with;
use rekeylab_faults::Fault;

#[cfg(unix)]
use crate::exhaust::wait_until_it_listens;
use crate::harness::{CLEAN, Desk, Ran};

/// A sequence with two refreshes, and more than is needed.
const TWO_REFRESHES: &str = "\
# rekeylab sequence 1
d0 = create-device                      -> ok
s0 = create-session d0                  -> ok
session-status s0                       -> ok
exchange-key s0 key=1                   -> ok
start-refresh s0 size=16                -> ok
finish-refresh s0                       -> ok
start-refresh s0 size=16                -> ok
finish-refresh s0                       -> ok
session-status s0                       -> ok
";

const HANGS: &str = "--time-limit 2s --fault second-finish-never-returns";

fn desk() -> Desk {
    let desk = Desk::new();
    desk.file("hangs.seq", TWO_REFRESHES);
    desk.file("clean.seq", CLEAN);
    desk
}

/// The fingerprint in a story.
fn fingerprint(ran: &Ran) -> String {
    let (_, rest) = ran.text().split_once("fingerprint ").unwrap();
    rest.lines().next().unwrap().to_owned()
}

#[test]
fn files_that_all_hang_do_not_keep_one_waiting_for_each_of_them() {
    let desk = Desk::new();
    for number in 0..9 {
        desk.file(&format!("{number}.seq"), TWO_REFRESHES);
    }
    let fault = "--fault second-finish-never-returns --time-limit 1s";
    let ran = desk.run(&format!("replay . --jobs 1 --format json {fault}"));
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.err.contains("5 more files were not run, because 4 or more hang"), "{}", ran.err);
    assert!(ran.err.contains("replayed 4 files: 0 held, 4 did not"), "{}", ran.err);
    let told = ran.json();
    assert_eq!((told["file_count"].as_u64(), told["not_run"].as_u64()), (Some(4), Some(5)));
}

#[test]
fn a_file_that_hangs_is_told_like_any_other_and_the_others_are_still_run() {
    let desk = desk();
    for command in ["run hangs.seq clean.seq hangs.seq", "replay ."] {
        let ran = desk.run(&format!("{command} {HANGS}"));
        assert_eq!(ran.code, 3, "{ran:?}");
        assert!(
            ran.text().starts_with("violation: no-hang\n  call 7  finish-refresh s0\n"),
            "{ran:?}"
        );
        let answered = |line: &str| line.contains(" call 6 ") && line.ends_with(" ok");
        assert!(ran.text().lines().any(answered), "what came before is told: {ran:?}");
        let missed = "hangs.seq:9: finish-refresh s0: expected ok, answered nothing";
        assert!(ran.text().contains(missed), "{ran:?}");
        assert!(
            !ran.text().contains("hangs.seq:10:"),
            "what was never made missed no answer: {ran:?}"
        );
        let note = "hangs.seq: call 7 (finish-refresh s0) did not return within 2s";
        assert!(ran.err.contains(note), "{ran:?}");
    }
    let ran = desk.run(&format!("replay . {HANGS}"));
    assert!(ran.err.contains("replayed 2 files: 1 held, 1 did not"), "{ran:?}");
    let document = desk.run(&format!("run hangs.seq --format json {HANGS}")).json();
    let violation = &document["files"][0]["report"]["violations"][0];
    assert_eq!((&violation["invariant"], &violation["call"]), (&"no-hang".into(), &7.into()));
}

#[test]
fn what_hangs_is_minimised_to_a_file_that_hangs_with_the_same_fingerprint_wherever_it_is_told() {
    let desk = desk();
    let ran = desk.run(&format!("minimize hangs.seq -o short.seq --format json {HANGS}"));
    assert_eq!(ran.code, 0, "{ran:?}");
    let document = ran.json();
    let shortest = Fault::SecondFinishNeverReturns.shortest().unwrap();
    assert_eq!(document["calls"], shortest, "{document}");
    assert!(desk.read("short.seq").contains("\n# no-hang: did not return\n"));
    let told = desk.run(&format!("run short.seq {HANGS}"));
    assert_eq!(document["fingerprint"], fingerprint(&told));
    let search = format!("exhaust --depth 8 --alphabet refresh --findings found {HANGS}");
    let searched = desk.run(&search);
    assert_eq!(searched.code, 3, "{searched:?}");
    assert_eq!(fingerprint(&searched), fingerprint(&told));
    assert!(searched.text().contains("which held, until one did not return; "), "{searched:?}");
    assert_eq!(fs::read_dir(desk.path().join("found/no-hang")).unwrap().count(), 1);
}

#[test]
fn commands_that_look_into_memory_end_too_and_name_the_file_and_the_call() {
    let desk = desk();
    for command in ["hygiene hangs.seq", "audit hangs.seq"] {
        let ran = desk.run(&format!("{command} {HANGS}"));
        assert_eq!(ran.code, 3, "{ran:?}");
        assert!(
            ran.text().contains("violation: no-hang\n  call 7  finish-refresh s0\n"),
            "{ran:?}"
        );
        assert!(
            ran.err.contains("hangs.seq: call 7 (finish-refresh s0) did not return"),
            "{ran:?}"
        );
    }
}

#[test]
fn every_fault_that_hangs_rings_in_a_search_and_in_its_reproducer() {
    let names: Vec<&str> =
        Fault::ALL.iter().copied().filter(|&fault| hangs(fault)).map(Fault::name).collect();
    let names = names.join(" ");
    let ran = Desk::new().run(&format!("canary {names} --time-limit 2s --executions 2000"));
    assert_eq!(ran.code, 0, "{ran:?}");
    let mut fingerprints = Vec::new();
    for fault in Fault::ALL.iter().copied().filter(|&fault| hangs(fault)) {
        let name = fault.name();
        let crashes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/crashes/no-hang");
        let line = format!("# fault: {name}\n");
        let files = fs::read_dir(crashes).unwrap().map(|entry| entry.unwrap().path());
        let shows = |path: &std::path::PathBuf| fs::read_to_string(path).unwrap().contains(&line);
        let file = files.into_iter().find(shows).unwrap();
        let run = format!("run {} --time-limit 2s", file.display());
        assert_eq!(Desk::new().run(&run).code, 0, "without the fault {name} it holds");
        let told = Desk::new().run(&format!("{run} --fault {name}"));
        assert!(told.text().starts_with("violation: no-hang\n"), "{told:?}");
        assert_eq!(told.text().matches("violation: ").count(), 1, "{told:?}");
        fingerprints.push(fingerprint(&told));
    }
    let count = fingerprints.len();
    fingerprints.sort();
    fingerprints.dedup();
    assert!(count > 1 && fingerprints.len() == count, "{fingerprints:?}");
}

#[test]
fn an_input_that_an_engine_gave_up_on_becomes_a_finding() {
    let directory = tempfile::tempdir().unwrap();
    let artifact = directory.path().join("timeout-1");
    let fault = Fault::RetireWaitsForTheDead;
    let triage = |text: &str| {
        fs::write(&artifact, text).unwrap();
        let dut = core_with(Some(fault));
        let name = Some(fault.name());
        let mut findings = Findings::new(directory.path().join("findings"), &dut, name);
        let program = env!("CARGO_BIN_EXE_rekeylab").into();
        findings.own_process = Some(OwnProcess::new(program, name, None));
        findings.triage(&artifact, None, Held::IsFinding);
        assert!(!artifact.exists(), "it is stored elsewhere");
        findings
    };
    let findings = triage(
        "# rekeylab sequence 1\nd0 = create-device\ns0 = create-session d0\nexchange-key s0 key=1\n\
         submit-buffer s0 iv=1 count=0 len=16\nreset-engine\ndestroy-session s0\nretire 1\nretire 1\n",
    );
    let [found] = &findings.found[..] else { panic!("{findings:?}") };
    assert_eq!((found.invariant, found.call_count), ("no-hang", fault.shortest().unwrap()));
    assert!(found.path.as_ref().unwrap().starts_with(directory.path().join("findings/no-hang")));
    // What was slow, and does not hang when it is run again, is kept as it is. Whether the machine is blamed for it
    // depends on how busy that is now.
    let findings = triage(CLEAN);
    assert_eq!((findings.found.len(), findings.stalled_count + findings.raw.told.len()), (0, 1));
    assert!(directory.path().join("findings/raw/timeout-1").is_file());
}

#[cfg(unix)]
#[test]
fn one_signal_ends_any_command_while_a_call_hangs() {
    let desk = desk();
    let files = "hangs.seq --fault second-finish-never-returns";
    for (line, code) in [
        (format!("run {files}"), None),
        (format!("replay {files}"), None),
        (format!("minimize {files}"), None),
        (format!("hygiene {files}"), None),
        (format!("audit {files}"), None),
        ("canary second-finish-never-returns".to_owned(), None),
        // It says how far it came.
        (
            "exhaust --depth 8 --alphabet refresh --fault second-finish-never-returns".to_owned(),
            Some(6),
        ),
    ] {
        let mut command = desk.command();
        command.args(line.split_whitespace()).args(["--time-limit", "1h"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        if code.is_some() {
            wait_until_it_listens(child.id());
        }
        std::thread::sleep(Duration::from_secs(2));
        assert!(child.try_wait().unwrap().is_none(), "{line}: a call hangs");
        let killed = std::process::Command::new("kill").arg(child.id().to_string()).status();
        assert!(killed.unwrap().success());
        let signalled = Instant::now();
        let ended = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if signalled.elapsed() > Duration::from_secs(60) {
                child.kill().unwrap();
                panic!("{line}: it goes on");
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        assert_eq!(ended.code(), code, "{line}");
    }
}
