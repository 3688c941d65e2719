//! The pieces of assembly that the operations of `aes_ni.rs` are put together from.
//!
//! Macros, because an `asm!` template is a string literal; functions would need registers to
//! survive a call, which only the compiler could promise. rustfmt is kept off those where it
//! would put every word of an instruction on a line of its own.

/// What the key schedule needs from memory; none of it is secret.
#[repr(C, align(16))]
pub(crate) struct Constants {
    /// A byte shuffle that copies the last column, rotated, to all four columns.
    rotate_last_column: [u32; 4],
    /// The round constants, in every column.
    round: [[u32; 4]; 10],
}

pub(crate) static CONSTANTS: Constants = Constants {
    rotate_last_column: [0x0c0f_0e0d; 4],
    round: [
        [0x01; 4], [0x02; 4], [0x04; 4], [0x08; 4], [0x10; 4], [0x20; 4], [0x40; 4], [0x80; 4],
        [0x1b; 4], [0x36; 4],
    ],
};

/// Derives the round key `$to` from the one before; `$constant` is where its round constant lies.
///
/// `aesenclast` on four equal columns substitutes bytes and nothing else, because shifting the
/// rows of equal columns changes nothing; it is much faster than `aeskeygenassist`.
#[rustfmt::skip]
macro_rules! next_round_key {
    ($from:literal, $to:literal, $constant:literal) => {
        concat!(
            // The columns, each with those before it added: (a, a+b, a+b+c, a+b+c+d).
            "movdqa ", $to, ", ", $from, "\n",
            "movdqa xmm4, ", $from, "\n",
            "pslldq xmm4, 4\n",
            "pxor ", $to, ", xmm4\n",
            "movdqa xmm4, ", $to, "\n",
            "pslldq xmm4, 8\n",
            "pxor ", $to, ", xmm4\n",
            // The last column rotated, substituted and with the round constant added.
            "movdqa xmm4, ", $from, "\n",
            "pshufb xmm4, [{constants}]\n",
            "aesenclast xmm4, [{constants} + ", $constant, "]\n",
            "pxor ", $to, ", xmm4\n",
        )
    };
}

/// Applies one instruction with one round key to the four blocks.
#[rustfmt::skip]
macro_rules! four_blocks {
    ($instruction:literal, $round_key:literal) => {
        concat!(
            $instruction, " xmm0, ", $round_key, "\n",
            $instruction, " xmm1, ", $round_key, "\n",
            $instruction, " xmm2, ", $round_key, "\n",
            $instruction, " xmm3, ", $round_key, "\n",
        )
    };
}

/// Derives the round keys from `xmm5` into `xmm6`-`xmm15`.
macro_rules! schedule {
    () => {
        concat!(
            next_round_key!("xmm5", "xmm6", "16"),
            next_round_key!("xmm6", "xmm7", "32"),
            next_round_key!("xmm7", "xmm8", "48"),
            next_round_key!("xmm8", "xmm9", "64"),
            next_round_key!("xmm9", "xmm10", "80"),
            next_round_key!("xmm10", "xmm11", "96"),
            next_round_key!("xmm11", "xmm12", "112"),
            next_round_key!("xmm12", "xmm13", "128"),
            next_round_key!("xmm13", "xmm14", "144"),
            next_round_key!("xmm14", "xmm15", "160"),
        )
    };
}

/// Encrypts the four blocks with the round keys in place.
macro_rules! encrypt_four_blocks {
    () => {
        concat!(
            four_blocks!("pxor", "xmm5"),
            four_blocks!("aesenc", "xmm6"),
            four_blocks!("aesenc", "xmm7"),
            four_blocks!("aesenc", "xmm8"),
            four_blocks!("aesenc", "xmm9"),
            four_blocks!("aesenc", "xmm10"),
            four_blocks!("aesenc", "xmm11"),
            four_blocks!("aesenc", "xmm12"),
            four_blocks!("aesenc", "xmm13"),
            four_blocks!("aesenc", "xmm14"),
            four_blocks!("aesenclast", "xmm15"),
        )
    };
}

