//! Keeps a working set: restores it from an archive, archives what is new in it, and trims it.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::store::bring_events;

use super::StopSignal;
use super::line::{Line, parse_line};
use super::record;

/// A folder that outlives the machine on which a campaign runs, with working sets and findings.
#[derive(Clone, Debug)]
pub struct Archive {
    directory: PathBuf,
}

/// What a set reaches when an engine reads it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Reach {
    /// Edges of the instrumented packages.
    pub edges: u64,
    /// What libFuzzer counts beside: how often edges are passed, and what is compared.
    pub features: u64,
}

/// What came of trimming; each pair is before and after.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trimmed {
    /// How many files there are.
    pub file_counts: (usize, usize),
    /// What they reach in each engine, in the order in which the engines were given.
    pub reach: Vec<(Reach, Reach)>,
    /// Whether the trimmed set took the place of the other.
    pub is_taken: bool,
}

impl Archive {
    /// The archive in this folder, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub fn open(directory: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&directory)?;
        Ok(Self { directory })
    }

    /// Copies what is archived of a working set into it; how many files are new there.
    ///
    /// # Errors
    ///
    /// When a file cannot be copied.
    pub fn restore(&self, working_set: &Path) -> io::Result<usize> {
        recover(&self.place_of(working_set))?;
        copy_new(&self.place_of(working_set), working_set)
    }

    /// Copies what is new in a working set into the archive; how many files that were.
    ///
    /// # Errors
    ///
    /// When a file cannot be copied.
    pub fn save(&self, working_set: &Path) -> io::Result<usize> {
        copy_new(working_set, &self.place_of(working_set))
    }

    /// Copies findings that are not archived yet, and what the findings store knows of them.
    ///
    /// # Errors
    ///
    /// When a file cannot be copied, or one of the two findings stores cannot be read or written.
    pub fn save_findings(&self, findings: &Path) -> io::Result<()> {
        bring_findings(findings, &self.findings())
    }

    /// Copies findings out of the archive, and what its findings store knows of them.
    ///
    /// # Errors
    ///
    /// When a file cannot be copied, or one of the two findings stores cannot be read or written.
    pub fn restore_findings(&self, findings: &Path) -> io::Result<()> {
        bring_findings(&self.findings(), findings)
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.directory
    }

    fn findings(&self) -> PathBuf {
        self.directory.join("findings")
    }

    /// Puts a trimmed set in the place of what is archived.
    ///
    /// # Errors
    ///
    /// When it cannot be copied or renamed; what was archived is there still.
    pub fn replace(&self, working_set: &Path) -> io::Result<()> {
        let place = self.place_of(working_set);
        let fresh = beside(&place, ".fresh");
        remove_all(&fresh)?;
        copy_new(working_set, &fresh)?;
        take_the_place_of(&place, &fresh)
    }

    fn place_of(&self, working_set: &Path) -> PathBuf {
        self.directory.join(working_set.file_name().unwrap_or_default())
    }
}

/// Brings findings from one folder to another that keeps its own.
fn bring_findings(from: &Path, to: &Path) -> io::Result<()> {
    // A findings store that is made anew begins with the reproducers that it finds, as if nothing else
    // were known of them. So it hears what is known before they come.
    bring_events(from, to).map_err(io::Error::other)?;
    for directory in entries(from)? {
        match directory.file_name() {
            Some(name) if name == record::FOLDER => copy_grown(&directory, &to.join(name))?,
            Some(name) if directory.is_dir() => drop(copy_new(&directory, &to.join(name))?),
            _ => {}
        }
    }
    Ok(())
}

/// Copies files that are longer than those of the same name, or are not there yet: records of campaigns, which
/// are only ever added to.
fn copy_grown(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    let len = |path: &Path| fs::metadata(path).map_or(0, |it| it.len());
    for path in files(from)? {
        let Some(name) = path.file_name() else { continue };
        if len(&path) > len(&to.join(name)) {
            copy_whole(&path, to, name)?;
        }
    }
    Ok(())
}

