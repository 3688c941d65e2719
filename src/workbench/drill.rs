//! How the planted faults are drilled: where each must be heard, and which cannot share a process.

use rekeylab_faults::Fault;

use crate::observation::{Layer, Layers};

/// The layers in which a fault is drilled.
///
/// A fault that leaves a secret or memory behind is looked for everywhere, one that shows a secret also in
/// `Debug` text. Any other is drilled in the fast lane, as most inputs of a campaign are run: with
/// everything looked into, much of what goes wrong between calls is also seen as a secret in the
/// wrong place, often a call earlier, and the fault's own alarm would never ring.
#[must_use]
pub fn layers_for(fault: Option<Fault>) -> Layers {
    // Memory that is left behind, and text in an encoding of its own, are seen by comparing runs.
    if fault.is_some_and(|fault| fault.breaks().contains("INV-06")) {
        return Layers::ALL;
    }
    match fault.map(Fault::rings) {
        None | Some("key-residue") => Layers::ALL,
        Some("key-leak") => Layers::FAST.with(Layer::Debug),
        Some(_) => Layers::FAST,
    }
}

/// Whether a call of the core with this fault may never return: no thread can be ended, so what runs in
/// a process that goes on afterwards must not enter it. `canary` drills it, and the tests of the command.
#[must_use]
pub fn hangs(fault: Fault) -> bool {
    fault.rings() == "no-hang"
}

/// Whether the drills of this fault disturb those of others in the same process.
#[must_use]
pub fn runs_alone(fault: Option<Fault>) -> bool {
    fault.is_some_and(Fault::is_seen_by_other_threads)
}
