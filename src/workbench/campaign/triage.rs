//! Makes findings on a thread of its own, so that no worker waits for it, and in a share of the time.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::directories::kind_of;
use super::findings::{Finding, Findings, Held};
use super::first_look::{FirstLook, first_look};
use super::own_process::Deadline;
use super::raw_findings::RawFinding;
use super::worker::Cause;
use super::{Plan, StopSignal};
use crate::report::Fingerprint;

/// One part in so many of all workers' time may go into looking at inputs that look like others.
const SHARE: u32 = 20;

/// How long inputs that look like others are still looked at when the search is over.
const AFTERWARDS: Duration = Duration::from_secs(10);

/// How long inputs are still looked at then that look like no other: as long as the search took, but no longer than
/// this and no shorter than [`AFTERWARDS`]. Each is minimised, which takes seconds of a slow driver, and a bug that
/// every input shows may have hundreds of looks.
const LAST_LOOKS_MAX: Duration = Duration::from_secs(60);

/// How long a hang may still be made shorter then: one that is not short tells less, and may be told as
/// several.
const HANGS_AFTERWARDS: Duration = Duration::from_secs(60);

/// So many inputs of one look are looked at when the search is over.
const OF_ONE_LOOK: u32 = 3;

/// The thread, and what it says.
#[derive(Debug)]
pub(super) struct Triage {
    jobs: Option<Sender<Job>>,
    told: Receiver<Told>,
    thread: Option<JoinHandle<Triaged>>,
    /// From when on hangs are no longer made shorter.
    until: Deadline,
    /// From when on the first look leaves what it comes across to the next campaign.
    looks_until: Deadline,
    /// How long that is after the search.
    looks_after: Duration,
}

/// Something to look at.
#[derive(Debug)]
struct Job {
    artifact: PathBuf,
    /// Why the worker died that left it; `None` if it was handed over.
    cause: Option<Cause>,
    /// Whether another campaign left it, perhaps with another build.
    is_left_behind: bool,
}

/// Something that the triage came to.
#[derive(Debug)]
pub(super) enum Told {
    /// A new finding.
    Finding(Box<Finding>),
    /// An artifact of which no sequence could be made.
    Raw(RawFinding),
    /// So many inputs of so many went through the first look.
    Looking(usize, usize),
    /// The first look is over, if there was one.
    Ready(Option<FirstLook>),
}

/// All that the triage came to.
#[derive(Debug, Default)]
pub(super) struct Triaged {
    pub(super) found: Vec<Finding>,
    pub(super) raw: Vec<RawFinding>,
    pub(super) troubles: Vec<String>,
    pub(super) is_storing_broken: bool,
    /// Inputs that look like others and were not looked at.
    pub(super) passed_over_count: usize,
    /// Inputs that look like no other, and stay where they are for the next campaign.
    pub(super) left_count: usize,
    /// Inputs that were looked at or passed over, and removed. Whatever is not among them is nobody's to remove.
    pub(super) removed: BTreeSet<PathBuf>,
    /// Inputs that another campaign had left, and that break nothing any more.
    pub(super) mended_count: usize,
    /// Inputs that ran for too long once, and never again.
    pub(super) stalled_count: usize,
}

impl Triage {
    /// Begins with the first look if the plan has one, and then with what killed campaigns left.
    pub(super) fn start(
        plan: &Plan,
        working_set: &Path,
        left_behind: Vec<PathBuf>,
        stop: &Arc<StopSignal>,
    ) -> Self {
        let (jobs, queue) = channel();
        let (sender, told) = channel();
        let (plan, working_set, stop) = (plan.clone(), working_set.to_owned(), Arc::clone(stop));
        let (until, looks_until) = (Deadline::default(), Deadline::default());
        let looks_after = plan.time.clamp(AFTERWARDS, LAST_LOOKS_MAX);
        let its_until = looks_until.clone();
        let own_process = plan.own_process.clone().map(|one| one.until(&until));
        let thread = thread::spawn(move || {
            let mut findings = Findings::new(plan.findings.clone(), &plan.dut, plan.fault);
            findings.own_process = own_process;
            let mut teller =
                Teller { told: sender, told_findings: BTreeSet::new(), told_raw_count: 0 };
            let look = plan.is_first_looked_through.then(|| {
                let show = &mut |findings: &Findings, done, all| {
                    teller.tell(findings);
                    let _ = teller.told.send(Told::Looking(done, all));
                };
                first_look(&working_set, &plan.dut, &mut findings, &stop, &its_until, show)
            });
            teller.tell(&findings);
            let _ = teller.told.send(Told::Ready(look.map(|(look, _)| look)));
            let left_count = look.map_or(0, |(_, left)| left);
            let desk = Desk { findings, teller, left_count, removed: BTreeSet::new() };
            let left_behind = left_behind.into_iter();
            let left_behind =
                left_behind.map(|artifact| Job { artifact, cause: None, is_left_behind: true });
            desk.work(left_behind, &queue, plan.jobs, &stop)
        });
        Self { jobs: Some(jobs), told, thread: Some(thread), until, looks_until, looks_after }
    }

