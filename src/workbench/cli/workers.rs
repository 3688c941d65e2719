//! Runs files on threads that can be given up: one that hangs keeps no other waiting.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use crate::Workbench;
use crate::corpus::{self, CorpusError, Stored};
use crate::executor::AnyDut;
use crate::watchdog::{Hang, on_hang};

use super::failure::Failure;
use super::judged::{Judged, Wanted, judge, judge_hang};

/// Runs every file, on so many threads, and tells what came of each with its place in `files`; with one
/// thread in their order. A file that hangs is told like the others, and its thread left alone. Once
/// [`HANGS_MAX`] files hang, the rest is not run. The answer is how many files that were.
///
/// # Errors
///
/// When a thread cannot be started, or what `tell` fails with.
pub(super) fn judge_all(
    files: &[PathBuf],
    wanted: Wanted,
    dut: &AnyDut,
    jobs: usize,
    tell: &mut dyn FnMut(usize, Result<Judged, CorpusError>) -> Result<(), Failure>,
) -> Result<usize, Failure> {
    let mut workers = Workers::new(dut, wanted);
    for _ in 0..jobs {
        workers.start()?;
    }
    let mut not_run_count = 0;
    for (place, path) in files.iter().enumerate() {
        // Read here, because standard input can be read only once, and a file that hangs is told too.
        match corpus::read(path) {
            Ok(stored) => {
                if workers.idle.is_empty() {
                    let (place, judged) = workers.next_result()?;
                    tell(place, Ok(judged))?;
                }
                if workers.hung_count >= HANGS_MAX {
                    not_run_count = files.len() - place;
                    break;
                }
                workers.give(Work { place, path: path.clone(), stored: Arc::new(stored) });
            }
            Err(error) => {
                while jobs == 1 && !workers.busy.is_empty() {
                    let (place, judged) = workers.next_result()?;
                    tell(place, Ok(judged))?;
                }
                tell(place, Err(error))?;
            }
        }
    }
    while !workers.busy.is_empty() {
        let (place, judged) = workers.next_result()?;
        tell(place, Ok(judged))?;
    }
    Ok(not_run_count)
}

/// After so many files that hang, whoever waits knows enough: each takes the whole time limit, and a processor from then
/// on, because its thread cannot be ended.
const HANGS_MAX: usize = 4;

/// What is said of files that were not run.
pub(super) fn not_run_line(count: usize) -> String {
    let (files, were) = if count == 1 { ("file", "was") } else { ("files", "were") };
    format!("{count} more {files} {were} not run, because {HANGS_MAX} or more hang")
}

/// The threads of a command, each with its number.
struct Workers<'a> {
    dut: &'a AnyDut,
    wanted: Wanted,
    started_count: usize,
    /// How many were given up because their work hangs.
    hung_count: usize,
    /// Those that wait for work.
    idle: Vec<Worker>,
    /// Those that have some. Whoever hung is in neither, and nobody listens to it any more.
    busy: BTreeMap<usize, (Worker, Work)>,
    reporter: Sender<(usize, Report)>,
    reports: Receiver<(usize, Report)>,
}

/// A thread that can be given work.
struct Worker {
    number: usize,
    orders: Sender<Work>,
}

/// A file to be run.
#[derive(Clone)]
struct Work {
    place: usize,
    path: PathBuf,
    stored: Arc<Stored>,
}

/// What a thread has to say of its work.
enum Report {
    /// This came of it.
    Judged(Box<Judged>),
    /// This did not end.
    Hung(Hang),
    /// The workbench itself failed.
    Panicked(Box<dyn Any + Send>),
}

impl<'a> Workers<'a> {
    fn new(dut: &'a AnyDut, wanted: Wanted) -> Self {
        let (reporter, reports) = mpsc::channel();
        let (idle, busy) = (Vec::new(), BTreeMap::new());
        Self { dut, wanted, started_count: 0, hung_count: 0, idle, busy, reporter, reports }
    }

    fn start(&mut self) -> Result<(), Failure> {
        let number = self.started_count;
        let (orders, work) = mpsc::channel();
        let (dut, wanted, reporter) = (self.dut.clone(), self.wanted, self.reporter.clone());
        thread::Builder::new()
            .spawn(move || work_on(work, dut, wanted, number, &reporter))
            .map_err(|error| Failure::workbench(format!("cannot start a thread: {error}")))?;
        self.started_count += 1;
        self.idle.push(Worker { number, orders });
        Ok(())
    }

    /// Gives the work to a thread that has none; there is one.
    fn give(&mut self, work: Work) {
        let worker = self.idle.pop().expect("a thread is idle");
        // A thread ends only when its orders do.
        worker.orders.send(work.clone()).expect("an idle thread waits for orders");
        self.busy.insert(worker.number, (worker, work));
    }

    /// What came of the next work that is done.
    fn next_result(&mut self) -> Result<(usize, Judged), Failure> {
        loop {
            let (number, report) = self.reports.recv().expect("this thread holds a sender itself");
            // One that was given up may hang again.
            let Some((worker, work)) = self.busy.remove(&number) else { continue };
            let Work { place, path, stored } = work;
            return match report {
                Report::Judged(judged) => {
                    self.idle.push(worker);
                    Ok((place, *judged))
                }
                Report::Hung(hang) => {
                    self.hung_count += 1;
                    self.start()?;
                    Ok((place, judge_hang(self.dut, &hang, &path, &stored, self.wanted)))
                }
                Report::Panicked(panic) => resume_unwind(panic),
            };
        }
    }
}

/// What a thread does until there is no more to do.
fn work_on(
    orders: Receiver<Work>,
    dut: AnyDut,
    wanted: Wanted,
    number: usize,
    reporter: &Sender<(usize, Report)>,
) {
    let hung = reporter.clone();
    on_hang(Arc::new(move |hang| drop(hung.send((number, Report::Hung(hang))))));
    let mut workbench = None;
    for Work { path, stored, .. } in orders {
        let judge_file = |workbench: &mut Option<Workbench>| {
            let workbench = workbench.get_or_insert_with(|| Workbench::on(dut.clone()));
            Box::new(judge(workbench, &path, &stored, wanted))
        };
        let report = match catch_unwind(AssertUnwindSafe(|| judge_file(&mut workbench))) {
            Ok(judged) => Report::Judged(judged),
            Err(panic) => Report::Panicked(panic),
        };
        // One that was slow, and was told as a hang, has nothing more to say.
        let is_given_up = workbench.as_ref().is_some_and(Workbench::is_given_up);
        if is_given_up || reporter.send((number, report)).is_err() {
            return;
        }
    }
}
