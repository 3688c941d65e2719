//! The tables: arm by arm, and fault by fault with a bar in each cell.

use maud::{Markup, html};

use super::scale::{Scale, count, decade_above, times};
use super::{as_number, class};
use crate::measure::summary::{ArmSummary, Cell, Duel, Summary};
use crate::statistics::Spread;

/// The order of the columns and rows: what is measured first, then its peers.
const ORDER: [&str; 6] = ["rekeylab", "rekeylab-engine", "proptest", "hegel", "indexed", "opaque"];

pub(super) fn arms(summary: &Summary) -> Markup {
    let arms: Vec<&ArmSummary> = ORDER.iter().filter_map(|name| summary.arm(name)).collect();
    let duel = |arm: &ArmSummary| summary.duels.iter().find(|duel| duel.arm == arm.name);
    html! {
        div.scroll {
            table.arms {
                thead {
                    tr {
                        th scope="col" rowspan="2" { "arm" }
                        th scope="colgroup" colspan="2" { "faults caught" }
                        th scope="colgroup" colspan="3" { "median to the first violation" }
                        th scope="col" rowspan="2" { "calls an execution" }
                        th scope="colgroup" colspan="3" { "× rekeylab, where both catch" }
                        th scope="col" rowspan="2" { "over all, at least" }
                        th scope="colgroup" colspan="2" { "rekeylab is" }
                    }
                    tr {
                        @for head in ["always", "never", "executions", "calls", "seconds", "executions",
                            "calls", "seconds", "ahead (surely)", "behind (surely)"] {
                            th scope="col" { (head) }
                        }
                    }
                }
                tbody { @for arm in arms { (arm_row(arm, duel(arm))) } }
            }
        }
        p.hint {
            "“At least”: executions, as if each miss had caught its fault in the next one."
        }
    }
}

fn arm_row(arm: &ArmSummary, duel: Option<&Duel>) -> Markup {
    let or_missed = |value: Option<f64>| value.map_or("missed".to_owned(), count);
    let ratio = |of: fn(&Duel) -> Option<f64>| duel.and_then(of).map_or("–".to_owned(), times);
    let surely = |of: fn(&Duel) -> (usize, usize)| match duel.map(of) {
        Some((all, sure)) => format!("{all} ({sure})"),
        None => "–".to_owned(),
    };
    html! {
        tr class=(class(&arm.name)) {
            th scope="row" { i.dot {} (arm.title) }
            td { (arm.faults_always) }
            td { (arm.faults_never) }
            td { (or_missed(arm.executions)) }
            td { (or_missed(arm.calls)) }
            td { (arm.seconds.map_or("missed".to_owned(), |seconds| format!("{seconds:.3}"))) }
            td { (format!("{:.0}", arm.calls_per_execution)) }
            td { (ratio(|duel| duel.executions)) }
            td { (ratio(|duel| duel.calls)) }
            td { (ratio(|duel| duel.seconds)) }
            td { (ratio(|duel| duel.executions_at_least)) }
            td { (surely(|duel| (duel.ahead, duel.surely_ahead))) }
            td { (surely(|duel| (duel.behind, duel.surely_behind))) }
        }
    }
}

pub(super) fn faults(summary: &Summary) -> Markup {
    let arms: Vec<&ArmSummary> = ORDER.iter().filter_map(|name| summary.arm(name)).collect();
    let most =
        summary.runs.iter().map(|run| as_number(run.outcome.executions)).fold(10.0, f64::max);
    let scale = Scale { values: (0.7, decade_above(most)), places: (0.0, 100.0) };
    html! {
        p.hint {
            "Median executions to the first violation, quartiles below. The bar is logarithmic; a \
             hatched cell is a miss. “2/3” are the seeds that caught it, where not all did; “*” is a \
             difference from rekeylab with p below 0.05. Calls and seconds are in the tooltip."
        }
        div.scroll {
            table.faults {
                thead {
                    tr {
                        th scope="col" { "calls" }
                        th scope="col" { "fault" }
                        @for arm in &arms { th scope="col" class=(class(&arm.name)) { i.dot {} (arm.title) } }
                    }
                }
                tbody {
                    @for fault in &summary.faults {
                        tr {
                            td.calls { (fault.shortest) }
                            th scope="row" title=(fault.summary) { (fault.name) }
                            @for arm in &arms {
                                @match fault.cells.get(&arm.name) {
                                    Some(cell) => (fault_cell(&arm.name, cell, scale)),
                                    None => td {},
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn fault_cell(arm: &str, cell: &Cell, scale: Scale) -> Markup {
    let Spread { caught, of, low, median, high } = cell.executions;
    let tip = format!(
        "caught from {caught} of {of} seeds; median {} calls, {} s; p = {:.2}",
        cell.calls.median.map_or("–".to_owned(), count),
        cell.seconds.median.map_or("–".to_owned(), |seconds| format!("{seconds:.3}")),
        cell.p,
    );
    let quartile = |value: Option<f64>| value.map_or("∞".to_owned(), count);
    html! {
        @if let Some(median) = median {
            td class=(class(arm)) title=(tip) {
                i.fill style=(format!("width:{:.0}%", scale.place(median))) {}
                b { (count(median)) @if cell.p < 0.05 { "*" } }
                small {
                    (quartile(low)) "–" (quartile(high))
                    @if caught < of { " · " (caught) "/" (of) }
                }
            }
        } @else {
            td class={ (class(arm)) " miss" } title=(tip) {
                b { "missed" @if cell.p < 0.05 { "*" } }
                @if caught > 0 { small { (caught) "/" (of) } }
            }
        }
    }
}
