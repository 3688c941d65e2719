//! Every step runs and is bounded, and what it told before it went wrong is told.

use std::time::{Duration, Instant};

use rekeylab::exit::Exit;
use rekeylab::report::results::StepEnd;

use crate::bench::{Bench, CLEAN, SHOWS, finding, finds};

#[test]
fn every_step_runs_after_a_red_one_and_all_findings_are_told() {
    let (one, two) = (finds(&["a-1"]), finds(&["b-2", "c-3"]));
    let ran = Bench::new(&[("one", &one), ("two", &two), ("three", CLEAN), ("run", SHOWS)]).run();
    assert_eq!(ran.exit, Exit::InvariantBroken);
    let prints: Vec<_> =
        ran.results.findings.iter().map(|it| it.fingerprint.as_deref().unwrap()).collect();
    assert_eq!(prints, ["a-1", "b-2", "c-3"]);
    assert_eq!((ran.end("two"), ran.end("three")), (&StepEnd::Found, &StepEnd::Held));
    // What the step did not say of it was asked for.
    assert_eq!(ran.results.findings[0].story, "the story of a-1");
    let names: Vec<_> = ran.events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names[..4], ["began", "step-began", "finding", "step-ended"]);
    assert_eq!((ran.events[0]["version"].as_u64(), names.last()), (Some(1), Some(&"ended")));
}

#[test]
fn a_bug_that_two_steps_find_is_told_once() {
    let found = finds(&["a-1"]);
    let ran = Bench::new(&[("one", &found), ("two", &found), ("run", SHOWS)]).run();
    assert_eq!(ran.results.findings.len(), 1);
    assert_eq!(ran.end("two"), &StepEnd::Found);
    assert!(ran.results.steps[1].notes[0].starts_with("shows again: double-finish"));
}

#[test]
fn a_bug_that_every_file_shows_is_told_three_times_and_compared_in_one_run() {
    let names: Vec<String> = (0..11).map(|number| format!("old-{number}")).collect();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.push("new-1");
    let base = format!(
        "echo run >> base-runs\nshift\nfor file in \"$@\"; do\ncase \"$file\" in\nold*.seq) ( set -- run \
         \"$file\"\n{SHOWS} ) ;;\nesac\ndone\necho '{{}}'\nexit 3"
    );
    let ran = Bench::new(&[("one", &finds(&names)), ("run", SHOWS)]).with_base(&base);
    let (path, ran) = (ran.path().to_owned(), ran.run());
    let verdicts = ran.verdicts();
    assert_eq!(
        verdicts.iter().filter(|verdict| **verdict == "in base").count(),
        11,
        "{verdicts:?}"
    );
    assert_eq!(verdicts.last(), Some(&"new"));
    assert_eq!(ran.exit, Exit::InvariantBroken);
    // One for all, and three votes on what is new.
    assert_eq!(std::fs::read_to_string(path.join("base-runs")).unwrap().lines().count(), 4);
    let count = |name: &str| ran.events.iter().filter(|event| event["event"] == name).count();
    let told = ["finding", "finding-again", "verdict", "verdicts-again"].map(count);
    assert_eq!(told, [3, 9, 4, 1]);
    assert_eq!(ran.results.steps[0].notes, ["double-finish in 9 further findings"]);
}

#[test]
fn what_is_found_in_a_driver_is_run_again_on_that_driver() {
    let shows = format!("echo \"$@\" >> asked\n{SHOWS}");
    let mut bench = Bench::new(&[("one", &finds(&["a-1"])), ("run", &shows)]).with_base(CLEAN);
    bench.plan.steps[0].driver = Some("driver.toml".to_owned());
    let ran = bench.run();
    assert_eq!(ran.verdicts(), ["new"]);
    let asked = std::fs::read_to_string(bench.path().join("asked")).unwrap();
    assert!(asked.lines().all(|line| line == "run a-1.seq --driver driver.toml --format json"));
}

#[test]
fn a_step_that_hangs_is_ended_with_all_it_started_and_the_next_one_runs() {
    let mut bench = Bench::new(&[("hangs", "echo $$ > pid; sleep 600 & wait"), ("next", CLEAN)]);
    bench.plan.steps[0].limit = Duration::from_millis(300);
    let started = Instant::now();
    let ran = bench.run();
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    assert_eq!(ran.exit, Exit::WorkbenchFailed);
    let StepEnd::Failed(why) = ran.end("hangs") else { panic!("{:?}", ran.end("hangs")) };
    assert!(why.contains("did not end within 300ms"), "{why}");
    assert_eq!(ran.end("next"), &StepEnd::Held);
    let group = std::fs::read_to_string(bench.path().join("pid")).unwrap();
    let group = format!("-{}", group.trim());
    let is_there = || {
        let mut command = std::process::Command::new("kill");
        command.args(["-0", "--", &group]).stderr(std::process::Stdio::null());
        command.status().unwrap().success()
    };
    // Whoever was killed is there until somebody has taken note of it.
    let patience = Instant::now() + Duration::from_secs(10);
    while is_there() && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(!is_there(), "nothing of it is left");
}

#[test]
fn a_step_that_is_killed_is_no_pass_and_what_it_told_before_is_told() {
    let killed = format!("echo '{}'; echo broken pipes >&2; kill -SEGV $$", finding("a-1"));
    let ran = Bench::new(&[("killed", &killed), ("next", CLEAN), ("run", SHOWS)]).run();
    assert_eq!(ran.exit, Exit::InvariantBroken);
    assert_eq!(ran.results.findings.len(), 1);
    let StepEnd::Failed(why) = ran.end("killed") else { panic!("{:?}", ran.end("killed")) };
    assert!(why.contains("signal 11"), "{why}");
    assert_eq!(ran.end("next"), &StepEnd::Held);
}

