//! The whole way from a sequence to a verdict, with memory that is kept from run to run.

use crate::executor::{Core, DebugText, Executor};
use crate::invariant::{Model, Verdict, judge};
use crate::observation::Trace;
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

    /// Runs a sequence with everything looked at, and says what did not hold.
    pub fn run(&mut self, sequence: &CallSequence) -> &Verdict {
        self.run_with(sequence, DebugText::Read)
    }

    /// Runs a sequence, looking at `Debug` of the driver or not.
    pub fn run_with(&mut self, sequence: &CallSequence, debug_text: DebugText) -> &Verdict {
        self.executor.execute(&Core, sequence, debug_text, &mut self.trace);
        judge(&self.trace, &mut self.model, &mut self.verdict);
        &self.verdict
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

    /// Whether freed heap is scanned in this program; see [`Executor::is_heap_watched`].
    #[must_use]
    pub fn is_heap_watched(&self) -> bool {
        self.executor.is_heap_watched()
    }

    /// The shortest sequence found that still shows the bug which `sequence` shows first, or
    /// `None` if it shows none.
    ///
    /// The bug is the same when it breaks the same invariant. Where the invariant was inferred
    /// from a symptom that two bugs share, any violation counts, and what the shortest form
    /// breaks is what the bug is. The last run is that of the result.
    pub fn minimize(&mut self, sequence: &CallSequence) -> Option<CallSequence> {
        let first = self.run(sequence).first()?;
        let (invariant, is_inferred) = (first.invariant, first.is_inferred);
        let shortest = minimize(sequence, |candidate| {
            let verdict = self.run(candidate);
            verdict.first().is_some_and(|first| is_inferred || first.invariant == invariant)
        });
        self.run(&shortest);
        Some(shortest)
    }
}
