//! A base that is a revision is built beside the change, once something is to be compared.

use std::fs;
use std::path::Path;
use std::process::Command;

use rekeylab::exit::Exit;
use rekeylab::gate::{Base, Change, Kind};

use crate::bench::{Bench, CLEAN, SHOWS, finds};

fn git(root: &Path, line: &str) {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]);
    command.args(line.split_whitespace()).current_dir(root);
    let output = command.output().unwrap();
    assert!(output.status.success(), "git {line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A repository with a package whose program does what its source says, and a branch behind it.
fn repository(bench: &mut Bench, main: &str) {
    repository_with(bench, main, "");
}

/// The same, whose package has this in its manifest, too.
fn repository_with(bench: &mut Bench, main: &str, manifest: &str) {
    let root = bench.path().to_owned();
    let manifest = format!(
        "[package]\nname = \"rekeylab\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n{manifest}"
    );
    fs::create_dir(root.join("src")).unwrap();
    fs::write(root.join("Cargo.toml"), manifest).unwrap();
    fs::write(root.join("src/main.rs"), main).unwrap();
    fs::write(root.join(".gitignore"), "/target\nhead\nbase\n*.n\nCargo.lock\n").unwrap();
    git(&root, "init --quiet --initial-branch main");
    git(&root, "add .");
    git(&root, "commit --quiet -m begin");
    git(&root, "checkout --quiet -b change");
    fs::write(root.join("README.md"), "words").unwrap();
    git(&root, "add .");
    git(&root, "commit --quiet -m words");
    bench.plan.base = Some(Base::named("main"));
}

#[test]
fn a_revision_is_built_and_asked() {
    let mut bench = Bench::new(&[("one", &finds(&["a-1"])), ("run", SHOWS)]);
    let holds =
        "fn main() { println!(\"{{\\\"version\\\":1,\\\"files\\\":[],\\\"errors\\\":[]}}\"); }";
    repository(&mut bench, holds);
    let ran = bench.run();
    let because = &ran.results.findings[0].judgement.because;
    assert_eq!((ran.verdicts(), ran.exit), (vec!["new"], Exit::InvariantBroken), "{because}");
    let folder = if cfg!(debug_assertions) { "debug" } else { "release" };
    let built = bench.path().join("target/gate/base-main/target").join(folder);
    assert!(built.join("rekeylab").is_file());
    // The worktree is used again, and follows the branch.
    assert_eq!(bench.run().verdicts(), ["new"]);
}

#[test]
fn a_base_that_does_not_build_leaves_findings_unknown_and_says_so() {
    let mut bench = Bench::new(&[("one", &finds(&["a-1"])), ("run", SHOWS)]);
    repository(&mut bench, "fn main() { this is no Rust }");
    let ran = bench.run();
    assert_eq!((ran.verdicts(), ran.exit), (vec!["unknown"], Exit::InvariantBroken));
    let because = &ran.results.findings[0].judgement.because;
    assert!(because.starts_with("the base cannot be built: "), "{because}");
}

#[test]
fn nothing_is_built_when_nothing_was_found() {
    let mut bench = Bench::new(&[("one", CLEAN)]);
    repository(&mut bench, "fn main() { this is no Rust }");
    let ran = bench.run();
    assert_eq!((ran.exit, ran.results.says.as_str()), (Exit::Held, "the gate is open: all held"));
    assert!(!bench.path().join("target/gate").exists());
}

#[test]
fn a_change_is_what_differs_from_where_it_began_and_what_is_not_committed() {
    let mut bench = Bench::new(&[("one", CLEAN)]);
    repository(&mut bench, "fn main() {}");
    let root = bench.path();
    let change = || Change::since(bench.plan.base.as_ref(), root);
    assert_eq!((change().files, change().kind), (vec!["README.md".to_owned()], Kind::Documents));
    fs::create_dir_all(root.join("src/driver")).unwrap();
    fs::write(root.join("src/driver/state.rs"), "").unwrap();
    assert_eq!(change().packages, ["rekeylab-driver"]);
    // What main has got since is nobody's change.
    git(root, "stash --quiet --include-untracked");
    git(root, "checkout --quiet main");
    fs::write(root.join("Cargo.toml"), "").unwrap();
    git(root, "commit --quiet --all -m later");
    git(root, "checkout --quiet change");
    assert_eq!(change().files, ["README.md"]);
    let nowhere = Change::since(Some(&Base::named("nowhere")), root);
    assert_eq!((nowhere.kind, nowhere.since), (Kind::Unknown, None));
}

/// What a gate comes to whose drill ends with a code here, before a base whose drill passes if its planted faults,
/// which are this source, can be built.
fn drilled(here: u8, faults: &str) -> (Exit, String) {
    let mut bench = Bench::new(&[("canary", &format!("exit {here}"))]);
    bench.plan.steps[0].needs_faults = true;
    let package = bench.path().join("faults");
    fs::create_dir_all(package.join("src")).unwrap();
    let manifest =
        "[package]\nname = \"rekeylab-faults\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
    fs::write(package.join("Cargo.toml"), manifest).unwrap();
    fs::write(package.join("src/lib.rs"), faults).unwrap();
    let main = "fn main() { std::process::exit(if cfg!(feature = \"faults\") { 0 } else { 2 }) }\n";
    let dependency = "members = [\"faults\"]\n[features]\nfaults = [\"dep:rekeylab-faults\"]\n\
                      [dependencies]\nrekeylab-faults = { path = \"faults\", optional = true }\n";
    repository_with(&mut bench, main, dependency);
    let ran = bench.run();
    (ran.exit, ran.results.says)
}

#[test]
fn a_drill_blocks_unless_the_base_cannot_run_it_either() {
    let no_fit = "compile_error!(\"no fit\");";
    let (exit, says) = drilled(2, no_fit);
    assert_eq!((exit, &*says), (Exit::Held, "the gate is open: no pass in base either: canary"));
    // Here the faults fit, and an alarm was silent.
    assert_eq!(drilled(4, no_fit).0, Exit::AlarmSilent);
    assert_eq!(drilled(2, "const FITS: () = ();").0, Exit::BadUsage);
}
