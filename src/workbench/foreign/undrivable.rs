//! Why the driver of a data sheet cannot be driven, and what to do about it.

use rekeylab_abi::LibraryError;
use rekeylab_ddi::Hresult;

use super::key_exchange::WrapError;

/// Why the driver of a data sheet cannot be driven.
#[derive(Debug, thiserror::Error)]
pub enum Undrivable {
    /// Its library cannot.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// Keys cannot be wrapped for it.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// Surfaces are to be read by `EncryptionBlt`, and it does not offer that.
    #[error(
        "does not offer EncryptionBlt ({why}), by which its data sheet wants surfaces to be read"
    )]
    NoReadBack {
        /// How it says so.
        why: String,
    },
}

impl Undrivable {
    /// A driver whose `EncryptionBlt` answered that.
    pub(super) fn no_read_back(answer: Option<Hresult>) -> Self {
        let why = match answer {
            None => "its entry is NULL".to_owned(),
            Some(code) => format!("it answers {code}"),
        };
        Self::NoReadBack { why }
    }

    /// What to try.
    #[must_use]
    pub fn way_out(&self) -> &'static str {
        match self {
            Self::Library(error) => error.way_out(),
            Self::Wrap(error) => error.way_out(),
            Self::NoReadBack { .. } => {
                "`read-back = \"lock\"` in its data sheet; a driver that reads back under a key of its own \
                 (GetEncryptionBltKey) is not asked for one"
            }
        }
    }
}
