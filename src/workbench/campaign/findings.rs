//! Makes findings of artifacts: runs them again, minimises, tells old from new, stores.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::Workbench;
use crate::corpus::{CorpusError, Written, write_new};
use crate::executor::AnyDut;
use crate::fuzzing::symptom;
use crate::observation::Layers;
use crate::report::{Colour, Fingerprint, Subject, story};
use crate::sequence::CallSequence;
use crate::watchdog::{Hang, TIME_LIMIT};

use super::directories::kind_of;
use super::own_process::OwnProcess;
use super::reproducer::{Reproducer, replay_command, reproducer};
use super::worker::Ended;

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
}

/// Something a worker stopped for, of which no sequence could be made.
#[derive(Clone, Debug)]
pub struct RawFinding {
    /// What the engine calls it: crash, timeout, oom, leak.
    pub kind: &'static str,
    /// Why it is kept as it is.
    pub why: String,
    /// Where it is kept.
    pub path: PathBuf,
}

/// The findings of one campaign.
#[derive(Debug)]
pub struct Findings {
    directory: PathBuf,
    fault: Option<&'static str>,
    workbench: Workbench,
    by_fingerprint: BTreeMap<Fingerprint, usize>,
    /// What was found, in the order of finding.
    pub found: Vec<Finding>,
    /// Artifacts of which no sequence could be made.
    pub raw: Vec<RawFinding>,
    /// What workers need not stop for again.
    pub symptoms: BTreeSet<String>,
    /// What went wrong in storing.
    pub troubles: Vec<String>,
    /// Whether something could not be stored.
    pub is_storing_broken: bool,
    /// Runs again what hung; without it such inputs are kept as they are.
    pub own_process: Option<OwnProcess>,
    /// How often a worker died without telling anything new.
    pub(super) deaths: usize,
}

impl Findings {
    /// No findings of this driver; they will be stored below `directory`. A planted fault is named in
    /// the commands that show them again.
    #[must_use]
    pub fn new(directory: PathBuf, dut: &AnyDut, fault: Option<&'static str>) -> Self {
        Self {
            directory,
            fault,
            workbench: Workbench::on(dut.clone()),
            by_fingerprint: BTreeMap::new(),
            found: Vec::new(),
            raw: Vec::new(),
            symptoms: BTreeSet::new(),
            troubles: Vec::new(),
            is_storing_broken: false,
            own_process: None,
            deaths: 0,
        }
    }

