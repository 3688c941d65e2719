//! What each part of the search is worth: sequences until a planted fault is caught, with the part
//! and without it.
//!
//! `cargo bench -p rekeylab --features faults --bench search -- [SEEDS] [PART|all|none]...` takes
//! minutes. Only counts are shown, so that the figures are the same on every machine. A fault that
//! is not caught counts as if the next sequence had caught it.

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
    println!("{:<22} {:>10} {:>8} {:>10} {:>8}", "", "mean", "ratio", "worst", "missed");
    let all = search::all(full, seeds);
    search::row("everything on", &all, &all);
    for part in PARTS.iter().filter(|part| is_wanted(part.name)) {
        let without = search::all(full.without(part), seeds);
        search::row(&format!("without {}", part.name), &without, &all);
    }
    if is_wanted("slowest") {
        search::slowest(&all, seeds);
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

    /// How many sequences each search took, by fault and then by seed.
    pub(crate) fn all(options: SearchOptions, seeds: u64) -> Vec<u64> {
        // What is drilled with everything looked into is shallow, and slow to look into.
        let faults: Vec<Fault> = faults().collect();
        let searches: Vec<(Fault, u64)> =
            faults.iter().flat_map(|&fault| (1..=seeds).map(move |seed| (fault, seed))).collect();
        let counts = Mutex::new(vec![0; searches.len()]);
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(|| {
                    let mut workbench = Workbench::new();
                    while let index = next.fetch_add(1, Ordering::Relaxed)
                        && let Some(&(fault, seed)) = searches.get(index)
                    {
                        plant(Some(fault));
                        let mut search = Search::new(seed, options);
                        let layers = layers_for(Some(fault));
                        let (count, found) = workbench.hunt(&mut search, layers, EXECUTIONS_MAX);
                        plant(None);
                        counts.lock().expect("no thread panics")[index] =
                            if found.is_some() { count } else { EXECUTIONS_MAX + 1 };
                    }
                });
            }
        });
        counts.into_inner().expect("no thread panics")
    }

    fn faults() -> impl Iterator<Item = Fault> {
        Fault::ALL.iter().copied().filter(|fault| fault.rings() != "key-residue")
    }

    pub(crate) fn row(name: &str, counts: &[u64], all: &[u64]) {
        let mean = |counts: &[u64]| {
            let logs = counts.iter().map(|&count| (count as f64).ln());
            (logs.sum::<f64>() / counts.len() as f64).exp()
        };
        let worst = counts.iter().max().copied().unwrap_or(0);
        let missed = counts.iter().filter(|&&count| count > EXECUTIONS_MAX).count();
        let ratio = mean(counts) / mean(all);
        println!("{name:<22} {:>10.1} {ratio:>8.2} {worst:>10} {missed:>8}", mean(counts));
    }

    /// The faults that took longest, each with its worst count.
    pub(crate) fn slowest(counts: &[u64], seeds: u64) {
        let seeds = usize::try_from(seeds).expect("few seeds");
        let worst = counts.chunks(seeds).map(|counts| counts.iter().max().copied().unwrap_or(0));
        let mut rows: Vec<(u64, &str)> = worst.zip(faults().map(Fault::name)).collect();
        rows.sort_unstable_by(|a, b| b.cmp(a));
        rows.iter().take(20).for_each(|(count, name)| println!("{count:>8} {name}"));
    }
}