    /// Hands on what a worker left or handed over.
    pub(super) fn take(&self, artifact: PathBuf, cause: Option<Cause>) {
        // A thread that is gone is noticed at the end.
        let _ = self
            .jobs
            .as_ref()
            .map(|jobs| jobs.send(Job { artifact, cause, is_left_behind: false }));
    }

    /// What it came to next, or `None` when nothing did for so long.
    pub(super) fn next(&self, patience: Duration) -> Option<Told> {
        self.told.recv_timeout(patience).ok()
    }

    /// Whether the thread has ended, by itself or by a panic.
    pub(super) fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Says that nothing more comes.
    pub(super) fn close(&mut self) {
        self.jobs = None;
        self.until.set(HANGS_AFTERWARDS);
        self.looks_until.set(self.looks_after);
    }

    /// All that it came to, once it is over.
    pub(super) fn end(mut self) -> Triaged {
        self.close();
        let ended = self.thread.take().map(JoinHandle::join);
        let Some(Ok(triaged)) = ended else {
            let trouble =
                "the triage ended before its time; what workers left is kept for the next run";
            return Triaged {
                troubles: vec![trouble.to_owned()],
                is_storing_broken: true,
                ..Triaged::default()
            };
        };
        triaged
    }
}

/// What the thread works with.
struct Desk {
    findings: Findings,
    teller: Teller,
    /// Stored inputs that look like no other, and were left by the first look.
    left_count: usize,
    /// See [`Triaged::removed`].
    removed: BTreeSet<PathBuf>,
}

