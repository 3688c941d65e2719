//! The reference model: what a driver should have answered, worked out slowly and obviously.
//!
//! It replays a trace with its own arithmetic and shares nothing with the driver above the AES
//! block function. Where driver and model disagree there is a [`Divergence`]; from then on the
//! model no longer judges what that disagreement can have touched.
//!
//! Where the documents are silent and an answer does not show what it did, a driver may be in one of
//! several states. The model then goes on in each of them, until what is seen leaves one or none.

mod capabilities;
mod completions;
mod predict;
mod processed;
mod readings;
mod replay;
mod state;

use std::collections::VecDeque;

pub use capabilities::CapabilityFault;
pub use processed::Processed;
pub use state::{KeyName, ModelSession};
use state::{ModelCommand, ModelDevice};

use rekeylab_ddi::Hresult;

use super::scratch::Scratch;
use crate::observation::{Observation, StateHash, Trace};
use crate::sequence::expand::KeyRing;

/// The model's view of the adapter.
#[derive(Debug, Default)]
pub struct Model {
    devices: Vec<ModelDevice>,
    sessions: Vec<ModelSession>,
    queue: VecDeque<ModelCommand>,
    /// Bytes that wait for the GPU.
    queued_len: usize,
    last_fence: u64,
    /// Every key that ever was in force.
    keys: Vec<(KeyName, [u8; 16])>,
    /// Nothing is judged any more: what went wrong can have touched everything.
    is_lost: bool,
    divergences: Vec<Divergence>,
    /// The other states that the driver may be in; of these, none has others.
    others: Vec<Self>,
    /// Kept from replay to replay.
    key_ring: KeyRing,
    /// What the invariants write down when they are asked.
    pub(super) scratch: Scratch,
}

/// What the model says a call must answer, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The code.
    pub code: Hresult,
    /// The reason, as a clause: "the session is destroyed".
    pub because: &'static str,
    /// The rules that say so.
    pub rules: &'static str,
}

/// A place where driver and model disagree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Divergence {
    /// The call: an index into the trace's calls.
    pub call: usize,
    /// The session slot whose behaviour it is about.
    pub session: Option<u16>,
    /// What the model expected the call to answer.
    pub answer: Answer,
    /// What they disagree about.
    pub about: Disagreement,
}

/// What driver and model disagree about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Disagreement {
    /// The code.
    Code,
    /// What it says that it can do.
    Capabilities(CapabilityFault),
    /// The random number that start handed out is not the one that was drawn.
    Random,
    /// A call handed out a number that had to be drawn again (S-12), or did not draw at all.
    StaleDraw,
    /// What was handed out is not the read-back key that was drawn, wrapped under the key in force.
    Wrap {
        /// The key that it had to be wrapped under.
        expected: KeyName,
        /// A key that would explain the bytes, if the client knows one.
        used: Option<KeyName>,
        /// What else would, if no key does.
        instead: Option<WrapInstead>,
    },
    /// The fence of an accepted buffer does not follow the last one.
    Fence,
    /// A create that succeeded wrote no handle.
    Handle,
    /// The status.
    Status {
        /// The one the session has.
        expected: u32,
    },
    /// The completions that a retire delivered: the first one that is wrong.
    Completions {
        /// What is wrong with it.
        what: CompletionFault,
    },
    /// A surface was not read back, although counters are left.
    ReadBack {
        /// The call that submitted its buffer.
        submitted: usize,
        /// The session slot of that buffer.
        session: u16,
        /// What the driver refused with.
        code: Hresult,
    },
    /// A buffer came out of the GPU with the wrong bytes.
    Plaintext {
        /// The call that submitted it.
        submitted: usize,
        /// The key it had to be processed under.
        expected: KeyName,
        /// A key that would explain the bytes, if the client knows one.
        used: Option<KeyName>,
        /// What else would, if no key does.
        instead: Option<Instead>,
    },
}

/// What explains a buffer that was processed under no key that ever was in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Instead {
    /// Nothing, or the right key twice: it came back as it was submitted.
    Nothing,
    /// Sixteen bytes of zero.
    Zeros,
    /// A key and a random number that was drawn for a refresh of another.
    Mixed {
        /// The key.
        key: KeyName,
        /// Whose random number it was XORed with.
        random_of: u16,
    },
    /// A key and a read-back key.
    MixedWithReadBackKey {
        /// The key.
        key: KeyName,
        /// Whose read-back key it was XORed with.
        read_back_key_of: u16,
    },
    /// The right key, and a read-back that was encrypted under another than the one in force.
    ReadBackUnder {
        /// That key.
        key: KeyName,
    },
    /// The right key, and a read-back that was not encrypted at all.
    ReadBackInTheClear,
    /// The right key, and bytes that are not the buffer's, or not from that place of it.
    Bytes {
        /// The call that submitted them.
        of: usize,
    },
}

