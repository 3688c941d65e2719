//! BLAKE3 with a key, as a MAC and as a key derivation.

use std::hint::black_box;

use blake3::Hasher;
use zeroize::Zeroize;

use super::{Kind, Subject};
use crate::bench::{Bench, Trouble};

pub(super) const SUBJECT: Subject = Subject {
    name: "blake3",
    kind: Kind::Mac,
    life: "keyed hash: at once, by a Hasher in a box that is dropped, and by one that is wiped \
           first",
    note: "A Hasher wipes itself only if asked, with the feature zeroize, which is not a default.",
    run,
};

const TEXT: &[u8] = b"what is hashed is no secret here";

fn run(bench: &mut Bench<'_>) -> Result<(), Trouble> {
    let at_once = bench.draw::<32>("key hashed at once")?;
    let dropped = bench.draw::<32>("key dropped")?;
    let wiped = bench.draw::<32>("key wiped")?;

    let tag = bench.call("keyed_hash", || Box::new(blake3::keyed_hash(&at_once, TEXT)));
    bench.check(*tag == blake3::keyed_hash(&at_once, TEXT), "the tag is that of the text")?;

    let mut hasher =
        Some(bench.call_that_moves("new and box", || Box::new(Hasher::new_keyed(&dropped))));
    let tag = bench
        .call("update", || hasher.as_mut().map(|hasher| Box::new(hasher.update(TEXT).finalize())));
    bench.call("drop the box", || hasher = None);
    bench.check(
        tag.is_some_and(|tag| *tag == blake3::keyed_hash(&dropped, TEXT)),
        "a boxed hasher makes the same tag",
    )?;

    let tag = bench.call("hash and wipe", || {
        let mut hasher = Hasher::new_keyed(&wiped);
        let tag = Box::new(hasher.update(TEXT).finalize());
        hasher.zeroize();
        black_box(&hasher);
        tag
    });
    bench.retire(&at_once, "the tag is made");
    bench.retire(&dropped, "the hasher is dropped");
    bench.retire(&wiped, "the hasher is wiped");
    bench.check(*tag == blake3::keyed_hash(&wiped, TEXT), "a hasher that is wiped made its tag")
}
