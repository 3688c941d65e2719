//! Makes findings of artifacts: runs them again, minimises, tells old from new, stores.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::Workbench;
use crate::corpus::{CorpusError, Written, write_new_durably};
use crate::executor::AnyDut;
use crate::fuzzing::Sample;
use crate::observation::Layers;
use crate::report::{Colour, Fingerprint, Subject, story};
use crate::sequence::{Call, CallSequence};
use crate::watchdog::{Hang, TIME_LIMIT};

use super::directories::kind_of;
use super::own_process::OwnProcess;
use super::raw_findings::{RawFindings, remove};
use super::reproducer::{Reproducer, replay_command, replay_command_with, reproducer};
use super::same_bug::Shown;
use super::same_hang::is_reached_by;
use super::shortest_forms::shortest_forms;
use super::worker::Cause;

/// A bug, as it is told and stored.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The invariant it breaks.
    pub invariant: &'static str,
    /// What happens, as a sentence fragment.
    pub happened: String,
    /// Says "the same bug".
    pub fingerprint: Fingerprint,
    /// The whole story.
    pub story: String,
    /// The text of the reproducer.
    pub text: String,
    /// How many calls it has.
    pub call_count: usize,
    /// Where it is stored; `None` when that failed.
    pub path: Option<PathBuf>,
    /// The command that shows it again.
    pub replay: Option<String>,
    /// Whether an earlier campaign had stored it already.
    pub is_known: bool,
    /// What was told before of the same bug, of which this one says more.
    pub parts: Vec<Fingerprint>,
}

/// How often what ran for too long has to be done in a moment, and how long that is, before the machine is blamed.
const SOON_VOTES: u32 = 3;
const SOON: Duration = Duration::from_secs(2);

/// Whether a sequence breaks nothing and is done in a moment, with everything looked into.
fn holds_soon(own_process: &OwnProcess, sequence: &CallSequence) -> bool {
    let began = Instant::now();
    own_process.breaks(sequence) == Some(false) && began.elapsed() < SOON
}

/// The findings of one campaign.
#[derive(Debug)]
pub struct Findings {
    directory: PathBuf,
    fault: Option<&'static str>,
    workbench: Workbench,
    /// The fingerprints of all forms that were seen of the bugs.
    fingerprints: BTreeSet<Fingerprint>,
    /// What was found, in the order of finding.
    pub found: Vec<Finding>,
    /// What each of them shows, in the same order.
    shown: Vec<Shown>,
    /// Artifacts of which no sequence could be made.
    pub raw: RawFindings,
    /// The shortest forms of what hung.
    hung: Vec<Hang>,
    /// Inputs that hang as one of these does, and were not looked at more closely.
    pub hung_alike_count: usize,
    /// Symptoms that were minimised for once, whatever else the sequence showed.
    symptoms: BTreeSet<String>,
    /// What stored inputs looked like that were run here.
    pub(super) sample: Sample,
    /// Artifacts of another campaign that break nothing any more; they are kept as they are.
    pub mended_count: usize,
    /// Inputs that ran for too long once, and each time they were run again were done in a moment: something else kept
    /// the machine busy. They are kept as they are, too.
    pub stalled_count: usize,
    /// What went wrong in storing.
    pub troubles: Vec<String>,
    /// Whether something could not be stored.
    pub is_storing_broken: bool,
    /// Runs again what hung; without it such inputs are kept as they are.
    pub own_process: Option<OwnProcess>,
}

/// What it means that an artifact breaks nothing when it is run again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Held {
    /// Something is wrong that nobody can show: this build has just broken something with it.
    IsFinding,
    /// Another campaign left it, and since then somebody may have mended what it broke.
    IsMended,
}

impl Findings {
    /// No findings of this driver; they will be stored below `directory`. A planted fault is named in
    /// the commands that show them again.
    #[must_use]
    pub fn new(directory: PathBuf, dut: &AnyDut, fault: Option<&'static str>) -> Self {
        Self {
            raw: RawFindings::new(directory.join("raw")),
            directory,
            fault,
            workbench: Workbench::on(dut.clone()),
            fingerprints: BTreeSet::new(),
            found: Vec::new(),
            shown: Vec::new(),
            mended_count: 0,
            stalled_count: 0,
            hung: Vec::new(),
            hung_alike_count: 0,
            symptoms: BTreeSet::new(),
            sample: Sample::default(),
            troubles: Vec::new(),
            is_storing_broken: false,
            own_process: None,
        }
    }

