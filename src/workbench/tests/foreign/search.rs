//! A search of the sample driver: what it finds, what guides it, and what becomes of its findings.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::sample::{built, example, top};

/// What a search of some seconds finds of the driver with this bug, from one seed: how it ends, and the
/// invariants that are broken.
fn searched(bug: &str) -> (Option<i32>, Vec<String>) {
    let (code, report, _) = search(&built().sheet(bug), &[]);
    let findings = report["findings"].as_array().unwrap().iter();
    let invariants = findings.map(|it| it["invariant"].as_str().unwrap().to_owned()).collect();
    (code, invariants)
}

/// What a search of some seconds comes to: how it ends, its report, and what it says besides.
fn search(sheet: &Path, options: &[&str]) -> (Option<i32>, Value, String) {
    search_in(tempfile::tempdir().unwrap().path(), sheet, options)
}

/// The same in a workspace that is there afterwards.
fn search_in(root: &Path, sheet: &Path, options: &[&str]) -> (Option<i32>, Value, String) {
    let seeds = root.join("corpus/seeds");
    fs::create_dir_all(&seeds).unwrap();
    fs::create_dir(root.join("fuzz")).unwrap();
    for file in ["Cargo.toml", "fuzz/Cargo.toml"] {
        fs::write(root.join(file), "").unwrap();
    }
    let seed = "a-chain-of-eight-refreshes.seq";
    fs::copy(top().join("corpus/seeds").join(seed), seeds.join(seed)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
    command.args(["fuzz", "--time", "4s", "--jobs", "1", "--seed", "1", "--format", "json"]);
    command.args(options).arg("--driver").arg(sheet).current_dir(root);
    let output = command.output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    if !report.is_null() {
        assert!(report["executions"].as_u64() > Some(50), "{report}");
        let layers = report["lanes"][0]["layers"].to_string();
        assert!(layers.contains("registers") && layers.contains("statics"), "{layers}");
    }
    (output.status.code(), report, err)
}

#[test]
fn a_bug_of_a_driver_is_known_and_mended_by_what_its_library_does() {
    let root = tempfile::tempdir().unwrap();
    let sheet = built().sheet("early-finish-throws");
    let (code, ..) = search_in(root.path(), &sheet, &[]);
    assert_eq!(code, Some(3));
    let findings = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
        command.arg("findings").args(words).arg("--sheet").arg(&sheet);
        let output = command.current_dir(root.path()).output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&told).into_owned())
    };
    let (_, listed) = findings(&["list"]);
    assert!(listed.contains("no-panic"), "{listed}");
    let fingerprint = listed.split_whitespace().find(|word| word.len() == 9 && word.contains('-'));
    let (_, shown) = findings(&["show", fingerprint.unwrap()]);
    assert!(shown.contains(&format!("run --driver {}", sheet.display())), "{shown}");
    let (_, checked) = findings(&["check"]);
    assert!(!checked.contains("not tried"), "{checked}");
    let text = fs::read_to_string(&sheet).unwrap();
    fs::write(&sheet, text.replace("early-finish-throws", "")).unwrap();
    let (code, checked) = findings(&["check"]);
    assert!(checked.contains("-> fixed, 0 of 3 runs showed it"), "{checked}");
    assert_eq!(code, Some(0));
    // It comes back.
    let text = fs::read_to_string(&sheet).unwrap();
    let back = text.replace("VENDOR_UMD_BUG = \"\"", "VENDOR_UMD_BUG = \"early-finish-throws\"");
    fs::write(&sheet, back).unwrap();
    let (code, checked) = findings(&["check"]);
    assert_eq!(code, Some(3), "{checked}");
}

#[test]
fn counters_of_coverage_guide_a_search_and_can_be_required() {
    let built = built();
    let plain = built.sheet("");
    let (code, report, err) = search(&plain, &["--require-coverage"]);
    assert_eq!((code, report), (Some(2), Value::Null), "{err}");
    assert!(err.contains("has no counters of coverage"), "{err}");
    assert!(err.contains("-fsanitize-coverage=inline-8bit-counters,pc-table"), "{err}");
    let has_clang = Command::new("clang++").arg("--version").output().is_ok();
    if !has_clang {
        assert!(std::env::var_os("CI").is_none(), "in CI there has to be clang++");
        println!("skipped: there is no clang++");
        return;
    }
    let out = format!("OUT={}", built.directory.display());
    let mut command = Command::new("make");
    command.args(["--silent", "-C"]).arg(example()).args([&out, "coverage"]);
    assert!(command.status().unwrap().success());
    let text = fs::read_to_string(&plain).unwrap();
    fs::write(&plain, text.replace("/libvendor_umd.so", "/coverage/libvendor_umd.so")).unwrap();
    let (code, report, err) = search(&plain, &["--require-coverage"]);
    assert_eq!((code, report["findings"].as_array().map(Vec::len)), (Some(5), Some(0)), "{err}");
    let counters = err.split("guided by ").nth(1).and_then(|rest| rest.split(' ').next());
    let counters: u64 = counters.unwrap().parse().unwrap();
    let reached = report["coverage"].as_u64().unwrap();
    assert!(reached > 150 && reached < counters, "{reached} of {counters}");
}

#[test]
fn a_search_is_silent_of_the_driver_as_it_is_and_finds_what_the_seeds_do_not_show() {
    assert_eq!(searched(""), (Some(5), Vec::new()));
    let (code, broken) = searched("exchange-keeps-refresh");
    assert_eq!((code, broken), (Some(3), vec!["wrong-answer".to_owned()]));
    let (code, broken) = searched("early-finish-throws");
    assert_eq!((code, broken), (Some(3), vec!["no-panic".to_owned()]));
}
