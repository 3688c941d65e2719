//! How plain a call is, and in which ways it could be plainer.

use core::cmp::Ordering;

use crate::sequence::call::{Call, CallKind};
use crate::sequence::renumber;

/// An argument that is a number, of the calls of one kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Number {
    kind: CallKind,
    /// Its place among the arguments of the kind.
    index: usize,
}

impl Number {
    /// The seed of a key.
    pub(super) const KEY: Self = Self { kind: CallKind::ExchangeKey, index: 1 };
    /// The IV of a buffer.
    pub(super) const IV: Self = Self { kind: CallKind::SubmitBuffer, index: 1 };
    /// The Count of a buffer.
    pub(super) const COUNT: Self = Self { kind: CallKind::SubmitBuffer, index: 2 };
    /// The length of a buffer.
    pub(super) const LEN: Self = Self { kind: CallKind::SubmitBuffer, index: 3 };

    /// Those of a kind, in the order of its arguments.
    pub(super) fn of_kind(kind: CallKind) -> impl Iterator<Item = Self> + Clone {
        let arguments = kind.descriptor().arguments.iter().enumerate();
        let numbers = arguments.filter(|(_, argument)| argument.is_number());
        numbers.map(move |(index, _)| Self { kind, index })
    }

    /// All there are, kind by kind.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        CallKind::ALL.iter().flat_map(|&kind| Self::of_kind(kind))
    }

    /// Every two different ones of a kind.
    pub(super) fn pairs(kind: CallKind) -> impl Iterator<Item = (Self, Self)> {
        let all = Self::of_kind(kind);
        all.clone()
            .flat_map(move |one| all.clone().map(move |other| (one, other)))
            .filter(|(one, other)| one != other)
    }

    /// Its value in the call, if the call has it.
    pub(super) fn of(self, call: &Call) -> Option<u64> {
        if call.kind() == self.kind { call.value(self.index) } else { None }
    }

    /// Changes it in a call that has it, if the value fits.
    pub(super) fn set(self, call: &mut Call, value: u64) {
        if call.kind() == self.kind {
            call.set_value(self.index, value);
        }
    }

    /// The plainest value.
    pub(super) fn plain(self) -> u64 {
        self.kind.plain().value(self.index).unwrap_or(0)
    }
}

/// Whether one form is plainer than another: an order in which no two forms are equal.
///
/// Fewer calls are always plainer, then calls of plainer kinds, the first call first; then
/// arguments that are less far from plain in all, then in the first call that differs.
pub(super) fn order(one: &[Call], other: &[Call]) -> Ordering {
    let lens = one.len().cmp(&other.len());
    lens.then_with(|| one.iter().map(Call::kind).cmp(other.iter().map(Call::kind)))
        .then_with(|| cost(one).cmp(&cost(other)))
        .then_with(|| one.iter().map(arguments).cmp(other.iter().map(arguments)))
}

/// Everything that a call of its kind can differ in: slots, words, numbers.
fn arguments(call: &Call) -> ([u16; 3], [u64; ARGUMENTS_MAX], [u64; ARGUMENTS_MAX]) {
    let mut slots = [0; 3];
    let mut index = 0;
    renumber::each_slot(&mut { *call }, |_, slot| {
        // Through its own device is plainer than through any.
        slots[index] = u16::from(slot.0) + 1;
        index += 1;
    });
    let (mut words, mut numbers) = ([0; ARGUMENTS_MAX], [0; ARGUMENTS_MAX]);
    // The session itself is no word, and stands first.
    words[0] = call.session().map_or(0, |session| session.handle.number().into());
    for (at, (argument, value)) in call.arguments().enumerate() {
        if argument.is_word() {
            words[at] = value;
        } else if argument.is_number() {
            numbers[at] = value;
        }
    }
    (slots, words, numbers)
}

/// No call has more arguments.
const ARGUMENTS_MAX: usize = 8;

/// How many calls there are, how far their arguments are from plain, and how far their IVs.
///
/// IVs count last, because they have to rise: 1, 2, 3 is plainer than one IV with Counts.
pub(super) fn cost(calls: &[Call]) -> (usize, u128, u128) {
    let (mut sum, mut ivs) = (0, 0);
    for call in calls {
        let mut copy = *call;
        renumber::each_slot(&mut copy, |_, slot| sum += u128::from(slot.0));
        if let Some(session) = call.session() {
            sum += u128::from(session.via.is_some()) + u128::from(session.handle.number());
        }
        let plain = call.kind().plain();
        for (index, (argument, value)) in call.arguments().enumerate() {
            if argument.is_word() {
                // Of two keys that differ, another seed is plainer than another shape.
                sum += u128::from(value) * if argument.key == "shape" { 4 } else { 1 };
            }
            if !argument.is_number() {
                continue;
            }
            // The plainest value, then 0, 1, 2, ...
            let is_plain = plain.value(index) == Some(value);
            let distance = if is_plain { 0 } else { u128::from(value) + 1 };
            match argument.rises {
                // 0 comes last, or it would be the plainest that is below another.
                true if distance == 1 => ivs += 1 << 64,
                true => ivs += distance,
                false => sum += distance,
            }
        }
    }
    (calls.len(), sum, ivs)
}

/// The call with other argument words: every value plainer than its own, one word at a time.
pub(super) fn with_plainer_words(call: &Call) -> Vec<Call> {
    let mut plainer = Vec::new();
    for (index, (argument, value)) in call.arguments().enumerate() {
        if argument.is_word() {
            plainer.extend((0..value).map(|word| {
                let mut call = *call;
                call.set_value(index, word);
                call
            }));
            if argument.key == "shape" && value > 0 {
                // A shape that only makes the key another one.
                plainer.extend((1..=4).map(|seed| {
                    let mut call = *call;
                    call.set_value(index, 0);
                    Number::KEY.set(&mut call, seed);
                    call
                }));
            }
        }
    }
    plainer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_call_costs_nothing_and_cannot_be_plainer() {
        for kind in CallKind::ALL {
            assert_eq!(cost(&[kind.plain()]), (1, 0, 0), "{kind:?}");
            assert_eq!(with_plainer_words(&kind.plain()), [], "{kind:?}");
        }
    }

    #[test]
    fn every_number_can_be_set_in_the_call_that_has_it() {
        for number in Number::all() {
            let mut call = number.kind.plain();
            assert_eq!(number.of(&call), Some(number.plain()));
            number.set(&mut call, 77);
            assert_eq!(number.of(&call), Some(77));
            let is_iv = number == Number::IV;
            assert_eq!(cost(&[call]), (1, if is_iv { 0 } else { 78 }, if is_iv { 78 } else { 0 }));
        }
    }

    #[test]
    fn the_numbers_with_a_name_are_the_arguments_of_that_name() {
        for (number, key) in [
            (Number::KEY, "key"),
            (Number::IV, "iv"),
            (Number::COUNT, "count"),
            (Number::LEN, "len"),
        ] {
            assert_eq!(number.kind.descriptor().arguments[number.index].key, key);
        }
    }

    #[test]
    fn no_call_has_more_arguments_than_are_compared() {
        for kind in CallKind::ALL {
            assert!(kind.descriptor().arguments.len() <= ARGUMENTS_MAX, "{kind:?}");
        }
    }
}
