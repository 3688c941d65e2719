//! A campaign with an engine that misbehaves on purpose: nothing is lost, and it always ends.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keysan::heap::ScanningAllocator;
use rekeylab::campaign::{
    Directories, Engine, Lane, Outcome, Plan, Sanitizer, StopSignal, Target, search,
};
use rekeylab::executor::AnyDut;

use executable::write_executable;

mod executable;

#[global_allocator]
static ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

/// What libFuzzer prints while it is well.
const WELL: &str = "\
echo '#2 INITED cov: 10 ft: 20 corp: 3/60b exec/s: 0 rss: 30Mb' >&2
echo 'rekeylab: executions=65536 calls=1000000' >&2
";

/// Leaves an artifact and dies of an invariant, as a target does that does not hand over.
const CRASH: &str = "\
printf '# rekeylab sequence 1\\nd0 = create-device\\ns0 = create-session d0\\nexchange-key s0\\n\
session-status s0\\nfinish-refresh s0\\n' > \"$prefix\"crash-1
echo '==7==ERROR: KeySanitizer: double-finish on address 0x4' >&2
kill -ABRT $$
";

struct Bench {
    directory: tempfile::TempDir,
    plan: Plan,
}

/// A lane of this engine that ten edges are enough for.
fn lane(name: &str, engine: PathBuf) -> Lane {
    let target = Target { edges_min: 10, ..Target::named(name).unwrap() };
    Lane { target, engine: Engine::LibFuzzer, binary: engine, arguments: Vec::new() }
}

impl Bench {
    /// An engine that is this shell script; `$prefix` is where artifacts go.
    fn new(script: &str) -> Self {
        Self::of(&[("call_sequence", script)])
    }

    /// A lane of each of these targets, with an engine that is its script.
    fn of(scripts: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let find = "for a in \"$@\"; do case $a in -artifact_prefix=*) prefix=${a#*=};; esac; done";
        let engine = |&(name, script): &(&str, &str)| {
            let engine = directory.path().join(format!("engine-{name}"));
            write_executable(&engine, &format!("#!/bin/sh\n{find}\n{script}"));
            lane(name, engine)
        };
        let plan = Plan {
            dut: AnyDut::default(),
            time: Duration::from_secs(20),
            jobs: 2,
            lanes: scripts.iter().map(engine).collect(),
            is_first_looked_through: false,
            sanitizer: Sanitizer::None,
            fault: None,
            seed: Some(1),
            findings: directory.path().join("findings"),
            own_process: None,
            archive: None,
        };
        Self { directory, plan }
    }

    fn place(&self) -> Directories {
        Directories::prepare(self.directory.path(), "call_sequence", self.plan.fault).unwrap()
    }

    fn run(&self) -> Outcome {
        self.run_until(&Arc::new(StopSignal::new()))
    }

    fn run_until(&self, stop: &Arc<StopSignal>) -> Outcome {
        let place = self.place();
        search(&self.plan, &place, stop, &mut |_, _| {}).unwrap()
    }
}

#[test]
fn what_a_worker_says_is_counted_for_all_of_them() {
    let outcome = Bench::new(WELL).run();
    assert_eq!(outcome.pulse.executions, 2 * 65536);
    assert_eq!(outcome.pulse.calls, 2_000_000);
    assert_eq!((outcome.pulse.coverage, outcome.pulse.corpus), (10, 3));
    assert!(outcome.findings.is_empty() && outcome.raw.is_empty() && outcome.troubles.is_empty());
}

#[test]
fn what_a_worker_could_not_look_into_is_told() {
    let outcome =
        Bench::new(&format!("echo 'rekeylab: not-looked-into=stack,heap' >&2\n{WELL}")).run();
    assert_eq!(outcome.not_looked_into.into_iter().collect::<Vec<_>>(), ["heap", "stack"]);
    assert!(Bench::new(WELL).run().not_looked_into.is_empty());
}

