//! Starts the engine's processes, listens to them, and knows why each of them ended.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::directories::{Directories, artifacts_in};
use super::engine::{EngineError, Sanitizer};
use super::line::{Counts, Line, Status, parse_line};
use super::progress::Pulse;
use super::turns::Turn;
use super::{Lane, LaneOutcome, Plan};
use crate::program::as_started;
use crate::watchdog::TIME_LIMIT;

/// Longest input that an engine makes, in bytes: some 170 calls.
const INPUT_LEN_MAX: usize = 4096;

/// Memory of one worker, in MiB: it needs about a tenth, under a sanitizer a quarter.
const RSS_LIMIT_MIB: u32 = 2048;

/// How many of its last lines are kept of each worker.
const LINES_KEPT: usize = 40;

/// The longest line that is read, in bytes; a longer one is cut.
const LINE_LEN_MAX: u64 = 1 << 16;

/// Something a worker did.
#[derive(Debug)]
pub enum Event {
    /// It printed something; the pulse has changed.
    Printed,
    /// It is gone.
    Ended(Box<Ended>),
}

/// How a worker ended.
#[derive(Debug)]
pub struct Ended {
    /// Its number, from 0.
    pub number: usize,
    /// Its lane, by its place in the plan.
    pub lane: usize,
    /// How the system puts it.
    pub status: String,
    /// Whether it did all it was asked to.
    pub is_success: bool,
    /// Whether this program ended it.
    pub was_killed_by_us: bool,
    /// Whether it got so far that it searched: it had read its inputs.
    pub has_searched: bool,
    /// Why it stopped, as far as it said.
    pub cause: Cause,
    /// The inputs it left behind when it died.
    pub artifacts: Vec<PathBuf>,
    /// Where it left things.
    pub(super) directory: PathBuf,
    /// Its last lines.
    pub lines: VecDeque<String>,
}

/// Why a worker stopped, as far as it said.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Cause {
    /// Whether an invariant was broken.
    pub is_violation: bool,
    /// What another sanitizer or the engine said, if not that.
    pub complaint: Option<String>,
}

impl Ended {
    /// What it handed over while it went on.
    pub(super) fn handed_over(&self) -> Vec<PathBuf> {
        artifacts_in(&handed_over(&self.directory))
    }

    /// Its last lines, indented.
    #[must_use]
    pub fn last_words(&self) -> String {
        let skipped = self.lines.len().saturating_sub(12);
        let lines: Vec<String> =
            self.lines.iter().skip(skipped).map(|line| format!("    {line}")).collect();
        lines.join("\n")
    }
}

/// The workers of a campaign.
#[derive(Debug)]
pub struct Team<'a> {
    plan: &'a Plan,
    directories: &'a Directories,
    sender: Sender<(u64, Message)>,
    receiver: Receiver<(u64, Message)>,
    /// Those that run, by a number that is never used again.
    running: BTreeMap<u64, Worker>,
    started_count: u64,
    /// What was done in each lane, without what those that run have counted.
    lanes: Vec<LaneOutcome>,
    corpus: u64,
    /// Layers of its lane that a worker could not look into.
    pub(super) not_looked_into: BTreeSet<String>,
    /// What workers could not write.
    pub(super) not_written: BTreeSet<String>,
}

#[derive(Debug)]
enum Message {
    Line(String),
    Closed,
}

#[derive(Debug)]
struct Worker {
    number: usize,
    /// Its lane, by its place in the plan.
    lane: usize,
    /// When it had read the inputs that it began with.
    searching_since: Option<Instant>,
    child: Child,
    artifacts: PathBuf,
    status: Status,
    /// Of the process that runs the target now, and before that of those that ended: an engine may start it anew.
    counts: Counts,
    counts_before: Counts,
    lines: VecDeque<String>,
    cause: Cause,
    was_killed_by_us: bool,
}

