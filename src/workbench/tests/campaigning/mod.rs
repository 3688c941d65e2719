//! A campaign whose engine hands inputs over that were prepared for it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rekeylab::campaign::{
    Directories, Engine, Lane, Outcome, Plan, Sanitizer, StopSignal, Target, search,
};
use rekeylab::executor::core_with;
use rekeylab::sequence::{CallSequence, SequenceText};
use rekeylab_faults::Fault;

use executable::write_executable;

#[path = "../executable/mod.rs"]
mod executable;

/// A folder with the inputs and the engine, and what the campaign does.
pub(crate) struct Bench {
    directory: tempfile::TempDir,
    plan: Plan,
}

impl Bench {
    /// Hands these sequences over, on the core with this fault.
    pub(crate) fn handing_over(fault: Fault, sequences: &[CallSequence]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::create_dir(at("inputs")).unwrap();
        for (number, sequence) in sequences.iter().enumerate() {
            let text = SequenceText::from(sequence).to_string();
            let name = format!("inputs/crash-{number:016x}-{number:016x}");
            std::fs::write(at(&name), text).unwrap();
        }
        write_executable(&at("engine"), &engine(&at("inputs")));
        let plan = Plan {
            dut: core_with(Some(fault)),
            time: Duration::from_secs(20),
            jobs: 1,
            lanes: vec![Lane {
                target: Target { edges_min: 0, ..Target::named("call_sequence_keysan").unwrap() },
                engine: Engine::LibFuzzer,
                binary: at("engine"),
                arguments: Vec::new(),
            }],
            is_first_looked_through: false,
            sanitizer: Sanitizer::None,
            fault: Some(fault.name()),
            seed: Some(1),
            findings: at("findings"),
            own_process: None,
            archive: None,
        };
        Self { directory, plan }
    }

    pub(crate) fn run(&self) -> Outcome {
        let place = Directories::prepare(self.directory.path(), "call_sequence", self.plan.fault);
        let stop = Arc::new(StopSignal::new());
        search(&self.plan, &place.unwrap(), &stop, &mut |_, _| {}).unwrap()
    }
}

/// A script that hands over what is in a folder, and says what libFuzzer does while it is well.
fn engine(inputs: &Path) -> String {
    format!(
        "#!/bin/sh\ncp '{}'/* \"$REKEYLAB_FOUND\"/\n\
         echo '#2 INITED cov: 400 ft: 20 corp: 3/60b exec/s: 0 rss: 30Mb' >&2\n\
         echo 'rekeylab: executions=65536 calls=1000000' >&2\n",
        inputs.display()
    )
}
