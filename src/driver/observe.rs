//! The complete state of the core as bytes, for a workbench that has to tell states apart.
//!
//! Whatever can influence an answer to come is written, secrets included, so the bytes belong into a
//! hash and nowhere else. Each part takes itself apart field by field and without `..`: a new field
//! does not compile until somebody has decided whether the future depends on it.

/// Takes a state value by value; values of different lengths never run into each other, because
/// each goes to the sink by itself and lists are counted first.
pub(crate) struct StateSink<'a>(&'a mut dyn FnMut(&[u8]));

impl<'a> StateSink<'a> {
    pub(crate) fn new(sink: &'a mut dyn FnMut(&[u8])) -> Self {
        Self(sink)
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        (self.0)(bytes);
    }

    pub(crate) fn number(&mut self, number: u64) {
        (self.0)(&number.to_le_bytes());
    }

    /// How many entries follow, or which of them.
    pub(crate) fn count(&mut self, count: usize) {
        self.number(count as u64);
    }

    pub(crate) fn flag(&mut self, flag: bool) {
        self.number(flag.into());
    }
}
