//! What a driver in a process of its own is to the rest of the workbench: a driver under test.

use std::io;
use std::sync::atomic::Ordering;

use keysan::audit::{AuditError, Audited};
use rekeylab_ddi::Limits;

use crate::executor::{Erased, Executor, Remnant, TaintedBlock};
use crate::observation::{Layers, StateHash, Trace};
use crate::sequence::{BoundsChoice, CallSequence};
use crate::watchdog::Hang;

use super::message::Request;
use super::{Isolated, whole};

impl Erased for Isolated {
    fn name(&self) -> String {
        self.sheet.name_on(self.threads)
    }

    fn option(&self) -> Option<String> {
        Some(match self.threads {
            1 => self.sheet.option(),
            threads => format!("{} --threads {threads}", self.sheet.option()),
        })
    }

    fn is_isolated(&self) -> bool {
        true
    }

    fn run_in_batches(&self) {
        self.runs_in_batches.store(true, Ordering::Relaxed);
    }

    fn edge_count(&self) -> usize {
        self.edge_count
    }

    fn count_edges(&self) {
        *self.counters() = Some(Vec::new());
    }

    fn copy_counters(&self, into: &mut Vec<u8>) {
        if let Some(counters) = &*self.counters() {
            into.extend_from_slice(counters);
        }
    }

    fn limits(&self) -> Limits {
        self.sheet.limits.into()
    }

    fn limits_at(&self, _bounds: BoundsChoice) -> Limits {
        self.limits()
    }

    fn declares_state(&self) -> bool {
        false
    }

    fn missing_layers(&self) -> Layers {
        self.missing
    }

    fn execute(
        &self,
        executor: &mut Executor,
        sequence: &CallSequence,
        layers: Layers,
        trace: &mut Trace,
    ) {
        self.run(&whole(sequence, executor.calls_max(), layers), trace);
    }

    fn execute_to_hang(&self, executor: &mut Executor, hang: &Hang, trace: &mut Trace) {
        let request = whole(&hang.sequence, executor.calls_max(), hang.layers);
        self.run(&Request { ends_at: Some(hang.stage), ..request }, trace);
    }

    fn execute_to_state(
        &self,
        executor: &mut Executor,
        sequence: &CallSequence,
        trace: &mut Trace,
    ) -> Option<StateHash> {
        self.execute(executor, sequence, Layers::FAST, trace);
        None
    }

    /// Its memory is not that of this process.
    fn audit(
        &self,
        _executor: &mut Executor,
        _sequence: &CallSequence,
        _trace: &mut Trace,
    ) -> Result<(Audited, Vec<Remnant>), AuditError> {
        let reason = "the driver is in a process of its own";
        Err(AuditError::Unreadable(io::Error::new(io::ErrorKind::Unsupported, reason)))
    }

    fn taint(
        &self,
        _executor: &mut Executor,
        _sequence: &CallSequence,
        _trace: &mut Trace,
    ) -> Option<Vec<TaintedBlock>> {
        None
    }
}