    /// Makes a finding of an artifact, and removes it once what it shows is stored.
    ///
    /// Says whether it told anything new: a bug, or a symptom of a known one.
    pub fn triage(&mut self, artifact: &Path, ended: Option<&Ended>) -> bool {
        let kind = kind_of(artifact).unwrap_or("crash");
        let bytes = match fs::read(artifact) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.troubles.push(format!("cannot read {}: {error}", artifact.display()));
                return false;
            }
        };
        if kind == "timeout"
            && let Some(own_process) = self.own_process.take()
        {
            let is_news = self.triage_hang(artifact, &bytes, &own_process);
            self.own_process = Some(own_process);
            return is_news;
        }
        // What kills a worker by other means than an invariant may kill this process too.
        let is_safe = kind == "crash" && ended.is_none_or(|ended| ended.is_violation);
        if !is_safe {
            let why = match (kind, ended.and_then(|ended| ended.complaint.as_deref())) {
                ("timeout", _) => format!("it ran for more than {} seconds", TIME_LIMIT.as_secs()),
                ("oom", _) => "it used more memory than it may".to_owned(),
                (_, Some(complaint)) => complaint.to_owned(),
                _ => "the process ended without naming an invariant".to_owned(),
            };
            return self.keep_raw(artifact, kind, why);
        }
        let sequence = CallSequence::from_bytes(&bytes);
        let Some((shown, is_new_symptom)) = self.reproduce(&sequence) else {
            return self.keep_raw(artifact, kind, "it broke nothing when run again".to_owned());
        };
        let is_new = self.add(&shown, Some(artifact));
        is_new || is_new_symptom
    }

    /// Makes a finding of an input that ran for too long; says whether the bug is new.
    fn triage_hang(&mut self, artifact: &Path, bytes: &[u8], own_process: &OwnProcess) -> bool {
        let Some(hang) = own_process.hang(&CallSequence::from_bytes(bytes)) else {
            let limit = TIME_LIMIT.as_secs();
            let why = format!("it ran for more than {limit} seconds, and did not when run again");
            return self.keep_raw(artifact, "timeout", why);
        };
        let hang = own_process.minimize(self.workbench.dut(), &hang);
        self.workbench = Workbench::told(self.workbench.dut(), &hang);
        self.add(&hang.sequence, Some(artifact))
    }

    /// Makes a finding of a run that hung in this process, minimised if candidates can have processes of
    /// their own; says whether the bug is new.
    pub fn take_hang(&mut self, hang: &Hang) -> bool {
        let minimize = |one: &OwnProcess| one.minimize(self.workbench.dut(), hang);
        let minimized = self.own_process.as_ref().map(minimize);
        let hang = minimized.as_ref().unwrap_or(hang);
        self.workbench = Workbench::told(self.workbench.dut(), hang);
        self.add(&hang.sequence, None)
    }

    /// Makes a finding of a sequence that a search in this process has seen to break an invariant;
    /// says whether the bug is new.
    pub fn take(&mut self, sequence: &CallSequence) -> bool {
        match self.reproduce(sequence) {
            Some((shown, _)) => self.add(&shown, None),
            None => {
                self.troubles.push("what broke an invariant held when run again".to_owned());
                false
            }
        }
    }

    /// Runs and minimises what an artifact held, and notes the symptom.
    fn reproduce(&mut self, sequence: &CallSequence) -> Option<(CallSequence, bool)> {
        let workbench = &mut self.workbench;
        workbench.run(sequence);
        // Known symptoms are passed over, as the worker passed over them.
        let violations = workbench.verdict().told();
        let trace = workbench.trace();
        let is_new = |symptom: &String| !self.symptoms.contains(symptom);
        let symptoms: Vec<String> =
            violations.iter().map(|violation| symptom(violation, trace)).collect();
        let index = symptoms.iter().position(is_new).unwrap_or(0);
        let told = violations.get(index)?;
        let (invariant, is_inferred, weight) = (told.invariant, told.is_inferred, told.weight());
        let mine = symptoms.get(index)?.clone();
        // An inferred invariant is a symptom that several bugs share: then anything that is broken and
        // says as much counts, and the shortest form settles which bug it is.
        let shortest = workbench.minimize_where(sequence, Layers::ALL, |verdict, trace| {
            verdict.violations.iter().any(|violation| {
                is_inferred && violation.weight() <= weight
                    || (violation.invariant == invariant && symptom(violation, trace) == mine)
            })
        });
        // Nothing else shows first, so this is what `minimize` would be given, and ends where it does.
        let is_first = workbench
            .verdict()
            .first()
            .is_some_and(|first| is_inferred || symptom(first, workbench.trace()) == mine);
        let settled = if is_first { workbench.minimize(&shortest) } else { None };
        Some((settled.unwrap_or(shortest), self.symptoms.insert(mine)))
    }

    /// Adds the bug that `sequence`, which was run last, shows; says whether it is new.
    fn add(&mut self, sequence: &CallSequence, artifact: Option<&Path>) -> bool {
        let Some(found) = reproducer(sequence, &mut self.workbench) else {
            let why = "it broke an invariant in one run and not in the next".to_owned();
            let Some(artifact) = artifact else {
                self.troubles.push(why);
                return false;
            };
            return self.keep_raw(artifact, "crash", why);
        };
        if self.by_fingerprint.contains_key(&found.fingerprint) {
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
        let replay = path.as_deref().map(|path| replay_command(path, self.fault));
        let subject = Subject {
            sequence,
            trace: self.workbench.trace(),
            verdict: self.workbench.verdict(),
            aftermath: &found.aftermath,
            replay: replay.as_deref(),
        };
        let story = story(&subject, Colour::On);
        self.by_fingerprint.insert(found.fingerprint, self.found.len());
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
        });
        true
    }

    /// Stores a reproducer under its invariant; says where, and whether it was there already.
    fn store(&self, found: &Reproducer, text: &str) -> Result<(PathBuf, bool), CorpusError> {
        let directory = self.directory.join(found.invariant);
        fs::create_dir_all(&directory)
            .map_err(|source| CorpusError::Write { path: directory.clone(), source })?;
        let path = directory.join(format!("{}-{}.seq", found.name, found.fingerprint));
        match write_new(&path, text.as_bytes()) {
            Ok(written) => Ok((path, written == Written::Already)),
            // The same bug in other words, from an earlier campaign: the older file stays.
            Err(CorpusError::Exists { .. }) => Ok((path, true)),
            Err(error) => Err(error),
        }
    }

    /// Moves an artifact to the findings as it is; says whether it is new there.
    fn keep_raw(&mut self, artifact: &Path, kind: &'static str, why: String) -> bool {
        let name = artifact.file_name().unwrap_or(artifact.as_os_str());
        let directory = self.directory.join("raw");
        let path = directory.join(name);
        let kept = fs::create_dir_all(&directory)
            .map_err(|source| CorpusError::Write { path: directory.clone(), source })
            .and_then(|()| {
                let bytes = fs::read(artifact)
                    .map_err(|source| CorpusError::Read { path: artifact.to_owned(), source })?;
                write_new(&path, &bytes)
            });
        match kept {
            Ok(_) => {
                remove(artifact);
                let is_new = self.raw.iter().all(|raw| raw.path != path);
                if is_new {
                    self.raw.push(RawFinding { kind, why, path });
                }
                // A crash that tells nothing does not count as progress of the search.
                is_new && kind != "crash"
            }
            // Engines name artifacts by their content: this one was cut, by a worker that was
            // killed while it wrote, and the whole one is there.
            Err(CorpusError::Exists { .. }) => {
                remove(artifact);
                false
            }
            Err(error) => {
                self.is_storing_broken = true;
                self.troubles.push(error.to_string());
                self.raw.push(RawFinding { kind, why, path: artifact.to_owned() });
                false
            }
        }
    }
}

