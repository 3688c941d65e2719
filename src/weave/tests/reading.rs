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
    check_problem(
        "it happens\n",
        "2: the second line is `breaks` and the id of a rule, such as S-03 or INV-12",
    );
    check_problem(
        "it happens\nbreaks S-03\n@@ driver A::b\n",
        "3: a hunk begins with `@@`, a blank, a source file below src/, and a function or `struct Type`",
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
fn a_line_that_nearly_begins_a_hunk_is_no_explanation() {
    let head = "3: a hunk begins with `@@`, a blank, a source file below src/, and a function or `struct Type`";
    for near in ["@@driver/a.rs A::b", "@@", "@@\tdriver/a.rs A::b", "  @@ driver/a.rs A::b"] {
        let good = "@@ driver/a.rs A::b\n-x();\n";
        check_problem(&format!("it happens\nbreaks S-03\n{near}\n-y();\n{good}"), head);
        check_problem(&format!("it happens\nbreaks S-03\n{near}\n-y();\n"), head);
    }
}

#[test]
fn a_head_names_one_function_or_one_struct() {
    for place in ["A::b extra words", "A::b::c", "A::", "struct", "struct A b", "struct A<u8>"] {
        check_problem(
            &format!("it happens\nbreaks S-03\n@@ driver/a.rs {place}\n-x();\n"),
            "3: a hunk begins with `@@`, a blank, a source file below src/, and a function or `struct Type`",
        );
    }
}

#[test]
fn a_hunk_that_says_the_same_changes_nothing() {
    for hunk in [
        "driver/a.rs A::b\n y();\n+// a comment\n",
        "driver/a.rs A::b\n-x(y);\n+x( y ); // a comment\n",
        "driver/a.rs struct A\n+// a comment\n",
        "driver/a.rs\n+// a comment\n",
    ] {
        check_problem(
            &format!("it happens\nbreaks S-03\n@@ {hunk}"),
            "3: the hunk changes nothing",
        );
    }
}

#[test]
fn brackets_and_quotes_match_within_a_hunk() {
    for (hunk, expected) in [
        ("-x()\n+y(", "3: what it adds is not Rust: brackets or quotes do not match"),
        ("-x()\n+\"y", "3: what it adds is not Rust: brackets or quotes do not match"),
        ("-x(\n+y()", "3: what it keeps and removes is neither whole statements nor an expression"),
    ] {
        check_problem(&format!("it happens\nbreaks S-03\n@@ driver/a.rs A::b\n{hunk}\n"), expected);
    }
}

#[test]
fn comments_cannot_be_matched() {
    for hunk in ["-// a comment\n", "-// a comment\n+y();\n", " // a comment\n+y();\n"] {
        check_problem(
            &format!("it happens\nbreaks S-03\n@@ driver/a.rs A::b\n{hunk}"),
            "3: comments cannot be matched; show the statements beside them",
        );
    }
    check_problem(
        "it happens\nbreaks S-03\n@@ driver/a.rs A::b\n x();\n-// a comment\n+y();\n",
        "3: comments cannot be matched; show the statements beside them",
    );
}

#[test]
fn a_rule_is_named_by_its_id() {
    let hunk = "@@ driver/a.rs A::b\n-x();\n";
    for breaks in
        ["breaks", "breaks ", "breaks S-3", "breaks S-003", "breaks S-01, S-02", "breaks T-01"]
    {
        check_problem(
            &format!("it happens\n{breaks}\n{hunk}"),
            "2: the second line is `breaks` and the id of a rule, such as S-03 or INV-12",
        );
    }
    for breaks in ["R-01", "S-02", "INV-03", "INV-03 S-02"] {
        let fault = Fault::parse(FILE, &format!("it happens\nbreaks {breaks}\n{hunk}")).unwrap();
        assert_eq!(fault.breaks, breaks);
    }
}

#[test]
fn names_that_rust_cannot_hold_are_refused() {
    let text = "it happens\nbreaks S-03\n@@ driver/a.rs A::b\n-x();\n";
    for (file, expected) in [
        ("faults/a-rule/self.fault", "its name becomes `Self`, which is a word of Rust"),
        ("faults/a\nrule/a-bug.fault", "a fault's folder is lower-case words joined by `-`"),
        ("faults/A Rule/a-bug.fault", "a fault's folder is lower-case words joined by `-`"),
    ] {
        let problem = Fault::parse(file, text).unwrap_err();
        assert_eq!(problem.to_string(), format!("{file}: {expected}"));
    }
}

#[test]
fn code_that_is_nested_without_end_is_refused() {
    let deep = |mark: &str| mark.repeat(100_000);
    let some = |count: usize| format!("+{}{}", "{".repeat(count), "}".repeat(count));
    for added in [some(100_000), some(102), format!("+{}true", deep("!"))] {
        check_problem(
            &format!("it happens\nbreaks S-03\n@@ driver/a.rs A::b\n-x()\n{added}\n"),
            "3: a hunk has at most 1000 tokens, and none within more than 100 brackets",
        );
    }
}

#[test]
fn what_cannot_be_read_is_told_beside_all_other_problems() {
    let top = tempfile::tempdir().unwrap();
    let folder = top.path().join("faults/a-rule");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(top.path().join("faults/.DS_Store"), "").unwrap();
    std::fs::write(top.path().join("faults/README.md"), "").unwrap();
    std::fs::write(folder.join(".a-bug.fault.swp"), "").unwrap();
    std::fs::write(folder.join("a-bug.fault"), b"it happens\nbreaks S-01\n\n\xFF\n").unwrap();
    std::fs::write(folder.join("b-bug.fault"), "it happens\n").unwrap();
    std::fs::create_dir(folder.join("c-bug.fault")).unwrap();
    let problems = read_folder(top.path(), "faults").unwrap_err();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        told[..3],
        [
            "faults/README.md: a fault is a file <invariant>/<name>.fault",
            "faults/a-rule/a-bug.fault:4: it is no UTF-8",
            "faults/a-rule/b-bug.fault:2: the second line is `breaks` and the id of a rule, such as S-03 or INV-12",
        ]
    );
    assert!(told[3].starts_with("faults/a-rule/c-bug.fault: cannot be read: "), "{told:?}");
    assert_eq!(told.len(), 4, "{told:?}");
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
