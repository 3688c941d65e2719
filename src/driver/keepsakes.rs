//! What planted faults keep of a secret, and where: in statics, per thread, in boxes, on the stack.
//!
//! Only the fault's own leftovers hold the secret: they are made by the cipher's moves, which leave
//! nothing in registers, or byte by byte.

use core::fmt::{self, Write as _};
use core::hint::black_box;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rekeylab_cipher::{copy_secret, planted, xor_secret};
use rekeylab_ddi::CtrIv;
use zeroize::Zeroize;

use crate::fault::{Fault, planted as planted_fault};
use crate::home::Home;
use crate::seams::Engine;

/// What is kept in a session, beside its secrets.
#[derive(Default)]
pub(crate) struct SessionKeepsakes {
    former_keys: Vec<OwnHome>,
    growing: Vec<[u8; 16]>,
    rotated: Option<Box<[u8; 16]>>,
    round_keys: Option<Box<[[u8; 16]; 10]>>,
}

/// A home that stays where it is while the list of them grows.
type OwnHome = Box<Home>;

impl SessionKeepsakes {
    /// The session has just taken its key.
    pub(crate) fn note_exchange(&mut self, key: &Home) {
        match planted_fault() {
            Some(Fault::KeyTakenByValue) => take_by_value(*key.bytes()),
            Some(Fault::KeyInStatic) => copy_secret(key.bytes(), &mut lock(&IN_THE_CLEAR)),
            Some(Fault::MaskedKeyInStatic) => copy_masked(key, &mut lock(&MASKED)),
            Some(Fault::SpreadKeyInStatic) => {
                for (word, &byte) in SPREAD.iter().zip(key.bytes()) {
                    word.store(black_box(byte).into(), Ordering::Relaxed);
                }
            }
            Some(Fault::KeyInThreadLocal) => {
                LAST_KEY.with_borrow_mut(|kept| copy_secret(key.bytes(), kept));
            }
            Some(Fault::KeyGrownByteByByte) => grow_byte_by_byte(key),
            Some(Fault::KeysInGrowingVec) => self.push(key),
            Some(Fault::RotatedKeyKept) => {
                copy_rotated(key, self.rotated.insert(Box::new([0; 16])));
            }
            Some(Fault::RoundKeysKept) => {
                let round_keys = self.round_keys.insert(Box::new([[0; 16]; 10]));
                planted::expand_into(key.bytes(), round_keys);
            }
            Some(Fault::UnwindingSkipsWipe) => unwind_past_wipe(key),
            _ => {}
        }
    }

    /// The session is about to make `key` XOR `random` its key.
    pub(crate) fn note_finish(&mut self, key: &Home, random: &Home) {
        match planted_fault() {
            Some(Fault::OldKeyInHistory) => {
                self.former_keys.push(Box::new(Home::empty()));
                self.former_keys.last_mut().expect("just pushed").copy_from(key);
            }
            Some(Fault::UpdatedKeyInFreedBox) => {
                let mut updated = Box::new([0; 16]);
                copy_secret(key.bytes(), &mut updated);
                xor_secret(random.bytes(), &mut updated);
                black_box(&updated);
            }
            Some(Fault::KeysInGrowingVec) => {
                self.push(key);
                xor_secret(random.bytes(), self.growing.last_mut().expect("just pushed"));
            }
            _ => {}
        }
    }

    /// Writes what is kept; see [`Adapter::write_state`](crate::Adapter::write_state).
    #[cfg(feature = "homes")]
    pub(crate) fn write_state(&self, sink: &mut crate::observe::StateSink<'_>) {
        let Self { former_keys, growing, rotated, round_keys } = self;
        sink.count(former_keys.len());
        former_keys.iter().for_each(|key| sink.bytes(key.bytes()));
        sink.bytes(growing.as_flattened());
        sink.bytes(rotated.as_deref().map_or(&[], |key| &key[..]));
        sink.bytes(round_keys.as_deref().map_or(&[], |keys| keys.as_flattened()));
    }

    /// Grows by one, so that every push moves the keys and leaves the old block behind.
    fn push(&mut self, key: &Home) {
        self.growing.reserve_exact(1);
        self.growing.push([0; 16]);
        copy_secret(key.bytes(), self.growing.last_mut().expect("just pushed"));
    }
}

impl Drop for SessionKeepsakes {
    fn drop(&mut self) {
        self.growing.zeroize();
    }
}

impl fmt::Debug for SessionKeepsakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKeepsakes(..)")
    }
}

/// What is kept in the queue, beside the captured keys.
#[derive(Default)]
pub(crate) struct QueueKeepsakes {
    growing: VecDeque<[u8; 16]>,
    keystream: Option<Box<[u8; 16]>>,
}

impl QueueKeepsakes {
    /// A command has just captured its key.
    pub(crate) fn note_submit(&mut self, key: &Home) {
        if planted_fault() == Some(Fault::KeysInGrowingDeque) {
            self.growing.reserve_exact(1);
            self.growing.push_back([0; 16]);
            copy_secret(key.bytes(), self.growing.back_mut().expect("just pushed"));
        }
    }

