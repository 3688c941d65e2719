//! The driver under test (DUT): what can be driven, and what it tells the workbench about itself.

use core::fmt;
use std::rc::Rc;
use std::sync::Arc;

use keysan::audit::{AuditError, Audited};
use keysan::statics::Statics;
use rekeylab_ddi::{CryptoSessionDdi, Limits, SessionHandle};

use super::Executor;
use super::audit::{Remnant, TaintedBlock};
use super::honest_core::Core;
use super::seams::Seams;
use crate::observation::{Layer, Layers, StateHash, Trace};
use crate::sequence::CallSequence;

/// A driver under test: opens drivers on the workbench's seams, says what their limits are, and
/// declares what else can be known of them.
///
/// Whatever it does not declare is not looked into, and is missing by name in every report: see
/// [`missing_layers`](AnyDut::missing_layers). [`AnyDut`] makes a value of it, which is what a
/// [`Workbench`](crate::Workbench) runs on; `examples/own_driver.rs` is a driver of a hundred lines.
pub trait Dut: fmt::Debug + Send + Sync + 'static {
    /// The driver. What its `Debug` shows is only looked at if [`declares_text`](Self::declares_text).
    type Driver: CryptoSessionDdi + fmt::Debug;

    /// What it is called in reports.
    fn name(&self) -> String;

    /// The bounds that every driver which it opens keeps. Sequences are made to reach them, and
    /// answers are judged by them.
    fn limits(&self) -> Limits;

    /// A driver in its first state.
    fn open(&self, seams: &Rc<Seams>) -> Self::Driver;

    /// Whether [`for_each_home`](Self::for_each_home) names every home. A driver that does not say
    /// where its secrets live can only be searched for the dead ones.
    fn declares_homes(&self) -> bool {
        false
    }

    /// Shows every place where a secret may live now.
    fn for_each_home(
        &self,
        _driver: &Self::Driver,
        _sink: &mut dyn FnMut(DeclaredHome, &[u8; 16]),
    ) {
    }

    /// Whether [`write_state`](Self::write_state) writes everything that can influence an answer
    /// to come. Of a driver that does not say so, which may keep anything anywhere, no two states
    /// are ever taken for the same.
    fn declares_state(&self) -> bool {
        false
    }

    /// Writes the driver's complete state, value by value.
    fn write_state(&self, _driver: &Self::Driver, _sink: &mut dyn FnMut(&[u8])) {}

    /// The writable statics and thread-locals of the driver, or `None` if they cannot be found; see
    /// [`Statics::of_symbols`].
    fn statics(&self) -> Option<&'static Statics> {
        None
    }

    /// Whether `Debug` of the driver is text of its own, which may end up in a log.
    fn declares_text(&self) -> bool {
        false
    }
}

/// What a place of sixteen bytes in a driver is for.
///
/// A secret anywhere else than in a home that is for it is residue (INV-06); a home that has no
/// secret at the moment holds zeros.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DeclaredHome {
    /// K, the key in force of a live session.
    Key(SessionHandle),
    /// R of a live session, between start and finish.
    Random(SessionHandle),
    /// The one-way mark of a live session's last R (S-12), which is no secret itself.
    LastMark(SessionHandle),
    /// The key that a command captured when it was submitted (S-17), until it completes.
    BoundKey {
        /// The fence that its submission answered.
        fence: u64,
    },
}

/// A driver under test as a value, whatever its type.
#[derive(Clone)]
pub struct AnyDut(Arc<dyn Erased>);

impl AnyDut {
    /// What it is called in reports.
    #[must_use]
    pub fn name(&self) -> String {
        self.0.name()
    }

    /// The bounds that it keeps.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.0.limits()
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

/// The layers that this driver leaves no way to look into.
pub(super) fn missing_layers<D: Dut>(dut: &D) -> Layers {
    let mut missing = Layers::NONE;
    if dut.statics().is_none() {
        missing = missing.with(Layer::Statics);
    }
    if !dut.declares_homes() {
        missing = missing.with(Layer::Homes);
    }
    if !dut.declares_text() {
        missing = missing.with(Layer::Debug);
    }
    missing
}

/// [`Dut`] without its type. A run is compiled for the type of its driver: what is chosen at run time
/// is chosen once a run, and not once a call.
trait Erased: fmt::Debug + Send + Sync {
    fn name(&self) -> String;
    fn limits(&self) -> Limits;
    fn declares_state(&self) -> bool;
    fn missing_layers(&self) -> Layers;
    fn execute(
        &self,
        executor: &mut Executor,
        sequence: &CallSequence,
        layers: Layers,
        trace: &mut Trace,
    );
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

    fn limits(&self) -> Limits {
        Dut::limits(self)
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
