//! A driver under test as a value: chosen when the program runs, without its type.

use core::fmt;
use std::sync::Arc;

use keysan::audit::{AuditError, Audited};
use rekeylab_ddi::Limits;

use super::Executor;
use super::audit::{Remnant, TaintedBlock};
use super::dut::{Dut, missing_layers};
use super::honest_core::Core;
use crate::observation::{Layers, StateHash, Trace};
use crate::sequence::{BoundsChoice, CallSequence};
use crate::watchdog::Hang;

/// A driver under test as a value, whatever its type.
#[derive(Clone)]
pub struct AnyDut(Arc<dyn Erased>);

impl AnyDut {
    /// The driver that this runs.
    #[cfg(feature = "command")]
    pub(crate) fn erased(dut: Arc<dyn Erased>) -> Self {
        Self(dut)
    }

    /// What it is called in reports.
    #[must_use]
    pub fn name(&self) -> String {
        self.0.name()
    }

    /// The option by which a command is told to drive it; see [`Dut::option`].
    #[must_use]
    pub fn option(&self) -> Option<String> {
        self.0.option()
    }

    /// Whether it runs in a process of its own, which ends when it hangs.
    #[must_use]
    pub fn is_isolated(&self) -> bool {
        self.0.is_isolated()
    }

    /// From now on runs many sequences in one process, where it has one of its own: quicker, and what a sequence
    /// breaks may then be the doing of those before it.
    pub fn run_in_batches(&self) {
        self.0.run_in_batches();
    }

    /// How many edges of its code can be counted: see [`count_edges`](Self::count_edges).
    #[must_use]
    pub fn edge_count(&self) -> usize {
        self.0.edge_count()
    }

    /// From now on keeps how often a run passed each edge of its code, for [`copy_counters`](Self::copy_counters).
    pub fn count_edges(&self) {
        self.0.count_edges();
    }

    /// How often the last run passed each edge, modulo 256; empty where they are not counted.
    pub fn copy_counters(&self, into: &mut Vec<u8>) {
        into.clear();
        self.0.copy_counters(into);
    }

    /// The bounds that it keeps.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.0.limits()
    }

    /// The bounds that it keeps when it is opened with these.
    #[must_use]
    pub fn limits_at(&self, bounds: BoundsChoice) -> Limits {
        self.0.limits_at(bounds)
    }

    /// Whether it declares its complete state, so that equal states can be told; see
    /// [`Dut::declares_state`].
    #[must_use]
    pub fn declares_state(&self) -> bool {
        self.0.declares_state()
    }

    /// The layers that cannot be looked into because the driver does not declare what they are about.
    #[must_use]
    pub fn missing_layers(&self) -> Layers {
        self.0.missing_layers()
    }

    /// See [`Executor::execute`].
    pub fn execute(
        &self,
        executor: &mut Executor,
        sequence: &CallSequence,
        layers: Layers,
        trace: &mut Trace,
    ) {
        self.0.execute(executor, sequence, layers, trace);
    }

    /// See [`Executor::execute_to_hang`].
    pub fn execute_to_hang(&self, executor: &mut Executor, hang: &Hang, trace: &mut Trace) {
        self.0.execute_to_hang(executor, hang, trace);
    }

    /// See [`Executor::execute_to_state`].
    pub fn execute_to_state(
        &self,
        executor: &mut Executor,
        sequence: &CallSequence,
        trace: &mut Trace,
    ) -> Option<StateHash> {
        self.0.execute_to_state(executor, sequence, trace)
    }

    /// See [`Executor::audit`].
    ///
    /// # Errors
    ///
    /// When memory cannot be read, or the audit did not find its canaries.
    pub fn audit(
        &self,
        executor: &mut Executor,
        sequence: &CallSequence,
        trace: &mut Trace,
    ) -> Result<(Audited, Vec<Remnant>), AuditError> {
        self.0.audit(executor, sequence, trace)
    }

    /// See [`Executor::taint`].
    pub fn taint(
        &self,
        executor: &mut Executor,
        sequence: &CallSequence,
        trace: &mut Trace,
    ) -> Option<Vec<TaintedBlock>> {
        self.0.taint(executor, sequence, trace)
    }
}

impl<D: Dut> From<D> for AnyDut {
    fn from(dut: D) -> Self {
        Self(Arc::new(dut))
    }
}

impl Default for AnyDut {
    /// The driver core of this repository.
    fn default() -> Self {
        Core.into()
    }
}

impl fmt::Debug for AnyDut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// [`Dut`] without its type. A run is compiled for the type of its driver: what is chosen at run time
/// is chosen once a run, and not once a call.
pub(crate) trait Erased: fmt::Debug + Send + Sync {
    fn name(&self) -> String;
    fn option(&self) -> Option<String>;
    fn is_isolated(&self) -> bool {
        false
    }
    fn run_in_batches(&self) {}
    fn edge_count(&self) -> usize {
        0
    }
    fn count_edges(&self) {}
    fn copy_counters(&self, _into: &mut Vec<u8>) {}
    fn limits(&self) -> Limits;
    fn limits_at(&self, bounds: BoundsChoice) -> Limits;
    fn declares_state(&self) -> bool;
    fn missing_layers(&self) -> Layers;
    fn execute(
        &self,
        executor: &mut Executor,
        sequence: &CallSequence,
        layers: Layers,
        trace: &mut Trace,
    );
    fn execute_to_hang(&self, executor: &mut Executor, hang: &Hang, trace: &mut Trace);
    fn execute_to_state(
        &self,
        executor: &mut Executor,
        sequence: &CallSequence,
        trace: &mut Trace,
    ) -> Option<StateHash>;
    fn audit(
        &self,
        executor: &mut Executor,
        sequence: &CallSequence,
        trace: &mut Trace,
    ) -> Result<(Audited, Vec<Remnant>), AuditError>;
    fn taint(
        &self,
        executor: &mut Executor,
        sequence: &CallSequence,
        trace: &mut Trace,
    ) -> Option<Vec<TaintedBlock>>;
}

impl<D: Dut> Erased for D {
    fn name(&self) -> String {
        Dut::name(self)
    }

    fn option(&self) -> Option<String> {
        Dut::option(self)
    }

    fn limits(&self) -> Limits {
        Dut::limits(self)
    }

    fn limits_at(&self, bounds: BoundsChoice) -> Limits {
        Dut::limits_at(self, bounds)
    }

    fn declares_state(&self) -> bool {
        Dut::declares_state(self)
    }

    fn missing_layers(&self) -> Layers {
        missing_layers(self)
    }

    fn execute(
        &self,
        executor: &mut Executor,
        sequence: &CallSequence,
        layers: Layers,
        trace: &mut Trace,
    ) {
        executor.execute(self, sequence, layers, trace);
    }

    fn execute_to_hang(&self, executor: &mut Executor, hang: &Hang, trace: &mut Trace) {
        executor.execute_to_hang(self, hang, trace);
    }

    fn execute_to_state(
        &self,
        executor: &mut Executor,
        sequence: &CallSequence,
        trace: &mut Trace,
    ) -> Option<StateHash> {
        executor.execute_to_state(self, sequence, trace)
    }

    fn audit(
        &self,
        executor: &mut Executor,
        sequence: &CallSequence,
        trace: &mut Trace,
    ) -> Result<(Audited, Vec<Remnant>), AuditError> {
        executor.audit(self, sequence, trace)
    }

    fn taint(
        &self,
        executor: &mut Executor,
        sequence: &CallSequence,
        trace: &mut Trace,
    ) -> Option<Vec<TaintedBlock>> {
        executor.taint(self, sequence, trace)
    }
}
