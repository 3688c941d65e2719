//! A campaign with an engine that misbehaves on purpose: nothing is lost, and it always ends.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rekeylab::campaign::{Directories, Outcome, Plan, Sanitizer, StopSignal, search};
use rekeylab::executor::AnyDut;

/// What libFuzzer prints while it is well.
const WELL: &str = "\
echo '#2 INITED cov: 10 ft: 20 corp: 3/60b exec/s: 0 rss: 30Mb' >&2
echo 'rekeylab: executions=65536 calls=1000000' >&2
";

/// Leaves an artifact and dies of an invariant, as the fuzz target does.
const CRASH: &str = "\
printf '# rekeylab sequence 1\\nd0 = create-device\\ns0 = create-session d0\\nexchange-key s0\\n\
session-status s0\\nfinish-refresh s0\\n' > \"$prefix\"crash-1
echo '==7==ERROR: KeySanitizer: double-finish on address 0x4' >&2
kill -ABRT $$
";

struct Bench {
    directory: tempfile::TempDir,
    engine: PathBuf,
    plan: Plan,
}

impl Bench {
    /// An engine that is this shell script; `$prefix` is where artifacts go.
    fn new(script: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let engine = directory.path().join("engine");
        let find = "for a in \"$@\"; do case $a in -artifact_prefix=*) prefix=${a#*=};; esac; done";
        std::fs::write(&engine, format!("#!/bin/sh\n{find}\n{script}")).unwrap();
        std::fs::set_permissions(&engine, PermissionsExt::from_mode(0o755)).unwrap();
        let plan = Plan {
            dut: AnyDut::default(),
            time: Duration::from_secs(20),
            jobs: 2,
            target: "call_sequence".to_owned(),
            sanitizer: Sanitizer::None,
            fault: None,
            seed: Some(1),
            findings: directory.path().join("findings"),
            own_process: None,
        };
        Self { directory, engine, plan }
    }

    fn place(&self) -> Directories {
        Directories::prepare(self.directory.path(), &self.plan.target).unwrap()
    }

    fn run(&self) -> Outcome {
        self.run_until(&StopSignal::new())
    }

    fn run_until(&self, stop: &StopSignal) -> Outcome {
        let place = self.place();
        search(&self.plan, &place, self.engine.clone(), stop, &mut |_, _| {}).unwrap()
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
fn a_program_that_is_no_engine_is_an_error_that_names_it() {
    let mut bench = Bench::new("");
    bench.engine = bench.directory.path().join("no-such-engine");
    let place = bench.place();
    let stop = StopSignal::new();
    let error =
        search(&bench.plan, &place, bench.engine.clone(), &stop, &mut |_, _| {}).unwrap_err();
    assert!(error.to_string().contains("no-such-engine"), "{error}");
}

#[test]
fn a_stop_ends_workers_that_would_go_on() {
    let bench = Bench::new(&format!("{WELL}exec sleep 60"));
    let stop = StopSignal::new();
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
    let script = "head -c 300000 /dev/zero >&2\nprintf '\\377\\376#9 NEW cov: 1\\n' >&2\nexit 0";
    let outcome = Bench::new(script).run();
    assert!(outcome.troubles.is_empty(), "{:?}", outcome.troubles);
}

#[cfg(feature = "faults")]
mod with_faults {
    use rekeylab::executor::core_with;
    use rekeylab_faults::Fault;

    use super::*;

    fn planted(script: &str) -> Bench {
        let mut bench = Bench::new(script);
        bench.plan.dut = core_with(Some(Fault::FinishWithoutStart));
        bench.plan.fault = Some(Fault::FinishWithoutStart.name());
        bench
    }

    /// Crashes once; as soon as it is told to ignore that, it is well.
    fn crash_once() -> String {
        format!(
            "{WELL}case $REKEYLAB_KNOWN in *double-finish/finish-refresh*) exit 0;; esac\n{CRASH}"
        )
    }

    #[test]
    fn a_bug_that_two_workers_find_is_one_finding_and_the_search_goes_on() {
        let bench = planted(&crash_once());
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
    fn a_finding_that_cannot_be_stored_is_still_told() {
        let mut bench = planted(&crash_once());
        let file = bench.directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        bench.plan.findings = file.join("findings");
        let outcome = bench.run();
        assert!(outcome.is_storing_broken);
        assert!(outcome.troubles[0].contains("file/findings"), "{:?}", outcome.troubles);
        let [finding] = &outcome.findings[..] else { panic!("{outcome:?}") };
        assert!(finding.path.is_none() && finding.text.contains("finish-refresh s0"));
    }

    #[test]
    fn what_a_killed_campaign_left_is_found_by_the_next_one() {
        let bench = planted(WELL);
        let left = bench.directory.path().join("fuzz/artifacts/call_sequence/run-x/worker-0");
        std::fs::create_dir_all(&left).unwrap();
        let text = "# rekeylab sequence 1\nd0 = create-device\ns0 = create-session d0\n\
                    exchange-key s0\nfinish-refresh s0\n";
        std::fs::write(left.join("crash-9"), text).unwrap();
        let outcome = bench.run();
        assert_eq!(outcome.findings.len(), 1);
        assert!(!left.join("crash-9").exists());
    }
}