    /// Makes findings of an artifact, and removes it once what it shows is stored. `held` says what it means if
    /// it shows nothing.
    ///
    /// `cause` is why the process died that left it; `None` if it was handed over by one that went on, or
    /// nobody knows any more.
    pub fn triage(&mut self, artifact: &Path, cause: Option<&Cause>, held: Held) {
        let kind = kind_of(artifact).unwrap_or("crash");
        let bytes = match fs::read(artifact) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.troubles.push(format!("cannot read {}: {error}", artifact.display()));
                return;
            }
        };
        if kind == "timeout"
            && let Some(own_process) = self.own_process.take()
        {
            self.triage_hang(artifact, &bytes, &own_process);
            self.own_process = Some(own_process);
            return;
        }
        // What kills a worker by other means than an invariant may kill this process too.
        let is_safe = kind == "crash" && cause.is_none_or(|cause| cause.is_violation);
        if !is_safe {
            let why = match (kind, cause.and_then(|cause| cause.complaint.as_deref())) {
                ("timeout", _) => format!("it ran for more than {} seconds", TIME_LIMIT.as_secs()),
                ("oom", _) => "it used more memory than it may".to_owned(),
                ("void", _) => "a scan did not prove that it looked".to_owned(),
                (_, Some(complaint)) => complaint.to_owned(),
                _ => "the process ended without naming an invariant".to_owned(),
            };
            self.keep_raw(artifact, kind, why);
            return;
        }
        let sequence = sequence_of(&bytes);
        if let Some(hang) = self.hang_of(&sequence) {
            self.take_hang(&hang);
            remove(artifact);
            return;
        }
        let forms = shortest_forms(&mut self.workbench, &mut self.symptoms, &sequence);
        match held {
            _ if !forms.is_empty() => {}
            Held::IsFinding => {
                self.keep_raw(artifact, kind, "it broke nothing when run again".to_owned());
            }
            // The build that it broke something in may have been another, or had a sanitizer.
            Held::IsMended => {
                self.mended_count += 1;
                self.put_to_raw(artifact);
            }
        }
        for form in &forms {
            self.add(form, Some(artifact));
        }
    }

    /// Makes a finding of an input that ran for too long.
    fn triage_hang(&mut self, artifact: &Path, bytes: &[u8], own_process: &OwnProcess) {
        let sequence = sequence_of(bytes);
        // Each that hangs takes minutes to make short, and an engine may stop for many of one bug.
        if !self.hung.is_empty()
            && let Some(hang) = own_process.hang_soon(&sequence)
            && self.hung.iter().any(|known| is_reached_by(known, &hang))
        {
            self.hung_alike_count += 1;
            remove(artifact);
            return;
        }
        let Some(hang) = own_process.hang(&sequence) else {
            if (0..SOON_VOTES).all(|_| holds_soon(own_process, &sequence)) {
                self.stalled_count += 1;
                self.put_to_raw(artifact);
                return;
            }
            let limit = TIME_LIMIT.as_secs();
            let why = format!("it ran for more than {limit} seconds, and did not when run again");
            self.keep_raw(artifact, "timeout", why);
            return;
        };
        let hang = own_process.minimize(self.workbench.dut(), &hang);
        self.workbench = Workbench::told(self.workbench.dut(), &hang);
        self.hung.push(hang.clone());
        self.add(&hang.sequence, Some(artifact));
    }

    /// Makes a finding of a run that hung in this process, minimised if candidates can have processes of
    /// their own; says whether the bug is new.
    pub fn take_hang(&mut self, hang: &Hang) -> bool {
        if self.hung.iter().any(|known| is_reached_by(known, hang)) {
            self.hung_alike_count += 1;
            return false;
        }
        let minimize = |one: &OwnProcess| one.minimize(self.workbench.dut(), hang);
        let minimized = self.own_process.as_ref().map(minimize);
        let hang = minimized.as_ref().unwrap_or(hang);
        self.workbench = Workbench::told(self.workbench.dut(), hang);
        self.hung.push(hang.clone());
        self.add(&hang.sequence, None)
    }

    /// Makes findings of a sequence that a search in this process has seen to break an invariant;
    /// says whether a bug is new.
    pub fn take(&mut self, sequence: &CallSequence) -> bool {
        if let Some(hang) = self.hang_of(sequence) {
            return self.take_hang(&hang);
        }
        let forms = shortest_forms(&mut self.workbench, &mut self.symptoms, sequence);
        if forms.is_empty() {
            self.troubles.push("what broke an invariant held when run again".to_owned());
        }
        let is_new: Vec<bool> = forms.iter().map(|form| self.add(form, None)).collect();
        is_new.contains(&true)
    }

    /// Where a sequence hangs of a driver that is in a process of its own, which ended then: elsewhere a hang
    /// does not come back.
    fn hang_of(&mut self, sequence: &CallSequence) -> Option<Hang> {
        if !self.workbench.dut().is_isolated() {
            return None;
        }
        self.workbench.run(sequence);
        let stage = self.workbench.trace().hang?;
        Some(Hang { sequence: sequence.clone(), layers: Layers::ALL, stage })
    }

    /// Adds the bug that a shortest form shows; says whether it is new.
    fn add(&mut self, sequence: &CallSequence, artifact: Option<&Path>) -> bool {
        if self.workbench.trace().hang.is_none() {
            self.workbench.run(sequence);
        }
        let shown = Shown::of(sequence, self.workbench.verdict(), self.workbench.trace());
        let Some((found, shown)) = reproducer(sequence, &mut self.workbench).zip(shown) else {
            let why = "it broke an invariant in one run and not in the next".to_owned();
            match artifact {
                Some(artifact) => self.keep_raw(artifact, "crash", why),
                None => self.troubles.push(why),
            }
            return false;
        };
        if !self.is_seen(found.fingerprint)
            && let Some(false) = self.own_process.as_ref().and_then(|one| one.breaks(sequence))
        {
            self.keep_as_history(&found, artifact);
            return false;
        }
        let is_part = self.shown.iter().any(|other| shown.is_part_of(other));
        if !self.fingerprints.insert(found.fingerprint) || is_part {
            artifact.into_iter().for_each(remove);
            return false;
        }
        let text = found.text.to_string();
        let (path, is_known) = match self.store(&found, &text) {
            Ok((path, is_known)) => {
                artifact.into_iter().for_each(remove);
                (Some(path), is_known)
            }
            Err(error) => {
                self.is_storing_broken = true;
                self.troubles.push(error.to_string());
                (None, false)
            }
        };
        let parts = self.drop_parts_of(&shown);
        let option = self.workbench.dut().option();
        let replay = path.as_deref().map(|path| match &option {
            Some(option) => replay_command_with(path, option),
            None => replay_command(path, self.fault),
        });
        let subject = Subject {
            sequence,
            trace: self.workbench.trace(),
            verdict: self.workbench.verdict(),
            aftermath: &found.aftermath,
            replay: replay.as_deref(),
        };
        let story = story(&subject, Colour::On);
        self.shown.push(shown);
        self.found.push(Finding {
            invariant: found.invariant,
            happened: found.happened,
            fingerprint: found.fingerprint,
            call_count: sequence.calls.len(),
            story,
            text,
            path,
            replay,
            is_known,
            parts,
        });
        true
    }

    /// Takes findings back of which this one says more; says which. A file that an earlier campaign
    /// stored stays.
    fn drop_parts_of(&mut self, shown: &Shown) -> Vec<Fingerprint> {
        let mut fingerprints = Vec::new();
        for index in (0..self.found.len()).rev() {
            if self.shown[index].is_part_of(shown) {
                self.shown.remove(index);
                let part = self.found.remove(index);
                fingerprints.push(part.fingerprint);
                fingerprints.extend(part.parts);
                if let Some(path) = part.path.filter(|_| !part.is_known) {
                    remove(&path);
                    // A folder in which others are stays, because it is not empty.
                    let _ = path.parent().map(fs::remove_dir);
                }
            }
        }
        fingerprints
    }

    /// Stores a reproducer under its invariant; says where, and whether it was there already.
    fn store(&self, found: &Reproducer, text: &str) -> Result<(PathBuf, bool), CorpusError> {
        let directory = self.directory.join(found.invariant);
        fs::create_dir_all(&directory)
            .map_err(|source| CorpusError::Write { path: directory.clone(), source })?;
        let path = directory.join(format!("{}-{}.seq", found.name, found.fingerprint));
        match write_new_durably(&path, text.as_bytes()) {
            Ok(written) => Ok((path, written == Written::Already)),
            // The same bug in other words, from an earlier campaign: the older file stays.
            Err(CorpusError::Exists { .. }) => Ok((path, true)),
            Err(error) => Err(error),
        }
    }

    fn is_seen(&self, fingerprint: Fingerprint) -> bool {
        self.fingerprints.contains(&fingerprint)
    }

    /// Keeps what broke something here and does not in a process of its own: no file shows it again, and
    /// whoever reads hears why.
    fn keep_as_history(&mut self, found: &Reproducer, artifact: Option<&Path>) {
        let why = format!(
            "it broke {} behind other sequences, and holds in a process of its own: the driver keeps \
             something from one sequence to the next",
            found.invariant
        );
        let kept = match artifact {
            Some(artifact) => self.raw.keep(artifact, "crash", why),
            None => {
                let name = format!("{}-{}.seq", found.name, found.fingerprint);
                self.raw.write(&name, &found.text.to_string(), why)
            }
        };
        self.note(kept);
    }

    /// Moves an artifact to the raw findings.
    fn keep_raw(&mut self, artifact: &Path, kind: &'static str, why: String) {
        let kept = self.raw.keep(artifact, kind, why);
        self.note(kept);
    }

    /// Moves an artifact that is no finding to where the raw ones are.
    fn put_to_raw(&mut self, artifact: &Path) {
        let kept = self.raw.put_aside(artifact);
        self.note(kept);
    }

    fn note<T>(&mut self, stored: Result<T, CorpusError>) {
        if let Err(error) = stored {
            self.is_storing_broken = true;
            self.troubles.push(error.to_string());
        }
    }
}

