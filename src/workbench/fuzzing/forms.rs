//! The target `sequence_forms`: bytes, text and value agree, and parsers take anything.

use arbitrary::{Arbitrary as _, Unstructured};

use crate::sequence::wire::{decode_into, encode_into};
use crate::sequence::{CallSequence, SequenceText};

/// Panics when two forms of one sequence disagree, or a parser does not survive the input.
pub fn sequence_forms(input: &[u8]) {
    let mut sequence = CallSequence::default();
    decode_into(input, &mut sequence);
    check_forms(&sequence);
    if let Ok(sequence) = CallSequence::arbitrary(&mut Unstructured::new(input)) {
        check_forms(&sequence);
    }
    check_forms(&CallSequence::from_bytes(input));
    if let Ok(text) = str::from_utf8(input)
        && let Ok(parsed) = SequenceText::parse(text)
    {
        let printed = parsed.to_string();
        let again = SequenceText::parse(&printed).expect("what was printed is read");
        assert_eq!(again.sequence(), parsed.sequence(), "printing changed the calls");
        assert_eq!(again.to_string(), printed, "printing is not stable");
    }
}

/// The value survives the way through wire, and through text.
fn check_forms(sequence: &CallSequence) {
    let mut wire = Vec::new();
    encode_into(sequence, &mut wire);
    let mut decoded = CallSequence::default();
    decode_into(&wire, &mut decoded);
    assert_eq!(&decoded, sequence, "wire changed the calls");
    let text = SequenceText::from(sequence).to_string();
    let parsed = SequenceText::parse(&text).expect("what was printed is read");
    assert_eq!(&parsed.sequence(), sequence, "text changed the calls");
    assert_eq!(CallSequence::from_bytes(text.as_bytes()), *sequence, "text is taken for wire");
    assert_eq!(CallSequence::from_bytes(&wire), *sequence, "wire is taken for text");
}

#[cfg(test)]
mod tests {
    use super::sequence_forms;

    #[test]
    fn odd_inputs_are_taken() {
        for input in [&b""[..], b"#", b"# rekeylab sequence 9", b"\xFF\xFE", b"d0 = create-device"]
        {
            sequence_forms(input);
        }
    }
}
