//! An engine without coverage, for drivers that no engine is linked with: the workbench's own search, as a
//! process that a campaign starts like any other engine.
//!
//! It reads the working set, goes on from what its inputs have reached, keeps inputs that reach something new,
//! and says so in the lines that libFuzzer has for it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::SeedableRng as _;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{LIMITS, Target};
use crate::executor::AnyDut;
use crate::generate::{SearchOptions, dice, mutate};
use crate::observation::Layers;
use crate::search::Search;
use crate::sequence::CallSequence;
use crate::sequence::wire::encode_into;
use crate::watchdog::TIME_LIMIT;

/// What an engine is asked to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EngineOrder {
    /// What it starts from, and where it keeps what is new.
    pub working_set: PathBuf,
    /// For how long; without it, for ever.
    pub time: Option<Duration>,
    /// How many inputs; without it, as many as there is time for.
    pub input_count: Option<u64>,
    /// Decides what is tried.
    pub seed: u64,
    /// How often it reads what others have put into the working set; without it, never.
    pub reload: Option<Duration>,
    /// The folder for inputs that end the target.
    pub artifacts: PathBuf,
    /// How long an input may run.
    pub run_time: Duration,
    /// Longest input that it makes, in bytes.
    pub len_max: u64,
}

impl Default for EngineOrder {
    /// What libFuzzer does unless it is told otherwise, with a seed.
    fn default() -> Self {
        Self {
            working_set: PathBuf::new(),
            time: None,
            input_count: None,
            seed: 1,
            reload: None,
            artifacts: PathBuf::new(),
            run_time: TIME_LIMIT,
            len_max: 4096,
        }
    }
}

impl EngineOrder {
    /// What the options of libFuzzer ask for that a campaign passes, and the working set behind them.
    ///
    /// # Errors
    ///
    /// An option whose number cannot be read.
    pub fn of_flags(flags: &[String]) -> Result<Self, String> {
        let mut order = Self::default();
        for flag in flags {
            let Some((name, value)) = flag.strip_prefix('-').and_then(|flag| flag.split_once('='))
            else {
                order.working_set = flag.into();
                continue;
            };
            let number = || value.parse::<u64>().map_err(|error| format!("{flag}: {error}"));
            match name {
                // For libFuzzer, 0 stands for no end.
                "max_total_time" => {
                    order.time = Some(number()?).filter(|&it| it > 0).map(Duration::from_secs)
                }
                "runs" => order.input_count = Some(number()?),
                "seed" => order.seed = number()?,
                "reload" => {
                    order.reload = Some(number()?).filter(|&it| it > 0).map(Duration::from_secs)
                }
                // A campaign gives each of its workers a folder.
                "artifact_prefix" => order.artifacts = value.into(),
                "timeout" => order.run_time = Duration::from_secs(number()?),
                "max_len" => order.len_max = number()?,
                // What else there is means nothing here.
                _ => {}
            }
        }
        Ok(order)
    }
}

/// Searches until the order is done, or nobody reads its lines any more.
///
/// # Errors
///
/// When a line cannot be written. What cannot be stored in the working set is said, and the search goes on.
pub fn search_engine(dut: AnyDut, order: &EngineOrder) -> io::Result<()> {
    // Next to what a driver in another process takes, all of it costs little.
    dut.count_edges();
    // What breaks something is run again by itself before anybody is told.
    dut.run_in_batches();
    let (seen_of, edge_count) = (dut.clone(), dut.edge_count());
    let target = Target::new(Layers::GATED.and(crate::Workbench::on(dut.clone()).layers()), dut);
    let options = SearchOptions::within(LIMITS.get());
    let mut engine = Engine {
        order,
        target,
        dut: seen_of,
        covered: Covered { buckets: vec![0; edge_count], counters: Vec::new() },
        search: Search::new(order.seed, options),
        rng: Xoshiro256PlusPlus::seed_from_u64(order.seed),
        inputs: Vec::new(),
        read: BTreeSet::new(),
        bytes: Vec::new(),
        started: Instant::now(),
        said: Instant::now(),
    };
    engine.read_new()?;
    engine.say("INITED")?;
    let mut reloaded = Instant::now();
    while !engine.is_done() {
        engine.step()?;
        if order.reload.is_some_and(|every| reloaded.elapsed() > every) {
            engine.read_new()?;
            reloaded = Instant::now();
        }
    }
    engine.say("DONE")?;
    let mut out = io::stderr();
    writeln!(out, "stat::number_of_executed_units: {}", engine.target.execution_count)
}

