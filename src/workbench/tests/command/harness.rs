//! Runs the command in a directory of its own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A directory that is gone after the test, and the command run in it.
pub(crate) struct Desk {
    directory: tempfile::TempDir,
}

/// What a run of the command left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Ran {
    /// Standard output as text.
    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.out).unwrap()
    }

    /// Standard output as one JSON document.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.out).unwrap()
    }
}

/// A sequence that every driver must survive.
pub(crate) const CLEAN: &str = "\
# rekeylab sequence 1
d0 = create-device                      -> ok
s0 = create-session d0                  -> ok
";

/// A text that expects the wrong answer, in line 3.
pub(crate) const WRONG: &str = "\
# rekeylab sequence 1
d0 = create-device                      -> ok
finish-refresh s0                       -> ok
";

impl Desk {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Puts a file on the desk.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// What a file holds.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
        command.current_dir(self.path());
        command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
        command
    }

    /// Runs `rekeylab` with the words of a line as arguments.
    pub(crate) fn run(&self, line: &str) -> Ran {
        self.run_with(line, b"")
    }

    /// The same under Valgrind. Where there is none the answer is `None` and says so, and in CI the
    /// test fails.
    #[cfg(feature = "faults")]
    pub(crate) fn run_under_valgrind(&self, line: &str) -> Option<Ran> {
        let is_there = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
        if !is_there.is_ok_and(|status| status.success()) {
            assert!(std::env::var_os("CI").is_none(), "valgrind is not installed, and CI needs it");
            // Not `println!`, which a passing test keeps to itself.
            std::io::stderr().write_all(b"skipped: valgrind is not installed\n").unwrap();
            return None;
        }
        let mut command = Command::new("valgrind");
        command.args(["--quiet", "--error-limit=no", "--log-file=/dev/null"]);
        command.arg(env!("CARGO_BIN_EXE_rekeylab")).current_dir(self.path());
        command.args(line.split_whitespace());
        Some(Self::finish(command, b""))
    }

    /// The same, with something on standard input.
    pub(crate) fn run_with(&self, line: &str, input: &[u8]) -> Ran {
        let mut command = self.command();
        command.args(line.split_whitespace());
        Self::finish(command, input)
    }

    /// The same with these variables in the environment.
    pub(crate) fn run_where(&self, variables: &[(&str, &str)], line: &str) -> Ran {
        let mut command = self.command();
        command.envs(variables.iter().copied()).args(line.split_whitespace());
        Self::finish(command, b"")
    }

    /// The same by a line of shell, in which `"$0" "$@"` is the command.
    #[cfg(target_os = "linux")]
    pub(crate) fn run_in_a_shell(&self, script: &str, line: &str) -> Ran {
        let mut command = Command::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_rekeylab")]).current_dir(self.path());
        command.args(line.split_whitespace());
        Self::finish(command, b"")
    }

    fn finish(mut command: Command, input: &[u8]) -> Ran {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It may not want to read at all.
        let _ = child.stdin.take().unwrap().write_all(input);
        let output = child.wait_with_output().unwrap();
        Ran {
            code: output.status.code().expect("it ends by itself, not by a signal"),
            out: output.stdout,
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