impl<'a> Team<'a> {
    /// A team without workers; the search starts them.
    #[must_use]
    pub fn new(plan: &'a Plan, directories: &'a Directories) -> Self {
        let (sender, receiver) = channel();
        Self {
            plan,
            directories,
            sender,
            receiver,
            running: BTreeMap::new(),
            started_count: 0,
            lanes: plan.lanes.iter().map(LaneOutcome::of).collect(),
            corpus: 0,
            not_looked_into: BTreeSet::new(),
            not_written: BTreeSet::new(),
        }
    }

    /// Whether nobody works.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Starts a worker for one turn. What breaks something it hands over, and goes on.
    ///
    /// # Errors
    ///
    /// When the process cannot be started.
    pub(super) fn start(&mut self, number: usize, turn: Turn) -> Result<(), EngineError> {
        let Some(lane) = self.plan.lanes.get(turn.lane) else { return Ok(()) };
        let key = self.started_count;
        let artifacts = self.directories.artifacts.path().join(format!("worker-{key}"));
        let cannot = |source| EngineError::Start { program: lane.binary.clone(), source };
        fs::create_dir_all(handed_over(&artifacts)).map_err(cannot)?;
        let mut command = self.command(number, lane, turn, &artifacts);
        let mut child = command.spawn().map_err(cannot)?;
        give_way(&child);
        let stderr = child.stderr.take();
        self.started_count += 1;
        let sender = self.sender.clone();
        thread::spawn(move || {
            if let Some(stderr) = stderr {
                listen(stderr, &mut |line| sender.send((key, Message::Line(line))).is_ok());
            }
            // When nobody listens any more, the campaign is over.
            let _ = sender.send((key, Message::Closed));
        });
        let worker = Worker {
            number,
            lane: turn.lane,
            searching_since: None,
            child,
            artifacts,
            status: Status::default(),
            counts: Counts::default(),
            counts_before: Counts::default(),
            lines: VecDeque::new(),
            cause: Cause::default(),
            was_killed_by_us: false,
        };
        self.running.insert(key, worker);
        Ok(())
    }

    fn command(&self, number: usize, lane: &Lane, turn: Turn, artifacts: &Path) -> Command {
        // What the other workers keep is looked at every few seconds. A worker alone would read again,
        // by the clock, what it has itself replaced, and no seed would make that the same.
        let reload = if self.plan.jobs == 1 { 0 } else { 5 };
        let mut command = Command::new(as_started(&lane.binary));
        let mut prefix = std::ffi::OsString::from("-artifact_prefix=");
        prefix.push(artifacts);
        prefix.push("/");
        command
            .args(&lane.arguments)
            .arg(prefix)
            .arg(format!("-max_total_time={}", turn.time.as_secs().max(1)))
            .arg(format!("-max_len={INPUT_LEN_MAX}"))
            .arg(format!("-timeout={}", TIME_LIMIT.as_secs()))
            .arg(format!("-rss_limit_mb={RSS_LIMIT_MIB}"))
            .arg(format!("-reload={reload}"))
            .args(["-print_final_stats=1", "-len_control=20"]);
        if let Some(count) = turn.input_count {
            // The engine counts what it reads, too.
            let stored = fs::read_dir(&self.directories.working_set).map_or(0, Iterator::count);
            command.arg(format!("-runs={}", count.saturating_add(stored as u64)));
        }
        if let Some(seed) = self.plan.seed {
            // A restarted worker must not do the same again; 0 would mean "any".
            let started = u32::try_from(self.started_count).unwrap_or(u32::MAX);
            command.arg(format!("-seed={}", seed.wrapping_add(started).max(1)));
        }
        command
            .arg(&self.directories.working_set)
            .current_dir(&self.directories.root)
            .env("REKEYLAB_PROGRESS", "1")
            .env("REKEYLAB_FOUND", handed_over(artifacts))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        match self.plan.fault {
            Some(fault) => command.env("REKEYLAB_FAULT", fault),
            None => command.env_remove("REKEYLAB_FAULT"),
        };
        if self.plan.sanitizer == Sanitizer::Address {
            let own = "detect_odr_violation=0:detect_stack_use_after_return=0";
            let options = match std::env::var("ASAN_OPTIONS") {
                Ok(theirs) if !theirs.is_empty() => format!("{own}:{theirs}"),
                _ => own.to_owned(),
            };
            command.env("ASAN_OPTIONS", options);
        }
        #[cfg(unix)]
        {
            // A group of its own: Ctrl-C reaches this program alone, which then ends the workers.
            // Should this program be killed, they end at their next line: nobody reads it.
            use std::os::unix::process::CommandExt as _;
            let _ = number;
            command.process_group(0);
        }
        command
    }

