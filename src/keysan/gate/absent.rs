//! Stands in for the gate where there is none: it cannot be opened.

use std::convert::Infallible;

use super::{CopiedLeftovers, GateLayers, GateNotProven, Inspected, Leftover, NotPorted};
use crate::secret_set::SecretSet;

/// A gate that cannot be opened on this system.
#[derive(Debug)]
pub struct Gate {
    never: Infallible,
}

impl Gate {
    /// Always refuses.
    pub fn open() -> Result<Gate, NotPorted> {
        Err(NotPorted)
    }

    /// Always refuses.
    pub fn open_with_stack(_len: usize) -> Result<Gate, NotPorted> {
        Err(NotPorted)
    }

    /// Never runs, as there is no gate.
    #[cfg(feature = "trace")]
    pub(crate) fn addresses(&self) -> std::ops::Range<usize> {
        match self.never {}
    }

    /// Never runs, as there is no gate.
    pub fn report_whole_copies(&mut self) {
        match self.never {}
    }

    /// Never runs, as there is no gate.
    pub fn call<R>(&mut self, _call: impl FnOnce() -> R) -> R {
        match self.never {}
    }

    /// Never runs, as there is no gate.
    pub fn inspect(
        &mut self,
        _set: &SecretSet,
        _layers: GateLayers,
        _sink: &mut dyn FnMut(Leftover),
    ) -> Inspected {
        match self.never {}
    }

    /// Never runs, as there is no gate.
    pub fn inspect_deep(&mut self, _set: &SecretSet, _sink: &mut dyn FnMut(Leftover)) -> Inspected {
        match self.never {}
    }

    /// Never runs, as there is no gate.
    pub fn inspect_all(&mut self, _set: &SecretSet, _sink: &mut dyn FnMut(Leftover)) -> Inspected {
        match self.never {}
    }

    /// Never runs, as there is no gate.
    pub fn copy_leftovers(&self, _into: &mut Vec<u64>) -> CopiedLeftovers {
        match self.never {}
    }

    /// Never runs, as there is no gate.
    #[must_use]
    pub fn leftover_word_count(&self) -> usize {
        match self.never {}
    }

    /// Never runs, as there is no gate.
    #[must_use]
    pub fn depth(&self) -> usize {
        match self.never {}
    }

    /// Never runs, as there is no gate.
    pub fn prove_it_looks(&mut self, _set: &mut SecretSet) -> Result<(), GateNotProven> {
        match self.never {}
    }
}
