//! `rekeylab fuzz`: the main job, from a fresh checkout to minimised findings.

mod subject;
mod told;

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use crate::campaign::{
    Archive, Began, Directories, Engine, EngineError, Finding, Lane, Outcome, Plan, Pulse,
    RECORD_VERSION, Recorder, Said, Sample, Sanitizer, StopSignal, search, workspace_root,
};
use crate::corpus::pack;
use crate::observation::{Layer, Layers};
use crate::store::{Moment, Origin};
use crate::telemetry::{MetricsFile, Watched, Webhook};

use super::console::Console;
use super::display::Display;
use super::driver::DriverOption;
use super::exit::Exit;
use super::failure::Failure;
use super::hung::end_when_it_hangs;
use super::looked_into::looked_into_line;
use super::noted::{self, Noted};
use super::replay::jobs;
use subject::Subject;
use told::tell;
pub(super) use told::{ToldFinding, stories, told_finding};

/// Searches for sequences that break an invariant, on every core
///
/// Needs a Rust toolchain and a C++ compiler. Installs the pinned cargo-fuzz into target/tools if
/// it is missing, starts from the seeds and reproducers in corpus/, and goes on from what earlier
/// runs learnt. While these go through every layer, the workers are shared by two lanes, or one takes
/// turns: call_sequence makes the most calls, call_sequence_keysan looks for secrets after each.
/// What is found is minimised and written as text, and noted in the findings store; the bugs in there
/// are tried again first. The last line says what was looked into, how
/// much, and what was not. A lane that reaches fewer edges of the driver than its floor fails.
///
/// With --driver nothing is built, and this program is the engine. It is guided by what the driver answers, and
/// by coverage of its code if that was compiled with Clang's counters.
#[derive(Debug, Args)]
#[group(skip)]
#[command(after_help = "\
Examples:
  rekeylab fuzz --time 10m
  rekeylab fuzz --time 8h --sanitizer address --jobs 4
  rekeylab fuzz --fault finish-keeps-random      watch it find a planted bug
  rekeylab fuzz --target sequence_forms          the parsers of sequences
  rekeylab fuzz --engine libfuzzer,afl           two engines, which learn from each other
  rekeylab fuzz --driver driver.toml             a driver of your own; see docs/your-driver.md

Ctrl-C ends the search and still tells what was found. Findings are in fuzz/findings, the working
set is in fuzz/corpus; both outlive every run.")]
pub(super) struct Options {
    /// How long to search: 60s, 10m, 8h
    #[arg(long, default_value = "60s", value_name = "TIME", value_parser = parse_time)]
    time: Duration,
    /// How many workers [default: one a core]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZero<usize>>,
    /// Runs this fuzz target alone, without the first look [default: both lanes]
    #[arg(long, value_name = "NAME", conflicts_with = "driver")]
    target: Option<String>,
    /// What searches: each of these in every lane, on one working set [default: libfuzzer]
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        hide_default_value = true,
        default_value = "libfuzzer",
        conflicts_with = "driver"
    )]
    engine: Vec<Engine>,
    /// The sanitizer to build with
    #[arg(long, value_enum, default_value_t = Sanitizer::None, conflicts_with = "driver")]
    sanitizer: Sanitizer,
    /// Plants this fault; see `rekeylab list faults`
    #[arg(long, value_name = "NAME", conflicts_with = "driver")]
    fault: Option<String>,
    #[command(flatten)]
    driver: DriverOption,
    /// Refuses a driver whose library has no counters of coverage
    #[arg(long, requires = "driver")]
    require_coverage: bool,
    /// Seed of the first worker, which then begins the same every time; what follows also depends on the clock
    #[arg(long, value_name = "N")]
    seed: Option<u32>,
    /// Where findings are written [default: fuzz/findings, or a folder of the driver in fuzz/drivers]
    #[arg(long, value_name = "DIR")]
    findings: Option<PathBuf>,
    /// What this machine is called in the findings store [default: its name]
    #[arg(long, value_name = "NAME")]
    machine: Option<String>,
    /// Writes metrics of findings and search to this file every 10 seconds, for a collector such as Prometheus'
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    /// Posts a notice of each new or regressed finding to this address, as JSON
    #[arg(long, value_name = "URL", env = "REKEYLAB_WEBHOOK", hide_env_values = true)]
    webhook: Option<String>,
}

