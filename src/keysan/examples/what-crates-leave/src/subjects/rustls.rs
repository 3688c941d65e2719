//! TLS 1.3 by rustls with ring: a handshake, a message, a key update in both directions.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use hkdf::Hkdf;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::{cipher_suite, default_provider, sign};
use rustls::crypto::{
    CryptoProvider, GetRandomFailed, SecureRandom, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{
    CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, KeyLog, ServerConfig,
    ServerConnection, SignatureScheme,
};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{Kind, Subject};
use crate::bench::{Bench, Secret, Trouble, failed};

pub(super) const HANDSHAKE: Subject = Subject {
    name: "rustls (handshake)",
    kind: Kind::Protocol,
    life: "TLS 1.3 with ring and ChaCha20-Poly1305: a handshake and a message; its secrets and the \
           exporter's",
    note: "The client is looked at. The server runs outside of keysan, and its key log says which \
           secrets there are.",
    run: shake_hands,
};

pub(super) const KEY_UPDATE: Subject = Subject {
    name: "rustls (key update)",
    kind: Kind::Protocol,
    life: "TLS 1.3 with ring and ChaCha20-Poly1305: a message, a key update both ways, a message; \
           traffic secrets and keys",
    note: "As above. Secrets and keys after the update are computed as RFC 8446 says.",
    run: update_keys,
};

const TEXT: &[u8] = b"what is sent is no secret here";

fn shake_hands(bench: &mut Bench<'_>) -> Result<(), Trouble> {
    let mut session = Session::begin(bench)?;
    let log = Arc::clone(&session.log);
    let client = log.learn(bench, "client handshake secret", "CLIENT_HANDSHAKE_TRAFFIC_SECRET")?;
    let server = log.learn(bench, "server handshake secret", "SERVER_HANDSHAKE_TRAFFIC_SECRET")?;
    let exporter = log.learn(bench, "exporter secret", "EXPORTER_SECRET")?;
    session.finish_handshake(bench)?;
    bench.retire(&client, "the handshake is over");
    bench.retire(&server, "the handshake is over");
    bench.scan("after the handshake");
    session.send(bench, "send")?;
    bench.call("drop the client", || session.client = None);
    bench.retire(&exporter, "the connection is dropped");
    Ok(())
}

fn update_keys(bench: &mut Bench<'_>) -> Result<(), Trouble> {
    let mut session = Session::begin(bench)?;
    let log = Arc::clone(&session.log);
    let secret = log.learn(bench, "client secret 0", "CLIENT_TRAFFIC_SECRET_0")?;
    let sending = Traffic { key: key_of(bench, "client key 0", &secret)?, secret };
    let secret = log.learn(bench, "server secret 0", "SERVER_TRAFFIC_SECRET_0")?;
    let receiving = Traffic { key: key_of(bench, "server key 0", &secret)?, secret };
    let secret = bench.learn("client secret 1", &*next(&sending.secret)?)?;
    let sending_next = Traffic { key: key_of(bench, "client key 1", &secret)?, secret };
    let secret = bench.learn("server secret 1", &*next(&receiving.secret)?)?;
    let receiving_next = Traffic { key: key_of(bench, "server key 1", &secret)?, secret };
    session.finish_handshake(bench)?;
    session.send(bench, "send")?;

    let client = &mut session.client;
    let updated = bench
        .call("key update", || client.as_mut().map(|client| client.refresh_traffic_keys().is_ok()));
    bench.check(updated == Some(true), "the key update is made")?;
    sending.retire(bench, "the key update has replaced it");
    bench.scan("after the key update");
    session.send(bench, "send after the key update")?;

    // The client has asked for the server's key update, which goes before the next message.
    let Session { client, server, wire, .. } = &mut session;
    server.writer().write_all(TEXT).map_err(failed("answering"))?;
    wire.take_from_server(server)?;
    bench.call("receive the server's key update", || wire.give_to_client(client))?;
    let answer = bench.call("read the answer", || {
        client.as_mut().map(|client| read(&mut client.reader()).map(Box::new))
    });
    let is_answered = matches!(&answer, Some(Ok(text)) if **text == TEXT);
    bench.check(is_answered, "the client reads the answer with the new key")?;
    receiving.retire(bench, "the server's key update has replaced it");
    bench.scan("after the server's key update");

    bench.call("drop the client", || session.client = None);
    sending_next.retire(bench, "the connection is dropped");
    receiving_next.retire(bench, "the connection is dropped");
    Ok(())
}

/// A client that is looked at, and the server that it talks with.
struct Session {
    client: Option<Box<ClientConnection>>,
    server: ServerConnection,
    wire: Wire,
    log: Arc<Log>,
}

/// A secret of a schedule and the key that the cipher has of it.
struct Traffic {
    secret: Secret<32>,
    key: Secret<32>,
}

impl Session {
    /// Up to where the server has derived everything, and the client nothing yet.
    fn begin(bench: &mut Bench<'_>) -> Result<Session, Trouble> {
        let log = Arc::new(Log::default());
        let (server_config, client_config) = configs(&log).map_err(failed("a configuration"))?;
        let name = ServerName::try_from("a.test").map_err(failed("a name"))?;
        let mut server = ServerConnection::new(server_config).map_err(failed("a server"))?;
        let mut wire = Wire { bytes: Vec::with_capacity(1 << 16) };
        let client = bench.call_that_moves("new client and box", || {
            ClientConnection::new(client_config, name).map(Box::new)
        });
        let mut client = Some(client.map_err(failed("a client"))?);
        bench.call("write ClientHello", || wire.take_from_client(&mut client))?;
        wire.give_to_server(&mut server)?;
        wire.take_from_server(&mut server)?;
        Ok(Session { client, server, wire, log })
    }

    fn finish_handshake(&mut self, bench: &mut Bench<'_>) -> Result<(), Trouble> {
        let Session { client, server, wire, .. } = self;
        // In a call each record, as there is more to see than one call has room for.
        while !wire.bytes.is_empty() {
            let rest = wire.split_off_first_record();
            bench.call("process the server's flight", || wire.give_to_client(client))?;
            *wire = rest;
        }
        bench.call("write Finished", || wire.take_from_client(client))?;
        wire.give_to_server(server)?;
        bench.check(!server.is_handshaking(), "the handshake is made")
    }

    fn send(&mut self, bench: &mut Bench<'_>, name: &'static str) -> Result<(), Trouble> {
        let Session { client, server, wire, .. } = self;
        bench.call(name, || {
            if let Some(client) = client {
                client.writer().write_all(TEXT).map_err(failed("writing"))?;
            }
            wire.take_from_client(client)
        })?;
        bench.look_at_output("what was sent", &wire.bytes);
        wire.give_to_server(server)?;
        bench.check(read(&mut server.reader())? == TEXT, "the server reads what was sent")
    }
}

impl Traffic {
    fn retire(&self, bench: &mut Bench<'_>, reason: &'static str) {
        bench.retire(&self.secret, reason);
        bench.retire(&self.key, reason);
    }
}

fn read(reader: &mut impl Read) -> Result<Vec<u8>, Trouble> {
    let mut text = vec![0; TEXT.len()];
    reader.read_exact(&mut text).map_err(failed("reading"))?;
    Ok(text)
}

/// What goes from one to the other, in a buffer that no call allocates.
struct Wire {
    bytes: Vec<u8>,
}

impl Wire {
    fn take_from_client(
        &mut self,
        from: &mut Option<Box<ClientConnection>>,
    ) -> Result<(), Trouble> {
        self.bytes.clear();
        if let Some(client) = from {
            while client.wants_write() {
                client.write_tls(&mut self.bytes).map_err(failed("writing"))?;
            }
        }
        Ok(())
    }

    /// Leaves the first record, and answers the rest.
    fn split_off_first_record(&mut self) -> Wire {
        let len = match self.bytes[..] {
            [_, _, _, high, low, ..] => 5 + usize::from(u16::from_be_bytes([high, low])),
            _ => 0,
        };
        Wire { bytes: self.bytes.split_off(len.min(self.bytes.len())) }
    }

    fn take_from_server(&mut self, from: &mut ServerConnection) -> Result<(), Trouble> {
        self.bytes.clear();
        while from.wants_write() {
            from.write_tls(&mut self.bytes).map_err(failed("writing"))?;
        }
        Ok(())
    }

    fn give_to_client(&self, to: &mut Option<Box<ClientConnection>>) -> Result<(), Trouble> {
        let mut rest = &self.bytes[..];
        if let Some(client) = to {
            while !rest.is_empty() {
                client.read_tls(&mut rest).map_err(failed("reading"))?;
                client.process_new_packets().map_err(failed("processing"))?;
            }
        }
        Ok(())
    }

    fn give_to_server(&self, to: &mut ServerConnection) -> Result<(), Trouble> {
        let mut rest = &self.bytes[..];
        while !rest.is_empty() {
            to.read_tls(&mut rest).map_err(failed("reading"))?;
            to.process_new_packets().map_err(failed("processing"))?;
        }
        Ok(())
    }
}

/// The key of the cipher, as RFC 8446, section 7.3, makes it of a traffic secret.
fn key_of(
    bench: &mut Bench<'_>,
    name: &'static str,
    secret: &[u8; 32],
) -> Result<Secret<32>, Trouble> {
    bench.learn(name, &*expand(secret, b"tls13 key")?)
}

/// The next traffic secret, as section 7.2 makes it.
fn next(secret: &[u8; 32]) -> Result<Zeroizing<[u8; 32]>, Trouble> {
    expand(secret, b"tls13 traffic upd")
}

fn expand(secret: &[u8; 32], label: &[u8]) -> Result<Zeroizing<[u8; 32]>, Trouble> {
    let mut info = vec![0, 32];
    info.extend(u8::try_from(label.len()));
    info.extend_from_slice(label);
    info.push(0);
    let mut expanded = Zeroizing::new([0; 32]);
    let expander = Hkdf::<Sha256>::from_prk(secret).map_err(failed("a secret of 32 bytes"))?;
    expander.expand(&info, &mut *expanded).map_err(failed("expanding"))?;
    Ok(expanded)
}

/// Keeps what the server says of its secrets. It is the server's, so that none of this runs in a call.
#[derive(Default)]
struct Log {
    secrets: Mutex<Vec<(String, Zeroizing<Vec<u8>>)>>,
}

impl Log {
    fn learn(
        &self,
        bench: &mut Bench<'_>,
        name: &'static str,
        label: &str,
    ) -> Result<Secret<32>, Trouble> {
        let secrets = self.secrets.lock().map_err(failed("the key log"))?;
        let logged = secrets.iter().find(|(logged, _)| logged == label);
        let bytes = logged.and_then(|(_, bytes)| bytes.first_chunk());
        bench.learn(name, bytes.ok_or(()).map_err(failed("a secret of 32 bytes in the key log"))?)
    }
}

impl KeyLog for Log {
    fn log(&self, label: &str, _: &[u8], secret: &[u8]) {
        if let Ok(mut secrets) = self.secrets.lock() {
            secrets.push((label.to_owned(), Zeroizing::new(secret.to_vec())));
        }
    }
}

/// Shows nothing.
impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Log")
    }
}