#[test]
fn an_engine_that_dies_at_once_is_not_started_for_ever() {
    let started = Instant::now();
    let outcome = Bench::new("echo 'cannot go on' >&2\nexit 9").run();
    assert!(outcome.is_engine_broken);
    assert!(outcome.troubles[0].contains("cannot go on"), "{:?}", outcome.troubles);
    assert!(outcome.troubles[0].contains("exit status: 9"), "{:?}", outcome.troubles);
    assert!(started.elapsed() < Duration::from_secs(15));
}

#[test]
fn an_engine_that_is_killed_from_outside_is_said_to_be() {
    let outcome = Bench::new("kill -KILL $$").run();
    assert!(outcome.is_engine_broken);
    assert!(outcome.troubles[0].contains("signal: 9"), "{:?}", outcome.troubles);
}

#[test]
fn one_worker_that_only_dies_does_not_end_the_others() {
    let mut bench = Bench::of(&[("call_sequence", WELL), ("call_sequence_keysan", "exit 9")]);
    bench.plan.time = Duration::from_secs(3);
    let outcome = bench.run();
    assert_eq!(outcome.dead_lanes, ["call_sequence_keysan"]);
    assert!(!outcome.is_engine_broken);
    assert_eq!(outcome.lanes[0].input_count, 65536, "{outcome:?}");
    assert_eq!(outcome.deaths.get("exit status: 9"), Some(&5), "{outcome:?}");
}

/// It is killed from outside each time it has searched for a while, for as long as the search lasts.
#[test]
fn deaths_after_progress_are_forgiven_however_many_there_are() {
    let mut bench = Bench::new(&format!("{WELL}sleep 0.1; kill -KILL $$"));
    bench.plan.time = Duration::from_secs(5);
    let outcome = bench.run();
    assert!(!outcome.is_engine_broken && outcome.given_up.is_empty(), "{outcome:?}");
    let count: u32 = outcome.deaths.values().sum();
    assert!(count > 10, "{outcome:?}");
}

/// The engine reads its working set and dies of one of the inputs, until that is not there any more.
#[test]
fn an_input_that_kills_every_worker_is_put_aside_and_the_search_goes_on() {
    let script = format!(
        "for a in \"$@\"; do set=$a; done
        if [ -e \"$set/bad\" ]; then cp \"$set/bad\" \"$prefix\"crash-bad; exit 77; fi\n{WELL}"
    );
    let bench = Bench::new(&script);
    let place = bench.place();
    std::fs::write(place.working_set.join("bad"), "kills").unwrap();
    std::fs::write(place.working_set.join("good"), "lives").unwrap();
    let outcome =
        search(&bench.plan, &place, &Arc::new(StopSignal::new()), &mut |_, _| {}).unwrap();
    assert!(!outcome.is_engine_broken, "{outcome:?}");
    assert_eq!((outcome.quarantine_count, outcome.raw.len()), (1, 1), "{outcome:?}");
    assert!(!place.working_set.join("bad").exists() && place.working_set.join("good").exists());
    assert!(outcome.pulse.executions >= 65536);
}

#[test]
fn what_a_full_disk_left_is_told_and_removed() {
    let bench = Bench::new(&format!("echo 'rekeylab: cannot-write=/x: no space' >&2\n{WELL}"));
    let place = bench.place();
    for name in ["a", "b", "c"] {
        std::fs::write(place.working_set.join(name), "").unwrap();
    }
    std::fs::write(place.working_set.join("d"), "x").unwrap();
    let outcome =
        search(&bench.plan, &place, &Arc::new(StopSignal::new()), &mut |_, _| {}).unwrap();
    let told = outcome.not_written.iter().cloned().collect::<Vec<_>>().join("\n");
    assert!(told.contains("/x: no space") && told.contains("3 files are empty"), "{told}");
    assert_eq!(std::fs::read_dir(&place.working_set).unwrap().count(), 1);
}

#[test]
fn a_program_that_is_no_engine_is_an_error_that_names_it() {
    let mut bench = Bench::new("");
    bench.plan.lanes[0].binary = bench.directory.path().join("no-such-engine");
    let place = bench.place();
    let error =
        search(&bench.plan, &place, &Arc::new(StopSignal::new()), &mut |_, _| {}).unwrap_err();
    assert!(error.to_string().contains("no-such-engine"), "{error}");
}

#[test]
fn a_stop_ends_workers_that_would_go_on() {
    let bench = Bench::new(&format!("{WELL}exec sleep 60"));
    let stop = Arc::new(StopSignal::new());
    let started = Instant::now();
    let outcome = std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(700));
            stop.raise();
        });
        bench.run_until(&stop)
    });
    assert!(outcome.is_interrupted && !outcome.is_engine_broken);
    assert_eq!(outcome.pulse.executions, 2 * 65536, "what came until then still counts");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn an_artifact_that_breaks_nothing_here_is_kept_and_the_campaign_ends() {
    let bench = Bench::new(CRASH);
    let outcome = bench.run();
    assert!(outcome.findings.is_empty());
    assert!(outcome.is_engine_broken, "an engine that only cries wolf is broken");
    assert_eq!(outcome.dead_lanes, ["call_sequence"]);
    let [raw] = &outcome.raw[..] else { panic!("{:?}", outcome.raw) };
    assert_eq!(raw.why, "it broke nothing when run again");
    assert!(std::fs::read_to_string(&raw.path).unwrap().starts_with("# rekeylab sequence 1"));
}

