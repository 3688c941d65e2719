//! The workbench alone decides whether a core is right: what `ci/mutants.sh` asks of every mutant.
//!
//! One program, from the quickest look to the longest, that ends at the first thing that is wrong and
//! says it in a sentence. It knows the core by what it answers, shows and leaves behind.
#![allow(clippy::unwrap_used, reason = "in a test, the panic is the message")]

#[path = "../files/mod.rs"]
mod files;
mod forger;
mod states;

use std::thread;

use files::File;
use forger::Forged;
use keysan::heap::ScanningAllocator;
use rekeylab::Workbench;
use rekeylab::executor::{AnyDut, Core, CoreOn, Dut, Executor, Source, prove_cipher};
use rekeylab::exhaust::{Alphabet, Plan, run};
use rekeylab::generate::{SearchOptions, generate_from_seed};
use rekeylab::observation::{Layers, Trace};
use rekeylab::report::{Aftermath, Colour, Subject, story};
use rekeylab::search::Search;
use rekeylab::sequence::{Call, CallSequence, SequenceText};
use rekeylab_cipher::Backend;
use rekeylab_ddi::Hresult;

#[global_allocator]
static ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

/// How many calls the sequences have of which all are run, by alphabet.
const DEPTHS: [(&str, usize); 4] = [("full", 2), ("lifecycle", 4), ("refresh", 4), ("queue", 4)];

/// Seeds of the campaign's fast lane.
const FAST_SEEDS: u64 = 4000;

/// Seeds of its gated lane, each of them also in the fast one.
const GATED_SEEDS: u64 = 400;

/// Seeds of it for which everything is looked into.
const SEEDS_LOOKED_INTO: u64 = 60;

/// Runs of the search that learns from what it has reached, in the fast lane.
const SEARCH_RUNS: u64 = 8000;

/// No test harness: an audit leaves the stack of the main thread out, where the workbench itself runs.
fn main() {
    for backend in backends() {
        prove_cipher(backend).unwrap_or_else(|error| panic!("{error}"));
    }
    // First, while the workbench itself has nowhere kept a secret.
    for backend in backends().into_iter().filter(|&one| promises_of(one) == Layers::ALL) {
        audit_the_seeds(&CoreOn { backend, entropy: Source::Seeded });
    }
    states::what_is_written_is_enough();
    let mut judge = Judge::new();
    judge.replay_the_corpus(Core, Layers::ALL);
    judge.replay_the_corpus(Forged, Layers::FAST);
    judge.workbench.drive(Core);
    for (alphabet, depth) in DEPTHS {
        every_sequence(Alphabet::by_name(alphabet).unwrap(), depth);
    }
    judge.campaign(FAST_SEEDS, Layers::FAST);
    judge.campaign(GATED_SEEDS, Layers::GATED);
    judge.campaign(SEEDS_LOOKED_INTO, Layers::ALL);
    judge.search(SEARCH_RUNS);
    for backend in backends() {
        judge.replay_the_corpus(CoreOn { backend, entropy: Source::Seeded }, promises_of(backend));
    }
    // Nobody can tell the system's source to fail, or what its numbers look like.
    judge.corpus.retain(|file| !file.parsed.entries.iter().any(|entry| is_injection(&entry.call)));
    let product = CoreOn { backend: rekeylab_cipher::backend(), entropy: Source::System };
    judge.replay_the_corpus(product, Layers::NONE);
    backends().into_iter().for_each(threads_give_their_memory_back);
}

fn is_injection(call: &Call) -> bool {
    matches!(call, Call::InjectEntropy { .. })
}

/// Every backend that works here; on a machine with AES-NI that has to be all of them.
fn backends() -> Vec<Backend> {
    let all: Vec<_> = Backend::ALL.into_iter().filter(|backend| backend.is_available()).collect();
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    if std::is_x86_feature_detected!("aes") {
        assert_eq!(all, Backend::ALL, "a backend works here and says that it does not");
    }
    all
}

/// The layers in which a backend promises to leave nothing.
fn promises_of(backend: Backend) -> Layers {
    match backend {
        Backend::AesNi | Backend::PrivateStack => Layers::ALL,
        Backend::Plain => Layers::FAST,
    }
}

/// In all memory of the process nothing is left of any secret of some of the sequences.
fn audit_the_seeds(dut: &impl Dut) {
    let (mut executor, mut trace) = (Executor::new(), Trace::default());
    for file in files::sequences("corpus/seeds").iter().step_by(8) {
        let audited = executor.audit(dut, &file.parsed.sequence(), &mut trace);
        let (_, remnants) = audited.unwrap();
        let count = remnants.len();
        assert!(remnants.is_empty(), "{}: {count}, such as {:?}", file.path, remnants[0]);
    }
}

