//! The first part of the main job: what is stored already goes through every layer, in this process.

use std::fs;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Workbench;
use crate::executor::AnyDut;
use crate::fuzzing::look_of;
use crate::observation::Layers;
use crate::sequence::CallSequence;
use crate::watchdog::attempt;

use super::StopSignal;
use super::findings::Findings;
use super::own_process::Deadline;

/// How many inputs of the working set are run beside the seeds and reproducers: about two seconds.
const OTHERS_MAX: usize = 4096;

/// What came of the look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FirstLook {
    /// How many inputs were run.
    pub input_count: u64,
    /// How many calls they made.
    pub call_count: u64,
    /// What was looked into for every one of them.
    pub layers: Layers,
    /// Whether a run proved nothing because a scan did not look.
    pub is_void: bool,
}

/// How many inputs are run before somebody looks whether to stop.
const AT_ONCE: usize = 64;

/// After so many hangs the look ends: each costs the whole time limit, and minimising it as much again.
const HANGS_MAX: usize = 3;

/// Runs the seeds and reproducers in a working set, and the first of its other inputs, with everything
/// looked into; what breaks an invariant becomes a finding.
///
/// Like a worker, it passes over most inputs that look like others. An input that hangs is a finding, too,
/// and the look goes on behind it. Every input is run, but what breaks something once the time is over, and
/// something was found before, is left to the next campaign, as to make it short may take long: how many are
/// left comes beside. `show` is told from time to time what was found so far, and how many inputs are done, of
/// how many.
pub(super) fn first_look(
    working_set: &Path,
    dut: &AnyDut,
    findings: &mut Findings,
    stop: &StopSignal,
    until: &Deadline,
    show: &mut dyn FnMut(&Findings, usize, usize),
) -> (FirstLook, usize) {
    let inputs = inputs(working_set);
    let mut look = FirstLook::default();
    let (mut layers, mut next, mut hang_count, mut left_count) = (None::<Layers>, 0, 0, 0);
    while next < inputs.len() && hang_count < HANGS_MAX && !stop.is_raised() {
        show(findings, next, inputs.len());
        let some: Vec<PathBuf> = inputs[next..].iter().take(AT_ONCE).cloned().collect();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (its, into) = (dut.clone(), Arc::clone(&seen));
        let hang = attempt(move || look_at(&some, &its, &into)).err();
        let mut looked = mem::take(&mut *lock(&seen));
        if let Some(hang) = hang {
            hang_count += 1;
            findings.take_hang(&hang);
            looked.push(Looked { is_run: true, ..Looked::default() });
        }
        for (path, looked) in inputs[next..].iter().zip(&looked) {
            look.input_count += u64::from(looked.is_run);
            look.call_count += looked.call_count;
            look.is_void |= looked.is_run && looked.trouble.is_some();
            findings.troubles.extend(looked.trouble.clone());
            layers = looked.layers.map(|new| layers.map_or(new, |all| all.and(new))).or(layers);
            if let Some(look) = &looked.look
                && findings.sample.wants(look.clone())
                && let Ok(bytes) = fs::read(path)
            {
                if until.is_over() && !findings.found.is_empty() {
                    left_count += 1;
                    continue;
                }
                findings.take(&CallSequence::from_bytes(&bytes));
                // To minimise one takes seconds of a slow driver.
                show(findings, next, inputs.len());
            }
        }
        next += looked.len();
    }
    if hang_count == HANGS_MAX && next < inputs.len() {
        let left = inputs.len() - next;
        let trouble = format!("{hang_count} stored inputs hung; {left} more were not run");
        findings.troubles.push(trouble);
    }
    // However it ended, it is over.
    show(findings, inputs.len(), inputs.len());
    look.layers = layers.unwrap_or(Layers::NONE);
    (look, left_count)
}

/// What one input showed.
#[derive(Default)]
struct Looked {
    /// Whether it could be read.
    is_run: bool,
    /// Why nothing is known of it.
    trouble: Option<String>,
    call_count: u64,
    /// What was looked into; `None` if nothing is known.
    layers: Option<Layers>,
    /// What it looks like, if it broke something.
    look: Option<String>,
}

