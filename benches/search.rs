//! What each part of the search is worth: sequences until a planted fault is caught, with the part
//! and without it.
//!
//! `cargo bench -p rekeylab --features faults --bench search -- [SEEDS] [PART|slowest|none]...` takes
//! minutes. Counts are the same on every machine. A fault that is not caught counts as if the next
//! sequence had caught it.
//!
//! Most faults show in one of the first sequences, whatever makes them. So there are three means:
//! the geometric one over all faults, the same over those that take more than a hundred sequences
//! with everything on or without the part, and the arithmetic one, which is nearly all about the few
//! hardest.
//!
//! A part may cost time: the last columns say how long the honest core takes for a sequence of the
//! search, in microseconds, and what time it takes to catch a hard fault, as a multiple of that with
//! everything on. Above 1, the part pays for itself. Compare those of one run only.

#![allow(clippy::print_stdout, reason = "the table is what the benchmark is for")]

#[cfg(not(feature = "faults"))]
fn main() {
    println!("there are no faults in this build; add --features faults");
}

#[cfg(feature = "faults")]
#[global_allocator]
static ALLOCATOR: keysan::heap::ScanningAllocator = keysan::heap::ScanningAllocator::new();

#[cfg(feature = "faults")]
fn main() {
    use rekeylab::generate::{PARTS, SearchOptions};

    let words: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let seeds = words.iter().find_map(|word| word.parse().ok()).unwrap_or(3);
    let is_wanted = |name: &str| {
        let mut names = words.iter().filter(|word| word.parse::<u64>().is_err()).peekable();
        names.peek().is_none() || names.any(|word| word == name)
    };
    let full = SearchOptions::default();
    let all = search::Counts::of(full, seeds);
    let costs = search::costs(full);
    let cost = |name: &str| costs.iter().find(|(part, _)| *part == name).map_or(0.0, |it| it.1);
    search::head();
    search::row("everything on", &all, &all, cost(""), cost(""));
    for part in PARTS.iter().filter(|part| is_wanted(part.name)) {
        let without = search::Counts::of(full.without(part), seeds);
        search::row(&format!("without {}", part.name), &without, &all, cost(part.name), cost(""));
    }
    if is_wanted("slowest") {
        search::slowest(&all);
    }
}

#[cfg(feature = "faults")]
mod search {
    use std::time::{Duration, Instant};

    use rayon::prelude::*;
    use rekeylab::Workbench;
    use rekeylab::drill::{hangs, layers_for};
    use rekeylab::executor::core_with;
    use rekeylab::generate::{PARTS, SearchOptions};
    use rekeylab::observation::Layers;
    use rekeylab::search::Search;
    use rekeylab_faults::Fault;

    /// Most sequences of a search.
    const EXECUTIONS_MAX: u64 = 20_000;

    /// More sequences than this in the mean are many.
    const HARD: f64 = 100.0;

    /// What each search took.
    pub(crate) struct Counts {
        /// Sequences, by fault and then by seed.
        counts: Vec<u64>,
        /// Calls of those.
        calls: Vec<u64>,
        seeds: usize,
    }

    impl Counts {
        /// Searches for every fault, from so many seeds.
        pub(crate) fn of(options: SearchOptions, seeds: u64) -> Self {
            let searches: Vec<(Fault, u64)> =
                faults().flat_map(|fault| (1..=seeds).map(move |seed| (fault, seed))).collect();
            let searches = searches.par_iter();
            let counts: Vec<(u64, u64)> = searches
                .map_init(Workbench::new, |workbench, &(fault, seed)| {
                    search(workbench, fault, seed, options)
                })
                .collect();
            let (counts, calls) = counts.into_iter().unzip();
            Self { counts, calls, seeds: usize::try_from(seeds).expect("few seeds") }
        }

        fn by_fault(&self) -> impl Iterator<Item = &[u64]> {
            self.counts.chunks(self.seeds)
        }

        /// Of the faults that are hard for one of the two, the means of sequences and of calls, each
        /// for this search and for the other.
        fn of_hard(&self, other: &Self) -> [(f64, f64); 2] {
            let pairs = self.by_fault().zip(other.by_fault());
            let is_hard: Vec<bool> = pairs.map(|(a, b)| mean(a) > HARD || mean(b) > HARD).collect();
            let of = |counts: &[u64]| {
                let hard = counts.chunks(self.seeds).zip(&is_hard).filter(|(_, is_hard)| **is_hard);
                mean(&hard.flat_map(|(counts, _)| counts).copied().collect::<Vec<_>>())
            };
            [(of(&self.counts), of(&other.counts)), (of(&self.calls), of(&other.calls))]
        }
    }

