//! `rekeylab canary`: plants every fault and shows that its alarm rings, and no other.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::generate::PARTS;

#[cfg(not(feature = "faults"))]
use super::{console::Console, exit::Exit, failure::Failure};

/// Plants every fault and shows that its invariant notices
///
/// Searches without an engine, from random seeds, until an invariant is broken; minimises; and
/// looks whether it is the invariant that the fault must ring. The honest core is searched for a
/// tenth as long, with everything looked into, and must stay silent; with one fault that takes most of
/// the time. Ends with 4 when an alarm stayed silent or the wrong one rang, and with 3 when the honest
/// core broke something: that is no matter of alarms, but a finding, and stored like one.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo run --release --features faults -- canary
  cargo run --release --features faults -- canary finish-keeps-random --seeds 10
  cargo run --release --features faults -- canary --without ending   # what a part is worth")]
pub(super) struct Options {
    /// Faults to plant [default: all]
    #[arg(value_name = "FAULT")]
    faults: Vec<String>,
    /// How many searches there are for each fault, each from another seed
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// How many sequences a search may run
    #[arg(long, default_value_t = 200_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    executions: u64,
    /// Parts of the search to switch off
    #[arg(long, value_name = "PART", value_parser = PossibleValuesParser::new(PARTS.iter().map(|part| part.name)))]
    without: Vec<String>,
    /// Where findings of the honest core are written [default: fuzz/findings]
    #[arg(long, value_name = "DIR")]
    findings: Option<PathBuf>,
}

#[cfg(not(feature = "faults"))]
pub(super) fn run(_options: &Options, _console: &mut Console<'_>) -> Result<Exit, Failure> {
    Err(super::fault::absent("canary"))
}

#[cfg(feature = "faults")]
pub(super) use drill::run;

#[cfg(feature = "faults")]
mod drill {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Instant;

    use rayon::prelude::*;
    use rekeylab_faults::Fault;
    use serde::Serialize;

    use crate::Workbench;
    use crate::campaign::findings::Findings;
    use crate::campaign::{OwnProcess, workspace_root};
    use crate::corpus::write_over;
    use crate::dashboard::DRILLS;
    use crate::drill::{layers_for, runs_alone};
    use crate::executor::AnyDut;
    use crate::generate::{LimitsAt, PARTS, SearchOptions};
    use crate::observation::Layers;
    use crate::search::Search;
    use crate::sequence::CallSequence;
    use crate::watchdog::{Hang, attempt};

    use super::super::Format;
    use super::super::console::{Console, table};
    use super::super::exit::Exit;
    use super::super::failure::Failure;
    use super::super::fault;
    use super::super::fuzz::{ToldFinding, relative, stories, told_finding};
    use super::super::hung::end_when_it_hangs;
    use super::super::replay::jobs;
    use super::Options;

    /// One search.
    #[derive(Clone, Copy, Debug)]
    struct Drill {
        /// `None` is the honest core.
        fault: Option<Fault>,
        seed: u64,
    }

    /// How every search is done.
    #[derive(Clone, Debug)]
    struct Plan {
        options: SearchOptions,
        executions_max: u64,
        /// What is searched without a fault.
        honest: AnyDut,
    }

    impl Plan {
        fn dut(&self, drill: Drill) -> AnyDut {
            drill.fault.map_or_else(|| self.honest.clone(), |fault| fault::core_with(Some(fault)))
        }
    }

    /// What came of a search.
    #[derive(Debug, Serialize)]
    struct Drilled {
        /// The planted fault; null is the honest core.
        fault: Option<&'static str>,
        seed: u64,
        /// The invariant that must ring; null for the honest core.
        expected: Option<&'static str>,
        /// The invariant that rang in the minimised form; null when none did.
        rang: Option<&'static str>,
        /// Every other invariant that the minimised form breaks.
        also_rang: Vec<&'static str>,
        executions: u64,
        seconds: f64,
        /// How many calls the minimised form has.
        shortest: Option<usize>,
        /// How many calls the shortest form has that is stored, if one is.
        known_shortest: Option<usize>,
        /// Whether all is as it must be.
        is_right: bool,
        /// The minimised form.
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// What the honest core broke.
        #[serde(skip)]
        broke: Option<Broke>,
    }

    /// A sequence that broke something: how it ended, and how it may be run again.
    #[derive(Debug)]
    enum Broke {
        Returned(CallSequence),
        Hung(Hang),
    }

    impl Drilled {
        /// Whether the honest core was searched, and not the alarms drilled.
        fn is_honest(&self) -> bool {
            self.fault.is_none()
        }

