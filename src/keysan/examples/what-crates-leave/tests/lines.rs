//! Pins what the release build prints as stable lines, so that a crate which leaves more or less is seen.
//!
//! What is left on stacks and in registers is the compiler's choice, and what `memcpy` and ring leave that of the
//! processor. Where these are others than those of `expected.txt`, only the crates, their versions and that each row was
//! measured are compared, and the test says so.
//!
//! The same compiler may inline otherwise when a subject is edited, and then leaves a copy more or less on the stack of
//! another one. What is left on the heap does not depend on that.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

#[test]
#[cfg_attr(debug_assertions, ignore = "what is pinned is a release build")]
fn the_lines_are_those_that_are_expected() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_what-crates-leave")).args(["--format", "lines"]).output();
    let output = output.unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "a row is void, refused or not the same twice:\n{printed}");

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expected.txt");
    if env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &printed).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    if printed.lines().next() == expected.lines().next() {
        assert_eq!(printed, expected);
    } else {
        let setting = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        eprintln!(
            "only names and versions are compared: expected.txt is of\n{}\nand this is\n{}",
            setting(&expected),
            setting(&printed)
        );
        assert_eq!(names(&printed), names(&expected));
    }
}

/// Of each row, all up to what it leaves.
fn names(lines: &str) -> Vec<&str> {
    let rows = lines.lines().skip(1).filter(|line| !line.starts_with(' '));
    rows.map(|line| line.split(" | ").next().unwrap_or(line)).collect()
}
