//! What all runs say: by arm and fault, arm against rekeylab, and what each part is worth.

use std::collections::BTreeMap;

use rekeylab::generate::PARTS;
use rekeylab_faults::Fault;
use serde::Serialize;

use super::goals::{Goal, goals};
use super::run::Run;
use crate::arms::Arm;
use crate::judge::Limits;
use crate::statistics::{Spread, geometric_mean, median, rank_sum, spread};

/// The document `results.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Version of this document; fields are only ever added.
    pub version: u32,
    /// `short` or `full`.
    pub form: String,
    /// Seeds 1 to this.
    pub seeds: u64,
    /// Runs at a time; seconds depend on it, executions do not.
    pub jobs: usize,
    /// When a run gave up.
    pub limits: Limits,
    /// The arms, in the order of the page.
    pub arms: Vec<ArmSummary>,
    /// The faults, shortest first.
    pub faults: Vec<FaultSummary>,
    /// rekeylab against each other whole arm.
    pub duels: Vec<Duel>,
    /// rekeylab against itself without one part.
    pub parts: Vec<Duel>,
    /// rekeylab in libFuzzer against the same without one part.
    pub engine_parts: Vec<Duel>,
    /// The goals, measured.
    pub goals: Vec<Goal>,
    /// Every run.
    pub runs: Vec<Run>,
}

/// One arm over all faults.
#[derive(Clone, Debug, Serialize)]
pub struct ArmSummary {
    /// Its name.
    pub name: String,
    /// What it is.
    pub title: String,
    /// Runs, and those that caught something.
    pub runs: usize,
    /// See `runs`.
    pub caught: usize,
    /// Faults that it caught from every seed.
    pub faults_always: usize,
    /// Faults that it caught from no seed.
    pub faults_never: usize,
    /// Median over all runs, misses included, of executions to the first violation.
    pub executions: Option<f64>,
    /// The same of calls.
    pub calls: Option<f64>,
    /// The same of seconds.
    pub seconds: Option<f64>,
    /// Mean calls of one execution, over all runs.
    pub calls_per_execution: f64,
}

/// One fault, by arm.
#[derive(Clone, Debug, Serialize)]
pub struct FaultSummary {
    /// Its name.
    pub name: &'static str,
    /// What goes wrong.
    pub summary: &'static str,
    /// Calls of the shortest stored sequence that shows it; 0 if none is stored.
    pub shortest: usize,
    /// What each whole arm needed, in the order of the arms that were run.
    pub cells: BTreeMap<String, Cell>,
}

/// One fault and one arm.
#[derive(Clone, Debug, Serialize)]
pub struct Cell {
    /// Executions to the first violation.
    pub executions: Spread,
    /// Calls to it.
    pub calls: Spread,
    /// Seconds to it.
    pub seconds: Spread,
    /// Two-sided Mann-Whitney p-value of the executions against rekeylab's.
    pub p: f64,
}

/// rekeylab against another arm.
#[derive(Clone, Debug, Serialize)]
pub struct Duel {
    /// The other arm.
    pub arm: String,
    /// What it is called on the page.
    pub title: String,
    /// Faults that both catch: in the median of the seeds.
    pub both: usize,
    /// Faults that rekeylab catches and the other misses.
    pub only_rekeylab: usize,
    /// The other way round.
    pub only_other: usize,
    /// How many times more executions the other needs: geometric mean over the faults both catch.
    pub executions: Option<f64>,
    /// The same for calls.
    pub calls: Option<f64>,
    /// The same for seconds.
    pub seconds: Option<f64>,
    /// How many times more executions it needs at the least, over all faults that rekeylab catches:
    /// each miss counts as if the next execution had caught the fault.
    pub executions_at_least: Option<f64>,
    /// Faults on which rekeylab needs fewer executions, in the median.
    pub ahead: usize,
    /// Those on which it would be ahead even if each miss of the other had ended so.
    pub ahead_at_least: usize,
    /// Faults on which it needs more.
    pub behind: usize,
    /// Of those ahead, with p below 0.05.
    pub surely_ahead: usize,
    /// Of those behind, with p below 0.05.
    pub surely_behind: usize,
    /// Faults of six calls or more on which rekeylab is not ahead.
    pub long_not_ahead: Vec<&'static str>,
}

/// A fault of so many calls is a long one.
pub(super) const LONG: usize = 6;

/// The runs of each arm against each fault.
struct Table<'a>(BTreeMap<(String, &'static str), Vec<&'a Run>>);

impl<'a> Table<'a> {
    fn new(runs: &'a [Run]) -> Self {
        let mut table = BTreeMap::<_, Vec<&Run>>::new();
        for run in runs {
            if let Some(fault) = Fault::from_name(&run.fault) {
                table.entry((run.arm.clone(), fault.name())).or_default().push(run);
            }
        }
        Self(table)
    }

    fn runs(&self, arm: &str, fault: Fault) -> &[&'a Run] {
        self.0.get(&(arm.to_owned(), fault.name())).map_or(&[], Vec::as_slice)
    }

