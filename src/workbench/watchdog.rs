//! Watches the runs of a process: one that goes on for longer than the time limit hangs, and is told.
//!
//! An executor writes down what it runs and how far it is, where one other thread, the monitor, looks
//! now and then. Nothing can end a thread from outside, so a run that hangs is left alone for ever:
//! whoever waits for it hears of the [`Hang`] instead, and goes on without it. A process that sets no
//! time limit has no monitor.

use core::fmt;
use std::cell::RefCell;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, mpsc};
use std::thread;
use std::time::Duration;

use crate::observation::{Layers, Stage};
use crate::sequence::CallSequence;

/// How long a sequence may run where nothing else is said; one takes microseconds, and with everything
/// looked into milliseconds. The engines of a campaign keep it too.
pub const TIME_LIMIT: Duration = Duration::from_secs(10);

/// A run that did not end within the time limit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hang {
    /// What was run.
    pub sequence: CallSequence,
    /// What was looked into.
    pub layers: Layers,
    /// Where it was when the time was over.
    pub stage: Stage,
}

/// What becomes of a hang; it is called on a thread of its own.
pub type OnHang = Arc<dyn Fn(Hang) + Send + Sync>;

/// Sets the time limit of every run of this process that somebody wants to hear of; see [`on_hang`].
/// It holds for executors that are made from now on.
pub fn set_time_limit(limit: Duration) {
    let mut watch = watch();
    if watch.limit.replace(limit).is_none() {
        thread::spawn(monitor);
    }
}

/// The time limit of this process, if it has one.
#[must_use]
pub fn time_limit() -> Option<Duration> {
    watch().limit
}

/// Says who hears of the hangs of executors that this thread makes from now on.
pub fn on_hang(hook: OnHang) {
    ON_HANG.set(Some(hook));
}

/// Who hears of the hangs of this thread, for threads that work for it.
#[must_use]
pub fn hook() -> Option<OnHang> {
    ON_HANG.with_borrow(Clone::clone)
}

/// What becomes of every stage that a run comes to; it is called on the thread of the run.
pub(crate) type OnStage = Arc<dyn Fn(Stage) + Send + Sync>;

/// Says who hears of the stages of executors that this thread makes from now on, if somebody wants to hear
/// of their hangs, too.
#[cfg(feature = "command")]
pub(crate) fn on_stage(hook: OnStage) {
    ON_STAGE.set(Some(hook));
}

/// Does some work on a thread of its own and waits for its result, or for the first of its runs that
/// hangs. That thread is then left alone.
///
/// # Errors
///
/// The run that hangs.
///
/// # Panics
///
/// When the work does.
pub fn attempt<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Hang> {
    let (sender, results) = mpsc::channel();
    let hung = sender.clone();
    let worker = thread::spawn(move || {
        // When nobody waits any more, nobody wants to hear of it.
        on_hang(Arc::new(move |hang| drop(hung.send(Err(hang)))));
        drop(sender.send(Ok(work())));
    });
    match results.recv() {
        Ok(Err(hang)) => Err(hang),
        Ok(Ok(result)) => {
            // It has nothing left to do but to give its memory back.
            let _ = worker.join();
            Ok(result)
        }
        Err(mpsc::RecvError) => match worker.join() {
            Err(panic) => resume_unwind(panic),
            Ok(()) => unreachable!("a worker that ends has sent its result"),
        },
    }
}

thread_local! {
    static ON_HANG: RefCell<Option<OnHang>> = const { RefCell::new(None) };
    static ON_STAGE: RefCell<Option<OnStage>> = const { RefCell::new(None) };
}

/// What the monitor looks at.
struct Watch {
    limit: Option<Duration>,
    watched: Vec<Watched>,
}

/// An executor, and what the monitor last saw of it.
struct Watched {
    beat: Weak<Beat>,
    run: u64,
    /// For how long it has been at that run.
    waited: Duration,
    is_told: bool,
}

static WATCH: Mutex<Watch> = Mutex::new(Watch { limit: None, watched: Vec::new() });

fn watch() -> MutexGuard<'static, Watch> {
    // Every change of it is whole.
    WATCH.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What an executor runs, and how far it is.
