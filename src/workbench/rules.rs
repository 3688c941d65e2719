//! Placeholder.

/// A rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Id.
    pub id: &'static str,
    /// Says.
    pub says: &'static str,
    /// Decided.
    pub decided_by: &'static str,
    /// Shown.
    pub shown_by: &'static str,
}

/// All.
pub const ALL: &[Rule] = &[];