/// The sequence of an artifact. libFuzzer begins with an input of no bytes, and what breaks with no call at all breaks
/// with the plainest one as well, which a file can hold.
fn sequence_of(bytes: &[u8]) -> CallSequence {
    let mut sequence = CallSequence::from_bytes(bytes);
    if sequence.calls.is_empty() {
        sequence.calls.push(Call::CreateDevice);
    }
    sequence
}

#[cfg(test)]
mod tests {
    use crate::sequence::SequenceText;

    use super::*;

    fn artifact(directory: &Path, name: &str, text: &str) -> PathBuf {
        let path = directory.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    const CLEAN: &str = "# rekeylab sequence 1\nd0 = create-device\n";

    #[test]
    fn an_artifact_that_breaks_nothing_is_kept_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = artifact(directory.path(), "crash-1", CLEAN);
        let mut findings =
            Findings::new(directory.path().join("findings"), &AnyDut::default(), None);
        findings.triage(&path, None, Held::IsFinding);
        assert!(findings.found.is_empty());
        let raw = &findings.raw.told[0];
        assert_eq!(raw.path, directory.path().join("findings/raw/crash-1"));
        assert_eq!(fs::read_to_string(&raw.path).unwrap(), CLEAN);
        assert!(!path.exists());
    }

    #[test]
    fn what_an_earlier_build_broke_and_this_one_does_not_is_kept_and_is_no_finding() {
        let directory = tempfile::tempdir().unwrap();
        let path = artifact(directory.path(), "crash-1", CLEAN);
        let mut findings =
            Findings::new(directory.path().join("findings"), &AnyDut::default(), None);
        findings.triage(&path, None, Held::IsMended);
        assert!(findings.found.is_empty() && findings.raw.told.is_empty(), "{findings:?}");
        assert_eq!((findings.mended_count, path.exists()), (1, false));
        assert!(directory.path().join("findings/raw/crash-1").is_file());
    }

