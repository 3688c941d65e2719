//! The script around the gate: what ends it ends the gate, in order.
#![cfg(unix)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// Whoever stops a job of CI stops the script, which has to wait until the command has saved what it has.
#[test]
fn a_signal_to_the_script_reaches_the_command_and_its_exit_code_comes_back() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let command = "trap 'echo told; exit 7' TERM; echo ready; while :; do sleep 0.05; done";
    let script =
        format!(". ci/lib.sh; status=0; signalled sh -c \"{command}\" || status=$?; exit $status");
    let mut bash = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .current_dir(&root)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(bash.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    let id = bash.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
    assert_eq!(lines.next().unwrap().unwrap(), "told");
    assert_eq!(bash.wait().unwrap().code(), Some(7));
}
