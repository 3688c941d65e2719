//! The findings store as a person uses it.

use crate::harness::{CLEAN, Desk};

/// The root of a workspace in which there is no git: nobody knows from which sources this was built.
fn workspace() -> Desk {
    let desk = Desk::new();
    desk.file("Cargo.toml", "");
    desk.file("fuzz/Cargo.toml", "");
    desk
}

/// A folder of findings with one bug in it, of the core, that this build does not have.
fn desk() -> Desk {
    let desk = workspace();
    let text =
        CLEAN.replacen('\n', "\n# double-finish: it answered ok\n# expected: a refusal\n", 1);
    desk.file("f/double-finish/finish-refresh-answered-ok-5f0c-91ab.seq", text);
    desk
}

fn state(desk: &Desk) -> String {
    let listed = desk.run("findings --findings f --format json").json();
    listed["findings"][0]["state"].as_str().unwrap_or("none").to_owned()
}

#[test]
fn a_bug_is_listed_shown_and_tried_again() {
    let desk = desk();
    let ran = desk.run("findings --findings f");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.text().starts_with("5f0c-91ab  new  core"), "{ran:?}");
    assert!(ran.text().contains("double-finish  it answered ok"), "{ran:?}");
    let ran = desk.run("findings show 5F0C --findings f");
    assert_eq!(ran.code, 0, "{ran:?}");
    for part in [
        "5f0c-91ab double-finish: it answered ok\n",
        "cargo run --release -- run f/double-finish/finish-refresh-answered-ok-5f0c-91ab.seq",
        "found: stored reproducer on unknown, build unknown",
    ] {
        assert!(ran.text().contains(part), "{part}: {ran:?}");
    }
    let ran = desk.run("findings check --findings f --machine lab-7");
    assert_eq!(ran.code, 0, "{ran:?}");
    let line = "5f0c-91ab double-finish (core): new -> fixed, 0 of 3 runs showed it\n";
    assert_eq!(ran.text(), line);
    assert!(ran.err.contains("tried 1 of 1 bugs: 1 fixed"), "{ran:?}");
    assert_eq!(state(&desk), "fixed");
    assert!(desk.run("findings show 5f0c --findings f").text().contains("check on lab-7"));
    assert_eq!(desk.run("findings list --state fixed --findings f --driver mine").text(), "");
}

#[test]
fn an_export_never_replaces_the_store_and_is_read_with_the_mark_that_editors_put_in_front() {
    let desk = desk();
    let ran = desk.run("findings export --findings f --force f/findings.sqlite");
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("f/findings.sqlite is the store itself"), "{ran:?}");
    assert_eq!(state(&desk), "new");
    assert_eq!(desk.run("findings export --findings f all.jsonl").code, 0);
    desk.file("marked.jsonl", format!("\u{feff}{}", desk.read("all.jsonl")));
    let ran = desk.run("findings import --findings other marked.jsonl");
    assert!(ran.err.contains("marked.jsonl: 1 new events, 0 known"), "{ran:?}");
}

#[test]
fn an_import_that_cannot_be_read_makes_no_folder_of_findings() {
    let desk = desk();
    assert_eq!(desk.run("findings export --findings f all.jsonl").code, 0);
    desk.file("wrong.jsonl", "nothing\n");
    let ran = desk.run("findings import --findings other all.jsonl wrong.jsonl");
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("wrong.jsonl:1: "), "{ran:?}");
    assert_eq!(desk.run("findings list --findings other").code, 2);
}

#[test]
fn a_bug_is_ignored_told_again_and_forgotten() {
    let desk = desk();
    for (line, after) in [
        ("ignore 5f0c-91ab --why noise --until 2999-01-01 --by me", "ignored"),
        ("unignore 5f", "new"),
        ("ignore 5f0c91ab --why noise", "ignored"),
        ("forget 5", "none"),
    ] {
        let ran = desk.run(&format!("findings {line} --findings f"));
        assert_eq!(ran.code, 0, "{line}: {ran:?}");
        assert_eq!(state(&desk), after, "{line}");
    }
    for line in ["show 5f0c", "ignore 5f0c --why x", "forget 5f0c", "show x", "show -"] {
        let ran = desk.run(&format!("findings {line} --findings f"));
        assert_eq!(ran.code, 2, "{line}: {ran:?}");
        assert!(ran.err.contains("try: "), "{ran:?}");
    }
    assert_eq!(desk.run("findings --findings nowhere").code, 2);
    assert_eq!(desk.run("findings --findings f --state new export").code, 2);
    assert_eq!(desk.run("findings --findings f export").code, 0);
    let ran = desk.run("findings ignore 5f --why x --until 2001-01-01 --findings f");
    assert!(ran.err.contains("that date is over"), "{ran:?}");
    let ran = desk.run("findings ignore 5f --why x --until soon --findings f");
    assert!(ran.err.contains("\"soon\" is no time; expected one such as 2027-01-31"), "{ran:?}");
}

