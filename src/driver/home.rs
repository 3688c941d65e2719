//! The one place where a secret lives: sixteen bytes that are never moved, copied or shown.

use core::fmt;

use zeroize::Zeroize;

/// A place for one secret, wiped when it is dropped.
///
/// Nothing of a secret is left once its life is over (INV-06), and nothing of it is ever shown,
/// although no document asks for that.
///
/// It has no `Clone`, no `Copy`, no `PartialEq` and nothing to see in `Debug`. Secrets come in and
/// go out through references only, because arrays are `Copy`: a secret passed by value leaves its
/// bytes behind on the stack. Whoever owns a `Home` keeps it behind a `Box`, so that the bytes
/// stay where they are when the owner moves.
///
/// Not guaranteed: that no copy exists in caches, swap or a signal frame.
pub(crate) struct Home([u8; 16]);

impl Home {
    /// A home that holds zeros.
    pub(crate) const fn empty() -> Self {
        Self([0; 16])
    }

    /// Where a seam writes a secret.
    pub(crate) const fn bytes_mut(&mut self) -> &mut [u8; 16] {
        &mut self.0
    }

    /// Where the cipher reads the secret.
    pub(crate) const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Puts the secret of another home here too.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        rekeylab_cipher::copy_secret(&other.0, &mut self.0);
    }

    /// XORs another home's secret into this one.
    pub(crate) fn xor_from(&mut self, other: &Self) {
        rekeylab_cipher::xor_secret(&other.0, &mut self.0);
    }

    /// Whether these sixteen bytes are what it holds; takes the same time whatever they are.
    pub(crate) fn holds(&self, bytes: &[u8; 16]) -> bool {
        rekeylab_cipher::is_same_secret(&self.0, bytes)
    }

    /// Leaves zeros behind.
    pub(crate) fn wipe(&mut self) {
        self.0.zeroize();
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl fmt::Debug for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Home(..)")
    }
}
