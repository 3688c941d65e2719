//! HPKE as in RFC 9180, with a pre-shared key.

use hpke::aead::{AeadCtxR, AeadCtxS, ChaCha20Poly1305};
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256 as Kem;
use hpke::{
    Deserializable, Kem as _, OpModeR, OpModeS, PskBundle, Serializable, setup_receiver,
    setup_sender_with_rng,
};

use super::{Kind, Subject};
use crate::bench::{Bench, Drawn, Trouble, failed};

pub(super) const SUBJECT: Subject = Subject {
    name: "hpke",
    kind: Kind::Protocol,
    life: "X25519, HKDF-SHA-256, ChaCha20-Poly1305 with a pre-shared key: set up, seal, open, \
           export, drop",
    note: "Sender and recipient are both looked at. The keys of the schedule are not known to the \
           harness.",
    run,
};

type PrivateKey = <Kem as hpke::Kem>::PrivateKey;
type Sender = AeadCtxS<ChaCha20Poly1305, HkdfSha256, Kem>;
type Recipient = AeadCtxR<ChaCha20Poly1305, HkdfSha256, Kem>;

const INFO: &[u8] = b"info is public";
const TEXT: &[u8] = b"what is sealed is no secret here";

fn run(bench: &mut Bench<'_>) -> Result<(), Trouble> {
    let private = bench.draw_clamped("recipient's private key")?;
    let psk = bench.draw::<32>("pre-shared key")?;
    let ephemeral_seed = bench.draw::<32>("seed of the ephemeral key")?;
    let (ephemeral, _) = Kem::derive_keypair(&*ephemeral_seed);
    let ephemeral = bench.learn("ephemeral key", ephemeral.to_bytes().as_ref())?;
    let outside = PrivateKey::from_bytes(&*private).map_err(failed("a private key"))?;
    let public = Kem::sk_to_pk(&outside);
    let bundle = || PskBundle::new(&*psk, b"a name is public");

    // A run outside of keysan says what is exported.
    let mode = OpModeS::Psk(bundle().map_err(failed("a bundle"))?);
    let (_, sender): (_, Sender) =
        setup_sender_with_rng(&mode, &public, INFO, &mut Drawn(&*ephemeral_seed))
            .map_err(failed("setting up"))?;
    let mut expected = Box::new([0; 32]);
    sender.export(b"a context", &mut *expected).map_err(failed("exporting"))?;
    let exported = bench.learn("exported secret", &expected)?;

    let sender = bench.call_that_moves("set up the sender and box", || {
        let mode = OpModeS::Psk(bundle()?);
        setup_sender_with_rng(&mode, &public, INFO, &mut Drawn(&*ephemeral_seed)).map(Box::new)
    });
    let mut sender: Option<Box<(_, Sender)>> = Some(sender.map_err(failed("setting up"))?);
    bench.retire(&ephemeral_seed, "the sender is set up");
    bench.retire(&ephemeral, "the sender is set up");
    bench.scan("after the sender was set up");
    let sealed = bench.call("seal", || {
        sender.as_mut().and_then(|both| both.1.seal(TEXT, b"").ok().map(Box::new))
    });
    let encapsulated = sender.as_ref().map(|both| both.0.to_bytes());
    bench.call("drop the sender", || sender = None);
    let sealed = sealed.ok_or(()).map_err(failed("sealing"))?;
    bench.look_at_output("what was sealed", &sealed);

    let encapsulated = encapsulated.ok_or(()).map_err(failed("encapsulating"))?;
    let encapsulated = <Kem as hpke::Kem>::EncappedKey::from_bytes(&encapsulated)
        .map_err(failed("an encapsulated key"))?;
    let key = bench.call_that_moves("read the private key and box", || {
        PrivateKey::from_bytes(&*private).map(Box::new)
    });
    let mut key = Some(key.map_err(failed("a private key"))?);
    let recipient = bench.call_that_moves("set up the recipient and box", || {
        let mode = OpModeR::Psk(bundle()?);
        let key: &PrivateKey = key.as_deref().ok_or(hpke::HpkeError::DecapError)?;
        setup_receiver(&mode, key, &encapsulated, INFO).map(Box::new)
    });
    let mut recipient: Option<Box<Recipient>> = Some(recipient.map_err(failed("setting up"))?);
    bench.call("drop the private key", || key = None);
    bench.retire(&private, "the recipient is set up and the private key dropped");
    bench.retire(&psk, "both sides are set up");
    bench.scan("after both were set up");
    let opened = bench.call("open", || {
        recipient.as_mut().and_then(|recipient| recipient.open(&sealed, b"").ok().map(Box::new))
    });
    let mut out = Box::new([0; 32]);
    let is_exported = bench.call("export", || {
        recipient.as_ref().is_some_and(|it| it.export(b"a context", &mut *out).is_ok())
    });
    bench.call("drop the recipient", || recipient = None);
    bench.retire(&exported, "only the caller's buffer has it");
    bench.check(opened.is_some_and(|opened| *opened == TEXT), "what was sealed is opened")?;
    bench.check(is_exported && *out == *exported, "both sides export the same")
}
