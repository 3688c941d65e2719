//! What one session keeps secret: the key in force, the random number that waits for finish, and the
//! read-back key.

use rekeylab_cipher::encrypt_block;
use rekeylab_ddi::Hresult;

use crate::home::Home;
use crate::limits::ENTROPY_DRAWS_MAX;
use crate::seams::Entropy;

/// The secrets of one session, allocated once and never moved.
#[derive(Debug)]
pub(crate) struct SessionSecrets {
    /// K, the key in force.
    pub(crate) key: Home,
    /// R, between start and finish; zeros otherwise.
    pub(crate) random: Home,
    /// The mark of the random number before: a fixed block encrypted under it, which tells R from it
    /// without keeping it. Zeros before the first.
    pub(crate) last_mark: Home,
    /// B, the read-back key, from the call that made it to finish; zeros otherwise.
    pub(crate) read_back_key: Home,
    /// The mark of the last read-back key. Zeros before the first.
    pub(crate) read_back_mark: Home,
    /// Where a new read-back key is drawn and wrapped; zeros between calls.
    drawn: Home,
    /// Where the mark of what was drawn is made; zeros between calls.
    next_mark: Home,
}

impl SessionSecrets {
    /// A new home without a secret in it.
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self {
            key: Home::empty(),
            random: Home::empty(),
            last_mark: Home::empty(),
            read_back_key: Home::empty(),
            read_back_mark: Home::empty(),
            drawn: Home::empty(),
            next_mark: Home::empty(),
        })
    }

    /// Draws the random number of a refresh and writes it to `out` too.
    ///
    /// Semantics decision: an answer of all zeros, or the same as the session's last, is drawn
    /// again (S-12); a source that keeps doing so is broken, and start fails closed. When it
    /// fails, nothing of what was drawn stays (S-06).
    pub(crate) fn draw_random(
        &mut self,
        entropy: &mut dyn Entropy,
        out: &mut [u8; 16],
    ) -> Result<(), Hresult> {
        for _ in 0..ENTROPY_DRAWS_MAX {
            if entropy.fill(self.random.bytes_mut()).is_err() {
                break;
            }
            mark(&self.random, &mut self.next_mark);
            // An R of zeros is told by its mark as well, so that only the cipher ever reads R.
            let is_zero = self.next_mark.holds(&ZERO_MARK);
            // The read-back key counts, too: this number is sent in the clear.
            let is_repeated = self.next_mark.holds(self.last_mark.bytes())
                || self.next_mark.holds(self.read_back_mark.bytes());
            if is_zero || is_repeated {
                continue;
            }
            self.last_mark.copy_from(&self.next_mark);
            self.next_mark.wipe();
            rekeylab_cipher::copy_secret(self.random.bytes(), out);
            return Ok(());
        }
        self.next_mark.wipe();
        self.random.wipe();
        Err(Hresult::E_FAIL)
    }

    /// Draws a new read-back key and writes it to `out`, wrapped under the key in force.
    ///
    /// Semantics decision: zeros, the read-back key before and the last random number, which everybody
    /// knows, are drawn again as for a refresh (S-12, INV-13). When it fails, the read-back key before
    /// stays in use (INV-04).
    pub(crate) fn draw_read_back_key(
        &mut self,
        entropy: &mut dyn Entropy,
        out: &mut [u8; 16],
    ) -> Result<(), Hresult> {
        for _ in 0..ENTROPY_DRAWS_MAX {
            if entropy.fill(self.drawn.bytes_mut()).is_err() {
                break;
            }
            mark(&self.drawn, &mut self.next_mark);
            let is_zero = self.next_mark.holds(&ZERO_MARK);
            let is_repeated = self.next_mark.holds(self.read_back_mark.bytes())
                || self.next_mark.holds(self.last_mark.bytes());
            if is_zero || is_repeated {
                continue;
            }
            self.read_back_mark.copy_from(&self.next_mark);
            self.next_mark.wipe();
            self.read_back_key.copy_from(&self.drawn);
            // The wrap is one block of AES-ECB. It is made in a home: the caller may read its
            // buffer at any time and must never find the key there as it is.
            encrypt_block(self.key.bytes(), self.drawn.bytes_mut());
            rekeylab_cipher::copy_secret(self.drawn.bytes(), out);
            self.drawn.wipe();
            return Ok(());
        }
        self.next_mark.wipe();
        self.drawn.wipe();
        Err(Hresult::E_FAIL)
    }

    /// Makes the updated key the key in force and forgets what it was made of (R-17, S-03, S-79).
    ///
    /// The XOR happens in place: the old key has no other home to be erased from. After n refreshes
    /// the key is the first one XOR all n random numbers (INV-02, INV-03).
    pub(crate) fn apply_random(&mut self) {
        self.key.xor_from(&self.random);
        self.random.wipe();
        // Semantics decision: the read-back key ends with the key that it was delivered under (S-19).
        // Whoever held that one would read on otherwise.
        self.read_back_key.wipe();
    }

    /// Writes what every home holds; see [`Adapter::write_state`](crate::Adapter::write_state).
    #[cfg(feature = "homes")]
    pub(crate) fn write_state(&self, sink: &mut crate::observe::StateSink<'_>) {
        let Self { key, random, last_mark, read_back_key, read_back_mark, drawn, next_mark } = self;
        for home in [key, random, last_mark, read_back_key, read_back_mark, drawn, next_mark] {
            sink.bytes(home.bytes());
        }
    }

    /// Forgets everything.
    pub(crate) fn wipe(&mut self) {
        self.key.wipe();
        self.random.wipe();
        self.last_mark.wipe();
        self.read_back_key.wipe();
        self.read_back_mark.wipe();
    }
}

/// Makes the one-way mark of what was drawn: a fixed block encrypted under it.
///
/// Repetition must be noticed after what was drawn is erased (S-12 beside S-79), so what is kept must
/// not lead back to it. It still follows what was drawn, so it goes from home to home like that.
fn mark(drawn: &Home, mark: &mut Home) {
    *mark.bytes_mut() = *b"refresh-mark-v1\0";
    encrypt_block(drawn.bytes(), mark.bytes_mut());
}

/// The mark of sixteen zero bytes.
const ZERO_MARK: [u8; 16] = 0x46eb_8411_3198_9fc7_7abf_e548_8a06_d39b_u128.to_be_bytes();

#[cfg(test)]
mod tests {
    use super::{Home, ZERO_MARK, mark};

    #[test]
    fn zeros_are_known_by_their_mark_and_nothing_else_is() {
        let (mut random, mut made) = (Home::empty(), Home::empty());
        mark(&random, &mut made);
        assert!(made.holds(&ZERO_MARK));
        random.bytes_mut()[15] = 1;
        mark(&random, &mut made);
        assert!(!made.holds(&ZERO_MARK));
    }
}
