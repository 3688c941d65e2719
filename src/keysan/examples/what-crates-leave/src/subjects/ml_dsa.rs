//! ML-DSA-44, signatures on lattices.

use std::hint::black_box;

use ml_dsa::{Keypair, MlDsa44, Signer, SigningKey, Verifier};

use super::{Kind, Subject};
use crate::bench::{Bench, Trouble};

pub(super) const SUBJECT: Subject = Subject {
    name: "ml-dsa",
    kind: Kind::Lattice,
    life: "ML-DSA-44: a key made of a seed signs, another one in a box signs again, both are \
           dropped",
    note: "With the feature zeroize, which is not a default. Looked for is the seed, not the \
           polynomials made of it.",
    run,
};

const TEXT: &[u8] = b"what is signed is no secret here";

fn run(bench: &mut Bench<'_>) -> Result<(), Trouble> {
    let seed = bench.draw::<32>("seed")?;
    let outside = SigningKey::<MlDsa44>::from_seed((&*seed).into());

    let signature = bench.call("sign", || {
        let key = SigningKey::<MlDsa44>::from_seed((&*seed).into());
        let signature = Box::new(key.sign(TEXT));
        black_box(&key);
        signature
    });
    let mut boxed = Some(bench.call_that_moves("new and box", || {
        Box::new(SigningKey::<MlDsa44>::from_seed((&*seed).into()))
    }));
    let again = bench.call("sign again", || boxed.as_ref().map(|key| Box::new(key.sign(TEXT))));
    bench.look_at_text("Debug of the key", &format!("{boxed:?}"));
    bench.call("drop the box", || boxed = None);
    bench.retire(&seed, "both keys are dropped");
    bench.check(
        outside.verifying_key().verify(TEXT, &signature).is_ok(),
        "the signature verifies",
    )?;
    bench.check(again == Some(signature), "the boxed key signs the same")
}