#[test]
fn what_is_exported_is_imported_elsewhere_and_once() {
    let desk = desk();
    let text = CLEAN.replacen('\n', "\n# lost-work: another\n", 1);
    desk.file("g/lost-work/a-0000-0001.seq", text);
    assert_eq!(desk.run("findings export all.jsonl --findings f").code, 0);
    let imported = |what: &str| {
        let ran = desk.run(&format!("findings import {what} --findings g --format json"));
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.json()["files"][0]["new_events"].as_u64().unwrap()
    };
    assert_eq!(imported("all.jsonl"), 1);
    assert_eq!(imported("f/findings.sqlite"), 0, "it is the same");
    assert_eq!(desk.run("findings --findings g").text().lines().count(), 2);
    let ran = desk.run("findings duplicate 5f0c --of 0000 --findings g");
    assert_eq!(ran.code, 0, "{ran:?}");
    let listed = desk.run("findings --findings g");
    assert_eq!(listed.text().lines().count(), 1, "{listed:?}");
    assert!(listed.text().contains("0000-0001  new"), "{listed:?}");
    assert!(listed.text().contains("another (also 5f0c-91ab)"), "{listed:?}");
    desk.file("all.jsonl", desk.read("all.jsonl").replace("answered", "said"));
    let ran = desk.run("findings import all.jsonl --findings g");
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("all.jsonl:1: the event has the id"), "{ran:?}");
}

#[test]
fn a_damaged_store_is_told_with_a_way_out_that_works() {
    let desk = desk();
    desk.run("findings --findings f");
    desk.file("f/findings.sqlite", "garbage, and quite a lot of it".repeat(100));
    let ran = desk.run("findings --findings f");
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("f/findings.sqlite is damaged: file is not a database"), "{ran:?}");
    assert!(ran.err.contains("try: rekeylab findings --findings f --rebuild"), "{ran:?}");
    let ran = desk.run("findings --findings f --rebuild");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("f/findings.sqlite.damaged-1"), "{ran:?}");
    assert!(ran.err.contains("1 reproducers that it did not know"), "{ran:?}");
    assert!(desk.read("f/findings.sqlite.damaged-1").starts_with("garbage"));
    assert_eq!(state(&desk), "new");
}

#[cfg(feature = "faults")]
mod with_faults {
    use super::*;

    #[test]
    fn what_a_search_finds_is_noted_for_its_driver_and_regresses_when_it_comes_back() {
        let desk = workspace();
        let search = "exhaust --depth 4 --fault finish-without-start --findings f";
        assert_eq!(desk.run(search).code, 3);
        let listed = desk.run("findings --findings f --format json").json();
        let finding = &listed["findings"][0];
        assert_eq!(finding["driver"], "core+fault:finish-without-start");
        assert_eq!((&finding["state"], &finding["seen_count"]), (&"new".into(), &1.into()));
        let digits = finding["fingerprint"].as_str().unwrap().to_owned();
        assert_eq!(desk.run(search).code, 3);
        let shown = desk.run(&format!("findings show {digits} --findings f"));
        assert!(shown.text().contains("seen        2 times by searches"), "{shown:?}");
        assert!(shown.text().contains("run --fault finish-without-start f/"), "{shown:?}");
        assert!(shown.text().contains("exhaust full on"), "{shown:?}");
        // Sources that nobody knows count as others.
        let ran = desk.run("findings check --findings f");
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(state(&desk), "known");
        // Somewhere, it was mended.
        mend(&desk);
        assert_eq!(state(&desk), "fixed");
        for _ in 0..2 {
            let ran = desk.run("findings check --findings f");
            assert_eq!(ran.code, 3, "{ran:?}");
            assert!(ran.err.contains(&format!("regressed: {digits}")), "{ran:?}");
        }
        assert_eq!(state(&desk), "regressed");
        desk.run(&format!("findings ignore {digits} --why x --findings f"));
        assert_eq!(desk.run("findings check --findings f").code, 0);
    }

    /// Notes that no run has shown the bug in a build that is not this one.
    fn mend(desk: &Desk) {
        use rekeylab::store::{Body, Build, Origin, Store};
        let mut store = Store::open(&desk.path().join("f")).unwrap();
        let bug = store.bugs().unwrap().remove(0);
        let origin = Origin {
            build: Build::named("another"),
            machine: "m".to_owned(),
            lane: "l".to_owned(),
        };
        let body = Body::Tried { shown: 0, votes: 3, origin };
        store.note(&bug.driver, bug.fingerprint, body).unwrap();
    }

    #[test]
    fn a_bug_that_hangs_is_tried_in_a_process_of_its_own() {
        let desk = workspace();
        let fault = rekeylab_faults::Fault::ALL
            .iter()
            .find(|fault| fault.rings() == "no-hang")
            .unwrap()
            .name();
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../corpus/crashes/no-hang");
        let mut files = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
        let shows = |text: &str| text.lines().any(|line| line == format!("# fault: {fault}"));
        let text =
            files.find_map(|path| std::fs::read_to_string(path).ok().filter(|text| shows(text)));
        desk.file("f/no-hang/a-0000-0001.seq", text.unwrap());
        let ran = desk.run("findings check --findings f --time-limit 500ms");
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.text().contains("new -> known, 1 of 1 runs showed it"), "{ran:?}");
    }
}
