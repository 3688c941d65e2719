//! A bisection of a small repository whose build is a line of shell.

use std::process::Command;

use crate::harness::{CLEAN, Desk};

/// The commit that brings the bug, and the one that does not build, counted from 0.
const BROUGHT: usize = 17;
const UNBUILDABLE: usize = 14;

fn git(desk: &Desk, line: &str) -> String {
    let who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"];
    let mut command = Command::new("git");
    command.current_dir(desk.path()).args(who).args(line.split_whitespace());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{line}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Thirty commits: a program, which is a line of shell, and its build, which copies it.
fn repository() -> Desk {
    let desk = Desk::new();
    git(&desk, "init --quiet");
    // The root of a workspace, as the command finds it.
    desk.file("Cargo.toml", "");
    desk.file("fuzz/Cargo.toml", "");
    desk.file(".gitignore", "/target\n");
    for number in 0..30 {
        let code = if number < BROUGHT { 0 } else { 3 };
        desk.file("program", format!("# {number}\nexit {code}\n"));
        let build =
            if number == UNBUILDABLE { "echo error: no >&2; exit 1" } else { "cp program built" };
        desk.file("build", format!("{build}\n"));
        git(&desk, "add .");
        git(&desk, &format!("commit --quiet -m commit-{number}"));
    }
    desk.file("target/clean.seq", CLEAN);
    desk
}

const SHELL: [&str; 4] = ["--build", "sh build", "--run", "sh built \"$REPRODUCER\""];

fn bisect(desk: &Desk, words: &[&str]) -> std::process::Output {
    let mut command = desk.command();
    command.args(["bisect", "target/clean.seq"]).args(words).args(SHELL).output().unwrap()
}

#[test]
fn the_commit_that_brought_a_bug_is_found_although_one_does_not_build() {
    let desk = repository();
    let output = bisect(&desk, &["HEAD~29..HEAD"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{err}");
    let commit = git(&desk, &format!("rev-parse HEAD~{}", 29 - BROUGHT));
    let first = format!("brought by {} commit-{BROUGHT}\n", &commit[..12]);
    assert!(text.starts_with(&first), "{text}");
    assert!(
        text.contains("commit-14: skipped, it does not build: exit status: 1 (error: no)"),
        "{text}"
    );
    assert!(err.lines().count() <= 10, "thirty commits take some five questions: {err}");
    assert_eq!(git(&desk, "worktree list").lines().count(), 1, "no work tree is left");
}

#[test]
fn the_commit_that_mended_a_bug_is_found_for_a_machine() {
    let desk = repository();
    desk.file("program", "exit 0\n");
    git(&desk, "commit --quiet -a -m mended");
    let output = bisect(&desk, &["HEAD~5..HEAD", "--format", "json"]);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&told["brought"], &told["version"]), (&false.into(), &1.into()));
    assert_eq!(told["suspects"][0]["subject"], "mended");
    assert_eq!(told["suspects"].as_array().unwrap().len(), 1);
}

#[test]
fn ends_that_do_not_differ_and_no_revisions_are_refused() {
    let desk = repository();
    for (range, why) in [
        ("HEAD~3..HEAD", "both revisions have the bug"),
        ("HEAD~29..HEAD~28", "neither revision has the bug"),
        ("HEAD..HEAD~3", "HEAD is not before HEAD~3"),
        (
            "HEAD~15..HEAD",
            "the first revision cannot say whether it has the bug: it does not build",
        ),
        ("nobody..HEAD", "git rev-parse"),
        ("HEAD", "is no GOOD..BAD"),
    ] {
        let output = bisect(&desk, &[range]);
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{range}: {err}");
        assert!(err.contains(why), "{range}: {err}");
    }
}
