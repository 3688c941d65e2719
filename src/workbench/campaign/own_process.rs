//! Runs sequences that may hang, each in a process of its own, which can be ended as no thread can.

use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::StopSignal;
use crate::Workbench;
use crate::executor::AnyDut;
use crate::invariant::NO_HANG;
use crate::minimize::minimize_within;
use crate::observation::{Layers, Stage};
use crate::program::{as_started, this_program};
use crate::sequence::{CallSequence, SequenceText};
use crate::watchdog::{Hang, TIME_LIMIT, time_limit};

/// How long a candidate may run while a hang is minimised: some hundred times what one takes with
/// everything looked into.
const SHORT_LIMIT: Duration = Duration::from_secs(1);

/// Or so many times what the calls before the one that hung took, if that is longer.
const TIMES_BEFORE: u32 = 20;

/// The most candidates that are run for one hang, and the most of them that may hang: a minute or two.
const CANDIDATES_MAX: u32 = 1000;
const HANGING_MAX: u32 = 60;

/// How many calls may run for the last steps of minimising.
const LAST_STEPS: u64 = 500;

/// How much longer than its time limit a process may take, to begin and to tell.
const GRACE: Duration = Duration::from_secs(20);

/// The command that runs a sequence in a process of its own.
#[derive(Clone, Debug)]
pub struct OwnProcess {
    program: PathBuf,
    fault: Option<&'static str>,
    /// The data sheet of the driver, if it is not the driver core.
    driver: Option<PathBuf>,
    /// How many threads run each sequence on that driver at once.
    threads: usize,
    stop: Option<Arc<StopSignal>>,
    /// From when on a hang is no longer made shorter.
    until: Deadline,
}

/// A moment that is set once, and is known from then on to all who have a copy.
#[derive(Clone, Debug, Default)]
pub(super) struct Deadline(Arc<OnceLock<Instant>>);

impl Deadline {
    /// Sets it so far from now, unless it was set before.
    pub(super) fn set(&self, from_now: Duration) {
        let _ = self.0.set(Instant::now() + from_now);
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.get().is_some_and(|&until| Instant::now() > until)
    }
}

impl OwnProcess {
    /// The program `rekeylab` at this path, on the driver core with this fault. Once somebody says `stop`,
    /// every process is ended.
    #[must_use]
    pub fn new(
        program: PathBuf,
        fault: Option<&'static str>,
        stop: Option<Arc<StopSignal>>,
    ) -> Self {
        Self { program, fault, driver: None, threads: 1, stop, until: Deadline::default() }
    }

    /// The same for the driver that this data sheet describes, with so many threads that run each sequence at once.
    #[must_use]
    pub fn driving(self, driver: Option<PathBuf>, threads: usize) -> Self {
        Self { driver, threads, ..self }
    }

    /// The same for this program, which has to be `rekeylab`.
    ///
    /// # Errors
    ///
    /// When the system does not say where this program is.
    pub fn of_this_program(
        fault: Option<&'static str>,
        stop: Option<Arc<StopSignal>>,
    ) -> io::Result<Self> {
        Ok(Self::new(this_program()?, fault, stop))
    }

    /// Where a sequence hangs, with everything looked into; `None` if it does not, or nobody can say.
    #[must_use]
    pub fn hang(&self, sequence: &CallSequence) -> Option<Hang> {
        self.hangs_within(sequence, limit()).map(|(hang, _)| hang)
    }

    /// The same, but from that moment on a hang is no longer made shorter.
    pub(super) fn until(self, until: &Deadline) -> Self {
        Self { until: until.clone(), ..self }
    }

    /// Whether a sequence breaks an invariant in a process in which nothing ran before; `None` if nobody can
    /// say.
    #[must_use]
    pub(super) fn breaks(&self, sequence: &CallSequence) -> Option<bool> {
        if self.is_stopped() {
            return None;
        }
        let said = self.say(sequence, limit()).ok()??;
        let report = &said["files"][0]["report"];
        let is_void = !report["void"].is_null();
        let violations = report["violations"].as_array()?;
        (!is_void).then_some(!violations.is_empty())
    }

    /// The same for one that is known to run for too long, without waiting for all of that again.
    #[must_use]
    pub(super) fn hang_soon(&self, sequence: &CallSequence) -> Option<Hang> {
        self.hangs_within(sequence, SHORT_LIMIT.min(limit())).map(|(hang, _)| hang)
    }

