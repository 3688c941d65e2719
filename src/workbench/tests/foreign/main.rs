//! Drivers behind their device tables: our own core as a library, and the sample driver in C++.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the message")]

mod sample;

mod bugs;
#[cfg(target_os = "linux")]
mod conform;
mod key_exchange;
mod remains;
#[cfg(target_os = "linux")]
mod sanitized;
mod search;
mod sheet;
mod table;
