//! Under which key each buffer was processed, whatever it should have been.

use rekeylab_ddi::Completion;

use super::{Disagreement, Instead, KeyName, Model, ModelCommand, WrapInstead};
use crate::observation::{Observation, Phase, ReadBack, Trace};
use crate::sequence::Call;

/// A buffer that completed with bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Processed {
    /// The call that submitted it.
    pub submitted: usize,
    /// The key that explains the bytes, if the client knows one: of the buffer's own session, if
    /// several do.
    pub key: Option<KeyName>,
}

impl Model {
    /// What became of a buffer that completed in a trace which was replayed to its end; `None` if
    /// there are no bytes, or nobody submitted it.
    ///
    /// Unlike the replay itself this judges nothing, so it goes on where the replay gave up.
    #[must_use]
    pub fn processed(
        &self,
        trace: &Trace,
        retired: usize,
        completion: &Completion,
    ) -> Option<Processed> {
        let start = completion.offset as usize;
        let end = start.checked_add(completion.len as usize)?;
        let surface = trace.buffer_of(trace.calls.get(retired)?).get(start..end)?;
        let is_it = |index: &usize| {
            let seen = &trace.calls[*index];
            let is_buffer = matches!(seen.call, Call::SubmitBuffer { .. });
            is_buffer && seen.is_ok() && seen.scalar == completion.fence
        };
        let submitted = (0..retired).rev().find(is_it)?;
        let seen = &trace.calls[submitted];
        let Call::SubmitBuffer { iv, count, .. } = seen.call else { return None };
        let ciphertext = trace.buffer_of(seen);
        if surface.is_empty() {
            return None;
        }
        let explains =
            |(_, key): &&(KeyName, [u8; 16])| is_plaintext_of(surface, ciphertext, key, iv, count);
        let keys = self.all_keys();
        let is_own = |(name, _): &&(KeyName, _)| Some(name.session) == seen.session_slot;
        let own = keys.iter().filter(is_own).find(explains);
        let key = own.or_else(|| keys.iter().find(explains)).map(|&(name, _)| name);
        Some(Processed { submitted, key })
    }

    /// Every key that was in force, and those that will be when a refresh that is under way ends.
    pub(super) fn all_keys(&self) -> Vec<(KeyName, [u8; 16])> {
        let mut keys = self.keys.clone();
        for (slot, session) in self.sessions.iter().enumerate() {
            if session.phase == Phase::Pending {
                let mut next = session.key;
                next.iter_mut().zip(session.random).for_each(|(key, random)| *key ^= random);
                let session_slot = u16::try_from(slot).unwrap_or(u16::MAX);
                keys.push((KeyName { session: session_slot, epoch: session.epoch + 1 }, next));
            }
        }
        keys
    }

    /// What is wrong with a read-back key that was handed out wrapped, if it is not the one that was drawn,
    /// under the key in force.
    pub(super) fn wrapped_otherwise(
        &self,
        slot: u16,
        drawn: &[u8; 16],
        handed_out: &[u8],
    ) -> Option<Disagreement> {
        let session = self.sessions.get(usize::from(slot))?;
        let handed_out = handed_out.first_chunk::<16>();
        let is_wrap = |of: &[u8; 16], under: &[u8; 16]| {
            handed_out.is_some_and(|bytes| is_wrap_of(bytes, of, under))
        };
        if is_wrap(drawn, &session.key) {
            return None;
        }
        let expected = KeyName { session: slot, epoch: session.epoch };
        let mut keys = self.all_keys();
        // The same session's keys explain more than another's, so they are tried first.
        keys.sort_by_key(|(name, _)| name.session != slot);
        let used = keys.iter().find(|(_, key)| is_wrap(drawn, key)).map(|&(name, _)| name);
        let is_before = |before: &[u8; 16]| is_wrap(before, &session.key);
        let instead = if used.is_some() {
            None
        } else if handed_out == Some(drawn) {
            Some(WrapInstead::Nothing)
        } else if handed_out.is_some_and(|bytes| is_xor_of(bytes, drawn, &session.key)) {
            Some(WrapInstead::Xored)
        } else if handed_out.is_some_and(|bytes| is_wrap_of(drawn, bytes, &session.key)) {
            Some(WrapInstead::Decrypted)
        } else if session.last_read_back_key.as_ref().is_some_and(is_before) {
            Some(WrapInstead::TheOneBefore)
        } else {
            let is_under = |key: &[u8; 16]| is_wrap(drawn, key);
            self.explained_otherwise(&keys, is_under).map(WrapInstead::Under)
        };
        Some(Disagreement::Wrap { expected, used, instead })
    }

