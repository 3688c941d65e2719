//! The sample driver in C++: silent as it is, and each of its bugs is told as what it is.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// The bugs that the corpus shows through the table alone, and one invariant that they break.
const SHOWN: &[(&str, &str)] = &[
    ("finish-without-start", "double-finish"),
    ("finish-twice", "double-finish"),
    ("finish-updates-half", "wrong-key-epoch"),
    ("finish-drops-work", "wrong-key-epoch"),
    ("start-switches-key", "wrong-key-epoch"),
    ("refresh-before-exchange", "wrong-answer"),
    ("exchange-keeps-refresh", "wrong-answer"),
    ("refused-blt-uses-iv", "wrong-answer"),
    ("refused-start-loses-refresh", "wrong-answer"),
    ("random-one-byte-over", "output-bounds"),
    ("random-number-overreads", "output-bounds"),
    ("blt-size-wraps", "wrong-answer"),
    ("iv-read-late", "wrong-key-epoch"),
    ("random-repeats", "wrong-answer"),
    ("random-constant", "wrong-answer"),
    ("counters-restart-at-start", "keystream-reuse"),
    ("exchange-restarts-counters", "keystream-reuse"),
    ("iv-order-native", "keystream-reuse"),
    ("blt-takes-first-key", "session-isolation"),
    // Only where an address comes back.
    ("ivs-known-by-address", "wrong-answer"),
    ("refresh-shared-by-sessions", "wrong-key-epoch"),
    ("queue-reads-key-late", "wrong-key-epoch"),
    ("cached-key-outlives-finish", "wrong-key-epoch"),
];

/// The bugs that leave a secret behind, and where the story says that it was seen.
const LEAVE: &[(&str, &str)] = &[
    ("freed-session-keeps-key", "in a heap block that was being freed, at byte"),
    ("finished-work-keeps-key", "in a heap block that was being freed, at byte"),
    ("blob-copy-not-wiped", "in a heap block that was being freed, at byte"),
    ("round-keys-in-freed-heap", "in a heap block that was being freed, at byte"),
    ("old-key-kept", "were seen in the heap, at byte 0 of block"),
    ("random-kept-after-finish", "of R[s0, epoch 0] were seen in the heap, at byte"),
    ("key-on-stack", "were seen in the dead stack, "),
    ("key-in-register", "were seen in register xmm"),
    ("key-in-static", "were seen in the static vendor::"),
    ("key-in-log", "were seen in line 1 of the call's log, as hex"),
];

/// The bugs that take the process along: a file that shows each, what is told, and what a program in C++ that
/// is made of it ends with, if not with a signal.
const ENDS: &[(&str, &str, &str, Option<i32>)] = &[
    ("second-start-never-returns", "second-start-is-refused", "did not return", None),
    (
        "malformed-blob-exits",
        "bad-wrapped-keys-leave-the-session-unkeyed",
        "ended the process with exit code 3",
        Some(3),
    ),
    (
        "upload-without-key-crashes",
        "nothing-works-before-the-key-exchange",
        "died of SIGSEGV",
        None,
    ),
    ("early-finish-throws", "finish-without-start-is-refused", "died of SIGABRT", None),
    ("destroy-recurses", "finish-without-start-is-refused", "used up its stack", None),
];

#[derive(Clone)]
struct Built {
    /// Where the library is.
    directory: PathBuf,
    /// Where data sheets and reproducers of this form of the driver go.
    scratch: PathBuf,
    form: Form,
}

/// What is otherwise than in the data sheet of the example.
#[derive(Clone, Copy, Default)]
struct Form {
    /// Another data sheet of the example.
    sheet: Option<&'static str>,
    /// At its top.
    top: &'static str,
    /// Variables of its process.
    environment: &'static [(&'static str, &'static str)],
}

