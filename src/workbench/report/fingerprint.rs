//! A short name that says "the same bug".

use core::fmt;
use core::str::FromStr;

use super::{Aftermath, evidence};
use crate::invariant::Violation;
use crate::observation::Trace;

/// Made of the evidence and of the aftermath. The evidence is the invariant, the calls that led to it
/// with their answers, and what showed it. The [`Aftermath`] is what the same calls with a few more
/// show, because two bugs may look the same where they first show and differ a call later.
///
/// Two instances of one bug have the same once they are minimised; it is the same on every machine,
/// except where what a compiler leaves on the stack or in registers is what shows the bug.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Fingerprint(u32);

impl Fingerprint {
    /// The fingerprint of a violation. It says most when the trace is that of a minimised sequence.
    #[must_use]
    pub fn new(violation: &Violation, trace: &Trace, aftermath: &Aftermath) -> Self {
        let mut hash = Fnv::default();
        evidence::show(violation, trace, &mut |piece| hash.bytes(piece));
        hash.bytes(&aftermath.of(violation.invariant));
        Self(hash.finish())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}-{:04x}", self.0 >> 16, self.0 & 0xFFFF)
    }
}

/// A text that is no fingerprint.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{text:?} is no fingerprint; one looks like 5f0c-91ab")]
pub struct NoFingerprint {
    text: String,
}

impl FromStr for Fingerprint {
    type Err = NoFingerprint;

    /// Reads what [`Display`](fmt::Display) writes, and nothing else.
    fn from_str(text: &str) -> Result<Self, NoFingerprint> {
        let read = || {
            let (high, low) = text.split_once('-')?;
            let half = |digits: &str| u16::from_str_radix(digits, 16).ok().map(u32::from);
            Some(Self(half(high)? << 16 | half(low)?))
        };
        // Signs, capitals and missing digits are not written again as they were read.
        let it: Option<Self> = read().filter(|it: &Self| it.to_string() == text);
        it.ok_or_else(|| NoFingerprint { text: text.to_owned() })
    }
}

/// FNV-1a, 64 bits folded to 32: stable for ever, unlike the standard library's hashers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }
}

impl Fnv {
    /// A piece and its length, so that no other pieces in a row are the same.
    pub(super) fn bytes(&mut self, piece: &[u8]) {
        for &byte in piece.iter().chain(&(piece.len() as u64).to_le_bytes()) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }

    pub(super) fn to_bytes(&self) -> [u8; 8] {
        self.0.to_le_bytes()
    }

    fn finish(self) -> u32 {
        u32::try_from((self.0 >> 32) ^ (self.0 & 0xFFFF_FFFF)).expect("32 bits are left")
    }
}

#[cfg(test)]
mod tests {
    use rekeylab_ddi::Hresult;

    use super::*;
    use crate::observation::{Observation, Place, SecretKind, SecretName, Sighting};
    use crate::sequence::{Call, CallKind};

    /// What `change` makes of the fingerprint of a key seen after the last of two calls.
    fn changed(change: impl Fn(&mut Trace)) -> bool {
        let fingerprint = |change: &dyn Fn(&mut Trace)| {
            let mut trace = Trace::default();
            for kind in [CallKind::ExchangeKey, CallKind::SubmitBuffer] {
                let mut seen = Observation::new(kind.plain());
                seen.session_slot = Some(0);
                seen.code = Some(Hresult::S_OK);
                trace.calls.push(seen);
            }
            trace.sequence_len = 2;
            trace.secrets.push(SecretName { kind: SecretKind::Key, session: 0, epoch: 0 });
            let place = Place::Stack { depth: 64 };
            trace.sightings.push(Sighting { secret: 0, window: 0, call: 1, place });
            change(&mut trace);
            let violation = Violation {
                invariant: "key-residue",
                call: 1,
                session: Some(0),
                happened: String::new(),
                expected: String::new(),
                rules: "",
                is_inferred: false,
                place: None,
            };
            Fingerprint::new(&violation, &trace, &Aftermath::default())
        };
        fingerprint(&change) != fingerprint(&|_| {})
    }

    #[test]
    fn the_text_of_a_fingerprint_is_read_again_and_no_other_is() {
        for number in [0, 1, 0x5F0C_91AB, u32::MAX] {
            let fingerprint = Fingerprint(number);
            assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        }
        for wrong in ["", "5f0c91ab", "5F0C-91AB", "5f0c-91a", "+f0c-91ab", "5f0c-91ab-"] {
            assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn calls_arguments_answers_and_kinds_of_places_count() {
        assert!(changed(|trace| trace.calls[0].call = CallKind::SessionStatus.plain()));
        assert!(changed(|trace| trace.calls[0].session_slot = Some(1)));
        assert!(changed(|trace| trace.calls[0].code = Some(Hresult::E_FAIL)));
        assert!(changed(|trace| trace.calls[1].scalar = 7));
        assert!(changed(|trace| {
            if let Call::SubmitBuffer { iv, .. } = &mut trace.calls[1].call {
                *iv = 256;
            }
        }));
        assert!(changed(|trace| trace.secrets[0].kind = SecretKind::Random));
        assert!(changed(|trace| trace.sightings[0].place = Place::Output { offset: 0 }));
    }

    #[test]
    fn what_differs_from_build_to_build_does_not_count() {
        assert!(!changed(|trace| trace.sightings[0].place = Place::Stack { depth: 72 }));
        assert!(!changed(|trace| trace.sightings[0].window = 8));
        assert!(!changed(|trace| trace.sightings.push(trace.sightings[0])));
        assert!(!changed(|trace| trace.calls[0].scalar = 7));
    }

    #[test]
    fn how_a_slot_is_spelt_does_not_count_and_neither_does_what_comes_later() {
        assert!(!changed(|trace| {
            if let Some(session) = trace.calls[0].call.session_mut() {
                session.slot.0 = 9;
            }
        }));
        assert!(!changed(|trace| trace.calls.push(Observation::new(CallKind::Retire.plain()))));
    }
}