/// Runs these inputs and says of each what it showed, as long as none hangs.
fn look_at(paths: &[PathBuf], dut: &AnyDut, seen: &Mutex<Vec<Looked>>) {
    let mut workbench = Workbench::on(dut.clone());
    for path in paths {
        let looked = match fs::read(path) {
            Ok(bytes) => {
                workbench.run(&CallSequence::from_bytes(&bytes));
                let (trace, verdict) = (workbench.trace(), workbench.verdict());
                let call_count = trace.sequence_len as u64;
                let told = |void| format!("{}: nothing is known: {void}", path.display());
                match trace.void.map(told) {
                    Some(trouble) => Looked {
                        is_run: true,
                        trouble: Some(trouble),
                        call_count,
                        ..Looked::default()
                    },
                    None => Looked {
                        is_run: true,
                        trouble: None,
                        call_count,
                        layers: Some(trace.layers),
                        look: (!verdict.is_clean()).then(|| look_of(verdict, trace)),
                    },
                }
            }
            Err(error) => {
                let trouble = format!("cannot read {}: {error}", path.display());
                Looked { trouble: Some(trouble), ..Looked::default() }
            }
        };
        lock(seen).push(looked);
    }
}

/// A thread that hung or panicked has finished every entry that is there.
fn lock(seen: &Mutex<Vec<Looked>>) -> MutexGuard<'_, Vec<Looked>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All that was packed from `corpus/`, and then the first of the others; each by name.
fn inputs(working_set: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(working_set).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    paths.sort();
    let (mut inputs, mut others): (Vec<_>, Vec<_>) =
        paths.into_iter().partition(|path| crate::corpus::is_packed(path));
    others.truncate(OTHERS_MAX);
    inputs.append(&mut others);
    inputs
}

#[cfg(all(test, feature = "faults"))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::watchdog::set_time_limit;

    #[test]
    fn an_input_that_hangs_is_a_finding_and_those_behind_it_are_run() {
        set_time_limit(Duration::from_secs(2));
        let refresh = "start-refresh s0 -> ok\nfinish-refresh s0 -> ok\n";
        let keyed = "# rekeylab sequence 1\ncreate-device\ncreate-session d0\nexchange-key s0\n";
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a"), format!("{keyed}{refresh}{refresh}")).unwrap();
        fs::write(directory.path().join("b"), format!("{keyed}{refresh}")).unwrap();
        let dut =
            crate::executor::core_with(Some(rekeylab_faults::Fault::SecondFinishNeverReturns));
        let mut findings = Findings::new(directory.path().join("findings"), &dut, None);
        let (look, _) = first_look(
            directory.path(),
            &dut,
            &mut findings,
            &StopSignal::new(),
            &Deadline::default(),
            &mut |_, _, _| {},
        );
        assert_eq!((look.input_count, look.call_count), (2, 5));
        let found: Vec<_> = findings.found.iter().map(|finding| finding.invariant).collect();
        assert_eq!(found, ["no-hang"]);
    }

    #[test]
    fn what_is_found_is_shown_before_the_look_is_over() {
        let keyed = "# rekeylab sequence 1\ncreate-device\ncreate-session d0\nexchange-key s0\n";
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a"), format!("{keyed}finish-refresh s0\n")).unwrap();
        fs::write(directory.path().join("b"), keyed).unwrap();
        let dut = crate::executor::core_with(Some(rekeylab_faults::Fault::FinishWithoutStart));
        let mut findings = Findings::new(directory.path().join("findings"), &dut, None);
        let mut shown = Vec::new();
        let show = &mut |findings: &Findings, done, all| {
            shown.push((findings.found.len(), done, all));
        };
        let until = Deadline::default();
        first_look(directory.path(), &dut, &mut findings, &StopSignal::new(), &until, show);
        assert_eq!(shown, [(0, 0, 2), (1, 0, 2), (1, 2, 2)]);
    }

    #[test]
    fn when_the_time_is_over_one_finding_is_made_and_the_rest_is_run_and_left() {
        let keyed = "# rekeylab sequence 1\ncreate-device\ncreate-session d0\nexchange-key s0\n";
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a"), format!("{keyed}finish-refresh s0\n")).unwrap();
        let later = format!("{keyed}start-refresh s0\nfinish-refresh s0\nfinish-refresh s0\n");
        fs::write(directory.path().join("b"), later).unwrap();
        let dut = crate::executor::core_with(Some(rekeylab_faults::Fault::FinishWithoutStart));
        let mut findings = Findings::new(directory.path().join("findings"), &dut, None);
        let until = Deadline::default();
        until.set(Duration::ZERO);
        std::thread::sleep(Duration::from_millis(2));
        let (stop, show) = (StopSignal::new(), &mut |_: &Findings, _, _| {});
        let (look, left) = first_look(directory.path(), &dut, &mut findings, &stop, &until, show);
        assert_eq!((look.input_count, findings.found.len(), left), (2, 1, 1));
    }
}
