//! The results as one page that needs nothing else: curves, bars, tables.

mod bars;
mod curves;
mod scale;
mod tables;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::judge::Limits;
use crate::measure::goals::Goal;
use crate::measure::summary::Summary;
use curves::Figure;
use scale::{count, times};

/// The page.
#[must_use]
pub fn render(summary: &Summary) -> String {
    let by_executions = Figure {
        id: "by-executions",
        title: "Share of the hunts that had caught their fault, by executions",
        unit: "executions",
        value: |run| run.outcome.executions,
    };
    let by_calls = Figure {
        id: "by-calls",
        title: "The same by calls: long sequences do more in one execution",
        unit: "calls",
        value: |run| run.outcome.calls,
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "rekeylab and its peers" }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                header {
                    p.kicker { "rekeylab · benchmark · " (summary.form) " form" }
                    h1 { "How soon is a planted bug caught?" }
                    p.lead { (lead(summary)) }
                }
                main {
                    (tiles(summary))
                    section { (curves::render(summary, &by_executions)) }
                    section { h2 { "Arm by arm" } (tables::arms(summary)) }
                    section { (curves::render(summary, &by_calls)) }
                    @if !summary.goals.is_empty() {
                        section { h2 { "Goals" } ul.goals { @for goal in &summary.goals { (goal_line(goal)) } } }
                    }
                    @for (id, title, parts) in [
                        ("parts", "What each part of the search is worth", &summary.parts),
                        ("engine-parts", "What libFuzzer is given, and what each of it is worth", &summary.engine_parts),
                    ] {
                        @if !parts.is_empty() {
                            section { h2 { (title) } (bars::render(id, parts)) }
                        }
                    }
                    section { h2 { "Fault by fault" } (tables::faults(summary)) }
                    section { h2 { "How to read this" } (notes(summary)) }
                }
            }
        }
    };
    page.into_string()
}

fn lead(summary: &Summary) -> Markup {
    let faults = summary.faults.len();
    html! {
        "The same driver core, " (faults) " planted faults one at a time, the same oracle. Each arm \
         hunts each fault from " (summary.seeds) " seeds, until an invariant breaks or "
        (limits(summary.limits)) " are over."
    }
}

fn limits(limits: Limits) -> String {
    let seconds = format!("{} seconds", limits.seconds);
    match limits.executions {
        u64::MAX => seconds,
        executions => format!("{seconds} or {} executions", count(as_number(executions))),
    }
}

/// The few figures to take home.
fn tiles(summary: &Summary) -> Markup {
    let own = summary.arm("rekeylab");
    let duel = |arm: &str| summary.duels.iter().find(|duel| duel.arm == arm);
    let fewer = |arm: &str| duel(arm).and_then(|duel| duel.executions.map(|ratio| (duel, ratio)));
    html! {
        ul.tiles {
            @if let Some(own) = own {
                li {
                    b { (own.faults_always) " / " (summary.faults.len()) }
                    span { "faults caught from every seed" }
                }
                @if let Some(executions) = own.executions {
                    li { b { (count(executions)) } span { "executions to a catch, median" } }
                }
                @if let Some(seconds) = own.seconds {
                    li { b { (format!("{:.0} ms", 1000.0 * seconds)) } span { "to a catch, median" } }
                }
            }
            @for arm in ["indexed", "proptest", "hegel"] {
                @if let Some((duel, ratio)) = fewer(arm) {
                    li {
                        b { (times(ratio)) }
                        span {
                            "the executions: " (duel.title) ", where both catch; it misses "
                            (duel.only_rekeylab) " more"
                        }
                    }
                }
            }
        }
    }
}

fn goal_line(goal: &Goal) -> Markup {
    let (class, mark) = if goal.is_reached { ("yes", "reached") } else { ("no", "not reached") };
    html! {
        li class=(class) {
            span.mark { (mark) }
            span { (goal.wanted) }
            b { (goal.measured) }
        }
    }
}

fn notes(summary: &Summary) -> Markup {
    html! {
        ul.notes {
            li {
                "An execution is one sequence of calls, run and judged. Executions and calls depend on \
                 no machine; seconds do, and on the " (summary.jobs) " runs at a time of this measurement."
            }
            li {
                "A run without a violation is a miss. It counts as worse than any catch, in medians, \
                 quartiles and tests, and is never left out. A fault is missed where the median is a miss."
            }
            li {
                "“×” is the geometric mean of the ratios of medians, over the faults that both catch: \
                 how much more the other arm needs than rekeylab."
            }
            li {
                "“surely” is a two-sided exact Mann-Whitney test below 0.05, fault by fault and not \
                 corrected for their number. "
                @if summary.seeds < 4 { "With " (summary.seeds) " seeds no p-value is that small." }
            }
            li {
                "What a violation is called is not compared: any invariant that breaks is a catch, \
                 for every arm."
            }
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "for a place in a figure or three digits of a number"
)]
fn as_number(value: u64) -> f64 {
    value as f64
}

/// The class that gives an arm its colour.
fn class(arm: &str) -> String {
    format!("arm {arm}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::Outcome;
    use crate::measure::run::Run;
    use rekeylab_faults::Fault;

    const LIMITS: Limits = Limits { executions: 1000, seconds: 1.0 };

    fn page() -> String {
        let run = |arm: &str, seed, rang: Option<&str>| Run {
            arm: arm.to_owned(),
            fault: Fault::FinishKeepsRandom.name().to_owned(),
            seed,
            limits: LIMITS,
            outcome: Outcome { rang: rang.map(str::to_owned), executions: 40 * seed, calls: 90 },
            seconds: 0.5,
        };
        let runs = (1..=3).flat_map(|seed| {
            [
                run("rekeylab", seed, Some("double-finish")),
                run("indexed", seed, None),
                run("without-ending", seed, Some("double-finish")),
                run("rekeylab-engine", seed, Some("double-finish")),
                run("engine-without-mutator", seed, Some("double-finish")),
            ]
        });
        render(&Summary::new("short", 3, LIMITS, 1, runs.collect()))
    }

    #[test]
    fn the_page_loads_nothing() {
        let page = page();
        for word in ["http:", "https:", "src=", "@import", "<script", "<link"] {
            assert!(!page.contains(word), "{word}");
        }
    }

    #[test]
    fn a_fault_that_was_missed_is_named_as_missed() {
        let page = page();
        assert!(page.contains("finish-keeps-random"), "{page}");
        assert!(page.contains("missed"), "{page}");
        assert!(page.contains("without ending"), "{page}");
        assert!(page.contains("in libFuzzer without mutator"), "{page}");
    }

    #[test]
    fn no_number_in_a_figure_is_out_of_bounds() {
        let page = page();
        assert!(!page.contains("NaN") && !page.contains("inf\""), "{page}");
    }
}
