//! The first part of the main job: what is stored already goes through every layer, in this process.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Workbench;
use crate::executor::AnyDut;
use crate::fuzzing::symptom;
use crate::observation::Layers;
use crate::sequence::CallSequence;

use super::StopSignal;
use super::findings::Findings;

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

/// Runs the seeds and reproducers in a working set, and the first of its other inputs, with everything
/// looked into; what breaks an invariant becomes a finding.
///
/// Like a worker, it passes over an input that shows only what is known already.
pub(super) fn first_look(
    working_set: &Path,
    dut: &AnyDut,
    findings: &mut Findings,
    stop: &StopSignal,
) -> FirstLook {
    let mut workbench = Workbench::on(dut.clone());
    let mut look = FirstLook { layers: workbench.layers(), ..FirstLook::default() };
    for path in inputs(working_set) {
        if stop.is_raised() {
            break;
        }
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                findings.troubles.push(format!("cannot read {}: {error}", path.display()));
                continue;
            }
        };
        let sequence = CallSequence::from_bytes(&bytes);
        workbench.run(&sequence);
        let (trace, verdict) = (workbench.trace(), workbench.verdict());
        look.input_count += 1;
        look.call_count += trace.sequence_len as u64;
        if let Some(void) = trace.void {
            look.is_void = true;
            findings.troubles.push(format!("{}: nothing is known: {void}", path.display()));
            continue;
        }
        look.layers = look.layers.and(trace.layers);
        let mut symptoms = verdict.violations.iter().map(|violation| symptom(violation, trace));
        if symptoms.any(|symptom| !findings.symptoms.contains(&symptom)) {
            findings.take(&sequence);
        }
    }
    if look.input_count == 0 {
        look.layers = Layers::NONE;
    }
    look
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