    /// What happened next, or `None` when nothing did for so long.
    pub fn next_event(&mut self, patience: Duration) -> Option<Event> {
        let (key, message) = match self.receiver.recv_timeout(patience) {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
        };
        match message {
            Message::Line(line) => {
                self.hear(key, line);
                Some(Event::Printed)
            }
            Message::Closed => self.bury(key).map(|ended| Event::Ended(Box::new(ended))),
        }
    }

    fn hear(&mut self, key: u64, line: String) {
        let Some(worker) = self.running.get_mut(&key) else { return };
        let Some(lane) = self.lanes.get_mut(worker.lane) else { return };
        match parse_line(&line) {
            Line::Status(status) => {
                worker.status.executions = worker.status.executions.max(status.executions);
                lane.edges = lane.edges.max(status.coverage.unwrap_or(0));
                lane.is_all_read |= status.is_all_read;
                worker.status.is_all_read |= status.is_all_read;
                if status.is_all_read {
                    worker.searching_since.get_or_insert_with(Instant::now);
                }
                self.corpus = self.corpus.max(status.corpus.unwrap_or(0));
            }
            Line::Counts(counts) => worker.count(counts),
            Line::NotLookedInto(layers) => self.not_looked_into.extend(layers),
            Line::NotWritten(what) => drop(self.not_written.insert(what)),
            Line::FinalExecutions(executions) => {
                worker.status.executions = worker.status.executions.max(executions);
            }
            Line::Sanitizer { name, kind } if name == "KeySanitizer" => {
                worker.cause = Cause { is_violation: true, complaint: Some(kind) };
            }
            // The first one says it; libFuzzer then calls it a deadly signal as well.
            Line::Sanitizer { name, kind } if worker.cause.complaint.is_none() => {
                worker.cause.complaint = Some(format!("{name}: {kind}"));
            }
            Line::Sanitizer { .. } | Line::Artifact(_) | Line::Other => {}
        }
        if worker.lines.len() == LINES_KEPT {
            worker.lines.pop_front();
        }
        worker.lines.push_back(line);
    }

    fn bury(&mut self, key: u64) -> Option<Ended> {
        let mut worker = self.running.remove(&key)?;
        // Its standard error is closed; if it lives on all the same, it is of no use any more.
        let status = match wait_a_little(&mut worker.child) {
            Some(status) => status,
            None => {
                let _ = worker.child.kill();
                worker.child.wait().ok()
            }
        };
        if let Some(lane) = self.lanes.get_mut(worker.lane) {
            lane.add(&worker);
        }
        Some(Ended {
            number: worker.number,
            lane: worker.lane,
            status: status.map_or_else(|| "unknown status".to_owned(), |status| status.to_string()),
            is_success: status.is_some_and(|status| status.success()),
            was_killed_by_us: worker.was_killed_by_us,
            has_searched: worker.status.is_all_read,
            cause: worker.cause,
            artifacts: artifacts_in(&worker.artifacts),
            directory: worker.artifacts,
            lines: worker.lines,
        })
    }

    /// What workers have handed over since this was last asked, and where it lies.
    #[must_use]
    pub fn handed_over(&self) -> Vec<PathBuf> {
        let running = self.running.values().map(|worker| &worker.artifacts);
        running.flat_map(|artifacts| artifacts_in(&handed_over(artifacts))).collect()
    }

    /// Ends everyone at once; what they have found so far is still looked at.
    pub fn kill_all(&mut self) {
        for worker in self.running.values_mut() {
            worker.was_killed_by_us = true;
            // It may have ended by itself a moment ago.
            let _ = worker.child.kill();
        }
    }

