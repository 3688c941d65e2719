//! `key-residue`: no secret stays in memory that the driver gave back.
//!
//! It sees freed heap. Dead stack, registers and statics are not looked into.

use super::key_leak::report_sightings;
use super::{Case, Invariant, Verdict, abort_function};
use crate::observation::Place;

pub(super) const INVARIANT: Invariant = Invariant {
    name: "key-residue",
    holds_when: "no key and no random number is left in heap blocks that the driver gave back",
    check,
    abort: key_residue_found,
};

abort_function!(key_residue_found);

fn check(case: &Case<'_>, verdict: &mut Verdict) {
    report_sightings(case, verdict, INVARIANT.name, "S-79 INV-06", |place| match place {
        Place::FreedHeap { .. } => true,
        Place::Output { .. } | Place::Debug { .. } | Place::Panic { .. } => false,
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{rings, sight, trace_of};
    use crate::observation::Place;

    #[test]
    fn a_key_in_a_freed_block_is_residue() {
        let mut trace = trace_of(
            "d0 = create-device -> ok
            s0 = create-session d0 -> ok
            exchange-key s0 key=7 -> ok
            destroy-session s0 -> ok",
        );
        sight(&mut trace, 3, Place::FreedHeap { len: 48, offset: 0 });
        assert_eq!(rings(&trace), ["key-residue"]);
    }
}