/// Trims a working set to inputs that together reach what all of them do in every engine, within a time.
///
/// Each engine adds to the trimmed set what those before have left out, since one that looks into more also
/// reaches more. The trimmed set only takes the place of the other if it reaches as many edges in all of them;
/// should the time not suffice, everything stays as it was. The engines read inputs that break something
/// without stopping.
///
/// # Errors
///
/// When an engine cannot be run or files cannot be written; the set is as it was then.
pub fn trim(
    engines: &[PathBuf],
    working_set: &Path,
    time: Duration,
    stop: &StopSignal,
) -> io::Result<Option<Trimmed>> {
    recover(working_set)?;
    let end = Instant::now() + time;
    let fresh = beside(working_set, ".fresh");
    remove_all(&fresh)?;
    fs::create_dir_all(&fresh)?;
    let trimmed = merge(engines, working_set, &fresh, end, stop)?;
    if trimmed.as_ref().is_some_and(|trimmed| trimmed.is_taken) {
        take_the_place_of(working_set, &fresh)?;
    } else {
        remove_all(&fresh)?;
    }
    Ok(trimmed)
}

/// Makes the trimmed set in `fresh`, and says whether it is as good as the other.
fn merge(
    engines: &[PathBuf],
    working_set: &Path,
    fresh: &Path,
    end: Instant,
    stop: &StopSignal,
) -> io::Result<Option<Trimmed>> {
    for engine in engines {
        let arguments = ["-merge=1".into(), fresh.into(), working_set.into()];
        let Some(_) = run(engine, &arguments, end, stop)? else { return Ok(None) };
    }
    let mut reached = Vec::new();
    for engine in engines {
        let before = reach(engine, working_set, end, stop)?;
        let after = reach(engine, fresh, end, stop)?;
        let (Some(before), Some(after)) = (before, after) else { return Ok(None) };
        reached.push((before, after));
    }
    let file_counts = (files(working_set)?.len(), files(fresh)?.len());
    let is_as_good = reached.iter().all(|(before, after)| after.edges >= before.edges);
    Ok(Some(Trimmed { file_counts, reach: reached, is_taken: is_as_good && file_counts.1 > 0 }))
}

/// What the inputs of a directory reach.
fn reach(
    engine: &Path,
    directory: &Path,
    end: Instant,
    stop: &StopSignal,
) -> io::Result<Option<Reach>> {
    let Some(lines) = run(engine, &["-runs=0".into(), directory.into()], end, stop)? else {
        return Ok(None);
    };
    let mut reach = Reach::default();
    for line in lines.lines() {
        if let Line::Status(status) = parse_line(line) {
            reach.edges = reach.edges.max(status.coverage.unwrap_or(0));
            reach.features = reach.features.max(status.features.unwrap_or(0));
        }
    }
    Ok(Some(reach))
}

/// What an engine says on standard error; `None` if it was not done in time or somebody said stop.
fn run(
    engine: &Path,
    arguments: &[OsString],
    end: Instant,
    stop: &StopSignal,
) -> io::Result<Option<String>> {
    let log = tempfile::NamedTempFile::new()?;
    // What breaks something is known or will be found; here it only must not end the engine.
    let handed_over = tempfile::tempdir()?;
    let mut child = Command::new(engine)
        .args(arguments)
        .env("REKEYLAB_FOUND", handed_over.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log.reopen()?)
        .spawn()?;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > end || stop.is_raised() {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        // No child can be waited for with a limit in a portable way.
        std::thread::sleep(Duration::from_millis(20));
    };
    let text = String::from_utf8_lossy(&fs::read(log.path())?).into_owned();
    if status.success() { Ok(Some(text)) } else { Err(io::Error::other(last_words(&text, status))) }
}

fn last_words(text: &str, status: std::process::ExitStatus) -> String {
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    format!("the engine ended with {status}: {last}")
}

/// Copies files that are not there yet, each under its name only once it is whole.
///
/// A full disk leaves no part of a file, and what is empty in `from` is left there.
fn copy_new(from: &Path, to: &Path) -> io::Result<usize> {
    fs::create_dir_all(to)?;
    let there: BTreeSet<OsString> =
        entries(to)?.iter().filter_map(|path| Some(path.file_name()?.to_owned())).collect();
    let mut count = 0;
    for path in files(from)? {
        let Some(name) = path.file_name() else { continue };
        let is_hidden = name.as_encoded_bytes().starts_with(b".");
        if !is_hidden && !there.contains(name) {
            count += usize::from(copy_whole(&path, to, name)?);
        }
    }
    Ok(count)
}

