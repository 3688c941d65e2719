//! Only what the base does not show is the author's.

use rekeylab::exit::Exit;
use rekeylab::gate::Change;
use rekeylab::report::results::StepEnd;

use crate::bench::{Bench, CLEAN, SHOWS, alternately, finds};

/// The verdict of a finding that this base is asked about, and what the gate exits with.
#[track_caller]
fn check(head: &str, base: &str, verdict: &str, exit: Exit) {
    let ran = Bench::new(&[("one", &finds(&["a-1"])), ("run", head)]).with_base(base).run();
    let because = &ran.results.findings[0].judgement.because;
    assert_eq!((ran.verdicts(), ran.exit), (vec![verdict], exit), "{because}");
}

#[test]
fn what_the_base_does_not_show_is_new_and_blocks() {
    check(SHOWS, CLEAN, "new", Exit::InvariantBroken);
}

#[test]
fn what_the_base_shows_too_is_not_the_authors() {
    check(SHOWS, SHOWS, "in base", Exit::Held);
}

#[test]
fn another_bug_of_the_same_invariant_in_the_base_hides_nothing() {
    let other = SHOWS.replace("f=$(basename \"$2\" .seq)", "f=b-2");
    check(SHOWS, &other, "new", Exit::InvariantBroken);
}

#[test]
fn what_some_runs_show_is_flaky_and_does_not_block() {
    // One run tells the story; of the three that vote, not all show it.
    check(&alternately(SHOWS, CLEAN), CLEAN, "flaky", Exit::Held);
    check(SHOWS, &alternately(SHOWS, CLEAN), "flaky", Exit::Held);
}

#[test]
fn a_base_that_cannot_read_the_file_leaves_it_unknown_and_that_blocks() {
    let cannot = "echo '{\"version\":1,\"files\":[],\"errors\":[{\"error\":\"a-1.seq:1: no such call\"}]}'; exit 2";
    check(SHOWS, cannot, "unknown", Exit::InvariantBroken);
    check(SHOWS, "kill -SEGV $$", "unknown", Exit::InvariantBroken);
    check(SHOWS, "echo nonsense", "unknown", Exit::InvariantBroken);
}

#[test]
fn each_finding_has_its_own_verdict_and_one_that_is_new_blocks() {
    let base = format!("case $2 in a-1.seq)\n{SHOWS};;\n*)\n{CLEAN};;\nesac");
    let found = finds(&["a-1", "b-2"]);
    let ran = Bench::new(&[("one", &found), ("run", SHOWS)]).with_base(&base).run();
    assert_eq!(ran.verdicts(), ["in base", "new"]);
    assert_eq!(ran.exit, Exit::InvariantBroken);
    assert_eq!(ran.results.says, "the gate is shut: 1 new; 1 in base (exit code 3)");
}

#[test]
fn what_was_found_in_base_does_not_hide_what_else_is_wrong() {
    let blind = finds(&["a-1"])
        .replace("\"version\":1", "\"version\":1,\"lanes\":[{\"edges\":9,\"edges_min\":175}]");
    let ran = Bench::new(&[("one", &blind), ("run", SHOWS)]).with_base(SHOWS).run();
    assert_eq!((ran.verdicts(), ran.exit), (vec!["in base"], Exit::WorkbenchFailed));
}

#[test]
fn without_a_base_everything_blocks() {
    let ran = Bench::new(&[("one", &finds(&["a-1"])), ("run", SHOWS)]).run();
    assert_eq!((ran.verdicts(), ran.exit), (vec!["unknown"], Exit::InvariantBroken));
}

#[test]
fn an_answer_that_a_changed_file_does_not_get_is_new_whatever_the_base_answers() {
    let missed = "echo '{\"version\":1,\"files\":[{\"file\":\"a.seq\",\"is_clean\":false,\"mismatches\":\
                  [{\"line\":3,\"call\":\"destroy s0\",\"expected\":\"ok\",\"answered\":\"E_FAIL\"}]}],\
                  \"errors\":[]}'; exit 3";
    let verdict = |change: Change| {
        let mut bench = Bench::new(&[("one", missed), ("run", missed)]).with_base(missed);
        bench.plan.change = change;
        let ran = bench.run();
        assert_eq!(ran.results.findings[0].line, Some(3));
        ran.verdicts()
    };
    assert_eq!(verdict(Change::unknown("it is a test")), ["in base"]);
    assert_eq!(verdict(Change::of_files(vec!["a.seq".to_owned()])), ["new"]);
}

#[test]
fn an_answer_that_a_violation_explains_is_no_finding_of_its_own() {
    let missed = |line: u32| {
        let mismatch =
            format!("{{\\\"line\\\":{line},\\\"call\\\":\\\"c\\\",\\\"expected\\\":\\\"ok\\\"}}");
        SHOWS.replace("\\\"mismatches\\\":[]", &format!("\\\"mismatches\\\":[{mismatch}]"))
    };
    let told = |line: u32| {
        let step = missed(line).replace("$2", "a-1.seq");
        let bench = Bench::new(&[("one", &step)]);
        let text = "# rekeylab sequence 1\nd0 = create-device\ns0 = create-session d0\n";
        std::fs::write(bench.path().join("a-1.seq"), text).unwrap();
        bench.run().results.findings.len()
    };
    // The violation is that of call 1, which stands in line 3, and what comes behind follows from it.
    assert_eq!((told(3), told(4), told(2)), (1, 1, 2));
}

