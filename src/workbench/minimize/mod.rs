//! Makes sequences smaller and plainer while something still holds.
//!
//! ```text
//! search      the search: calls are removed, then every sequence one step away is tried
//! simplify    how plain a call is, and in which ways it could be plainer
//! neighbours  the sequences that are one step away
//! joint_steps steps that change several calls at once
//! sessions    the same calls with the sessions told apart, or made one
//! follow_ups  what a minimised sequence is followed by, to tell bugs apart
//! log         a log of thousands of calls, cut down to a sequence
//! ```
//!
//! The result depends on the sequence and on what holds, and on nothing else.

mod follow_ups;
mod joint_steps;
mod log;
mod neighbours;
mod search;
mod sessions;
mod simplify;

pub(crate) use follow_ups::follow_ups;
pub use log::Cut;
pub(crate) use log::windows;
pub use search::{EVALUATIONS_MAX, LAST_STEPS_MAX, minimize, minimize_within};
pub(crate) use sessions::{in_one_session, with_own_keys};

#[cfg(test)]
mod tests;
