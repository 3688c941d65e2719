//! AES-128 with AES-NI instructions: one `asm!` block an operation, no secret outside registers.
//!
//! Compiled intrinsics will not do: the compiler may spill a round key to the stack, does so at
//! some optimisation levels, and never wipes the slot. Inside one `asm!` block nothing is stored
//! that is not written here, which is the output alone.
//!
//! # Registers
//!
//! `xmm0`-`xmm3` hold four blocks, `xmm4` is scratch, `xmm5`-`xmm15` hold the eleven round keys.
//! Each round key is derived while the first four blocks pass through the round before, so the
//! schedule is free for short data, and long data finds it ready for every later batch. Four
//! blocks a batch are enough: batches do not depend on each other, and the processor overlaps
//! them.
//!
//! These are legacy SSE instructions. They read and write only the low 128 bits of a vector
//! register, so no secret ever enters the upper parts of `ymm` and `zmm`, and `pxor` wipes all
//! there is to wipe.

use std::arch::asm;

use crate::aes_ni_macros::CONSTANTS;
use crate::{Block, KEY_LEN};

/// Proof that this processor has the instructions used here.
#[derive(Clone, Copy)]
pub(crate) struct AesNi(());

impl AesNi {
    /// The proof, if there is one. The standard library caches what CPUID says.
    #[inline]
    pub(crate) fn detect() -> Option<AesNi> {
        let has_all = [
            is_x86_feature_detected!("aes"),
            is_x86_feature_detected!("ssse3"),
            is_x86_feature_detected!("sse4.1"),
        ];
        has_all.into_iter().all(|has_it| has_it).then_some(AesNi(()))
    }

    /// XORs `data` with keystream. The caller has made sure that the count does not overflow.
    ///
    /// Keystream is always made four blocks at a time. Counts past the end of the data may wrap;
    /// their keystream is never used.
    pub(crate) fn ctr_xor(self, key: &[u8; KEY_LEN], iv: u64, count: u64, data: &mut [u8]) {
        // SAFETY: `self` proves that the instructions exist. `key` is read for 16 bytes and the
        // constants for their size, 16-byte aligned as legacy SSE demands. `data` is read and
        // written from its start for exactly its length: whole batches while 64 bytes are left,
        // then blocks while 16 are left, then the bits of what remains. The stack is not used,
        // and every changed register is declared.
        unsafe {
            asm!(
                "movdqu xmm5, [{key}]",
                counter_blocks!(),
                schedule_with_four_blocks!(),
                // A batch of keystream is ready.
                "2:",
                "cmp {left}, 64",
                "jb 3f",
                xor_into_data!("xmm0", "0"),
                xor_into_data!("xmm1", "16"),
                xor_into_data!("xmm2", "32"),
                xor_into_data!("xmm3", "48"),
                "add {data}, 64",
                "sub {left}, 64",
                "jz 8f",
                "add {count}, 4",
                counter_blocks!(),
                encrypt_four_blocks!(),
                "jmp 2b",
                // Fewer than four blocks are left: use one, move the others up.
                "3:",
                "cmp {left}, 16",
                "jb 4f",
                xor_into_data!("xmm0", "0"),
                "movdqa xmm0, xmm1",
                "movdqa xmm1, xmm2",
                "movdqa xmm2, xmm3",
                "add {data}, 16",
                "sub {left}, 16",
                "jmp 3b",
                // Less than a block is left: 8, 4, 2 and 1 bytes, as the bits of `left` say.
                "4:",
                "movq {word}, xmm0",
                "test {left}, 8",
                "jz 5f",
                "xor qword ptr [{data}], {word}",
                "add {data}, 8",
                "pextrq {word}, xmm0, 1",
                "5:",
                "test {left}, 4",
                "jz 6f",
                "xor dword ptr [{data}], {word:e}",
                "add {data}, 4",
                "shr {word}, 32",
                "6:",
                "test {left}, 2",
                "jz 7f",
                "xor word ptr [{data}], {word:x}",
                "add {data}, 2",
                "shr {word}, 16",
                "7:",
                "test {left}, 1",
                "jz 8f",
                "xor byte ptr [{data}], {word:l}",
                "8:",
                "xor {word:e}, {word:e}",
                wipe_registers!(),
                key = in(reg) key,
                constants = in(reg) &CONSTANTS,
                iv = in(reg) iv.swap_bytes(),
                count = inout(reg) count => _,
                data = inout(reg) data.as_mut_ptr() => _,
                left = inout(reg) data.len() => _,
                word = out(reg) _,
                out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
                out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
                out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
                options(nostack),
            );
        }
    }

    /// Encrypts independent blocks in place.
    pub(crate) fn encrypt_blocks(self, key: &[u8; KEY_LEN], blocks: &mut [Block]) {
        if blocks.is_empty() {
            return;
        }
        // SAFETY: as in `ctr_xor`; `blocks` is read and written one whole block at a time, and a
        // second, third and fourth block only where `left` says that they exist. There is a
        // first one.
        unsafe {
            asm!(
                "movdqu xmm5, [{key}]",
                load_up_to_four_blocks!(),
                schedule_with_four_blocks!(),
                "2:",
                "movdqu [{blocks}], xmm0",
                "cmp {left}, 2",
                "jb 4f",
                "movdqu [{blocks} + 16], xmm1",
                "je 4f",
                "movdqu [{blocks} + 32], xmm2",
                "cmp {left}, 4",
                "jb 4f",
                "movdqu [{blocks} + 48], xmm3",
                "je 4f",
                "add {blocks}, 64",
                "sub {left}, 4",
                load_up_to_four_blocks!(),
                encrypt_four_blocks!(),
                "jmp 2b",
                "4:",
                wipe_registers!(),
                key = in(reg) key,
                constants = in(reg) &CONSTANTS,
                blocks = inout(reg) blocks.as_mut_ptr() => _,
                left = inout(reg) blocks.len() => _,
                out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
                out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
                out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
                options(nostack),
            );
        }
    }

    /// Decrypts one block in place.
    pub(crate) fn decrypt_block(self, key: &[u8; KEY_LEN], block: &mut Block) {
        // SAFETY: as in `ctr_xor`; `block` is read and written once, for its 16 bytes.
        unsafe {
            asm!(
                "movdqu xmm5, [{key}]",
                schedule!(),
                "movdqu xmm0, [{block}]",
                "pxor xmm0, xmm15",
                inverse_round!("xmm14"),
                inverse_round!("xmm13"),
                inverse_round!("xmm12"),
                inverse_round!("xmm11"),
                inverse_round!("xmm10"),
                inverse_round!("xmm9"),
                inverse_round!("xmm8"),
                inverse_round!("xmm7"),
                inverse_round!("xmm6"),
                "aesdeclast xmm0, xmm5",
                "movdqu [{block}], xmm0",
                wipe_registers!(),
                key = in(reg) key,
                constants = in(reg) &CONSTANTS,
                block = in(reg) block,
                out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
                out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
                out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
                options(nostack),
            );
        }
    }
}