/// A time as humantime reads it, or seconds alone.
pub(super) fn parse_time(text: &str) -> Result<Duration, String> {
    let time = match text.parse::<u32>() {
        Ok(seconds) => Duration::from_secs(seconds.into()),
        Err(_) => humantime::parse_duration(text)
            .map_err(|error| format!("{error}; expected a time such as 60s, 10m or 8h"))?,
    };
    // The engine counts whole seconds in a signed 32-bit number, where 0 means for ever.
    match i32::try_from(time.as_secs()) {
        Err(_) => Err("the engines count at most 2147483647 seconds".to_owned()),
        Ok(0) => Err("the engines count whole seconds, and 0 stands for no end".to_owned()),
        Ok(_) => Ok(Duration::from_secs(time.as_secs())),
    }
}

pub(super) fn run(options: &Options, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let stop = stop_on_signals()?;
    campaign(options, None, &stop, console).map(|campaign| campaign.exit)
}

/// What is there after a campaign, for whoever goes on with it.
pub(super) struct Campaign {
    /// What it came to.
    pub(super) exit: Exit,
    /// Its engines that can trim a working set, in the order of the lanes: those of libFuzzer.
    pub(super) engines: Vec<PathBuf>,
    /// What it has learnt.
    pub(super) working_set: PathBuf,
    /// Where findings are.
    pub(super) findings: PathBuf,
}

