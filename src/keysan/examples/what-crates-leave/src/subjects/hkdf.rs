//! HKDF-SHA-256: extract, then expand.

use std::hint::black_box;

use hkdf::Hkdf;
use sha2::Sha256;

use super::{Kind, Subject};
use crate::bench::{Bench, Trouble, failed};

pub(super) const SUBJECT: Subject = Subject {
    name: "hkdf",
    kind: Kind::Derivation,
    life: "HKDF-SHA-256: a shared secret is extracted and expanded to a key in the caller's buffer",
    note: "extract answers the pseudo-random key by value; hkdf has no feature that wipes it.",
    run,
};

const INFO: &[u8] = b"a purpose is public";

fn run(bench: &mut Bench<'_>) -> Result<(), Trouble> {
    let input = bench.draw::<32>("input key")?;
    let (prk, expander) = Hkdf::<Sha256>::extract(None, &*input);
    let prk = bench.learn("pseudo-random key", prk.as_ref())?;
    let mut expected = Box::new([0; 32]);
    expander.expand(INFO, &mut *expected).map_err(failed("expanding"))?;
    let key = bench.learn("key", &expected)?;

    let mut out = Box::new([0; 32]);
    let expanded = bench.call("new and expand", || {
        let expander = Hkdf::<Sha256>::new(None, &*input);
        let expanded = expander.expand(INFO, &mut *out);
        black_box(&expander);
        expanded
    });
    expanded.map_err(failed("expanding"))?;
    bench.check(*out == *key, "the key is the one that another run has made")?;

    let mut boxed = bench.call_that_moves("from the pseudo-random key and box", || {
        Hkdf::<Sha256>::from_prk(&*prk).ok().map(Box::new)
    });
    let expanded = bench.call("expand", || {
        boxed.as_ref().and_then(|expander| expander.expand(INFO, &mut *out).ok())
    });
    bench.call("drop the box", || boxed = None);
    bench.retire(&input, "it was expanded");
    bench.retire(&prk, "it was expanded");
    bench.retire(&key, "only the caller's buffer has it");
    bench.check(expanded.is_some() && *out == *key, "the boxed one makes the same key")
}
