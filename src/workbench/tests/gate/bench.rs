//! A workspace with scripts in place of the program of a change and that of its base.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rekeylab::campaign::StopSignal;
use rekeylab::exit::Exit;
use rekeylab::gate::{Base, Change, Plan, Step, run};
use rekeylab::report::results::{Results, StepEnd};

use crate::executable::write_executable;

pub(crate) struct Bench {
    directory: tempfile::TempDir,
    pub(crate) plan: Plan,
}

/// What a gate came to.
pub(crate) struct Ran {
    pub(crate) results: Results,
    pub(crate) exit: Exit,
    /// Every event as a line of JSON.
    pub(crate) events: Vec<serde_json::Value>,
}

impl Ran {
    pub(crate) fn end(&self, step: &str) -> &StepEnd {
        &self.results.steps.iter().find(|result| result.step == step).unwrap().end
    }

    /// The verdict of each finding.
    pub(crate) fn verdicts(&self) -> Vec<&'static str> {
        let verdict = |found: &rekeylab::report::results::Found| found.judgement.verdict.name();
        self.results.findings.iter().map(verdict).collect()
    }
}

impl Bench {
    /// Steps of these names; the script of the change does this when it is asked for one, or to `run`.
    pub(crate) fn new(steps: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let program = script(directory.path(), "head", steps);
        let step = |&(name, _): &(&str, &str)| Step {
            name: name.to_owned(),
            says: format!("what {name} does"),
            arguments: vec![name.to_owned()],
            driver: None,
            limit: Duration::from_secs(60),
            left_out: None,
            is_for_base: true,
            needs_faults: false,
        };
        let is_step = |it: &&(&str, &str)| !["run", "audit-file", "minimize"].contains(&it.0);
        let plan = Plan {
            root: directory.path().to_owned(),
            program,
            base: None,
            change: Change::unknown("it is a test"),
            steps: steps.iter().filter(is_step).map(step).collect(),
            budget: Duration::from_secs(120),
            is_advisory: false,
            stop: Arc::new(StopSignal::new()),
        };
        Self { directory, plan }
    }

    /// The base is a program that does this when it is asked to `run`.
    pub(crate) fn with_base(self, does: &str) -> Self {
        self.with_base_of(&[("run", does)])
    }

    /// The base is a program that does what stands beside its first argument.
    pub(crate) fn with_base_of(mut self, cases: &[(&str, &str)]) -> Self {
        let base = script(self.directory.path(), "base", cases);
        self.plan.base = Some(Base::Program(base));
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn run(&self) -> Ran {
        let mut events = Vec::new();
        let ran: Result<_, Infallible> = run(&self.plan, &mut |event| {
            events.push(serde_json::to_value(event).unwrap());
            Ok(())
        });
        let Ok((results, exit)) = ran;
        Ran { results, exit, events }
    }
}

/// A script that does what stands beside its first argument.
fn script(directory: &Path, name: &str, cases: &[(&str, &str)]) -> PathBuf {
    let path = directory.join(name);
    let case = |(word, does): &(&str, &str)| format!("{word})\n{does}\n;;\n");
    let cases: String = cases.iter().map(case).collect();
    let text = format!("#!/bin/sh\ncase \"$1\" in\n{cases}*) exit 2;;\nesac\n");
    write_executable(&path, &text);
    path
}

/// Tells that nothing was found.
pub(crate) const CLEAN: &str = "echo '{\"version\":1,\"file_count\":3,\"files\":[],\"errors\":[]}'";

/// A finding of this fingerprint as a search tells it, without the end of its line.
pub(crate) fn finding(fingerprint: &str) -> String {
    format!(
        "{{\"invariant\":\"double-finish\",\"happened\":\"answered S_OK\",\"fingerprint\":\"{fingerprint}\",\
         \"calls\":4,\"known\":false,\"file\":\"{fingerprint}.seq\",\"replay\":\"again\",\"text\":\"calls\"}}"
    )
}

/// Tells these findings and ends as a search does that has found something.
pub(crate) fn finds(fingerprints: &[&str]) -> String {
    let findings: Vec<String> = fingerprints.iter().map(|it| finding(it)).collect();
    format!("echo '{{\"version\":1,\"findings\":[{}]}}'; exit 3", findings.join(","))
}

/// Tells, as `run` does, that its file shows the finding that it is named after.
pub(crate) const SHOWS: &str = "\
f=$(basename \"$2\" .seq)
echo \"{\\\"version\\\":1,\\\"file_count\\\":1,\\\"files\\\":[{\\\"file\\\":\\\"$2\\\",\\\"is_clean\\\":false,\
\\\"mismatches\\\":[],\\\"story\\\":\\\"the story of $f\\\",\\\"report\\\":{\\\"sequence\\\":\\\"\\\",\\\"replay\\\":\\\"again\\\",\
\\\"violations\\\":[{\\\"invariant\\\":\\\"double-finish\\\",\\\"call\\\":1,\\\"happened\\\":\\\"answered S_OK\\\",\
\\\"expected\\\":\\\"a refusal\\\",\\\"fingerprint\\\":\\\"$f\\\"}]}}],\\\"errors\\\":[]}\"
exit 3";

/// Runs the first with every other call, beginning with it, and otherwise the second.
pub(crate) fn alternately(first: &str, second: &str) -> String {
    format!(
        "n=$(cat \"$0.n\" 2>/dev/null || echo 0); echo $((n + 1)) > \"$0.n\"\n\
         if [ $((n % 2)) = 0 ]; then\n{first}\nfi\n{second}"
    )
}
