//! The XChaCha20-Poly1305 of orion, by its simple interface.

use orion::aead::{self, SecretKey};

use super::{Kind, Subject};
use crate::bench::{Bench, Trouble, failed};

pub(super) const SUBJECT: Subject = Subject {
    name: "orion",
    kind: Kind::Aead,
    life: "XChaCha20-Poly1305: a SecretKey in a box seals, opens, is printed and dropped",
    note: "With the feature zeroize, which is a default.",
    run,
};

fn run(bench: &mut Bench<'_>) -> Result<(), Trouble> {
    let key = bench.draw::<32>("key")?;
    let text = b"what is sealed is no secret here";

    let in_place = bench.call("seal", || {
        let key = SecretKey::try_from(&key[..]).ok()?;
        aead::seal(&key, text).ok().map(Box::new)
    });
    let sealed = in_place.ok_or(()).map_err(failed("sealing"))?;
    bench.look_at_output("what was sealed", &sealed);

    let mut boxed =
        bench.call_that_moves("new and box", || SecretKey::try_from(&key[..]).ok().map(Box::new));
    let opened = bench.call("open", || {
        let opened = boxed.as_ref().and_then(|key| aead::open(key, &sealed).ok());
        opened.map(Box::new)
    });
    let shown = format!("{boxed:?}");
    bench.look_at_text("Debug of the key", &shown);
    bench.call("drop the box", || boxed = None);
    bench.retire(&key, "both keys are dropped");
    bench.check(opened.is_some_and(|it| *it == text), "what was sealed is opened")
}
