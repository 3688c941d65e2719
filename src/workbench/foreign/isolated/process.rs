//! The process of a driver, seen from the command.

use std::env;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::Duration;

use rekeylab_abi::begin_at_fixed_addresses;

use crate::observation::{Death, End, Layers, Stage, Trace};
use crate::program::as_started;
use crate::watchdog::{TIME_LIMIT, time_limit};

use super::super::Sheet;
use super::message::{Request, Shared, Signal};

/// A process that runs sequences on a driver. It ends when this is dropped.
pub(super) struct Process {
    child: Child,
    socket: UnixStream,
    shared: Shared,
    /// The layers that it cannot look into.
    missing: Layers,
    /// How many counters its library has.
    edge_count: usize,
    /// What the driver prints.
    printed: File,
    /// How many sequences its worker has run.
    run_count: u32,
    /// The processor that its worker is bound to.
    processor: Option<usize>,
    /// Whether several threads run each sequence.
    has_threads: bool,
    is_gone: bool,
}

/// What sanitizers are told unless somebody says otherwise: a finding has its name and ends the process, as only that
/// is seen from outside. A process that is ended has no leaks, and what this program does in Rust, `ThreadSanitizer`
/// sees only half of.
const OF_SANITIZERS: [(&str, &str); 3] = [
    ("ASAN_OPTIONS", "detect_leaks=0"),
    ("UBSAN_OPTIONS", "print_summary=1:report_error_type=1"),
    ("TSAN_OPTIONS", "halt_on_error=1:ignore_noninstrumented_modules=1"),
];

/// How much of what a driver prints is kept, in bytes: a report of a sanitizer has some thousands.
const PRINTED_MAX: u64 = 1 << 20;

/// After how many sequences that is looked at.
const RUNS_PRINTED: u32 = 64;

/// How long a server may take to see that its worker is gone and nobody asks any more.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many sequences one worker runs: what a driver forgets to free does not fill the memory.
const RUNS_MAX: u32 = 4096;

/// What came of a request.
#[derive(Debug)]
pub(super) enum Asked {
    /// The trace is there.
    Answered,
    /// The run did not end, and was here.
    Hung(Stage),
    /// The run took its process along, and was here.
    Died(Death, Stage),
}

/// Why a driver cannot be driven.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its process cannot be started.
    #[error("cannot start a process for it: {0}")]
    Io(#[from] io::Error),
    /// It does not open, for this reason.
    #[error("{reason}")]
    Refused {
        /// What is wrong.
        reason: String,
        /// What to try.
        way_out: String,
    },
    /// Its process did not survive that.
    #[error("does not survive being opened: it {0}")]
    Died(Death),
}

impl Process {
    /// Starts the process, in which so many threads run each sequence, and waits until the driver is open.
    pub(super) fn start(program: &Path, sheet: &Sheet, threads: usize) -> Result<Self, StartError> {
        let (socket, its) = UnixStream::pair()?;
        let shared = memory()?;
        // Whatever is cut off in front, the driver goes on at its end.
        let printed = tempfile::Builder::new().append(true).tempfile()?.into_file();
        let limit = time_limit().unwrap_or(TIME_LIMIT);
        let mut command = Command::new(as_started(program));
        command.arg("--time-limit").arg(format!("{}ms", limit.as_millis()));
        command.arg("drive").arg("--threads").arg(threads.to_string());
        command.arg(&sheet.path).envs(&sheet.environment);
        for (name, usual) in OF_SANITIZERS {
            // What the data sheet or the environment says comes later, and is what counts.
            let said = sheet.environment.get(name).cloned().or_else(|| env::var(name).ok());
            command.env(name, format!("{usual}:{}", said.unwrap_or_default()));
        }
        let preloaded = sheet.environment.get("LD_PRELOAD");
        if preloaded.is_some_and(|library| library.contains("libtsan")) {
            begin_at_fixed_addresses(&mut command);
        }
        // It has three files, which are known by their numbers: what is asked, what is answered, what the driver prints.
        command.stdin(OwnedFd::from(its)).stdout(shared.try_clone()?).stderr(printed.try_clone()?);
        // Ctrl-C is for the command alone: what ends this process otherwise is the driver's doing.
        command.process_group(0);
        let child = command.spawn()?;
        drop(command);
        let mut process = Self {
            child,
            socket,
            shared: Shared(shared),
            missing: Layers::NONE,
            edge_count: 0,
            printed,
            run_count: 0,
            processor: None,
            has_threads: threads > 1,
            is_gone: false,
        };
        match Signal::read(&process.socket)? {
            Some(Signal::Ready(len)) => {
                let (missing, edge_count) = process.shared.answer(len, &mut Vec::new())?;
                (process.missing, process.edge_count) = (missing, edge_count);
                Ok(process)
            }
            Some(Signal::CannotStart(len)) => {
                let mut bytes = Vec::new();
                let (reason, way_out): (&str, &str) = process.shared.answer(len, &mut bytes)?;
                Err(StartError::Refused { reason: reason.to_owned(), way_out: way_out.to_owned() })
            }
            _ => {
                let end = end_of(process.child.wait()?);
                Err(StartError::Died(process.death(end)?))
            }
        }
    }

