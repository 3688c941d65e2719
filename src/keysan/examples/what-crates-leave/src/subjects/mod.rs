//! The crates under test, a file each, and two controls that show what the bench itself does.

mod aes_gcm;
mod argon2;
mod blake3;
mod chacha20poly1305;
mod control;
mod ed25519_dalek;
mod hkdf;
mod hmac;
mod hpke;
mod k256;
mod ml_dsa;
mod ml_kem;
mod orion;
mod p256;
mod pbkdf2;
mod ring;
mod rustls;
mod secrecy;
mod shapes;
mod snow;
mod x25519_dalek;
mod zeroize;

use crate::bench::{Bench, Trouble};

/// A crate, and what is done with it.
#[derive(Debug)]
pub(crate) struct Subject {
    /// That of the crate, and behind it in brackets which part of it, if there are several.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// The life of its secrets in a few words.
    pub(crate) life: &'static str,
    /// What a reader must know to judge the row, or nothing.
    pub(crate) note: &'static str,
    pub(crate) run: fn(&mut Bench<'_>) -> Result<(), Trouble>,
}

/// What a subject is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Control,
    Aead,
    Derivation,
    Mac,
    Signature,
    Agreement,
    Lattice,
    Protocol,
    Wrapper,
}

/// The control that must leave nothing; the other one must leave its key in every kind of place.
pub(crate) const CLEAN_CONTROL: &str = control::NOTHING.name;

/// All of them, in the order of the table.
pub(crate) static ALL: [Subject; 23] = [
    control::NOTHING,
    control::EVERYWHERE,
    aes_gcm::SUBJECT,
    chacha20poly1305::SUBJECT,
    orion::SUBJECT,
    ring::SUBJECT,
    argon2::SUBJECT,
    hkdf::SUBJECT,
    pbkdf2::SUBJECT,
    blake3::SUBJECT,
    hmac::SUBJECT,
    ed25519_dalek::SUBJECT,
    k256::SUBJECT,
    p256::SUBJECT,
    x25519_dalek::SUBJECT,
    ml_dsa::SUBJECT,
    ml_kem::SUBJECT,
    hpke::SUBJECT,
    rustls::HANDSHAKE,
    rustls::KEY_UPDATE,
    snow::SUBJECT,
    secrecy::SUBJECT,
    zeroize::SUBJECT,
];

impl Subject {
    /// As the registry and the lock file have it.
    pub(crate) fn crate_name(&self) -> &'static str {
        self.name.split(' ').next().unwrap_or(self.name)
    }

    pub(crate) fn is_control(&self) -> bool {
        self.kind == Kind::Control
    }
}

impl Kind {
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Kind::Control => "control",
            Kind::Aead => "AEAD",
            Kind::Derivation => "key derivation",
            Kind::Mac => "MAC",
            Kind::Signature => "signature",
            Kind::Agreement => "key agreement",
            Kind::Lattice => "lattice",
            Kind::Protocol => "protocol",
            Kind::Wrapper => "secret wrapper",
        }
    }
}
