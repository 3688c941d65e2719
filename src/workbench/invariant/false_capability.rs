//! `false-capability`: what is advertised works, and what works is advertised.

use rekeylab_ddi::ContentProtectionCaps as Caps;

use super::{
    CapabilityFault, Case, Disagreement, Invariant, Verdict, Violation, abort_function, nothing,
};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "false-capability",
    holds_when: "what is advertised works, and what works is advertised",
    check,
    remembers: nothing,
    abort: false_capability_found,
};

abort_function!(false_capability_found);

fn check(case: &Case<'_>, verdict: &mut Verdict) {
    for divergence in case.divergences {
        let Disagreement::Capabilities(fault) = divergence.about else { continue };
        if verdict.claims(divergence.call) {
            continue;
        }
        let (happened, expected) = told(fault);
        verdict.violations.push(Violation {
            invariant: INVARIANT.name,
            call: divergence.call,
            session: None,
            happened,
            expected,
            rules: "R-07 S-50 INV-11",
            is_inferred: false,
            place: None,
        });
    }
}

/// What happened, and what was expected.
fn told(fault: CapabilityFault) -> (String, String) {
    match fault {
        CapabilityFault::Hidden(bit) => (
            format!("did not say that {}", name(bit)),
            "a bit for all that works, or nobody uses it".to_owned(),
        ),
        CapabilityFault::Promised(bit) => (
            format!("said that {}", name(bit)),
            "no bit for what does not work, or clients rely on it".to_owned(),
        ),
        CapabilityFault::Unknown(bits) => {
            (format!("set the bits {bits:#x}"), "bits that the documents know".to_owned())
        }
        CapabilityFault::Alignment { said, taken } => (
            format!("said that buffers are multiples of {said} bytes"),
            format!("{taken} bytes, which is what it takes"),
        ),
        CapabilityFault::KeyExchange => (
            "named another key exchange than it has".to_owned(),
            "the mechanism that takes the key".to_owned(),
        ),
        CapabilityFault::Padding => (
            "wrote into the padding of the structure".to_owned(),
            "zeros, which show nothing of its memory".to_owned(),
        ),
    }
}

/// What a bit says, as a clause.
fn name(bit: u32) -> &'static str {
    match bit {
        Caps::SOFTWARE => "the driver or the GPU does the cryptography",
        Caps::PROTECTION_ALWAYS_ON => "surfaces are always protected",
        Caps::PARTIAL_DECRYPTION => "buffers can be encrypted in parts",
        Caps::CONTENT_KEY => "content keys can be given",
        Caps::FRESHEN_SESSION_KEY => "the session key can be refreshed",
        Caps::ENCRYPTED_READ_BACK => "surfaces can be read back, encrypted",
        Caps::ENCRYPTED_READ_BACK_KEY => "read-back keys can be made",
        Caps::SEQUENTIAL_CTR_IV => "counters have to be sequential",
        Caps::ENCRYPT_SLICEDATA_ONLY => "only slices are encrypted",
        _ => "something that has no name can be done",
    }
}

#[cfg(test)]
mod tests {
    use rekeylab_ddi::{ContentProtectionCaps, Guid};

    use super::super::testing::{rings, trace_of, violations};
    use crate::observation::{Choices, Trace, UNTOUCHED};

    const ASKED: &str = "content-protection-caps -> ok\nd0 = create-device -> ok\n";

    /// The trace with other capabilities.
    fn saying(change: impl FnOnce(&mut ContentProtectionCaps)) -> Trace {
        let mut trace = trace_of(ASKED);
        let at = trace.calls[0].buffer.start as usize;
        let bytes = trace.bytes[at..].first_chunk_mut::<40>().unwrap();
        let mut caps = ContentProtectionCaps::from_bytes(bytes);
        change(&mut caps);
        *bytes = caps.to_bytes();
        trace
    }

