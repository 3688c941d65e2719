//! How plain a call is, and in which ways it could be plainer.

use core::cmp::Ordering;

use super::call::Call;
use super::renumber;
use super::words::{Blob, CryptoType, DecodeProfile, EntropyFault, NullPointer};

/// An argument that is a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Number {
    Key,
    Size,
    Iv,
    Count,
    Len,
    Retired,
    Draws,
    After,
}

impl Number {
    pub(super) const ALL: [Self; 8] = [
        Self::Key,
        Self::Size,
        Self::Iv,
        Self::Count,
        Self::Len,
        Self::Retired,
        Self::Draws,
        Self::After,
    ];

    /// Every two different ones.
    pub(super) fn pairs() -> impl Iterator<Item = (Self, Self)> {
        let all = Self::ALL.into_iter();
        all.flat_map(|one| Self::ALL.into_iter().map(move |other| (one, other)))
            .filter(|(one, other)| one != other)
    }

    /// Its value in the call, if the call has it.
    pub(super) fn of(self, call: &Call) -> Option<u64> {
        match (self, *call) {
            (Self::Key, Call::ExchangeKey { key, .. }) => Some(key.into()),
            (Self::Size, Call::StartRefresh { size, .. }) => Some(size.into()),
            (Self::Iv, Call::SubmitBuffer { iv, .. }) => Some(iv),
            (Self::Count, Call::SubmitBuffer { count, .. }) => Some(count),
            (Self::Len, Call::SubmitBuffer { len, .. }) => Some(len.into()),
            (Self::Retired, Call::Retire { count }) => Some(count.into()),
            (Self::Draws, Call::InjectEntropy { draws, .. }) => Some(draws.into()),
            (Self::After, Call::InjectAllocationFailure { after }) => Some(after.into()),
            _ => None,
        }
    }

    /// Changes it in a call that has it, if the value fits.
    pub(super) fn set(self, call: &mut Call, value: u64) {
        let short = u32::try_from(value);
        match (self, call, short) {
            (Self::Key, Call::ExchangeKey { key, .. }, Ok(value)) => *key = value,
            (Self::Size, Call::StartRefresh { size, .. }, Ok(value)) => *size = value,
            (Self::Iv, Call::SubmitBuffer { iv, .. }, _) => *iv = value,
            (Self::Count, Call::SubmitBuffer { count, .. }, _) => *count = value,
            (Self::Len, Call::SubmitBuffer { len, .. }, Ok(value)) => *len = value,
            (Self::Retired, Call::Retire { count }, Ok(value)) => *count = value,
            (Self::Draws, Call::InjectEntropy { draws, .. }, Ok(value)) => *draws = value,
            (Self::After, Call::InjectAllocationFailure { after }, Ok(value)) => *after = value,
            _ => {}
        }
    }

    /// The plainest value.
    pub(super) const fn plain(self) -> u64 {
        match self {
            Self::Size | Self::Len => 16,
            Self::Key | Self::Iv | Self::Retired | Self::Draws => 1,
            Self::Count | Self::After => 0,
        }
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

/// Everything that a call of its kind can differ in.
fn arguments(call: &Call) -> ([u16; 3], [u8; 2], [Option<u64>; 8]) {
    let mut slots = [0; 3];
    let mut index = 0;
    renumber::each_slot(&mut { *call }, |_, slot| {
        // Through its own device is plainer than through any.
        slots[index] = u16::from(slot.0) + 1;
        index += 1;
    });
    (slots, words(call), Number::ALL.map(|number| number.of(call)))
}

/// How many calls there are, how far their arguments are from plain, and how far their IVs.
///
/// IVs count last, because they have to rise: 1, 2, 3 is plainer than one IV with Counts.
pub(super) fn cost(calls: &[Call]) -> (usize, u128, u128) {
    let (mut sum, mut ivs) = (0, 0);
    for call in calls {
        let mut copy = *call;
        renumber::each_slot(&mut copy, |_, slot| sum += u128::from(slot.0));
        if call.session().is_some_and(|session| session.via.is_some()) {
            sum += 1;
        }
        sum += u128::from(words(call).iter().map(|&word| u32::from(word)).sum::<u32>());
        for number in Number::ALL {
            // The plainest value, then 0, 1, 2, ...
            let distance = match number.of(call) {
                Some(value) if value != number.plain() => u128::from(value) + 1,
                _ => 0,
            };
            match number {
                // 0 comes last, or it would be the plainest that is below another.
                Number::Iv if distance == 1 => ivs += 1 << 64,
                Number::Iv => ivs += distance,
                _ => sum += distance,
            }
        }
    }
    (calls.len(), sum, ivs)
}

/// The numbers of the call's argument words; all 0 when plain.
fn words(call: &Call) -> [u8; 2] {
    match *call {
        Call::CreateSession { crypto, profile, .. } => [crypto.number(), profile.number()],
        Call::ExchangeKey { blob, .. } => [blob.number(), 0],
        Call::StartRefresh { null, .. } => [null.into(), 0],
        Call::SubmitBuffer { null, .. } => [null.number(), 0],
        Call::InjectEntropy { fault, .. } => [fault.number(), 0],
        _ => [0, 0],
    }
}

/// The call with other argument words: every value plainer than its own, one word at a time.
pub(super) fn with_plainer_words(call: &Call) -> Vec<Call> {
    let mut plainer = Vec::new();
    match *call {
        Call::CreateSession { device, crypto, profile } => {
            plainer.extend((0..crypto.number()).map(|number| {
                let crypto = CryptoType::from_number(number);
                Call::CreateSession { device, crypto, profile }
            }));
            plainer.extend((0..profile.number()).map(|number| {
                let profile = DecodeProfile::from_number(number);
                Call::CreateSession { device, crypto, profile }
            }));
        }
        Call::ExchangeKey { session, key, blob } => {
            plainer.extend((0..blob.number()).map(|number| Call::ExchangeKey {
                session,
                key,
                blob: Blob::from_number(number),
            }));
        }
        Call::StartRefresh { session, size, null: true } => {
            plainer.push(Call::StartRefresh { session, size, null: false });
        }
        Call::SubmitBuffer { session, iv, count, len, null } => {
            plainer.extend((0..null.number()).map(|number| {
                let null = NullPointer::from_number(number);
                Call::SubmitBuffer { session, iv, count, len, null }
            }));
        }
        Call::InjectEntropy { fault, draws } => {
            plainer.extend((0..fault.number()).map(|number| Call::InjectEntropy {
                fault: EntropyFault::from_number(number),
                draws,
            }));
        }
        _ => {}
    }
    plainer
}

#[cfg(test)]
mod tests {
    use super::super::CallKind;
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
        for number in Number::ALL {
            let kinds = CallKind::ALL.iter();
            let mut call =
                kinds.map(|kind| kind.plain()).find(|call| number.of(call).is_some()).unwrap();
            assert_eq!(number.of(&call), Some(number.plain()));
            number.set(&mut call, 77);
            assert_eq!(number.of(&call), Some(77));
            let is_iv = number == Number::Iv;
            assert_eq!(cost(&[call]), (1, if is_iv { 0 } else { 78 }, if is_iv { 78 } else { 0 }));
        }
    }
}
