//! Finds, reads, names, writes and packs sequence files.
//!
//! Text (`.seq`) is what is kept; wire files are what engines work on. Nothing here trusts a file:
//! its kind and its size are looked at before it is opened.

mod error;
mod find;
mod name;
mod pack;
mod read;
mod write;

pub use error::{CorpusError, FILE_LEN_MAX, LOG_FILE_LEN_MAX};
pub use find::{Found, find};
pub use name::{reproducer_name, session_state};
pub use pack::{Forms, Packed, is_packed, pack};
pub use read::{Form, STDIN, Stored, parse, read, read_log};
pub use write::{Written, write_new, write_new_durably, write_over};
