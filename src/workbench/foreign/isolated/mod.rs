//! A driver in a process of its own, so that what it does to its process is an observation like any other.
//!
//! ```text
//! Isolated ──start──► server: opens the library ──fork──► worker: runs sequences, one after the other
//!     │                  ▲                                   │
//!     │                  └──────── how it ended ◄────────────┤ the next worker goes on
//!     └── sequence ─────────────────────────────────────────►│
//!         trace, and the call under way  ◄── shared memory ──┘
//! ```
//!
//! A worker that dies or hangs in a call has left behind which call that was. The calls before it are made
//! again in the next worker, so that there is a trace to judge; the call itself is then not entered.

mod crowd;
mod dut;
mod message;
mod process;
mod server;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::executor::{AnyDut, note_unanswered};
use crate::observation::{Death, Layers, Stage, Trace};
use crate::sequence::CallSequence;
use crate::watchdog::Hang;

use super::Sheet;
pub(super) use crowd::meet_in_a_callback;
use message::Request;
pub use process::StartError;
use process::{Asked, Process};
pub use server::serve;

/// A driver under test behind its device table, in a process of its own.
#[derive(Debug)]
pub struct Isolated {
    sheet: Sheet,
    program: PathBuf,
    /// How many threads run each sequence at once.
    threads: usize,
    /// The layers that its process cannot look into.
    missing: Layers,
    /// How many counters the library has beside the edges of its code.
    edge_count: usize,
    /// What they counted in the last run, if anybody wants to know.
    counters: Mutex<Option<Vec<u8>>>,
    /// Whether a worker runs many sequences. Otherwise each has one of its own, in which the driver is as it was
    /// when it was opened.
    runs_in_batches: AtomicBool,
    /// Processes that wait for work: one for each thread that ever had some at the same time.
    idle: Mutex<Vec<Process>>,
}

impl Isolated {
    /// The driver that a data sheet describes, in a process of the program `rekeylab` at this path, in which so many
    /// threads run each sequence at once, one at least. One is started at once, so that a driver that cannot be
    /// driven is told now.
    ///
    /// # Errors
    ///
    /// When the process cannot be started, or the driver cannot be driven.
    pub fn start(program: PathBuf, sheet: Sheet, threads: usize) -> Result<AnyDut, StartError> {
        let first = Process::start(&program, &sheet, threads)?;
        let (missing, edge_count) = (first.missing(), first.edge_count());
        Ok(AnyDut::erased(Arc::new(Self {
            sheet,
            program,
            threads,
            missing,
            edge_count,
            counters: Mutex::new(None),
            runs_in_batches: AtomicBool::new(false),
            idle: Mutex::new(vec![first]),
        })))
    }

    /// Runs a sequence, up to a stage that is not entered or to its end.
    fn run(&self, request: &Request<'_>, trace: &mut Trace) {
        let hang = |stage| Hang {
            sequence: CallSequence { calls: request.calls.to_vec() },
            layers: request.layers,
            stage,
        };
        let mut behind = 0;
        let mut asked = self.ask(request, &mut behind, trace);
        // Whether others are to blame that ran before in the same process is known when it runs alone.
        let first = core::mem::replace(&mut behind, 0);
        if first > 0 && !matches!(asked, Asked::Answered) {
            match self.ask_new(request, trace) {
                Asked::Answered => behind = first,
                alone => asked = alone,
            }
        }
        match asked {
            Asked::Answered => self.say_what_is_known(trace),
            Asked::Hung(stage) => self.tell(&hang(stage), request, trace),
            Asked::Died(death, stage) => {
                self.tell(&hang(stage), request, trace);
                (trace.hang, trace.death) = (None, Some(Death { behind, ..death }));
            }
        }
    }

    /// Makes the calls before the one that ended a process. If they end the next one, too, the trace has
    /// them without their answers.
    fn tell(&self, hang: &Hang, request: &Request<'_>, trace: &mut Trace) {
        let again = Request { ends_at: Some(hang.stage), ..*request };
        if !matches!(self.ask(&again, &mut 0, trace), Asked::Answered) {
            note_unanswered(hang, trace);
            trace.sequence_len = trace.calls.len();
        }
        self.say_what_is_known(trace);
    }

    /// What the process need not say.
    fn say_what_is_known(&self, trace: &mut Trace) {
        let mut others = core::mem::take(&mut trace.others);
        for trace in others.iter_mut().chain([&mut *trace]) {
            trace.limits = Some(self.sheet.limits.into());
            trace.choices = (&self.sheet.choices).into();
            trace.has_own_random = true;
        }
        trace.others = others;
    }

    /// Asks a process that is idle, or a new one, and says how many sequences it had run.
    fn ask(&self, request: &Request<'_>, run_count: &mut u32, trace: &mut Trace) -> Asked {
        let idle = self.idle().pop();
        let process = idle.unwrap_or_else(|| self.another());
        *run_count = process.run_count();
        self.ask_this(process, request, trace)
    }

    /// Asks a process that has run nothing.
    fn ask_new(&self, request: &Request<'_>, trace: &mut Trace) -> Asked {
        let idle = self.idle().pop_if(|process| process.run_count() == 0);
        self.ask_this(idle.unwrap_or_else(|| self.another()), request, trace)
    }

    /// # Panics
    ///
    /// When the driver cannot be started again, although it was started before.
    fn another(&self) -> Process {
        Process::start(&self.program, &self.sheet, self.threads)
            .unwrap_or_else(|error| panic!("cannot start {} again: {error}", self.sheet.name))
    }

    /// # Panics
    ///
    /// When the process does not speak as it should: its driver has written into its memory.
    fn ask_this(&self, mut process: Process, request: &Request<'_>, trace: &mut Trace) -> Asked {
        let is_last = !self.runs_in_batches.load(Ordering::Relaxed);
        let request = &Request { is_last, ..*request };
        let asked = process
            .ask(request, trace, self.counters().as_mut())
            .unwrap_or_else(|error| panic!("the process of {}: {error}", self.sheet.name));
        self.idle().extend(Some(process).filter(Process::can_go_on));
        asked
    }

    fn counters(&self) -> std::sync::MutexGuard<'_, Option<Vec<u8>>> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Process>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is asked for a run of a whole sequence.
fn whole(sequence: &CallSequence, calls_max: usize, layers: Layers) -> Request<'_> {
    Request {
        calls: &sequence.calls,
        calls_max,
        layers,
        ends_at: None::<Stage>,
        counts_edges: false,
        is_last: true,
    }
}