    fn rings_when(change: impl FnOnce(&mut ContentProtectionCaps)) -> bool {
        match rings(&saying(change))[..] {
            [] => false,
            ["false-capability"] => true,
            ref other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_so_is_silent() {
        assert_eq!(rings(&trace_of(ASKED)), [""; 0]);
        let asked_often = "content-protection-caps type=null -> ok
            content-protection-caps profile=h264 -> ok
            content-protection-caps type=proprietary -> D3DDDIERR_UNSUPPORTEDCRYPTO
            content-protection-caps size=36 -> E_INVALIDARG
            content-protection-caps null=buffer -> E_INVALIDARG";
        assert_eq!(rings(&trace_of(asked_often)), [""; 0]);
    }

    #[test]
    fn every_bit_too_many_and_too_few_rings() {
        for bit in (0..32).map(|bit| 1 << bit) {
            // Who does the cryptography is its own business, as long as somebody does.
            let is_free = bit == ContentProtectionCaps::HARDWARE;
            assert_eq!(rings_when(|caps| caps.caps ^= bit), !is_free, "{bit:#x}");
        }
        let told =
            violations(&saying(|caps| caps.caps &= !ContentProtectionCaps::FRESHEN_SESSION_KEY));
        assert_eq!(told[0].happened, "did not say that the session key can be refreshed");
    }

    #[test]
    fn another_alignment_another_key_exchange_and_padding_ring() {
        assert!(rings_when(|caps| caps.block_alignment_size = 1));
        assert!(rings_when(|caps| caps.block_alignment_size = 0));
        assert!(rings_when(|caps| caps.key_exchange_type = Guid::KEY_EXCHANGE_RSAES_OAEP));
        assert!(rings_when(|caps| caps.key_exchange_type = Guid::NULL));
        assert!(!rings_when(|caps| caps.protected_memory_size = 0));
        let mut trace = trace_of(ASKED);
        let at = trace.calls[0].buffer.start as usize + ContentProtectionCaps::PADDING.start;
        trace.bytes[at] = 1;
        assert_eq!(rings(&trace), ["false-capability"]);
    }

    #[test]
    fn of_a_driver_that_has_more_only_what_can_be_called_is_judged() {
        let rings_of_more = |change: fn(&mut ContentProtectionCaps)| {
            let mut trace = saying(change);
            trace.choices.more_capabilities = true;
            let at = trace.calls[0].buffer.start as usize;
            trace.bytes[at..][ContentProtectionCaps::PADDING].fill(UNTOUCHED);
            let told = rings(&trace);
            trace.choices = trace.choices.with(Choices::HIDDEN_CAPABILITIES).unwrap();
            (told, rings(&trace))
        };
        let silent = (vec![], vec![]);
        assert_eq!(rings_of_more(|caps| caps.caps |= 0x8DF), silent);
        assert_eq!(rings_of_more(|caps| caps.key_exchange_type = Guid([9; 16])), silent);
        // It is free to hide what works, and not to promise what does not.
        assert_eq!(rings_of_more(|caps| caps.caps = 1), (vec!["false-capability"], vec![]));
        assert_eq!(rings_of_more(|caps| caps.block_alignment_size = 8).1, ["false-capability"]);
        let mut trace = saying(|_| ());
        trace.choices = Choices::default().with(Choices::HIDDEN_CAPABILITIES).unwrap();
        trace.choices.no_read_back_keys = true;
        let told = violations(&trace);
        assert_eq!(told[0].happened, "said that read-back keys can be made");
    }

    #[test]
    fn what_a_driver_that_has_more_writes_into_other_room_is_not_judged() {
        for size in [4, 36, 48] {
            let calls = format!("content-protection-caps size={size} -> ok");
            let mut trace = trace_of(&calls);
            trace.choices.more_capabilities = true;
            assert_eq!(rings(&trace), [""; 0], "{size}");
            trace.choices.more_capabilities = false;
            assert_eq!(rings(&trace), ["wrong-answer"], "{size}");
        }
    }
}
