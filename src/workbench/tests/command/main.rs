//! The command as a person or a script uses it: what it prints, what it leaves, how it exits.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the message")]

mod harness;

mod afl;
mod audit;
mod bad_input;
mod bisect;
mod exhaust;
mod exit_codes;
mod findings;
#[cfg(feature = "faults")]
mod hanging;
mod help;
mod hygiene;
#[cfg(target_os = "linux")]
mod missing_layers;
mod output_files;
mod regression;
mod replaying;
mod round_trips;
mod streams;
