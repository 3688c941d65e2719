//! Whether a sequence hangs as another does whose shortest form is known.

use crate::observation::Stage;
use crate::sequence::{Call, CallKind};
use crate::watchdog::Hang;

/// Whether a sequence leads to a hang that is known: it hangs in the same kind of call, and makes all the
/// calls before that the shortest form makes, in that order.
pub(super) fn is_reached_by(known: &Hang, hang: &Hang) -> bool {
    let until = |hang: &Hang| -> Option<Vec<CallKind>> {
        let calls = &hang.sequence.calls;
        let kinds = |calls: &[Call]| calls.iter().map(Call::kind).collect();
        match hang.stage {
            Stage::Call(call) => calls.get(..=call as usize).map(kinds),
            Stage::Opening | Stage::Dropping => Some(kinds(calls)),
        }
    };
    let (Some(known_calls), Some(calls)) = (until(known), until(hang)) else { return false };
    let is_same_stage = match (known.stage, hang.stage) {
        (Stage::Call(_), Stage::Call(_)) => known_calls.last() == calls.last(),
        (one, other) => one == other,
    };
    let mut rest = calls.iter();
    is_same_stage && known_calls.iter().all(|kind| rest.any(|its| its == kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::Layers;
    use crate::sequence::CallSequence;

    #[test]
    fn a_hang_that_is_reached_over_the_calls_of_a_known_one_is_that_hang() {
        let hang = |text: &str, stage| {
            let text = format!("# rekeylab sequence 1\n{text}");
            let sequence = CallSequence::from_bytes(text.as_bytes());
            Hang { sequence, layers: Layers::ALL, stage }
        };
        let known = hang("create-device\ncreate-session d0\nsession-status s0\n", Stage::Call(2));
        let longer =
            "create-device\ncreate-device\nretire 1\ncreate-session d0\nsession-status s0\n";
        assert!(is_reached_by(&known, &hang(longer, Stage::Call(4))));
        assert!(!is_reached_by(&known, &hang(longer, Stage::Call(3))), "it hangs in another call");
        assert!(!is_reached_by(&known, &hang(longer, Stage::Dropping)));
        let other = "create-device\nretire 1\nsession-status s0\n";
        assert!(!is_reached_by(&known, &hang(other, Stage::Call(2))), "it makes no session");
    }
}
