//! What is common to the fuzz targets: the judge from the environment, and the outcome on stdout.

use std::cell::RefCell;
use std::io::Write as _;
use std::ops::ControlFlow;

use rekeylab::observation::Trace;
use rekeylab::sequence::CallSequence;
use rekeylab_driver::Fault;
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
}

thread_local! {
    static JUDGE: RefCell<Judge> = RefCell::new(judge_from_environment());
}

/// Judges an input's sequence. When the run is over, prints the outcome and ends the process.
pub fn judge_or_end(sequence: &CallSequence, learn: impl FnOnce(&Trace)) {
    JUDGE.with_borrow_mut(|judge| match judge.judge(sequence) {
        ControlFlow::Continue(()) => learn(judge.trace()),
        ControlFlow::Break(outcome) => {
            let line = serde_json::to_string(&outcome).expect("an outcome is plain");
            // If nobody reads it, the run counts as failed there.
            let _ = writeln!(std::io::stdout(), "{line}");
            std::process::exit(0);
        }
    });
}

fn judge_from_environment() -> Judge {
    let errand = std::env::var(ERRAND).unwrap_or_default();
    let errand: Errand = serde_json::from_str(&errand)
        .unwrap_or_else(|error| panic!("{ERRAND} is no errand: {error}"));
    let fault = Fault::from_name(&errand.fault);
    Judge::new(fault.unwrap_or_else(|| panic!("no fault {:?}", errand.fault)), errand.limits)
}
