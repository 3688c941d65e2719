//! How far a campaign is, in one line.

use std::time::Duration;

use indicatif::FormattedDuration;

/// How far a campaign is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pulse {
    /// Time since the search began.
    pub elapsed: Duration,
    /// Time that the search may take.
    pub total: Duration,
    /// Sequences run by all workers.
    pub executions: u64,
    /// Calls made by all workers.
    pub calls: u64,
    /// Most edges that one worker reached.
    pub coverage: u64,
    /// Inputs in the working set.
    pub corpus: u64,
    /// Findings so far.
    pub finding_count: usize,
}

impl Pulse {
    /// Calls made in each second of the search so far.
    #[must_use]
    pub fn calls_per_second(&self) -> u64 {
        let millis = u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
        self.calls.saturating_mul(1000) / millis
    }
}

/// The pulse for people.
#[must_use]
pub fn pulse_line(pulse: &Pulse) -> String {
    format!(
        "{} of {}  {} sequences  {} calls/s  {} edges  {} kept  {} {}",
        FormattedDuration(pulse.elapsed.min(pulse.total)),
        FormattedDuration(pulse.total),
        grouped(pulse.executions),
        grouped(pulse.calls_per_second()),
        grouped(pulse.coverage),
        grouped(pulse.corpus),
        pulse.finding_count,
        if pulse.finding_count == 1 { "finding" } else { "findings" },
    )
}

/// `1,234,567`; of numbers of sequences too, which outgrow the 64 bits that libraries take.
pub(crate) fn grouped(number: impl Into<u128>) -> String {
    let digits = number.into().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulse_is_one_readable_line() {
        let pulse = Pulse {
            elapsed: Duration::from_secs(65),
            total: Duration::from_secs(7200),
            executions: 1_234_567,
            calls: 65_000_000,
            coverage: 812,
            corpus: 210,
            finding_count: 1,
        };
        assert_eq!(
            pulse_line(&pulse),
            "00:01:05 of 02:00:00  1,234,567 sequences  1,000,000 calls/s  812 edges  210 kept  \
             1 finding"
        );
    }
}
