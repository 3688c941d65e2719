//! What a client knows of the key of a session: the key that it exchanged, and what starts and finishes made of it.

use rekeylab_ddi::CtrIv;
use zeroize::Zeroize as _;

/// The keys of one session as a client has them, who never asks the driver for one.
///
/// Only what the driver answers with success changes them. They are wiped when the session ends.
#[derive(Default)]
pub(super) struct ClientKeys {
    in_force: [u8; 16],
    /// What the next finish applies; zeros before a start.
    random: [u8; 16],
}

impl ClientKeys {
    /// The driver took this key; a refresh that was under way is over (S-08).
    pub(super) fn exchanged(&mut self, key: &[u8; 16]) {
        rekeylab_cipher::copy_secret(key, &mut self.in_force);
        self.random.zeroize();
    }

    /// The driver handed this random number out; the last one counts (S-01).
    pub(super) fn started(&mut self, random: &[u8; 16]) {
        rekeylab_cipher::copy_secret(random, &mut self.random);
    }

    /// The driver uses the updated key from here on.
    pub(super) fn finished(&mut self) {
        let Self { in_force, random } = self;
        in_force.iter_mut().zip(&*random).for_each(|(key, random)| *key ^= random);
        random.zeroize();
    }

    /// Decrypts what was read back under the key in force, and under no other: a driver that used another shows bytes
    /// that no honest driver shows. What needs a Count beyond 2^64 - 1 stays as it is (S-33).
    pub(super) fn decrypt(&self, counter: CtrIv, bytes: &mut [u8]) {
        let (iv, count) = (counter.iv_number(), counter.count_number());
        let _ = rekeylab_cipher::ctr_xor(&self.in_force, iv, count, bytes);
    }
}

impl Drop for ClientKeys {
    fn drop(&mut self) {
        let Self { in_force, random } = self;
        in_force.zeroize();
        random.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key in force, as what it makes of zeros.
    fn keystream(keys: &ClientKeys) -> [u8; 16] {
        let mut bytes = [0; 16];
        keys.decrypt(CtrIv::new(3, 4), &mut bytes);
        bytes
    }

    #[test]
    fn a_random_number_counts_from_finish_on_and_once() {
        let mut keys = ClientKeys::default();
        keys.exchanged(&[0x11; 16]);
        let first = keystream(&keys);
        keys.started(&[0x55; 16]);
        keys.started(&[0x22; 16]);
        assert_eq!(keystream(&keys), first);
        keys.finished();
        let mut updated = ClientKeys::default();
        updated.exchanged(&[0x33; 16]);
        assert_eq!(keystream(&keys), keystream(&updated));
        keys.finished();
        assert_eq!(keystream(&keys), keystream(&updated));
        keys.started(&[0x44; 16]);
        keys.exchanged(&[0x11; 16]);
        keys.finished();
        assert_eq!(keystream(&keys), first);
    }
}
