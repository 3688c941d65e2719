//! Every byte string decodes, every sequence survives, and the numbers stay.

use std::fmt::Write;

use expect_test::expect;
use rand::Rng;

use super::super::wire::{RECORD_LEN, decode_call, decode_into, encode_call, encode_into};
use super::*;

fn encode(sequence: &CallSequence) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_into(sequence, &mut bytes);
    bytes
}

fn decode(bytes: &[u8]) -> CallSequence {
    let mut sequence = CallSequence { calls: vec![Call::ResetEngine] };
    decode_into(bytes, &mut sequence);
    sequence
}

#[test]
fn every_sequence_survives_the_wire() {
    let mut rng = rng(1);
    for _ in 0..20_000 {
        let sequence = any_sequence(&mut rng, 12);
        let bytes = encode(&sequence);
        assert_eq!(decode(&bytes), sequence);
        assert_eq!(CallSequence::from_bytes(&bytes), sequence);
    }
}

#[test]
fn all_bytes_decode_to_what_encodes_again() {
    let mut rng = rng(2);
    let mut bytes = vec![0; 200];
    for round in 0..5_000 {
        rng.fill_bytes(&mut bytes);
        // Random opcodes are nearly all unknown; half of the rounds use known ones.
        if round % 2 == 0 {
            bytes.iter_mut().step_by(RECORD_LEN).for_each(|opcode| *opcode %= 14);
        }
        let sequence = decode(&bytes);
        assert_eq!(decode(&encode(&sequence)), sequence);
    }
}

#[test]
fn a_prefix_decodes_to_the_whole_records_in_it() {
    let sequence = any_sequence(&mut rng(3), 20);
    let bytes = encode(&sequence);
    for len in 0..=bytes.len() {
        assert_eq!(decode(&bytes[..len]).calls, sequence.calls[..len / RECORD_LEN]);
    }
}

#[test]
fn unknown_and_reserved_opcodes_are_skipped() {
    for opcode in 0..=u8::MAX {
        let mut bytes = vec![0; 2 * RECORD_LEN];
        bytes[0] = opcode;
        bytes[RECORD_LEN] = CallKind::ResetEngine.opcode();
        let count = 1 + usize::from(CallKind::from_opcode(opcode).is_some());
        let decoded = decode(&bytes);
        assert_eq!((decoded.calls.len(), decoded.calls.last()), (count, Some(&Call::ResetEngine)));
    }
}

#[test]
fn calls_beyond_the_maximum_are_cut() {
    let bytes = vec![CallKind::Retire.opcode(); (CALLS_MAX + 3) * RECORD_LEN];
    assert_eq!(decode(&bytes).calls.len(), CALLS_MAX);
    let long = CallSequence { calls: vec![Call::ResetEngine; CALLS_MAX + 3] };
    assert_eq!(encode(&long).len(), CALLS_MAX * RECORD_LEN);
}

#[test]
fn no_record_begins_like_text() {
    for kind in CallKind::ALL {
        assert!(!is_text(&encode_call(&kind.plain())));
        assert_ne!(kind.opcode(), b'#');
    }
}

#[test]
fn text_that_does_not_parse_is_read_as_wire() {
    let mut bytes = b"# rekeylab sequence 1\n??".to_vec();
    assert_eq!(bytes.len(), RECORD_LEN);
    bytes.extend(encode_call(&Call::ResetEngine));
    assert_eq!(CallSequence::from_bytes(&bytes).calls, [Call::ResetEngine]);
}

#[test]
fn numbers_beyond_the_last_word_wrap() {
    let mut record = encode_call(&CallKind::ExchangeKey.plain());
    record[3] = 0x80 | 9;
    let via = Some(Slot(0));
    let session = SessionRef { slot: Slot(0), via, ..SessionRef::default() };
    let expected = Call::ExchangeKey { session, key: 1, blob: Blob::Short, shape: Shape::Plain };
    assert_eq!(decode_call(&record), Some(expected));
}

/// These bytes are in files: a line may be added here, never changed.
#[test]
fn the_numbers_never_change() {
    let text = "
        create-device
        destroy-device d1
        create-session d2 type=proprietary profile=unknown
        destroy-session s3 via=d4
        exchange-key s5 key=0x01020304 blob=null via=d6
        start-refresh s7 size=0x05060708 null=buffer via=d8
        finish-refresh s9 via=d0
        submit-buffer s10 iv=0x1112131415161718 count=0x2122232425262728 len=0x31323334 null=iv via=d255
        session-status s255
        retire 0x41424344
        reset-engine
        inject-entropy restore draws=0x51525354
        inject-allocation-failure after=0x61626364
    ";
    let mut table = String::new();
    for call in sequence(text).calls {
        let record = encode_call(&call);
        assert_eq!(decode_call(&record), Some(call));
        let hex: Vec<String> = [0..4, 4..8, 8..16, 16..24]
            .into_iter()
            .map(|field| record[field].iter().map(|byte| format!("{byte:02x}")).collect())
            .collect();
        writeln!(table, "{} {}", hex.join(" "), call.kind().word()).unwrap();
    }
    expect![[r#"
        01000000 00000000 0000000000000000 0000000000000000 create-device
        02010000 00000000 0000000000000000 0000000000000000 destroy-device
        03020023 00000000 0000000000000000 0000000000000000 create-session
        04040380 00000000 0000000000000000 0000000000000000 destroy-session
        05060585 04030201 0000000000000000 0000000000000000 exchange-key
        06080781 08070605 0000000000000000 0000000000000000 start-refresh
        07000980 00000000 0000000000000000 0000000000000000 finish-refresh
        08ff0a82 34333231 1817161514131211 2827262524232221 submit-buffer
        0900ff00 00000000 0000000000000000 0000000000000000 session-status
        0a000000 44434241 0000000000000000 0000000000000000 retire
        0b000000 00000000 0000000000000000 0000000000000000 reset-engine
        0c000003 54535251 0000000000000000 0000000000000000 inject-entropy
        0d000000 64636261 0000000000000000 0000000000000000 inject-allocation-failure
    "#]]
    .assert_eq(&table);
}
