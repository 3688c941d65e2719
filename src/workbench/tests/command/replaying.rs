//! Replaying many files.

use rekeylab::generate::{SearchOptions, generate_from_seed};
use rekeylab::sequence::SequenceText;

use crate::harness::{Desk, WRONG};

#[test]
fn ten_thousand_sequences_hold_and_one_that_does_not_is_found() {
    let desk = Desk::new();
    let options = SearchOptions { calls_min: 1, calls_max: 24, ..SearchOptions::default() };
    for seed in 0..10_000 {
        let text = SequenceText::from(generate_from_seed(seed, &options)).to_string();
        desk.file(&format!("set/{}/{seed}.seq", seed % 7), text);
    }
    let ran = desk.run("replay set");
    assert_eq!((ran.code, ran.text()), (0, ""), "{ran:?}");
    assert!(ran.err.starts_with("replayed 10000 files: 10000 held, 0 did not"), "{ran:?}");
    assert_eq!(ran.err.lines().count(), 1, "{ran:?}");

    desk.file("set/3/odd.seq", WRONG);
    let ran = desk.run("replay set");
    assert_eq!(ran.code, 3);
    assert!(ran.text().starts_with("set/3/odd.seq:3: finish-refresh s0: "), "{ran:?}");
    assert!(ran.err.starts_with("replayed 10001 files: 10000 held, 1 did not"), "{ran:?}");
}

#[test]
fn failures_come_in_the_order_of_the_paths_however_many_threads_there_are() {
    let desk = Desk::new();
    for index in 0..200 {
        desk.file(&format!("set/{index:03}.seq"), WRONG);
    }
    let one = desk.run("replay set --jobs 1");
    let many = desk.run("replay set --jobs 8");
    assert_eq!(one.text(), many.text());
    assert!(one.text().lines().is_sorted());
    assert_eq!(one.text().lines().count(), 200);
}

#[test]
fn a_file_that_is_named_twice_runs_once() {
    let desk = Desk::new();
    desk.file("set/a.seq", WRONG);
    let ran = desk.run("replay set/a.seq set set/a.seq");
    assert_eq!(ran.text().lines().count(), 1, "{ran:?}");
}
