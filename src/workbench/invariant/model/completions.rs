//! What a retire has to deliver, and with which bytes.

use rekeylab_ddi::{Completion, Hresult};

use super::processed::{is_plaintext_of, whose_bytes};
use super::state::ModelCommand;
use super::{Answer, CompletionFault, Disagreement, Instead, Model};
use crate::observation::{Observation, RetireRoom, Trace};
use crate::sequence::expand;

impl Model {
    /// Completions must come in order, each exactly once, with the bytes of their buffer.
    pub(super) fn follow_retire(
        &mut self,
        trace: &Trace,
        index: usize,
        seen: &Observation,
        count: u32,
    ) {
        let delivered = trace.completions_of(seen);
        let owed = self.fitting(count, seen.room);
        let mut offset = 0;
        for number in 0..owed.max(delivered.len()) {
            let fault = match (delivered.get(number), number < owed) {
                (Some(completion), true) => self.completion_fault(completion, offset),
                (None, _) => self
                    .queue
                    .front()
                    .map(|command| CompletionFault::Missing { submitted: command.submitted }),
                (Some(_), false) => Some(CompletionFault::Unexpected),
            };
            if let Some(what) = fault {
                if !self.is_lost {
                    let answer = Answer {
                        code: Hresult::S_OK,
                        because: "what was accepted completes exactly once, in order",
                        rules: "INV-08 S-22",
                    };
                    self.diverge(index, seen, answer, Disagreement::Completions { what });
                }
                return;
            }
            let (Some(completion), Some(command)) = (delivered.get(number), self.queue.pop_front())
            else {
                return;
            };
            if !command.is_lost {
                self.queued_len -= command.len;
            }
            offset = completion.len.wrapping_add(offset);
            let owner = self.sessions.get(usize::from(command.key_name.session));
            let is_given_up = self.is_lost || owner.is_none_or(|session| session.is_given_up);
            if !command.is_lost && command.is_judged && !is_given_up {
                self.compare_plaintext(trace, index, seen, completion, &command);
            }
        }
        let is_claim_right = seen.claimed_count as usize == delivered.len();
        if (offset != seen.surface_len || !is_claim_right) && !self.is_lost {
            let what = CompletionFault::Unexpected;
            let answer = Answer {
                code: Hresult::S_OK,
                because: "what is claimed is what completed and no more",
                rules: "INV-09",
            };
            self.diverge(index, seen, answer, Disagreement::Completions { what });
        }
    }

    /// How many commands have to complete: as many as were asked for, unless the next does not fit.
    fn fitting(&self, count: u32, room: RetireRoom) -> usize {
        let mut left = room.surface_len as usize;
        let fits = |command: &&ModelCommand| {
            let len = if command.is_lost { 0 } else { command.len };
            let rest = left.checked_sub(len);
            left = rest.unwrap_or(left);
            rest.is_some()
        };
        let most = count.min(room.entries) as usize;
        self.queue.iter().take(most).take_while(fits).count()
    }

    fn completion_fault(&self, completion: &Completion, offset: u32) -> Option<CompletionFault> {
        let command = self.queue.front()?;
        if completion.fence != command.fence {
            return Some(CompletionFault::Unexpected);
        }
        let (code, len) = if command.is_lost {
            (Hresult::D3DDDIERR_DEVICEREMOVED, 0)
        } else {
            (Hresult::S_OK, command.len)
        };
        let is_right = completion.code == code
            && completion.len as usize == len
            && completion.offset == offset;
        (!is_right).then_some(CompletionFault::Different {
            submitted: command.submitted,
            code: completion.code,
        })
    }

    /// The bytes that came out must be the ciphertext under the key of the moment of submission.
    fn compare_plaintext(
        &mut self,
        trace: &Trace,
        index: usize,
        seen: &Observation,
        completion: &Completion,
        command: &ModelCommand,
    ) {
        let start = completion.offset as usize;
        let surface = trace.buffer_of(seen).get(start..start + command.len).unwrap_or_default();
        let submission = &trace.calls[command.submitted];
        let ciphertext = trace.buffer_of(submission);
        if is_plaintext_of(surface, ciphertext, &command.key, command.iv, command.count)
            && (command.is_apart || expand::is_payload(command.submitted, surface))
        {
            return;
        }
        let mut keys = self.all_keys();
        // The same session's keys explain more than another's, so they are tried first.
        keys.sort_by_key(|(name, _)| name.session != command.key_name.session);
        let explains =
            |key: &[u8; 16]| is_plaintext_of(surface, ciphertext, key, command.iv, command.count);
        let used = keys.iter().find(|(_, key)| explains(key)).map(|&(name, _)| name);
        let instead = match used {
            Some(_) => None,
            None if surface == ciphertext => Some(Instead::Nothing),
            None => self
                .read_back_otherwise(trace, surface, ciphertext, command)
                .or_else(|| self.explained_otherwise(&keys, explains))
                .or_else(|| {
                    whose_bytes(trace, index, surface, command).map(|of| Instead::Bytes { of })
                }),
        };
        let answer = Answer {
            code: Hresult::S_OK,
            because: "a buffer keeps the key of the moment it was submitted",
            rules: "S-17 INV-08",
        };
        let about = Disagreement::Plaintext {
            submitted: command.submitted,
            expected: command.key_name,
            used: used.filter(|&name| name != command.key_name),
            instead,
        };
        self.diverge(index, seen, answer, about);
    }
}