    /// What was done in each lane so far, in the order of the plan.
    #[must_use]
    pub fn lanes(&self) -> Vec<LaneOutcome> {
        let mut lanes = self.lanes.clone();
        for worker in self.running.values() {
            if let Some(lane) = lanes.get_mut(worker.lane) {
                lane.add(worker);
            }
        }
        lanes
    }

    /// What all workers have done together, the ended ones included.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        let lanes = self.lanes();
        Pulse {
            executions: lanes.iter().map(|lane| lane.input_count).sum(),
            calls: lanes.iter().map(|lane| lane.call_count).sum(),
            coverage: lanes.iter().map(|lane| lane.edges).max().unwrap_or(0),
            corpus: self.corpus,
            ..Pulse::default()
        }
    }
}

impl LaneOutcome {
    fn add(&mut self, worker: &Worker) {
        self.input_count += worker.executions();
        let counts = worker.counts_before + worker.counts;
        self.call_count += counts.calls;
        self.debug_count += counts.debug;
        self.differential_count += counts.differential;
        self.time += worker.searching_since.map_or(Duration::ZERO, |since| since.elapsed());
    }
}

impl Worker {
    fn executions(&self) -> u64 {
        let counts = self.counts_before + self.counts;
        self.status.executions.max(counts.executions)
    }

    /// Notes what the process that runs the target has counted so far.
    fn count(&mut self, counts: Counts) {
        if counts.executions < self.counts.executions {
            self.counts_before = self.counts_before + self.counts;
        }
        self.counts = counts;
    }
}

/// Where a worker with these artifacts hands inputs over, while it goes on.
pub(super) fn handed_over(artifacts: &Path) -> PathBuf {
    artifacts.join("handed-over")
}

/// Lets whoever looks at findings go before a worker. Where there are more workers than processors, findings would
/// otherwise be known only when the search is over.
fn give_way(child: &Child) {
    #[cfg(unix)]
    {
        use rustix::process::{Pid, getpriority_process, setpriority_process};

        // One that is gone already or may not be changed searches all the same.
        let ours = getpriority_process(None).unwrap_or_default();
        let _ = setpriority_process(Some(Pid::from_child(child)), ours + GIVEN_WAY);
    }
    #[cfg(not(unix))]
    let _ = child;
}

/// By how much a worker is nicer than the campaign: it gets a tenth of what the campaign gets where both want the same
/// processor.
#[cfg(unix)]
const GIVEN_WAY: i32 = 10;

impl Drop for Team<'_> {
    fn drop(&mut self) {
        self.kill_all();
        for worker in self.running.values_mut() {
            let _ = worker.child.wait();
        }
    }
}

/// The exit status, `None` when the process still runs after a second.
fn wait_a_little(child: &mut Child) -> Option<Option<ExitStatus>> {
    for _ in 0..100 {
        match child.try_wait() {
            Ok(Some(status)) => return Some(Some(status)),
            Ok(None) => thread::sleep(Duration::from_millis(10)),
            Err(_) => return Some(None),
        }
    }
    None
}

/// Hands on every line until the stream ends; bytes that are not text are replaced.
fn listen(stream: impl Read, hand_on: &mut dyn FnMut(String) -> bool) {
    let mut reader = BufReader::new(stream);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        match (&mut reader).take(LINE_LEN_MAX).read_until(b'\n', &mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
                if !hand_on(line) {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_handed_on_whatever_they_consist_of() {
        let mut lines = Vec::new();
        let long = vec![b'x'; 3 * 65536];
        let mut bytes = b"one\r\n\n\xFF\xFE\n".to_vec();
        bytes.extend_from_slice(&long);
        listen(&bytes[..], &mut |line| {
            lines.push(line);
            true
        });
        assert_eq!(lines[..3], ["one", "", "\u{FFFD}\u{FFFD}"]);
        assert_eq!(lines[3..].iter().map(String::len).sum::<usize>(), long.len());
    }
}