#[test]
fn a_death_by_anything_but_an_invariant_is_kept_and_not_run_here() {
    let script = CRASH.replace("KeySanitizer: double-finish", "AddressSanitizer: heap-overflow");
    let outcome = Bench::new(&script).run();
    assert_eq!(outcome.raw[0].why, "AddressSanitizer: heap-overflow");
}

#[test]
fn a_hang_is_a_finding() {
    let outcome = Bench::new("printf x > \"$prefix\"timeout-1\nexit 70").run();
    assert_eq!((outcome.raw.len(), outcome.raw[0].kind), (1, "timeout"), "{outcome:?}");
    assert!(outcome.raw[0].path.ends_with("findings/raw/timeout-1"));
}

#[test]
fn garbage_on_the_engines_error_stream_is_no_trouble() {
    let script = format!(
        "head -c 300000 /dev/zero >&2\nprintf '\\377\\376#9 NEW cov: 1\\n' >&2\n{WELL}exit 0"
    );
    let outcome = Bench::new(&script).run();
    assert!(outcome.troubles.is_empty(), "{:?}", outcome.troubles);
}

#[test]
fn a_lane_below_its_floor_fails_the_campaign_and_says_where_to_look() {
    let mut bench = Bench::new(WELL);
    bench.plan.lanes[0].target.edges_min = 11;
    let outcome = bench.run();
    assert!(outcome.is_blind && !outcome.is_engine_broken);
    let [trouble] = &outcome.troubles[..] else { panic!("{:?}", outcome.troubles) };
    assert!(trouble.starts_with("call_sequence saw too little: it reached 10 edges"), "{trouble}");
    assert!(trouble.contains("rekeylab-driver") && trouble.contains("floor is 11"), "{trouble}");
    bench.plan.lanes[0].target.edges_min = 10;
    assert!(!bench.run().is_blind);
}

#[test]
fn one_lane_that_sees_does_not_speak_for_one_that_sees_nothing() {
    let blind = WELL.replace("cov: 10", "cov: 3");
    let outcome = Bench::of(&[("call_sequence", WELL), ("call_sequence_keysan", &blind)]).run();
    assert!(outcome.is_blind);
    assert!(outcome.troubles[0].starts_with("call_sequence_keysan saw"), "{:?}", outcome.troubles);
    assert_eq!(outcome.lanes.iter().map(|lane| lane.edges).collect::<Vec<_>>(), [10, 3]);
}

#[test]
fn whoever_says_stop_before_a_lane_has_read_its_inputs_hears_nothing_of_its_floor() {
    let bench = Bench::new("exec sleep 60");
    let stop = Arc::new(StopSignal::new());
    stop.raise();
    let outcome = bench.run_until(&stop);
    assert!(outcome.is_interrupted && !outcome.is_blind, "{:?}", outcome.troubles);
}