    /// The layers that it cannot look into.
    pub(super) fn missing(&self) -> Layers {
        self.missing
    }

    /// How many counters its library has.
    pub(super) fn edge_count(&self) -> usize {
        self.edge_count
    }

    /// Whether it can be asked again.
    pub(super) fn can_go_on(&self) -> bool {
        !self.is_gone && self.run_count < RUNS_MAX
    }

    /// How many sequences its worker has run before.
    pub(super) fn run_count(&self) -> u32 {
        self.run_count
    }

    /// Has a sequence run, and takes what the library has counted meanwhile, if that is wanted.
    ///
    /// # Errors
    ///
    /// When the process does not speak as it should.
    pub(super) fn ask(
        &mut self,
        request: &Request<'_>,
        trace: &mut Trace,
        counters: Option<&mut Vec<u8>>,
    ) -> io::Result<Asked> {
        let request = &Request { counts_edges: counters.is_some(), ..*request };
        self.come_near();
        if self.run_count.is_multiple_of(RUNS_PRINTED) {
            self.forget_what_was_printed()?;
        }
        // A driver that dies before its run begins dies at its beginning.
        self.shared.note_stage(Stage::Opening);
        match request.send(&self.socket) {
            Ok(()) => {}
            // It died of itself after the run before; that is read below.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Err(error) => return Err(error),
        }
        match Signal::read(&self.socket)? {
            Some(Signal::Done(len)) => {
                self.shared.trace(len, trace)?;
                self.take_counters(len, counters)?;
                self.run_count += 1;
                Ok(Asked::Answered)
            }
            Some(Signal::DoneForGood(len)) => {
                self.shared.trace(len, trace)?;
                self.take_counters(len, counters)?;
                // The end of its worker is no news.
                self.is_gone = Signal::read(&self.socket)?.is_none();
                (self.run_count, self.processor) = (0, None);
                Ok(Asked::Answered)
            }
            Some(Signal::Hung) => {
                let stage = self.shared.stage()?;
                // Nothing but the end of it ends what hangs.
                self.end();
                Ok(Asked::Hung(stage))
            }
            Some(Signal::Killed(signal)) => self.died(End::Signal(signal)),
            Some(Signal::Exited(code)) => self.died(End::Exit(code)),
            Some(Signal::Ready(_) | Signal::CannotStart(_)) => {
                Err(io::Error::other("it began again without a reason"))
            }
            None => {
                self.is_gone = true;
                let end = end_of(self.child.wait()?);
                self.died(end)
            }
        }
    }

    /// The counters stand behind the trace.
    fn take_counters(&self, trace_len: u32, counters: Option<&mut Vec<u8>>) -> io::Result<()> {
        let Some(counters) = counters else { return Ok(()) };
        self.shared.counters(trace_len, self.edge_count, counters)
    }

    /// Has the worker run on the processor of this thread. One of the two always waits for the other, and to
    /// wake another processor takes longer than most sequences.
    fn come_near(&mut self) {
        let here = rustix::thread::sched_getcpu();
        // On one processor, threads would never be at the same place.
        if self.has_threads || self.processor == Some(here) {
            return;
        }
        let mut only = rustix::thread::CpuSet::new();
        only.set(here);
        let worker = self.shared.worker().and_then(rustix::process::Pid::from_raw);
        // Where that is not allowed, it is slower.
        if worker.is_some_and(|it| rustix::thread::sched_setaffinity(Some(it), &only).is_ok()) {
            self.processor = Some(here);
        }
    }

