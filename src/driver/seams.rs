//! What the core stands on, and the caller supplies: entropy, an engine, a key-exchange mechanism.

use core::fmt;

use rand::TryRng;
use rand::rngs::SysRng;
use rekeylab_ddi::{CtrIv, Guid};

/// A source of random numbers.
pub trait Entropy {
    /// Fills `random` with bytes that nobody can foresee (S-14).
    ///
    /// # Errors
    ///
    /// [`EntropyError`] when the source cannot answer; whatever is in `random` then is not used.
    fn fill(&mut self, random: &mut [u8; 16]) -> Result<(), EntropyError>;
}

/// The entropy source could not answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EntropyError;

impl fmt::Display for EntropyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the entropy source could not answer")
    }
}

impl core::error::Error for EntropyError {}

/// The operating system's generator, which a shipping driver uses (S-14).
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&mut self, random: &mut [u8; 16]) -> Result<(), EntropyError> {
        SysRng.try_fill_bytes(random).map_err(|_| EntropyError)
    }
}

/// What holds the commands' memory and executes them.
pub trait Engine {
    /// Grants or refuses `len` bytes for what the core is about to keep.
    ///
    /// The core asks before it keeps anything, and rolls back when refused (S-56).
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] when there is none; the call that asked then has no effect.
    fn reserve(&mut self, len: usize) -> Result<(), OutOfMemory>;

    /// Takes back what [`reserve`](Self::reserve) granted.
    fn release(&mut self, len: usize);

    /// Decrypts one buffer in place with AES-128-CTR, whose first counter block is `counter`.
    ///
    /// The core has checked that the Count does not pass 2^64 (S-33).
    fn execute(&mut self, key: &[u8; 16], counter: CtrIv, buffer: &mut [u8]);

    /// Takes a line for the driver's log, without a line feed; by default it goes nowhere.
    ///
    /// The core logs what an operator cannot see otherwise. No line says anything of a key, of a
    /// random number or of content, or why a wrapped key did not unwrap (S-13).
    fn log(&mut self, _message: fmt::Arguments<'_>) {}
}

/// An allocation was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfMemory;

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("out of memory")
    }
}

impl core::error::Error for OutOfMemory {}

/// A key-exchange mechanism: turns a wrapped key into a key.
pub trait KeyUnwrap {
    /// Which mechanism it is, as the capabilities name it.
    fn exchange_type(&self) -> Guid;

    /// The exact length of a wrapped key, in bytes; 256 for RSAES-OAEP.
    fn blob_len(&self) -> usize;

    /// Unwraps `blob`, which has the right length, into `key`.
    ///
    /// # Errors
    ///
    /// [`UnwrapError`], one and the same for every reason, after the same work (S-13).
    fn unwrap_key(&mut self, blob: &[u8], key: &mut [u8; 16]) -> Result<(), UnwrapError>;
}

/// A wrapped key did not unwrap. There is deliberately nothing more to learn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnwrapError;

impl fmt::Display for UnwrapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the wrapped key did not unwrap")
    }
}

impl core::error::Error for UnwrapError {}