/// Builds, searches and tells; with an archive, the working set and the findings are restored first and saved meanwhile.
pub(super) fn campaign(
    options: &Options,
    archive: Option<&Archive>,
    stop: &Arc<StopSignal>,
    console: &mut Console<'_>,
) -> Result<Campaign, Failure> {
    let root = workspace_root().ok_or(EngineError::NoWorkspace)?;
    let mut display = Display::new();

    // First what fails fast, so that nobody waits for a build to hear of it.
    let webhook = options.webhook.as_deref().map(Webhook::to).transpose();
    let webhook = webhook.map_err(|error| Failure::usage(format!("--webhook: {error}")))?;
    if options.sanitizer != Sanitizer::None && options.engine.contains(&Engine::Afl) {
        return Err(Failure::usage("--engine afl runs without a sanitizer")
            .way_out("--engine libfuzzer for that, in a campaign of its own"));
    }
    let subject = Subject::of(options, &root, stop)?;
    let fault = subject.fault.map(|fault| fault.name());
    if let Some(guide) = &subject.guide {
        console.note(guide);
    }
    let directories = Directories::prepare(&root, &subject.working_set, fault)?;
    let findings = subject.findings.clone();
    // A disk without room is no reason not to search with what there is.
    let mut is_unwritten = false;
    if let Some(archive) = archive {
        match archive.restore(&directories.working_set) {
            Ok(count) => console.note(&format!("{count} inputs restored from the archive")),
            Err(error) => {
                is_unwritten = true;
                console.warning(&format!("the working set is not restored as a whole: {error}"));
            }
        }
        if let Err(error) = archive.restore_findings(&findings) {
            is_unwritten = true;
            console.warning(&format!("findings are not restored as a whole: {error}"));
        }
    }
    let sources = ["corpus/seeds", "corpus/crashes"].map(|path| root.join(path));
    let sources: Vec<PathBuf> = sources.into_iter().filter(|path| path.is_dir()).collect();
    let packed = pack(&sources, &directories.working_set, subject.forms())?;
    for error in packed.errors.iter().chain(&packed.unwritten) {
        console.warning(&error.to_string());
    }
    is_unwritten |= packed.unwritten.is_some();
    let lanes = subject.lanes(options, &root, stop, &mut display, console)?;
    let (count, new_count) = (packed.count, packed.new_count);
    let line = format!("starting from {count} seeds and reproducers ({new_count} new)");
    display.say(&line, console);

    let plan = Plan {
        time: options.time,
        jobs: jobs(options.jobs),
        lanes,
        is_first_looked_through: options.target.is_none(),
        sanitizer: options.sanitizer,
        dut: subject.dut.clone(),
        fault,
        seed: options.seed,
        findings,
        own_process: subject.own_process.clone(),
        archive: archive.cloned(),
    };
    let lane =
        options.target.as_deref().map_or_else(|| "fuzz".to_owned(), |it| format!("fuzz {it}"));
    let origin = match &subject.read {
        None => noted::origin(options.machine.as_deref(), lane),
        Some(sheet) => noted::origin_of_library(sheet, options.machine.as_deref(), lane),
    };
    let mut noted = Noted::open(&plan.findings, subject.name.clone(), origin.clone(), webhook);
    noted.try_again(&plan.dut, plan.own_process.as_ref(), console);
    // Of an input that kills its worker by other means, a form may hang here.
    end_when_it_hangs(&plan.dut, plan.fault, console.format);
    let mut looking = None;
    display.begin_campaign(title(&plan, &subject.name));
    let began = began(&plan, subject.name.clone(), origin);
    let mut metrics = options.metrics.clone().map(MetricsFile::at);
    let mut watch = |noted: &mut Noted, pulse: &Pulse, is_running: bool| {
        if let Some(metrics) = metrics.as_mut().filter(|file| file.is_due() || !is_running) {
            let (began, sample) = (began.clone(), Sample::of(pulse));
            metrics.write(noted.counts(), Watched { began, sample, is_running });
        }
        metrics.as_ref().and_then(|file| file.trouble()).map(ToString::to_string)
    };
    let mut recorder = Recorder::begin(&plan.findings, began.clone());
    let outcome = search(&plan, &directories, stop, &mut |pulse, said| {
        recorder.see(pulse);
        watch(&mut noted, pulse, true);
        if let Said::Looking(done, all) = said {
            looking = (done < all).then(|| format!("first look: {done} of {all}"));
        }
        display.pulse(pulse, looking.as_deref(), console);
        match said {
            Said::Nothing | Said::Looking(..) => {}
            Said::Finding(finding) => {
                // At once, so that it is there however the search ends.
                noted.note(finding);
                display.say(&headline(finding), console);
            }
            Said::Raw(raw) => {
                display.say(&format!("{}: {}", raw.kind, raw.why), console);
            }
        }
    });
    display.end();
    let outcome = outcome?;
    if let Some(trouble) = recorder.end(&outcome, looked_into_line(&outcome)) {
        is_unwritten = true;
        console.warning(&format!("the record of the campaign is not whole: {trouble}"));
    }
    outcome.findings.iter().for_each(|finding| noted.note(finding));
    if let Some(trouble) = watch(&mut noted, &outcome.pulse, false) {
        is_unwritten = true;
        console.warning(&format!("the metrics are not written: {trouble}"));
    }
    tell(&outcome, &plan, console)?;
    let storing = noted.end(console);
    let is_missing = |layer: &Layer| outcome.not_looked_into.contains(layer.name());
    let missing = Layer::ALL.into_iter().filter(is_missing).fold(Layers::NONE, Layers::with);
    let missing = missing | subject.out_of_reach();
    let missing = console.exit_without(missing, Layers::NONE);
    Ok(Campaign {
        exit: missing.and(storing).and(exit_of(&outcome, is_unwritten)),
        engines: plan
            .lanes
            .into_iter()
            .filter(|lane| lane.engine == Engine::LibFuzzer)
            .map(|lane| lane.binary)
            .collect(),
        working_set: directories.working_set.clone(),
        findings: plan.findings,
    })
}

/// What a campaign is about, in one line.
fn title(plan: &Plan, driver: &str) -> String {
    let name = |lane: &Lane| format!("{}{}", lane.target.lane, lane.engine.by());
    let lanes: Vec<String> = plan.lanes.iter().map(name).collect();
    let workers = if plan.jobs == 1 { "worker" } else { "workers" };
    format!("{driver}: {}, {} {workers}", lanes.join(" and "), plan.jobs)
}

