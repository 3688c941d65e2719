//! Tells whether a secret is unlike anything that memory and text hold by themselves.

/// Fewer distinct bytes than this in eight, and ordinary memory starts to match.
pub(crate) const DISTINCT_MIN: u32 = 6;

/// For what has no such eight bytes, as ten digits may have none. Ordinary memory may match these, by letters say.
pub(crate) const DISTINCT_FEW: u32 = 4;

/// Words with many distinct bytes that programs nevertheless write all the time.
///
/// Fills of one repeated byte, and the usual four-byte poison words, need no entry: they fall to
/// the count of distinct bytes. Counting runs are recognised by their constant step.
const FILL_PATTERNS: [u64; 4] = [
    u64::from_le_bytes(*b"01234567"),
    u64::from_le_bytes(*b"89abcdef"),
    0x0123_4567_89ab_cdef,
    0xfedc_ba98_7654_3210,
];

/// Whether every 8-byte window of `secret` can be told from chance and from fill.
///
/// One 8-byte match is a finding, so a secret must be made of windows that occur nowhere else: an
/// all-zero key matches a large part of any process. Draw secrets from a pseudo-random function
/// and draw again while this answers `false` (about once in two and a half thousand).
///
/// A secret that fails here can still be registered; its sightings then prove nothing.
#[must_use]
pub fn looks_like_nothing_else(secret: &[u8; 16]) -> bool {
    // Asked once a key in the fuzzing loop, so each question is first put to the whole secret.
    (equal_pairs_max(secret) <= 8 - DISTINCT_MIN
        || windows_of_eight(secret).all(|window| distinct_count(window) >= DISTINCT_MIN))
        && !holds_a_counting_window(secret)
        && !holds_a_fill_pattern(secret)
}

/// Whether these eight bytes can be told from chance and from fill, by the same measure if `distinct_min` is
/// [`DISTINCT_MIN`], and from the digits that programs hold in their order.
pub(crate) fn window_looks_like_nothing_else(window: &[u8; 8], distinct_min: u32) -> bool {
    let steps = window.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
    let is_counting = { steps }.all(|step| step == window[1].wrapping_sub(window[0]));
    let word = u64::from_le_bytes(*window);
    let is_fill = FILL_PATTERNS.contains(&word) || FILL_PATTERNS.contains(&word.swap_bytes());
    let are_digits = DIGITS.iter().any(|digits| digits.windows(8).any(|eight| eight == window));
    distinct_count(window) >= distinct_min && !is_counting && !is_fill && !are_digits
}

/// Tables of digits: of hex and base32, base58 and base64.
const DIGITS: [&[u8]; 6] = [
    b"0123456789abcdef",
    b"0123456789ABCDEF",
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz",
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
];

/// The nine places where eight bytes fit into sixteen.
fn windows_of_eight(secret: &[u8; 16]) -> impl Iterator<Item = &[u8; 8]> {
    (0..=8).filter_map(|offset| secret[offset..].first_chunk())
}

/// At least as many as there are pairs of equal bytes that can share a window.
///
/// Each such pair takes at most one from the distinct bytes of a window.
fn equal_pairs_max(secret: &[u8; 16]) -> u32 {
    const ONES: u128 = u128::from_le_bytes([1; 16]);
    let whole = u128::from_le_bytes(*secret);
    let pairs_at = |distance: u32| {
        let differences = whole ^ (whole >> (8 * distance));
        // The top bit of each zero byte, and sometimes of the byte above one.
        let zeros = differences.wrapping_sub(ONES) & !differences & (ONES << 7);
        // The last bytes have no partner at this distance.
        zeros << (8 * distance)
    };
    // Each distance has a bit of its own in every byte, and all are counted at once.
    (1..8).fold(0, |pairs, distance| pairs | pairs_at(distance) >> distance).count_ones()
}