    /// The shortest sequence found that hangs in the same kind of call; as it is if none is found.
    #[must_use]
    pub fn minimize(&self, dut: &AnyDut, hang: &Hang) -> Hang {
        let before = Instant::now();
        let told = Workbench::told(dut, hang);
        let short = SHORT_LIMIT.max(before.elapsed() * TIMES_BEFORE).min(limit());
        let word = match hang.stage {
            Stage::Call(_) => told.trace().calls.last().map(|seen| seen.call.kind().word()),
            Stage::Opening | Stage::Dropping => None,
        };
        let (mut candidates, mut hanging) = (0, 0);
        let mut shortest = hang.clone();
        if let Stage::Call(call) = hang.stage {
            // What stands behind it was never made.
            shortest.sequence.calls.truncate(call as usize + 1);
        }
        let sequence = shortest.sequence.clone();
        let _ = minimize_within(&sequence, &dut.limits(), LAST_STEPS, |candidate| {
            if candidates == CANDIDATES_MAX || hanging == HANGING_MAX || self.until.is_over() {
                return false;
            }
            candidates += 1;
            let Some((hang, its_word)) = self.hangs_within(candidate, short) else { return false };
            hanging += 1;
            if its_word.as_deref() != word {
                return false;
            }
            // Whatever holds is the best so far.
            shortest = hang;
            true
        });
        // On a machine with much else to do, a run may be slow by chance.
        if shortest.sequence == hang.sequence {
            return hang.clone();
        }
        let is_confirmed =
            self.hangs_within(&shortest.sequence, (4 * short).min(limit())).is_some();
        if is_confirmed { shortest } else { hang.clone() }
    }

    /// Where a sequence hangs that may run for so long, and the word of the call if it is one.
    fn hangs_within(
        &self,
        sequence: &CallSequence,
        limit: Duration,
    ) -> Option<(Hang, Option<String>)> {
        if self.is_stopped() {
            return None;
        }
        // A process that cannot be started has shown no hang.
        let said = self.say(sequence, limit).ok()??;
        let report = &said["files"][0]["report"];
        let violations = report["violations"].as_array()?;
        let violation = violations.iter().find(|violation| violation["invariant"] == NO_HANG)?;
        // What hangs may be longer, to tell more of something else that it breaks.
        let text = SequenceText::parse(report["sequence"].as_str()?).ok()?;
        if text.sequence() != *sequence {
            return None;
        }
        let call = u32::try_from(violation["call"].as_u64()?).ok()?;
        let word = violation["call_word"].as_str().map(str::to_owned);
        let stage = match (&word, call) {
            (Some(_), _) => Stage::Call(call),
            // Behind the calls of the sequence there is at least one of the epilogue.
            (None, 0) => Stage::Opening,
            (None, _) => Stage::Dropping,
        };
        Some((Hang { sequence: sequence.clone(), layers: Layers::ALL, stage }, word))
    }

    fn is_stopped(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.is_raised())
    }

    /// What the command `run` says of a sequence, for programs; `None` if it had to be ended.
    fn say(&self, sequence: &CallSequence, limit: Duration) -> io::Result<Option<Value>> {
        let mut out = tempfile::tempfile()?;
        let millis = format!("{}ms", limit.as_millis());
        let mut command = Command::new(as_started(&self.program));
        command.args(["run", "-", "--format", "json", "--time-limit", &millis]);
        if let Some(fault) = self.fault {
            command.args(["--fault", fault]);
        }
        if let Some(sheet) = &self.driver {
            command.arg("--driver").arg(sheet).arg("--threads").arg(self.threads.to_string());
        }
        command.stdin(Stdio::piped()).stdout(out.try_clone()?).stderr(Stdio::null());
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that does not read it says nothing, either.
            let _ = stdin.write_all(SequenceText::from(sequence).to_string().as_bytes());
        }
        let started = Instant::now();
        while child.try_wait()?.is_none() {
            if started.elapsed() > limit + GRACE || self.is_stopped() {
                child.kill()?;
                child.wait()?;
                return Ok(None);
            }
            thread::sleep(Duration::from_millis(2));
        }
        let mut text = String::new();
        out.seek(SeekFrom::Start(0))?;
        out.read_to_string(&mut text)?;
        Ok(serde_json::from_str(&text).ok())
    }
}

/// The time limit of this process.
fn limit() -> Duration {
    time_limit().unwrap_or(TIME_LIMIT)
}
