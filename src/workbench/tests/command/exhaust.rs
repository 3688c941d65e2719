//! `rekeylab exhaust`: an exact count, or the shortest sequences that break something.

use crate::harness::Desk;

/// Without the time at its end, which is another in every run.
fn timeless(line: &str) -> &str {
    line.trim_end().rsplit_once("; ").unwrap().0
}

#[test]
fn what_held_is_counted_exactly_and_the_same_with_any_number_of_threads() {
    let desk = Desk::new();
    let one = desk.run("exhaust --depth 4 --alphabet refresh --jobs 1");
    let three = desk.run("exhaust --depth 4 --alphabet refresh --jobs 3");
    assert_eq!((one.code, one.err.as_str()), (0, ""));
    assert_eq!(
        timeless(one.text()),
        "depth 4, alphabet refresh (14 letters): 19,237 sequences, all held; 872 runs from 86 states, \
         secrets looked for in outputs, log, freed-heap"
    );
    assert_eq!(timeless(one.text()), timeless(three.text()));
    assert_eq!(std::fs::read_dir(desk.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn a_machine_reads_every_level() {
    let document = Desk::new().run("exhaust --depth 3 --alphabet queue --format json").json();
    let levels = document["levels"].as_array().unwrap();
    assert_eq!(levels.len(), 3);
    let sequences = |value: &serde_json::Value| value.as_str().unwrap().parse::<u64>().unwrap();
    let sum: u64 = levels.iter().map(|level| sequences(&level["sequences"])).sum();
    assert_eq!(sequences(&document["sequences"]), sum);
    assert_eq!(document["findings"].as_array().unwrap().len(), 0);
}

#[test]
fn every_alphabet_can_be_told() {
    let ran = Desk::new().run("exhaust --alphabet list --format json");
    assert_eq!(ran.code, 0);
    let document = ran.json();
    let entries = document["entries"].as_array().unwrap();
    assert_eq!(entries[0]["name"], "full");
    assert!(entries.len() > 3);
}

#[cfg(unix)]
#[test]
fn a_search_that_is_told_to_end_says_how_far_it_came_and_is_no_pass() {
    let desk = Desk::new();
    let mut command = desk.command();
    // Far more than can be searched in the time.
    command.args(["exhaust", "--depth", "40", "--alphabet", "queue"]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    wait_until_it_listens(child.id());
    let killed =
        std::process::Command::new("kill").arg("-INT").arg(child.id().to_string()).status();
    assert!(killed.unwrap().success());
    let output = child.wait_with_output().unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(6), "{out}{err}");
    assert!(out.contains("which held, and more to come"), "{out}");
    assert!(err.contains("interrupted"), "{err}");
}

#[cfg(feature = "faults")]
#[test]
fn a_planted_bug_is_told_with_a_shortest_sequence_and_stored() {
    let desk = Desk::new();
    let ran = desk.run("exhaust --fault finish-without-start --findings found");
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.text().starts_with("violation: double-finish\n"), "{ran:?}");
    let last = ran.text().lines().last().unwrap();
    assert!(last.starts_with("depth 4, alphabet full ("), "{last}");
    assert!(last.contains(" broke something; "), "{last}");
    let stored: Vec<_> = std::fs::read_dir(desk.path().join("found/double-finish"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let [file] = &stored[..] else { panic!("{stored:?}") };
    let text = std::fs::read_to_string(file).unwrap();
    assert_eq!(text.lines().filter(|line| !line.starts_with('#')).count(), 4, "{text}");
    let again = desk.run(&format!("run --fault finish-without-start {}", file.display()));
    assert_eq!(again.code, 3, "{again:?}");
}

/// Waits until the command handles SIGINT, and so ends in order, and has had time to search a bit.
#[cfg(unix)]
pub(crate) fn wait_until_it_listens(pid: u32) {
    use std::time::Duration;

    // Linux says which signals are caught; elsewhere, time has to do.
    let is_caught = || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
        Some(u64::from_str_radix(mask.trim(), 16).ok()? & 0b10 != 0)
    };
    for _ in 0..300 {
        if is_caught() != Some(false) {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    std::thread::sleep(Duration::from_millis(700));
}
