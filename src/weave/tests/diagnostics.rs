//! What a compiler says about woven code leads to the line of the fault that it is about.
#![allow(clippy::unwrap_used, reason = "in a test, the panic is the message")]

use std::process::Command;

use rekeylab_weave::{Fault, Package, weave};

const SOURCE: &str =
    "//! A counter.\npub fn next(last: u32) -> u32 {\n    let step = 1;\n    last + step\n}\n";

/// What the compiler says about the copy with this fault.
fn complaint(hunk: &str) -> String {
    let text = format!("it happens\nbreaks S-01\n\n{hunk}");
    let fault = Fault::parse("faults/a-rule/a-bug.fault", &text).unwrap();
    let package = Package {
        folder: "driver".to_owned(),
        library: "the_driver".to_owned(),
        sources: [("lib.rs".to_owned(), SOURCE.to_owned())].into(),
        shared: Vec::new(),
    };
    let woven = weave(&[package], &[fault]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ask = "macro_rules! fault { ($name:ident) => { true } }";
    let root = format!(
        "{ask}\npub mod driver {{\n{}\n}}\n",
        woven["driver/lib.rs"].replace("//! A counter.\n", "")
    );
    std::fs::write(folder.path().join("woven.rs"), root).unwrap();
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let ran = Command::new(rustc)
        .args(["--edition", "2024", "--crate-type", "lib", "--emit", "metadata", "woven.rs"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.success(), !said.contains("error"), "{said}");
    said
}

#[test]
fn a_type_error_shows_the_line_of_the_faults_file() {
    let said = complaint(
        "@@ driver/lib.rs next\n let step = 1;\n+let lost = 1;\n+let step: u8 = \"two\";\n",
    );
    assert!(said.contains("mismatched types"), "{said}");
    assert!(said.contains("// faults/a-rule/a-bug.fault:7"), "{said}");
}

#[test]
fn an_unknown_name_in_an_expression_shows_the_line_of_the_faults_file() {
    let said = complaint("@@ driver/lib.rs next\n-last + step\n+last +\n+    stepp\n");
    assert!(said.contains("cannot find value `stepp`"), "{said}");
    assert!(said.contains("// faults/a-rule/a-bug.fault:7"), "{said}");
}

#[test]
fn a_fault_that_compiles_is_not_complained_about() {
    assert!(
        !complaint("@@ driver/lib.rs next\n-let step = 1;\n+let step = 2;\n").contains("error")
    );
}