/// What is stored elsewhere is not needed twice; if it stays, the next campaign looks at it again.
fn remove(artifact: &Path) {
    let _ = fs::remove_file(artifact);
}

#[cfg(test)]
mod tests {
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
        assert!(!findings.triage(&path, None));
        assert!(findings.found.is_empty());
        let raw = &findings.raw[0];
        assert_eq!(raw.path, directory.path().join("findings/raw/crash-1"));
        assert_eq!(fs::read_to_string(&raw.path).unwrap(), CLEAN);
        assert!(!path.exists());
    }

    #[test]
    fn a_timeout_is_a_finding_and_is_not_run_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = artifact(directory.path(), "timeout-1", CLEAN);
        let mut findings =
            Findings::new(directory.path().join("findings"), &AnyDut::default(), None);
        assert!(findings.triage(&path, None));
        assert_eq!(findings.raw[0].kind, "timeout");
    }

    #[test]
    fn what_cannot_be_stored_stays_where_it_was_and_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let path = artifact(directory.path(), "oom-1", CLEAN);
        // A directory cannot be made below a file, whoever asks.
        let blocked = artifact(directory.path(), "file", "").join("findings");
        let mut findings = Findings::new(blocked, &AnyDut::default(), None);
        findings.triage(&path, None);
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
        assert!(findings.triage(&path, None));
        assert!(!path.exists(), "it is stored as a reproducer");
        let again = artifact(directory.path(), "crash-2", text);
        assert!(!findings.triage(&again, None), "the same bug is nothing new");
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
