//! HMAC-SHA-256 of RustCrypto.

use std::hint::black_box;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{Kind, Subject};
use crate::bench::{Bench, Trouble};

pub(super) const SUBJECT: Subject = Subject {
    name: "hmac",
    kind: Kind::Mac,
    life: "HMAC-SHA-256: one makes a tag, another one in a box verifies it",
    note: "With the feature zeroize, which is not a default. The key itself is only in its padded \
           block.",
    run,
};

const TEXT: &[u8] = b"what is signed is no secret here";

fn run(bench: &mut Bench<'_>) -> Result<(), Trouble> {
    let key = bench.draw::<32>("key")?;
    let tag = bench.call("make a tag", || {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*key).ok()?;
        mac.update(TEXT);
        let tag = Box::new(mac.finalize().into_bytes());
        Some(black_box(tag))
    });
    let mut mac = bench.call_that_moves("new and box", || {
        Hmac::<Sha256>::new_from_slice(&*key).ok().map(Box::new)
    });
    let is_verified = bench.call("verify a tag", || {
        let (Some(mac), Some(tag)) = (&mut mac, &tag) else { return false };
        mac.update(TEXT);
        mac.as_ref().clone().verify_slice(tag).is_ok()
    });
    bench.call("drop the box", || mac = None);
    bench.retire(&key, "both are dropped");
    bench.check(is_verified, "the tag is that of the text")
}
