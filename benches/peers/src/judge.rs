//! The oracle, the same for every arm: runs a sequence in the layers of the fault, and counts.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rekeylab::Workbench;
use rekeylab::drill::layers_for;
use rekeylab::executor::core_with;
use rekeylab::observation::{Layers, Trace};
use rekeylab::sequence::{CALLS_MAX, CallSequence};
use rekeylab_faults::Fault;
use serde::{Deserialize, Serialize};

/// When a run ends although nothing was found.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// Most executions.
    pub executions: u64,
    /// Most seconds.
    pub seconds: f64,
}

/// What a run came to, as far as the process that made it can tell.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// The invariant that was broken, or `None`: a miss.
    pub rang: Option<String>,
    /// Sequences that were run, the one that broke the invariant included.
    pub executions: u64,
    /// Calls that they are made of.
    pub calls: u64,
}

/// Judges sequences under one planted fault.
#[derive(Debug)]
pub struct Judge {
    workbench: Workbench,
    layers: Layers,
    limits: Limits,
    started: Instant,
    executions: u64,
    calls: u64,
}

impl Judge {
    /// A judge of the core with this fault; time runs from here.
    #[must_use]
    pub fn new(fault: Fault, limits: Limits) -> Self {
        Self {
            workbench: Workbench::on(core_with(Some(fault))),
            layers: layers_for(Some(fault)),
            limits,
            started: Instant::now(),
            executions: 0,
            calls: 0,
        }
    }

    /// Runs one sequence; breaks off when something is broken or a limit is reached.
    ///
    /// # Panics
    ///
    /// When the run proves nothing: an error of the workbench, which must not be counted as either.
    pub fn judge(&mut self, sequence: &CallSequence) -> ControlFlow<Outcome> {
        self.workbench.run_with(sequence, self.layers);
        let trace = self.workbench.trace();
        assert!(trace.void.is_none(), "a scan did not find its canary");
        self.executions += 1;
        // Also those after a panic, which were made in vain.
        self.calls += sequence.calls.len().min(CALLS_MAX) as u64;
        let first = self.workbench.verdict().first();
        let rang = first.map(|violation| violation.invariant.to_owned());
        if rang.is_some() || self.is_over() {
            let (executions, calls) = (self.executions, self.calls);
            return ControlFlow::Break(Outcome { rang, executions, calls });
        }
        ControlFlow::Continue(())
    }

    /// What the last run saw.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        self.workbench.trace()
    }

    fn is_over(&self) -> bool {
        self.executions >= self.limits.executions
            || self.started.elapsed() >= Duration::from_secs_f64(self.limits.seconds)
    }
}
