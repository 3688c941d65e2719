//! How the session key is wrapped: not at all.

use rekeylab_ddi::Guid;
use rekeylab_driver::{KeyUnwrap, UnwrapError};

/// The type of the mechanism, as the capabilities name it.
pub const KEY_EXCHANGE_TYPE: Guid = Guid::KEY_EXCHANGE_PLAIN;

/// Length of a wrapped key, in bytes.
pub const BLOB_LEN: usize = 32;

/// What a wrapped key begins with; the sixteen bytes of the key follow.
pub const BLOB_TAG: &[u8; 16] = b"plain test key: ";

/// A key exchange for tests only, which protects nothing. It stands where RSAES-OAEP stands in a product
///
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlainKey;

impl KeyUnwrap for PlainKey {
    fn exchange_type(&self) -> Guid {
        KEY_EXCHANGE_TYPE
    }

    fn blob_len(&self) -> usize {
        BLOB_LEN
    }

    fn unwrap_key(&mut self, blob: &[u8], key: &mut [u8; 16]) -> Result<(), UnwrapError> {
        let wrapped = blob.strip_prefix(BLOB_TAG).ok_or(UnwrapError)?;
        // No copy may stay in a register or on the stack.
        rekeylab_cipher::copy_secret(wrapped.first_chunk().ok_or(UnwrapError)?, key);
        Ok(())
    }
}
