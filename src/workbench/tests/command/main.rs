//! The command as a person or a script uses it: what it prints, what it leaves, how it exits.

mod harness;

mod bad_input;
mod exit_codes;
mod help;
mod output_files;
mod replaying;
mod round_trips;
mod streams;
