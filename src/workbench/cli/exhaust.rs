//! `rekeylab exhaust`: every sequence of up to so many calls over a small alphabet.

use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde::Serialize;

use crate::campaign::findings::Findings;
use crate::campaign::{Finding, StopSignal, grouped, workspace_root};
use crate::corpus::write_over;
use crate::exhaust::{self, Alphabet, Identity, Outcome, Plan, Pulse, Search, Watch};

use super::Format;
use super::console::Console;
use super::exit::Exit;
use super::failure::Failure;
use super::fault;
use super::fuzz::{Display, ToldFinding, relative, stop_on_signals, stories, told_finding};
use super::replay::jobs;

/// How often what was searched is stored.
const KEEP_EVERY: Duration = Duration::from_secs(5);

/// Runs every sequence of up to N calls, judged by all invariants
///
/// Two prefixes that leave driver, client, seams and judges in the same state have the same
/// futures, so only one of them is extended; how many sequences that covers is counted exactly.
/// When something is broken, the search ends with that length: nothing shorter breaks anything.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rekeylab exhaust                                    the full alphabet, six calls
  rekeylab exhaust --depth 10 --alphabet counters     deeper, with fewer letters
  rekeylab exhaust --depth 9 --resume                 goes on after Ctrl-C
  rekeylab exhaust --alphabet list                    what is in each alphabet")]
pub(super) struct Options {
    /// Most calls of a sequence
    #[arg(long, default_value_t = 6, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    depth: u8,
    /// Which calls there are; `list` tells what is in each
    #[arg(long, default_value = exhaust::ALL[0].name, value_name = "NAME", value_parser = names())]
    alphabet: String,
    /// How many threads [default: one a core]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZero<usize>>,
    /// Plants this fault; see `rekeylab list faults`
    #[arg(long, value_name = "NAME")]
    fault: Option<String>,
    /// Goes on from where an earlier search was broken off
    #[arg(long)]
    resume: bool,
    /// Where a search is stored while it is under way [default: target/exhaust-NAME-N.state]
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Where findings are written [default: fuzz/findings]
    #[arg(long, value_name = "DIR")]
    findings: Option<PathBuf>,
}

/// Stands for no alphabet: they are told instead.
const LIST: &str = "list";

fn names() -> PossibleValuesParser {
    let names = exhaust::ALL.iter().map(|alphabet| alphabet.name);
    PossibleValuesParser::new(names.chain([LIST]))
}

pub(super) fn run(options: &Options, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let Some(alphabet) = Alphabet::by_name(&options.alphabet) else {
        return list(console);
    };
    let fault = fault::by_name(options.fault.as_deref(), "exhaust")?;
    let stop = stop_on_signals()?;
    let dut = fault::core_with(fault);
    let plan = Plan::new(&dut, alphabet, options.depth.into(), jobs(options.jobs));
    let name = fault.map(|fault| fault.name());
    let identity = Identity::new(&plan, &this_program()?, name);
    let path = options
        .state
        .clone()
        .unwrap_or_else(|| format!("target/exhaust-{}-{}.state", alphabet.name, plan.depth).into());

    let started = Instant::now();
    let mut search = if options.resume { restore(&path, &identity)? } else { Search::default() };
    let mut keeper = Keeper {
        console,
        display: Display::new(),
        stop,
        path: &path,
        identity: &identity,
        last: Instant::now(),
        is_stored: options.resume,
        trouble: None,
        plan: &plan,
    };
    let outcome = search.run(&plan, &mut keeper);
    keeper.display.end();
    if outcome.is_interrupted {
        keeper.store(&search);
    }
    let Keeper { is_stored, trouble, .. } = keeper;
    if let Some(trouble) = &trouble {
        console.warning(trouble);
    }
    if outcome.is_interrupted {
        console.note("interrupted: this is what was searched until then");
        if trouble.is_none() {
            console
                .note(&format!("  to go on: the same command with --resume ({})", path.display()));
        }
    } else if is_stored {
        // It is done; what is left of it would only be taken for something to go on with.
        let _ = fs::remove_file(&path);
    }

    let root = workspace_root().unwrap_or_default();
    let findings = options.findings.clone();
    let findings = findings.unwrap_or_else(|| relative(&root.join("fuzz/findings")));
    let mut findings = Findings::new(findings, &dut, name);
    for broken in &outcome.broken {
        findings.take(&broken.sequence);
    }
    for trouble in &findings.troubles {
        console.warning(trouble);
    }
    let told = Told { plan: &plan, fault: name, outcome: &outcome, findings: &findings.found };
    match console.format {
        Format::Human => {
            let mut text = stories(&findings.found);
            text.push_str(&told.line(started.elapsed()));
            console.say(&text)?;
        }
        Format::Json => console.say_json(1, &told.document(started.elapsed()))?,
    }
    if findings.is_storing_broken {
        return Ok(Exit::WorkbenchFailed);
    }
    Ok(match (outcome.broken.is_empty(), outcome.is_interrupted) {
        (false, _) => Exit::InvariantBroken,
        // Not everything was covered, so nothing may take it for a pass.
        (true, true) => Exit::WorkbenchFailed,
        (true, false) => Exit::Held,
    })
}

/// What is in each alphabet.
fn list(console: &mut Console<'_>) -> Result<Exit, Failure> {
    let entries: Vec<ToldAlphabet> = exhaust::ALL
        .iter()
        .map(|alphabet| ToldAlphabet {
            name: alphabet.name,
            letters: alphabet.letters().iter().map(ToString::to_string).collect(),
            says: alphabet.says,
        })
        .collect();
    match console.format {
        Format::Human => {
            for ToldAlphabet { name, letters, says } in &entries {
                let says = textwrap::fill(says, indented());
                console.say(&format!("{name} ({} letters)\n{says}\n", letters.len()))?;
            }
        }
        Format::Json => console.say_json(1, &ToldAlphabets { entries })?,
    }
    Ok(Exit::Held)
}