    /// What explains bytes that were read back encrypted, if it is not the buffer that is wrong but the read-back:
    /// the client has decrypted them under the key in force, which is undone here.
    pub(super) fn read_back_otherwise(
        &self,
        trace: &Trace,
        surface: &[u8],
        ciphertext: &[u8],
        command: &ModelCommand,
    ) -> Option<Instead> {
        let is_its = |read: &&ReadBack| read.fence == command.fence && read.refusal.is_none();
        let read = trace.read_backs.iter().rev().find(is_its)?;
        let in_force = self.sessions.get(usize::from(command.key_name.session))?.key;
        let xored = |bytes: &[u8], key: &[u8; 16]| {
            let mut bytes = bytes.to_vec();
            let counter = rekeylab_cipher::ctr_xor(key, read.iv, read.count, &mut bytes);
            counter.ok().map(|()| bytes)
        };
        let came = xored(surface, &in_force)?;
        let is_right = |plaintext: &[u8]| {
            is_plaintext_of(plaintext, ciphertext, &command.key, command.iv, command.count)
        };
        if is_right(&came) {
            return Some(Instead::ReadBackInTheClear);
        }
        let keys = self.all_keys();
        let under = |key| xored(&came, key).is_some_and(|bytes| is_right(&bytes));
        let (key, _) = keys.iter().find(|(_, key)| under(key))?;
        Some(Instead::ReadBackUnder { key: *key })
    }

    /// What explains bytes that none of the keys does.
    pub(super) fn explained_otherwise(
        &self,
        keys: &[(KeyName, [u8; 16])],
        explains: impl Fn(&[u8; 16]) -> bool,
    ) -> Option<Instead> {
        if explains(&[0; 16]) {
            return Some(Instead::Zeros);
        }
        let is_mixed_with = |random: [u8; 16]| {
            let is_it = |(_, key): &(KeyName, [u8; 16])| {
                let mut mixed = *key;
                mixed.iter_mut().zip(random).for_each(|(key, random)| *key ^= random);
                explains(&mixed)
            };
            keys.iter().find(|key| random != [0; 16] && is_it(key)).map(|&(key, _)| key)
        };
        let sessions = || (0..).zip(&self.sessions);
        let with_random = sessions().find_map(|(random_of, session)| {
            let last = session.last_random.filter(|random| *random != session.random);
            let mut drawn = [Some(session.random), last].into_iter().flatten();
            let key = drawn.find_map(is_mixed_with)?;
            Some(Instead::Mixed { key, random_of })
        });
        with_random.or_else(|| {
            sessions().find_map(|(read_back_key_of, session)| {
                let key = session.last_read_back_key.and_then(is_mixed_with)?;
                Some(Instead::MixedWithReadBackKey { key, read_back_key_of })
            })
        })
    }
}

/// Whether `wrapped` is what AES-ECB under `key` makes of `block`.
fn is_wrap_of(wrapped: &[u8; 16], block: &[u8; 16], key: &[u8; 16]) -> bool {
    let mut encrypted = *block;
    rekeylab_cipher::encrypt_block(key, &mut encrypted);
    encrypted == *wrapped
}

fn is_xor_of(bytes: &[u8; 16], one: &[u8; 16], other: &[u8; 16]) -> bool {
    bytes.iter().zip(one).zip(other).all(|((byte, one), other)| *byte == one ^ other)
}

