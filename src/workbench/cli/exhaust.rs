//! `rekeylab exhaust`: every sequence of up to so many calls over a small alphabet.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde::Serialize;

use crate::Workbench;
use crate::campaign::findings::Findings;
use crate::campaign::{Finding, StopSignal, grouped};
use crate::exhaust::{self, Alphabet, Outcome, Plan, Pulse, Watch};
use crate::watchdog::{Hang, on_hang};

use super::Format;
use super::console::Console;
use super::display::Display;
use super::exit::Exit;
use super::failure::Failure;
use super::fault;
use super::fuzz::{ToldFinding, stop_on_signals, stories, told_finding};
use super::hung::{end_when_it_hangs, what_hung};
use super::noted::{self, Noted};
use super::replay::jobs;

/// Runs every sequence of up to N calls, judged by all invariants in the fast lane
///
/// Two prefixes that leave driver, client, seams and judges in the same state have the same
/// futures, so only one of them is extended; how many sequences that covers is counted exactly.
/// When something is broken, the search ends with that length: nothing shorter breaks anything. It
/// looks for secrets in outputs, log and freed blocks, and not in live memory, stack or registers.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rekeylab exhaust                                    the full alphabet, six calls
  rekeylab exhaust --depth 10 --alphabet counters     deeper, with fewer letters
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
    /// Where findings are written [default: fuzz/findings]
    #[arg(long, value_name = "DIR")]
    findings: Option<PathBuf>,
    /// What this machine is called in the findings store [default: its name]
    #[arg(long, value_name = "NAME")]
    machine: Option<String>,
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

    let missing = console.exit_without(exhaust::LAYERS, Workbench::on(dut.clone()).layers());
    let started = Instant::now();
    let hung = Arc::new(Mutex::new(None));
    let first = Arc::clone(&hung);
    on_hang(Arc::new(move |hang| {
        lock(&first).get_or_insert(hang);
    }));
    let (display, depth) = (Display::new(), plan.depth);
    let mut watcher = Watcher { console, display, stop, hung: Arc::clone(&hung), depth };
    let outcome = exhaust::run(&plan, &mut watcher);
    watcher.display.end();
    let hung = lock(&hung).take();
    if let Some(hang) = &hung {
        let what = what_hung(Workbench::told(&dut, hang).trace()).unwrap_or_default();
        console.note_hang("a sequence", &what);
    } else if outcome.is_interrupted {
        console.note("interrupted: this is what was searched until then");
    }

    let folder = noted::folder(options.findings.as_deref());
    // What broke something is minimised here, and a form of it may hang.
    end_when_it_hangs(&dut, name, console.format);
    // Opened before anything is stored: a new store takes the reproducers that are there for old ones.
    let noted = (hung.is_some() || !outcome.broken.is_empty()).then(|| {
        let lane = format!("exhaust {}", alphabet.name);
        Noted::open(
            &folder,
            noted::driver_name(name),
            noted::origin(options.machine.as_deref(), lane),
            None,
        )
    });
    let mut findings = Findings::new(folder, &dut, name);
    // It is as short as any, like all that a search finds.
    if let Some(hang) = &hung {
        findings.take_hang(hang);
    }
    for broken in &outcome.broken {
        findings.take(&broken.sequence);
    }
    for trouble in &findings.troubles {
        console.warning(trouble);
    }
    let storing = noted.map_or(Exit::Held, |mut noted| {
        findings.found.iter().for_each(|finding| noted.note(finding));
        noted.end(console)
    });
    let (findings_told, is_hung) = (&findings.found, hung.is_some());
    let told =
        Told { plan: &plan, fault: name, outcome: &outcome, is_hung, findings: findings_told };
    match console.format {
        Format::Human => {
            let mut text = stories(&findings.found);
            text.push_str(&told.line(started.elapsed()));
            console.say(&text)?;
        }
        Format::Json => console.say_json(1, &told.document(started.elapsed()))?,
    }
    Ok(storing.and(match (outcome.broken.is_empty() && !is_hung, outcome.is_interrupted) {
        (false, _) => Exit::InvariantBroken,
        // Not everything was covered, so nothing may take it for a pass.
        (true, true) => Exit::Interrupted,
        (true, false) => missing,
    }))
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

/// Shows how far the search is, and ends it on a signal.
struct Watcher<'a, 'c> {
    console: &'a mut Console<'c>,
    display: Display,
    stop: Arc<StopSignal>,
    /// The first run that hung.
    hung: Arc<Mutex<Option<Hang>>>,
    depth: usize,
}

fn lock(hung: &Mutex<Option<Hang>>) -> MutexGuard<'_, Option<Hang>> {
    hung.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch for Watcher<'_, '_> {
    fn pulse(&mut self, pulse: &Pulse) {
        self.display.line(|| line_of(pulse, self.depth), self.console);
    }

    fn is_over(&mut self) -> bool {
        self.stop.is_raised() || lock(&self.hung).is_some()
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
    /// Whether it ended because a run hung.
    is_hung: bool,
    findings: &'a [Finding],
}

impl Told<'_> {
    /// All of it but the findings, in one line; only its end differs from run to run.
    fn line(&self, elapsed: Duration) -> String {
        let (outcome, total) = (self.outcome, self.outcome.total());
        let alphabet = self.plan.alphabet;
        let looked_into = exhaust::LAYERS.names().join(", ");
        let verdict = match (total.broken, outcome.is_interrupted) {
            (0, _) if self.is_hung => "which held, until one did not return".to_owned(),
            (0, false) => "all held".to_owned(),
            (0, true) => "which held, and more to come".to_owned(),
            (broken, _) => format!("{} broke something", grouped(broken)),
        };
        format!(
            "depth {}, alphabet {} ({} letters): {} sequences, {verdict}; {} runs from {} states, \
             secrets looked for in {looked_into}; {:.1} s\n",
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
        let Self { plan, fault, outcome, is_hung: _, findings } = *self;
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
            looked_into: exhaust::LAYERS.names(),
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
    /// The layers in which secrets were looked for.
    looked_into: Vec<&'static str>,
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