    /// A command is about to be executed under `key`.
    pub(crate) fn note_execution(&mut self, engine: &mut dyn Engine, key: &Home, counter: CtrIv) {
        if let Some(copy) = self.growing.front_mut() {
            copy.zeroize();
            self.growing.pop_front();
        }
        if planted_fault() == Some(Fault::KeystreamKept) {
            let keystream = self.keystream.insert(Box::new([0; 16]));
            engine.execute(key.bytes(), counter, &mut **keystream);
        }
    }

    /// Writes what is kept; see [`Adapter::write_state`](crate::Adapter::write_state).
    #[cfg(feature = "homes")]
    pub(crate) fn write_state(&self, sink: &mut crate::observe::StateSink<'_>) {
        let Self { growing, keystream } = self;
        sink.count(growing.len());
        growing.iter().for_each(|key| sink.bytes(key));
        sink.bytes(keystream.as_deref().map_or(&[], |block| &block[..]));
    }

    /// Everything that waited is lost.
    pub(crate) fn note_loss(&mut self) {
        self.growing.iter_mut().for_each(Zeroize::zeroize);
        self.growing.clear();
    }
}

impl Drop for QueueKeepsakes {
    fn drop(&mut self) {
        self.note_loss();
    }
}

static IN_THE_CLEAR: Mutex<[u8; 16]> = Mutex::new([0; 16]);
static MASKED: Mutex<[u8; 16]> = Mutex::new([0; 16]);
/// One byte a word.
static SPREAD: [AtomicU64; 16] = [const { AtomicU64::new(0) }; 16];

thread_local! {
    static LAST_KEY: RefCell<[u8; 16]> = const { RefCell::new([0; 16]) };
}

/// Clears what the planted fault keeps outside any driver, so that no run shows in the next.
///
/// A static is only cleared by a thread that has its fault planted: others would wipe it away under
/// a run of that thread's.
pub(crate) fn forget() {
    LAST_KEY.with_borrow_mut(|kept| kept.zeroize());
    match planted_fault() {
        Some(Fault::KeyInStatic) => lock(&IN_THE_CLEAR).zeroize(),
        Some(Fault::MaskedKeyInStatic) => lock(&MASKED).zeroize(),
        Some(Fault::SpreadKeyInStatic) => {
            SPREAD.iter().for_each(|word| word.store(0, Ordering::Relaxed));
        }
        _ => {}
    }
}

/// Takes sixteen bytes by value, which leaves them in this function's frame.
#[inline(never)]
pub(crate) fn take_by_value(secret: [u8; 16]) {
    black_box(&secret);
}

/// Bytes as base64, which shows them.
pub(crate) struct Base64<'a>(pub(crate) &'a [u8; 16]);

impl fmt::Display for Base64<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        for group in self.0.chunks(3) {
            let at = |index: usize| usize::from(group.get(index).copied().unwrap_or(0));
            let bits = at(0) << 16 | at(1) << 8 | at(2);
            for digit in 0..=group.len() {
                f.write_char(DIGITS[bits >> (18 - 6 * digit) & 63].into())?;
            }
        }
        f.write_str("==")
    }
}

fn lock(kept: &Mutex<[u8; 16]>) -> MutexGuard<'_, [u8; 16]> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

fn copy_masked(key: &Home, to: &mut [u8; 16]) {
    copy_secret(key.bytes(), to);
    xor_secret(&[0xA5; 16], to);
}

/// Three bits to the left, over all sixteen bytes, and masked; no eight bytes of the key are left.
fn copy_rotated(key: &Home, to: &mut [u8; 16]) {
    let key = key.bytes();
    for (index, byte) in to.iter_mut().enumerate() {
        let (high, low) = (black_box(key[index]), black_box(key[(index + 1) % 16]));
        *byte = (high << 3 | low >> 5) ^ 0x5C;
    }
}

/// Wipes the bytes at the end, but not the blocks that they grew out of.
fn grow_byte_by_byte(key: &Home) {
    let mut bytes = Vec::new();
    for &byte in key.bytes() {
        bytes.push(byte);
        black_box(&bytes);
    }
    bytes.zeroize();
}

/// Wipes a copy by hand, behind a step that unwinds; the panic is caught and forgotten.
fn unwind_past_wipe(key: &Home) {
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let mut copy = Box::new([0; 16]);
        copy_secret(key.bytes(), &mut copy);
        if black_box(true) {
            // Without the panic hook, which is the workbench's.
            resume_unwind(Box::new(()));
        }
        copy.zeroize();
    }));
    debug_assert!(unwound.is_err(), "the step unwinds");
}

#[cfg(test)]
mod tests {
    use super::Base64;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        assert_eq!(Base64(b"foobarfoobarfoob").to_string(), "Zm9vYmFyZm9vYmFyZm9vYg==");
    }
}
