//! The same driver core and the same planted faults, hunted by rekeylab and by what else there is.
//!
//! ```text
//! arms         what makes the call sequences, one file each
//! judge        the oracle, the same for every arm
//! measure      runs of arms against faults, each in a process of its own; the results
//! statistics   medians with misses, the rank-sum test, geometric means
//! page         the results to look at
//! ```
//!
//! README.md says how to run it and what is fair about it.

pub mod arms;
pub mod judge;
#[cfg(feature = "command")]
pub mod measure;
#[cfg(feature = "command")]
pub mod page;
pub mod statistics;
