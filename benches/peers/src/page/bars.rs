//! What some parts are worth: executions without each against executions with all.

use maud::{Markup, html};

use super::scale::{Scale, times};
use crate::measure::summary::Duel;

const WIDTH: f64 = 1000.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 700.0;
const ROW: f64 = 34.0;
const TOP: f64 = 12.0;

/// `id` is that of the title in the page.
pub(super) fn render(id: &str, parts: &[Duel]) -> Markup {
    let ratios = || parts.iter().filter_map(|part| part.executions);
    let scale = Scale {
        values: (ratios().fold(0.8, f64::min), ratios().fold(2.0, f64::max) * 1.05),
        places: (LEFT, RIGHT),
    };
    let bottom = (0..parts.len()).fold(TOP, |y, _| y + ROW);
    let title = "Executions without a part, as a multiple of those with all";
    let marks = [0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0];
    let (low, high) = scale.values;
    html! {
        figure {
            svg viewBox={ "0 0 " (WIDTH) " " (bottom + 34.0) } role="img" aria-labelledby=(id) {
                title id=(id) { (title) }
                g.grid {
                    @for mark in marks.into_iter().filter(|mark| (low..high).contains(mark)) {
                        @let x = format!("{:.1}", scale.place(mark));
                        line x1=(x) x2=(x) y1=(TOP) y2=(bottom) {}
                        text x=(x) y=(bottom + 22.0) text-anchor="middle" { "×" (mark) }
                    }
                }
                @for (part, y) in parts.iter().zip(std::iter::successors(Some(TOP), |y| Some(y + ROW))) {
                    (bar(part, y, scale))
                }
            }
            figcaption {
                (title) ": geometric mean over the faults that both catch. What is missed without the \
                 part stands beside it, and weighs more."
            }
        }
    }
}

fn bar(part: &Duel, y: f64, scale: Scale) -> Markup {
    let ratio = part.executions.unwrap_or(1.0);
    let (one, end) = (scale.place(1.0), scale.place(ratio));
    let (x, width) = (one.min(end), (end - one).abs().max(2.0));
    let name = part.arm.rsplit("without-").next().unwrap_or(&part.arm);
    let missed = match (part.only_rekeylab, part.only_other) {
        (0, 0) => String::new(),
        (missed, 0) => format!("misses {missed} more"),
        (0, caught) => format!("catches {caught} more"),
        (missed, caught) => format!("misses {missed}, catches {caught} more"),
    };
    html! {
        g.bar {
            title { (part.title) ": ahead on " (part.behind) " faults, behind on " (part.ahead) }
            text x=(LEFT - 12.0) y=(y + 22.0) text-anchor="end" { (name) }
            rect x=(format!("{x:.1}")) y=(y + 6.0) width=(format!("{width:.1}")) height=(ROW - 12.0) rx="3" {}
            text x=(format!("{:.1}", one.max(end) + 10.0)) y=(y + 22.0) {
                tspan.ratio { (times(ratio)) } "  " tspan.missed { (missed) }
            }
        }
    }
}
