//! RSAES-OAEP with an empty label, whose random seed is made of the key, so that runs repeat.

use core::convert::Infallible;

use rsa::PublicKey;
use rsa::rand_core::{TryCryptoRng, TryRng};
use serde::Deserialize;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use zeroize::{Zeroize as _, Zeroizing};

/// Length of a blob, in bytes.
pub(super) const BLOB_LEN: usize = 256;

/// The hash of the label and of the mask. The documents name none (S-13).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
pub enum Hash {
    /// SHA-512.
    #[default]
    #[serde(rename = "sha-512")]
    Sha512,
    /// SHA-256.
    #[serde(rename = "sha-256")]
    Sha256,
    /// SHA-1.
    #[serde(rename = "sha-1")]
    Sha1,
}

/// Wraps a key; `None` if the modulus has not the length of a blob.
pub(super) fn wrap(public: &PublicKey, hash: Hash, key: &[u8; 16]) -> Option<Zeroizing<Vec<u8>>> {
    let mut seed = SeedOf::new(key);
    let wrapped = match hash {
        Hash::Sha512 => public.oaep_encrypt_with_rng::<Sha512, _>(&mut seed, key),
        Hash::Sha256 => public.oaep_encrypt_with_rng::<Sha256, _>(&mut seed, key),
        Hash::Sha1 => public.oaep_encrypt_with_rng::<Sha1, _>(&mut seed, key),
    };
    wrapped.ok().filter(|blob| blob.len() == BLOB_LEN).map(Zeroizing::new)
}

/// Random numbers that are made of a key: SHA-512 over the key and a count.
///
/// Whoever guesses the key can see that it was the right one. So it is for keys of sequences, which are known, and for
/// none that is worth anything.
struct SeedOf {
    key: Zeroizing<[u8; 16]>,
    count: u64,
    block: Zeroizing<[u8; 64]>,
    /// How much of the block was given out.
    used: usize,
}

impl SeedOf {
    fn new(key: &[u8; 16]) -> Self {
        let block = Zeroizing::new([0; 64]);
        Self { key: Zeroizing::new(*key), count: 0, used: block.len(), block }
    }

    fn next(&mut self) -> u8 {
        if self.used == self.block.len() {
            let hash = Sha512::new_with_prefix(b"rekeylab RSAES-OAEP seed");
            let mut hash =
                hash.chain_update(self.key.as_slice()).chain_update(self.count.to_le_bytes());
            hash.finalize_into_reset((&mut *self.block).into());
            (self.count, self.used) = (self.count + 1, 0);
        }
        self.used += 1;
        self.block[self.used - 1]
    }
}

impl TryRng for SeedOf {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill_with(|| self.next());
        Ok(())
    }
}

impl TryCryptoRng for SeedOf {}

impl Drop for SeedOf {
    fn drop(&mut self) {
        self.block.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use rsa::BoxedUint;
    use rsa::PrivateKey;

    use super::*;

    /// A number of the sample driver's key, which everybody has.
    fn number(name: &str) -> BoxedUint {
        let text = include_str!("../../../../examples/vendor-driver/rsa_key.h");
        let list = text.split(&format!("{name}[32] = {{")).nth(1).unwrap();
        let list = list.split('}').next().unwrap();
        let limbs = list.split(',').map(str::trim).filter(|limb| !limb.is_empty());
        let limb = |limb: &str| u64::from_str_radix(limb.trim_start_matches("0x"), 16).unwrap();
        let mut bytes: Vec<u8> = limbs.flat_map(|it| limb(it).to_le_bytes()).collect();
        bytes.reverse();
        BoxedUint::from_be_slice(&bytes, 2048).unwrap()
    }

    fn private() -> PrivateKey {
        let (n, d) = (number("rsa_modulus"), number("rsa_private_exponent"));
        PrivateKey::from_components(n, BoxedUint::from(65_537_u64), d, Vec::new()).unwrap()
    }

    #[test]
    fn the_owner_of_the_private_key_finds_the_session_key_under_the_hash_that_was_said() {
        let (private, key) = (private(), [7; 16]);
        let opened = |hash, blob: &[u8]| match hash {
            Hash::Sha512 => private.oaep_decrypt::<Sha512>(blob).ok(),
            Hash::Sha256 => private.oaep_decrypt::<Sha256>(blob).ok(),
            Hash::Sha1 => private.oaep_decrypt::<Sha1>(blob).ok(),
        };
        let all = [Hash::Sha512, Hash::Sha256, Hash::Sha1];
        for hash in all {
            let blob = wrap(private.as_public_key(), hash, &key).unwrap();
            assert_eq!(blob.len(), BLOB_LEN);
            for other in all {
                let expected = (other == hash).then(|| key.to_vec());
                assert_eq!(opened(other, &blob), expected, "{hash:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_key_has_one_blob_and_two_keys_have_two() {
        let private = private();
        let blob = |key| wrap(private.as_public_key(), Hash::Sha512, &[key; 16]).unwrap();
        assert_eq!(*blob(1), *blob(1));
        assert_ne!(*blob(1), *blob(2));
    }
}
