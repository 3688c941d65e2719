//! Argon2id, which stretches a password.

use argon2::{Algorithm, Argon2, Params, Version};

use super::{Kind, Subject};
use crate::bench::{Bench, Trouble, failed};

pub(super) const SUBJECT: Subject = Subject {
    name: "argon2",
    kind: Kind::Derivation,
    life: "Argon2id: a password becomes a key in the caller's buffer",
    note: "With the feature zeroize, which is not a default, and 64 KiB of memory, to be quick.",
    run,
};

const SALT: &[u8; 16] = b"a salt is public";

fn run(bench: &mut Bench<'_>) -> Result<(), Trouble> {
    let password = bench.draw_password::<24>("password")?;
    let derive = |password: &[u8], out: &mut [u8; 32]| {
        let params = Params::new(64, 2, 1, Some(32))?;
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(password, SALT, out)
    };
    let mut expected = Box::new([0; 32]);
    derive(&*password, &mut expected).map_err(failed("stretching"))?;
    let key = bench.learn("key", &expected)?;

    let mut out = Box::new([0; 32]);
    let derived = bench.call("hash the password", || derive(&*password, &mut out));
    derived.map_err(failed("stretching"))?;
    bench.retire(&password, "the key is made");
    bench.retire(&key, "only the caller's buffer has it");
    bench.check(*out == *key, "the key is the one that another run has made")
}
