//! What became of a bug after it had shown: the second half of a fingerprint.

use super::evidence::{self, ABOUT_SECRETS};
use super::fingerprint::Fnv;
use crate::invariant::{Model, Verdict};
use crate::observation::Trace;
use crate::sequence::Call;

/// What the follow-ups of a sequence showed, in one number each for bugs about secrets and others.
///
/// Only what every build shows goes in: the codes of answers and of completions, statuses, which
/// named key each buffer was processed under (or that it was none), and what was broken; for bugs
/// about secrets also where the fast lane saw one. No byte that a driver wrote does.
///
/// Made by [`Workbench::aftermath`](crate::Workbench::aftermath), because a report runs nothing. The
/// default is that of a sequence which nothing follows.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Aftermath {
    of_answers: Fnv,
    of_secrets: Fnv,
}

impl Aftermath {
    /// Notes what a follow-up showed that was run without a look into memory.
    pub(crate) fn note(&mut self, trace: &Trace, verdict: &Verdict, model: &Model) {
        let Self { of_answers, of_secrets } = self;
        show(trace, verdict, model, &mut |piece| {
            of_answers.bytes(piece);
            of_secrets.bytes(piece);
        });
    }

    /// Notes what a follow-up showed in which freed memory was looked into too.
    pub(crate) fn note_secrets(&mut self, trace: &Trace, verdict: &Verdict, model: &Model) {
        let mut take = |piece: &[u8]| self.of_secrets.bytes(piece);
        show(trace, verdict, model, &mut take);
        evidence::show_marks(trace, &mut take);
    }

    /// Whether a bug of this invariant is told apart by where secrets are seen.
    pub(crate) fn is_about_secrets(verdict: &Verdict) -> bool {
        verdict.violations.iter().any(|violation| ABOUT_SECRETS.contains(&violation.invariant))
    }

    /// The number for a bug of this invariant.
    pub(super) fn of(&self, invariant: &str) -> [u8; 8] {
        let is_about_secrets = ABOUT_SECRETS.contains(&invariant);
        if is_about_secrets { &self.of_secrets } else { &self.of_answers }.to_bytes()
    }
}

/// Shows `take` the facts of a run that are the same in every build.
fn show(trace: &Trace, verdict: &Verdict, model: &Model, take: &mut impl FnMut(&[u8])) {
    for (index, seen) in trace.calls.iter().enumerate() {
        take(&[seen.call.kind().opcode()]);
        take(&seen.code.map_or(1, |code| code.0).to_le_bytes());
        if matches!(seen.call, Call::SessionStatus { .. }) && seen.is_ok() {
            take(&seen.scalar.to_le_bytes());
        }
        for completion in trace.completions_of(seen) {
            take(&completion.code.0.to_le_bytes());
            let Some(processed) = model.processed(trace, index, completion) else { continue };
            take(&(processed.submitted as u64).to_le_bytes());
            if let Some(key) = processed.key {
                take(&key.session.to_le_bytes());
                take(&key.epoch.to_le_bytes());
            }
        }
    }
    for violation in &verdict.violations {
        take(violation.invariant.as_bytes());
        take(&(violation.call as u64).to_le_bytes());
        take(&violation.session.unwrap_or(u16::MAX).to_le_bytes());
    }
}
