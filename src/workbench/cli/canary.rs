//! `rekeylab canary`: plants every fault and shows that its alarm rings, and no other.

use clap::Args;

#[cfg(not(feature = "faults"))]
use super::{console::Console, exit::Exit, failure::Failure};

/// Plants every fault and shows that its invariant notices
///
/// Searches without an engine, from random seeds, until an invariant is broken; minimises; and
/// looks whether it is the invariant that the fault must ring. The honest core is searched for as
/// long and must stay silent. Ends with 4 when an alarm stayed silent or the wrong one rang.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo run --release --features faults -- canary
  cargo run --release --features faults -- canary finish-keeps-random --seeds 10")]
pub(super) struct Options {
    /// Faults to plant [default: all]
    #[arg(value_name = "FAULT")]
    #[cfg_attr(not(feature = "faults"), allow(dead_code, reason = "read with the feature only"))]
    faults: Vec<String>,
    /// How many searches there are for each fault, each from another seed
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    #[cfg_attr(not(feature = "faults"), allow(dead_code, reason = "read with the feature only"))]
    seeds: u64,
    /// How many sequences a search may run
    #[arg(long, default_value_t = 200_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    #[cfg_attr(not(feature = "faults"), allow(dead_code, reason = "read with the feature only"))]
    executions: u64,
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
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Instant;

    use rand_xoshiro::Xoshiro256PlusPlus;
    use rand_xoshiro::rand_core::SeedableRng;
    use rekeylab_ddi::Hresult;
    use rekeylab_driver::Fault;
    use serde::Serialize;

    use crate::Workbench;
    use crate::corpus::session_state;
    use crate::drill::{is_solitary, layers_for};
    use crate::observation::Layers;
    use crate::sequence::{
        CallKind, CallSequence, SearchOptions, cross_over, dice, generate, mutate,
    };

    use super::super::Format;
    use super::super::console::{Console, table};
    use super::super::exit::Exit;
    use super::super::failure::Failure;
    use super::super::fault;
    use super::super::replay::jobs;
    use super::Options;

    /// Most calls of a sequence in a search.
    const CALLS_MAX: usize = 64;

    /// Most sequences that are kept to be changed.
    const POOL_MAX: usize = 1024;

    /// One search.
    #[derive(Clone, Copy, Debug)]
    struct Drill {
        /// `None` is the honest core.
        fault: Option<Fault>,
        seed: u64,
    }

    /// What came of a search.
    #[derive(Debug, Serialize)]
    struct Rung {
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
        /// How many calls the known shortest form has.
        known_shortest: Option<usize>,
        /// Whether all is as it must be.
        is_right: bool,
        /// The minimised form.
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    }

