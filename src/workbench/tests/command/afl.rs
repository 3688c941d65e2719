//! AFL++ as an engine: what it is given, what is taken over from it, and what is told when it fails. Its place is taken
//! by a script, so that these tests need no AFL++.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use super::harness::Desk;

/// What stands in for `afl-fuzz`: finds its folders, and does the rest.
fn engine_with(desk: &Desk, rest: &str) -> Output {
    let find = "while [ $# -gt 0 ]; do case $1 in -o) out=$2;; -i) in=$2;; esac; shift; done";
    let make = "mkdir -p \"$out/worker/queue\" \"$out/worker/crashes\" \"$out/worker/hangs\"; cd \"$out/worker\"";
    let script =
        desk.file("bin/afl-fuzz", format!("#!/bin/sh\nargs=\"$*\"\n{find}\n{make}\n{rest}\n"));
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    desk.file("set/known", [1; 24]);
    fs::create_dir_all(desk.path().join("artifacts")).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    let folders = std::iter::once(desk.path().join("bin")).chain(std::env::split_paths(&path));
    let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
    command.current_dir(desk.path()).env("PATH", std::env::join_paths(folders).unwrap());
    command.args(["engine", "--afl", "target", "--mutator", "mutator.so", "--"]);
    command.args(["-artifact_prefix=artifacts/", "-max_total_time=60", "-timeout=10"]);
    command.args(["-max_len=4096", "-reload=5", "-seed=7", "set"]);
    command.output().unwrap()
}

fn names_in(folder: PathBuf) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_it_finds_goes_to_the_working_set_and_to_the_artifacts() {
    let desk = Desk::new();
    let output = engine_with(
        &desk,
        "echo \"$args\" >../../../args
         echo \"$AFL_CUSTOM_MUTATOR_LIBRARY\" >>../../../args
         ls ../input >>../../../args
         printf 'given' >queue/id:000000,time:0,execs:0,orig:known
         printf 'anew' >queue/id:000001,src:000000,op:custom
         printf 'read' >queue/id:000002,sync:others,src:000000
         printf 'crash' >crashes/id:000000,sig:06
         printf 'hang' >hangs/id:000000,src:000000
         printf '\\033[1;92m[+] \\033[0mAll set and ready to roll!\\n'
         printf '# relative_time, corpus_count, total_execs, edges_found\\n' >plot_data
         printf '5, 3, 4000, 212\\n' >>plot_data
         echo 'rekeylab: executions=4000 calls=80000' >&2
         sleep 2",
    );
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    for line in [
        "#4000\tINITED cov: 212 corp: 3/0b",
        "#4000\tDONE cov: 212 corp: 3/0b",
        "stat::number_of_executed_units: 4000",
        "rekeylab: executions=4000 calls=80000",
    ] {
        assert!(told.lines().any(|it| it == line), "{line}: {told}");
    }
    let args = fs::read_to_string(desk.path().join("args")).unwrap();
    for part in ["-t 10000 ", "-G 4096 ", "-s 7 ", "-V 60 ", "-- target", "mutator.so", "known"] {
        assert!(args.contains(part), "{part}: {args}");
    }
    let set = names_in(desk.path().join("set"));
    assert_eq!(set.len(), 2, "what it was given and what it has read are there already: {set:?}");
    let anew = set.iter().find(|name| *name != "known").unwrap();
    assert_eq!(fs::read(desk.path().join("set").join(anew)).unwrap(), b"anew");
    let artifacts = names_in(desk.path().join("artifacts"));
    let kinds: Vec<&str> = artifacts.iter().filter_map(|it| it.split('-').next()).collect();
    assert_eq!(kinds, ["crash", "timeout"], "and its own folder is gone");
}

#[test]
fn what_it_said_last_is_told_when_it_fails() {
    let desk = Desk::new();
    let output = engine_with(
        &desk,
        "printf '\\033[1;91m[-] PROGRAM ABORT : \\033[1;97mUnable to execute target\\033[0m\\n'; exit 1",
    );
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("[-] PROGRAM ABORT : Unable to execute target\n"), "{told}");
    assert!(told.contains("afl-fuzz ended with exit status: 1"), "{told}");
}

#[test]
fn one_that_is_missing_is_named_before_anything_is_built() {
    let desk = Desk::new();
    desk.file("Cargo.toml", "");
    desk.file("fuzz/Cargo.toml", "");
    for target in ["call_sequence", "call_sequence_keysan"] {
        desk.file(&format!("fuzz/fuzz_targets/{target}.rs"), "");
    }
    let cxx = desk.file("bin/c++", "");
    let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
    command.current_dir(desk.path()).args(["fuzz", "--engine", "libfuzzer,afl"]);
    command.env("PATH", cxx.parent().unwrap()).env_remove("AFL_PATH");
    let output = command.env_remove("CARGO_MANIFEST_DIR").output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("afl-fuzz") && told.contains("apt install afl++"), "{told}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
    command.current_dir(desk.path()).args(["fuzz", "--engine", "afl", "--sanitizer", "address"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
}