impl Desk {
    fn work(
        mut self,
        left_behind: impl Iterator<Item = Job>,
        queue: &Receiver<Job>,
        workers: usize,
        stop: &StopSignal,
    ) -> Triaged {
        let started = Instant::now();
        let mut waiting = Waiting::default();
        left_behind.for_each(|job| waiting.add(job));
        let mut spent = Duration::ZERO;
        let workers = u32::try_from(workers).unwrap_or(u32::MAX);
        loop {
            let patience = if waiting.has_new() { Duration::ZERO } else { PATIENCE };
            match queue.recv_timeout(patience) {
                Ok(job) => {
                    waiting.add(job);
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            // What looks new is looked at in any case.
            let may_look = waiting.has_new() || spent * SHARE <= started.elapsed() * workers;
            if may_look && let Some(job) = waiting.next() {
                let began = Instant::now();
                self.look_at(&job);
                spent += began.elapsed();
            }
        }
        let took = started.elapsed();
        self.finish(waiting, stop, took.clamp(AFTERWARDS, LAST_LOOKS_MAX))
    }

    /// The search is over: a few of each look are looked at.
    fn finish(mut self, mut waiting: Waiting, stop: &StopSignal, last_looks: Duration) -> Triaged {
        let (now, mut has_looked) = (Instant::now(), false);
        let until = now + AFTERWARDS;
        let mut passed_over_count = 0;
        let mut left_count = self.left_count;
        while let Some(job) = waiting.next() {
            let is_enough = waiting.last_count > OF_ONE_LOOK || Instant::now() > until;
            if waiting.last_count > 1 && (is_enough || stop.is_raised()) {
                passed_over_count += 1;
                // Nothing is known yet of one that hung; the next campaign finds it where it is.
                if !is_hang(&job) {
                    let _ = std::fs::remove_file(&job.artifact);
                    self.removed.insert(job.artifact);
                }
            } else if has_looked
                && (now.elapsed() > last_looks || stop.is_raised() && Instant::now() > until)
            {
                // Of what broke something, one at least was looked at.
                left_count += 1;
            } else {
                self.look_at(&job);
                has_looked = true;
            }
        }
        let findings = &mut self.findings;
        Triaged {
            found: mem::take(&mut findings.found),
            raw: mem::take(&mut findings.raw.told),
            troubles: mem::take(&mut findings.troubles),
            is_storing_broken: findings.is_storing_broken,
            passed_over_count: passed_over_count
                + findings.hung_alike_count
                + findings.raw.alike_count,
            left_count,
            removed: self.removed,
            mended_count: findings.mended_count,
            stalled_count: findings.stalled_count,
        }
    }

    fn look_at(&mut self, job: &Job) {
        let held = if job.is_left_behind { Held::IsMended } else { Held::IsFinding };
        self.findings.triage(&job.artifact, job.cause.as_ref(), held);
        // What could not be stored is still there.
        if !job.artifact.exists() {
            self.removed.insert(job.artifact.clone());
        }
        self.teller.tell(&self.findings);
    }
}

/// Says what is found, each finding once.
struct Teller {
    told: Sender<Told>,
    told_findings: BTreeSet<Fingerprint>,
    told_raw_count: usize,
}

impl Teller {
    /// Tells what is new. Nobody may be listening any more.
    fn tell(&mut self, findings: &Findings) {
        for finding in &findings.found {
            if self.told_findings.insert(finding.fingerprint) {
                let _ = self.told.send(Told::Finding(Box::new(finding.clone())));
            }
        }
        for raw in &findings.raw.told[self.told_raw_count..] {
            let _ = self.told.send(Told::Raw(raw.clone()));
        }
        self.told_raw_count = findings.raw.told.len();
    }
}

/// How long the thread waits for something to do.
const PATIENCE: Duration = Duration::from_millis(50);

/// Inputs that wait, those of rare looks first.
#[derive(Default)]
struct Waiting {
    /// By how many of their look came before them, in the order of coming.
    jobs: BTreeMap<(u32, u64), Job>,
    counts: BTreeMap<String, u32>,
    number: u64,
    /// Which of its look the one was that was handed out last, from 1.
    last_count: u32,
}

impl Waiting {
    fn add(&mut self, job: Job) {
        let count = self.counts.entry(look(&job)).or_default();
        *count += 1;
        self.number += 1;
        self.jobs.insert((*count, self.number), job);
    }

    /// Whether one waits that is the first of its look.
    fn has_new(&self) -> bool {
        self.jobs.first_key_value().is_some_and(|((count, _), _)| *count == 1)
    }

    fn next(&mut self) -> Option<Job> {
        let ((count, _), job) = self.jobs.pop_first()?;
        self.last_count = count;
        Some(job)
    }
}

/// What inputs look like that were handed over, by their names. Those that hung are told apart by running
/// them, which takes so long that they count as alike; any other that a worker died of is one of its own.
fn look(job: &Job) -> String {
    let name = job.artifact.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match (&job.cause, name.rsplit_once('-')) {
        _ if is_hang(job) => "timeout".to_owned(),
        (None, Some((look, _))) if look.contains('-') => look.to_owned(),
        _ => name,
    }
}

fn is_hang(job: &Job) -> bool {
    kind_of(&job.artifact) == Some("timeout")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_new_comes_first_and_those_that_look_alike_wait() {
        let mut waiting = Waiting::default();
        let handed_over =
            |name: &str| Job { artifact: PathBuf::from(name), cause: None, is_left_behind: false };
        for name in ["crash-aa-1", "crash-aa-2", "crash-bb-1", "crash-aa-3"] {
            waiting.add(handed_over(name));
        }
        for name in ["timeout-5", "timeout-6", "oom-7"] {
            waiting.add(Job { cause: Some(Cause::default()), ..handed_over(name) });
        }
        let mut order = Vec::new();
        while let Some(job) = waiting.next() {
            order.push((job.artifact.display().to_string(), waiting.last_count));
        }
        let expected = [
            ("crash-aa-1", 1),
            ("crash-bb-1", 1),
            ("timeout-5", 1),
            ("oom-7", 1),
            ("crash-aa-2", 2),
            ("timeout-6", 2),
            ("crash-aa-3", 3),
        ];
        assert_eq!(order, expected.map(|(name, count)| (name.to_owned(), count)));
    }
}
