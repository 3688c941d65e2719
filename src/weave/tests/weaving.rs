//! Where a hunk fits, both readings stand in the copy; where it does not, the error says so.
#![allow(clippy::unwrap_used, reason = "in a test, the panic is the message")]

use rekeylab_weave::{Fault, Package, Problem, Reproduced, catalogue, weave};

const SESSION: &str = "\
//! A session.
use crate::key::Key;

#[derive(Clone, Debug)]
struct Session {
    key: Key,
    uses: u32,
}

impl Session {
    fn new() -> Self {
        Self { key: Key::new(), uses: 0 }
    }

    fn finish(&mut self) -> Result<(), u32> {
        let limit = self.uses;
        if limit > 3 && limit < 9 {
            self.key.update();
        }
        self.key.wipe();
        Ok(())
    }

    fn count(&mut self) -> u32 {
        let before = self.uses;
        self.uses += 1;
        self.key.count(before);
        self.key.check(before);
        let after = self.uses;
        before
    }

    fn write_state(&self, sink: &mut Sink) {
        let Self { key, uses } = self;
        sink.number(*uses);
        key.write_state(sink);
    }
}
";

fn package() -> Package {
    Package {
        folder: "driver".to_owned(),
        library: "the_driver".to_owned(),
        sources: [("session.rs".to_owned(), SESSION.to_owned())].into(),
        shared: Vec::new(),
    }
}

fn fault(name: &str, hunks: &str) -> Fault {
    let text = format!("something happens\nbreaks S-01\n\n{hunks}");
    Fault::parse(&format!("faults/a-rule/{name}.fault"), &text).unwrap()
}

fn woven(faults: &[Fault]) -> Result<String, Vec<Problem>> {
    weave(&[package()], faults).map(|mut files| files.remove("driver/session.rs").unwrap())
}

/// The copy without blanks and line feeds, but for those in comments.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn check(hunks: &str, expected: &str) {
    let text = squeezed(&woven(&[fault("a-bug", hunks)]).unwrap());
    assert!(text.contains(&squeezed(expected)), "{text}");
    syn::parse_file(&text.replace("// ", "/* ")).err();
}

#[track_caller]
fn check_problem(hunks: &str, expected: &str) {
    let problems = woven(&[fault("a-bug", hunks)]).unwrap_err();
    assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"), expected);
}

#[test]
fn statements_are_replaced_added_and_left_out() {
    check(
        "@@ driver/session.rs Session::finish\n-self.key.wipe();\n+self.key.forget();\n",
        "if fault!(ABug) { // faults/a-rule/a-bug.fault:4
         self.key.forget(); // faults/a-rule/a-bug.fault:6
         } else { self.key.wipe(); } Ok(())",
    );
    check(
        "@@ driver/session.rs Session::finish\n self.key.wipe();\n+self.uses = 0;\n Ok(())\n",
        "self.key.wipe(); if fault!(ABug) { // faults/a-rule/a-bug.fault:4
         self.uses = 0; // faults/a-rule/a-bug.fault:6
         } Ok(())",
    );
    check(
        "@@ driver/session.rs Session::finish\n-self.key.update();\n",
        "if fault!(ABug) { // faults/a-rule/a-bug.fault:4 } else { self.key.update(); }",
    );
}

#[test]
fn an_expression_is_replaced_where_it_stands() {
    check(
        "@@ driver/session.rs Session::finish\n-limit > 3\n+limit > 4\n",
        "if (if fault!(ABug) { // faults/a-rule/a-bug.fault:4
         limit > 4 // faults/a-rule/a-bug.fault:6
         } else { limit > 3 }) && limit < 9 {",
    );
}

#[test]
fn a_let_binds_what_either_reading_says() {
    check(
        "@@ driver/session.rs Session::finish\n-let limit = self.uses;\n+self.uses += 1;\n+let limit = self.uses + 1;\n",
        "let limit = if fault!(ABug) { // faults/a-rule/a-bug.fault:4
         self.uses += 1; // faults/a-rule/a-bug.fault:6
         self.uses + 1 // faults/a-rule/a-bug.fault:7
         } else { self.uses }; if",
    );
}

