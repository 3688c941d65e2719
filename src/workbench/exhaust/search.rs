//! The search: level by level, every distinct state with every letter that may follow.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::executor::AnyDut;
use crate::observation::StateId;
use crate::sequence::Call;
use crate::watchdog::{hook, on_hang};

use super::alphabet::Alphabet;
use super::created::Created;
use super::judge::Judge;
use super::level::{Broken, Level, LevelCount, PART, Prefixes, Reached, States, Tally, Way, reach};

/// What is to be searched.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    /// Against which driver.
    pub dut: &'a AnyDut,
    /// Over which letters.
    pub alphabet: &'a Alphabet,
    /// Up to how many calls.
    pub depth: usize,
    /// On how many threads.
    pub jobs: usize,
    /// Whether one prefix is extended for all that end in the same state, where the driver declares
    /// its state. Without it every sequence is run, which is for small depths.
    pub merges: bool,
}

impl core::fmt::Debug for Plan<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { dut, alphabet, depth, jobs, merges } = self;
        f.debug_struct("Plan")
            .field("dut", dut)
            .field("alphabet", &alphabet.name)
            .field("depth", depth)
            .field("jobs", jobs)
            .field("merges", merges)
            .finish()
    }
}

impl<'a> Plan<'a> {
    /// Every sequence of up to `depth` letters, on so many threads.
    #[must_use]
    pub fn new(dut: &'a AnyDut, alphabet: &'a Alphabet, depth: usize, jobs: usize) -> Self {
        Self { dut, alphabet, depth, jobs, merges: true }
    }
}

/// Who wants to know how far a search is, and may end it.
pub trait Watch {
    /// Called several times a second, on the caller's thread.
    fn pulse(&mut self, _pulse: &Pulse) {}

    /// Whether the search is to end now.
    fn is_over(&mut self) -> bool {
        false
    }
}

/// A watcher that asks for nothing and never ends the search.
impl Watch for () {}

/// How far a search is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Pulse {
    /// How many calls the sequences of this level have.
    pub depth: usize,
    /// How many of the level's prefixes are done.
    pub done: usize,
    /// How many there are.
    pub prefixes: usize,
    /// What was counted at all levels so far.
    pub count: LevelCount,
}

/// What came of a search.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Outcome {
    /// What each level came to, beginning with sequences of one call. It ends early when something
    /// was broken; a level that was interrupted is the last, and not complete.
    pub levels: Vec<LevelCount>,
    /// How many distinct states were extended.
    pub states: u64,
    /// The first sequences that broke something, of equal length; none is shorter.
    pub broken: Vec<Broken>,
    /// Whether it was ended before its time.
    pub is_interrupted: bool,
}

impl Outcome {
    /// What all levels came to.
    #[must_use]
    pub fn total(&self) -> LevelCount {
        let mut total = LevelCount::default();
        self.levels.iter().for_each(|level| total.add(*level));
        total
    }

    /// Whether every sequence was covered and nothing was broken.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.broken.is_empty() && !self.is_interrupted
    }
}

/// A search under way.
#[derive(Debug)]
struct Search {
    /// What the complete levels came to.
    levels: Vec<LevelCount>,
    states: u64,
    level: Level,
}

impl Default for Search {
    fn default() -> Self {
        Self { levels: Vec::new(), states: 0, level: Level::new(Prefixes::empty()) }
    }
}

/// Searches until every sequence is covered, something is broken or `watch` ends it.
///
/// The counts, and what is found, are the same for any number of threads.
///
/// # Panics
///
/// When the workbench does; a panic of the driver is something broken.
pub fn run(plan: &Plan<'_>, watch: &mut dyn Watch) -> Outcome {
    Search::default().run(plan, watch)
}

impl Search {
    /// Goes on until every sequence is covered, something is broken or `watch` ends it.
    fn run(&mut self, plan: &Plan<'_>, watch: &mut dyn Watch) -> Outcome {
        let letters = plan.alphabet.letters();
        let mut outcome = Outcome::default();
        while self.levels.len() < plan.depth {
            let is_complete = self.search_level(plan, &letters, watch);
            let tally = &self.level.tally;
            if !is_complete || !tally.broken.is_empty() {
                // A level that was broken off is told as far as it got.
                outcome.is_interrupted = !is_complete;
                outcome.broken = self.level.broken(&letters);
                outcome.levels.push(tally.count);
                break;
            }
            self.levels.push(tally.count);
            self.states += self.level.prefixes.count() as u64;
            self.level = Level::new(self.level.next());
        }
        outcome.levels.splice(0..0, self.levels.iter().copied());
        outcome.states = self.states;
        outcome
    }

