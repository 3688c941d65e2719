//! A surface that was read back encrypted, and the counters that the driver chose for it.

use rekeylab_ddi::Hresult;
use serde::{Deserialize, Serialize};

use super::handed;

/// A surface that `EncryptionBlt` read back, or refused to.
///
/// The driver makes the counters, which are as used up as those of an upload: both make keystream of one key
/// (S-29, INV-05).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReadBack {
    /// The fence of the upload that the surface was the target of.
    pub fence: u64,
    /// The IV that the driver wrote.
    pub iv: u64,
    /// The Count of the first block that it wrote.
    pub count: u64,
    /// How much was read, in bytes.
    pub len: u32,
    /// What the driver refused with; then nothing was read, and no counter used.
    #[serde(with = "handed::code")]
    pub refusal: Option<Hresult>,
}

impl ReadBack {
    /// How many counter blocks it used.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        match self.refusal {
            None => u64::from(self.len.div_ceil(16)),
            Some(_) => 0,
        }
    }
}
