//! Collects decoded bytes, scans them, and wipes them again.

use std::fmt;
use std::hint::black_box;

use super::{Encoding, TextSighting};
use crate::secret_set::SecretSet;

/// Decoded bytes kept at a time; longer stretches are scanned piece by piece.
const CHUNK: usize = 1024;

/// A piece carries over to the next what may be the beginning of a window.
const CARRIED: usize = 7;

/// Room for decoded bytes, made once and lent to every scan.
///
/// It never grows, since growing would leave decoded secrets in a freed block, and it is wiped
/// after each scan.
pub struct Scratch {
    decoded: Box<[u8; CHUNK]>,
}

impl Scratch {
    /// Wiped scratch room.
    #[must_use]
    pub fn new() -> Scratch {
        Scratch { decoded: Box::new([0; CHUNK]) }
    }
}

impl Default for Scratch {
    fn default() -> Scratch {
        Scratch::new()
    }
}

/// Shows nothing of what was decoded.
impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}

/// Where a decoder puts its bytes.
pub(super) struct Stream<'a> {
    set: &'a SecretSet,
    decoded: &'a mut [u8; CHUNK],
    sink: &'a mut dyn FnMut(TextSighting),
    encoding: Encoding,
    /// Where the decoded stretch begins in the text.
    position: usize,
    len: usize,
    /// As far as `decoded` was ever written.
    touched_len: usize,
}

impl<'a> Stream<'a> {
    pub(super) fn new(
        set: &'a SecretSet,
        scratch: &'a mut Scratch,
        sink: &'a mut dyn FnMut(TextSighting),
    ) -> Stream<'a> {
        let decoded = &mut scratch.decoded;
        Stream { set, decoded, sink, encoding: Encoding::Raw, position: 0, len: 0, touched_len: 0 }
    }

    /// Decodes one stretch: `decode` pushes its bytes, and what it pushed last is scanned after.
    pub(super) fn stretch(
        &mut self,
        encoding: Encoding,
        position: usize,
        decode: impl FnOnce(&mut Self),
    ) {
        (self.encoding, self.position, self.len) = (encoding, position, 0);
        decode(self);
        self.cut();
    }

    #[inline]
    pub(super) fn push(&mut self, byte: u8) {
        if self.len == CHUNK {
            self.scan();
            self.decoded.copy_within(CHUNK - CARRIED.., 0);
            self.len = CARRIED;
        }
        self.decoded[self.len] = byte;
        self.len += 1;
    }

    pub(super) fn push_all(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.push(*byte));
    }

    /// What follows does not continue what came before.
    pub(super) fn cut(&mut self) {
        self.scan();
        self.len = 0;
    }

    fn scan(&mut self) {
        self.touched_len = self.touched_len.max(self.len);
        let Stream { sink, encoding, position, .. } = self;
        self.set.scan_bytes(&self.decoded[..self.len], &mut |sighting| {
            sink(TextSighting {
                tag: sighting.tag,
                window: sighting.window,
                position: *position,
                encoding: *encoding,
            });
        });
    }
}

/// Wipes also when the sink panics.
impl Drop for Stream<'_> {
    fn drop(&mut self) {
        self.decoded[..self.touched_len.max(self.len)].fill(0);
        // The scratch may be freed next, and a fill nobody reads could be left out.
        black_box(&mut *self.decoded);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::scan_text;

    #[test]
    fn nothing_decoded_stays_in_the_scratch() {
        let mut set = SecretSet::new();
        let secret = 0x3ac5_910e_77d2_48bf_06e9_5c83_1df4_a06b_u128;
        set.register(&secret.to_be_bytes(), 1).unwrap();
        let mut scratch = Scratch::new();
        let mut count = 0;
        for text in [format!("{secret:032x}"), format!("{secret:x} ").repeat(200)] {
            scan_text(&set, &text, &mut scratch, &mut |_| count += 1);
            assert!(scratch.decoded.iter().all(|&byte| byte == 0));
        }
        assert!(count >= 200);
        assert_eq!(format!("{scratch:?}"), "Scratch { .. }");
    }
}
