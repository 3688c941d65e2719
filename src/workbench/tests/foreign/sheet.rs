//! What a data sheet says of a driver is how it is driven and judged.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::sample::{built, top};

#[test]
fn a_driver_that_checks_its_handles_is_given_all_kinds_and_may_refuse_them_as_it_likes() {
    let text = fs::read_to_string(built().sheet("")).unwrap();
    let sheet = built().directory.join("driver-checked.toml");
    fs::write(&sheet, text.replace("\"runtime-checks\"", "\"checked\"")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
    let output = command.args(["replay", "--driver"]).arg(&sheet).current_dir(top()).output();
    let output = output.unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{}{err}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn random_numbers_of_a_driver_repeat_if_its_data_sheet_says_so() {
    // Its numbers are 256 in all, so that in hundreds of starts some come twice by chance.
    let sheet = built().sheet("random-low-entropy");
    let text = fs::read_to_string(&sheet).unwrap();
    let replayed = |seed: &str| {
        fs::write(&sheet, format!("randomness = \"{seed}\"\n{text}")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
        command.args(["replay", "--jobs", "1", "--format", "json", "--driver"]).arg(&sheet);
        let output = command.arg(top().join("corpus")).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let names = report["files"].as_array().unwrap().iter();
        let names = names.map(|file| file["file"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    let first = replayed("repeated");
    assert_eq!(first, replayed("repeated"));
    // By chance twice the same once in hundreds, and ten times never.
    assert!((0..10).any(|_| replayed("system") != first), "{first:?}");
}

#[test]
fn a_choice_that_is_not_declared_is_a_violation() {
    let built = built();
    let sheet = built.sheet("");
    let text = fs::read_to_string(&sheet).unwrap().replace("\"S-01\", ", "");
    fs::write(&sheet, text).unwrap();
    let file = top().join("corpus/seeds/second-start-is-refused.seq");
    let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
    let output = command.args(["run", "--driver"]).arg(&sheet).arg(&file).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3));
    assert!(told.contains("a refresh is under way") && told.contains("S-01"), "{told}");
    assert!(told.contains(&format!("-- run --driver {}", sheet.display())), "{told}");
}