/// How lines of explanation look: not too long, and below what they explain.
fn indented() -> textwrap::Options<'static> {
    textwrap::Options::new(80).initial_indent("  ").subsequent_indent("  ")
}

/// The bytes of this program, which a checkpoint belongs to.
fn this_program() -> Result<Vec<u8>, Failure> {
    let read = std::env::current_exe().and_then(fs::read);
    read.map_err(|error| Failure::workbench(format!("cannot read this program: {error}")))
}

fn restore(path: &Path, identity: &Identity) -> Result<Search, Failure> {
    let refuse = |error: &dyn std::fmt::Display| {
        Failure::usage(format!("cannot go on from {}: {error}", path.display()))
            .way_out("the same command without --resume")
    };
    let bytes = fs::read(path).map_err(|error| refuse(&error))?;
    Search::from_bytes(&bytes, identity).map_err(|error| refuse(&error))
}

/// Shows how far the search is, stores it now and then, and ends it on a signal.
struct Keeper<'a, 'c> {
    console: &'a mut Console<'c>,
    display: Display,
    stop: Arc<StopSignal>,
    path: &'a Path,
    identity: &'a Identity,
    last: Instant,
    is_stored: bool,
    trouble: Option<String>,
    plan: &'a Plan<'a>,
}

impl Keeper<'_, '_> {
    fn store(&mut self, search: &Search) {
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let made = directory.map_or(Ok(()), fs::create_dir_all);
        let stored = match made {
            Err(error) => Err(format!("cannot write {}: {error}", self.path.display())),
            Ok(()) => write_over(self.path, &search.to_bytes(self.identity))
                .map_err(|error| error.to_string()),
        };
        self.is_stored |= stored.is_ok();
        self.trouble = stored.err();
        // However long it takes, it takes a small share of the time.
        self.last = Instant::now();
    }
}

impl Watch for Keeper<'_, '_> {
    fn pulse(&mut self, pulse: &Pulse) {
        let depth = self.plan.depth;
        self.display.line(|| line_of(pulse, depth), self.console);
    }

    fn keep(&mut self, search: &Search) {
        if self.last.elapsed() >= KEEP_EVERY {
            self.store(search);
        }
    }

    fn is_over(&mut self) -> bool {
        self.stop.is_raised()
    }
}

/// How far a search is, in one line.
fn line_of(pulse: &Pulse, depth: usize) -> String {
    format!(
        "{} of {depth} calls  {} of {} states  {} sequences  {} runs",
        pulse.depth,
        grouped(pulse.done as u64),
        grouped(pulse.prefixes as u64),
        grouped(pulse.count.sequences),
        grouped(pulse.count.runs),
    )
}

/// What is told at the end.
struct Told<'a> {
    plan: &'a Plan<'a>,
    fault: Option<&'static str>,
    outcome: &'a Outcome,
    findings: &'a [Finding],
}

impl Told<'_> {
    /// All of it but the findings, in one line; only its end differs from run to run.
    fn line(&self, elapsed: Duration) -> String {
        let (outcome, total) = (self.outcome, self.outcome.total());
        let alphabet = self.plan.alphabet;
        let verdict = match (total.broken, outcome.is_interrupted) {
            (0, false) => "all held".to_owned(),
            (0, true) => "which held, and more to come".to_owned(),
            (broken, _) => format!("{} broke something", grouped(broken)),
        };
        format!(
            "depth {}, alphabet {} ({} letters): {} sequences, {verdict}; {} runs from {} states, \
             {:.1} s\n",
            outcome.levels.len(),
            alphabet.name,
            alphabet.letters().len(),
            grouped(total.sequences),
            grouped(total.runs),
            grouped(outcome.states),
            elapsed.as_secs_f64(),
        )
    }

    fn document(&self, elapsed: Duration) -> Document<'_> {
        let Self { plan, fault, outcome, findings } = *self;
        let total = outcome.total();
        let levels = (1..).zip(&outcome.levels).map(|(depth, level)| ToldLevel {
            depth,
            sequences: level.sequences.to_string(),
            broken: level.broken.to_string(),
            runs: level.runs,
        });
        Document {
            alphabet: plan.alphabet.name,
            letters: plan.alphabet.letters().len(),
            depth: plan.depth,
            fault,
            sequences: total.sequences.to_string(),
            broken: total.broken.to_string(),
            runs: total.runs,
            states: outcome.states,
            levels: levels.collect(),
            interrupted: outcome.is_interrupted,
            seconds: elapsed.as_secs_f64(),
            findings: findings.iter().map(told_finding).collect(),
        }
    }
}

/// What a machine reads of a search. Numbers of sequences are text: they outgrow what many
/// programs read exactly.
#[derive(Debug, Serialize)]
struct Document<'a> {
    alphabet: &'a str,
    letters: usize,
    depth: usize,
    fault: Option<&'a str>,
    sequences: String,
    broken: String,
    runs: u64,
    states: u64,
    levels: Vec<ToldLevel>,
    interrupted: bool,
    seconds: f64,
    findings: Vec<ToldFinding<'a>>,
}

#[derive(Debug, Serialize)]
struct ToldLevel {
    depth: usize,
    sequences: String,
    broken: String,
    runs: u64,
}

#[derive(Debug, Serialize)]
struct ToldAlphabets {
    entries: Vec<ToldAlphabet>,
}

#[derive(Debug, Serialize)]
struct ToldAlphabet {
    name: &'static str,
    says: &'static str,
    letters: Vec<String>,
}