/// What explains a read-back key that was wrapped under no key that ever was in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WrapInstead {
    /// It was not wrapped at all.
    Nothing,
    /// It was XORed with the key in force.
    Xored,
    /// It was decrypted with the key in force.
    Decrypted,
    /// The wrap is right, and of the read-back key before.
    TheOneBefore,
    /// The wrap is under this.
    Under(Instead),
}

/// How a completion can be wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CompletionFault {
    /// It was owed and did not come.
    Missing {
        /// The call that submitted the buffer.
        submitted: usize,
    },
    /// It came and nothing was owed, or not this.
    Unexpected,
    /// It came with another code, length or offset than it should.
    Different {
        /// The call that submitted the buffer.
        submitted: usize,
        /// The code it came with.
        code: Hresult,
    },
}

impl Model {
    /// Replays a whole trace from the beginning.
    pub fn replay(&mut self, trace: &Trace) {
        self.replay_first(trace, trace.calls.len());
    }

    /// Replays the first `count` calls of a trace.
    pub fn replay_first(&mut self, trace: &Trace, count: usize) {
        self.clear();
        for (index, seen) in trace.calls[..count.min(trace.calls.len())].iter().enumerate() {
            self.observe(trace, index, seen, Effect::AsAnswered);
        }
    }

    /// Where the driver disagreed, in order.
    #[must_use]
    pub fn divergences(&self) -> &[Divergence] {
        &self.divergences
    }

    /// The session in a slot, as the model sees it after the replay.
    #[must_use]
    pub fn session(&self, slot: u16) -> Option<&ModelSession> {
        self.sessions.get(usize::from(slot))
    }

    /// Whether the client gave two sessions the same first key, so that which of the two a later key
    /// belongs to is no evidence of where its bytes came from.
    #[must_use]
    pub fn share_first_key(&self, one: u16, other: u16) -> bool {
        let first = |session| {
            let is_first = |(name, _): &&(KeyName, _)| *name == KeyName { session, epoch: 0 };
            self.keys.iter().find(is_first).map(|(_, key)| key)
        };
        first(one).is_some() && first(one) == first(other)
    }

    /// Whether what a call did otherwise would be right had the refused call `cause` taken effect all the
    /// same.
    ///
    /// This is how a mark left by a refused call is told from other bugs: by trying it out.
    #[must_use]
    pub fn would_explain(trace: &Trace, cause: usize, symptom: &Divergence) -> bool {
        let mut model = Self::default();
        for (index, seen) in trace.calls[..symptom.call].iter().enumerate() {
            let effect = if index == cause { Effect::Forced } else { Effect::AsAnswered };
            model.observe(trace, index, seen, effect);
            if !model.divergences.is_empty() {
                return false;
            }
        }
        let Some(seen) = trace.calls.get(symptom.call) else { return false };
        if Some(model.predict(trace, seen).code) != seen.code {
            return false;
        }
        match symptom.about {
            Disagreement::Code => true,
            // Which of its draws it had to take is another matter than what it made of it.
            Disagreement::StaleDraw => {
                model.compare_outputs(trace, seen) != Some(Disagreement::StaleDraw)
            }
            _ => model.compare_outputs(trace, seen).is_none(),
        }
    }

    /// Writes all that its predictions to come depend on, provided it agrees with the driver so far.
    pub(super) fn write_state(&self, hash: &mut StateHash) {
        let Self {
            devices,
            sessions,
            queue,
            queued_len,
            last_fence,
            keys,
            is_lost,
            divergences: _, // there are none
            others,
            key_ring: _, // only saves time
            scratch: _,  // each begins anew
        } = self;
        hash.count(devices.len());
        devices.iter().for_each(|device| device.write_state(hash));
        hash.count(sessions.len());
        sessions.iter().for_each(|session| session.write_state(hash));
        hash.count(queue.len());
        queue.iter().for_each(|command| command.write_state(hash));
        hash.count(*queued_len);
        hash.number(*last_fence);
        hash.count(keys.len());
        for (KeyName { session, epoch }, key) in keys {
            hash.number(u64::from(*session) << 32 | u64::from(*epoch));
            hash.bytes(key);
        }
        hash.flag(*is_lost);
        hash.count(others.len());
        others.iter().for_each(|other| other.write_state(hash));
    }

    fn clear(&mut self) {
        self.devices.clear();
        self.sessions.clear();
        self.queue.clear();
        self.keys.clear();
        self.divergences.clear();
        self.others.clear();
        self.queued_len = 0;
        self.last_fence = 0;
        self.is_lost = false;
    }

    /// Stops judging a session.
    fn give_up_on(&mut self, session: Option<u16>) {
        match session.and_then(|slot| self.sessions.get_mut(usize::from(slot))) {
            Some(session) => session.is_given_up = true,
            None => self.is_lost = true,
        }
    }

    fn is_judged(&self, seen: &Observation) -> bool {
        let is_given_up = seen
            .session_slot
            .and_then(|slot| self.sessions.get(usize::from(slot)))
            .is_some_and(|session| session.is_given_up);
        !self.is_lost && !is_given_up
    }
}

/// Whether a call takes effect as it was answered, or although it was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Effect {
    AsAnswered,
    Forced,
}