#[test]
fn what_a_bug_remembers_is_declared_made_written_and_not_shown() {
    let text = squeezed(
        &woven(&[fault("a-bug", "@@ driver/session.rs struct Session\n+finishes: u64,\n")])
            .unwrap(),
    );
    for expected in [
        "#[derive(Clone)]pub(crate) struct Session { pub(crate) key: Key, pub(crate) uses: u32, pub(crate) finishes: u64, }",
        "Self { key: Key::new(), uses: 0, finishes: Default::default() }",
        "let Self { key, uses, finishes } = self;",
        "key.write_state(sink); sink.remembered(finishes); }",
        ".field(\"key\", &self.key).field(\"uses\", &self.uses).finish()",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}

#[test]
fn faults_may_change_one_place_or_a_part_of_what_another_changes() {
    let faults = [
        fault("one", "@@ driver/session.rs Session::finish\n-self.key.wipe();\n"),
        fault("other", "@@ driver/session.rs Session::finish\n-self.key.wipe();\n+self.key.x();\n"),
        fault(
            "outer",
            "@@ driver/session.rs Session::finish\n-self.key.wipe();\n-Ok(())\n+Err(1)\n",
        ),
        fault("inner", "@@ driver/session.rs Session::finish\n-self.key.wipe()\n+self.key.y()\n"),
    ];
    let text = squeezed(&woven(&faults).unwrap());
    let expected = "if fault!(Outer) { // faults/a-rule/outer.fault:4
         Err(1) // faults/a-rule/outer.fault:7
         } else { if fault!(One) { // faults/a-rule/one.fault:4
         } else if fault!(Other) { // faults/a-rule/other.fault:4
         self.key.x(); // faults/a-rule/other.fault:6
         } else { (if fault!(Inner) { // faults/a-rule/inner.fault:4
         self.key.y() // faults/a-rule/inner.fault:6
         } else { self.key.wipe() }); } Ok(()) }";
    assert!(text.contains(&squeezed(expected)), "{text}");
}

#[test]
fn the_order_of_the_faults_does_not_matter_to_what_lies_in_what() {
    let outer = || {
        fault(
            "outer",
            "@@ driver/session.rs Session::finish\n-self.key.wipe();\n-Ok(())\n+Err(1)\n",
        )
    };
    let inner = || {
        fault("inner", "@@ driver/session.rs Session::finish\n-self.key.wipe()\n+self.key.y()\n")
    };
    assert_eq!(woven(&[outer(), inner()]), woven(&[inner(), outer()]));
}

#[test]
fn a_hunk_that_went_stale_says_where_and_what() {
    check_problem(
        "@@ driver/session.rs Session::finish\n-self.key.erase();\n+self.key.forget();\n",
        "faults/a-rule/a-bug.fault:4: src/driver/session.rs, Session::finish: these lines stand there \
         0 times and not once:\n    self.key.erase();",
    );
    check_problem(
        "@@ driver/session.rs Session::finish\n-limit\n+0\n",
        "faults/a-rule/a-bug.fault:4: src/driver/session.rs, Session::finish: these lines stand there \
         2 times and not once:\n    limit",
    );
    check_problem(
        "@@ driver/session.rs Session::start\n-self.key.wipe();\n",
        "faults/a-rule/a-bug.fault:4: src/driver/session.rs, Session::start: there is no such function\n    \
         self.key.wipe();",
    );
    check_problem(
        "@@ driver/sessions.rs Session::start\n-self.key.wipe();\n",
        "faults/a-rule/a-bug.fault:4: below src/ there is no driver/sessions.rs that a fault can change",
    );
    check_problem(
        "@@ driver/session.rs struct Key\n+uses: u32,\n",
        "faults/a-rule/a-bug.fault:4: src/driver/session.rs has no struct Key with named fields",
    );
}

#[test]
fn a_change_that_is_no_rust_or_does_not_fit_says_so() {
    check_problem(
        "@@ driver/session.rs Session::finish\n-self.key.wipe();\n+self.key.forget(,);\n",
        "faults/a-rule/a-bug.fault:4: what it adds is not Rust: neither statements nor an expression",
    );
    check_problem(
        "@@ driver/session.rs Session::finish\n-let limit = self.uses;\n+let bound = self.uses;\n",
        "faults/a-rule/a-bug.fault:4: what it adds must end in `let limit = ...;`",
    );
}

#[test]
fn every_stale_hunk_is_told_not_the_first_alone() {
    let stale = "@@ driver/session.rs Session::finish\n-x();\n";
    let problems = woven(&[fault("one", stale), fault("other", stale)]).unwrap_err();
    let files: Vec<&str> = problems.iter().map(|problem| problem.file.as_str()).collect();
    assert_eq!(files, ["faults/a-rule/one.fault", "faults/a-rule/other.fault"]);
}

#[test]
fn changes_that_overlap_by_halves_are_refused() {
    let faults = [
        fault("one", "@@ driver/session.rs Session::finish\n-self.key.wipe();\n-Ok(())\n+Err(1)\n"),
        fault(
            "other",
            "@@ driver/session.rs Session::finish\n-if limit > 3 && limit < 9 {\n-    self.key.update();\n-}\n-self.key.wipe();\n",
        ),
    ];
    let problems = woven(&faults).unwrap_err();
    assert_eq!(
        problems[0].to_string(),
        "faults/a-rule/other.fault:4: it changes a part of what faults/a-rule/one.fault:4 changes, and more"
    );
}

