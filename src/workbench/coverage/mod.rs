//! Which lines of the driver core and its cipher are run: measured, compared with a revision, and shown.
//!
//! ```text
//! corpus, working sets ─► replay, built with counters ─► llvm-profdata ─► llvm-cov ─► lines ─► difference, page
//! ```

mod difference;
mod lines;
mod llvm;
mod measure;
mod page;
mod reasons;

pub use difference::{Change, Difference, compare};
pub use lines::{Coverage, FileCoverage, LcovError};
pub use llvm::{LLVM_MIN, Tools, ToolsError};
pub use measure::{MEASURED, MeasureError, Measuring, measure, read_counters};
pub use page::{Base, page};
pub use reasons::{Of, REASONS, Reason, Reasons, ReasonsError};
