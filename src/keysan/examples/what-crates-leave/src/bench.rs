//! The bench that each subject runs on: it draws secrets, makes calls through keysan, and notes what was proven.

use std::convert::Infallible;
use std::hint::black_box;
use std::ops::Deref;

use hpke::rand_core::{TryCryptoRng, TryRng};
use keysan::{Keysan, SecretId, looks_like_nothing_else};

/// Where a subject draws its secrets, makes its calls and proves that they did something.
///
/// Without keysan it does the same and looks at nothing. So is a subject run first, to let a crate do what it does once
/// a process: ask the processor what it has, seed a generator, fill a cache.
pub(crate) struct Bench<'k> {
    keysan: Option<&'k mut Keysan>,
    random: Random,
    pub(crate) secrets: Vec<Known>,
    pub(crate) calls: Vec<Called>,
    pub(crate) checks: Vec<&'static str>,
}

/// A secret that keysan looks for.
pub(crate) struct Known {
    pub(crate) name: &'static str,
    /// Kept for the control, in memory that no call has allocated.
    pub(crate) bytes: Box<[u8]>,
    is_retired: bool,
}

/// A call that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Called {
    pub(crate) name: &'static str,
    /// Whether the harness moved a value in it that may hold a secret.
    pub(crate) has_moved: bool,
}

/// A secret in a subject's hands. It lies in a box, so that what is captured by a call is its address.
pub(crate) struct Secret<const N: usize> {
    bytes: Box<[u8; N]>,
    name: &'static str,
    id: Option<SecretId>,
}

/// Why there is no answer; that is different from an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// keysan does not look for this secret.
    Refused(String),
    /// The crate did not do what it must, or a look was none.
    Void(String),
    /// The crate drew a secret that memory may well hold anyway. Another run draws another one.
    DrawAgain,
}

