//! The controls, and the cipher that is meant to be clean.

use std::hint::black_box;

use zeroize::Zeroizing;

use super::Task;

/// What the instrument itself leaves: nothing, or every other line is worthless.
pub(super) fn nothing(task: &mut Task<'_>) {
    black_box(task);
}

/// A key that never moves and is wiped when dropped.
pub(super) fn zeroizing(task: &mut Task<'_>) {
    black_box(&Zeroizing::new(*task.key));
}

/// The same, moved once: the place that it was moved from is nobody's to wipe.
pub(super) fn zeroizing_boxed(task: &mut Task<'_>) {
    #[inline(never)]
    fn copied(key: &[u8; 16]) -> Zeroizing<[u8; 16]> {
        Zeroizing::new(*key)
    }
    let key = copied(task.key);
    black_box(&Box::new(key));
}

/// A key twice in a vector that grows: the blocks that it grew out of are nobody's to wipe either.
pub(super) fn zeroizing_grown(task: &mut Task<'_>) {
    let mut keys = Zeroizing::new(Vec::new());
    for byte in task.key.iter().chain(task.key) {
        keys.push(*byte);
    }
    black_box(&keys);
}

/// This repository's own.
pub(super) fn rekeylab_cipher(task: &mut Task<'_>) {
    let whole = u128::from_be_bytes(*task.counter_block);
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of a counter block")]
    let (iv, count) = ((whole >> 64) as u64, whole as u64);
    rekeylab_cipher::ctr_xor(task.key, iv, count, task.text)
        .expect("a count below 2^63 does not pass 2^64 within this text");
}