/// What the record of a campaign begins with.
fn began(plan: &Plan, driver: String, origin: Origin) -> Began {
    Began {
        version: RECORD_VERSION,
        time: Moment::now(),
        driver,
        build: origin.build,
        machine: origin.machine,
        targets: plan.lanes.iter().map(|lane| lane.target.name.to_owned()).collect(),
        jobs: plan.jobs,
        asked_seconds: plan.time.as_secs(),
    }
}

/// A finding wins over everything: whatever else went wrong was said.
fn exit_of(outcome: &Outcome, is_unwritten: bool) -> Exit {
    let has_found = !outcome.findings.is_empty() || !outcome.raw.is_empty();
    let has_run = outcome.lanes.iter().any(|lane| lane.input_count > 0);
    let is_unwritten = is_unwritten || outcome.is_storing_broken || !outcome.not_written.is_empty();
    [
        (has_found, Exit::InvariantBroken),
        (outcome.is_blind, Exit::WorkbenchFailed),
        (is_unwritten, Exit::NotWritten),
        (!outcome.dead_lanes.is_empty() || !outcome.given_up.is_empty(), Exit::LaneDied),
        (!has_run && !outcome.is_interrupted, Exit::NothingRun),
        (outcome.is_interrupted, Exit::Interrupted),
    ]
    .into_iter()
    .filter(|(is_so, _)| *is_so)
    .fold(Exit::Held, |exit, (_, other)| exit.and(other))
}

/// The first signal asks the campaign to end, the second ends this program.
pub(super) fn stop_on_signals() -> Result<Arc<StopSignal>, Failure> {
    let stop = Arc::new(StopSignal::new());
    let signal = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if signal.raise() > 1 {
            std::process::exit(Exit::Interrupted.code().into());
        }
    })
    .map_err(|error| Failure::workbench(format!("cannot listen for signals: {error}")))?;
    Ok(stop)
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let exit = match error {
            EngineError::NoTarget { .. } | EngineError::NoWorkspace => Exit::BadUsage,
            EngineError::Interrupted => Exit::Interrupted,
            _ => Exit::WorkbenchFailed,
        };
        Self { exit, way_out: error.way_out().map(str::to_owned), message: error.to_string() }
    }
}

/// As seen from the current directory, when it is below it.
pub(super) fn relative(path: &Path) -> PathBuf {
    let current = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&current).map_or_else(|_| path.to_owned(), Path::to_owned)
}

fn headline(finding: &Finding) -> String {
    let mark = if finding.is_known { ", known from an earlier run" } else { "" };
    format!(
        "{}: {} ({} calls, fingerprint {}{mark})",
        finding.invariant, finding.happened, finding.call_count, finding.fingerprint
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_stops_a_build_has_interrupted_it_and_broken_nothing() {
        assert_eq!(Failure::from(EngineError::Interrupted).exit, Exit::Interrupted);
        assert_eq!(Failure::from(EngineError::NoCompiler).exit, Exit::WorkbenchFailed);
        assert_eq!(Failure::from(EngineError::NoWorkspace).exit, Exit::BadUsage);
    }

    #[test]
    fn times_are_read_as_people_write_them_and_nonsense_is_refused() {
        let seconds = |text: &str| parse_time(text).map(|time| time.as_secs()).ok();
        assert_eq!(seconds("60s"), Some(60));
        assert_eq!(seconds("90"), Some(90));
        assert_eq!(seconds("10m"), Some(600));
        assert_eq!(seconds("8h"), Some(28800));
        assert_eq!(seconds("2d"), Some(172_800));
        assert_eq!(seconds("1h 30m"), Some(5400));
        for text in ["", "s", "0", "0s", "500ms", "-1", "4294967295d", "4294967295", "é"] {
            assert_eq!(seconds(text), None, "{text:?}");
        }
    }
}