pub(crate) struct Beat {
    /// Counts up when a run begins and when it ends: odd while one is under way.
    run: AtomicU64,
    stage: AtomicU32,
    subject: Mutex<Subject>,
    on_hang: OnHang,
    on_stage: Option<OnStage>,
}

/// What is run, and whether anybody still waits for it.
#[derive(Default)]
struct Subject {
    sequence: CallSequence,
    layers: Layers,
    is_given_up: bool,
}

impl fmt::Debug for Beat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beat").field("run", &self.run).finish_non_exhaustive()
    }
}

impl Beat {
    /// For an executor of this thread, if the process has a time limit and somebody wants to hear.
    pub(crate) fn of_this_thread() -> Option<Arc<Self>> {
        let on_hang = hook()?;
        let mut watch = watch();
        watch.limit?;
        let beat = Arc::new(Self {
            run: AtomicU64::new(0),
            stage: AtomicU32::new(Stage::Opening.number()),
            subject: Mutex::default(),
            on_hang,
            on_stage: ON_STAGE.with_borrow(Clone::clone),
        });
        let watched = Arc::downgrade(&beat);
        watch.watched.push(Watched {
            beat: watched,
            run: 0,
            waited: Duration::ZERO,
            is_told: false,
        });
        Some(beat)
    }

    /// A run begins, with the opening of a driver.
    pub(crate) fn begin(&self, sequence: &CallSequence, layers: Layers) {
        let mut subject = self.subject();
        subject.sequence.calls.clone_from(&sequence.calls);
        subject.layers = layers;
        self.stage.store(Stage::Opening.number(), Ordering::Relaxed);
        self.count();
    }

    /// The run has come to this.
    #[inline]
    pub(crate) fn reach(&self, stage: Stage) {
        self.stage.store(stage.number(), Ordering::Relaxed);
        if let Some(on_stage) = &self.on_stage {
            on_stage(stage);
        }
    }

    /// The run has ended.
    pub(crate) fn end(&self) {
        self.count();
    }

    fn count(&self) {
        // The executor alone changes it.
        self.run.store(self.run.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Whether a run of it was told as a hang. Asked behind a run, there is no doubt which one that was.
    pub(crate) fn is_given_up(&self) -> bool {
        self.subject().is_given_up
    }

    fn subject(&self) -> MutexGuard<'_, Subject> {
        self.subject.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the run of this number up, if it is still under way.
    fn give_up(&self, run: u64) -> Option<Hang> {
        let mut subject = self.subject();
        if self.run.load(Ordering::Relaxed) != run {
            return None;
        }
        let stage = Stage::of_number(self.stage.load(Ordering::Relaxed));
        subject.is_given_up = true;
        Some(Hang { sequence: subject.sequence.clone(), layers: subject.layers, stage })
    }
}

/// Looks at every executor now and then, for ever.
fn monitor() {
    loop {
        let limit = time_limit().unwrap_or(TIME_LIMIT);
        let nap = (limit / 8).clamp(Duration::from_millis(1), Duration::from_millis(50));
        thread::sleep(nap);
        let mut hangs = Vec::new();
        watch().watched.retain_mut(|watched| {
            let Some(beat) = watched.beat.upgrade() else { return false };
            if watched.is_over(&beat, nap, limit)
                && let Some(hang) = beat.give_up(watched.run)
            {
                watched.is_told = true;
                hangs.push((Arc::clone(&beat.on_hang), hang));
            }
            true
        });
        for (on_hang, hang) in hangs {
            // What becomes of a hang may be a run again, which has to be watched.
            thread::spawn(move || on_hang(hang));
        }
    }
}

impl Watched {
    /// Whether the executor has been at one run for the time limit, and nobody was told yet.
    fn is_over(&mut self, beat: &Beat, nap: Duration, limit: Duration) -> bool {
        let run = beat.run.load(Ordering::Relaxed);
        if run != self.run || run.is_multiple_of(2) {
            (self.run, self.waited, self.is_told) = (run, Duration::ZERO, false);
            return false;
        }
        // Counted, and no clock asked: a process that was stopped for an hour has not run for an hour.
        self.waited += nap;
        self.waited >= limit && !self.is_told
    }
}
