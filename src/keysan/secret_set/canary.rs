//! The set's own needle, by which a scan shows that it looked.

use super::ALL_WINDOWS;
use super::masked::{WINDOWS, window};

/// The canary under [`VEIL`], since its bytes in the program's image would be a sighting for any
/// scan of statics. Its first nine bytes differ in their low nibbles; see [`Canary`].
static VEILED: [u8; 16] = 0x67f9_76bb_7f19_6d62_e9da_1209_c429_5e93_u128.to_le_bytes();

const VEIL: u64 = 0xb75d_db91_9976_b423;

/// The windows of the canary, masked like any needle.
///
/// A canary is met in every scan, so it is told from needles by one comparison: each window begins
/// with another low nibble, and a mask keeps it so, which makes that nibble a perfect hash.
pub(super) struct Canary {
    by_nibble: [u64; 16],
    /// The windows once more, in order.
    windows: [u64; WINDOWS],
}

impl Canary {
    pub(super) fn new(mask: u64) -> Canary {
        // Read under both masks at once. That read is opaque, so that no optimiser can work out the
        // canary and put it into the image after all. A window that straddles the halves meets the
        // veil turned.
        let windows = ALL_WINDOWS
            .map(|offset| window(&VEILED, offset, mask ^ VEIL.rotate_right(8 * u32::from(offset))));
        // What has another low nibble than its place is no window.
        let mut by_nibble = std::array::from_fn(|nibble| !(nibble as u64));
        for window in windows {
            by_nibble[nibble(window)] = window;
        }
        Canary { by_nibble, windows }
    }

    /// Whether a masked word is a window of the canary.
    #[inline(always)]
    pub(super) fn owns(&self, masked: u64) -> bool {
        self.by_nibble[nibble(masked)] == masked
    }

    /// All windows, masked.
    pub(super) fn windows(&self) -> &[u64; WINDOWS] {
        &self.windows
    }

    #[cfg(test)]
    pub(super) fn memory(&self) -> Vec<u64> {
        self.by_nibble.iter().chain(&self.windows).copied().collect()
    }

    /// Writes the canary in the clear, unless it is there already: a word that was just written is
    /// slow to read as part of a line.
    #[inline]
    pub(super) fn plant(&self, place: &mut [u8; 16], mask: u64) {
        let (first, second) = place.split_at_mut(8);
        for (half, window) in [(first, self.windows[0]), (second, self.windows[WINDOWS - 1])] {
            let word = (window ^ mask).to_le_bytes();
            if *half != word {
                half.copy_from_slice(&word);
            }
        }
    }
}

#[inline(always)]
fn nibble(masked: u64) -> usize {
    (masked % 16) as usize
}