#[test]
fn one_fault_changes_one_place_once() {
    let first = "@@ driver/session.rs Session::finish\n-self.key.wipe();\n+self.key.x();\n";
    let same = "faults/a-rule/a-bug.fault:7: the hunk of line 4 changes the same place, and only one \
                of them could be taken";
    check_problem(&first.repeat(2), same);
    let inner = "@@ driver/session.rs Session::finish\n-self.key.wipe()\n+self.key.y()\n";
    check_problem(&format!("{first}{inner}"), same);
    check_problem(&format!("{inner}{first}"), same);
    let beside = "@@ driver/session.rs Session::finish\n self.key.wipe();\n+self.key.y();\n";
    assert!(woven(&[fault("a-bug", &format!("{first}{beside}{beside}"))]).is_ok());
}

#[test]
fn an_expression_that_stands_in_a_statement_and_as_one_is_ambiguous() {
    check_problem(
        "@@ driver/session.rs Session::count\n-before\n+before + 1\n",
        "faults/a-rule/a-bug.fault:4: src/driver/session.rs, Session::count: these lines stand there \
         3 times and not once:\n    before",
    );
    check("@@ driver/session.rs Session::finish\n-Ok(())\n+Err(1)\n", "else { Ok(()) } }");
}

#[test]
fn a_let_that_would_lose_a_part_is_refused() {
    for last in ["let limit = self.uses else { return Ok(()) };", "#[cfg(any())] let limit = 1;"] {
        check_problem(
            &format!("@@ driver/session.rs Session::finish\n-let limit = self.uses;\n+{last}\n"),
            "faults/a-rule/a-bug.fault:4: what it adds must end in `let limit = ...;`",
        );
    }
}

#[test]
fn a_let_that_honest_statements_behind_it_need_is_not_removed_among_others() {
    let hunk = "@@ driver/session.rs Session::count\n-let before = self.uses;\n-self.uses += 1;\n";
    check_problem(
        hunk,
        "faults/a-rule/a-bug.fault:4: src/driver/session.rs, Session::count: what stands behind would \
         not see what this declares; replace all to the end of its block, or one `let` alone\n    \
         let before = self.uses;\n    self.uses += 1;",
    );
    check(
        "@@ driver/session.rs Session::count\n-let after = self.uses;\n-before\n+0\n",
        "else { let after = self.uses; before }",
    );
}

#[test]
fn what_is_used_as_a_place_is_not_replaced_by_a_value() {
    let package = |body: &str| Package {
        folder: "driver".to_owned(),
        library: "the_driver".to_owned(),
        sources: [("a.rs".to_owned(), format!("fn a() {{ {body} }}"))].into(),
        shared: Vec::new(),
    };
    let fault = fault("a-bug", "@@ driver/a.rs a\n-x.y\n+z\n");
    for body in
        ["x.y = 1;", "x.y += 1;", "x.y.z = 1;", "x.y[0] = 1;", "f(&mut x.y);", "x.y.add(1);"]
    {
        let problems = weave(&[package(body)], core::slice::from_ref(&fault)).unwrap_err();
        assert_eq!(
            problems[0].to_string(),
            "faults/a-rule/a-bug.fault:4: src/driver/a.rs, a: here it is no value but a place, which \
             may be written; replace the whole statement\n    x.y",
            "{body}"
        );
    }
    for body in ["z = x.y;", "z[x.y] = 1;", "f(&x.y);", "z.add(x.y);", "x.y == 1;"] {
        assert!(weave(&[package(body)], core::slice::from_ref(&fault)).is_ok(), "{body}");
    }
}

#[test]
fn what_stands_in_a_type_or_a_pattern_is_no_value_to_replace() {
    let package = Package {
        folder: "driver".to_owned(),
        library: "the_driver".to_owned(),
        sources: [("a.rs".to_owned(), "fn a() { let b: [u8; N] = c(); }".to_owned())].into(),
        shared: Vec::new(),
    };
    let whole = fault("one", "@@ driver/a.rs a\n-let b: [u8; N] = c();\n+let b: [u8; N] = d();\n");
    let inner = fault("other", "@@ driver/a.rs a\n-N\n+2\n");
    let problems = weave(&[package], &[whole, inner]).unwrap_err();
    assert_eq!(
        problems[0].to_string(),
        "faults/a-rule/other.fault:4: src/driver/a.rs, a: these lines stand there 0 times and not \
         once:\n    N"
    );
}