fn distinct_count(window: &[u8; 8]) -> u32 {
    let mut seen = [0u64; 4];
    for byte in window {
        seen[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }
    seen.iter().map(|bits| bits.count_ones()).sum()
}

/// Whether some eight bytes in a row are all the same step apart.
fn holds_a_counting_window(secret: &[u8; 16]) -> bool {
    let step = |place: usize| secret[place + 1].wrapping_sub(secret[place]);
    // Seven equal steps in a row, out of fifteen, always cover one of these two pairs.
    (step(5) == step(6) || step(8) == step(9))
        && (0..=8).any(|start| (start..start + 7).all(|place| step(place) == step(start)))
}

fn holds_a_fill_pattern(secret: &[u8; 16]) -> bool {
    // Every window covers one of the two middle bytes.
    (FILL_BYTES[usize::from(secret[7])] || FILL_BYTES[usize::from(secret[8])])
        && windows_of_eight(secret).any(|window| {
            let word = u64::from_le_bytes(*window);
            FILL_PATTERNS.contains(&word) || FILL_PATTERNS.contains(&word.swap_bytes())
        })
}

/// Which bytes occur in [`FILL_PATTERNS`].
const FILL_BYTES: [bool; 256] = {
    let mut occurs = [false; 256];
    let mut place = 0;
    while place < 8 * FILL_PATTERNS.len() {
        occurs[FILL_PATTERNS[place / 8].to_le_bytes()[place % 8] as usize] = true;
        place += 1;
    }
    occurs
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_looking_secret_is_accepted() {
        let secret = 0x3ac5_910e_77d2_48bf_06e9_5c83_1df4_a06b_u128.to_be_bytes();
        assert!(looks_like_nothing_else(&secret));
    }

    #[test]
    fn what_memory_holds_by_itself_is_refused() {
        let counting: [u8; 16] = std::array::from_fn(|i| u8::try_from(i).unwrap());
        for secret in [[0; 16], [0xaa; 16], counting, *b"0123456789abcdef"] {
            assert!(!looks_like_nothing_else(&secret), "{secret:02x?}");
        }
    }

    #[test]
    fn one_poor_window_is_enough_to_refuse() {
        let mut secret = 0x3ac5_910e_77d2_48bf_06e9_5c83_1df4_a06b_u128.to_be_bytes();
        secret[10..14].fill(0);
        assert!(!looks_like_nothing_else(&secret));
    }

    #[test]
    fn counting_is_recognised_at_every_place_and_step() {
        let random = 0x3ac5_910e_77d2_48bf_06e9_5c83_1df4_a06b_u128.to_be_bytes();
        for place in 0..=8 {
            for step in 0..=255_u8 {
                let mut secret = random;
                for (count, byte) in (0..8).zip(&mut secret[place..]) {
                    *byte = step.wrapping_mul(count).wrapping_add(0x91);
                }
                assert!(!looks_like_nothing_else(&secret), "{secret:02x?}");
            }
        }
    }

    #[test]
    fn fill_patterns_are_recognised_at_every_place() {
        for place in 0..=8 {
            for pattern in FILL_PATTERNS {
                for bytes in [pattern.to_le_bytes(), pattern.to_be_bytes()] {
                    let mut secret = 0x3ac5_910e_77d2_48bf_06e9_5c83_1df4_a06b_u128.to_be_bytes();
                    secret[place..place + 8].copy_from_slice(&bytes);
                    assert!(!looks_like_nothing_else(&secret), "{secret:02x?}");
                }
            }
        }
    }

    #[test]
    fn eight_bytes_are_judged_as_they_are_within_sixteen() {
        for n in 0..20_000 {
            let words = [crate::secret_set::mix(2 * n), crate::secret_set::mix(2 * n + 1)];
            let mut secret = [0; 16];
            for (place, byte) in secret.iter_mut().enumerate() {
                *byte = (words[place / 8].to_le_bytes()[place % 8] % 23) * 11;
            }
            let all_are = windows_of_eight(&secret)
                .all(|it| window_looks_like_nothing_else(it, DISTINCT_MIN));
            assert_eq!(all_are, looks_like_nothing_else(&secret), "{secret:02x?}");
        }
        for digits in [b"3456789a", b"6789ABCD", b"XYZabcde", b"WXYZ2345"] {
            assert!(!window_looks_like_nothing_else(digits, DISTINCT_FEW));
        }
        assert!(window_looks_like_nothing_else(b"4f9a02c7", DISTINCT_MIN));
    }

    #[test]
    fn the_quick_count_of_pairs_never_hides_a_poor_window() {
        // Bytes from few values, so that both answers are frequent.
        for n in 0..20_000 {
            let words = [crate::secret_set::mix(2 * n), crate::secret_set::mix(2 * n + 1)];
            let mut secret = [0; 16];
            for (place, byte) in secret.iter_mut().enumerate() {
                *byte = (words[place / 8].to_le_bytes()[place % 8] % 23) * 11;
            }
            let is_poor = windows_of_eight(&secret).any(|w| distinct_count(w) < DISTINCT_MIN);
            assert!(!is_poor || equal_pairs_max(&secret) > 8 - DISTINCT_MIN, "{secret:02x?}");
        }
    }
}
