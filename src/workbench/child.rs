//! Runs a command in a process of its own: bounded in time, heard, and ended with all it started.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::campaign::StopSignal;
use crate::program::as_started;

/// A command to be run.
#[derive(Debug)]
pub(crate) struct Child<'a> {
    pub(crate) program: &'a Path,
    /// The directory it is run in.
    pub(crate) root: &'a Path,
    pub(crate) arguments: &'a [String],
    /// After how long it is ended.
    pub(crate) limit: Duration,
    pub(crate) stop: &'a StopSignal,
    /// Whether what it says on standard error is handed on.
    pub(crate) is_heard: bool,
}

/// How a process ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    /// By itself, with this code.
    Code(i32),
    /// By this signal, which was not sent from here.
    Signal(i32),
    /// From here, because its time was over.
    Late,
    /// From here, because somebody said stop.
    Stopped,
    /// It never began.
    NotStarted(String),
}

/// What came of a process.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) ended: Ended,
    /// What it wrote to standard output.
    pub(crate) out: String,
    pub(crate) elapsed: Duration,
    pub(crate) limit: Duration,
    /// The end of what it wrote to standard error.
    err: String,
}

/// How long a process may take to end in order once it is told to.
const GRACE: Duration = Duration::from_secs(10);

/// How much of the end of standard error is kept, in bytes.
const KEPT_LEN: usize = 2000;

/// The most that is read of standard output, in bytes; documents have some thousands.
const OUT_LEN_MAX: u64 = 64 << 20;

impl Said {
    /// The last line on standard error, as the end of a sentence; empty if there is none.
    pub(crate) fn last_words(&self) -> String {
        let last = self.err.lines().rev().find(|line| !line.trim().is_empty());
        last.map(|line| format!("; its last words: {}", line.trim())).unwrap_or_default()
    }
}

impl Child<'_> {
    /// Runs it with this on standard input.
    pub(crate) fn run(&self, input: &[u8]) -> Said {
        let started = Instant::now();
        let kept = Arc::new(Mutex::new(Vec::new()));
        let mut out = String::new();
        let ended = self.wait(input, &kept, &mut out, started);
        let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        Said {
            ended: ended.unwrap_or_else(|error| Ended::NotStarted(error.to_string())),
            out,
            elapsed: started.elapsed(),
            limit: self.limit,
            err: String::from_utf8_lossy(&kept).into_owned(),
        }
    }

    fn wait(
        &self,
        input: &[u8],
        kept: &Arc<Mutex<Vec<u8>>>,
        said: &mut String,
        started: Instant,
    ) -> std::io::Result<Ended> {
        let mut out = tempfile::tempfile()?;
        let mut command = Command::new(as_started(self.program));
        command.args(self.arguments).current_dir(self.root);
        command.stdin(Stdio::piped()).stdout(out.try_clone()?).stderr(Stdio::piped());
        #[cfg(unix)]
        {
            // A group of its own, so that what it starts can be ended with it.
            use std::os::unix::process::CommandExt as _;
            command.process_group(0);
        }
        let mut child = command.spawn()?;
        if let Some(stderr) = child.stderr.take() {
            let (kept, is_heard) = (Arc::clone(kept), self.is_heard);
            // Not waited for: whatever was left behind may hold the other end for ever.
            thread::spawn(move || hand_on(stderr, is_heard, &kept));
        }
        if let Some(mut stdin) = child.stdin.take() {
            // One that does not read it says so by itself.
            let _ = stdin.write_all(input);
        }
        let mut told_to_end = None;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            let why = if self.stop.is_raised() {
                Some(Ended::Stopped)
            } else {
                (started.elapsed() > self.limit).then_some(Ended::Late)
            };
            match (&told_to_end, why) {
                (None, Some(why)) => {
                    // Asked first, since a search then tells what it has found.
                    signal("-TERM", child.id());
                    told_to_end = Some((why, Instant::now()));
                }
                (Some((_, since)), _) if since.elapsed() > GRACE => {
                    signal("-KILL", child.id());
                    child.kill()?;
                }
                _ => {}
            }
            thread::sleep(Duration::from_millis(5));
        };
        if told_to_end.is_some() {
            signal("-KILL", child.id());
        }
        let mut bytes = Vec::new();
        out.seek(SeekFrom::Start(0))?;
        out.take(OUT_LEN_MAX).read_to_end(&mut bytes)?;
        *said = String::from_utf8_lossy(&bytes).into_owned();
        Ok(told_to_end.map_or_else(|| ended(status), |(why, _)| why))
    }
}

fn ended(status: ExitStatus) -> Ended {
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt as _;
        if let Some(signal) = status.signal() {
            return Ended::Signal(signal);
        }
    }
    Ended::Code(status.code().unwrap_or(-1))
}

/// Sends a signal to the group of a process. There is no other safe way than the command; where it
/// is missing, the process itself is killed when its grace is over.
fn signal(name: &str, group: u32) {
    let group = format!("-{group}");
    let mut command = Command::new("kill");
    command.args([name, "--", &group]).stdin(Stdio::null());
    // A group that is gone already has nobody left to end.
    let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
}

/// Hands on what comes, and keeps the end of it.
fn hand_on(mut from: impl std::io::Read, is_heard: bool, kept: &Mutex<Vec<u8>>) {
    let mut piece = [0; 4096];
    while let Ok(len) = from.read(&mut piece)
        && len > 0
    {
        if is_heard {
            // Whether it arrives or not, the pipe is emptied.
            let _ = std::io::stderr().write_all(&piece[..len]);
        }
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(&piece[..len]);
        let surplus = kept.len().saturating_sub(KEPT_LEN);
        kept.drain(..surplus);
    }
}