#[test]
fn a_field_that_is_named_like_its_value_is_not_replaced() {
    let package = Package {
        folder: "driver".to_owned(),
        library: "the_driver".to_owned(),
        sources: [("a.rs".to_owned(), "fn a() { A { x } }".to_owned())].into(),
        shared: Vec::new(),
    };
    let problems = weave(&[package], &[fault("a-bug", "@@ driver/a.rs a\n-x\n+z\n")]).unwrap_err();
    assert_eq!(
        problems[0].to_string(),
        "faults/a-rule/a-bug.fault:4: src/driver/a.rs, a: here it is no value but a place, which may \
         be written; replace the whole statement\n    x"
    );
}

#[test]
fn nothing_is_added_behind_the_value_of_a_block() {
    check_problem(
        "@@ driver/session.rs Session::finish\n Ok(())\n+self.key.forget();\n",
        "faults/a-rule/a-bug.fault:4: src/driver/session.rs, Session::finish: behind the value of a \
         block, nothing can be added; add it before, or replace the value\n    Ok(())",
    );
    check(
        "@@ driver/session.rs Session::finish\n if limit > 3 && limit < 9 {\n     self.key.update();\n }\n+self.uses = 0;\n",
        "if limit > 3 && limit < 9 { self.key.update(); } if fault!(ABug)",
    );
}

#[test]
fn no_comment_stands_in_a_string_of_several_lines() {
    check(
        "@@ driver/session.rs Session::finish\n self.key.wipe();\n+log(\"one\n+two\", r#\"three\n+four\"#);\n+x();\n",
        "log(\"one\ntwo\", r#\"three\nfour\"#); // faults/a-rule/a-bug.fault:8\nx(); // faults/a-rule/a-bug.fault:9",
    );
    let items = woven(&[fault("a-bug", "@@ driver/session.rs\n+const A: &str = \"one\n+two\";\n")])
        .unwrap();
    assert!(items.ends_with("A: &str = \"one\ntwo\"; // faults/a-rule/a-bug.fault:6\n"), "{items}");
}

#[test]
fn items_say_nothing_about_the_whole_file() {
    for inner in ["#![allow(dead_code)]", "//! Words.", "#!/bin/sh"] {
        check_problem(
            &format!("@@ driver/session.rs\n+{inner}\n+fn x() {{}}\n"),
            "faults/a-rule/a-bug.fault:4: these are no items: they begin with something about the \
             whole file",
        );
    }
}

#[test]
fn fields_that_would_not_be_what_they_say_are_refused() {
    check_problem(
        "@@ driver/session.rs struct Session\n+#[cfg(any())]\n+finishes: u64,\n",
        "faults/a-rule/a-bug.fault:4: Session.finishes has an attribute, which would be lost",
    );
    check_problem(
        "@@ driver/session.rs struct Session\n+uses: u32,\n",
        "faults/a-rule/a-bug.fault:4: Session.uses is a field of src/driver/session.rs already",
    );
    let said = "@@ driver/session.rs struct Session\n+/// How often.\n+pub finishes: u64,\n";
    assert!(woven(&[fault("a-bug", said)]).is_ok());
}

#[test]
fn code_that_is_nested_deeply_is_woven_on_a_small_stack_too() {
    let weave_deep = || {
        for (open, close) in
            [("(", ")"), ("!", ""), ("{", "}"), ("[", "]"), ("f(", ")"), ("x=", "")]
        {
            let times = if close.is_empty() { 490 } else { 98 };
            let deep = format!("{}x{}", open.repeat(times), close.repeat(times));
            let hunk = format!("@@ driver/session.rs Session::finish\n-limit > 3\n+{deep}\n");
            assert!(woven(&[fault("a-bug", &hunk)]).is_ok(), "{open}");
            let items = fault("b-bug", &format!("@@ driver/session.rs\n+fn x() {{ {deep} }}\n"));
            assert!(woven(core::slice::from_ref(&items)).is_ok(), "{open}");
            assert!(catalogue(&[items], &Reproduced::new()).contains("BBug"));
        }
    };
    let small = std::thread::Builder::new().stack_size(128 << 10);
    small.spawn(weave_deep).unwrap().join().unwrap();
}

#[test]
fn shared_files_name_what_the_honest_package_has() {
    let mut package = package();
    package.shared.push("limits.rs".to_owned());
    package.sources.insert(
        "limits.rs".to_owned(),
        "pub const A: u8 = 1; const B: u8 = 2; pub struct C;".to_owned(),
    );
    let files = weave(&[package], &[]).unwrap();
    assert!(files["driver/limits.rs"].ends_with("pub use ::the_driver::{A, C};\n"));
}
