//! Stands in where nothing is traced.

/// Never steps.
#[derive(Debug, Default)]
pub(super) struct Steps {}

impl Steps {
    #[inline]
    pub(super) fn begin(&mut self, _call: u32) {}

    #[inline]
    pub(super) fn end(&mut self) {}
}