/// The driver, built once for all tests.
fn built() -> &'static Built {
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
    fn driven(&self, name: &str, form: Form) -> Self {
        let scratch = self.directory.join(name);
        fs::create_dir_all(&scratch).unwrap();
        Self { scratch, form, ..self.clone() }
    }

    /// The data sheet of the example, of the library that was built here, with this bug.
    fn sheet(&self, bug: &str) -> PathBuf {
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
    fn broken(&self, bug: &str, folder: &str) -> BTreeMap<String, PathBuf> {
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

    /// What a program in C++ ends with that is made of this file, with the bug and without.
    fn in_cpp(&self, bug: &str, file: &Path) -> Result<(Option<i32>, Option<i32>), String> {
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
        run(rekeylab(&["minimize", "--time-limit", "1s", "--driver"])
            .arg(file)
            .arg("-o")
            .arg(&shortest))?;
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

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn example() -> PathBuf {
    top().join("examples/vendor-driver")
}

#[test]
fn the_driver_is_silent_as_it_is_and_its_bugs_are_told_and_shown_again_in_cpp() {
    let built = built();
    assert_eq!(built.broken("", "corpus"), BTreeMap::new());
    let told = |(bug, invariant): &(&str, &str)| {
        // Most show in the seeds, which are a third of all.
        let mut broken = built.broken(bug, "corpus/seeds");
        if !broken.contains_key(*invariant) {
            broken = built.broken(bug, "corpus");
        }
        let Some(file) = broken.get(*invariant) else {
            return Some(format!("{bug}: {invariant} is not among {broken:?}"));
        };
        // Whether a number repeats hangs on how many were drawn before, in other sequences.
        if *bug == "random-repeats" {
            return None;
        }
        let shown = built.in_cpp(bug, file);
        (shown != Ok((Some(3), Some(0)))).then(|| format!("{bug}: {shown:?}"))
    };
    let halves = SHOWN.split_at(SHOWN.len() / 2);
    let problems: Vec<String> = std::thread::scope(|scope| {
        let first = scope.spawn(|| halves.0.iter().filter_map(told).collect::<Vec<_>>());
        let mut problems: Vec<String> = halves.1.iter().filter_map(told).collect();
        problems.extend(first.join().unwrap());
        problems
    });
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Other key exchanges of the sample: a name, the data sheet, and what chooses it.
const EXCHANGES: [(&str, Form); 2] = [
    (
        "rsa",
        Form { sheet: Some("driver-rsa.toml"), top: "", environment: &[("VENDOR_UMD_KEX", "rsa")] },
    ),
    (
        "sealed",
        Form {
            sheet: Some("driver-sealed.toml"),
            top: "",
            environment: &[("VENDOR_UMD_KEX", "sealed")],
        },
    ),
];

#[test]
fn keys_that_are_wrapped_for_its_certificate_or_by_its_vendor_are_taken_and_the_corpus_holds() {
    for (name, form) in EXCHANGES {
        let built = built().driven(name, form);
        assert_eq!(built.broken("", "corpus"), BTreeMap::new(), "{name}");
        // That a finish without a start is found needs a key, and the program in C++ has it wrapped.
        let broken = built.broken("finish-without-start", "corpus/seeds");
        let Some(file) = broken.get("double-finish") else { panic!("{name}: {broken:?}") };
        let shown = built.in_cpp("finish-without-start", file);
        assert_eq!(shown, Ok((Some(3), Some(0))), "{name}");
    }
}

#[test]
fn a_key_exchange_that_cannot_be_is_told_before_anything_runs() {
    let [(_, rsa), (_, sealed)] = EXCHANGES;
    let no_kex = Form { environment: &[], ..rsa };
    let pem = example().join("rsa.pem").display().to_string();
    let usual = "mechanism = \"rsaes-oaep\"";
    let with = |line: &str| format!("{usual}\n{line}");
    let file = top().join("corpus/seeds/a-refresh-between-frames.seq");
    for (form, wrong, right, code, told) in [
        (no_kex, usual.to_owned(), usual, 2, "GetCaps 43 answered D3DDDIERR_NOTAVAILABLE"),
        (rsa, with("public-key = \"no.pem\""), usual, 2, "no.pem"),
        (rsa, with(&format!("public-key = \"{pem}\"")), usual, 5, ""),
        (rsa, with("hash = \"sha-256\""), usual, 3, "violation: wrong-answer"),
        (rsa, with("hash = \"md5\""), usual, 2, "unknown variant `md5`"),
        (
            sealed,
            "shim = \"no_such\"".to_owned(),
            "shim = \"vendor_wrap_key\"",
            2,
            "does not export no_such",
        ),
    ] {
        let sheet = built().driven("wrong", form).sheet("");
        let text = fs::read_to_string(&sheet).unwrap();
        assert!(text.contains(right));
        fs::write(&sheet, text.replace(right, &wrong)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
        let output = command.args(["run", "--driver"]).arg(&sheet).arg(&file).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert_eq!(output.status.code(), Some(code), "{wrong}: {said}");
        assert!(said.contains(told), "{wrong}: {said}");
    }
}

/// Bugs that show where surfaces are read by `EncryptionBlt`, and an invariant that they break.
const SHOWN_BY_READ_BACK: &[(&str, &str)] = &[
    ("readback-iv-apart", "keystream-reuse"),
    ("start-switches-key", "wrong-key-epoch"),
    ("finish-updates-half", "wrong-key-epoch"),
    ("queue-reads-key-late", "wrong-key-epoch"),
    ("exchange-restarts-counters", "keystream-reuse"),
];

#[test]
fn surfaces_are_read_back_encrypted_if_the_data_sheet_says_so_and_that_shows_other_bugs() {
    let form = Form { top: "read-back = \"encryption-blt\"", ..Form::default() };
    let built = built().driven("read-back", form);
    assert_eq!(built.broken("", "corpus"), BTreeMap::new());
    for &(bug, invariant) in SHOWN_BY_READ_BACK {
        let broken = built.broken(bug, "corpus/seeds");
        let Some(file) = broken.get(invariant) else {
            panic!("{bug}: {invariant} is not among {broken:?}");
        };
        assert_eq!(built.in_cpp(bug, file), Ok((Some(3), Some(0))), "{bug}");
    }
}

#[test]
fn what_a_driver_leaves_of_a_secret_in_its_memory_or_its_log_is_told_with_the_place() {
    let file = top().join("corpus/seeds/a-chain-of-eight-refreshes.seq");
    let run = |bug: &str| {
        let sheet = built().sheet(bug);
        let logging = fs::read_to_string(&sheet).unwrap() + "VENDOR_UMD_LOG = \"1\"\n";
        fs::write(&sheet, logging).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
        command.args(["run", "--allow-missing", "homes,debug,differential", "--driver"]);
        let output = command.arg(&sheet).arg(&file).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    // With this much allowed, it is looked into everything else.
    assert_eq!(run(""), (Some(0), String::new()));
    for &(bug, place) in LEAVE {
        let (code, told) = run(bug);
        assert_eq!(code, Some(3), "{bug}");
        assert!(told.contains(place), "{bug}: {told}");
        // A program in C++ reads no log.
        if bug != "key-in-log" {
            assert_eq!(built().in_cpp(bug, &file), Ok((Some(3), Some(0))), "{bug}");
        }
    }
    // The log has each of the nine keys that were updated; what is the same again is told in a line.
    let (_, told) = run("key-in-log");
    assert_eq!(told.matches("violation: key-leak").count(), 3, "{told}");
    assert_eq!(told.matches("and key-leak again, call ").count(), 5, "{told}");
}

#[test]
fn a_device_is_taken_away_by_the_callback_or_by_a_hook_and_has_no_keys_afterwards() {
    let with = |removal: &str, bug: &str| {
        let sheet = built().sheet(bug);
        let text = fs::read_to_string(&sheet).unwrap();
        fs::write(&sheet, format!("removal = {removal}\n{text}")).unwrap();
        sheet
    };
    let run = |sheet: &Path, seed: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
        command.args(["run", "--allow-missing", "homes,debug,differential", "--driver"]);
        let file = top().join(format!("corpus/seeds/{seed}.seq"));
        let output = command.arg(sheet).arg(file).output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&told).into_owned())
    };
    let (with_work, idle) = ("a-new-session-works-after-a-reset", "a-reset-ends-a-pending-refresh");
    let hook = "{ hook = \"vendor_umd_remove_device\" }";
    let callback = "\"render-callback\"";
    // A device that has nothing to submit does not hear of it by the callback.
    for (removal, seed, is_told) in [
        (callback, with_work, true),
        (callback, idle, false),
        (hook, with_work, true),
        (hook, idle, true),
        ("\"never\"", with_work, false),
    ] {
        let (code, told) = run(&with(removal, ""), seed);
        assert_eq!(code, Some(0), "{removal} {seed}: {told}");
        let sheet = with(removal, "removed-device-keeps-keys");
        let (code, told) = run(&sheet, seed);
        assert_eq!(code, Some(if is_told { 3 } else { 0 }), "{removal} {seed}: {told}");
        assert_eq!(told.contains("violation: key-residue"), is_told, "{told}");
    }
    let bug = "removed-device-keeps-keys";
    let file = top().join(format!("corpus/seeds/{with_work}.seq"));
    assert_eq!(built().in_cpp(bug, &file), Ok((Some(3), Some(0))));
    let (code, told) = run(&with("{ hook = \"nothing\" }", ""), idle);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("does not export nothing"), "{told}");
}

#[test]
fn a_layer_that_a_data_sheet_leaves_out_is_not_looked_into_and_missing_by_name() {
    let sheet = built().sheet("key-on-stack");
    let text = fs::read_to_string(&sheet).unwrap();
    fs::write(&sheet, format!("leave-out = [\"stack\"]\n{text}")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
    command.args(["run", "--allow-missing", "homes,debug,differential", "--driver"]);
    let file = top().join("corpus/seeds/a-chain-of-eight-refreshes.seq");
    let output = command.arg(&sheet).arg(&file).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{err}");
    assert!(err.contains("stack"), "{err}");
}

#[test]
fn a_driver_that_takes_its_process_along_is_told_like_any_other_and_shown_again_in_cpp() {
    let built = built();
    let told = |&(bug, seed, happened, code): &(&str, &str, &str, Option<i32>)| {
        let file = top().join(format!("corpus/seeds/{seed}.seq"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
        command.args(["run", "--time-limit", "1s", "--driver"]).arg(built.sheet(bug));
        // What comes behind it is run, too.
        let last = top().join("corpus/seeds/a-chain-of-eight-refreshes.seq");
        let output = command.arg(&file).arg(&last).output().unwrap();
        let story = String::from_utf8_lossy(&output.stdout);
        let is_told = output.status.code() == Some(3) && story.contains(happened);
        let shown = built.in_cpp(bug, &file);
        let problem = format!("{bug}: {:?}, {shown:?}\n{story}", output.status);
        (!is_told || shown != Ok((code, Some(0)))).then_some(problem)
    };
    let problems: Vec<String> = ENDS.iter().filter_map(told).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// What a search of some seconds finds of the driver with this bug, from one seed: how it ends, and the
/// invariants that are broken.
fn searched(bug: &str) -> (Option<i32>, Vec<String>) {
    let (code, report, _) = search(&built().sheet(bug), &[]);
    let findings = report["findings"].as_array().unwrap().iter();
    let invariants = findings.map(|it| it["invariant"].as_str().unwrap().to_owned()).collect();
    (code, invariants)
}

/// What a search of some seconds comes to: how it ends, its report, and what it says besides.
fn search(sheet: &Path, options: &[&str]) -> (Option<i32>, Value, String) {
    search_in(tempfile::tempdir().unwrap().path(), sheet, options)
}

/// The same in a workspace that is there afterwards.
fn search_in(root: &Path, sheet: &Path, options: &[&str]) -> (Option<i32>, Value, String) {
    let seeds = root.join("corpus/seeds");
    fs::create_dir_all(&seeds).unwrap();
    fs::create_dir(root.join("fuzz")).unwrap();
    for file in ["Cargo.toml", "fuzz/Cargo.toml"] {
        fs::write(root.join(file), "").unwrap();
    }
    let seed = "a-chain-of-eight-refreshes.seq";
    fs::copy(top().join("corpus/seeds").join(seed), seeds.join(seed)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
    command.args(["fuzz", "--time", "4s", "--jobs", "1", "--seed", "1", "--format", "json"]);
    command.args(options).arg("--driver").arg(sheet).current_dir(root);
    let output = command.output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    if !report.is_null() {
        assert!(report["executions"].as_u64() > Some(50), "{report}");
        let layers = report["lanes"][0]["layers"].to_string();
        assert!(layers.contains("registers") && layers.contains("statics"), "{layers}");
    }
    (output.status.code(), report, err)
}

#[test]
fn a_bug_of_a_driver_is_known_and_mended_by_what_its_library_does() {
    let root = tempfile::tempdir().unwrap();
    let sheet = built().sheet("early-finish-throws");
    let (code, ..) = search_in(root.path(), &sheet, &[]);
    assert_eq!(code, Some(3));
    let findings = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
        command.arg("findings").args(words).arg("--sheet").arg(&sheet);
        let output = command.current_dir(root.path()).output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&told).into_owned())
    };
    let (_, listed) = findings(&["list"]);
    assert!(listed.contains("no-panic"), "{listed}");
    let fingerprint = listed.split_whitespace().find(|word| word.len() == 9 && word.contains('-'));
    let (_, shown) = findings(&["show", fingerprint.unwrap()]);
    assert!(shown.contains(&format!("run --driver {}", sheet.display())), "{shown}");
    let (_, checked) = findings(&["check"]);
    assert!(!checked.contains("not tried"), "{checked}");
    let text = fs::read_to_string(&sheet).unwrap();
    fs::write(&sheet, text.replace("early-finish-throws", "")).unwrap();
    let (code, checked) = findings(&["check"]);
    assert!(checked.contains("-> fixed, 0 of 3 runs showed it"), "{checked}");
    assert_eq!(code, Some(0));
    // It comes back.
    let text = fs::read_to_string(&sheet).unwrap();
    let back = text.replace("VENDOR_UMD_BUG = \"\"", "VENDOR_UMD_BUG = \"early-finish-throws\"");
    fs::write(&sheet, back).unwrap();
    let (code, checked) = findings(&["check"]);
    assert_eq!(code, Some(3), "{checked}");
}

#[test]
fn counters_of_coverage_guide_a_search_and_can_be_required() {
    let built = built();
    let plain = built.sheet("");
    let (code, report, err) = search(&plain, &["--require-coverage"]);
    assert_eq!((code, report), (Some(2), Value::Null), "{err}");
    assert!(err.contains("has no counters of coverage"), "{err}");
    assert!(err.contains("-fsanitize-coverage=inline-8bit-counters,pc-table"), "{err}");
    let has_clang = Command::new("clang++").arg("--version").output().is_ok();
    if !has_clang {
        assert!(std::env::var_os("CI").is_none(), "in CI there has to be clang++");
        println!("skipped: there is no clang++");
        return;
    }
    let out = format!("OUT={}", built.directory.display());
    let mut command = Command::new("make");
    command.args(["--silent", "-C"]).arg(example()).args([&out, "coverage"]);
    assert!(command.status().unwrap().success());
    let text = fs::read_to_string(&plain).unwrap();
    fs::write(&plain, text.replace("/libvendor_umd.so", "/coverage/libvendor_umd.so")).unwrap();
    let (code, report, err) = search(&plain, &["--require-coverage"]);
    assert_eq!((code, report["findings"].as_array().map(Vec::len)), (Some(5), Some(0)), "{err}");
    let counters = err.split("guided by ").nth(1).and_then(|rest| rest.split(' ').next());
    let counters: u64 = counters.unwrap().parse().unwrap();
    let reached = report["coverage"].as_u64().unwrap();
    assert!(reached > 150 && reached < counters, "{reached} of {counters}");
}

#[test]
fn a_search_is_silent_of_the_driver_as_it_is_and_finds_what_the_seeds_do_not_show() {
    assert_eq!(searched(""), (Some(5), Vec::new()));
    let (code, broken) = searched("exchange-keeps-refresh");
    assert_eq!((code, broken), (Some(3), vec!["wrong-answer".to_owned()]));
    let (code, broken) = searched("early-finish-throws");
    assert_eq!((code, broken), (Some(3), vec!["no-panic".to_owned()]));
}

#[test]
fn a_driver_that_checks_its_handles_is_given_all_kinds_and_may_refuse_them_as_it_likes() {
    let text = fs::read_to_string(built().sheet("")).unwrap();
    let sheet = built().directory.join("driver-checked.toml");
    fs::write(&sheet, text.replace("\"runtime-checks\"", "\"checked\"")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
    let output = command.args(["replay", "--driver"]).arg(&sheet).current_dir(top()).output();
    let output = output.unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{}{err}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn random_numbers_of_a_driver_repeat_if_its_data_sheet_says_so() {
    // Its numbers are 256 in all, so that in hundreds of starts some come twice by chance.
    let sheet = built().sheet("random-low-entropy");
    let text = fs::read_to_string(&sheet).unwrap();
    let replayed = |seed: &str| {
        fs::write(&sheet, format!("randomness = \"{seed}\"\n{text}")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
        command.args(["replay", "--jobs", "1", "--format", "json", "--driver"]).arg(&sheet);
        let output = command.arg(top().join("corpus")).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let names = report["files"].as_array().unwrap().iter();
        let names = names.map(|file| file["file"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    let first = replayed("repeated");
    assert_eq!(first, replayed("repeated"));
    // By chance twice the same once in hundreds, and ten times never.
    assert!((0..10).any(|_| replayed("system") != first), "{first:?}");
}

#[test]
fn a_choice_that_is_not_declared_is_a_violation() {
    let built = built();
    let sheet = built.sheet("");
    let text = fs::read_to_string(&sheet).unwrap().replace("\"S-01\", ", "");
    fs::write(&sheet, text).unwrap();
    let file = top().join("corpus/seeds/second-start-is-refused.seq");
    let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
    let output = command.args(["run", "--driver"]).arg(&sheet).arg(&file).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3));
    assert!(told.contains("a refresh is under way") && told.contains("S-01"), "{told}");
    assert!(told.contains(&format!("-- run --driver {}", sheet.display())), "{told}");
}
