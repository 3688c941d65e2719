//! The sample driver in C++: built once, its data sheet with a bug chosen, and what is told of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// The sample driver, built.
#[derive(Clone)]
pub(crate) struct Built {
    /// Where the library is.
    pub(crate) directory: PathBuf,
    /// Where data sheets and reproducers of this form of the driver go.
    scratch: PathBuf,
    form: Form,
}

/// What is otherwise than in the data sheet of the example.
#[derive(Clone, Copy, Default)]
pub(crate) struct Form {
    /// Another data sheet of the example.
    pub(crate) sheet: Option<&'static str>,
    /// At its top.
    pub(crate) top: &'static str,
    /// Variables of its process.
    pub(crate) environment: &'static [(&'static str, &'static str)],
}

/// The driver, built once for all tests.
pub(crate) fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(Built::new)
}

impl Built {
    fn new() -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vendor-driver");
        let out = format!("OUT={}", directory.display());
        let mut command = Command::new("make");
        command.args(["--silent", "-C"]).arg(example()).args([&out, "all"]);
        let built = command.output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        Self { scratch: directory.clone(), directory, form: Form::default() }
    }

    /// The same library, driven otherwise.
    pub(crate) fn driven(&self, name: &str, form: Form) -> Self {
        let scratch = self.directory.join(name);
        fs::create_dir_all(&scratch).unwrap();
        Self { scratch, form, ..self.clone() }
    }

    /// A library of the same source that was built in this folder.
    pub(crate) fn at(&self, directory: PathBuf) -> Self {
        Self { scratch: directory.clone(), directory, ..self.clone() }
    }

    /// The data sheet of the example, of the library that was built here, with this bug.
    pub(crate) fn sheet(&self, bug: &str) -> PathBuf {
        let Form { sheet, top, environment } = self.form;
        let sheet = example().join(sheet.unwrap_or("driver.toml"));
        let text = fs::read_to_string(sheet).unwrap();
        assert!(text.contains("library = \"build/libvendor_umd.so\""));
        let text = text.replace("\"build/", &format!("\"{}/", self.directory.display()));
        // A table has one place.
        let text = text.replace("[environment]\n", "");
        let text = text.replace("VENDOR_UMD_KEX", "# VENDOR_UMD_KEX");
        // Tests run at the same time, and some change what they are given.
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = self.scratch.join(format!("driver-{count}.toml"));
        let mut text = format!("{top}\n{text}\n[environment]\nVENDOR_UMD_BUG = \"{bug}\"\n");
        for (name, value) in environment {
            text.push_str(&format!("{name} = \"{value}\"\n"));
        }
        fs::write(&path, text).unwrap();
        path
    }

    /// What a folder shows of this driver: the invariants that are broken, each with a file that breaks it
    /// early.
    pub(crate) fn broken(&self, bug: &str, folder: &str) -> BTreeMap<String, PathBuf> {
        let sheet = self.sheet(bug);
        let arguments = ["replay", "--jobs", "1", "--format", "json", "--driver"];
        let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
        let output = command.args(arguments).arg(&sheet).arg(top().join(folder)).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        let report: Value = serde_json::from_slice(&output.stdout).expect(&err);
        assert!(report["errors"].as_array().unwrap().is_empty(), "{err}");
        let files = report["files"].as_array().unwrap();
        let exit = output.status.code();
        assert_eq!(exit, Some(if files.is_empty() { 5 } else { 3 }), "{err}");
        let first = |file: &Value| {
            let violation = file["report"]["violations"].get(0)?.clone();
            let invariant = violation["invariant"].as_str()?.to_owned();
            Some((violation["call"].as_u64()?, invariant, file["file"].as_str()?.into()))
        };
        let mut violations: Vec<(u64, String, PathBuf)> = files.iter().filter_map(first).collect();
        violations.sort_by_key(|(call, ..)| std::cmp::Reverse(*call));
        violations.into_iter().map(|(_, invariant, file)| (invariant, file)).collect()
    }

    /// What a program in C++ ends with that is made of this file, with the bug and without. The file is minimised in
    /// one process, which takes a hundredth of the time that a process for each attempt takes.
    pub(crate) fn in_cpp(
        &self,
        bug: &str,
        file: &Path,
    ) -> Result<(Option<i32>, Option<i32>), String> {
        self.in_cpp_minimized(bug, file, &["--in-process"])
    }

    /// The same of a bug that takes its process along, or leaves something in it.
    pub(crate) fn in_cpp_isolated(
        &self,
        bug: &str,
        file: &Path,
    ) -> Result<(Option<i32>, Option<i32>), String> {
        self.in_cpp_minimized(bug, file, &[])
    }

    fn in_cpp_minimized(
        &self,
        bug: &str,
        file: &Path,
        options: &[&str],
    ) -> Result<(Option<i32>, Option<i32>), String> {
        let at = |extension: &str| self.scratch.join(format!("{bug}.{extension}"));
        let (sheet, shortest, source, program) = (self.sheet(bug), at("seq"), at("cpp"), at("bin"));
        // Of an earlier run, perhaps of another form of them.
        for path in [&shortest, &source] {
            drop(fs::remove_file(path));
        }
        let rekeylab = |words: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
            command.args(words).arg(&sheet);
            command
        };
        let run = |command: &mut Command| {
            let output = command.output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            if output.status.success() { Ok(()) } else { Err(said) }
        };
        let minimize = [&["minimize", "--time-limit", "1s"], options, &["--driver"]].concat();
        run(rekeylab(&minimize).arg(file).arg("-o").arg(&shortest))?;
        let show = ["show", "--as", "cpp", "--driver"];
        run(rekeylab(&show).arg(&shortest).arg("-o").arg(&source))?;
        let strict = ["-std=c++17", "-Wall", "-Wextra", "-Werror"];
        run(Command::new("c++").args(strict).arg(&source).arg("-o").arg(&program).arg("-ldl"))?;
        let play = |bug: &str| {
            let library = self.directory.join("libvendor_umd.so");
            let mut command = Command::new(&program);
            command.arg(library).env("VENDOR_UMD_BUG", bug);
            command.envs(self.form.environment.iter().copied());
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            // What does not return ends with a signal, too.
            for _ in 0..100 {
                if let Some(status) = child.try_wait().unwrap() {
                    return status.code();
                }
                thread::sleep(Duration::from_millis(20));
            }
            child.kill().unwrap();
            child.wait().unwrap().code()
        };
        Ok((play(bug), play("")))
    }
}

pub(crate) fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn example() -> PathBuf {
    top().join("examples/vendor-driver")
}
