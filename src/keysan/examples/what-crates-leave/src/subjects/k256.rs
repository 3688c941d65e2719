//! ECDSA on secp256k1.

use std::hint::black_box;

use k256::ecdsa::signature::{Signer, Verifier};
use k256::ecdsa::{Signature, SigningKey};

use super::{Kind, Subject};
use crate::bench::{Bench, Trouble, failed};

pub(super) const SUBJECT: Subject = Subject {
    name: "k256",
    kind: Kind::Signature,
    life: "ECDSA: a key signs, another one in a box signs again, both are dropped",
    note: "The scalar is looked for as it is written and as limbs; not in Montgomery form, and not \
           the nonce.",
    run,
};

const TEXT: &[u8] = b"what is signed is no secret here";

fn run(bench: &mut Bench<'_>) -> Result<(), Trouble> {
    let scalar = bench.draw::<32>("scalar")?;
    let mut limbs = Box::new(*scalar);
    limbs.reverse();
    let limbs = bench.learn("scalar as limbs", &limbs)?;
    let outside = SigningKey::from_slice(&*scalar).map_err(failed("a scalar of the group"))?;

    let signature = bench.call("sign", || {
        let key = SigningKey::from_slice(&*scalar).ok()?;
        let signature: Signature = key.sign(TEXT);
        black_box(&key);
        Some(Box::new(signature))
    });
    let mut boxed = bench
        .call_that_moves("new and box", || SigningKey::from_slice(&*scalar).ok().map(Box::new));
    let again = bench.call("sign again", || {
        let signature: Signature = boxed.as_ref()?.sign(TEXT);
        Some(Box::new(signature))
    });
    bench.look_at_text("Debug of the key", &format!("{boxed:?}"));
    bench.call("drop the box", || boxed = None);
    bench.retire(&scalar, "both keys are dropped");
    bench.retire(&limbs, "both keys are dropped");
    let signature = signature.ok_or(()).map_err(failed("signing"))?;
    let is_verified = outside.verifying_key().verify(TEXT, &*signature).is_ok();
    bench.check(is_verified, "the signature verifies")?;
    bench.check(again == Some(signature), "the boxed key signs the same")
}
