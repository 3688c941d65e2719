//! The test that is made of a bug, and the reproducer that is kept.

use expect_test::expect_file;

use crate::harness::Desk;

/// A bug that the core does not have.
const TEXT: &str = "\
# rekeylab sequence 1
# double-finish: finish answered ok on a session that had never started a refresh
# expected: D3DDDIERR_INVALIDCALL
d0 = create-device                      -> ok
s0 = create-session d0                  -> ok
exchange-key s0 key=7                   -> ok
finish-refresh s0                       -> D3DDDIERR_INVALIDCALL
";

/// The name of the file that a campaign stores it in.
const NAME: &str = "finish-refresh-answered-ok-while-keyed-5f0c-91ab.seq";

/// The expected text is itself a test of this package, so that it is known to compile and to hold.
#[test]
fn the_test_that_is_written_is_one_that_compiles_and_holds() {
    let desk = Desk::new();
    desk.file(NAME, TEXT);
    let ran = desk.run(&format!("regression {NAME}"));
    assert_eq!(ran.code, 0, "{ran:?}");
    expect_file!["../generated_regression.rs"].assert_eq(ran.text());
    desk.file(&format!("f/double-finish/{NAME}"), TEXT);
    let of_store = desk.run("regression 5f0c --findings f");
    assert_eq!(of_store.text(), ran.text(), "a finding is what its file is");
}

#[test]
fn a_reproducer_is_promoted_under_a_readable_name_and_replaces_nothing() {
    let desk = Desk::new();
    // The root of a workspace, as the command finds it.
    desk.file("Cargo.toml", "");
    desk.file("fuzz/Cargo.toml", "");
    desk.file(NAME, TEXT);
    let ran = desk.run(&format!("regression {NAME} --promote"));
    assert_eq!((ran.code, ran.text()), (0, ""), "{ran:?}");
    let kept = "corpus/crashes/double-finish/finish-refresh-answered-ok-while-keyed.seq";
    assert!(ran.err.contains(kept), "{ran:?}");
    assert_eq!(desk.read(kept), TEXT);
    assert_eq!(desk.run(&format!("regression {NAME} --promote")).code, 0, "it is there already");
    desk.file(kept, "precious");
    let ran = desk.run(&format!("regression {NAME} --promote"));
    assert_eq!(ran.code, 2, "{ran:?}");
    assert_eq!(desk.read(kept), "precious");
}

#[test]
fn what_cannot_be_kept_is_said() {
    let desk = Desk::new();
    desk.file("a.seq", "d0 = create-device\n");
    let ran = desk.run("regression a.seq --promote");
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("does not say in its first line which invariant"), "{ran:?}");
    let ran = desk.run("regression 5f0c --findings none");
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("5f0c is no file, and there are no findings in none"), "{ran:?}");
    assert!(desk.run("regression a.seq").text().contains("fn it_holds_a() {"));
}
