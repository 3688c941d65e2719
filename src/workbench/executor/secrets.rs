//! Registers every secret before the driver can hold it, under a name.

use keysan::SecretSet;

use super::Run;
use super::dut::Dut;
use crate::observation::{Layer, Layers, SecretKind, SecretName};
use crate::sequence::{CALLS_MAX, Shape};

impl<D: Dut> Run<'_, D> {
    /// Registers a key, and what is made of it if that is searched for; answers which secret it is.
    ///
    /// It must look like nothing else: zeros or a counter would raise false alarms.
    fn register_key(&mut self, key: &[u8; 16], session: u16, epoch: u32) -> u32 {
        let name = SecretName { kind: SecretKind::Key, session, epoch };
        let secret = self.register(key, name);
        if self.layers.has(Layer::Derived) {
            let name = SecretName { kind: SecretKind::RoundKey, ..name };
            let mut schedule = [[0; 16]; ROUNDS];
            round_keys(key, &mut schedule);
            let tag = super::narrow(self.trace.secrets.len());
            self.trace.secrets.push(name);
            self.executor.made_of.push((tag, secret));
            for round_key in &schedule {
                let registered = self.executor.secrets.register_words(round_key, tag);
                registered.expect(ROOM_FOR_ALL);
            }
        }
        secret
    }

    /// Registers the key that a finish makes; `None` if arithmetic made one that looks like
    /// something else.
    pub(super) fn register_updated_key(
        &mut self,
        key: &[u8; 16],
        session: u16,
        epoch: u32,
    ) -> Option<u32> {
        keysan::looks_like_nothing_else(key).then(|| self.register_key(key, session, epoch))
    }

    /// Registers the key of a seed and a shape, which many sessions may share.
    pub(super) fn register_seed(
        &mut self,
        seed: (u32, Shape),
        key: &[u8; 16],
        session: u16,
    ) -> u32 {
        let exchanged = &self.executor.exchanged;
        if let Some(&(_, secret)) = exchanged.iter().find(|&&(known, _)| known == seed) {
            return secret;
        }
        let secret = self.register_key(key, session, 0);
        self.executor.exchanged.push((seed, secret));
        secret
    }

    /// Registers the first block of the keystream that a buffer is encrypted with, under that key.
    pub(super) fn register_keystream(
        &mut self,
        keystream: &[u8; 16],
        (session, epoch): (u16, u32),
        key: Option<u32>,
    ) {
        if keysan::looks_like_nothing_else(keystream) {
            let name = SecretName { kind: SecretKind::Keystream, session, epoch };
            let secret = self.register(keystream, name);
            self.executor.made_of.extend(key.map(|key| (secret, key)));
        }
    }

    /// Registers the random number that the next draw will answer; answers which secret it is.
    ///
    /// A start that does not draw leaves it to the next one, which then gives it its name. A fresh
    /// one was grown to look like nothing else.
    pub(super) fn register_random(
        &mut self,
        random: &[u8; 16],
        is_fresh: bool,
        name: SecretName,
    ) -> Option<u32> {
        if let Some((planned, secret)) = self.executor.planned
            && planned == *random
        {
            self.trace.secrets[secret as usize] = name;
            return Some(secret);
        }
        if !is_fresh && !keysan::looks_like_nothing_else(random) {
            self.executor.planned = None;
            return None;
        }
        let known = self.trace.secrets.len();
        let secret = self.register(random, name);
        self.executor.planned = (self.trace.secrets.len() > known).then_some((*random, secret));
        Some(secret)
    }

    /// Registers the random number that a driver has drawn by itself and handed out.
    pub(super) fn note_own_random(&mut self, random: &[u8; 16]) {
        let session = self.executor.client.session_mut(&self.seen);
        let epoch = session.map_or(0, |session| session.epoch);
        let secret = self.register_own(SecretKind::Random, random, epoch);
        if let (Some(session), Some(_)) = (self.executor.client.session_mut(&self.seen), secret) {
            session.random_secret = secret;
        }
    }

    /// Registers the read-back key that a driver has drawn by itself and handed out wrapped; which of its
    /// session it is, from 1.
    pub(super) fn note_own_read_back_key(&mut self, read_back_key: &[u8; 16], number: u32) {
        let secret = self.register_own(SecretKind::ReadBackKey, read_back_key, number);
        if let (Some(session), Some(_)) = (self.executor.client.session_mut(&self.seen), secret) {
            session.read_back_secret = secret;
        }
    }

    /// Registers what a driver has drawn by itself; `None` if it looks like something else.
    fn register_own(&mut self, kind: SecretKind, drawn: &[u8; 16], epoch: u32) -> Option<u32> {
        let session = self.seen.session_slot?;
        let name = SecretName { kind, session, epoch };
        keysan::looks_like_nothing_else(drawn).then(|| self.register(drawn, name))
    }

    /// Registers a secret and answers which one it is.
    ///
    /// It must look like nothing else: zeros or a counter would raise false alarms.
    fn register(&mut self, secret: &[u8; 16], name: SecretName) -> u32 {
        let tag = super::narrow(self.trace.secrets.len());
        // One that comes back, such as a restored key, keeps its first name.
        let registered = self.executor.secrets.register(secret, tag);
        if registered.is_err() && self.executor.calls_max > CALLS_MAX {
            // A log may bring more secrets than there is room for; it is cut by what it answers.
            (self.layers, self.trace.layers) = (Layers::NONE, Layers::NONE);
            self.trace.secrets.push(name);
            return tag;
        }
        let known = registered.expect(ROOM_FOR_ALL);
        if known == tag {
            self.trace.secrets.push(name);
            self.executor.note_watched(secret);
        }
        known
    }
}