#[test]
fn a_finding_that_stands_in_broken_json_is_told() {
    let cut =
        format!("printf '%s' 'noise {{\"version\":1,\"findings\":[{},{{\"inva'", finding("a-1"));
    for end in ["exit 0", "exit 3", "exit 101"] {
        let cut = format!("{cut}\n{end}");
        let ran = Bench::new(&[("cut", &cut), ("run", SHOWS)]).run();
        assert_eq!(ran.exit, Exit::InvariantBroken, "{end}");
        assert_eq!(ran.results.findings[0].fingerprint.as_deref(), Some("a-1"));
        assert!(ran.end("cut").why().is_some(), "{end}");
    }
}

#[test]
fn a_step_that_says_nothing_is_no_pass() {
    for (does, exit) in [("exit 0", Exit::WorkbenchFailed), ("exit 3", Exit::InvariantBroken)] {
        let ran = Bench::new(&[("mute", does)]).run();
        assert_eq!(ran.exit, exit, "{does}");
        assert!(ran.end("mute").why().is_some(), "{does}");
    }
}

#[test]
fn what_is_not_run_within_the_budget_is_named_and_no_pass() {
    let mut bench = Bench::new(&[("slow", "sleep 600"), ("late", CLEAN), ("later", CLEAN)]);
    bench.plan.budget = Duration::from_millis(1500);
    let ran = bench.run();
    assert_eq!(ran.exit, Exit::WorkbenchFailed);
    assert_eq!(ran.end("slow").why(), Some("the budget was used up while it ran"));
    for step in ["late", "later"] {
        let StepEnd::NotRun(why) = ran.end(step) else { panic!("{:?}", ran.end(step)) };
        assert_eq!(why, "the budget of 1s 500ms is used up");
    }
    assert!(ran.results.says.contains("no pass: slow, late, later"), "{}", ran.results.says);
}

#[test]
fn an_advisory_gate_tells_all_and_ends_with_zero() {
    let mut bench = Bench::new(&[("one", &finds(&["a-1"])), ("two", "exit 1"), ("run", SHOWS)]);
    bench.plan.is_advisory = true;
    let ran = bench.run();
    assert_eq!((ran.exit, ran.results.findings.len()), (Exit::Held, 1));
    let says = "advisory, so nothing blocks: 1 unknown, which counts as new; no pass: two \
                (the exit code would be 3)";
    assert_eq!(ran.results.says, says);
    assert_eq!(ran.events.last().unwrap()["code"], 3);
}

#[test]
fn a_silent_alarm_a_blind_lane_and_an_unreadable_file_keep_their_exit_codes() {
    let cases = [
        (
            "{\"drills\":[{\"fault\":\"f\",\"expected\":\"key-leak\",\"rang\":null,\"is_right\":false}]}",
            4,
            "f must ring key-leak, and nothing rang",
        ),
        ("{\"findings\":[],\"lanes\":[{\"edges\":9,\"edges_min\":175}]}", 1, "9 edges"),
        ("{\"files\":[],\"errors\":[{\"error\":\"a.seq:1: no call\"}]}", 2, "a.seq:1: no call"),
        (
            "{\"files\":[{\"file\":\"a\",\"is_clean\":true,\"not_looked_into\":[\"stack\"]}]}",
            5,
            "a: not looked into: stack",
        ),
    ];
    for (document, code, why) in cases {
        let does = format!("echo '{document}'; exit {code}");
        let ran = Bench::new(&[("one", &does)]).run();
        assert_eq!(i32::from(ran.exit.code()), code, "{document}");
        assert!(ran.end("one").why().unwrap().contains(why), "{:?}", ran.end("one"));
    }
}

#[test]
fn drills_in_a_core_that_is_broken_as_it_is_say_nothing_of_alarms() {
    let drills = "\"drills\":[{\"fault\":\"f\",\"expected\":\"key-leak\",\"rang\":\"no-panic\",\"is_right\":false},\
                  {\"fault\":null,\"rang\":\"no-panic\",\"is_right\":false}]";
    let found = finds(&["a-1"]).replace("\"version\":1", &format!("\"version\":1,{drills}"));
    let bench = Bench::new(&[("one", &found), ("run", SHOWS)]).with_base(SHOWS);
    let ran = bench.run();
    assert_eq!((ran.verdicts(), ran.exit), (vec!["in base"], Exit::Held));
    let note = "1 drills went wrong, in a core that is broken as it is";
    assert_eq!(ran.results.steps[0].notes, [note]);
}

#[test]
fn a_run_that_broke_something_need_not_have_looked_into_everything() {
    let told = |is_clean: bool| {
        let file = format!(
            "{{\"file\":\"a.seq\",\"is_clean\":{is_clean},\"mismatches\":[{}],\"not_looked_into\":[\"differential\"]}}",
            if is_clean {
                ""
            } else {
                "{\"line\":3,\"call\":\"retire\",\"expected\":\"ok\",\"answered\":null}"
            },
        );
        let code = if is_clean { 5 } else { 3 };
        let does =
            format!("echo '{{\"version\":1,\"files\":[{file}],\"errors\":[]}}'; exit {code}");
        Bench::new(&[("one", &does)]).run().end("one").clone()
    };
    assert_eq!(told(false), StepEnd::Found);
    let StepEnd::Failed(why) = told(true) else { panic!("{:?}", told(true)) };
    assert!(why.contains("not looked into: differential"), "{why}");
}
