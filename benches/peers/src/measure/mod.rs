//! Runs of arms against faults: which, how, and what is kept of them.
//!
//! ```text
//! run       one run, in a process of its own
//! engine    builds the fuzz targets
//! store     finished runs, so that none is repeated
//! summary   what all of them say
//! ```

pub mod engine;
pub mod goals;
pub mod run;
pub mod store;
pub mod summary;

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use indicatif::{ProgressBar, ProgressStyle};
use rekeylab_faults::Fault;

use crate::arms::Arm;
use crate::judge::Limits;
use run::{Programs, Task};
use store::Store;

/// Which runs there are to be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The arms.
    pub arms: Vec<Arm>,
    /// The faults.
    pub faults: Vec<Fault>,
    /// Seeds 1 to this are run.
    pub seeds: u64,
    /// When a run gives up.
    pub limits: Limits,
}

impl Plan {
    /// Every run, seed by seed, so that what is there early is about everything.
    #[must_use]
    pub fn tasks(&self) -> Vec<Task> {
        let limits = self.limits;
        let of_seed = |seed| {
            self.faults.iter().flat_map(move |&fault| {
                self.arms.iter().map(move |&arm| Task { arm, fault, seed, limits })
            })
        };
        (1..=self.seeds).flat_map(of_seed).collect()
    }
}

/// Runs what the store does not hold yet, so many at a time, with progress on stderr.
///
/// # Errors
///
/// When a run comes to nothing or cannot be stored; what was finished before is kept.
pub fn measure(
    tasks: &[Task],
    programs: &Programs,
    jobs: usize,
    store: &mut Store,
) -> io::Result<()> {
    let bar = ProgressBar::new(tasks.len() as u64);
    let style = ProgressStyle::with_template("{bar:32} {pos}/{len} runs, {eta} to go  {msg}");
    bar.set_style(style.expect("the template is well formed"));
    let next = AtomicUsize::new(0);
    let store = Mutex::new(store);
    let work = || -> io::Result<()> {
        while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
            bar.set_message(format!("{} on {}", task.arm.name(), task.fault.name()));
            let run = run::run(task, programs).map_err(io::Error::other).inspect_err(|_| {
                // The others finish what they are at and stop, too.
                next.store(tasks.len(), Ordering::Relaxed);
            })?;
            store.lock().unwrap_or_else(std::sync::PoisonError::into_inner).add(run)?;
            bar.inc(1);
        }
        Ok(())
    };
    let ended = thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
    });
    bar.finish_and_clear();
    ended
}