/// `schedule!` and `encrypt_four_blocks!` woven together, so that they take the time of one.
macro_rules! schedule_with_four_blocks {
    () => {
        concat!(
            four_blocks!("pxor", "xmm5"),
            next_round_key!("xmm5", "xmm6", "16"),
            four_blocks!("aesenc", "xmm6"),
            next_round_key!("xmm6", "xmm7", "32"),
            four_blocks!("aesenc", "xmm7"),
            next_round_key!("xmm7", "xmm8", "48"),
            four_blocks!("aesenc", "xmm8"),
            next_round_key!("xmm8", "xmm9", "64"),
            four_blocks!("aesenc", "xmm9"),
            next_round_key!("xmm9", "xmm10", "80"),
            four_blocks!("aesenc", "xmm10"),
            next_round_key!("xmm10", "xmm11", "96"),
            four_blocks!("aesenc", "xmm11"),
            next_round_key!("xmm11", "xmm12", "112"),
            four_blocks!("aesenc", "xmm12"),
            next_round_key!("xmm12", "xmm13", "128"),
            four_blocks!("aesenc", "xmm13"),
            next_round_key!("xmm13", "xmm14", "144"),
            four_blocks!("aesenc", "xmm14"),
            next_round_key!("xmm14", "xmm15", "160"),
            four_blocks!("aesenclast", "xmm15"),
        )
    };
}

/// One round of the inverse cipher on `xmm0`; `aesdec` wants its round key inversely mixed.
macro_rules! inverse_round {
    ($round_key:literal) => {
        concat!("aesimc xmm4, ", $round_key, "\n", "aesdec xmm0, xmm4\n")
    };
}

/// Puts the counter blocks `iv || count` to `iv || count + 3` into `xmm0`-`xmm3`.
macro_rules! counter_blocks {
    () => {
        concat!(
            counter_block!("xmm0", "0"),
            counter_block!("xmm1", "1"),
            counter_block!("xmm2", "2"),
            counter_block!("xmm3", "3"),
        )
    };
}

#[rustfmt::skip]
macro_rules! counter_block {
    ($block:literal, $offset:literal) => {
        concat!(
            "lea {word}, [{count} + ", $offset, "]\n",
            "bswap {word}\n",
            "movq ", $block, ", {iv}\n",
            "pinsrq ", $block, ", {word}, 1\n",
        )
    };
}

/// XORs one block of keystream into the data.
#[rustfmt::skip]
macro_rules! xor_into_data {
    ($keystream:literal, $offset:literal) => {
        concat!(
            "movdqu xmm4, [{data} + ", $offset, "]\n",
            "pxor xmm4, ", $keystream, "\n",
            "movdqu [{data} + ", $offset, "], xmm4\n",
        )
    };
}

/// Loads the blocks that `left` says exist; registers without one keep what they hold, and what
/// becomes of it is not stored.
macro_rules! load_up_to_four_blocks {
    () => {
        concat!(
            "movdqu xmm0, [{blocks}]\n",
            "cmp {left}, 2\n",
            "jb 3f\n",
            "movdqu xmm1, [{blocks} + 16]\n",
            "je 3f\n",
            "movdqu xmm2, [{blocks} + 32]\n",
            "cmp {left}, 4\n",
            "jb 3f\n",
            "movdqu xmm3, [{blocks} + 48]\n",
            "3:\n",
        )
    };
}

/// Zeroes every vector register used here: each held key material, or a block, at some point.
macro_rules! wipe_registers {
    () => {
        concat!(
            "pxor xmm0, xmm0\n",
            "pxor xmm1, xmm1\n",
            "pxor xmm2, xmm2\n",
            "pxor xmm3, xmm3\n",
            "pxor xmm4, xmm4\n",
            "pxor xmm5, xmm5\n",
            "pxor xmm6, xmm6\n",
            "pxor xmm7, xmm7\n",
            "pxor xmm8, xmm8\n",
            "pxor xmm9, xmm9\n",
            "pxor xmm10, xmm10\n",
            "pxor xmm11, xmm11\n",
            "pxor xmm12, xmm12\n",
            "pxor xmm13, xmm13\n",
            "pxor xmm14, xmm14\n",
            "pxor xmm15, xmm15\n",
        )
    };
}