/// Copies a file to this name in a folder, where it appears whole; whether there was something to copy.
fn copy_whole(path: &Path, to: &Path, name: &OsStr) -> io::Result<bool> {
    let part = to.join(format!(".{}.part", name.to_string_lossy()));
    let copied = match fs::copy(path, &part) {
        Ok(0) => {
            fs::remove_file(&part)?;
            return Ok(false);
        }
        Ok(_) => fs::rename(&part, to.join(name)),
        // The engine has replaced it by a shorter one meanwhile.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => Err(error),
    };
    if let Err(error) = copied {
        let _ = fs::remove_file(&part);
        return Err(error);
    }
    Ok(true)
}

/// Renames a finished directory to where another is. Whatever moment the machine dies in, one of both is
/// whole, and [`recover`] finds it.
fn take_the_place_of(place: &Path, fresh: &Path) -> io::Result<()> {
    let before = beside(place, ".before");
    remove_all(&before)?;
    if place.exists() {
        fs::rename(place, &before)?;
    }
    fs::rename(fresh, place)?;
    remove_all(&before)
}

/// Puts right what a machine that died between two renames left.
fn recover(place: &Path) -> io::Result<()> {
    let before = beside(place, ".before");
    if before.exists() && !place.exists() {
        fs::rename(&before, place)?;
    }
    remove_all(&before)?;
    remove_all(&beside(place, ".fresh"))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

fn remove_all(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect()
}

fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = entries(directory)?;
    files.retain(|path| path.is_file());
    Ok(files)
}

#[cfg(test)]
mod tests {
    #[cfg(unix)]
    use crate::executable::write_executable;
    use crate::report::Fingerprint;
    use crate::store::{Body, Store};

    use super::*;

    struct Desk(tempfile::TempDir);

    impl Desk {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn at(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn set(&self, name: &str, files: &[&str]) -> PathBuf {
            let set = self.at(name);
            fs::create_dir_all(&set).unwrap();
            files.iter().for_each(|file| fs::write(set.join(file), file).unwrap());
            set
        }
    }

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_archived_comes_back_and_nothing_twice() {
        let desk = Desk::new();
        let set = desk.set("set", &["a", "b", ".hidden"]);
        fs::write(set.join("empty"), "").unwrap();
        let archive = Archive::open(desk.at("archive")).unwrap();
        assert_eq!((archive.save(&set).unwrap(), archive.save(&set).unwrap()), (2, 0));
        assert_eq!(names(&desk.at("archive/set")), ["a", "b"]);
        let other = desk.at("elsewhere/set");
        assert_eq!(archive.restore(&other).unwrap(), 2);
        assert_eq!(names(&other), ["a", "b"]);
    }

    #[test]
    fn the_record_of_a_campaign_is_archived_as_far_as_it_has_grown_and_is_never_cut() {
        let desk = Desk::new();
        let archive = Archive::open(desk.at("archive")).unwrap();
        let findings = desk.at("findings");
        let record = desk.set("findings/campaigns", &[]).join("a.jsonl");
        for text in ["began\n", "began\nsample\n"] {
            fs::write(&record, text).unwrap();
            archive.save_findings(&findings).unwrap();
            let archived = desk.at("archive/findings/campaigns/a.jsonl");
            assert_eq!(fs::read_to_string(archived).unwrap(), text);
        }
        fs::write(&record, "began\n").unwrap();
        archive.restore_findings(&findings).unwrap();
        assert_eq!(fs::read_to_string(&record).unwrap(), "began\nsample\n");
    }

    #[test]
    fn a_machine_that_died_between_two_renames_has_lost_nothing() {
        let desk = Desk::new();
        desk.set("archive/set.before", &["old"]);
        desk.set("archive/set.fresh", &["half"]);
        let archive = Archive::open(desk.at("archive")).unwrap();
        let set = desk.at("set");
        assert_eq!(archive.restore(&set).unwrap(), 1);
        assert_eq!(names(&set), ["old"]);
        assert_eq!(names(&desk.at("archive")), ["set"]);
    }

    #[test]
    fn a_trimmed_set_takes_the_place_of_what_is_archived() {
        let desk = Desk::new();
        let archive = Archive::open(desk.at("archive")).unwrap();
        archive.save(&desk.set("set", &["a", "b"])).unwrap();
        let trimmed = desk.set("trimmed/set", &["b"]);
        archive.replace(&trimmed).unwrap();
        assert_eq!(names(&desk.at("archive/set")), ["b"]);
        assert_eq!(names(&desk.at("archive")), ["set"]);
    }

