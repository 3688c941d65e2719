//! Counters become lines, by the tools of LLVM. In CI they must be installed.
#![allow(clippy::unwrap_used, reason = "in a test, the panic is the message")]

use std::fs;
use std::io::Write as _;
use std::process::Command;

use rekeylab::coverage::{Tools, read_counters};

#[test]
fn a_line_that_is_run_is_counted_and_one_that_is_not_is_named() {
    let tools = match Tools::find() {
        Ok(tools) => tools,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "{error}");
            // Not `eprintln!`, which a passing test keeps to itself.
            return writeln!(std::io::stderr(), "skipped: {error}").unwrap();
        }
    };
    let folder = tempfile::tempdir().unwrap();
    // Without links in its path, as the compiler writes it.
    let top = fs::canonicalize(folder.path()).unwrap();
    let source = "fn main() {\n    if std::env::args().count() > 5 {\n        never();\n    }\n}\n\n\
                  fn never() {\n    println!(\"never\");\n}\n";
    fs::create_dir(top.join("src")).unwrap();
    fs::write(top.join("src/main.rs"), source).unwrap();
    let rustc = std::env::var_os("RUSTC").unwrap_or("rustc".into());
    let mut build = Command::new(rustc);
    build.args(["-Cinstrument-coverage", "-o", "program"]).arg(top.join("src/main.rs"));
    assert!(build.current_dir(&top).status().unwrap().success());
    let (program, counters) = (top.join("program"), top.join("counters"));
    let mut run = Command::new(&program);
    run.env("LLVM_PROFILE_FILE", counters.join("%p.profraw"));
    assert!(run.status().unwrap().success());

    let coverage = read_counters(&tools, &program, &counters, &[top.join("src")], &top).unwrap();
    let [(path, file)] = &coverage.files.iter().collect::<Vec<_>>()[..] else { panic!() };
    assert_eq!(path.as_str(), "src/main.rs");
    let never: Vec<_> = file.unreached().collect();
    let expected =
        [(3, "        never();"), (7, "fn never() {"), (8, "    println!(\"never\");"), (9, "}")];
    assert_eq!(never, expected);
    assert_eq!(file.counts.get(&1), Some(&1));

    let nothing = top.join("nothing");
    fs::create_dir(&nothing).unwrap();
    let error = read_counters(&tools, &program, &nothing, &[], &top).unwrap_err().to_string();
    assert!(error.contains("llvm-profdata"), "{error}");
}
