//! The whole way from a sequence to a verdict, with memory that is kept from run to run.

use keysan::audit::{AuditError, Audited};

use crate::executor::{Core, Executor, Remnant, TaintedBlock};
use crate::invariant::{Model, Verdict, judge};
use crate::observation::{Layer, Layers, Trace};
use crate::sequence::{CallSequence, minimize};

/// Runs sequences against the driver core and judges them.
#[derive(Debug, Default)]
pub struct Workbench {
    executor: Executor,
    trace: Trace,
    model: Model,
    verdict: Verdict,
}

impl Workbench {
    /// A workbench that has run nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs a sequence with everything looked into, and says what did not hold.
    pub fn run(&mut self, sequence: &CallSequence) -> &Verdict {
        self.run_with(sequence, Layers::ALL)
    }

    /// Runs a sequence, looking into these layers of those that can be looked into.
    pub fn run_with(&mut self, sequence: &CallSequence, layers: Layers) -> &Verdict {
        self.executor.execute(&Core, sequence, layers, &mut self.trace);
        judge(&self.trace, &mut self.model, &mut self.verdict);
        &self.verdict
    }

    /// Runs a sequence and looks at all memory of the process afterwards; see [`Executor::audit`].
    ///
    /// # Errors
    ///
    /// When memory cannot be read, or the audit did not find its canaries.
    pub fn audit(
        &mut self,
        sequence: &CallSequence,
    ) -> Result<(Audited, Vec<Remnant>), AuditError> {
        self.executor.audit(&Core, sequence, &mut self.trace)
    }

    /// Asks Valgrind which heap blocks hold bytes made of a secret; see [`Executor::taint`].
    pub fn taint(&mut self, sequence: &CallSequence) -> Option<Vec<TaintedBlock>> {
        self.executor.taint(&Core, sequence, &mut self.trace)
    }

    /// What the last run saw.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// What the last run broke.
    #[must_use]
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// What can be looked into in this program, on this machine; see [`Executor::layers`].
    #[must_use]
    pub fn layers(&self) -> Layers {
        self.executor.layers()
    }

    /// The shortest sequence found that still shows the bug which `sequence` shows first, or
    /// `None` if it shows none.
    ///
    /// The bug is the same when it breaks the same invariant. Where the invariant was inferred
    /// from a symptom that two bugs share, any violation counts, and what the shortest form
    /// breaks is what the bug is. The last run is that of the result.
    pub fn minimize(&mut self, sequence: &CallSequence) -> Option<CallSequence> {
        self.minimize_with(sequence, Layers::ALL)
    }

    /// The same, for a bug that shows when these layers are looked into.
    pub fn minimize_with(
        &mut self,
        sequence: &CallSequence,
        layers: Layers,
    ) -> Option<CallSequence> {
        let first = self.run_with(sequence, layers).first()?;
        let (invariant, is_inferred) = (first.invariant, first.is_inferred);
        let is_shown = move |verdict: &Verdict| {
            verdict.first().is_some_and(|first| is_inferred || first.invariant == invariant)
        };
        // Hundreds of candidates are run, so with no more looking than shows the bug.
        let lanes = [Layers::FAST, Layers::FAST.with(Layer::Debug), Layers::GATED, Layers::ALL];
        let mut lanes = lanes.into_iter().map(|lane| lane.and(layers));
        let lane = lanes.find(|&lane| is_shown(self.run_with(sequence, lane)));
        let lane = lane.unwrap_or(layers);
        let shortest = minimize(sequence, |candidate| is_shown(self.run_with(candidate, lane)));
        self.run_with(&shortest, layers);
        Some(shortest)
    }
}