/// Every sequence of a few calls holds, and the core says enough of its state for as many of them to
/// be counted when one run stands for several.
fn every_sequence(alphabet: &Alphabet, depth: usize) {
    let core = AnyDut::default();
    let merged = Plan::new(&core, alphabet, depth, 1);
    let outcomes = [merged, Plan { merges: false, ..merged }].map(|plan| run(&plan, &mut ()));
    for outcome in &outcomes {
        assert!(outcome.holds(), "{}: {:?}", alphabet.name, outcome.broken.first());
    }
    let [merged, all] = outcomes.map(|outcome| outcome.total().sequences);
    assert_eq!(merged, all, "{}: runs that stand for others stand for too many", alphabet.name);
}

/// What a thread takes for the cipher is little, and gone with it.
fn threads_give_their_memory_back(backend: Backend) {
    let prove = move || {
        let before = address_space();
        prove_cipher(backend).unwrap();
        let taken = address_space().saturating_sub(before);
        assert!(taken < 4 << 20, "{backend:?} takes {taken} bytes for a thread");
    };
    // The first one leaves what the system keeps for the next.
    thread::spawn(prove).join().unwrap();
    let before = address_space();
    (0..100).for_each(|_| thread::spawn(prove).join().unwrap());
    let kept = address_space().saturating_sub(before);
    assert!(kept < 4 << 20, "{backend:?} keeps {kept} bytes of 100 threads that are gone");
}

/// The addresses that this process has mapped, in bytes; 0 where the system does not say.
fn address_space() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').next().and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}

struct Judge {
    workbench: Workbench,
    corpus: Vec<File>,
}

impl Judge {
    fn new() -> Self {
        let workbench = Workbench::new();
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        assert_eq!(workbench.layers(), Layers::ALL, "everything can be looked into here");
        Self { workbench, corpus: files::sequences("corpus") }
    }

    /// Every tracked sequence answers as it is written, and breaks nothing.
    fn replay_the_corpus(&mut self, dut: impl Dut, layers: Layers) {
        self.workbench.drive(dut);
        let corpus = core::mem::take(&mut self.corpus);
        for file in &corpus {
            self.check(&file.parsed.sequence(), layers, &file.path);
            for (entry, seen) in file.parsed.entries.iter().zip(&self.workbench.trace().calls) {
                let (path, line, call) = (&file.path, entry.line, &entry.call);
                let expected = entry.expected;
                assert_eq!(seen.code, expected, "{path}:{line}: {call} must answer as written");
                assert!(expected.is_none_or(is_told_by_name), "{path}:{line}: {call}");
            }
        }
        self.corpus = corpus;
    }

    /// The sequences that grow from the first seeds break nothing.
    fn campaign(&mut self, seeds: u64, layers: Layers) {
        for seed in 0..seeds {
            let sequence = generate_from_seed(seed, &SearchOptions::default());
            self.check(&sequence, layers, &format!("seed {seed}"));
        }
    }

    /// What a search comes to that goes on from what reached something new breaks nothing.
    fn search(&mut self, runs: u64) {
        let mut search = Search::new(0, SearchOptions::default());
        for run in 0..runs {
            let sequence = search.propose().clone();
            self.check(&sequence, Layers::FAST, &format!("run {run} of the search"));
            search.learn(self.workbench.trace());
        }
    }

    fn check(&mut self, sequence: &CallSequence, layers: Layers, name: &str) {
        self.workbench.run_with(sequence, layers);
        let trace = self.workbench.trace();
        if let Some(void) = trace.void {
            panic!("{name}: {void}");
        }
        if !self.workbench.verdict().is_clean() {
            let verdict = self.workbench.verdict();
            let aftermath = &Aftermath::default();
            let told = Subject { sequence, trace, verdict, aftermath, replay: None };
            panic!("{name}:\n{}\n{}", story(&told, Colour::Off), SequenceText::from(sequence));
        }
        check_the_log(trace, name);
    }
}

/// Whether a code is written as it is read.
fn is_told_by_name(code: Hresult) -> bool {
    Hresult::from_name(&code.to_string()) == Some(code)
}

/// An operator learns of every refresh that could not start, of every read-back key that could not be made and of every reset, with how much was
/// lost, and of nothing else.
fn check_the_log(trace: &Trace, name: &str) {
    let (mut told, mut lost) = (0, 0);
    for (index, seen) in trace.calls.iter().enumerate() {
        let is_told = match seen.call {
            Call::StartRefresh { .. } | Call::EncryptionBltKey { .. } => {
                seen.code == Some(Hresult::E_FAIL)
            }
            Call::ResetEngine => true,
            _ => false,
        };
        let log = trace.log_of(seen);
        assert_eq!(log.lines().count(), usize::from(is_told), "{name}: call {index} logs {log:?}");
        if seen.call == Call::ResetEngine {
            let numbers = log.split(' ').filter_map(|word| word.parse::<usize>().ok());
            told += numbers.sum::<usize>();
        }
        let completions = trace.completions_of(seen).iter();
        lost += completions.filter(|one| one.code == Hresult::D3DDDIERR_DEVICEREMOVED).count();
    }
    // Of an adapter that was closed nothing is delivered any more.
    let is_closed = trace.calls.iter().any(|seen| seen.call == Call::CloseAdapter);
    assert!(
        told == lost || is_closed && told > lost,
        "{name}: the log says that {told} commands were lost, and {lost} were"
    );
}
