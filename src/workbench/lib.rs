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

pub mod bisect;
pub mod campaign;
pub mod cli;
pub mod corpus;
#[cfg(feature = "faults")]
pub mod drill;
#[cfg(all(test, unix))]
#[path = "tests/executable/mod.rs"]
mod executable;
pub mod executor;
pub mod exhaust;
pub mod exit;
pub mod fuzzing;
pub mod gate;
pub mod generate;
pub mod invariant;
pub mod minimize;
pub mod observation;
pub mod report;
pub mod rules;
pub mod search;
pub mod sequence;
pub mod store;
pub mod watchdog;
mod workbench;

pub use workbench::Workbench;