    #[test]
    fn findings_come_back_with_all_that_is_known_of_them() {
        let desk = Desk::new();
        let archive = Archive::open(desk.at("archive")).unwrap();
        let (here, elsewhere) = (desk.at("here"), desk.at("elsewhere"));
        let fingerprint: Fingerprint = "0001-0203".parse().unwrap();
        let mut store = Store::open(&here).unwrap();
        let ignored = |by: &str| Body::Ignored { by: by.into(), why: "waits".into(), until: None };
        store.note("core", fingerprint, ignored("here")).unwrap();
        desk.set("here/no-panic", &["a.seq"]);
        archive.save_findings(&here).unwrap();
        archive.restore_findings(&elsewhere).unwrap();
        assert_eq!(names(&elsewhere), ["findings.sqlite", "no-panic"]);
        assert_eq!(names(&elsewhere.join("no-panic")), ["a.seq"]);
        let mut store = Store::open(&elsewhere).unwrap();
        store.note("core", fingerprint, ignored("elsewhere")).unwrap();
        archive.save_findings(&elsewhere).unwrap();
        archive.save_findings(&here).unwrap();
        let events = Store::open(&archive.findings()).unwrap().events().unwrap();
        assert_eq!(events.len(), 2, "{events:?}");
    }

    /// An engine that merges one file, and reaches an edge with each file that it reads.
    #[cfg(unix)]
    fn engine(desk: &Desk, name: &str, merges: &str) -> Vec<PathBuf> {
        let path = desk.at(name);
        let script = format!(
            "#!/bin/sh\n[ -n \"$REKEYLAB_FOUND\" ] || exit 77\nif [ \"$1\" = -merge=1 ]; then {merges}; exit; fi\n\
             echo \"#2 DONE cov: $(ls $2 | wc -l) ft: 9 corp: 1/1b\" >&2\n"
        );
        write_executable(&path, &script);
        vec![path]
    }

    #[cfg(unix)]
    #[test]
    fn a_trimmed_set_that_reaches_less_is_not_taken() {
        let desk = Desk::new();
        let set = desk.set("set", &["a", "b"]);
        let stop = StopSignal::new();
        let minute = Duration::from_secs(60);
        let less = engine(&desk, "less", "cp $3/a $2/a");
        let less = trim(&less, &set, minute, &stop).unwrap().unwrap();
        let reach = |edges| Reach { edges, features: 9 };
        assert!(!less.is_taken && less.reach == [(reach(2), reach(1))], "{less:?}");
        assert_eq!(names(&set), ["a", "b"]);
        let all = engine(&desk, "all", "cp $3/a $2/x; cp $3/b $2/y");
        assert!(trim(&all, &set, minute, &stop).unwrap().unwrap().is_taken);
        assert_eq!(names(&set), ["x", "y"]);
        let slow = engine(&desk, "slow", "exec sleep 60");
        assert_eq!(trim(&slow, &set, Duration::from_millis(200), &stop).unwrap(), None);
        let broken = engine(&desk, "broken", "echo no >&2; exit 9");
        let error = trim(&broken, &set, minute, &stop).unwrap_err().to_string();
        assert!(error.contains("exit status: 9: no"), "{error}");
        assert_eq!(names(&set), ["x", "y"]);
    }

    #[cfg(unix)]
    #[test]
    fn what_only_a_later_engine_reaches_is_kept() {
        let desk = Desk::new();
        let set = desk.set("set", &["fast", "gated", "neither"]);
        let engines = [
            engine(&desk, "one", "cp $3/fast $2"),
            // The set that is made is not empty when it is asked.
            engine(&desk, "two", "test -f $2/fast && cp $3/gated $2"),
        ]
        .concat();
        for engine in &engines {
            // Each reaches one edge of its own, and one by any input.
            let text = fs::read_to_string(engine).unwrap();
            write_executable(engine, &text.replace("ls $2", "ls $2 | grep -v neither"));
        }
        let (minute, stop) = (Duration::from_secs(60), StopSignal::new());
        let trimmed = trim(&engines, &set, minute, &stop).unwrap().unwrap();
        assert!(trimmed.is_taken, "{trimmed:?}");
        assert_eq!(
            (names(&set), trimmed.file_counts),
            (vec!["fast".into(), "gated".into()], (3, 2))
        );
        // One engine alone would have lost what the other reaches.
        let set = desk.set("again", &["fast", "gated", "neither"]);
        let alone = trim(&engines[..1], &set, minute, &stop).unwrap().unwrap();
        assert!(!alone.is_taken, "{alone:?}");
    }
}