/// An engine at work.
struct Engine<'a> {
    order: &'a EngineOrder,
    target: Target,
    /// The driver that the target runs.
    dut: AnyDut,
    covered: Covered,
    search: Search,
    rng: Xoshiro256PlusPlus,
    /// Inputs that reached something new when they were run.
    inputs: Vec<CallSequence>,
    /// The files of the working set that were read or written.
    read: BTreeSet<OsString>,
    bytes: Vec<u8>,
    started: Instant,
    said: Instant,
}

/// How often it says how far it is.
const SAID_EVERY: Duration = Duration::from_secs(1);

/// Most calls of an input that was changed.
const CALLS_MAX: usize = 170;

impl Engine<'_> {
    fn is_done(&self) -> bool {
        let is_over = self.order.time.is_some_and(|time| self.started.elapsed() > time);
        is_over || self.order.input_count.is_some_and(|count| self.target.execution_count >= count)
    }

    /// Runs what the working set has that was not run yet.
    fn read_new(&mut self) -> io::Result<()> {
        let entries = fs::read_dir(&self.order.working_set).into_iter().flatten().flatten();
        let mut names: Vec<OsString> = entries.map(|entry| entry.file_name()).collect();
        names
            .retain(|name| !self.read.contains(name) && !name.as_encoded_bytes().starts_with(b"."));
        // In the order of their names, so that the same working set is read the same.
        names.sort();
        for name in names {
            if self.is_done() {
                break;
            }
            // One that another has removed is not missed.
            if let Ok(bytes) = fs::read(self.order.working_set.join(&name)) {
                let sequence = CallSequence::from_bytes(&bytes);
                self.run(&sequence)?;
            }
            self.read.insert(name);
        }
        Ok(())
    }

    /// Makes an input and runs it; keeps it if it reaches something new.
    fn step(&mut self) -> io::Result<()> {
        let sequence = if self.inputs.is_empty() || dice::one_in(&mut self.rng, 2) {
            self.search.propose().clone()
        } else {
            let input = dice::index(&mut self.rng, self.inputs.len());
            let mut sequence = self.inputs[input].clone();
            mutate(&mut sequence, &mut self.rng, &LIMITS.get(), CALLS_MAX);
            sequence
        };
        if self.run(&sequence)? {
            self.keep();
        }
        Ok(())
    }

    /// Runs a sequence; says whether it broke nothing and reached something new.
    fn run(&mut self, sequence: &CallSequence) -> io::Result<bool> {
        self.bytes.clear();
        encode_into(sequence, &mut self.bytes);
        self.target.run_or_abort(&self.bytes);
        let is_clean = self.target.workbench.verdict().is_clean();
        // The target may have run it again for more layers; that passes the same edges.
        self.dut.copy_counters(&mut self.covered.counters);
        let is_new = is_clean
            && self.search.learn_from(sequence, self.target.workbench.trace())
                | self.covered.take_in();
        if is_new {
            self.inputs.push(sequence.clone());
        }
        if self.said.elapsed() > SAID_EVERY {
            self.say("pulse")?;
        }
        Ok(is_new)
    }

    /// Adds the input that was run last to the working set.
    fn keep(&mut self) {
        let name = name_of(&self.bytes);
        if let Err(error) = store(&self.order.working_set, &name, &self.bytes) {
            let path = self.order.working_set.display();
            let line = format!("rekeylab: cannot-write={path}: {error}\n");
            let _ = io::stderr().write_all(line.as_bytes());
        }
        self.read.insert(name);
    }

    fn say(&mut self, event: &str) -> io::Result<()> {
        self.said = Instant::now();
        let (count, edges) = (self.target.execution_count, self.covered.edge_count());
        let features = self.search.feature_count() + self.covered.feature_count();
        let kept = self.inputs.len();
        let line = format!("#{count}\t{event} cov: {edges} ft: {features} corp: {kept}/0b\n");
        // One write, so that lines of several workers do not mix.
        io::stderr().write_all(line.as_bytes())?;
        self.target.report_progress();
        Ok(())
    }
}

