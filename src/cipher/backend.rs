//! Which implementation of AES does the work, and what each of them promises.

use std::slice;

use crate::aes_ni::AesNi;
use crate::{BLOCK_LEN, Block, CounterOverflow, KEY_LEN, plain, private_stack};

/// One way of computing AES.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// AES-NI instructions, one `asm!` block an operation.
    ///
    /// The round keys exist only in registers, which are zero before the block ends. Needs an
    /// x86-64 processor with AES-NI, SSSE3 and SSE4.1.
    AesNi,
    /// The `aes` crate on a stack of its own, wiped after each call together with the registers.
    ///
    /// Needs Linux or macOS on x86-64 or AArch64.
    PrivateStack,
    /// The `aes` crate called the ordinary way: right answers, but key material stays behind.
    ///
    /// Only for Miri, which cannot run assembly, and for machines without a port of the others.
    Plain,
}

/// The backend that the free functions of this crate use here: the first available one.
///
/// The processor is asked once a process; the answer is cached by the standard library.
pub fn backend() -> Backend {
    if Backend::AesNi.is_available() {
        Backend::AesNi
    } else if Backend::PrivateStack.is_available() {
        Backend::PrivateStack
    } else {
        Backend::Plain
    }
}

#[allow(unreachable_code, reason = "where AES-NI has no port, nobody can have it")]
impl Backend {
    /// Every backend, the preferred ones first.
    pub const ALL: [Backend; 3] = [Backend::AesNi, Backend::PrivateStack, Backend::Plain];

    /// Whether this backend works on this machine.
    pub fn is_available(self) -> bool {
        match self {
            Backend::AesNi => AesNi::detect().is_some(),
            Backend::PrivateStack => private_stack::IS_PORTED,
            Backend::Plain => true,
        }
    }

    /// [`ctr_xor`](crate::ctr_xor) on this backend.
    ///
    /// # Errors
    ///
    /// [`CounterOverflow`] when `count` plus the number of blocks exceeds 2^64; `data` is
    /// untouched.
    ///
    /// # Panics
    ///
    /// Panics if this backend is not available.
    pub fn ctr_xor(
        self,
        key: &[u8; KEY_LEN],
        iv: u64,
        count: u64,
        data: &mut [u8],
    ) -> Result<(), CounterOverflow> {
        // The last block uses `count + (blocks - 1)`; that, not the sum, has to fit.
        let Some(blocks_after_first) = data.len().div_ceil(BLOCK_LEN).checked_sub(1) else {
            return Ok(());
        };
        if count.checked_add(blocks_after_first as u64).is_none() {
            return Err(CounterOverflow);
        }
        match self {
            Backend::AesNi => aes_ni().ctr_xor(key, iv, count, data),
            Backend::PrivateStack => {
                private_stack::run(&mut || plain::ctr_xor(key, iv, count, data))
            }
            Backend::Plain => plain::ctr_xor(key, iv, count, data),
        }
        Ok(())
    }

    /// [`encrypt_block`](crate::encrypt_block) on this backend.
    ///
    /// # Panics
    ///
    /// Panics if this backend is not available.
    pub fn encrypt_block(self, key: &[u8; KEY_LEN], block: &mut Block) {
        self.encrypt_blocks(key, slice::from_mut(block));
    }

    /// [`decrypt_block`](crate::decrypt_block) on this backend.
    ///
    /// # Panics
    ///
    /// Panics if this backend is not available.
    pub fn decrypt_block(self, key: &[u8; KEY_LEN], block: &mut Block) {
        match self {
            Backend::AesNi => aes_ni().decrypt_block(key, block),
            Backend::PrivateStack => private_stack::run(&mut || plain::decrypt_block(key, block)),
            Backend::Plain => plain::decrypt_block(key, block),
        }
    }

    /// [`encrypt_blocks`](crate::encrypt_blocks) on this backend.
    ///
    /// # Panics
    ///
    /// Panics if this backend is not available.
    pub fn encrypt_blocks(self, key: &[u8; KEY_LEN], blocks: &mut [Block]) {
        match self {
            Backend::AesNi => aes_ni().encrypt_blocks(key, blocks),
            Backend::PrivateStack => private_stack::run(&mut || plain::encrypt_blocks(key, blocks)),
            Backend::Plain => plain::encrypt_blocks(key, blocks),
        }
    }
}

fn aes_ni() -> AesNi {
    AesNi::detect().expect("Backend::AesNi.is_available() says whether this may be called")
}
