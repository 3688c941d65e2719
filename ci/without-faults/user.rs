//! What of the core is only compiled where it is used: what is generic, and what drops an adapter.

use rekeylab_ddi::CryptoSessionDdi;
use rekeylab_driver::{Adapter, Bounds, KeyUnwrap, OsEntropy, SoftwareEngine, UnwrapError};

/// A mechanism that unwraps nothing.
pub struct Sealed;

impl KeyUnwrap for Sealed {
    fn blob_len(&self) -> usize {
        256
    }

    fn unwrap_key(&mut self, _blob: &[u8], _key: &mut [u8; 16]) -> Result<(), UnwrapError> {
        Err(UnwrapError)
    }
}

/// Makes an adapter, as a driver does when it is loaded, and gives every entry point away.
#[unsafe(no_mangle)]
pub fn open_adapter(bounds: Bounds) -> Box<dyn CryptoSessionDdi> {
    Box::new(Adapter::new(OsEntropy, SoftwareEngine, Sealed, bounds))
}

/// What an adapter says of itself, and its end.
#[unsafe(no_mangle)]
pub fn close_adapter(adapter: Adapter) -> String {
    format!("{:?} {adapter:?}", adapter.limits())
}
