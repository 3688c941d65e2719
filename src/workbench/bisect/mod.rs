//! Finds the commit that brought a bug, or mended it: builds revisions and runs its reproducer on each.
//!
//! [`search`] decides which revision to ask next and knows nothing of git; [`Repository`] lists them and
//! asks one, in a work tree of its own.

mod repository;
mod search;

pub use repository::{Asked, BisectError, Commands, Repository, Revision};
pub use search::{Answer, Outcome, search};
