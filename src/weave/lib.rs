//! Weaves planted faults into a copy of honest sources, so that the honest ones hold no word of them.
//!
//! A [`Fault`] is one file that reads like the commit that would introduce the bug: what happens,
//! which rule it breaks, and [hunks](Hunk) of source. [`weave`] finds the place of each hunk in the
//! syntax of the honest sources and writes a copy in which both readings stand: the bug's is taken
//! when its fault is the planted one, the honest one otherwise. A hunk that does not fit exactly once
//! is an error that names the fault's file, the source file, the function and the lines.
//!
//! ```text
//! faults/double-finish/finish-keeps-random.fault ─┐
//! src/driver/*.rs, src/cipher/*.rs ───────────────┴─► weave ─► a package with all faults in place
//! ```
//!
//! Every line that a fault contributes ends in a comment with the line of the fault's file that it
//! comes from, so that what a compiler says about woven code leads there.
//!
//! The copy differs from the honest sources in two more ways: what is private there is visible in the
//! whole package here, because a bug may reach where honest code has no need to; and the packages
//! are modules of one package, so paths that begin with `crate` or with another package's name are
//! rewritten.

mod catalogue;
mod edits;
mod fault;
mod memory;
mod paths;
mod place;
mod problem;
mod stack;
mod visibility;
mod weave;

pub use catalogue::{Reproduced, catalogue};
pub use fault::{Change, Fault, Hunk, Line, Target, read_folder};
pub use problem::Problem;
pub use weave::{Package, weave};