    #[test]
    fn what_breaks_with_no_call_is_looked_for_in_what_a_file_can_hold() {
        assert_eq!(sequence_of(b"").calls, [Call::CreateDevice]);
        assert!(SequenceText::parse(&SequenceText::from(&sequence_of(b"")).to_string()).is_ok());
    }

    #[test]
    fn a_timeout_is_a_finding_and_is_not_run_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = artifact(directory.path(), "timeout-1", CLEAN);
        let mut findings =
            Findings::new(directory.path().join("findings"), &AnyDut::default(), None);
        findings.triage(&path, None, Held::IsFinding);
        assert_eq!(findings.raw.told[0].kind, "timeout");
    }

    /// One that ran for too long where nobody had time for it, and one that takes its time wherever it is run.
    #[cfg(unix)]
    #[test]
    fn what_is_done_in_a_moment_when_run_again_was_held_up_and_is_no_finding() {
        let triaged = |wait: &str| {
            let directory = tempfile::tempdir().unwrap();
            let path = artifact(directory.path(), "timeout-1", CLEAN);
            let says = directory.path().join("says");
            let report = "{\"files\":[{\"report\":{\"violations\":[]}}]}";
            let script = format!("#!/bin/sh\ncat > /dev/null\n{wait}\necho '{report}'\n");
            crate::executable::write_executable(&says, &script);
            let mut findings =
                Findings::new(directory.path().join("findings"), &AnyDut::default(), None);
            findings.own_process = Some(OwnProcess::new(says, None, None));
            findings.triage(&path, None, Held::IsFinding);
            assert!(directory.path().join("findings/raw/timeout-1").is_file());
            (findings.stalled_count, findings.raw.told.len())
        };
        assert_eq!(triaged(""), (1, 0));
        assert_eq!(triaged(&format!("sleep {}", SOON.as_secs())), (0, 1));
    }

    #[test]
    fn what_cannot_be_stored_stays_where_it_was_and_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let path = artifact(directory.path(), "oom-1", CLEAN);
        // A directory cannot be made below a file, whoever asks.
        let blocked = artifact(directory.path(), "file", "").join("findings");
        let mut findings = Findings::new(blocked, &AnyDut::default(), None);
        findings.triage(&path, None, Held::IsFinding);
        assert!(findings.is_storing_broken);
        assert!(findings.troubles[0].contains("file/findings"), "{:?}", findings.troubles);
        assert!(path.exists());
    }

    #[cfg(feature = "faults")]
    #[test]
    fn a_bug_is_minimised_stored_once_and_told_with_the_answer_that_was_due() {
        let fault = rekeylab_faults::Fault::FinishWithoutStart;
        let dut = crate::executor::core_with(Some(fault));
        let directory = tempfile::tempdir().unwrap();
        let text = "# rekeylab sequence 1\nd0 = create-device\nd1 = create-device\n\
                    s0 = create-session d0\nexchange-key s0 key=3\nsession-status s0\n\
                    finish-refresh s0\nretire 4\n";
        let mut findings =
            Findings::new(directory.path().join("findings"), &dut, Some(fault.name()));
        let path = artifact(directory.path(), "crash-1", text);
        findings.triage(&path, None, Held::IsFinding);
        assert!(!path.exists(), "it is stored as a reproducer");
        let again = artifact(directory.path(), "crash-2", text);
        findings.triage(&again, None, Held::IsFinding);
        assert!(!again.exists(), "the same bug is nothing new");
        let [finding] = &findings.found[..] else { panic!("{:?}", findings.found) };
        assert_eq!(
            (finding.invariant, finding.call_count),
            (fault.rings(), fault.shortest().unwrap())
        );
        let stored = fs::read_to_string(finding.path.as_ref().unwrap()).unwrap();
        assert!(stored.contains("# double-finish: "), "{stored}");
        assert!(stored.trim_end().ends_with("-> D3DDDIERR_INVALIDCALL"), "{stored}");
    }
}
