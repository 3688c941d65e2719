//! The key exchange of the workbench, which is plain so that sequences stay fast.

use rekeylab_cipher::copy_secret;
use rekeylab_ddi::Guid;
use rekeylab_driver::{KeyUnwrap, UnwrapError};
use zeroize::Zeroizing;

use crate::sequence::Blob;

/// A key exchange for tests only: the blob is a tag and the key in the clear.
///
/// It protects nothing. It stands where RSAES-OAEP stands in a product.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainTestMechanism;

impl PlainTestMechanism {
    /// Length of a blob, in bytes.
    pub const BLOB_LEN: usize = BLOB_LEN;

    /// A key as a client wraps it, well or badly: the bytes, and how many it claims.
    #[must_use]
    pub fn wrap(key: &[u8; 16], blob: Blob) -> (Option<Zeroizing<Vec<u8>>>, u32) {
        let mut room = Zeroizing::new([0; BLOB_LEN + 1]);
        let (bytes, claimed) = wrap(key, blob, &mut room);
        (bytes.map(|bytes| Zeroizing::new(bytes.to_vec())), claimed)
    }

    /// Whether a wrapped key begins as it has to.
    #[must_use]
    pub fn is_tagged(blob: &[u8]) -> bool {
        blob.starts_with(BLOB_TAG)
    }

    /// Unwraps `blob` into `key`; says whether it did. Bytes may be left in `key` also when it did
    /// not, and must not be used.
    pub fn unwrap(blob: &[u8], key: &mut [u8; 16]) -> bool {
        let Some((tag, wrapped)) = blob.split_at_checked(BLOB_TAG.len()) else { return false };
        let Some(wrapped) = wrapped.first_chunk() else { return false };
        copy_secret(wrapped, key);
        tag == BLOB_TAG
    }
}

/// Length of a blob, in bytes.
pub(super) const BLOB_LEN: usize = 32;

/// What a blob begins with; the sixteen bytes of the key follow.
const BLOB_TAG: &[u8; 16] = b"plain test key: ";

impl KeyUnwrap for PlainTestMechanism {
    fn exchange_type(&self) -> Guid {
        Guid::KEY_EXCHANGE_PLAIN
    }

    fn blob_len(&self) -> usize {
        BLOB_LEN
    }

    fn unwrap_key(&mut self, blob: &[u8], key: &mut [u8; 16]) -> Result<(), UnwrapError> {
        if Self::unwrap(blob, key) { Ok(()) } else { Err(UnwrapError) }
    }
}

/// Wraps a key for [`PlainTestMechanism`], well or badly: the pointer and the claimed length.
pub(super) fn wrap<'a>(
    key: &[u8; 16],
    blob: Blob,
    room: &'a mut [u8; BLOB_LEN + 1],
) -> (Option<&'a [u8]>, u32) {
    room[..16].copy_from_slice(BLOB_TAG);
    room[16..32].copy_from_slice(key);
    if blob == Blob::Corrupt {
        room[0] ^= 1;
    }
    let len = match blob {
        Blob::Good | Blob::Corrupt | Blob::Null | Blob::Absurd => BLOB_LEN,
        Blob::Short => BLOB_LEN - 1,
        Blob::Long => BLOB_LEN + 1,
        Blob::Empty | Blob::NullEmpty => 0,
    };
    let bytes = (!matches!(blob, Blob::Null | Blob::NullEmpty)).then_some(&room[..len]);
    let claimed = if blob == Blob::Absurd { u32::MAX } else { super::narrow(len) };
    (bytes, claimed)
}
