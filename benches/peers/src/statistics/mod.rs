//! What is said about runs of which some missed: quantiles, the rank-sum test, geometric means.
//!
//! A value is how much it took, or `None`: a miss, which took more than any catch. Misses are never
//! dropped.

mod rank_sum;

use serde::Serialize;

pub use rank_sum::rank_sum;

/// Where the middle of some runs lies.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Spread {
    /// Runs that were no misses.
    pub caught: usize,
    /// Runs.
    pub of: usize,
    /// The lower quartile; `None` where a miss lies there.
    pub low: Option<f64>,
    /// The median, likewise.
    pub median: Option<f64>,
    /// The upper quartile, likewise.
    pub high: Option<f64>,
}

/// The quartiles of these values.
#[must_use]
pub fn spread(values: &[Option<f64>]) -> Spread {
    let mut sorted: Vec<f64> = values.iter().map(|value| number(*value)).collect();
    sorted.sort_by(f64::total_cmp);
    Spread {
        caught: values.iter().flatten().count(),
        of: values.len(),
        low: quantile(&sorted, 0.25),
        median: quantile(&sorted, 0.5),
        high: quantile(&sorted, 0.75),
    }
}

/// The median alone; `None` where a miss lies there, and of nothing.
#[must_use]
pub fn median(values: &[Option<f64>]) -> Option<f64> {
    spread(values).median
}

/// The geometric mean of positive numbers; `None` of nothing.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a count of faults")]
pub fn geometric_mean(values: &[f64]) -> Option<f64> {
    let sum: f64 = values.iter().map(|value| value.ln()).sum();
    (!values.is_empty()).then(|| (sum / values.len() as f64).exp())
}

/// A miss is above every catch.
fn number(value: Option<f64>) -> f64 {
    value.unwrap_or(f64::INFINITY)
}

/// Linear between neighbours; a neighbour that is a miss makes it one.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place in a short list"
)]
fn quantile(sorted: &[f64], part: f64) -> Option<f64> {
    let place = part * sorted.len().checked_sub(1)? as f64;
    let below = sorted[place.floor() as usize];
    let above = sorted[place.ceil() as usize];
    let value = if below == above { below } else { below + (above - below) * place.fract() };
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_linearly_between_the_runs() {
        let spread = spread(&[Some(4.0), Some(1.0), Some(3.0), Some(2.0)]);
        assert_eq!((spread.low, spread.median, spread.high), (Some(1.75), Some(2.5), Some(3.25)));
        assert_eq!((spread.caught, spread.of), (4, 4));
    }

    #[test]
    fn a_miss_is_above_every_catch_and_stays_in_the_median() {
        let few = spread(&[Some(1.0), None, Some(3.0)]);
        assert_eq!((few.low, few.median, few.high), (Some(2.0), Some(3.0), None));
        assert_eq!(few.caught, 2);
        assert_eq!(median(&[Some(1.0), None]), None, "half of them missed");
        assert_eq!(median(&[Some(1.0), None, None]), None);
        assert_eq!(median(&[None, None]), None);
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn the_geometric_mean_of_ten_and_a_thousand_is_a_hundred() {
        let mean = geometric_mean(&[10.0, 1000.0]).unwrap();
        assert!((mean - 100.0).abs() < 1e-9, "{mean}");
        assert_eq!(geometric_mean(&[]), None);
    }
}