    /// Executions to the first violation, or one more than a miss has made.
    fn executions_at_least(&self, arm: &str, fault: Fault) -> Vec<Option<f64>> {
        let least = |run: &&Run| executions(run) + f64::from(run.outcome.rang.is_none());
        self.runs(arm, fault).iter().map(|run| Some(least(run))).collect()
    }

    fn values(&self, arm: &str, fault: Fault, of: fn(&Run) -> f64) -> Vec<Option<f64>> {
        let value = |run: &&Run| run.outcome.rang.is_some().then(|| of(run));
        self.runs(arm, fault).iter().map(value).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
fn executions(run: &Run) -> f64 {
    run.outcome.executions as f64
}

#[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
fn calls(run: &Run) -> f64 {
    run.outcome.calls as f64
}

fn seconds(run: &Run) -> f64 {
    run.seconds
}

impl Summary {
    /// Sums up the runs of these arms and faults.
    #[must_use]
    pub fn new(form: &str, seeds: u64, limits: Limits, jobs: usize, runs: Vec<Run>) -> Self {
        let table = Table::new(&runs);
        let mut faults: Vec<Fault> = Fault::ALL.to_vec();
        faults.retain(|fault| runs.iter().any(|run| run.fault == fault.name()));
        faults.sort_by_key(|fault| (fault.shortest(), fault.name()));
        let has_run = |arm: &Arm| runs.iter().any(|run| run.arm == arm.name());
        let whole: Vec<Arm> = Arm::WHOLE.into_iter().filter(has_run).collect();
        let others = whole.iter().copied().filter(|arm| !matches!(arm, Arm::Rekeylab));
        let duels: Vec<Duel> =
            others.map(|arm| duel(Arm::Rekeylab, arm, &table, &faults)).collect();
        let parts = |own: Arm, without: &mut dyn Iterator<Item = Arm>| {
            let without = without.filter(has_run);
            let mut parts: Vec<Duel> = without.map(|arm| duel(own, arm, &table, &faults)).collect();
            parts.sort_by(|a, b| {
                (b.only_rekeylab, b.executions)
                    .partial_cmp(&(a.only_rekeylab, a.executions))
                    .unwrap_or(std::cmp::Ordering::Equal)
            });
            parts
        };
        let engine_parts = parts(Arm::RekeylabEngine, &mut [Arm::EngineWithoutMutator].into_iter());
        let parts = parts(Arm::Rekeylab, &mut PARTS.iter().map(Arm::Without));
        let arms: Vec<ArmSummary> =
            Arm::all().filter(has_run).map(|arm| arm_summary(arm, &table, &faults)).collect();
        let by_fault =
            faults.iter().map(|&fault| fault_summary(fault, &whole, &table)).collect::<Vec<_>>();
        let goals = goals(&by_fault, &duels);
        let faults = by_fault;
        Self {
            version: 1,
            form: form.to_owned(),
            seeds,
            jobs,
            limits,
            arms,
            faults,
            duels,
            parts,
            engine_parts,
            goals,
            runs,
        }
    }

    /// The summary of this whole arm, if it was run.
    #[must_use]
    pub fn arm(&self, name: &str) -> Option<&ArmSummary> {
        self.arms.iter().find(|arm| arm.name == name)
    }
}

fn arm_summary(arm: Arm, table: &Table<'_>, faults: &[Fault]) -> ArmSummary {
    let name = arm.name();
    let all = |of| {
        let values = faults.iter().flat_map(|&fault| table.values(&name, fault, of));
        values.collect::<Vec<_>>()
    };
    let executions_all = all(executions);
    let is_caught = |fault: &Fault, every: bool| {
        let values = table.values(&name, *fault, executions);
        let caught = values.iter().flatten().count();
        if every { caught == values.len() && caught > 0 } else { caught == 0 }
    };
    let runs = faults.iter().flat_map(|&fault| table.runs(&name, fault));
    let (executed, called) = runs.fold((0.0, 0.0), |(executed, called), run| {
        (executed + executions(run), called + calls(run))
    });
    ArmSummary {
        title: arm.title(),
        runs: executions_all.len(),
        caught: executions_all.iter().flatten().count(),
        faults_always: faults.iter().filter(|fault| is_caught(fault, true)).count(),
        faults_never: faults.iter().filter(|fault| is_caught(fault, false)).count(),
        executions: median(&executions_all),
        calls: median(&all(calls)),
        seconds: median(&all(seconds)),
        calls_per_execution: if executed > 0.0 { called / executed } else { 0.0 },
        name,
    }
}

fn fault_summary(fault: Fault, arms: &[Arm], table: &Table<'_>) -> FaultSummary {
    let ours = table.values(&Arm::Rekeylab.name(), fault, executions);
    let cell = |arm: &Arm| {
        let name = arm.name();
        let theirs = table.values(&name, fault, executions);
        let cell = Cell {
            executions: spread(&theirs),
            calls: spread(&table.values(&name, fault, calls)),
            seconds: spread(&table.values(&name, fault, seconds)),
            p: rank_sum(&ours, &theirs),
        };
        (name, cell)
    };
    FaultSummary {
        name: fault.name(),
        summary: fault.summary(),
        shortest: fault.shortest().unwrap_or_default(),
        cells: arms.iter().map(cell).collect(),
    }
}

/// `own`, which is rekeylab in one form or the other, against another arm.
fn duel(own: Arm, arm: Arm, table: &Table<'_>, faults: &[Fault]) -> Duel {
    let name = arm.name();
    let own = own.name();
    let medians = |fault: Fault, of| {
        (median(&table.values(&own, fault, of)), median(&table.values(&name, fault, of)))
    };
    let ratio = |of| {
        let ratios = faults.iter().filter_map(|&fault| match medians(fault, of) {
            (Some(ours), Some(theirs)) => Some(theirs / ours),
            _ => None,
        });
        geometric_mean(&ratios.collect::<Vec<_>>())
    };
    let at_least: Vec<f64> = faults
        .iter()
        .filter_map(|&fault| {
            let theirs = median(&table.executions_at_least(&name, fault))?;
            Some(theirs / median(&table.values(&own, fault, executions))?)
        })
        .collect();
    let mut duel = Duel {
        title: arm.title(),
        both: 0,
        only_rekeylab: 0,
        only_other: 0,
        executions: ratio(executions),
        calls: ratio(calls),
        seconds: ratio(seconds),
        executions_at_least: geometric_mean(&at_least),
        ahead: 0,
        ahead_at_least: at_least.iter().filter(|&&ratio| ratio > 1.0).count(),
        behind: 0,
        surely_ahead: 0,
        surely_behind: 0,
        long_not_ahead: Vec::new(),
        arm: name.clone(),
    };
    for &fault in faults {
        let (ours, theirs) = medians(fault, executions);
        duel.both += usize::from(ours.is_some() && theirs.is_some());
        duel.only_rekeylab += usize::from(ours.is_some() && theirs.is_none());
        duel.only_other += usize::from(ours.is_none() && theirs.is_some());
        let (ours, theirs) = (ours.unwrap_or(f64::INFINITY), theirs.unwrap_or(f64::INFINITY));
        let p = rank_sum(
            &table.values(&own, fault, executions),
            &table.values(&name, fault, executions),
        );
        duel.ahead += usize::from(ours < theirs);
        duel.behind += usize::from(ours > theirs);
        duel.surely_ahead += usize::from(ours < theirs && p < 0.05);
        duel.surely_behind += usize::from(ours > theirs && p < 0.05);
        if fault.shortest() >= Some(LONG) && ours >= theirs {
            duel.long_not_ahead.push(fault.name());
        }
    }
    duel
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::Outcome;

    const LIMITS: Limits = Limits { executions: 1000, seconds: 1.0 };

    /// A run on a fault of six calls; 0 executions stand for a miss.
    fn run(arm: &str, seed: u64, executions: u64) -> Run {
        let rang = (executions > 0).then(|| "double-finish".to_owned());
        let executions = if executions > 0 { executions } else { LIMITS.executions };
        let outcome = Outcome { rang, executions, calls: 10 * executions };
        let fault = Fault::FinishKeepsRandom.name().to_owned();
        Run { arm: arm.to_owned(), fault, seed, limits: LIMITS, outcome, seconds: 0.5 }
    }

    fn summary(theirs: [u64; 3]) -> Summary {
        let ours = [4, 5, 6];
        let runs = (1..).zip(ours).map(|(seed, executions)| run("rekeylab", seed, executions));
        let others = (1..).zip(theirs).map(|(seed, executions)| run("indexed", seed, executions));
        Summary::new("short", 3, LIMITS, 1, runs.chain(others).collect())
    }

    #[test]
    fn the_ratio_is_that_of_the_medians() {
        let summary = summary([150, 50, 0]);
        let duel = &summary.duels[0];
        assert_eq!((duel.both, duel.only_rekeylab, duel.ahead), (1, 0, 1));
        assert!((duel.executions.unwrap() - 30.0).abs() < 1e-9);
        assert_eq!(summary.arm("indexed").unwrap().caught, 2);
        assert!(summary.goals.iter().all(|goal| goal.is_reached), "{:?}", summary.goals);
    }

    #[test]
    fn what_most_seeds_miss_is_missed() {
        let summary = summary([3, 0, 0]);
        let duel = &summary.duels[0];
        assert_eq!((duel.both, duel.only_rekeylab, duel.ahead), (0, 1, 1));
        assert_eq!(duel.executions, None);
        assert_eq!(summary.arm("indexed").unwrap().faults_never, 0);
    }

    #[test]
    fn a_miss_is_at_least_one_execution_more_than_it_made() {
        let summary = summary([3, 0, 0]);
        let duel = &summary.duels[0];
        let least = f64::from(1001) / 5.0;
        assert!((duel.executions_at_least.unwrap() - least).abs() < 1e-9, "{duel:?}");
        assert_eq!(duel.ahead_at_least, 1);
    }

    #[test]
    fn being_behind_is_told() {
        let summary = summary([1, 2, 3]);
        let duel = &summary.duels[0];
        assert_eq!((duel.ahead, duel.behind, duel.surely_behind), (0, 1, 0));
        assert_eq!(duel.long_not_ahead, ["finish-keeps-random"]);
    }
}
