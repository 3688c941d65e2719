//! Lets any tool that speaks `Arbitrary` make call sequences.
//!
//! A call takes as many bytes as a wire record and reads them the same way, except that every
//! opcode is made to mean something: the wire form of a sequence gives the same sequence here.

use arbitrary::{Arbitrary, Result, Unstructured};

use super::call::CallKind;
use super::call::{CALLS_MAX, Call, CallSequence};
use super::wire::{self, RECORD_LEN};

impl<'a> Arbitrary<'a> for CallSequence {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let count = u.arbitrary_len::<Call>()?.min(CALLS_MAX);
        let calls = (0..count).map(|_| Call::arbitrary(u)).collect::<Result<_>>()?;
        Ok(Self { calls })
    }

    fn arbitrary_take_rest(mut u: Unstructured<'a>) -> Result<Self> {
        let count = (u.len() / RECORD_LEN).min(CALLS_MAX);
        let calls = (0..count).map(|_| Call::arbitrary(&mut u)).collect::<Result<_>>()?;
        Ok(Self { calls })
    }

    fn size_hint(_depth: usize) -> (usize, Option<usize>) {
        (0, None)
    }
}

impl<'a> Arbitrary<'a> for Call {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut record = [0; RECORD_LEN];
        u.fill_buffer(&mut record)?;
        let any = || CallKind::ALL[usize::from(record[0]) % CallKind::ALL.len()];
        let kind = CallKind::from_opcode(record[0]).unwrap_or_else(any);
        record[0] = kind.opcode();
        Ok(wire::decode_call(&record).unwrap_or(kind.plain()))
    }

    fn size_hint(_depth: usize) -> (usize, Option<usize>) {
        (RECORD_LEN, Some(RECORD_LEN))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{any_sequence, rng};
    use super::*;

    #[test]
    fn the_wire_form_gives_the_same_sequence() {
        let mut rng = rng(1);
        for _ in 0..1000 {
            let sequence = any_sequence(&mut rng, 20);
            let mut bytes = Vec::new();
            wire::encode_into(&sequence, &mut bytes);
            let made = CallSequence::arbitrary_take_rest(Unstructured::new(&bytes));
            assert_eq!(made.unwrap(), sequence);
        }
    }

    #[test]
    fn all_bytes_give_a_sequence_that_they_bound() {
        let bytes: Vec<u8> = (0..2000_u32).map(|i| i.wrapping_mul(97).to_le_bytes()[0]).collect();
        for len in 0..bytes.len() {
            let made = CallSequence::arbitrary(&mut Unstructured::new(&bytes[..len])).unwrap();
            assert!(made.calls.len() <= len / RECORD_LEN);
            let rest = CallSequence::arbitrary_take_rest(Unstructured::new(&bytes[..len]));
            assert_eq!(rest.unwrap().calls.len(), len / RECORD_LEN);
        }
    }

    #[test]
    fn a_call_takes_as_many_bytes_as_its_hint_says() {
        let bytes = [1; 2 * RECORD_LEN];
        let mut u = Unstructured::new(&bytes);
        Call::arbitrary(&mut u).unwrap();
        assert_eq!(Call::size_hint(0), (bytes.len() - u.len(), Some(bytes.len() - u.len())));
    }

    #[test]
    fn no_sequence_is_longer_than_the_maximum() {
        let bytes = vec![5; (CALLS_MAX + 10) * RECORD_LEN];
        let rest = CallSequence::arbitrary_take_rest(Unstructured::new(&bytes));
        assert_eq!(rest.unwrap().calls.len(), CALLS_MAX);
    }
}
