//! What each part of the search is worth: sequences until a planted fault is caught, with the part
//! and without it.
//!
//! `cargo bench -p rekeylab --features faults --bench search -- [SEEDS] [PART|slowest|none]...` takes
//! minutes. Only counts are shown, so that the figures are the same on every machine. A fault that
//! is not caught counts as if the next sequence had caught it.
//!
//! Most faults show in one of the first sequences, whatever makes them. So there are three means:
//! the geometric one over all faults, the same over those that take more than a hundred sequences
//! with everything on, and the arithmetic one, which is nearly all about the few hardest.

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
    use rekeylab::sequence::{PARTS, SearchOptions};

    let words: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let seeds = words.iter().find_map(|word| word.parse().ok()).unwrap_or(3);
    let is_wanted = |name: &str| {
        let mut names = words.iter().filter(|word| word.parse::<u64>().is_err()).peekable();
        names.peek().is_none() || names.any(|word| word == name)
    };
    let full = SearchOptions::default();
    let all = search::Counts::of(full, seeds);
    search::head();
    search::row("everything on", &all, &all);
    for part in PARTS.iter().filter(|part| is_wanted(part.name)) {
        let without = search::Counts::of(full.without(part), seeds);
        search::row(&format!("without {}", part.name), &without, &all);
    }
    if is_wanted("slowest") {
        search::slowest(&all);
    }
}

#[cfg(feature = "faults")]
mod search {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use rekeylab::Workbench;
    use rekeylab::drill::layers_for;
    use rekeylab::search::Search;
    use rekeylab::sequence::SearchOptions;
    use rekeylab_driver::{Fault, plant};

    /// Most sequences of a search.
    const EXECUTIONS_MAX: u64 = 20_000;

    /// With everything on, more sequences than this in the mean are many.
    const HARD: f64 = 100.0;

    /// How many sequences each search took.
    pub(crate) struct Counts {
        /// By fault and then by seed.
        counts: Vec<u64>,
        seeds: usize,
    }

    impl Counts {
        /// Searches for every fault, from so many seeds.
        pub(crate) fn of(options: SearchOptions, seeds: u64) -> Self {
            let searches: Vec<(Fault, u64)> =
                faults().flat_map(|fault| (1..=seeds).map(move |seed| (fault, seed))).collect();
            let counts = Mutex::new(vec![0; searches.len()]);
            let next = AtomicUsize::new(0);
            thread::scope(|scope| {
                for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
                    scope.spawn(|| {
                        let mut workbench = Workbench::new();
                        while let index = next.fetch_add(1, Ordering::Relaxed)
                            && let Some(&(fault, seed)) = searches.get(index)
                        {
                            let count = search(&mut workbench, fault, seed, options);
                            counts.lock().expect("no thread panics")[index] = count;
                        }
                    });
                }
            });
            let counts = counts.into_inner().expect("no thread panics");
            Self { counts, seeds: usize::try_from(seeds).expect("few seeds") }
        }

        fn by_fault(&self) -> impl Iterator<Item = &[u64]> {
            self.counts.chunks(self.seeds)
        }

        /// Those of the faults that are hard according to `all`.
        fn of_hard(&self, all: &Self) -> Vec<u64> {
            let pairs = all.by_fault().zip(self.by_fault());
            pairs.filter(|(all, _)| mean(all) > HARD).flat_map(|(_, own)| own).copied().collect()
        }
    }

    fn search(workbench: &mut Workbench, fault: Fault, seed: u64, options: SearchOptions) -> u64 {
        plant(Some(fault));
        let mut search = Search::new(seed, options);
        let (count, found) = workbench.hunt(&mut search, layers_for(Some(fault)), EXECUTIONS_MAX);
        plant(None);
        if found.is_some() { count } else { EXECUTIONS_MAX + 1 }
    }

    /// What is drilled with everything looked into is shallow, and slow to look into.
    fn faults() -> impl Iterator<Item = Fault> {
        Fault::ALL.iter().copied().filter(|fault| fault.rings() != "key-residue")
    }

    /// The geometric mean.
    fn mean(counts: &[u64]) -> f64 {
        let logs = counts.iter().map(|&count| (count as f64).ln());
        (logs.sum::<f64>() / counts.len() as f64).exp()
    }

    pub(crate) fn head() {
        println!(
            "{:<22} {:>8} {:>6} {:>8} {:>6} {:>11} {:>6} {:>8} {:>7}",
            "", "mean", "ratio", "hard", "ratio", "arithmetic", "ratio", "worst", "missed"
        );
    }

    pub(crate) fn row(name: &str, counts: &Counts, all: &Counts) {
        let arithmetic = |Counts { counts, .. }: &Counts| {
            counts.iter().sum::<u64>() as f64 / counts.len() as f64
        };
        let pairs = [
            (mean(&counts.counts), mean(&all.counts)),
            (mean(&counts.of_hard(all)), mean(&all.of_hard(all))),
            (arithmetic(counts), arithmetic(all)),
        ];
        let [mean, hard, sum] = pairs.map(|(own, all)| (own, own / all));
        let worst = counts.counts.iter().max().copied().unwrap_or(0);
        let missed = counts.counts.iter().filter(|&&count| count > EXECUTIONS_MAX).count();
        println!(
            "{name:<22} {:>8.1} {:>6.2} {:>8.1} {:>6.2} {:>11.1} {:>6.2} {worst:>8} {missed:>7}",
            mean.0, mean.1, hard.0, hard.1, sum.0, sum.1
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
