//! AES-256-GCM of RustCrypto.

use super::{Kind, Subject, shapes};

pub(super) const SUBJECT: Subject = Subject {
    name: "aes-gcm",
    kind: Kind::Aead,
    life: "AES-256-GCM: a cipher seals, another one in a box opens, both are dropped",
    note: "With the feature zeroize, which is not a default. Round keys in another form than the \
           standard's are not seen.",
    run: shapes::seal_and_open::<aes_gcm::Aes256Gcm>,
};
