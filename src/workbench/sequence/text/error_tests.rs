//! Every mistake is said with its place, what could stand there and what does.

use std::fmt::Write;

use expect_test::{Expect, expect};

use super::*;
use crate::sequence::call::CALLS_MAX;

fn check(text: &str, expected: Expect) {
    let error = SequenceText::parse(text).unwrap_err();
    expected.assert_eq(&error.to_string());
}

#[test]
fn a_later_version_says_what_this_build_reads() {
    check(
        "# rekeylab sequence 2\n",
        expect![[
            r#"line 1, column 21: expected a version that this build reads (up to 1), found "2""#
        ]],
    );
    check(
        "# rekeylab sequence\n",
        expect![
            "line 1, column 20: expected a version that this build reads (up to 1), found the end of the line"
        ],
    );
    check(
        "# rekeylab sequence one\n",
        expect![[
            r#"line 1, column 21: expected a version that this build reads (up to 1), found "one""#
        ]],
    );
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    check(
        "retire 1\n\n\nfinish-refresh q",
        expect![[r#"line 4, column 16: expected a session such as s0, found "q""#]],
    );
    check(
        "\tfinish-refresh d0",
        expect![[r#"line 1, column 17: expected a session such as s0, found "d0""#]],
    );
    check(
        "finish-refresh s256",
        expect![[r#"line 1, column 16: expected one of the sessions s0 to s255, found "s256""#]],
    );
    check(
        "finish-refresh s0 via=s0",
        expect![[r#"line 1, column 23: expected a device such as d0, found "s0""#]],
    );
    check(
        "fly-away s0",
        expect![[r#"line 1, column 1: expected a call such as create-device, found "fly-away""#]],
    );
    check(
        "-> ok",
        expect![[r#"line 1, column 1: expected a call such as create-device, found "->""#]],
    );
    check(
        "s0 = finish-refresh s0",
        expect![[
            r#"line 1, column 6: expected create-device or create-session, found "finish-refresh""#
        ]],
    );
    check(
        "s0 =",
        expect![
            "line 1, column 5: expected create-device or create-session, found the end of the line"
        ],
    );
    check(
        "7 = create-device",
        expect![[r#"line 1, column 1: expected a name such as s0, found "7""#]],
    );
    check(
        "exchange-key s0 kee=7",
        expect![[
            r#"line 1, column 17: expected key=, blob=, shape=, via=, handle=, "->" or the end of the line, found "kee""#
        ]],
    );
    check(
        "exchange-key s0 key=",
        expect!["line 1, column 21: expected a number up to 4294967295, found the end of the line"],
    );
    check(
        "exchange-key s0 key=-1",
        expect![[r#"line 1, column 21: expected a number up to 4294967295, found "-1""#]],
    );
    check(
        "exchange-key s0 key=4294967296",
        expect![[r#"line 1, column 21: expected a number up to 4294967295, found "4294967296""#]],
    );
    check(
        "exchange-key s0 key=1 key=2",
        expect![[r#"line 1, column 23: expected key= only once, found "key""#]],
    );
    check(
        "exchange-key s0 blob=round",
        expect![[
            r#"line 1, column 22: expected one of good, short, long, corrupt, empty, null, null-empty, absurd, found "round""#
        ]],
    );
    check(
        "exchange-key s0 s1",
        expect![[
            r#"line 1, column 17: expected key=, blob=, shape=, via=, handle=, "->" or the end of the line, found "s1""#
        ]],
    );
    check(
        "submit-buffer s0 iv=0x10000000000000000",
        expect![[
            r#"line 1, column 21: expected a number up to 0xffffffffffffffff, found "0x10000000000000000""#
        ]],
    );
    check(
        "submit-buffer s0 null=buffer",
        expect![[r#"line 1, column 23: expected one of none, data, iv, found "buffer""#]],
    );
    check(
        "start-refresh s0 null=data",
        expect![[r#"line 1, column 23: expected one of none, buffer, found "data""#]],
    );
    check(
        "create-session d0 type=aes",
        expect![[
            r#"line 1, column 24: expected one of aes128-ctr, null, unknown, proprietary, almost-first, almost-last, found "aes""#
        ]],
    );
    check(
        "create-device now",
        expect![[r#"line 1, column 15: expected "->" or the end of the line, found "now""#]],
    );
    check(
        "retire many",
        expect![[r#"line 1, column 8: expected a number up to 4294967295, found "many""#]],
    );
    check(
        "inject-entropy sometimes",
        expect![[
            r#"line 1, column 16: expected one of fail, zero, repeat, restore, again, zero-then-again, leading-zero, middle-zero, trailing-zero, high-bits, equal-halves, found "sometimes""#
        ]],
    );
    check(
        "retire 1 -> fine",
        expect![[
            r#"line 1, column 13: expected ok, the name of a return code, or its number, found "fine""#
        ]],
    );
    check(
        "retire 1 ->   # nothing",
        expect![[
            r##"line 1, column 15: expected ok, the name of a return code, or its number, found "# nothing""##
        ]],
    );
    check(
        "retire 1 -> ok ok",
        expect![[r#"line 1, column 16: expected the end of the line, found "ok""#]],
    );
    check(
        "retire 1 =",
        expect![[r#"line 1, column 8: expected room=, "->" or the end of the line, found "1""#]],
    );
    check(
        "größe s0",
        expect![[r#"line 1, column 1: expected a call such as create-device, found "größe""#]],
    );
    check(
        &format!("finish-refresh {}", "ü".repeat(100)),
        expect![[
            r#"line 1, column 16: expected a session such as s0, found "üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü...""#
        ]],
    );
}

#[test]
fn a_column_counts_characters() {
    let error = SequenceText::parse("grün = create-device\nretire 1 ->  größe").unwrap_err();
    assert_eq!((error.line, error.column, error.found.as_str()), (2, 14, "größe"));
    let error = SequenceText::parse("müde = create-device x").unwrap_err();
    assert_eq!((error.line, error.column), (1, 22));
}

#[test]
fn reserved_calls_say_so() {
    check(
        "create-device\nbegin-frame d0",
        expect!["line 2, column 1: `begin-frame` is reserved; this version does not run it"],
    );
    check(
        "s0 = create-channel",
        expect!["line 1, column 6: `create-channel` is reserved; this version does not run it"],
    );
}

#[test]
fn what_is_too_long_names_the_limit() {
    let calls = "retire 1\n".repeat(CALLS_MAX);
    assert_eq!(SequenceText::parse(&calls).unwrap().entries.len(), CALLS_MAX);
    check(
        &format!("{calls}# Comments are free.\nretire 1"),
        expect!["line 1026, column 1: expected at most 1024 calls, found one more"],
    );
    check(
        &"\n".repeat(TEXT_LEN_MAX + 1),
        expect!["line 1, column 1: expected a text of at most 1048576 bytes, found 1048577 bytes"],
    );
    SequenceText::parse(&"\n".repeat(TEXT_LEN_MAX)).unwrap();
}

#[test]
fn a_bound_slot_beyond_the_last_cannot_be_named() {
    let mut text = "create-session d0\n".repeat(256);
    writeln!(text, "last = create-session d0\nfinish-refresh last").unwrap();
    check(
        &text,
        expect![[r#"line 258, column 16: expected one of the sessions s0 to s255, found "last""#]],
    );
}

#[test]
fn the_name_of_a_session_names_no_device() {
    check(
        "x = create-session x",
        expect![[r#"line 1, column 20: expected a device such as d0, found "x""#]],
    );
}
