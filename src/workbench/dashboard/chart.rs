//! A number over time as a small picture.

use core::fmt::Write as _;

use askama::Template;

use crate::campaign::grouped;

/// The size of the picture, and of the space around the line.
const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 110.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 20.0;

/// The picture of points, each at a millisecond, as SVG in HTML; empty if there are less than two.
pub(super) fn chart(name: &str, points: &[(u64, u64)]) -> String {
    let (Some(&(end, last)), true) = (points.last(), points.len() > 1) else {
        return String::new();
    };
    let highest = points.iter().map(|point| point.1).max().unwrap_or(0);
    let part = |of: u64, all: u64| of as f64 / all.max(1) as f64;
    let x = |at: u64| part(at, end) * WIDTH;
    let y = |value: u64| HEIGHT - BOTTOM - part(value, highest) * (HEIGHT - TOP - BOTTOM);
    let mut line = String::new();
    for &(at, value) in points {
        let _ = write!(line, "{:.1},{:.1} ", x(at), y(value));
    }
    let chart = Chart {
        name,
        last: grouped(last),
        highest: grouped(highest),
        end: humantime::format_duration(core::time::Duration::from_secs(end / 1000)).to_string(),
        line: line.trim_end(),
        floor: HEIGHT - BOTTOM,
    };
    chart.render().unwrap_or_default()
}

#[derive(Debug, Template)]
#[template(path = "dashboard/chart.html")]
struct Chart<'a> {
    name: &'a str,
    last: String,
    highest: String,
    end: String,
    line: &'a str,
    floor: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_through_all_points_and_says_the_last_and_the_highest() {
        let text = chart("calls/s", &[(0, 0), (5000, 2000), (10_000, 1500)]);
        assert!(text.contains("points=\"0.0,90.0 160.0,22.0 320.0,39.0\""), "{text}");
        assert!(text.contains("1,500") && text.contains("2,000") && text.contains("10s"), "{text}");
    }

    #[test]
    fn nothing_is_drawn_of_a_single_point_and_nothing_divides_by_zero() {
        assert_eq!(chart("a", &[(0, 1)]), "");
        let text = chart("a", &[(0, 0), (0, 0)]);
        assert!(text.contains("points=\"0.0,90.0 0.0,90.0\""), "{text}");
    }
}
