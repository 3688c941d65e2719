//! A fuzzing and security-hardening workbench for session-key refresh in display drivers.
//!
//! ```text
//! sequence ─► executor ─► driver
//!                │
//!                └─► observation ─► invariant ─► report
//! ```
//!
//! [`sequence`] says what to do ([`generate`] makes it, [`minimize`] makes it smaller), [`executor`] does it and writes down what it saw, [`invariant`]
//! judges that, [`report`] says it. [`Workbench`] is all four in one:
//!
//! ```
//! use rekeylab::{Workbench, sequence::SequenceText};
//!
//! let text = "d0 = create-device\ns0 = create-session d0\nfinish-refresh s0\n";
//! let sequence = SequenceText::parse(text)?.sequence();
//! assert!(Workbench::new().run(&sequence).is_clean());
//! # Ok::<(), rekeylab::sequence::ParseError>(())
//! ```

#![forbid(unsafe_code)]

#[cfg(feature = "command")]
pub mod bisect;
#[cfg(feature = "command")]
pub mod campaign;
#[cfg(feature = "command")]
mod child;
#[cfg(feature = "command")]
pub mod cli;
#[cfg(feature = "command")]
pub mod conform;
pub mod corpus;
#[cfg(feature = "command")]
pub mod coverage;
#[cfg(feature = "command")]
pub mod dashboard;
#[cfg(feature = "faults")]
pub mod drill;
#[cfg(all(test, unix, feature = "command"))]
#[path = "tests/executable/mod.rs"]
mod executable;
pub mod executor;
pub mod exhaust;
#[cfg(feature = "command")]
pub mod exit;
#[cfg(feature = "drivers")]
pub mod foreign;
pub mod fuzzing;
#[cfg(feature = "command")]
pub mod gate;
pub mod generate;
pub mod invariant;
pub mod minimize;
pub mod observation;
#[cfg(feature = "drivers")]
mod program;
pub mod report;
#[cfg(feature = "command")]
mod revision;
pub mod rules;
pub mod search;
pub mod sequence;
#[cfg(feature = "command")]
pub mod store;
#[cfg(feature = "command")]
pub mod telemetry;
pub mod watchdog;
mod workbench;

pub use workbench::Workbench;
