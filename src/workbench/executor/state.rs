//! Which state a run was in after the last call of its sequence, before the epilogue.

use super::run::Run;
use super::{Dut, Executor};
use crate::observation::{Layers, StateHash, Trace};
use crate::sequence::CallSequence;
use crate::sequence::expand::World;

/// What a run is asked about its state.
#[derive(Debug, Default)]
pub(super) enum Wanted {
    /// Nothing.
    #[default]
    Nothing,
    /// The state, as far as it is known during the run.
    State {
        /// The sum of the hashes of every secret that is searched for: a set has no order.
        watched: u128,
        /// `None` until the last call has returned.
        hash: Option<StateHash>,
    },
}

impl Executor {
    /// Makes every call of `sequence`, as [`execute`](Self::execute) does in the fast lane, and
    /// writes the state behind the last of them: all that the dut, the client, the seams and
    /// the search for secrets let the future depend on.
    ///
    /// `None` when the dut does not know its state, or the run did not get that far. What the
    /// judges remember is not in it, since they have not seen the trace yet.
    pub fn execute_to_state<D: Dut>(
        &mut self,
        dut: &D,
        sequence: &CallSequence,
        trace: &mut Trace,
    ) -> Option<StateHash> {
        if dut.declares_state() {
            self.wanted = Wanted::State { watched: 0, hash: None };
        }
        self.execute(dut, sequence, Layers::FAST, trace);
        match core::mem::take(&mut self.wanted) {
            Wanted::State { hash, .. } => hash,
            Wanted::Nothing => None,
        }
    }

    /// A secret is searched for from now on.
    pub(super) fn note_watched(&mut self, secret: &[u8; 16]) {
        if let Wanted::State { watched, .. } = &mut self.wanted {
            let mut hash = StateHash::default();
            hash.bytes(secret);
            *watched = watched.wrapping_add(hash.finish().0);
        }
    }
}

impl<D: Dut> Run<'_, D> {
    /// The last call of the sequence has returned.
    pub(super) fn note_state(&mut self) {
        let Executor { seams, client, holds_key_part, wanted, .. } = &mut *self.executor;
        let Wanted::State { watched, hash } = wanted else { return };
        let Some(driver) = &self.driver else { return };
        let mut state = StateHash::default();
        self.dut.write_state(driver, &mut |value| state.bytes(value));
        client.write_state(&mut state);
        seams.write_state(&mut state);
        state.bytes(&watched.to_le_bytes());
        state.flag(*holds_key_part);
        // Of the rest, `exchanged` and `planned` say under which names secrets are searched for,
        // and layers and world are the same in every run that is asked.
        debug_assert_eq!(self.world, World::default(), "states of one world are compared");
        *hash = Some(state);
    }
}