    /// What a machine reads of a drill.
    #[derive(Debug, Serialize)]
    struct Document<'a> {
        /// Version of this document; fields are only ever added.
        version: u32,
        drills: &'a [Rung],
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
        let drills: Vec<Drill> = planted
            .flat_map(|fault| (1..=options.seeds).map(move |seed| Drill { fault, seed }))
            .collect();
        let rungs = search_all(&drills, options.executions);
        match console.format {
            Format::Human => console.say(&text(&rungs))?,
            Format::Json => console.say_json(&Document { version: 1, drills: &rungs })?,
        }
        let wrong_count = rungs.iter().filter(|rung| !rung.is_right).count();
        if wrong_count == 0 {
            return Ok(Exit::Held);
        }
        console.flush()?;
        console.warning(&format!("{wrong_count} of {} drills went wrong", rungs.len()));
        Ok(Exit::AlarmSilent)
    }

    fn text(rungs: &[Rung]) -> String {
        let head = ["fault", "must ring", "rang", "sequences", "seconds", "calls (known)", ""];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        for rung in rungs {
            let calls = match (rung.shortest, rung.known_shortest) {
                (Some(shortest), Some(known)) => format!("{shortest} ({known})"),
                (Some(shortest), None) => shortest.to_string(),
                (None, _) => "-".to_owned(),
            };
            let verdict = match (rung.is_right, rung.rang) {
                (true, _) => "",
                (false, None) => "SILENT",
                (false, Some(_)) => "WRONG ALARM",
            };
            rows.push(vec![
                rung.fault.unwrap_or("(honest core)").to_owned(),
                rung.expected.unwrap_or("nothing").to_owned(),
                rung.rang.unwrap_or("nothing").to_owned(),
                rung.executions.to_string(),
                format!("{:.2}", rung.seconds),
                calls,
                verdict.to_owned(),
            ]);
        }
        let mut text = table(&rows);
        for rung in rungs.iter().filter(|rung| !rung.is_right) {
            if let Some(sequence) = &rung.text {
                text.push_str(&format!("\n{}:\n{sequence}", rung.fault.unwrap_or("honest core")));
            }
        }
        text
    }

    /// The results stand in the order of the drills, whichever thread was first.
    fn search_all(drills: &[Drill], executions_max: u64) -> Vec<Rung> {
        let next = AtomicUsize::new(0);
        let results = Mutex::new(Vec::new());
        let work = || {
            while let index = next.fetch_add(1, Ordering::Relaxed)
                && let Some(&drill) = drills.get(index)
            {
                if is_solitary(drill.fault) {
                    continue;
                }
                let rung = search(drill, executions_max);
                let mut results = results.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                results.push((index, rung));
            }
        };
        thread::scope(|scope| {
            for _ in 0..jobs(None).min(drills.len()) {
                scope.spawn(work);
            }
        });
        // One after the other, now that no other thread can be disturbed.
        let alone = drills.iter().enumerate().filter(|(_, drill)| is_solitary(drill.fault));
        let alone = alone.map(|(index, &drill)| (index, search(drill, executions_max)));
        let mut results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        results.extend(alone);
        results.sort_by_key(|&(index, _)| index);
        results.into_iter().map(|(_, rung)| rung).collect()
    }

    fn search(drill: Drill, executions_max: u64) -> Rung {
        let started = Instant::now();
        fault::plant(drill.fault);
        let mut workbench = Workbench::new();
        let layers = layers_for(drill.fault);
        let (executions, found) = find(&mut workbench, layers, drill.seed, executions_max);
        let shortest = found.and_then(|sequence| workbench.minimize_with(&sequence, layers));
        let verdict = workbench.verdict();
        let rang = shortest.as_ref().and(verdict.first()).map(|violation| violation.invariant);
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
            .as_ref()
            .and_then(|sequence| crate::campaign::reproducer(sequence, &workbench))
            .map(|found| found.text.to_string());
        fault::plant(None);
        Rung {
            fault: drill.fault.map(Fault::name),
            seed: drill.seed,
            expected,
            rang,
            also_rang: others.into_iter().collect(),
            executions,
            seconds: started.elapsed().as_secs_f64(),
            shortest: shortest.map(|sequence| sequence.calls.len()),
            known_shortest: drill.fault.map(Fault::shortest),
            is_right,
            text,
        }
    }

    /// Makes and changes sequences until one breaks something; those that reach a new state are
    /// kept to be changed further.
    fn find(
        workbench: &mut Workbench,
        layers: Layers,
        seed: u64,
        executions_max: u64,
    ) -> (u64, Option<CallSequence>) {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let options = SearchOptions::default();
        let mut pool: Vec<CallSequence> = Vec::new();
        let mut seen: BTreeSet<Reached> = BTreeSet::new();
        let mut sequence = CallSequence::default();
        for execution in 1..=executions_max {
            if pool.is_empty() || dice::one_in(&mut rng, 3) {
                generate(&mut rng, &options, &mut sequence);
            } else if dice::one_in(&mut rng, 4) {
                let (a, b) = (dice::index(&mut rng, pool.len()), dice::index(&mut rng, pool.len()));
                cross_over(&pool[a], &pool[b], &mut sequence, &mut rng, CALLS_MAX);
            } else {
                let index = dice::index(&mut rng, pool.len());
                sequence.calls.clone_from(&pool[index].calls);
                mutate(&mut sequence, &mut rng, CALLS_MAX);
            }
            // A run that proves nothing is as good as a wrong alarm, and the last one to be judged.
            let is_clean = workbench.run_with(&sequence, layers).is_clean();
            if workbench.trace().void.is_some() {
                return (execution, None);
            }
            if !is_clean {
                return (execution, Some(sequence));
            }
            let count = seen.len();
            reached(workbench, &mut seen);
            if seen.len() > count && pool.len() < POOL_MAX {
                pool.push(sequence.clone());
            }
        }
        (executions_max, None)
    }

    /// A call, where its session stood, and what was answered.
    type Reached = (CallKind, &'static str, Option<Hresult>);

    fn reached(workbench: &Workbench, seen: &mut BTreeSet<Reached>) {
        let trace = workbench.trace();
        for (index, call) in trace.calls.iter().enumerate() {
            let state = call.session_slot.map_or("", |slot| session_state(trace, index, slot));
            seen.insert((call.call.kind(), state, call.code));
        }
    }
}
