//! A fault's file is read, or the error names the line.
#![allow(clippy::unwrap_used, reason = "in a test, the panic is the message")]

use rekeylab_weave::{Fault, Target, read_folder};

const FILE: &str = "faults/double-finish/finish-keeps-random.fault";

#[track_caller]
fn check_problem(text: &str, expected: &str) {
    let problem = Fault::parse(FILE, text).unwrap_err();
    assert_eq!(problem.to_string(), format!("{FILE}:{expected}"));
}

#[test]
fn a_fault_says_what_happens_which_rule_it_breaks_and_what_changes() {
    let text = "it happens\nbreaks S-03\n\nwords of explanation\n\n@@ driver/a.rs A::b\n x();\n-y();\n+z();\n";
    let fault = Fault::parse(FILE, text).unwrap();
    assert_eq!(
        (fault.name.as_str(), fault.invariant.as_str()),
        ("finish-keeps-random", "double-finish")
    );
    assert_eq!((fault.summary.as_str(), fault.breaks.as_str()), ("it happens", "S-03"));
    assert_eq!(fault.variant(), "FinishKeepsRandom");
    assert_eq!(fault.hunks[0].target, Target::Function("A::b".to_owned()));
    assert_eq!(fault.hunks[0].old(), "x();\ny();");
    assert_eq!(fault.hunks[0].line, 6);
}

#[test]
fn what_is_missing_or_wrong_is_named_with_its_line() {
    check_problem("", "1: the first line says what happens");
    check_problem("it happens\n", "2: the second line is `breaks` and the id of a rule");
    check_problem(
        "it happens\nbreaks S-03\n@@ driver A::b\n",
        "3: a hunk begins with `@@`, a source file below src/, and a function",
    );
    check_problem(
        "it happens\nbreaks S-03\n@@ driver/a.rs A::b\n*y();\n",
        "4: a line of a hunk begins with a blank, `-` or `+`",
    );
    check_problem(
        "it happens\nbreaks S-03\n@@ driver/a.rs A::b\n y();\n",
        "3: the hunk changes nothing",
    );
    check_problem(
        "it happens\nbreaks S-03\n@@ driver/a.rs A::b\n-x();\n y();\n-z();\n",
        "3: a hunk is one change; lines that are kept stand before and behind it",
    );
    check_problem(
        "it happens\nbreaks S-03\n@@ driver/a.rs A::b\n+x();\n",
        "3: nothing says where the change stands; keep a line before or behind it",
    );
    check_problem(
        "it happens\nbreaks S-03\n@@ driver/a.rs\n-x();\n",
        "3: fields and items are only added",
    );
}

#[test]
fn two_faults_of_one_name_are_refused() {
    let top = tempfile::tempdir().unwrap();
    for invariant in ["double-finish", "wrong-answer"] {
        let folder = top.path().join("faults").join(invariant);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(
            folder.join("a-bug.fault"),
            "it happens\nbreaks S-01\n@@ driver/a.rs b\n-x();\n",
        )
        .unwrap();
    }
    let problems = read_folder(top.path(), "faults").unwrap_err();
    assert_eq!(
        problems[0].to_string(),
        "faults/wrong-answer/a-bug.fault: its name is that of faults/double-finish/a-bug.fault"
    );
}
