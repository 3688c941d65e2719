//! The Noise protocol by snow: a handshake, transport, and a rekey.

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use snow::{Builder, Error, HandshakeState, TransportState};

use super::{Kind, Subject};
use crate::bench::{Bench, Secret, Trouble, failed};

pub(super) const SUBJECT: Subject = Subject {
    name: "snow",
    kind: Kind::Protocol,
    life: "Noise_XXpsk3_25519_ChaChaPoly_BLAKE2s: handshake, a message, rekey, a message, drop",
    note: "The initiator is looked at; the responder runs outside of keysan. into_transport_mode \
           takes the state by value.",
    run,
};

const PATTERN: &str = "Noise_XXpsk3_25519_ChaChaPoly_BLAKE2s";
const TEXT: &[u8] = b"what is sent is no secret here";

/// What an initiator is made of.
struct Keys {
    private: Secret<32>,
    ephemeral: Secret<32>,
    psk: Secret<32>,
}

/// The messages of a handshake, in buffers that no call allocates.
struct Messages {
    buffer: Vec<u8>,
    len: usize,
}

fn run(bench: &mut Bench<'_>) -> Result<(), Trouble> {
    let keys = Keys {
        private: bench.draw_clamped("static key")?,
        ephemeral: bench.draw_clamped("ephemeral key")?,
        psk: bench.draw("pre-shared key")?,
    };
    let error = |_: Error| Trouble::Void("failed: the handshake".to_owned());

    // A run outside of keysan, with the same keys, says what the transport's keys will be.
    let mut messages = Messages { buffer: vec![0; 1024], len: 0 };
    let (mut one, mut other) = (initiator(&keys).map_err(error)?, responder(&keys).map_err(error)?);
    messages.pass(&mut one, &mut other).map_err(error)?;
    messages.pass(&mut other, &mut one).map_err(error)?;
    messages.pass(&mut one, &mut other).map_err(error)?;
    let (sending, receiving) = one.dangerously_get_raw_split();
    let sending = bench.learn("sending key", &sending)?;
    let receiving = bench.learn("receiving key", &receiving)?;
    let rekeyed = bench.learn("sending key after the rekey", &rekeyed(&sending)?)?;

    let one = bench.call_that_moves("build and box", || initiator(&keys).map(Box::new));
    let mut one = one.map_err(error)?;
    let mut other = responder(&keys).map_err(error)?;
    let first = bench.call("write message 1", || messages.write(&mut one));
    first.and_then(|()| messages.read(&mut other)).map_err(error)?;
    messages.write(&mut other).map_err(error)?;
    bench.call("read message 2", || messages.read(&mut one)).map_err(error)?;
    let third = bench.call("write message 3", || messages.write(&mut one));
    third.and_then(|()| messages.read(&mut other)).map_err(error)?;
    let mut other = other.into_transport_mode().map_err(error)?;

    let mut one = Some(one);
    let transport = bench.call_that_moves("into transport mode and box", || {
        one.take().map(|one| one.into_transport_mode().map(Box::new))
    });
    let mut transport: Option<Box<TransportState>> =
        Some(transport.ok_or(()).map_err(failed("a handshake"))?.map_err(error)?);
    bench.retire(&keys.private, "the handshake is over");
    bench.retire(&keys.ephemeral, "the handshake is over");
    bench.retire(&keys.psk, "the handshake is over");
    bench.scan("after the handshake");

    let mut sent = vec![0; 256];
    let mut received = vec![0; 256];
    let mut send = |bench: &mut Bench<'_>, name, transport: &mut Option<Box<TransportState>>| {
        let len = bench.call(name, || {
            transport.as_mut().and_then(|it| it.write_message(TEXT, &mut sent).ok())
        });
        let len = len.ok_or(()).map_err(failed("sending"))?;
        bench.look_at_output("what was sent", &sent);
        let len = other.read_message(&sent[..len], &mut received).map_err(failed("receiving"))?;
        other.rekey_incoming();
        Ok::<bool, Trouble>(received[..len] == *TEXT)
    };
    let is_received = send(bench, "send", &mut transport)?;
    bench.check(is_received, "the peer reads the message")?;

    bench.call("rekey", || transport.as_mut().map(|transport| transport.rekey_outgoing()));
    bench.retire(&sending, "the rekey has replaced it");
    bench.scan("after the rekey");
    let is_received = send(bench, "send after the rekey", &mut transport)?;
    bench.check(is_received, "the peer reads the message with the new key")?;

    bench.call("drop the transport", || transport = None);
    bench.retire(&receiving, "the transport is dropped");
    bench.retire(&rekeyed, "the transport is dropped");
    Ok(())
}

fn initiator(keys: &Keys) -> Result<HandshakeState, Error> {
    Builder::new(PATTERN.parse()?)
        .local_private_key(&*keys.private)?
        .psk(3, &keys.psk)?
        .fixed_ephemeral_key_for_testing_only(&*keys.ephemeral)
        .build_initiator()
}

/// With keys that nobody looks for, and the same in every run.
fn responder(keys: &Keys) -> Result<HandshakeState, Error> {
    Builder::new(PATTERN.parse()?)
        .local_private_key(b"the key of the peer is not drawn")?
        .psk(3, &keys.psk)?
        .fixed_ephemeral_key_for_testing_only(b"the peer's other key is the same")
        .build_responder()
}

/// What Noise makes of a key: the encryption of zeros with the last nonce.
fn rekeyed(key: &[u8; 32]) -> Result<[u8; 32], Trouble> {
    let mut nonce = [0xff; 12];
    nonce[..4].fill(0);
    let mut zeros = vec![0; 32];
    ChaCha20Poly1305::new(key.into())
        .encrypt_in_place(&Nonce::from(nonce), b"", &mut zeros)
        .map_err(failed("encrypting"))?;
    zeros[..32].try_into().map_err(failed("32 bytes"))
}

impl Messages {
    fn write(&mut self, from: &mut HandshakeState) -> Result<(), Error> {
        self.len = from.write_message(b"", &mut self.buffer)?;
        Ok(())
    }

    fn read(&self, to: &mut HandshakeState) -> Result<(), Error> {
        to.read_message(&self.buffer[..self.len], &mut []).map(|_| ())
    }

    fn pass(&mut self, from: &mut HandshakeState, to: &mut HandshakeState) -> Result<(), Error> {
        self.write(from)?;
        self.read(to)
    }
}