#[test]
fn two_workers_are_shared_by_two_lanes_and_one_takes_turns() {
    // What is counted shows which engine ran; each says it once for every start.
    let gated = WELL.replace("executions=65536", "executions=100 debug=7 differential=9");
    let mut bench = Bench::of(&[("call_sequence", WELL), ("call_sequence_keysan", &gated)]);
    bench.plan.time = Duration::from_secs(1);
    for jobs in [1, 2] {
        bench.plan.jobs = jobs;
        let outcome = bench.run();
        let [fast, gated] = &outcome.lanes[..] else { panic!("{outcome:?}") };
        assert!(fast.input_count >= 65536 && fast.debug_count == 0, "{fast:?}");
        assert!(gated.debug_count >= 7 && gated.differential_count >= 9, "{gated:?}");
        assert!(outcome.troubles.is_empty(), "{:?}", outcome.troubles);
    }
}

/// What the wrapper hands to a compiler that says what it was given; `None` if it refuses.
fn arguments_through_the_wrapper(instrumented: Option<&str>, crate_name: &str) -> Option<String> {
    let wrapper = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/instrument-only.sh");
    let mut command = std::process::Command::new(wrapper);
    command.env_remove("REKEYLAB_INSTRUMENTED");
    command.envs(instrumented.map(|crates| ("REKEYLAB_INSTRUMENTED", crates)));
    command.args(["echo", "--crate-name", crate_name, "-Cpasses=sancov-module", "-Copt-level=3"]);
    let output = command.args(["-Cllvm-args=-sanitizer-coverage-level=4"]).output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

#[test]
fn coverage_stays_on_the_crates_that_are_named_and_on_no_other() {
    let through = |name| arguments_through_the_wrapper(Some("rekeylab_driver a"), name).unwrap();
    let with = "-Cpasses=sancov-module -Copt-level=3 -Cllvm-args=-sanitizer-coverage-level=4";
    assert_eq!(
        through("rekeylab_driver").trim_end(),
        format!("--crate-name rekeylab_driver {with}")
    );
    for other in ["rekeylab", "driver", "rekeylab_driver_a"] {
        assert_eq!(through(other).trim_end(), format!("--crate-name {other} -Copt-level=3"));
    }
    assert_eq!(arguments_through_the_wrapper(None, "a"), None, "nobody said what is looked at");
}

#[cfg(feature = "faults")]
mod with_faults {
    use rekeylab::campaign::Archive;
    use rekeylab::campaign::OwnProcess;
    use rekeylab::campaign::findings::Findings;
    use rekeylab::corpus::{Forms, pack};
    use std::path::Path;

    use rekeylab::executor::core_with;
    use rekeylab::sequence::CallSequence;
    use rekeylab::sequence::SequenceText;
    use rekeylab_faults::Fault;

    use super::*;

    /// Hands an input over that breaks an invariant, whole or not at all as targets do, and goes on.
    const HAND_OVER: &str = "\
printf '# rekeylab sequence 1\nd0 = create-device\ns0 = create-session d0\nexchange-key s0\n\
session-status s0\nfinish-refresh s0\n' > \"$REKEYLAB_FOUND/part\"
mv \"$REKEYLAB_FOUND/part\" \"$REKEYLAB_FOUND/crash-a-1\"
";

    fn planted(script: &str) -> Bench {
        let mut bench = Bench::new(script);
        bench.plan.dut = core_with(Some(Fault::FinishWithoutStart));
        bench.plan.fault = Some(Fault::FinishWithoutStart.name());
        bench
    }

    /// Hands over what it comes across, and is well.
    fn hand_over() -> String {
        format!("{WELL}{HAND_OVER}")
    }

    #[test]
    fn a_bug_that_two_workers_find_is_one_finding_and_the_search_goes_on() {
        let bench = planted(&hand_over());
        let outcome = bench.run();
        let [finding] = &outcome.findings[..] else { panic!("{outcome:?}") };
        assert_eq!((finding.invariant, finding.call_count), ("double-finish", 4));
        assert!(!outcome.is_engine_broken && outcome.troubles.is_empty(), "{outcome:?}");
        assert!(finding.path.as_ref().unwrap().is_file());
        assert!(finding.replay.as_ref().unwrap().contains("--fault finish-without-start"));
        let again = bench.run();
        assert!(again.findings[0].is_known, "the next campaign knows it");
    }

    #[test]
    fn what_says_more_of_a_bug_takes_the_place_of_what_was_told_and_names_it() {
        let fault = Fault::FinishKeepsRandom;
        let directory = tempfile::tempdir().unwrap();
        let dut = core_with(Some(fault));
        let mut findings = Findings::new(directory.path().to_owned(), &dut, Some(fault.name()));
        let left = "d0 = create-device\ns0 = create-session d0\nexchange-key s0\n\
                    start-refresh s0\nfinish-refresh s0\n";
        let mut take = |calls: &str| {
            let text = format!("# rekeylab sequence 1\n{calls}");
            assert!(findings.take(&SequenceText::parse(&text).unwrap().sequence()));
            let [finding] = &findings.found[..] else { panic!("{:?}", findings.found) };
            finding.clone()
        };
        let first = take(left);
        assert_eq!((first.invariant, &first.parts[..]), ("key-residue", &[][..]));
        let second = take(&format!("{left}finish-refresh s0\n"));
        assert_eq!(second.invariant, "double-finish");
        assert_eq!(second.parts, [first.fingerprint]);
        assert!(!first.path.unwrap().exists() && second.path.unwrap().exists());
    }

    /// A machine that dies in the next minute takes nothing along.
    #[test]
    fn a_finding_is_archived_while_the_search_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("archive");
        // The worker goes on until the finding is there, or for ten seconds.
        let wait = format!(
            "n=0; while [ $n -lt 100 ] && [ ! -d '{}/findings/double-finish' ]; do sleep 0.1; \
             n=$((n+1)); done",
            archive.display()
        );
        let mut bench = planted(&format!("{}{wait}", hand_over()));
        bench.plan.archive = Some(Archive::open(archive.clone()).unwrap());
        let stop = Arc::new(StopSignal::new());
        let mut is_archived = false;
        // What is saved at the end is saved after the last of these.
        let outcome = search(&bench.plan, &bench.place(), &stop, &mut |_, _| {
            is_archived |= archive.join("findings/double-finish").is_dir();
        });
        assert_eq!(outcome.unwrap().findings.len(), 1);
        assert!(is_archived);
    }

    /// What is stored shows a bug that the fast lane cannot see, whatever the lanes come across.
    #[test]
    fn the_first_look_finds_what_only_a_look_after_every_call_sees() {
        // The key stays in the home of a command that is done: in no output, log or freed block.
        let fault = Fault::CompletedKeyLeft;
        let mut bench = planted(WELL);
        bench.plan.dut = core_with(Some(fault));
        bench.plan.fault = Some(fault.name());
        bench.plan.is_first_looked_through = true;
        let place = bench.place();
        let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        let packed = pack(&[root.join("corpus/seeds")], &place.working_set, Forms::Wire).unwrap();
        let outcome =
            search(&bench.plan, &place, &Arc::new(StopSignal::new()), &mut |_, _| {}).unwrap();
        assert_eq!(outcome.first_look.unwrap().input_count, packed.count as u64);
        let invariants: Vec<_> = outcome.findings.iter().map(|found| found.invariant).collect();
        assert_eq!(invariants, [fault.rings()], "{outcome:?}");
        assert!(outcome.troubles.is_empty(), "{:?}", outcome.troubles);
    }

    /// The gated lane's worker crashes, the fast lane's is well.
    #[test]
    fn what_only_the_gated_lane_stops_for_is_a_finding_of_the_job() {
        let mut bench =
            Bench::of(&[("call_sequence", WELL), ("call_sequence_keysan", &hand_over())]);
        bench.plan.dut = core_with(Some(Fault::FinishWithoutStart));
        bench.plan.fault = Some(Fault::FinishWithoutStart.name());
        bench.plan.time = Duration::from_secs(2);
        for jobs in [1, 2] {
            bench.plan.jobs = jobs;
            let outcome = bench.run();
            assert_eq!(outcome.findings.len(), 1, "{outcome:?}");
            assert!(!outcome.is_blind && !outcome.is_engine_broken, "{outcome:?}");
        }
    }

    #[test]
    fn a_finding_that_cannot_be_stored_is_still_told() {
        let mut bench = planted(&hand_over());
        let file = bench.directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        bench.plan.findings = file.join("findings");
        let outcome = bench.run();
        assert!(outcome.is_storing_broken);
        assert!(outcome.troubles[0].contains("file/findings"), "{:?}", outcome.troubles);
        let [finding] = &outcome.findings[..] else { panic!("{outcome:?}") };
        assert!(finding.path.is_none() && finding.text.contains("finish-refresh s0"));
        // What broke it stays where the worker has left it, for the next campaign.
        let artifacts = "fuzz/artifacts/call_sequence+finish-without-start";
        let runs = std::fs::read_dir(bench.directory.path().join(artifacts)).unwrap();
        let files = runs.flat_map(|run| walk(&run.unwrap().path()));
        let has_it =
            |path: &PathBuf| std::fs::read_to_string(path).unwrap().contains("finish-refresh");
        assert!(files.collect::<Vec<_>>().iter().any(has_it));
    }

    /// Every file below a folder.
    fn walk(path: &Path) -> Vec<PathBuf> {
        if path.is_dir() {
            let entries = std::fs::read_dir(path).unwrap();
            entries.flat_map(|entry| walk(&entry.unwrap().path())).collect()
        } else {
            vec![path.to_owned()]
        }
    }

    #[test]
    fn what_a_killed_campaign_left_is_found_by_the_next_one() {
        let bench = planted(WELL);
        let left = bench
            .directory
            .path()
            .join("fuzz/artifacts/call_sequence+finish-without-start/run-x/worker-0");
        std::fs::create_dir_all(&left).unwrap();
        let text = "# rekeylab sequence 1\nd0 = create-device\ns0 = create-session d0\n\
                    exchange-key s0\nfinish-refresh s0\n";
        std::fs::write(left.join("crash-9"), text).unwrap();
        let outcome = bench.run();
        assert_eq!(outcome.findings.len(), 1);
        assert!(!left.join("crash-9").exists());
    }

    /// Each time it is started again, the worker comes across the same input.
    #[test]
    fn what_is_handed_over_again_after_it_was_looked_at_is_not_left_for_the_next_campaign() {
        let mut bench = planted(&format!("{}\nsleep 0.5; kill -KILL $$", hand_over()));
        bench.plan.time = Duration::from_secs(3);
        let outcome = bench.run();
        assert_eq!(outcome.findings.len(), 1, "{outcome:?}");
        assert!(outcome.deaths.values().sum::<u32>() > 1, "{outcome:?}");
        let artifacts = "fuzz/artifacts/call_sequence+finish-without-start";
        let left = std::fs::read_dir(bench.directory.path().join(artifacts)).unwrap().count();
        assert_eq!(left, 0);
    }

    #[test]
    fn what_holds_in_a_process_of_its_own_is_told_as_that_and_not_with_a_command_that_shows_nothing()
     {
        let fault = Fault::FinishWithoutStart;
        let directory = tempfile::tempdir().unwrap();
        let found = |violations: &str| {
            let says = directory.path().join(format!("says-{}", violations.len()));
            let report =
                format!("{{\"files\":[{{\"report\":{{\"violations\":[{violations}]}}}}]}}");
            write_executable(&says, &format!("#!/bin/sh\ncat > /dev/null\necho '{report}'\n"));
            let dut = core_with(Some(fault));
            let mut findings = Findings::new(directory.path().join("findings"), &dut, None);
            findings.own_process = Some(OwnProcess::new(says, None, None));
            let text = "# rekeylab sequence 1\ncreate-device\ncreate-session d0\nexchange-key s0\n\
                    finish-refresh s0\n";
            findings.take(&CallSequence::from_bytes(text.as_bytes()));
            findings
        };
        let holds = found("");
        assert!(holds.found.is_empty());
        let [raw] = &holds.raw.told[..] else { panic!("{:?}", holds.raw) };
        assert!(
            raw.why.starts_with("it broke double-finish behind other sequences"),
            "{}",
            raw.why
        );
        assert!(raw.path.is_file());
        let breaks = found("{}");
        assert_eq!((breaks.found.len(), breaks.raw.told.len()), (1, 0));
    }
}
