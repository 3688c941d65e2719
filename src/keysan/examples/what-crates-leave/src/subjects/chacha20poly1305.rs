//! ChaCha20-Poly1305 of RustCrypto.

use super::{Kind, Subject, shapes};

pub(super) const SUBJECT: Subject = Subject {
    name: "chacha20poly1305",
    kind: Kind::Aead,
    life: "a cipher seals, another one in a box opens, both are dropped",
    note: "With the feature zeroize, which is not a default.",
    run: shapes::seal_and_open::<chacha20poly1305::ChaCha20Poly1305>,
};
