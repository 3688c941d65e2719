//! AES-128 in CTR mode and for single blocks, leaving no key material behind.
//!
//! # What is guaranteed
//!
//! When a function of this crate returns, no byte of the key, of a round key or of the keystream
//! is left in the stack, on the heap or in a register, whatever the optimisation level, as long as
//! [`backend()`] is [`Backend::AesNi`] or [`Backend::PrivateStack`]. The key is read from where the
//! caller keeps it, by reference, and is never copied anywhere else that outlives the call. The
//! only thing written is the data itself. [`copy_secret`], [`xor_secret`] and [`is_same_secret`] promise it on x86-64 only.
//!
//! Neither path branches on, or indexes by, secret bytes: AES-NI runs in constant time, and the
//! portable `aes` crate is bit-sliced.
//!
//! # What is not guaranteed
//!
//! - A signal that arrives in the middle of a call makes the kernel store every register, round
//!   keys included, in the signal frame, which nobody wipes. A context switch stores them in
//!   kernel memory.
//! - Caches, swap, core dumps taken during a call, and the remanence of memory chips are out of
//!   reach of a library.
//! - Under AddressSanitizer with `detect_stack_use_after_return` the locals of the portable cipher
//!   live in the sanitizer's fake stack, where the private stack cannot wipe them.
//! - [`Backend::Plain`] promises nothing but the right answer.
//!
//! # The counter
//!
//! A counter block is the IV and the count, both big-endian: `iv || count`. The count goes up by
//! one a block. Semantics decision: it neither carries into the IV nor wraps. A request that would
//! need a count beyond 2^64 - 1 is refused with [`CounterOverflow`], because a carry would enter
//! the next IV's counter space, and a wrap would repeat this one's.

#![allow(unsafe_code, reason = "wiping registers and stacks needs inline assembly and raw memory")]

mod backend;
mod plain;
mod secret;

// First, because macros exist only below the module that defines them.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[macro_use]
mod aes_ni_macros;

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod aes_ni;
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
#[path = "aes_ni_absent.rs"]
mod aes_ni;

#[cfg(all(
    any(target_os = "linux", target_os = "macos"),
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(miri)
))]
mod private_stack;
#[cfg(not(all(
    any(target_os = "linux", target_os = "macos"),
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(miri)
)))]
#[path = "private_stack_absent.rs"]
mod private_stack;
#[cfg(all(
    any(target_os = "linux", target_os = "macos"),
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(miri)
))]
mod trampoline;

use std::fmt;

pub use backend::{Backend, backend};
pub use secret::{copy_secret, is_same_secret, xor_secret};

/// The length of an AES-128 key in bytes.
pub const KEY_LEN: usize = 16;

/// The length of an AES block in bytes.
pub const BLOCK_LEN: usize = 16;

/// One AES block.
pub type Block = [u8; BLOCK_LEN];

/// XORs `data` with the keystream of `key` that starts at the counter block `iv || count`.
///
/// Encrypts and decrypts alike. When `data` ends inside a block, the rest of that block's
/// keystream is thrown away.
///
/// # Errors
///
/// [`CounterOverflow`] when `count` plus the number of blocks exceeds 2^64; `data` is untouched.
pub fn ctr_xor(
    key: &[u8; KEY_LEN],
    iv: u64,
    count: u64,
    data: &mut [u8],
) -> Result<(), CounterOverflow> {
    backend().ctr_xor(key, iv, count, data)
}

/// Encrypts one block in place.
pub fn encrypt_block(key: &[u8; KEY_LEN], block: &mut Block) {
    backend().encrypt_block(key, block);
}

/// Decrypts one block in place.
pub fn decrypt_block(key: &[u8; KEY_LEN], block: &mut Block) {
    backend().decrypt_block(key, block);
}

/// Encrypts many independent blocks in place under one key (ECB).
///
/// Cheaper than as many calls of [`encrypt_block`]: the key is expanded once and the blocks go
/// through the processor side by side.
pub fn encrypt_blocks(key: &[u8; KEY_LEN], blocks: &mut [Block]) {
    backend().encrypt_blocks(key, blocks);
}

/// The request needed a block count beyond 2^64 - 1; nothing was touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterOverflow;

impl fmt::Display for CounterOverflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the block count would pass 2^64 - 1")
    }
}

impl std::error::Error for CounterOverflow {}