    /// Searches the level; says whether it is complete.
    fn search_level(&mut self, plan: &Plan<'_>, letters: &[Call], watch: &mut dyn Watch) -> bool {
        let part_count = self.level.part_count;
        let work = Arc::new(Work {
            dut: plan.dut.clone(),
            alphabet: *plan.alphabet,
            letters: letters.to_vec(),
            merges: plan.merges,
            // The threads look at the prefixes, and this one changes all the rest.
            prefixes: self.level.prefixes.clone(),
            is_last: self.levels.len() + 1 == plan.depth,
            part_count,
            next: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        });
        let (sender, results) = mpsc::channel();
        // Whoever waits for this thread hears of what hangs in its name.
        let hook = hook();
        let start = |_| {
            let (work, sender, hook) = (Arc::clone(&work), sender.clone(), hook.clone());
            thread::spawn(move || {
                hook.into_iter().for_each(on_hang);
                work.search(&sender);
            })
        };
        let threads: Vec<_> = (0..plan.jobs.clamp(1, part_count.max(1))).map(start).collect();
        drop(sender);
        let mut told_to_end = None;
        loop {
            match results.recv_timeout(Duration::from_millis(100)) {
                Ok(part) => self.take(part),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            watch.pulse(&self.pulse());
            if watch.is_over() {
                work.is_over.store(true, Ordering::Relaxed);
                let since: &Instant = told_to_end.get_or_insert_with(Instant::now);
                if since.elapsed() > GRACE {
                    // A thread that hangs does not end; it is left alone.
                    return false;
                }
            }
        }
        for thread in threads {
            thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
        self.level.done_count == part_count
    }

    fn take(&mut self, part: Part) {
        let Part { tally, states } = part;
        self.level.done_count += 1;
        self.level.tally.add(tally);
        for (id, reached) in states {
            reach(&mut self.level.states, id, reached);
        }
    }

    fn pulse(&self) -> Pulse {
        let mut count = self.level.tally.count;
        self.levels.iter().for_each(|level| count.add(*level));
        let prefixes = self.level.prefixes.count();
        let done = (self.level.done_count * PART).min(prefixes);
        Pulse { depth: self.levels.len() + 1, done, prefixes, count }
    }
}

/// How long is waited for threads that were told to end: a part takes milliseconds.
const GRACE: Duration = Duration::from_secs(1);

/// What a thread has searched.
struct Part {
    tally: Tally,
    states: States,
}

/// What the threads of a level share; they may outlive the search, if one hangs.
struct Work {
    dut: AnyDut,
    alphabet: Alphabet,
    letters: Vec<Call>,
    merges: bool,
    prefixes: Prefixes,
    is_last: bool,
    part_count: usize,
    /// The part that is searched next.
    next: AtomicUsize,
    /// Whether somebody wants the search to end.
    is_over: AtomicBool,
}

impl Work {
    /// Searches one part after the other, as long as there are some.
    fn search(&self, results: &Sender<Part>) {
        let mut judge = Judge::new(&self.dut);
        while !self.is_over.load(Ordering::Relaxed)
            && let part = self.next.fetch_add(1, Ordering::Relaxed)
            && part < self.part_count
            && results.send(search_part(self, &mut judge, part)).is_ok()
        {}
    }
}

fn search_part(work: &Work, judge: &mut Judge<'_>, number: usize) -> Part {
    let Work { prefixes, letters, is_last, .. } = work;
    let (mut tally, mut states) = (Tally::default(), States::default());
    let first = number * PART;
    for prefix in first..(first + PART).min(prefixes.count()) {
        let calls = prefixes.letters_of(prefix).iter().map(|&letter| letters[usize::from(letter)]);
        let created = Created::by(&calls.clone().collect::<Vec<_>>());
        judge.begin(calls);
        let count = prefixes.counts[prefix];
        let prefix = u32::try_from(prefix).expect("a level of four thousand million fits nowhere");
        for (letter, call) in (0..=u8::MAX).zip(letters) {
            if !work.alphabet.allows(&created, call) {
                continue;
            }
            let way = Way { prefix, letter };
            let (verdict, state) =
                if *is_last { (judge.run(*call), None) } else { judge.run_to_state(*call) };
            tally.count.add(LevelCount { sequences: count, broken: 0, runs: 1 });
            if let Some(first) = verdict.first() {
                let invariant = first.invariant;
                tally.count.broken += count;
                tally.note_broken((invariant, judge.broken_kind()), way);
            } else if !*is_last {
                let state = state.filter(|_| work.merges);
                let id = state.unwrap_or_else(|| distinct(way));
                reach(&mut states, id, Reached { way, count });
            }
        }
    }
    Part { tally, states }
}

/// A state of its own for every way, where nothing is known about states.
fn distinct(Way { prefix, letter }: Way) -> StateId {
    StateId(u128::from(prefix) << 8 | u128::from(letter))
}
