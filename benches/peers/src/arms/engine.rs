//! What is common to the fuzz targets: the judge from the environment, and the outcome on stdout.

use std::cell::RefCell;
use std::io::Write as _;
use std::ops::ControlFlow;

use rekeylab::sequence::CallSequence;
use rekeylab_faults::Fault;
use serde::{Deserialize, Serialize};

use crate::judge::{Judge, Limits};

/// The environment variable that says what is hunted, as JSON of an [`Errand`].
pub const ERRAND: &str = "REKEYLAB_PEERS_ERRAND";

/// What a fuzz target hunts, and for how long.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Errand {
    /// The name of the planted fault.
    pub fault: String,
    /// When to give up.
    pub limits: Limits,
    /// Whether the target does without rekeylab's mutator.
    pub is_without_mutator: bool,
}

/// Whether this process has rekeylab's mutator; without it the engine's own changes the bytes of the
/// wire form.
#[must_use]
pub fn has_mutator() -> bool {
    ERRAND_GIVEN.with(|errand| !errand.is_without_mutator)
}

thread_local! {
    static ERRAND_GIVEN: Errand = errand_from_environment();
    static JUDGE: RefCell<Judge> = RefCell::new(ERRAND_GIVEN.with(judge_of));
}

/// Judges an input's sequence. When the run is over, prints the outcome and ends the process.
pub fn judge_or_end(sequence: &CallSequence) {
    JUDGE.with_borrow_mut(|judge| {
        if let ControlFlow::Break(outcome) = judge.judge(sequence) {
            let line = serde_json::to_string(&outcome).expect("an outcome is plain");
            // If nobody reads it, the run counts as failed there.
            let _ = writeln!(std::io::stdout(), "{line}");
            std::process::exit(0);
        }
    });
}

fn errand_from_environment() -> Errand {
    let errand = std::env::var(ERRAND).unwrap_or_default();
    serde_json::from_str(&errand).unwrap_or_else(|error| panic!("{ERRAND} is no errand: {error}"))
}

fn judge_of(errand: &Errand) -> Judge {
    let fault = Fault::from_name(&errand.fault);
    Judge::new(fault.unwrap_or_else(|| panic!("no fault {:?}", errand.fault)), errand.limits)
}
