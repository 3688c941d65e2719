//! X25519 key agreement.

use std::hint::black_box;

use x25519_dalek::{EphemeralSecret, PublicKey, StaticSecret};

use super::{Kind, Subject};
use crate::bench::{Bench, Drawn, Trouble, is_same_by_bytes};

pub(super) const SUBJECT: Subject = Subject {
    name: "x25519-dalek",
    kind: Kind::Agreement,
    life: "X25519: an ephemeral secret and a static one in a box agree with a peer and are dropped",
    note: "An EphemeralSecret is used up by value, and StaticSecret is not. Both secrets are drawn \
           by the crate, from a generator that hands out what is looked for.",
    run,
};

fn run(bench: &mut Bench<'_>) -> Result<(), Trouble> {
    let ephemeral = bench.draw_clamped("ephemeral key")?;
    let long_lived = bench.draw_clamped("static key")?;
    let peer = StaticSecret::from(*b"the key of the peer is not drawn");
    let peer_public = PublicKey::from(&peer);
    let public = PublicKey::from(&StaticSecret::from(*ephemeral));
    let shared = bench.learn("shared secret", peer.diffie_hellman(&public).as_bytes())?;

    let is_agreed = bench.call("agree with an ephemeral key", || {
        let secret = EphemeralSecret::random_from_rng(&mut Drawn(&*ephemeral));
        let agreed = secret.diffie_hellman(&peer_public);
        is_same_by_bytes(agreed.as_bytes(), &*shared)
    });
    bench.retire(&ephemeral, "it was used once");
    bench.retire(&shared, "it is dropped");
    bench.check(is_agreed, "both sides agree")?;

    let mut boxed = Some(bench.call_that_moves("draw a static key and box", || {
        Box::new(StaticSecret::random_from_rng(&mut Drawn(&*long_lived)))
    }));
    let public =
        bench.call("public key", || boxed.as_deref().map(|key| Box::new(PublicKey::from(key))));
    let public = public.map_or_else(|| peer_public, |public| *public);
    let expected = peer.diffie_hellman(&public);
    let shared = bench.learn("static shared secret", expected.as_bytes())?;
    let is_agreed = bench.call("agree with a static key", || {
        let agreed = black_box(boxed.as_ref()).map(|key| key.diffie_hellman(&peer_public));
        agreed.is_some_and(|agreed| is_same_by_bytes(agreed.as_bytes(), &*shared))
    });
    bench.call("drop the box", || boxed = None);
    bench.retire(&long_lived, "the box is dropped");
    bench.retire(&shared, "it is dropped");
    bench.check(is_agreed, "both sides agree on the static key")
}