    fn died(&mut self, end: End) -> io::Result<Asked> {
        let stage = self.shared.stage()?;
        (self.run_count, self.processor) = (0, None);
        if stage == Stage::Opening {
            // Perhaps before it took the request, which would then be answered as the next one.
            self.end();
        }
        Ok(Asked::Died(self.death(end)?, stage))
    }

    /// A driver may print with every call, for days.
    fn forget_what_was_printed(&self) -> io::Result<()> {
        if self.printed.metadata()?.len() > PRINTED_MAX { self.printed.set_len(0) } else { Ok(()) }
    }

    /// The whole story of an end, with what a sanitizer printed of it.
    fn death(&mut self, end: End) -> io::Result<Death> {
        let mut printed = Vec::new();
        let start = self.printed.metadata()?.len().saturating_sub(PRINTED_MAX);
        self.printed.seek(SeekFrom::Start(start))?;
        (&self.printed).take(PRINTED_MAX).read_to_end(&mut printed)?;
        self.printed.set_len(0)?;
        let report = report_in(&String::from_utf8_lossy(&printed));
        Ok(Death { end, report, behind: 0 })
    }

    /// Ends it, the worker first, so that its server is there to see that.
    fn end(&mut self) {
        self.is_gone = true;
        // Whoever cannot be ended has ended.
        let _ = self.socket.shutdown(Shutdown::Both);
        if let Some(worker) = self.shared.worker().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(worker, rustix::process::Signal::KILL);
        }
        for _ in 0..PATIENCE.as_millis() {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
        if let Some(group) = rustix::process::Pid::from_raw(self.child.id().cast_signed()) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.is_gone {
            self.end();
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("is_gone", &self.is_gone).finish_non_exhaustive()
    }
}

/// A file that is only in memory, where the system has such.
fn memory() -> io::Result<File> {
    tempfile::tempfile_in("/dev/shm").or_else(|_| tempfile::tempfile())
}

fn end_of(status: ExitStatus) -> End {
    match (status.signal(), status.code()) {
        (Some(signal), _) => End::Signal(signal),
        (None, code) => End::Exit(code.unwrap_or_default()),
    }
}

/// What a sanitizer says in its last line but for addresses, or the runtime of a stack that is used up.
fn report_in(printed: &str) -> Option<String> {
    let summary = printed.lines().rev().find_map(|line| line.split_once("SUMMARY: "));
    if let Some((_, summary)) = summary {
        let is_stable = |word: &&str| !word.starts_with("0x") && !word.starts_with("(0x");
        let words: Vec<&str> = summary.split_whitespace().filter(is_stable).collect();
        // Where no function is known, the line ends before its name.
        let words = words.strip_suffix(&["in"]).unwrap_or(&words);
        return Some(words.join(" "));
    }
    printed.contains("has overflowed its stack").then(|| "used up its stack".to_owned())
}

#[cfg(test)]
mod tests {
    use super::report_in;

    #[test]
    fn of_what_a_sanitizer_prints_the_summary_is_kept_without_addresses() {
        let printed = "==1==ERROR: AddressSanitizer: heap-use-after-free on address 0x602\n\
                       SUMMARY: AddressSanitizer: heap-use-after-free /d/session.cpp:45:3 in S::end (0x7f)\n\
                       Shadow bytes around the buggy address:\n";
        let kept = "AddressSanitizer: heap-use-after-free /d/session.cpp:45:3 in S::end";
        assert_eq!(report_in(printed).as_deref(), Some(kept));
        let undefined = "/d/key.cpp:24:5: runtime error: signed integer overflow: 3 * 4\n\
                         SUMMARY: UndefinedBehaviorSanitizer: signed-integer-overflow /d/key.cpp:24:5 in \n";
        let kept = "UndefinedBehaviorSanitizer: signed-integer-overflow /d/key.cpp:24:5";
        assert_eq!(report_in(undefined).as_deref(), Some(kept));
        assert_eq!(report_in("a driver may print anything\n"), None);
        let stack = "thread 'main' has overflowed its stack\nfatal runtime error: stack overflow\n";
        assert_eq!(report_in(stack).as_deref(), Some("used up its stack"));
    }
}
