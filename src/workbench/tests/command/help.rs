//! What the command says about itself.

use expect_test::expect_file;

use crate::harness::Desk;

#[test]
fn the_top_level_help_teaches_with_examples() {
    let ran = Desk::new().run("--help");
    assert_eq!(ran.code, 0);
    expect_file!["./help.txt"].assert_eq(ran.text());
}

#[test]
fn alone_it_prints_short_help() {
    let ran = Desk::new().run("");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("Usage: rekeylab [OPTIONS] <COMMAND>"), "{ran:?}");
}

#[test]
fn the_help_of_every_command_that_takes_files_has_examples() {
    let desk = Desk::new();
    for command in [
        "fuzz",
        "continuous",
        "exhaust",
        "findings",
        "findings show",
        "findings ignore",
        "findings unignore",
        "findings duplicate",
        "findings forget",
        "findings check",
        "findings export",
        "findings import",
        "regression",
        "run",
        "replay",
        "minimize",
        "show",
        "hygiene",
        "audit",
        "canary",
        "gate",
        "list",
    ] {
        let ran = desk.run(&format!("{command} --help"));
        assert_eq!(ran.code, 0, "{command}");
        assert!(ran.text().contains("Examples:\n"), "{command}");
    }
}

#[test]
fn the_help_names_every_exit_code() {
    let desk = Desk::new();
    let help = desk.run("--help").text().replace('\n', " ");
    let listed = desk.run("list exit-codes --format json").json();
    let entries = listed["entries"].as_array().unwrap().clone();
    assert_eq!(entries.len(), 10);
    for entry in entries {
        let code = entry["code"].as_str().unwrap();
        assert!(help.contains(&format!(" {code} ")), "{code}");
    }
}
