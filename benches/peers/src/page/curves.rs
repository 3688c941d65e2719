//! Survival curves upside down: what share of an arm's hunts had ended with a catch by then.

use maud::{Markup, html};

use super::scale::{Scale, count, decade_above};
use super::{as_number, class};
use crate::measure::run::Run;
use crate::measure::summary::{ArmSummary, Summary};

/// One figure.
#[derive(Debug)]
pub(super) struct Figure {
    /// Unique on the page.
    pub(super) id: &'static str,
    /// What it shows.
    pub(super) title: &'static str,
    /// What is counted along the bottom.
    pub(super) unit: &'static str,
    /// How much of it a run took.
    pub(super) value: fn(&Run) -> u64,
}

const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 52.0;
/// Room for the names at the ends of the curves.
const RIGHT: f64 = 730.0;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 400.0;
/// Names are at least so far from each other.
const LINE: f64 = 21.0;

/// The curve of one arm.
struct Curve<'a> {
    arm: &'a ArmSummary,
    /// Steps of the curve: how much it took, and what share had caught by then.
    steps: Vec<(f64, f64)>,
    /// Where its name is.
    label: f64,
}

pub(super) fn render(summary: &Summary, figure: &Figure) -> Markup {
    let mut curves: Vec<Curve<'_>> =
        whole(summary).map(|arm| curve(summary, figure, arm)).collect();
    spread_labels(&mut curves);
    let most = curves.iter().filter_map(|curve| curve.steps.last()).map(|step| step.0);
    let scale =
        Scale { values: (1.0, decade_above(most.fold(10.0, f64::max))), places: (LEFT, RIGHT) };
    html! {
        figure {
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-labelledby=(figure.id) {
                title id=(figure.id) { (figure.title) }
                g.grid {
                    @for part in [0, 25, 50, 75, 100] {
                        @let y = height(f64::from(part) / 100.0);
                        line x1=(LEFT) x2=(RIGHT) y1=(y) y2=(y) {}
                        text x=(LEFT - 8.0) y=(y + 5.0) text-anchor="end" { (part) " %" }
                    }
                    @for decade in scale.decades() {
                        @let x = format!("{:.1}", scale.place(decade));
                        line x1=(x) x2=(x) y1=(TOP) y2=(BOTTOM) {}
                        text x=(x) y=(BOTTOM + 22.0) text-anchor="middle" { (count(decade)) }
                    }
                    text.axis x=((LEFT + RIGHT) / 2.0) y=(BOTTOM + 48.0) text-anchor="middle" {
                        (figure.unit) " to the first violation"
                    }
                }
                // rekeylab's curve is drawn last, above the others.
                @for curve in curves.iter().rev() {
                    g class=(class(&curve.arm.name)) {
                        title { (curve.arm.title) ": " (share(curve)) " of the hunts end with a catch" }
                        path d=(path(curve, scale)) {}
                        text x=(RIGHT + 12.0) y=(format!("{:.1}", curve.label + 5.0)) {
                            (curve.arm.title) " "
                            tspan.share { (share(curve)) }
                        }
                    }
                }
            }
            figcaption { (figure.title) }
        }
    }
}

/// The arms that are compared, rekeylab first.
fn whole(summary: &Summary) -> impl Iterator<Item = &ArmSummary> {
    ["rekeylab", "rekeylab-engine", "proptest", "hegel", "indexed", "opaque"]
        .into_iter()
        .filter_map(|name| summary.arm(name))
}

#[expect(clippy::cast_precision_loss, reason = "counts of runs")]
fn curve<'a>(summary: &Summary, figure: &Figure, arm: &'a ArmSummary) -> Curve<'a> {
    let catches =
        summary.runs.iter().filter(|run| run.arm == arm.name && run.outcome.rang.is_some());
    let mut values: Vec<u64> = catches.map(figure.value).collect();
    values.sort_unstable();
    let all = arm.runs.max(1) as f64;
    let steps = values.iter().enumerate();
    let steps: Vec<_> =
        steps.map(|(index, &value)| (as_number(value), (index + 1) as f64 / all)).collect();
    let label = height(steps.last().map_or(0.0, |step| step.1));
    Curve { arm, steps, label }
}

/// Moves names apart, each as little as the ones above it allow; then back up from the bottom.
fn spread_labels(curves: &mut [Curve<'_>]) {
    let mut order: Vec<usize> = (0..curves.len()).collect();
    order.sort_by(|&a, &b| curves[a].label.total_cmp(&curves[b].label));
    let mut free = f64::MIN;
    for &index in &order {
        curves[index].label = curves[index].label.max(free);
        free = curves[index].label + LINE;
    }
    let mut free = BOTTOM;
    for &index in order.iter().rev() {
        curves[index].label = curves[index].label.min(free);
        free = curves[index].label - LINE;
    }
}

fn path(curve: &Curve<'_>, scale: Scale) -> String {
    let mut path = format!("M{LEFT} {:.1}", height(0.0));
    for &(value, share) in &curve.steps {
        path.push_str(&format!("H{:.1}V{:.1}", scale.place(value), height(share)));
    }
    path.push_str(&format!("H{RIGHT}"));
    path
}

fn height(share: f64) -> f64 {
    BOTTOM - share * (BOTTOM - TOP)
}

fn share(curve: &Curve<'_>) -> String {
    let share = curve.steps.last().map_or(0.0, |step| step.1);
    // Only all is 100 %.
    let percent = if share < 1.0 { (100.0 * share).round().min(99.0) } else { 100.0 };
    format!("{percent:.0} %")
}