#[test]
fn what_only_an_engine_shows_is_unknown() {
    let raw = "echo '{\"version\":2,\"raw\":[{\"kind\":\"oom\",\"why\":\"too much\",\"file\":\"raw/oom-1\"}]}'; exit 3";
    let ran = Bench::new(&[("one", raw), ("run", SHOWS)]).with_base(SHOWS).run();
    assert_eq!((ran.verdicts(), ran.exit), (vec!["unknown"], Exit::InvariantBroken));
    assert_eq!(ran.results.findings[0].headline(), "engine-stop: oom: too much");
}

/// Two stored files that break the same invariant, as a replay tells them.
const TWO_FILES: &str = r#"
for f in a b; do
echo "{\"file\":\"$f.seq\",\"is_clean\":false,\"mismatches\":[],\"story\":\"fingerprint $f\",
\"report\":{\"sequence\":\"\",\"replay\":\"again\",\"violations\":[{\"invariant\":\"double-finish\",\"call\":1,
\"happened\":\"answered S_OK\",\"expected\":\"a refusal\",\"fingerprint\":\"$f\"}]}}"
done
exit 3"#;

#[test]
fn a_bug_that_several_stored_files_show_has_one_name_and_is_told_once() {
    let minimize = "echo '{\"invariant\":\"double-finish\",\"fingerprint\":\"short\"}'";
    let steps = [("replay", TWO_FILES), ("minimize", minimize), ("search", &finds(&["short"]))];
    let ran = Bench::new(&steps).run();
    let [found] = &ran.results.findings[..] else { panic!("{:?}", ran.results.findings) };
    assert_eq!(found.fingerprint.as_deref(), Some("short"));
    assert_eq!(found.story, "fingerprint short, as it is stored a");
    let notes: Vec<&String> = ran.results.steps.iter().flat_map(|step| &step.notes).collect();
    assert_eq!(notes, ["shows again: double-finish: answered S_OK"; 2]);

    // One that becomes another bug when it is made short keeps its own name.
    let other = "echo '{\"invariant\":\"key-leak\",\"fingerprint\":\"short\"}'";
    let ran = Bench::new(&[("replay", TWO_FILES), ("minimize", other)]).run();
    let names: Vec<_> = ran.results.findings.iter().map(|it| it.fingerprint.as_deref()).collect();
    assert_eq!(names, [Some("a"), Some("b")]);
}

#[test]
fn a_bug_that_looks_the_same_as_it_is_stored_is_told_once_even_if_it_cannot_be_made_short_again() {
    let minimize = "[ -e asked ] || echo '{\"invariant\":\"double-finish\",\"fingerprint\":\"short\"}'; touch asked";
    let alike =
        TWO_FILES.replace("\\\"fingerprint\\\":\\\"$f\\\"", "\\\"fingerprint\\\":\\\"a\\\"");
    assert_ne!(alike, TWO_FILES);
    let ran = Bench::new(&[("replay", &alike), ("minimize", minimize)]).run();
    let names: Vec<_> = ran.results.findings.iter().map(|it| it.fingerprint.as_deref()).collect();
    assert_eq!(names, [Some("short")]);
}

#[test]
fn the_base_is_asked_for_a_bug_as_it_is_stored() {
    let minimize = "echo '{\"invariant\":\"double-finish\",\"fingerprint\":\"short\"}'";
    let steps = [("replay", TWO_FILES), ("run", SHOWS), ("minimize", minimize)];
    let ran = Bench::new(&steps).with_base(SHOWS).run();
    let [found] = &ran.results.findings[..] else { panic!("{:?}", ran.results.findings) };
    assert_eq!(found.judgement.verdict.name(), "in base", "{:?}", found.judgement);
}

#[test]
fn a_step_that_fails_on_the_base_in_the_same_way_does_not_block() {
    let bench = Bench::new(&[("drill", "exit 4"), ("next", CLEAN)]);
    let ran = bench.with_base_of(&[("drill", "exit 4")]).run();
    let StepEnd::InBase(why) = ran.end("drill") else { panic!("{:?}", ran.end("drill")) };
    assert!(why.ends_with("on the base it ends with 4, too"), "{why}");
    assert_eq!(ran.exit, Exit::Held);
    assert_eq!(ran.results.says, "the gate is open: no pass in base either: drill");
    let told = ran.events.iter().find(|event| event["event"] == "step-verdict").unwrap();
    assert_eq!(told["is_in_base"], true, "{told}");
}

#[test]
fn a_step_that_fails_here_alone_or_in_another_way_blocks() {
    for there in ["exit 0", "exit 2", "kill -9 $$"] {
        let bench = Bench::new(&[("drill", "exit 4")]).with_base_of(&[("drill", there)]);
        let ran = bench.run();
        assert!(matches!(ran.end("drill"), StepEnd::Failed(_)), "{there}: {:?}", ran.end("drill"));
        assert_eq!(ran.exit, Exit::AlarmSilent, "{there}");
    }
    // One that says nothing of the base is not tried there.
    let mut bench = Bench::new(&[("fuzz", "exit 9")]).with_base_of(&[("fuzz", "exit 9")]);
    bench.plan.steps[0].is_for_base = false;
    assert_eq!(bench.run().exit, Exit::LaneDied);
}
