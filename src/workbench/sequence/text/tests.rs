//! The text form survives printing, people, and arbitrary bytes.

use expect_test::expect;
use rand::Rng;
use rekeylab_ddi::Hresult;

use super::*;
use crate::generate::dice;
use crate::sequence::tests::{any_sequence, lines, rng, sequence};
use crate::sequence::{CallKind, Slot};

const EXAMPLE: &str = "\
# rekeylab sequence 1
# A second finish finds no random number to apply.
d0 = create-device                      -> ok
s0 = create-session d0                  -> ok
exchange-key s0 key=7                   -> ok
start-refresh s0 size=16                -> ok
submit-buffer s0 iv=1 count=0 len=48    -> ok
finish-refresh s0                       -> ok
finish-refresh s0                       -> D3DDDIERR_INVALIDCALL  # the second

retire 1                                -> ok
# The session is given back.
destroy-session s0                      -> ok
finish-refresh s0 via=d1                -> D3DDDIERR_INVALIDHANDLE
session-status s0                       -> 0x00000042
reset-engine
# The end.
";

#[test]
fn a_text_in_its_own_form_prints_as_it_is() {
    let text = SequenceText::parse(EXAMPLE).unwrap();
    assert_eq!(text.to_string(), EXAMPLE);
    assert_eq!(text.description(), "A second finish finds no random number to apply.");
    let lines: Vec<usize> = text.entries.iter().map(|entry| entry.line).collect();
    assert_eq!(lines, [3, 4, 5, 6, 7, 8, 9, 11, 13, 14, 15, 16]);
    assert_eq!(text.entries[6].comment.as_deref(), Some("the second"));
    assert_eq!(text.entries[10].expected, Some(Hresult(0x42)));
    assert_eq!(text.entries[11].expected, None);
}

#[test]
fn every_sequence_survives_the_text() {
    let mut rng = rng(1);
    for _ in 0..15_000 {
        let sequence = any_sequence(&mut rng, 12);
        let text = SequenceText::from(&sequence);
        let printed = text.to_string();
        let parsed = SequenceText::parse(&printed).unwrap();
        assert_eq!(parsed, text);
        assert_eq!(parsed.sequence(), sequence, "{printed}");
        assert!(is_text(printed.as_bytes()));
        assert_eq!(CallSequence::from_bytes(printed.as_bytes()), sequence);
    }
}

#[test]
fn expectations_and_descriptions_survive_the_text() {
    let mut rng = rng(2);
    for _ in 0..3_000 {
        let sequence = any_sequence(&mut rng, 8);
        let codes: Vec<Option<Hresult>> = (0..6)
            .map(|index| match index % 3 {
                0 => None,
                1 => Some(dice::pick(&mut rng, Hresult::ALL)),
                _ => Some(Hresult(rng.next_u32())),
            })
            .collect();
        let text = SequenceText::new(&sequence, &codes, Some("One.\n\n# rekeylab sequence 9"));
        assert_eq!(SequenceText::parse(&text.to_string()).unwrap(), text);
    }
}

#[test]
fn more_results_than_slots_survive_the_text() {
    let mut long = any_sequence(&mut rng(3), 20);
    let session = CallKind::CreateSession.plain();
    long.calls.extend([session; 300]);
    long.calls.extend([CallKind::CreateDevice.plain(); 100]);
    long.calls.extend(any_sequence(&mut rng(4), 90).calls);
    let printed = SequenceText::from(&long).to_string();
    assert!(printed.contains("\ns299 = create-session d0\n"), "{printed}");
    assert_eq!(SequenceText::parse(&printed).unwrap().sequence(), long);
}

