//! PBKDF2 with HMAC-SHA-256.

use sha2::Sha256;

use super::{Kind, Subject};
use crate::bench::{Bench, Trouble};

pub(super) const SUBJECT: Subject = Subject {
    name: "pbkdf2",
    kind: Kind::Derivation,
    life: "PBKDF2-HMAC-SHA-256: a password becomes a key in the caller's buffer",
    note: "With few rounds, to be quick.",
    run,
};

const SALT: &[u8; 16] = b"a salt is public";
const ROUNDS: u32 = 100;

fn run(bench: &mut Bench<'_>) -> Result<(), Trouble> {
    let password = bench.draw_password::<24>("password")?;
    let mut expected = Box::new([0; 32]);
    pbkdf2::pbkdf2_hmac::<Sha256>(&*password, SALT, ROUNDS, &mut *expected);
    let key = bench.learn("key", &expected)?;

    let mut out = Box::new([0; 32]);
    bench.call("derive", || {
        pbkdf2::pbkdf2_hmac::<Sha256>(&*password, SALT, ROUNDS, &mut *out);
    });
    bench.retire(&password, "the key is made");
    bench.retire(&key, "only the caller's buffer has it");
    bench.check(*out == *key, "the key is the one that another run has made")
}
