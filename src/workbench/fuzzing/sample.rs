//! Which of many inputs that break something are worth a closer look.

use std::collections::{BTreeMap, BTreeSet};

use super::symptom;
use crate::invariant::Verdict;
use crate::observation::Trace;

/// Counts inputs by what they look like, and wants the first, second, fourth, eighth and so on of each
/// look.
///
/// Which bug an input shows is only known once it is minimised, and that takes as long as running a
/// hundred inputs. A bug that is easy to reach is shown by every other input. Of those that look alike a
/// few are enough; not only the first, because another bug may look the same.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    counts: BTreeMap<String, u64>,
}

/// How many looks are told apart; what comes later counts as one.
const LOOKS_MAX: usize = 1 << 14;

impl Sample {
    /// Counts an input of this look, and says whether it is wanted.
    pub fn wants(&mut self, look: String) -> bool {
        let is_known = self.counts.contains_key(&look);
        let look = if is_known || self.counts.len() < LOOKS_MAX { look } else { String::new() };
        let count = self.counts.entry(look).or_default();
        *count += 1;
        count.is_power_of_two()
    }

    /// Takes back the last input of this look, because nothing came of it.
    pub(super) fn forget(&mut self, look: &str) {
        if let Some(count) = self.counts.get_mut(look) {
            *count = count.saturating_sub(1);
        }
    }
}

/// What an input that breaks something looks like: everything that it breaks and in which calls, the
/// two calls before the first, and where a secret was seen.
#[must_use]
pub fn look_of(verdict: &Verdict, trace: &Trace) -> String {
    let symptoms: BTreeSet<String> =
        verdict.violations.iter().map(|violation| symptom(violation, trace)).collect();
    let mut look = symptoms.into_iter().collect::<Vec<_>>().join(",");
    if let Some(first) = verdict.first() {
        let until = trace.calls.get(..first.call).unwrap_or(&trace.calls);
        for seen in until.iter().rev().take(2) {
            look.push('<');
            look.push_str(seen.call.kind().word());
        }
        if let Some(place) = first.place {
            look.push('@');
            look.push_str(place.layer().name());
        }
    }
    look
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_and_fewer_of_those_that_look_alike_are_wanted() {
        let mut sample = Sample::default();
        let wanted: Vec<u64> = (1..=1000).filter(|_| sample.wants("a".to_owned())).collect();
        assert_eq!(wanted, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
        assert!(sample.wants("b".to_owned()), "another look is new");
        sample.forget("b");
        assert!(sample.wants("b".to_owned()));
    }

    #[test]
    fn looks_without_end_take_no_memory_without_end() {
        let mut sample = Sample::default();
        for number in 0..3 * LOOKS_MAX {
            sample.wants(number.to_string());
        }
        assert!(sample.counts.len() <= LOOKS_MAX + 1);
    }
}