/// The key of the server, which is not looked for: a PKCS #8 head and a seed.
const SERVER_KEY: &[u8; 48] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20\
    the seed of a server is not here";

fn configs(log: &Arc<Log>) -> Result<(Arc<ServerConfig>, Arc<ClientConfig>), Error> {
    let suites = vec![cipher_suite::TLS13_CHACHA20_POLY1305_SHA256];
    RANDOM.0.store(0, Ordering::Relaxed);
    let provider = Arc::new(CryptoProvider {
        cipher_suites: suites,
        secure_random: &RANDOM,
        ..default_provider()
    });
    let key = sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(&SERVER_KEY[..]))?;
    let public = key.public_key().map(|public| public.as_ref().to_vec()).unwrap_or_default();
    let certified = CertifiedKey::new(vec![CertificateDer::from(public.clone())], key);

    let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(Arc::new(certified))));
    server.key_log = Arc::clone(log) as Arc<dyn KeyLog>;
    server.send_tls13_tickets = 0;
    server.max_fragment_size = Some(64);

    let verifier = Arc::new(KnownKey { public, provider: Arc::clone(&provider) });
    let client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok((Arc::new(server), Arc::new(client)))
}

/// What is random and public is the same in every run, such as the order of extensions. Key shares come from ring.
static RANDOM: Counting = Counting(AtomicU64::new(0));

#[derive(Debug)]
struct Counting(AtomicU64);

impl SecureRandom for Counting {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        for byte in bytes {
            let word = self.0.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            *byte = word.to_be_bytes()[0];
        }
        Ok(())
    }
}

/// Accepts the one raw public key (RFC 7250) that the server has, so that no certificates are needed.
#[derive(Debug)]
struct KnownKey {
    public: Vec<u8>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for KnownKey {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if end_entity.as_ref() != self.public {
            return Err(Error::General("another server".to_owned()));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("only TLS 1.3 is spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = SubjectPublicKeyInfoDer::from(cert.as_ref());
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, &key, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