/// The rounds of AES-128, each with its key; that of round 0 is the key itself.
const ROUNDS: usize = 10;

const ROOM_FOR_ALL: &str = "the set has room for all that CALLS_MAX calls can bring";

/// A call brings at most a key with its schedule, in windows: nine, and three for each round key.
const _: () =
    assert!(CALLS_MAX * (9 + 3 * ROUNDS) <= SecretSet::WINDOWS_MAX, "no secret may go unwatched");

/// The key schedule of AES-128 (FIPS 197, section 5.2), without the key itself.
fn round_keys(key: &[u8; 16], schedule: &mut [[u8; 16]; ROUNDS]) {
    let mut previous = *key;
    for (round, round_key) in schedule.iter_mut().enumerate() {
        let mut word: [u8; 4] = [previous[13], previous[14], previous[15], previous[12]];
        word.iter_mut().for_each(|byte| *byte = S_BOX[usize::from(*byte)]);
        word[0] ^= ROUND_CONSTANTS[round];
        for (place, byte) in round_key.iter_mut().enumerate() {
            word[place % 4] ^= previous[place];
            *byte = word[place % 4];
        }
        previous = *round_key;
    }
}

const ROUND_CONSTANTS: [u8; ROUNDS] = [1, 2, 4, 8, 16, 32, 64, 128, 27, 54];

/// The S-box, from its definition: the inverse in GF(2^8), then an affine map (FIPS 197, 5.1.1).
const S_BOX: [u8; 256] = {
    let mut table = [0; 256];
    // 3 generates the field, and 246 is its inverse: p runs over all elements and q over inverses.
    let (mut p, mut q) = (1_u8, 1_u8);
    loop {
        p ^= (p << 1) ^ (if p & 128 != 0 { 0x1B } else { 0 });
        q ^= q << 1;
        q ^= q << 2;
        q ^= q << 4;
        q ^= if q & 128 != 0 { 9 } else { 0 };
        let turned = q.rotate_left(1) ^ q.rotate_left(2) ^ q.rotate_left(3) ^ q.rotate_left(4) ^ q;
        table[p as usize] = turned ^ 0x63;
        if p == 1 {
            break;
        }
    }
    table[0] = 0x63;
    table
};

#[cfg(test)]
mod tests {
    use super::{ROUNDS, round_keys};

    #[test]
    fn the_schedule_is_that_of_the_standard() {
        let key = 0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c_u128.to_be_bytes();
        let mut schedule = [[0; 16]; ROUNDS];
        round_keys(&key, &mut schedule);
        // FIPS 197, appendix A.1.
        let expected = [
            (0, 0xa0fa_fe17_8854_2cb1_23a3_3939_2a6c_7605),
            (9, 0xd014_f9a8_c9ee_2589_e13f_0cc8_b663_0ca6),
        ];
        for (round, key) in expected {
            assert_eq!(u128::from_be_bytes(schedule[round]), key, "round {}", round + 1);
        }
    }
}
