//! Derived `Arbitrary` with opaque handles: the input says a handle's value, as a first harness does.
//!
//! The n-th device or session has the handle n. That is generous: the core gives out 64-bit handles
//! with generations in them, which hardly any input would hit.

use rekeylab::generate::sketch::Sketch;
use rekeylab::sequence::{CALLS_MAX, CallSequence, Slot};

use super::derived::Op;

/// A handle as the input has it.
pub type Handle = u16;

/// The calls that these operations make.
///
/// A call with a handle that was never given out has no place in a sequence, which names what was
/// created. Before the first creation it becomes a call with the NULL handle, which the driver
/// refuses for the same reason; after that it is left out.
#[must_use]
pub fn sequence(ops: &[Op<Handle>]) -> CallSequence {
    let mut sketch = Sketch::default();
    let mut sequence = CallSequence::default();
    for op in ops {
        let (devices, sessions) = (sketch.devices.len(), sketch.sessions.len());
        let device = |handle| slot(handle, devices);
        let Some(call) = op.call(&sketch, device, |handle| slot(handle, sessions)) else {
            continue;
        };
        sketch.note(&call);
        sequence.calls.push(call);
        if sequence.calls.len() == CALLS_MAX {
            break;
        }
    }
    sequence
}

fn slot(handle: Handle, created: usize) -> Option<Slot> {
    if created == 0 {
        return Some(Slot(0));
    }
    let index = handle.checked_sub(1).filter(|&index| usize::from(index) < created)?;
    u8::try_from(index).ok().map(Slot)
}

#[cfg(test)]
mod tests {
    use super::slot;
    use rekeylab::sequence::Slot;

    #[test]
    fn a_handle_means_what_was_given_out_under_it_and_nothing_else() {
        assert_eq!(slot(1, 2), Some(Slot(0)));
        assert_eq!(slot(2, 2), Some(Slot(1)));
        assert_eq!(slot(3, 2), None);
        assert_eq!(slot(0, 2), None);
        assert_eq!(slot(7, 0), Some(Slot(0)), "the NULL handle");
    }
}
