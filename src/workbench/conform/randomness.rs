//! Whether the random numbers of a driver are what anybody would call random (S-14): whoever knows the next one knows
//! the next key.

use std::collections::BTreeSet;

use crate::observation::{Draw, Trace};

/// A random number.
type Number = [u8; 16];

/// From so many numbers on, a byte that is always the same is so by chance once in 10^36.
const NUMBERS_MIN: usize = 16;

/// The numbers that runs have handed out, each once.
pub(super) fn numbers<'a>(traces: impl IntoIterator<Item = &'a Trace>) -> BTreeSet<Number> {
    let draws = traces.into_iter().flat_map(|trace| &trace.draws);
    let answered = draws.filter_map(|draw| match draw {
        Draw::Answered(number) => Some(*number),
        Draw::Failed => None,
    });
    answered.filter(|number| *number != [0; 16]).collect()
}

/// What is wrong with the numbers of a process and those of another one that was started after it.
pub(super) fn weakness(numbers: &BTreeSet<Number>, others: &BTreeSet<Number>) -> Option<String> {
    if numbers.intersection(others).next().is_some() {
        return Some(
            "two processes, one started after the other, handed out the same number".to_owned(),
        );
    }
    let first = numbers.first().filter(|_| numbers.len() >= NUMBERS_MIN)?;
    let is_same = |at: &usize| numbers.iter().all(|number| number[*at] == first[*at]);
    let same: Vec<String> = (0..16).filter(is_same).map(|at| at.to_string()).collect();
    if same.is_empty() {
        return None;
    }
    Some(format!(
        "of {} numbers, these bytes are always the same: {}",
        numbers.len(),
        same.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(numbers: impl IntoIterator<Item = Number>) -> BTreeSet<Number> {
        numbers.into_iter().collect()
    }

    #[test]
    fn numbers_that_repeat_or_have_bytes_that_do_are_weak() {
        let good = |start: u8| {
            let number = |i: u8| {
                let mut factor = 5_u8;
                [0_u8; 16].map(|_| {
                    factor += 2;
                    start ^ i.wrapping_mul(factor)
                })
            };
            set((0..40).map(number))
        };
        assert_eq!(weakness(&good(1), &good(128)), None);
        assert_eq!(weakness(&set([]), &set([])), None);
        assert!(weakness(&good(1), &good(1)).unwrap().starts_with("two processes"));
        let low = set((0..40_u8).map(|i| {
            let mut number = [0xA0; 16];
            number[3] = i;
            number
        }));
        let told = weakness(&low, &set([])).unwrap();
        assert!(
            told.contains("of 40 numbers")
                && told.ends_with("0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15"),
            "{told}"
        );
        let few = low.into_iter().take(5).collect();
        assert_eq!(weakness(&few, &set([])), None);
    }
}