impl<'k> Bench<'k> {
    pub(crate) fn new(keysan: Option<&'k mut Keysan>, seed: u64) -> Bench<'k> {
        let random = Random(seed);
        Bench { keysan, random, secrets: Vec::new(), calls: Vec::new(), checks: Vec::new() }
    }

    /// Draws a secret and has keysan look for it from now on.
    pub(crate) fn draw<const N: usize>(
        &mut self,
        name: &'static str,
    ) -> Result<Secret<N>, Trouble> {
        let mut bytes = Box::new([0; N]);
        loop {
            self.random.fill(&mut *bytes);
            if is_unlike_all_else(&*bytes) {
                return self.know(name, bytes);
            }
        }
    }

    /// Draws a private key of X25519 that is clamped already, so that a copy looks the same before and after.
    pub(crate) fn draw_clamped(&mut self, name: &'static str) -> Result<Secret<32>, Trouble> {
        let mut bytes = Box::new([0; 32]);
        loop {
            self.random.fill(&mut *bytes);
            bytes[0] &= 0xf8;
            bytes[31] = bytes[31] & 0x7f | 0x40;
            if is_unlike_all_else(&*bytes) {
                return self.know(name, bytes);
            }
        }
    }

    /// Draws letters and digits, as a password has them.
    pub(crate) fn draw_password<const N: usize>(
        &mut self,
        name: &'static str,
    ) -> Result<Secret<N>, Trouble> {
        const LETTERS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut bytes = Box::new([0; N]);
        loop {
            self.random.fill(&mut *bytes);
            bytes.iter_mut().for_each(|byte| *byte = LETTERS[usize::from(*byte % 64)]);
            if is_unlike_all_else(&*bytes) {
                return self.know(name, bytes);
            }
        }
    }

    /// Has keysan look for a secret that the crate made, or that is made of others.
    pub(crate) fn learn<const N: usize>(
        &mut self,
        name: &'static str,
        bytes: &[u8; N],
    ) -> Result<Secret<N>, Trouble> {
        if !is_unlike_all_else(bytes) {
            return Err(Trouble::DrawAgain);
        }
        self.know(name, Box::new(*bytes))
    }

    fn know<const N: usize>(
        &mut self,
        name: &'static str,
        bytes: Box<[u8; N]>,
    ) -> Result<Secret<N>, Trouble> {
        let id = match &mut self.keysan {
            Some(keysan) => Some(
                keysan
                    .register(name, &*bytes)
                    .map_err(|why| Trouble::Refused(format!("{name}: {why}")))?,
            ),
            None => None,
        };
        self.secrets.push(Known { name, bytes: Box::from(&bytes[..]), is_retired: false });
        Ok(Secret { bytes, name, id })
    }

    /// A call in which every value stays where the crate has put it.
    pub(crate) fn call<R>(&mut self, name: &'static str, call: impl FnOnce() -> R) -> R {
        self.calls.push(Called { name, has_moved: false });
        self.make(name, call)
    }

    /// A call in which the harness moves what the crate has returned, into a box say. What is left on the stack and in
    /// registers by this call alone may be the harness's own.
    pub(crate) fn call_that_moves<R>(&mut self, name: &'static str, call: impl FnOnce() -> R) -> R {
        self.calls.push(Called { name, has_moved: true });
        self.make(name, call)
    }

    fn make<R>(&mut self, name: &'static str, call: impl FnOnce() -> R) -> R {
        match &mut self.keysan {
            Some(keysan) => keysan.call(name, call),
            None => call(),
        }
    }

    /// The life of this secret is over: it must be nowhere from here on.
    pub(crate) fn retire<const N: usize>(&mut self, secret: &Secret<N>, reason: &'static str) {
        if let (Some(keysan), Some(id)) = (&mut self.keysan, secret.id) {
            keysan.retire(id, reason);
        }
        let known = self.secrets.iter_mut().filter(|known| known.name == secret.name);
        known.for_each(|known| known.is_retired = true);
    }

    /// Looks through heap, statics and dead stack.
    pub(crate) fn scan(&mut self, name: &'static str) {
        if let Some(keysan) = &mut self.keysan {
            keysan.scan(name);
        }
    }

    /// Looks at a text that the crate has written.
    pub(crate) fn look_at_text(&mut self, name: &'static str, text: &str) {
        if let Some(keysan) = &mut self.keysan {
            keysan.look_at_text(name, text);
        }
    }

    /// Looks at bytes that others may see.
    pub(crate) fn look_at_output(&mut self, name: &'static str, bytes: &[u8]) {
        if let Some(keysan) = &mut self.keysan {
            keysan.look_at_output(name, bytes);
        }
    }

    /// Proves that the crate did what it is for; what did nothing leaves nothing.
    pub(crate) fn check(&mut self, is_true: bool, claim: &'static str) -> Result<(), Trouble> {
        if !is_true {
            return Err(Trouble::Void(format!("not true: {claim}")));
        }
        self.checks.push(claim);
        Ok(())
    }

    /// Whether the subject has done all that a subject must.
    pub(crate) fn end(&mut self) -> Result<(), Trouble> {
        if let Some(known) = self.secrets.iter().find(|known| !known.is_retired) {
            return Err(Trouble::Void(format!("{} is never retired", known.name)));
        }
        if self.calls.is_empty() || self.checks.is_empty() {
            return Err(Trouble::Void("nothing was called, or nothing was checked".to_owned()));
        }
        self.scan("the end");
        Ok(())
    }
}

impl<const N: usize> Deref for Secret<N> {
    type Target = [u8; N];

    fn deref(&self) -> &[u8; N] {
        &self.bytes
    }
}

/// What a crate answers instead of what was expected ends the run.
pub(crate) fn failed<E>(what: &'static str) -> impl FnOnce(E) -> Trouble {
    move |_| Trouble::Void(format!("failed: {what}"))
}

/// Whether keysan will sight any eight bytes of it.
fn is_unlike_all_else(bytes: &[u8]) -> bool {
    let starts = (0..bytes.len().saturating_sub(16)).step_by(8).chain(bytes.len().checked_sub(16));
    let mut pieces = starts.filter_map(|start| bytes[start..].first_chunk());
    bytes.len() >= 16 && pieces.all(looks_like_nothing_else)
}

/// A generator whose secrets are the same in every run of the program: `SplitMix64`.
struct Random(u64);

impl Random {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = self.0;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            word ^= word >> 31;
            chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
        }
    }
}

/// A generator that hands out one secret, for crates which draw their keys themselves.
pub(crate) struct Drawn<'s>(pub(crate) &'s [u8]);

impl TryRng for Drawn<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(0)
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        copy_by_bytes(self.0, dst);
        Ok(())
    }
}

impl TryCryptoRng for Drawn<'_> {}

/// Copies through one byte of a register, so that the harness itself leaves nothing that could be found.
pub(crate) fn copy_by_bytes(from: &[u8], to: &mut [u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = black_box(*from);
    }
}

/// Compares in the same way.
pub(crate) fn is_same_by_bytes(one: &[u8], other: &[u8]) -> bool {
    let differences = one.iter().zip(other).filter(|(one, other)| black_box(**one) != **other);
    one.len() == other.len() && differences.count() == 0
}