    /// Microseconds for a sequence on the honest core, with everything on (`""`) and without each part.
    ///
    /// The best of some rounds, in which all of them take turns.
    pub(crate) fn costs(full: SearchOptions) -> Vec<(&'static str, f64)> {
        let without = PARTS.iter().map(|part| (part.name, full.without(part)));
        let all: Vec<(&str, SearchOptions)> = [("", full)].into_iter().chain(without).collect();
        let mut workbench = Workbench::new();
        let mut best = vec![Duration::MAX; all.len()];
        for _ in 0..ROUNDS {
            for ((_, options), best) in all.iter().zip(&mut best) {
                let started = Instant::now();
                let mut search = Search::new(1, *options);
                workbench.hunt(&mut search, Layers::FAST, SEQUENCES);
                *best = started.elapsed().min(*best);
            }
        }
        let micros = |best: Duration| best.as_secs_f64() * 1e6 / SEQUENCES as f64;
        all.iter().zip(best).map(|((name, _), best)| (*name, micros(best))).collect()
    }

    /// Rounds of [`costs`].
    const ROUNDS: usize = 8;

    /// Sequences of a round.
    const SEQUENCES: u64 = 4000;

    /// How many sequences and calls a search took.
    fn search(
        workbench: &mut Workbench,
        fault: Fault,
        seed: u64,
        options: SearchOptions,
    ) -> (u64, u64) {
        workbench.drive(core_with(Some(fault)));
        let mut search = Search::new(seed, options);
        let (mut count, mut calls, mut is_clean) = (0, 0, true);
        while is_clean && count <= EXECUTIONS_MAX {
            let sequence = search.propose();
            count += 1;
            calls += sequence.calls.len() as u64;
            is_clean = workbench.run_with(sequence, layers_for(Some(fault))).is_clean();
            search.learn(workbench.trace());
        }
        (count, calls)
    }

    /// What is drilled with everything looked into is shallow, and slow to look into; and what hangs
    /// ends no search.
    fn faults() -> impl Iterator<Item = Fault> {
        let is_drilled = |fault: &Fault| fault.rings() != "key-residue" && !hangs(*fault);
        Fault::ALL.iter().copied().filter(is_drilled)
    }

    /// The geometric mean.
    fn mean(counts: &[u64]) -> f64 {
        let logs = counts.iter().map(|&count| (count as f64).ln());
        (logs.sum::<f64>() / counts.len() as f64).exp()
    }

    pub(crate) fn head() {
        println!(
            "{:<21} {:>7} {:>6} {:>7} {:>6} {:>11} {:>6} {:>8} {:>7} {:>7} {:>7}",
            "",
            "mean",
            "ratio",
            "hard",
            "ratio",
            "arithmetic",
            "ratio",
            "worst",
            "missed",
            "micros",
            "pays"
        );
    }

    pub(crate) fn row(name: &str, counts: &Counts, all: &Counts, micros: f64, micros_all: f64) {
        let arithmetic = |Counts { counts, .. }: &Counts| {
            counts.iter().sum::<u64>() as f64 / counts.len() as f64
        };
        let [hard, calls_of_hard] = counts.of_hard(all);
        let pairs = [
            (mean(&counts.counts), mean(&all.counts)),
            hard,
            calls_of_hard,
            (arithmetic(counts), arithmetic(all)),
        ];
        let [mean, hard, calls, sum] = pairs.map(|(own, all)| (own, own / all));
        let worst = counts.counts.iter().max().copied().unwrap_or(0);
        let missed = counts.counts.iter().filter(|&&count| count > EXECUTIONS_MAX).count();
        println!(
            "{name:<21} {:>7.1} {:>6.2} {:>7.1} {:>6.2} {:>7.0} {:>6.2} {:>11.1} {:>6.2} {worst:>8} {missed:>7} \
             {micros:>7.1} {:>7.2}",
            mean.0,
            mean.1,
            hard.0,
            hard.1,
            calls.0,
            calls.1,
            sum.0,
            sum.1,
            hard.1 * micros / micros_all
        );
    }

    /// The faults that took longest, each with its worst count.
    pub(crate) fn slowest(all: &Counts) {
        let worst = all.by_fault().map(|counts| counts.iter().max().copied().unwrap_or(0));
        let mut rows: Vec<(u64, &str)> = worst.zip(faults().map(Fault::name)).collect();
        rows.sort_unstable_by(|a, b| b.cmp(a));
        rows.iter().take(20).for_each(|(count, name)| println!("{count:>8} {name}"));
    }
}
