//! Derived `Arbitrary` with index handles and a model: the competent plain harness.
//!
//! A handle is one byte, modulo what was created; everything that was ever created can be meant,
//! the dead too. The model is the oracle that all arms share.

use rekeylab::generate::sketch::Sketch;
use rekeylab::sequence::{CALLS_MAX, CallSequence, Slot};

use super::derived::Op;

/// A handle as the input has it.
pub type Handle = u8;

/// The calls that these operations make.
#[must_use]
pub fn sequence(ops: &[Op<Handle>]) -> CallSequence {
    let mut sketch = Sketch::default();
    let mut sequence = CallSequence::default();
    for op in ops.iter().take(CALLS_MAX) {
        let slot = |handle| Some(Slot(handle));
        if let Some(call) = op.call(&sketch, slot, slot) {
            sketch.note(&call);
            sequence.calls.push(call);
        }
    }
    sequence
}
