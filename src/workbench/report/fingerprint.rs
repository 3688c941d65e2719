//! A short name that says "the same bug".

use core::fmt;

use crate::invariant::Violation;
use crate::observation::Trace;

/// Made of the invariant, the call that showed it and the shape of the sequence until then.
///
/// The shape is which calls were made on which slots and how they were answered, without numbers
/// in arguments: two instances of one bug, minimised, have the same. The stack plays no part.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Fingerprint(u32);

impl Fingerprint {
    /// The fingerprint of a violation. It says most when the trace is that of a minimised sequence.
    #[must_use]
    pub fn new(violation: &Violation, trace: &Trace) -> Self {
        let mut hash = Fnv::new();
        hash.bytes(violation.invariant.as_bytes());
        let calls = trace.calls.iter().take(violation.call + 1).take(trace.sequence_len);
        for seen in calls {
            hash.bytes(&[seen.call.kind().opcode()]);
            for slot in [seen.device_slot, seen.session_slot] {
                hash.bytes(&slot.map_or(u16::MAX, |slot| slot).to_le_bytes());
            }
            hash.bytes(&seen.code.map_or(1, |code| code.0).to_le_bytes());
        }
        Self(hash.finish())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}-{:04x}", self.0 >> 16, self.0 & 0xFFFF)
    }
}

/// FNV-1a, 64 bits folded to 32: stable for ever, unlike the standard library's hashers.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }

    fn finish(self) -> u32 {
        u32::try_from((self.0 >> 32) ^ (self.0 & 0xFFFF_FFFF)).expect("32 bits are left")
    }
}
