//! A gate whose steps and base are scripts that misbehave on purpose: all is told, and it always ends.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the message")]

mod bench;
#[path = "../executable/mod.rs"]
mod executable;

mod base;
mod script;
mod steps;
mod verdicts;
