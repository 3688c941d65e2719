//! The rules that the project works from: what each says, which code decides it, what shows it.
//!
//! Ids are those of the comments: R- is a rule that the documents state, S- a point on which they
//! are silent or contradict themselves, together with this project's resolution, and INV- what must
//! hold whatever is called. A test holds every reference to a file, to an item in it and to the id.

mod in_reach;
mod out_of_reach;

pub use in_reach::ALL;
pub use out_of_reach::OUT_OF_REACH;

/// A rule that some call of a sequence can keep or break.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rule {
    /// Its id, such as `S-03`.
    pub id: &'static str,
    /// What it says, in one line.
    pub says: &'static str,
    /// Where it is decided: a file from the top of the repository, and an item in it.
    pub decided_by: &'static str,
    /// What shows it: a sequence, or a file and a test in it.
    pub shown_by: &'static str,
}

/// The rule of this id, or `None` if it is unknown or out of reach.
#[must_use]
pub fn by_id(id: &str) -> Option<&'static Rule> {
    ALL.iter().find(|rule| rule.id == id)
}
