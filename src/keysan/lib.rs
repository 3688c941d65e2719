//! A key-hygiene sanitizer: finds secrets that outlive their life, in memory and in text.
//!
//! keysan knows secrets and memory and nothing else. A caller registers the secrets that must not
//! be found, then shows keysan the places where they must not be:
//!
//! - [`SecretSet`] holds the secrets, masked, and scans bytes for them;
//! - [`heap`] looks into every heap block at the moment it is freed;
//! - [`text`] decodes printed text (hex, number lists, base64, escapes) and scans what it said.
//!
//! ```
//! use keysan::SecretSet;
//!
//! // Secrets come from a pseudo-random function; this one stands for its answer.
//! let secret = *b"\x3a\xc5\x91\x0e\x77\xd2\x48\xbf\x06\xe9\x5c\x83\x1d\xf4\xa0\x6b";
//! assert!(keysan::looks_like_nothing_else(&secret));
//!
//! let mut set = SecretSet::new();
//! set.register(&secret, 7)?;
//!
//! let mut memory = [0u8; 64];
//! memory[21..37].copy_from_slice(&secret);
//! let mut sighted = Vec::new();
//! set.scan_aligned(&memory, &mut |sighting| sighted.push(sighting.tag));
//! assert_eq!(sighted.first(), Some(&7));
//!
//! memory.fill(0);
//! set.scan_aligned(&memory, &mut |_| panic!("a wiped block is silent"));
//! # Ok::<(), keysan::SetIsFull>(())
//! ```
//!
//! # What is never said
//!
//! A report carries the caller's name for the secret (its tag), which part of it was seen and
//! where, never the bytes. The set keeps only masked windows, and what the text scanner decodes is
//! wiped before it returns. `register` itself reads the secret through registers and perhaps the
//! stack: keysan does not yet clean up after that.
//!
//! # What it cannot see yet
//!
//! - The **stack**: copies left below the stack pointer by returned calls.
//! - **Registers**: whatever a call leaves in general or vector registers.
//! - **Statics** and thread-local storage, unless the caller passes their bytes to a scan.
//! - **Live heap** blocks, unless the caller passes them: only freed blocks are looked into.
//! - Secrets in **another form**: XORed, bit-sliced, byte-spread, or fewer than 8 bytes together.
//! - Memory of **other threads**: a watch covers the thread that opened it.
//!
//! Silence from keysan therefore means "not in a block this thread freed, not in the bytes and
//! texts that were passed", and nothing more.

#![allow(
    unsafe_code,
    reason = "an allocator, and reading blocks as they are freed, cannot be written without it"
)]

mod distinctive;
pub mod heap;
mod secret_set;
pub mod text;

pub use distinctive::looks_like_nothing_else;
pub use secret_set::{SecretSet, SetIsFull, Sighting};
