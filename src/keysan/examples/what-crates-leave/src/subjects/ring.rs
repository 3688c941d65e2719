//! The AES-256-GCM and HMAC of ring, whose code is BoringSSL's.

use std::hint::black_box;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hmac;

use super::{Kind, Subject};
use crate::bench::{Bench, Trouble, failed};

pub(super) const SUBJECT: Subject = Subject {
    name: "ring",
    kind: Kind::Aead,
    life: "AES-256-GCM: a key seals, another one in a box opens; HMAC signs; all are dropped",
    note: "UnboundKey goes into LessSafeKey by value, so some copies are of moves that the \
           interface asks for. ring asks the processor what it has, whatever this was built with.",
    run,
};

const NONCE: [u8; 12] = *b"a new nonce.";

fn run(bench: &mut Bench<'_>) -> Result<(), Trouble> {
    let key = bench.draw::<32>("key")?;
    let mac_key = bench.draw::<32>("MAC key")?;
    let plain = b"what is sealed is no secret here, and several blocks of a cipher long";
    let mut text = plain.to_vec();
    text.reserve(64);
    let nonce = || Nonce::assume_unique_for_key(NONCE);

    let sealed = bench.call("seal", || {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*key)?);
        let sealed = key.seal_in_place_append_tag(nonce(), Aad::empty(), &mut text);
        black_box(&key);
        sealed
    });
    sealed.map_err(failed("sealing"))?;
    bench.look_at_output("what was sealed", &text);

    let boxed = bench.call_that_moves("new and box", || {
        UnboundKey::new(&AES_256_GCM, &*key).map(LessSafeKey::new).map(Box::new)
    });
    let mut boxed = Some(boxed.map_err(failed("a key of 32 bytes"))?);
    let is_opened = bench.call("open", || {
        let opened =
            boxed.as_ref().map(|key| key.open_in_place(nonce(), Aad::empty(), &mut text).is_ok());
        opened == Some(true)
    });
    bench.call("drop the box", || boxed = None);
    bench.check(is_opened && text.starts_with(plain), "what was sealed is opened")?;

    let is_verified = bench.call("HMAC", || {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &*mac_key);
        let tag = hmac::sign(&key, plain);
        hmac::verify(&key, plain, tag.as_ref()).is_ok()
    });
    bench.retire(&key, "both keys are dropped");
    bench.retire(&mac_key, "the key is dropped");
    bench.check(is_verified, "the tag is that of the text")
}
