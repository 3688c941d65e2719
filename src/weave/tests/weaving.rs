//! Where a hunk fits, both readings stand in the copy; where it does not, the error says so.
#![allow(clippy::unwrap_used, reason = "in a test, the panic is the message")]

use rekeylab_weave::{Fault, Package, Problem, weave};

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
        "faults/a-rule/a-bug.fault:4: there is no src/driver/sessions.rs that a fault can change",
    );
    check_problem(
        "@@ driver/session.rs struct Key\n+uses: u32,\n",
        "faults/a-rule/a-bug.fault:4: src/driver/session.rs has no struct Key with named fields",
    );
}

#[test]
fn a_change_that_is_no_rust_or_does_not_fit_says_so() {
    check_problem(
        "@@ driver/session.rs Session::finish\n-self.key.wipe();\n+self.key.forget(;\n",
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