/// The call that submitted the bytes which a driver processed in place of a buffer's own, if they were the
/// bytes of any: the key and the counter are taken to be the right ones, and the first block that came
/// out wrong is sought for among all that was accepted before.
pub(super) fn whose_bytes(
    trace: &Trace,
    retired: usize,
    surface: &[u8],
    command: &ModelCommand,
) -> Option<usize> {
    let own = trace.buffer_of(trace.calls.get(command.submitted)?);
    let blocks = surface.as_chunks::<16>().0.iter().zip(own.as_chunks::<16>().0);
    let read = (0..).zip(blocks).find_map(|(number, (came, own))| {
        let mut read = [counter_block(command.iv, command.count.wrapping_add(number))];
        rekeylab_cipher::encrypt_blocks(&command.key, &mut read);
        read[0].iter_mut().zip(came).for_each(|(byte, came)| *byte ^= came);
        (read[0] != *own).then_some(read[0])
    })?;
    let accepted = trace
        .calls
        .get(..retired)?
        .iter()
        .enumerate()
        .filter(|(_, seen)| matches!(seen.call, Call::SubmitBuffer { .. }) && seen.is_ok());
    let has_read = |seen: &Observation| trace.buffer_of(seen).windows(16).any(|at| at == read);
    accepted.filter(|(_, seen)| has_read(seen)).map(|(call, _)| call).next_back()
}

/// `IV || Count`, both big-endian.
fn counter_block(iv: u64, count: u64) -> [u8; 16] {
    (u128::from(iv) << 64 | u128::from(count)).to_be_bytes()
}

/// Whether `plaintext` is what AES-128-CTR under `key` makes of `ciphertext`.
///
/// The naive second opinion: counter blocks as 16 bytes, `IV || Count`, both big-endian,
/// encrypted one by one and XORed byte by byte. Only the block function is the driver's.
pub(super) fn is_plaintext_of(
    plaintext: &[u8],
    ciphertext: &[u8],
    key: &[u8; 16],
    iv: u64,
    mut count: u64,
) -> bool {
    if plaintext.len() != ciphertext.len() {
        return false;
    }
    let pairs = plaintext.chunks(BATCH * 16).zip(ciphertext.chunks(BATCH * 16));
    for (plain, cipher) in pairs {
        let mut blocks = [[0; 16]; BATCH];
        let block_count = plain.len().div_ceil(16);
        for block in &mut blocks[..block_count] {
            *block = counter_block(iv, count);
            count = count.wrapping_add(1);
        }
        rekeylab_cipher::encrypt_blocks(key, &mut blocks[..block_count]);
        let keystream = blocks.as_flattened();
        let is_equal = |((p, c), k): ((&u8, &u8), &u8)| p ^ c ^ k;
        if plain.iter().zip(cipher).zip(keystream).map(is_equal).fold(0, |all, byte| all | byte)
            != 0
        {
            return false;
        }
    }
    true
}

/// Counter blocks encrypted at a time.
const BATCH: usize = 8;

#[cfg(test)]
mod tests {
    use super::super::super::testing::{process_under, trace_of};
    use super::*;

    /// Under which key the buffer of call 8 was processed, if it was under the one of this seed.
    fn key_of(seed: u32) -> Option<KeyName> {
        let mut trace = trace_of(
            "d0 = create-device -> ok
            s0 = create-session d0 -> ok
            s1 = create-session d0 -> ok
            exchange-key s0 key=7 -> ok
            exchange-key s1 key=8 -> ok
            finish-refresh s0 -> ok
            start-refresh s0 -> ok
            finish-refresh s0 -> ok
            submit-buffer s0 iv=1 count=0 len=16 -> ok
            retire 1 -> ok",
        );
        process_under(&mut trace, 8, 9, seed);
        let mut model = Model::default();
        model.replay(&trace);
        let completion = trace.completions_of(&trace.calls[9])[0];
        let processed = model.processed(&trace, 9, &completion).unwrap();
        assert_eq!(processed.submitted, 8);
        processed.key
    }

    #[test]
    fn a_key_is_named_also_after_the_model_has_given_up_on_the_session() {
        assert_eq!(key_of(7), Some(KeyName { session: 0, epoch: 0 }));
        assert_eq!(key_of(8), Some(KeyName { session: 1, epoch: 0 }));
        assert_eq!(key_of(999), None);
    }
}
