//! Cuts a log of thousands of calls down to what a sequence may have.
//!
//! It only makes it shorter, by whole blocks; what is left is for the search to make plain.

use crate::sequence::call::{Call, CallSequence};
use crate::sequence::renumber;

/// A log that was cut, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cut {
    /// What is left of it.
    pub sequence: CallSequence,
    /// What was done, and how many calls were left after it, in order.
    pub steps: Vec<(&'static str, usize)>,
}

impl Cut {
    /// The first `end` calls of a log.
    pub(crate) fn prefix(log: &CallSequence, end: usize) -> Self {
        let calls = log.calls[..end.min(log.calls.len())].to_vec();
        let left = calls.len();
        let steps = vec![("up to the first call that shows it", left)];
        Self { sequence: CallSequence { calls }, steps }
    }

    /// Keeps only the calls that concern a session, or at least none that came before it and that its
    /// like do not need, if `holds` still says yes. `aims` says of each call which session slot and which
    /// device slot it was aimed at or created.
    pub(crate) fn keep_session(
        &mut self,
        session: u16,
        aims: &[(Option<u16>, Option<u16>)],
        mut holds: impl FnMut(&CallSequence) -> bool,
    ) {
        let calls = self.sequence.calls.clone();
        let mut aimed = calls.iter().zip(aims);
        let is_it = |(call, aim): (&Call, &(Option<u16>, Option<u16>))| {
            matches!(call, Call::CreateSession { .. }) && aim.0 == Some(session)
        };
        let Some(created) = aimed.position(is_it) else { return };
        let device = aims[created].1;
        let is_own = |index: usize| {
            aims.get(index).is_some_and(|&(slot, of)| match slot {
                Some(slot) => slot == session,
                None => of.is_none() || of == device,
            })
        };
        let is_late =
            |index: usize| index >= created || calls.get(index).is_some_and(brings_anything);
        if !self.keep("of the session that it is about alone", is_own, &mut holds) {
            self.keep("from the creation of the session that it is about", is_late, &mut holds);
        }
    }

    /// Drops halves, quarters and smaller blocks while `holds` still says yes, until no more than
    /// `calls_max` calls are left; or until it would have run more than `calls_left` calls.
    pub(crate) fn drop_blocks(
        &mut self,
        calls_max: usize,
        mut calls_left: u64,
        mut holds: impl FnMut(&CallSequence) -> bool,
    ) {
        let before = self.sequence.calls.len();
        let mut width = before.div_ceil(2);
        while width > 0 && self.sequence.calls.len() > calls_max && calls_left > 0 {
            let mut start = 0;
            while start < self.sequence.calls.len() && self.sequence.calls.len() > calls_max {
                let block = start..start + width;
                let candidate = kept(&self.sequence, |index| !block.contains(&index));
                let Some(left) = calls_left.checked_sub(candidate.calls.len() as u64) else {
                    calls_left = 0;
                    break;
                };
                calls_left = left;
                if holds(&candidate) {
                    self.sequence = candidate;
                } else {
                    start += width;
                }
            }
            width /= 2;
        }
        if self.sequence.calls.len() < before {
            self.steps.push(("without blocks that it does not need", self.sequence.calls.len()));
        }
    }

    fn keep(
        &mut self,
        step: &'static str,
        wanted: impl Fn(usize) -> bool,
        holds: &mut impl FnMut(&CallSequence) -> bool,
    ) -> bool {
        let candidate = kept(&self.sequence, wanted);
        let is_taken = candidate.calls.len() < self.sequence.calls.len() && holds(&candidate);
        if is_taken {
            self.steps.push((step, candidate.calls.len()));
            self.sequence = candidate;
        }
        is_taken
    }
}

/// Pieces of a log that are short enough to be run with everything looked into: each begins within the
/// one before, and with the calls that bring what it uses.
pub(crate) fn windows(
    log: &CallSequence,
    calls_max: usize,
) -> impl Iterator<Item = (usize, CallSequence)> {
    let width = calls_max / 2;
    (0..log.calls.len()).step_by((width / 2).max(1)).map(move |start| {
        let end = start + width;
        let is_in = |index: usize| (start..end).contains(&index);
        let is_early = |index: usize, call: &Call| index < start && brings_anything(call);
        let mut piece = log.clone();
        piece.calls.truncate(end);
        renumber::keep(&mut piece.calls, |index, call| is_in(index) || is_early(index, call));
        // Where very much was created before, the last of it is what is used.
        let surplus = piece.calls.len().saturating_sub(calls_max);
        let piece = kept(&piece, |index| index >= surplus);
        (start, piece)
    })
}

fn kept(sequence: &CallSequence, wanted: impl Fn(usize) -> bool) -> CallSequence {
    let mut calls = sequence.calls.clone();
    renumber::keep(&mut calls, |index, _| wanted(index));
    CallSequence { calls }
}

/// Whether later calls need it: it creates something, or gives a session its key.
fn brings_anything(call: &Call) -> bool {
    matches!(call, Call::CreateDevice | Call::CreateSession { .. } | Call::ExchangeKey { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequence::SequenceText;

    fn sequence(text: &str) -> CallSequence {
        SequenceText::parse_log(&format!("# rekeylab sequence 1\n{text}")).unwrap().sequence()
    }

    /// How many calls retire so many commands.
    fn retires(sequence: &CallSequence, wanted: u32) -> usize {
        let is_it = |call: &&Call| matches!(call, Call::Retire { count, .. } if *count == wanted);
        sequence.calls.iter().filter(is_it).count()
    }

    #[test]
    fn blocks_go_until_few_enough_calls_are_left() {
        let log = sequence(&format!("{}retire 7\n{}", "retire 1\n".repeat(2000), "retire 2\n"));
        let mut cut = Cut::prefix(&log, 2001);
        cut.drop_blocks(512, 1_000_000, |candidate| retires(candidate, 7) == 1);
        assert!(cut.sequence.calls.len() <= 512, "{}", cut.sequence.calls.len());
        assert_eq!(cut.steps.len(), 2);
    }

    #[test]
    fn a_log_that_needs_more_calls_stays_as_short_as_it_can_be() {
        let log = sequence(&"retire 1\nretire 2\n".repeat(600));
        let mut cut = Cut::prefix(&log, usize::MAX);
        cut.drop_blocks(512, 10_000_000, |candidate| retires(candidate, 1) == 600);
        assert_eq!(cut.sequence.calls.len(), 600);
    }

    #[test]
    fn cutting_ends_when_so_many_calls_have_run() {
        let log = sequence(&"retire 1\n".repeat(2000));
        let mut run = 0;
        let mut cut = Cut::prefix(&log, usize::MAX);
        cut.drop_blocks(512, 10_000, |candidate| {
            run += candidate.calls.len();
            false
        });
        assert_eq!(cut.sequence, log);
        assert!(run <= 10_000, "{run}");
    }

    #[test]
    fn windows_begin_with_what_creates_the_sessions_they_use() {
        let log = sequence(&format!(
            "create-device\ncreate-session d0\ncreate-session d0\nexchange-key s1 key=3\n{}",
            "session-status s1\n".repeat(1000)
        ));
        let (start, last) = windows(&log, 512).last().unwrap();
        assert!(start > 512);
        assert_eq!(last.calls[..4], log.calls[..4]);
        assert!(last.calls[4..].iter().all(|call| *call == log.calls[4]));
        assert!(windows(&log, 512).all(|(_, window)| window.calls.len() <= 512));
    }
}
