//! The record of a campaign: how far it was at which moment, in a file that outlives it.
//!
//! ```text
//! FINDINGS/campaigns/20270131T120000Z-0a1b2c3d.jsonl    began, samples, ended: a line of JSON each
//! ```
//!
//! A line is written whole or, by a full disk or a kill, in part; readers stop there. A record without an end is
//! that of a campaign that still runs or was killed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Outcome, Pulse};
use crate::store::{Build, Moment};

/// The version of the lines: fields and kinds of lines are added, never changed in meaning.
pub const RECORD_VERSION: u32 = 1;

/// The folder of the records, below that of the findings.
pub(super) const FOLDER: &str = "campaigns";

/// How many samples a campaign leaves at most, however long it is.
const SAMPLES_MAX: u32 = 120;

/// The least time between two samples.
const SAMPLED_EVERY_MIN: Duration = Duration::from_secs(1);

/// What is known of a campaign when it begins.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Began {
    /// [`RECORD_VERSION`] when it was written.
    pub version: u32,
    /// When the search began.
    pub time: Moment,
    /// What is searched, as the findings store calls it.
    pub driver: String,
    /// The build.
    pub build: Build,
    /// The name of the machine.
    pub machine: String,
    /// The fuzz targets.
    pub targets: Vec<String>,
    /// How many workers there are.
    pub jobs: usize,
    /// How long it is to search, in seconds.
    pub asked_seconds: u64,
}

/// How far a campaign was at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Sample {
    /// Milliseconds since the search began.
    pub milliseconds: u64,
    /// Sequences run by all workers.
    pub executions: u64,
    /// Calls made by all workers.
    pub calls: u64,
    /// Most edges that one worker reached.
    pub edges: u64,
    /// Inputs in the working set.
    pub working_set: u64,
    /// Findings until then.
    pub findings: usize,
}

/// What a campaign came to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Done {
    /// Whether somebody said stop.
    pub interrupted: bool,
    /// The fingerprints of what it found.
    pub found: Vec<String>,
    /// How often workers died.
    pub deaths: u32,
    /// What was looked into, how much, and what was not, as a sentence.
    pub looked_into: String,
    /// What went wrong with the workbench itself.
    pub troubles: Vec<String>,
}

/// A line of a record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Line {
    Began(Began),
    Sample(Sample),
    Ended(Done),
}

/// Writes a record. What cannot be written is tried no more, and is told once at the end.
#[derive(Debug)]
pub struct Recorder {
    file: Option<File>,
    trouble: Option<String>,
    every: Duration,
    next: Duration,
}

impl Recorder {
    /// Begins the record of a campaign in the folder of its findings.
    #[must_use]
    pub fn begin(findings: &Path, began: Began) -> Self {
        let asked = Duration::from_secs(began.asked_seconds);
        let every = (asked / SAMPLES_MAX).max(SAMPLED_EVERY_MIN);
        let mut recorder = Self { file: None, trouble: None, every, next: Duration::ZERO };
        match create(findings, &began) {
            Ok(file) => recorder.file = Some(file),
            Err(error) => recorder.trouble = Some(error.to_string()),
        }
        recorder.write(&Line::Began(began));
        recorder
    }

    /// Takes a sample if it is time for one.
    pub fn see(&mut self, pulse: &Pulse) {
        if pulse.elapsed >= self.next {
            self.next = pulse.elapsed + self.every;
            self.write(&Line::Sample(Sample::of(pulse)));
        }
    }

    /// Ends the record; what could not be written of it.
    pub fn end(mut self, outcome: &Outcome, looked_into: String) -> Option<String> {
        self.write(&Line::Sample(Sample::of(&outcome.pulse)));
        let found = outcome.findings.iter().map(|finding| finding.fingerprint.to_string());
        self.write(&Line::Ended(Done {
            interrupted: outcome.is_interrupted,
            found: found.collect(),
            deaths: outcome.deaths.values().sum(),
            looked_into,
            troubles: outcome.troubles.clone(),
        }));
        self.trouble
    }

    fn write(&mut self, line: &Line) {
        let Some(file) = &mut self.file else { return };
        let text = serde_json::to_string(line).expect("text and numbers are JSON") + "\n";
        if let Err(error) = file.write_all(text.as_bytes()) {
            (self.file, self.trouble) = (None, Some(error.to_string()));
        }
    }
}

impl Sample {
    /// The pulse, for records and metrics.
    #[must_use]
    pub fn of(pulse: &Pulse) -> Self {
        Self {
            milliseconds: u64::try_from(pulse.elapsed.as_millis()).unwrap_or(u64::MAX),
            executions: pulse.executions,
            calls: pulse.calls,
            edges: pulse.coverage,
            working_set: pulse.corpus,
            findings: pulse.finding_count,
        }
    }
}