/// What was reached of the driver's code, where that is counted.
struct Covered {
    /// For each edge, which magnitudes of passing it were seen, a bit each, as libFuzzer has them.
    buckets: Vec<u8>,
    /// Of the last run.
    counters: Vec<u8>,
}

impl Covered {
    /// Takes the last run in; says whether it passed an edge that none had passed, or an edge as often as none.
    fn take_in(&mut self) -> bool {
        let mut is_new = false;
        for (known, &count) in self.buckets.iter_mut().zip(&self.counters) {
            let bucket = match count {
                0 => continue,
                1..=3 => 1 << (count - 1),
                4..=7 => 1 << 3,
                8..=15 => 1 << 4,
                16..=31 => 1 << 5,
                32..=127 => 1 << 6,
                128.. => 1 << 7,
            };
            is_new |= *known & bucket == 0;
            *known |= bucket;
        }
        is_new
    }

    /// How many edges were passed.
    fn edge_count(&self) -> usize {
        self.buckets.iter().filter(|&&buckets| buckets != 0).count()
    }

    /// How many pairs of an edge and a magnitude were seen.
    fn feature_count(&self) -> usize {
        self.buckets.iter().map(|buckets| buckets.count_ones() as usize).sum()
    }
}

/// What an input is called in the working set.
pub(super) fn name_of(bytes: &[u8]) -> OsString {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    OsString::from(format!("{:016x}", hasher.finish()))
}

/// Writes a file that is there as a whole or not at all.
pub(super) fn store(directory: &Path, name: &OsString, bytes: &[u8]) -> io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.persist(directory.join(name)).map(drop).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::Core;

    #[test]
    fn it_is_asked_as_libfuzzer_is() {
        let flags = [
            "-artifact_prefix=a/",
            "-max_total_time=7",
            "-runs=9",
            "-seed=3",
            "-reload=0",
            "-timeout=2",
            "set",
        ];
        let order = EngineOrder::of_flags(&flags.map(str::to_owned)).unwrap();
        assert_eq!(order.time, Some(Duration::from_secs(7)));
        assert_eq!((order.input_count, order.seed, order.reload), (Some(9), 3, None));
        assert_eq!(order.working_set, Path::new("set"));
        assert_eq!((order.artifacts.as_path(), order.run_time.as_secs()), (Path::new("a/"), 2));
        assert!(
            EngineOrder::of_flags(&["-runs=many".to_owned()]).unwrap_err().contains("-runs=many")
        );
    }

    #[test]
    fn it_keeps_what_is_new_and_the_next_one_goes_on_from_there() {
        let directory = tempfile::tempdir().unwrap();
        let order = |input_count| EngineOrder {
            working_set: directory.path().to_owned(),
            input_count: Some(input_count),
            seed: 1,
            ..EngineOrder::default()
        };
        let kept = || fs::read_dir(directory.path()).unwrap().count();
        search_engine(Core.into(), &order(300)).unwrap();
        let first = kept();
        assert!(first > 20, "{first}");
        // As many inputs again, of which the first are those that were kept.
        search_engine(Core.into(), &order(first as u64)).unwrap();
        assert_eq!(kept(), first);
    }
}
