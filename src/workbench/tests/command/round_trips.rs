//! Text to wire and back, and what programs read.

use rekeylab::generate::{SearchOptions, generate_from_seed};
use rekeylab::sequence::SequenceText;

use crate::harness::{CLEAN, Desk, WRONG};

#[test]
fn text_becomes_wire_and_the_same_text_again() {
    let desk = Desk::new();
    for seed in 0..20 {
        let sequence = generate_from_seed(seed, &SearchOptions::default());
        let text = SequenceText::from(sequence).to_string();
        desk.file("a.seq", &text);
        let wire = desk.run("show a.seq --as wire");
        assert_eq!(wire.code, 0, "{wire:?}");
        assert_eq!(desk.run_with("show -", &wire.out).text(), text);
        let hex = desk.run("show a.seq --as wire --hex");
        assert_eq!(hex.text().replace('\n', "").len(), wire.out.len() * 2);
    }
}

#[test]
fn a_text_keeps_what_stands_around_its_calls() {
    let desk = Desk::new();
    let text = "# rekeylab sequence 1\n# about this\n\nd0 = create-device  # here\n";
    desk.file("a.seq", text);
    assert_eq!(desk.run("show a.seq").text(), text);
}

#[test]
fn answers_that_were_observed_are_answers_that_come_again() {
    let desk = Desk::new();
    let sequence = generate_from_seed(7, &SearchOptions::default());
    desk.file("a.seq", SequenceText::from(sequence).to_string());
    assert_eq!(desk.run("show a.seq --answers -o b.seq").code, 0);
    assert!(desk.read("b.seq").contains("-> "));
    let ran = desk.run("run b.seq");
    assert_eq!((ran.code, ran.text()), (0, ""), "{ran:?}");
}

#[test]
fn standard_input_is_a_file_named_by_a_dash() {
    let desk = Desk::new();
    assert_eq!(desk.run_with("run -", b"d0 = create-device -> ok\n").code, 0);
    let ran = desk.run_with("run -", WRONG.as_bytes());
    assert_eq!(ran.code, 3);
    assert!(ran.text().starts_with("standard input:3: "), "{ran:?}");
}

#[test]
fn what_programs_read_is_one_document_with_a_version() {
    let desk = Desk::new();
    desk.file("clean.seq", CLEAN);
    desk.file("wrong.seq", WRONG);
    for line in [
        "run clean.seq",
        "run wrong.seq missing.seq",
        "replay .",
        "show clean.seq",
        "show clean.seq --as wire",
        "list calls",
        "list invariants",
        "list rules",
        "list exit-codes",
    ] {
        let ran = desk.run(&format!("{line} --format json"));
        assert_eq!(ran.json()["version"], 1, "{line}: {ran:?}");
    }
    let document = desk.run("run wrong.seq missing.seq --format json").json();
    let mismatch = &document["files"][0]["mismatches"][0];
    assert_eq!(mismatch["line"], 3);
    assert_eq!(mismatch["answered"], "D3DDDIERR_INVALIDHANDLE");
    assert_eq!(document["errors"].as_array().unwrap().len(), 1);
}