/// A file that nobody else has.
fn create(findings: &Path, began: &Began) -> io::Result<File> {
    let folder = findings.join(FOLDER);
    fs::create_dir_all(&folder)?;
    let time: String = began.time.short().chars().filter(|c| !"-:".contains(*c)).collect();
    let mut number = std::process::id();
    loop {
        let path = folder.join(format!("{time}-{number:08x}.jsonl"));
        match OpenOptions::new().append(true).create_new(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                number = number.wrapping_add(1);
            }
            opened => return opened,
        }
    }
}

/// A record that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// The name of its file without the ending: the moment it began, and a number.
    pub id: String,
    /// What was known when it began.
    pub began: Began,
    /// How far it was, in order.
    pub samples: Vec<Sample>,
    /// What it came to; `None` if it still runs or was killed.
    pub done: Option<Done>,
}

/// The ids of the records in a folder of findings, the latest first.
#[must_use]
pub fn record_ids(findings: &Path) -> Vec<String> {
    let entries = fs::read_dir(findings.join(FOLDER)).into_iter().flatten().flatten();
    let id =
        |entry: fs::DirEntry| Some(entry.file_name().to_str()?.strip_suffix(".jsonl")?.to_owned());
    let mut ids: Vec<String> = entries.filter_map(id).collect();
    ids.sort_unstable_by(|a, b| b.cmp(a));
    ids
}

/// Reads the record of this id; `None` if there is none that can be read.
#[must_use]
pub fn read_record(findings: &Path, id: &str) -> Option<Record> {
    let is_id = id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if !is_id {
        return None;
    }
    let path: PathBuf = findings.join(FOLDER).join(format!("{id}.jsonl"));
    let text = fs::read_to_string(path).ok()?;
    let mut lines = text.lines().map_while(|line| serde_json::from_str::<Line>(line).ok());
    let Some(Line::Began(began)) = lines.next() else { return None };
    let mut record = Record { id: id.to_owned(), began, samples: Vec::new(), done: None };
    for line in lines {
        match line {
            Line::Began(_) => {}
            Line::Sample(sample) => record.samples.push(sample),
            Line::Ended(done) => record.done = Some(done),
        }
    }
    Some(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn began() -> Began {
        Began {
            version: RECORD_VERSION,
            time: "2027-01-31T12:00:00Z".parse().unwrap(),
            driver: "core".to_owned(),
            build: Build::named("abc"),
            machine: "m".to_owned(),
            targets: vec!["call_sequence".to_owned()],
            jobs: 2,
            asked_seconds: 600,
        }
    }

    fn pulse(seconds: u64) -> Pulse {
        Pulse { elapsed: Duration::from_secs(seconds), calls: seconds, ..Pulse::default() }
    }

    #[test]
    fn a_campaign_is_read_as_it_was_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::begin(folder.path(), began());
        // Some are taken, and not more than are asked for.
        (0..600).for_each(|second| recorder.see(&pulse(second)));
        let outcome = Outcome { pulse: pulse(600), is_interrupted: true, ..Outcome::default() };
        assert_eq!(recorder.end(&outcome, "all".to_owned()), None);
        let ids = record_ids(folder.path());
        assert!(matches!(&ids[..], [id] if id.starts_with("20270131T120000Z-")), "{ids:?}");
        let record = read_record(folder.path(), &ids[0]).unwrap();
        assert_eq!(record.began, began());
        assert_eq!(record.samples.len(), 121);
        assert_eq!(record.samples.last().unwrap().calls, 600);
        let done = record.done.unwrap();
        assert!(done.interrupted && done.looked_into == "all", "{done:?}");
    }

    #[test]
    fn one_that_was_killed_is_read_as_far_as_it_came_and_two_never_share_a_file() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            Recorder::begin(folder.path(), began()).see(&pulse(1));
        }
        let ids = record_ids(folder.path());
        assert_eq!(ids.len(), 2);
        let path = folder.path().join(FOLDER).join(format!("{}.jsonl", ids[0]));
        let mut text = fs::read_to_string(&path).unwrap();
        text.push_str("{\"event\":\"sample\",\"sec");
        fs::write(&path, text).unwrap();
        let record = read_record(folder.path(), &ids[0]).unwrap();
        assert_eq!((record.samples.len(), record.done), (1, None));
    }

    #[test]
    fn no_id_leads_out_of_the_folder_and_a_full_disk_is_told() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.jsonl"), "").unwrap();
        for id in ["../a", "/etc/passwd", "", "a.b"] {
            assert_eq!(read_record(folder.path(), id), None, "{id}");
        }
        // A file stands where the folder must be.
        fs::write(folder.path().join(FOLDER), "").unwrap();
        let recorder = Recorder::begin(folder.path(), began());
        assert!(recorder.end(&Outcome::default(), String::new()).is_some());
    }
}