        /// What this search means for the exit code.
        fn exit(&self) -> Exit {
            match (self.is_right, self.is_honest(), self.rang) {
                (true, _, _) => Exit::Held,
                (false, false, _) => Exit::AlarmSilent,
                (false, true, Some(_)) => Exit::InvariantBroken,
                // Nothing rang, and not everything was looked into.
                (false, true, None) => Exit::WorkbenchFailed,
            }
        }
    }

    /// What a machine reads of a drill.
    #[derive(Debug, Serialize)]
    struct Drills<'a> {
        drills: &'a [Drilled],
        /// What the honest core broke.
        findings: Vec<ToldFinding<'a>>,
    }

    pub(in super::super) fn run(
        options: &Options,
        console: &mut Console<'_>,
    ) -> Result<Exit, Failure> {
        let mut faults = Vec::new();
        for name in &options.faults {
            faults.extend(fault::by_name(Some(name), "canary")?);
        }
        if faults.is_empty() {
            faults.extend_from_slice(Fault::ALL);
        }
        let planted = faults.into_iter().map(Some).chain([None]);
        let mut drills: Vec<Drill> = planted
            .flat_map(|fault| (1..=options.seeds).map(move |seed| Drill { fault, seed }))
            .collect();
        let mut plan = Plan {
            options: SearchOptions::within(LimitsAt::of_each(|bounds| {
                AnyDut::default().limits_at(bounds)
            })),
            executions_max: options.executions,
            honest: AnyDut::default(),
        };
        for part in PARTS.iter().filter(|part| options.without.iter().any(|off| off == part.name)) {
            plan.options = plan.options.without(part);
        }
        let missing = console.exit_without(Layers::ALL, Workbench::new().layers());
        if hangs_at_once(&plan) {
            console.warning("the core hangs as it is, so no alarm is drilled");
            drills.retain(|drill| drill.fault.is_none());
        }
        let results = search_all(&drills, &plan)?;
        let root = workspace_root().unwrap_or_default();
        let directory = options.findings.clone();
        let directory = directory.unwrap_or_else(|| relative(&root.join("fuzz/findings")));
        // What broke something is run again here, and a form of it may hang.
        end_when_it_hangs(&plan.honest, None, console.format);
        let findings = findings_of_the_core(&results, &plan.honest, directory.clone());
        for trouble in &findings.troubles {
            console.warning(trouble);
        }
        match console.format {
            Format::Human => {
                console.say(&(text(&results) + &summary(&results)))?;
                if !findings.found.is_empty() {
                    console.say(&("\n".to_owned() + &stories(&findings.found)))?;
                }
            }
            Format::Json => console.say_json(1, &drills_of(&results, &findings))?,
        }
        // A part says nothing about the rest.
        if options.faults.is_empty() && options.without.is_empty() {
            keep(&drills_of(&results, &findings), &directory, console);
        }
        console.flush()?;
        let wrong = |is_wanted: fn(&Drilled) -> bool| {
            let is_wrong = |result: &&Drilled| is_wanted(result) && !result.is_right;
            results.iter().filter(is_wrong).count()
        };
        let (alarms, searches) = (wrong(|result| !result.is_honest()), wrong(Drilled::is_honest));
        let count = results.len();
        if alarms > 0 {
            console
                .warning(&format!("{alarms} of {count} searches did not end in the right alarm"));
        }
        if searches > 0 {
            console.warning("the honest core did not hold: that is no matter of alarms");
        }
        if findings.is_storing_broken {
            return Ok(Exit::WorkbenchFailed);
        }
        Ok(results.iter().fold(missing, |exit, result| exit.and(result.exit())))
    }

    fn drills_of<'a>(results: &'a [Drilled], findings: &'a Findings) -> Drills<'a> {
        let findings = findings.found.iter().map(told_finding).collect();
        Drills { drills: results, findings }
    }

    /// Keeps what came of all faults beside the findings, for the dashboard. Nothing depends on it.
    fn keep(drills: &Drills<'_>, folder: &Path, console: &mut Console<'_>) {
        let text = serde_json::to_vec(drills).expect("text and numbers are JSON");
        let kept =
            std::fs::create_dir_all(folder).map_err(|error| error.to_string()).and_then(|()| {
                write_over(&folder.join(DRILLS), &text).map_err(|error| error.to_string())
            });
        if let Err(error) = kept {
            console.warning(&format!("the drills are not kept for the dashboard: {error}"));
        }
    }

    /// What the honest core broke, minimised with everything looked into, and stored.
    fn findings_of_the_core(results: &[Drilled], honest: &AnyDut, directory: PathBuf) -> Findings {
        let mut findings = Findings::new(directory, honest, None);
        for broke in results.iter().filter_map(|result| result.broke.as_ref()) {
            match broke {
                Broke::Returned(sequence) => findings.take(sequence),
                Broke::Hung(hang) => findings.take_hang(hang),
            };
        }
        findings
    }

    fn text(results: &[Drilled]) -> String {
        let head = ["fault", "must ring", "rang", "sequences", "seconds", "calls (known)", ""];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        for result in results {
            let calls = match (result.shortest, result.known_shortest) {
                (Some(shortest), Some(known)) => format!("{shortest} ({known})"),
                (Some(shortest), None) => shortest.to_string(),
                (None, _) => "-".to_owned(),
            };
            let verdict = match (result.is_right, result.is_honest(), result.rang) {
                (true, _, _) => "",
                (false, false, None) => "SILENT",
                (false, false, Some(_)) => "WRONG ALARM",
                (false, true, None) => "NOTHING KNOWN",
                (false, true, Some(_)) => "BROKEN",
            };
            rows.push(vec![
                result.fault.unwrap_or("(honest core)").to_owned(),
                result.expected.unwrap_or("nothing").to_owned(),
                result.rang.unwrap_or("nothing").to_owned(),
                result.executions.to_string(),
                format!("{:.2}", result.seconds),
                calls,
                verdict.to_owned(),
            ]);
        }
        let mut text = table(&rows);
        // What is right and stored already need not be told, and what several seeds found alike once.
        let is_worth_telling = |result: &&Drilled| {
            !result.is_right || result.known_shortest.is_none() && result.seed == 1
        };
        for result in results.iter().filter(is_worth_telling) {
            // What the honest core broke has its story.
            if let (Some(fault), Some(sequence)) = (result.fault, &result.text) {
                text.push_str(&format!("\n{fault}:\n{sequence}"));
            }
        }
        text
    }

    /// How much work the faults were, in a few figures; a miss counts as if the next sequence had
    /// caught it.
    fn summary(results: &[Drilled]) -> String {
        let drills: Vec<&Drilled> =
            results.iter().filter(|result| result.fault.is_some()).collect();
        if drills.is_empty() {
            return String::new();
        }
        let caught = drills.iter().filter(|result| result.is_right).count();
        let logs = drills.iter().map(|result| (result.executions as f64).ln());
        let mean = (logs.sum::<f64>() / drills.len() as f64).exp();
        let mut seconds: Vec<f64> = drills.iter().map(|result| result.seconds).collect();
        seconds.sort_by(f64::total_cmp);
        let (median, slowest) = (seconds[seconds.len() / 2], seconds[seconds.len() - 1]);
        let is_shortest = |result: &&&Drilled| {
            let (Some(shortest), Some(known)) = (result.shortest, result.known_shortest) else {
                return false;
            };
            result.is_right && shortest <= known
        };
        let shortest = drills.iter().filter(is_shortest).count();
        format!(
            "\n{caught} of {} drills caught their fault, after {mean:.1} sequences in the geometric \
             mean; median {median:.2} s, slowest {slowest:.2} s; {shortest} reached the known \
             shortest form\n",
            drills.len(),
        )
    }

    /// Whether the honest core hangs in the first sequences: then it does in every drill, each of which would
    /// wait for the time limit again and again.
    fn hangs_at_once(plan: &Plan) -> bool {
        let plan = Plan { executions_max: FIRST_EXECUTIONS, ..plan.clone() };
        let honest = Drill { fault: None, seed: 1 };
        attempt(move || hunt(honest, &plan, &AtomicU64::new(0))).is_err()
    }

    /// How many sequences of a fault that is; of the honest core it is a tenth.
    const FIRST_EXECUTIONS: u64 = 5000;

    /// So many threads to share work.
    fn threads(count: usize) -> Result<rayon::ThreadPool, Failure> {
        let threads = rayon::ThreadPoolBuilder::new().num_threads(count).build();
        threads
            .map_err(|error| Failure::workbench(format!("cannot start {count} threads: {error}")))
    }

    /// The results stand in the order of the drills, whichever thread was first.
    fn search_all(drills: &[Drill], plan: &Plan) -> Result<Vec<Drilled>, Failure> {
        let together = threads(jobs(None).min(drills.len()).max(1))?.install(|| {
            let drills = drills.par_iter();
            drills
                .map(|&drill| (!runs_alone(drill.fault)).then(|| run_one(drill, plan)))
                .collect::<Vec<_>>()
        });
        // One after the other, now that no other thread can be disturbed.
        let alone = |(result, &drill): (Option<Drilled>, &Drill)| {
            result.unwrap_or_else(|| run_one(drill, plan))
        };
        Ok(together.into_iter().zip(drills).map(alone).collect())
    }

    /// On a thread of its own, because what is planted may hang; then that is what rang.
    fn run_one(drill: Drill, plan: &Plan) -> Drilled {
        let started = Instant::now();
        let count = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&count);
        let its = plan.clone();
        let drilled = attempt(move || hunt(drill, &its, &counted));
        let mut drilled = drilled.unwrap_or_else(|hang| {
            let dut = plan.dut(drill);
            let executions = count.load(Ordering::Relaxed);
            let own_process = OwnProcess::of_this_program(drill.fault.map(Fault::name), None);
            let hang = own_process.map_or_else(|_| hang.clone(), |own| own.minimize(&dut, &hang));
            let mut workbench = Workbench::told(&dut, &hang);
            let mut drilled = judged(drill, executions, Some(&hang.sequence), &mut workbench);
            drilled.broke = drill.fault.is_none().then_some(Broke::Hung(hang));
            drilled
        });
        drilled.seconds = started.elapsed().as_secs_f64();
        drilled
    }

    /// Searches for what the fault breaks, and minimises it.
    fn hunt(drill: Drill, plan: &Plan, count: &AtomicU64) -> Drilled {
        let mut workbench = Workbench::on(plan.dut(drill));
        let layers = layers_for(drill.fault);
        let mut search = Search::new(drill.seed, plan.options);
        let executions_max = match drill.fault {
            Some(_) => plan.executions_max,
            None => plan.executions_max.div_ceil(10),
        };
        let mut found = None;
        while found.is_none() && count.load(Ordering::Relaxed) < executions_max {
            // Counted before it is run, because it may not return.
            count.fetch_add(1, Ordering::Relaxed);
            found = workbench.hunt(&mut search, layers, 1).1;
        }
        // A run that proves nothing is as good as a wrong alarm, and the last one to be judged.
        let shortest = found.and_then(|sequence| workbench.minimize_with(&sequence, layers));
        judged(drill, count.load(Ordering::Relaxed), shortest.as_ref(), &mut workbench)
    }

    /// What a drill came to, of which the workbench's last run is that of the shortest form.
    fn judged(
        drill: Drill,
        executions: u64,
        shortest: Option<&CallSequence>,
        workbench: &mut Workbench,
    ) -> Drilled {
        let verdict = workbench.verdict();
        let rang = shortest.and(verdict.first()).map(|violation| violation.invariant);
        let others: BTreeSet<_> = verdict
            .violations
            .iter()
            .map(|violation| violation.invariant)
            .filter(|&invariant| shortest.is_some() && Some(invariant) != rang)
            .collect();
        let expected = drill.fault.map(Fault::rings);
        let has_looked = workbench.trace().void.is_none();
        let is_right = rang == expected && others.is_empty() && has_looked;
        let text = shortest
            .and_then(|sequence| crate::campaign::reproducer(sequence, workbench))
            .map(|found| found.text.to_string());
        Drilled {
            fault: drill.fault.map(Fault::name),
            seed: drill.seed,
            expected,
            rang,
            also_rang: others.into_iter().collect(),
            executions,
            seconds: 0.0,
            shortest: shortest.map(|sequence| sequence.calls.len()),
            known_shortest: drill.fault.and_then(Fault::shortest),
            is_right,
            text,
            broke: shortest.filter(|_| drill.fault.is_none()).cloned().map(Broke::Returned),
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// The search of a core that is taken for the honest one and has this fault.
        fn searched(fault: Option<Fault>) -> (Drilled, Plan) {
            let limits = LimitsAt::of_each(|bounds| AnyDut::default().limits_at(bounds));
            let options = SearchOptions::within(limits);
            let plan = Plan { options, executions_max: 20_000, honest: fault::core_with(fault) };
            (run_one(Drill { fault: None, seed: 1 }, &plan), plan)
        }

        #[test]
        fn what_the_honest_core_breaks_is_a_finding_with_a_file_and_no_matter_of_alarms() {
            let (drilled, plan) = searched(Some(Fault::FinishWithoutStart));
            assert_eq!(drilled.exit(), Exit::InvariantBroken, "{drilled:?}");
            let directory = tempfile::tempdir().unwrap();
            let findings =
                findings_of_the_core(&[drilled], &plan.honest, directory.path().to_owned());
            let [finding] = &findings.found[..] else { panic!("{findings:?}") };
            assert_eq!(finding.invariant, Fault::FinishWithoutStart.rings());
            let stored = std::fs::read_to_string(finding.path.as_ref().unwrap()).unwrap();
            assert_eq!(stored, finding.text);
            assert!(finding.replay.as_ref().unwrap().contains(" run "), "{finding:?}");
        }

        #[test]
        fn an_honest_core_that_holds_leaves_no_finding() {
            let (mut drilled, _) = searched(None);
            assert_eq!(drilled.exit(), Exit::Held);
            assert!(drilled.broke.is_none());
            // A search that proves nothing is no finding and no silent alarm, but no pass either.
            drilled.is_right = false;
            assert_eq!(drilled.exit(), Exit::WorkbenchFailed);
        }
    }
}