#[test]
fn every_call_prints_like_this() {
    let text = "
        create-device
        destroy-device d1
        create-session d0
        create-session d2 type=null profile=h264
        destroy-session s3 via=d4
        exchange-key s5 key=1 blob=short
        start-refresh s7 size=16 null=buffer
        finish-refresh s9
        submit-buffer s1 iv=4294967296 count=0 len=16
        submit-buffer s0 iv=4294967297 count=0xffffffffffffffff len=0 null=data via=d255
        session-status s255
        retire 4294967295
        reset-engine
        inject-entropy repeat draws=1
        inject-allocation-failure after=0
    ";
    let mut text = SequenceText::parse(text).unwrap();
    text.entries[13].expected = Some(Hresult::S_OK);
    text.entries[9].expected = Some(Hresult::E_FAIL);
    expect![[r#"
        # rekeylab sequence 1

        d0 = create-device
        destroy-device d1
        s0 = create-session d0
        s1 = create-session d2 type=null profile=h264
        destroy-session s3 via=d4
        exchange-key s5 key=1 blob=short
        start-refresh s7 size=16 null=buffer
        finish-refresh s9
        submit-buffer s1 iv=4294967296 count=0 len=16
        submit-buffer s0 iv=0x100000001 count=0xffffffffffffffff len=0 null=data via=d255 -> E_FAIL
        session-status s255
        retire 4294967295
        reset-engine
        inject-entropy repeat draws=1                                                     -> ok
        inject-allocation-failure after=0

    "#]]
    .assert_eq(&text.to_string());
}

#[test]
fn people_may_write_it_their_way() {
    let theirs = "\u{FEFF}# rekeylab sequence 1\r\n\
        player = create-device -> OK\r\n\
        \t  film=create-session   player->ok#why\r\n\
        exchange-key key = 0x10 film\r\n\
        start-refresh film\r\n\
        submit-buffer film -> S_OK\r\n\
        retire\r\n\
        inject-entropy\r\n\
        session-status film via=player -> 0x8876086c\r\n\
        create-session -> D3DDDIERR_INVALIDCALL\r\n\
        finish-refresh s1";
    let ours = "\
# rekeylab sequence 1
d0 = create-device                      -> ok
s0 = create-session d0                  -> ok  # why
exchange-key s0 key=16
start-refresh s0 size=16
submit-buffer s0 iv=1 count=0 len=16    -> ok
retire 1
inject-entropy fail draws=1
session-status s0 via=d0                -> D3DDDIERR_INVALIDCALL
s1 = create-session d0                  -> D3DDDIERR_INVALIDCALL
finish-refresh s1
";
    assert_eq!(SequenceText::parse(theirs).unwrap().to_string(), ours);
    assert!(is_text(theirs.as_bytes()));
}

#[test]
fn a_name_counts_from_the_line_after_and_the_last_one_counts() {
    let calls = |text| lines(&sequence(text));
    let text = "s1 = create-session d0\nfinish-refresh s1\nfinish-refresh s0\nfinish-refresh s2\n\
        s1 = create-session d0\nfinish-refresh s1\n";
    let expected = "create-session d0\nfinish-refresh s0\nfinish-refresh s0\nfinish-refresh s2\n\
        create-session d0\nfinish-refresh s1\n";
    assert_eq!(calls(text), expected);
}

#[test]
fn a_text_without_a_version_line_is_version_one() {
    let text = SequenceText::parse("# rekeylab sequences are fun\nretire 2").unwrap();
    assert_eq!((text.version, text.entries.len(), text.remarks.len()), (1, 1, 1));
    assert_eq!(SequenceText::parse("").unwrap().to_string(), "# rekeylab sequence 1\n");
    let spaced = SequenceText::parse("# rekeylab sequence \t1 \nretire").unwrap();
    assert_eq!((spaced.version, spaced.remarks.len()), (1, 0));
}

#[test]
fn arbitrary_text_never_panics_and_prints_what_it_means() {
    const PIECES: &[&str] = &[
        "create-device",
        "create-session",
        "finish-refresh",
        "submit-buffer",
        "retire",
        "s0",
        "d0",
        "s1",
        "iv",
        "=",
        "->",
        "-",
        ">",
        "#",
        "\n",
        "\r\n",
        " ",
        "\t",
        "ok",
        "7",
        "0x",
        "ü",
        "via",
        "# rekeylab sequence 1",
        "\u{FEFF}",
        "\0",
        "exchange-key",
        "key=3",
    ];
    let mut rng = rng(5);
    let mut parsed_count = 0;
    for _ in 0..30_000 {
        let count = dice::index(&mut rng, 9);
        let mut text = String::new();
        for _ in 0..count {
            text.push_str(dice::pick(&mut rng, PIECES));
            if dice::one_in(&mut rng, 2) {
                text.push(' ');
            }
        }
        if let Ok(parsed) = SequenceText::parse(&text) {
            parsed_count += usize::from(!parsed.entries.is_empty());
            let printed = parsed.to_string();
            let again = SequenceText::parse(&printed).unwrap();
            assert_eq!(again.sequence(), parsed.sequence(), "{text:?}");
            assert_eq!(again.to_string(), printed, "{text:?}");
        }
    }
    assert!(parsed_count > 300, "{parsed_count}");
}

#[test]
fn the_longest_lines_parse_in_linear_time() {
    // Each of these is quadratic in a parser that looks at the rest of the line again and again.
    for piece in ["-", "a", "=", "->", "a=", "#", "a ", "ü"] {
        let _ = SequenceText::parse(&piece.repeat(TEXT_LEN_MAX / piece.len()));
        let _ = SequenceText::parse(&format!("retire {}", piece.repeat(TEXT_LEN_MAX / 4)));
    }
}

#[test]
fn a_comment_stays_one_line() {
    let mut text = SequenceText::parse("retire 1").unwrap();
    text.entries[0].comment = Some("one\nretire 2\r\nthree\n".into());
    text.remarks.push(Remark { before: 1, comment: Some(" a\nretire 3".into()) });
    assert_eq!(SequenceText::parse(&text.to_string()).unwrap().entries.len(), 1);
    assert_eq!(Slot(0), Slot::default());
}
