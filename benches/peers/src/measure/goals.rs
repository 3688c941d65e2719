//! What the benchmark is to show, against what it shows.

use serde::Serialize;

use super::summary::{Cell, Duel, FaultSummary, LONG};
use crate::arms::Arm;
use crate::statistics::median;

/// One goal: what was to be reached, and what was.
#[derive(Clone, Debug, Serialize)]
pub struct Goal {
    /// What was to be reached.
    pub wanted: String,
    /// What was.
    pub measured: String,
    /// Whether that is enough.
    pub is_reached: bool,
}

/// Every goal of which something was measured.
pub(super) fn goals(faults: &[FaultSummary], duels: &[Duel]) -> Vec<Goal> {
    let own = Arm::Rekeylab.name();
    let mut goals = Vec::new();
    let cells: Vec<&Cell> = faults.iter().filter_map(|fault| fault.cells.get(&own)).collect();
    let always = cells.iter().filter(|cell| cell.executions.caught == cell.executions.of).count();
    goals.push(Goal {
        wanted: "every fault from every seed".to_owned(),
        measured: format!("{always} of {} faults", cells.len()),
        is_reached: always == cells.len(),
    });
    let seconds: Vec<_> = cells.iter().map(|cell| cell.seconds.median).collect();
    let seconds = median(&seconds);
    goals.push(Goal {
        wanted: "median over all faults below 2 s".to_owned(),
        measured: seconds.map_or("a miss".to_owned(), |seconds| format!("{seconds:.3} s")),
        is_reached: seconds.is_some_and(|seconds| seconds < 2.0),
    });
    let duel = |arm: Arm| duels.iter().find(|duel| duel.arm == arm.name());
    if let Some(plain) = duel(Arm::Indexed) {
        goals.push(Goal {
            wanted: format!("20 times fewer executions than {}", plain.title),
            measured: plain.executions.map_or("no fault that both catch".to_owned(), |ratio| {
                format!("{ratio:.1} times, over the {} faults that both catch", plain.both)
            }),
            is_reached: plain.executions.is_some_and(|ratio| ratio >= 20.0),
        });
        let missed = |arm: &Arm| {
            let misses = |fault: &&FaultSummary| {
                fault.cells.get(&arm.name()).is_some_and(|cell| cell.executions.median.is_none())
            };
            faults.iter().filter(misses).collect::<Vec<_>>()
        };
        let theirs = missed(&Arm::Indexed);
        let caught = theirs.iter().filter(|fault| {
            fault.cells.get(&own).is_some_and(|cell| cell.executions.caught == cell.executions.of)
        });
        let caught = caught.count();
        goals.push(Goal {
            wanted: format!("every fault that {} misses is caught", plain.title),
            measured: format!("{caught} of {}", theirs.len()),
            is_reached: caught == theirs.len(),
        });
    }
    for duel in [Arm::Proptest, Arm::Hegel].into_iter().filter_map(duel) {
        let long = faults.iter().filter(|fault| fault.shortest >= LONG).count();
        goals.push(Goal {
            wanted: format!("ahead of {} on every fault of {LONG} calls or more", duel.title),
            measured: format!("{} of {long}", long - duel.long_not_ahead.len()),
            is_reached: duel.long_not_ahead.is_empty(),
        });
    }
    goals
}
