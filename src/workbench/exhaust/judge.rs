//! One run, judged, and the state that it led to.

use crate::executor::{AnyDut, Executor};
use crate::invariant::{Model, Verdict, judge, write_remembered};
use crate::observation::{Layers, StateId, Trace};
use crate::sequence::{Call, CallSequence};

use super::created::Created;

/// What every run looks into: the fast lane.
pub const LAYERS: Layers = Layers::FAST;

/// Stands for the call where something only shows when the driver is gone.
pub(super) const AT_THE_END: &str = "the end";

/// Runs and judges sequences in the fast lane; keeps its memory from one to the next.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    dut: &'a AnyDut,
    executor: Executor,
    trace: Trace,
    model: Model,
    verdict: Verdict,
    sequence: CallSequence,
}

impl<'a> Judge<'a> {
    pub(super) fn new(dut: &'a AnyDut) -> Self {
        Self {
            dut,
            executor: Executor::new(),
            trace: Trace::default(),
            model: Model::default(),
            verdict: Verdict::default(),
            sequence: CallSequence::default(),
        }
    }

    /// The calls that the next runs begin with.
    pub(super) fn begin(&mut self, prefix: impl Iterator<Item = Call>) {
        self.sequence.calls.clear();
        self.sequence.calls.extend(prefix);
    }

    /// Runs the prefix and one call more.
    pub(super) fn run(&mut self, call: Call) -> &Verdict {
        self.sequence.calls.push(call);
        self.dut.execute(&mut self.executor, &self.sequence, LAYERS, &mut self.trace);
        self.sequence.calls.pop();
        judge(&self.trace, &mut self.model, &mut self.verdict);
        &self.verdict
    }

    /// The same, and the state that it led to, if nothing was broken and the driver declares it.
    pub(super) fn run_to_state(&mut self, call: Call) -> (&Verdict, Option<StateId>) {
        self.sequence.calls.push(call);
        let state = self.dut.execute_to_state(&mut self.executor, &self.sequence, &mut self.trace);
        let created = Created::by(&self.sequence.calls);
        self.sequence.calls.pop();
        judge(&self.trace, &mut self.model, &mut self.verdict);
        let state = state.filter(|_| self.verdict.is_clean()).map(|mut hash| {
            write_remembered(&self.trace, &mut self.model, &mut hash);
            created.write_state(&mut hash);
            hash.finish()
        });
        (&self.verdict, state)
    }

    /// The kind of the call at which the last run first broke something.
    pub(super) fn broken_kind(&self) -> &'static str {
        let call = self.verdict.first().and_then(|first| self.trace.calls.get(first.call));
        call.map_or(AT_THE_END, |seen| seen.call.kind().word())
    }
}
