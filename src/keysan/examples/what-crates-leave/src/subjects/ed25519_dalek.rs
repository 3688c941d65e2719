//! Ed25519 signatures.

use std::hint::black_box;

use ed25519_dalek::{Signer, SigningKey, Verifier};
use sha2::{Digest, Sha512};

use super::{Kind, Subject};
use crate::bench::{Bench, Trouble, failed};

pub(super) const SUBJECT: Subject = Subject {
    name: "ed25519-dalek",
    kind: Kind::Signature,
    life: "Ed25519: a key made of a seed signs, another one in a box signs again, both are dropped",
    note: "Looked for are the seed and what it is expanded to: the scalar and the prefix of \
           nonces.",
    run,
};

const TEXT: &[u8] = b"what is signed is no secret here";

fn run(bench: &mut Bench<'_>) -> Result<(), Trouble> {
    let seed = bench.draw::<32>("seed")?;
    let outside = SigningKey::from_bytes(&seed);
    let scalar = bench.learn("scalar", &outside.to_scalar().to_bytes())?;
    let expanded = Sha512::digest(&seed[..]);
    let prefix = expanded[32..].try_into().map_err(failed("a hash of 64 bytes"))?;
    let prefix = bench.learn::<32>("nonce prefix", prefix)?;

    let signature = bench.call("sign", || {
        let key = SigningKey::from_bytes(&seed);
        let signature = Box::new(key.sign(TEXT));
        black_box(&key);
        signature
    });
    let mut boxed =
        Some(bench.call_that_moves("new and box", || Box::new(SigningKey::from_bytes(&seed))));
    let again = bench.call("sign again", || boxed.as_ref().map(|key| Box::new(key.sign(TEXT))));
    bench.look_at_text("Debug of the key", &format!("{boxed:?}"));
    bench.call("drop the box", || boxed = None);
    bench.retire(&seed, "both keys are dropped");
    bench.retire(&scalar, "both keys are dropped");
    bench.retire(&prefix, "both keys are dropped");
    bench.check(
        outside.verifying_key().verify(TEXT, &signature).is_ok(),
        "the signature verifies",
    )?;
    bench.check(again == Some(signature), "the boxed key signs the same")
}
