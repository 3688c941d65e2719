//! What a set of secrets finds, forgets, refuses and hides.

use super::*;

/// Secret number `n` of a fixed sequence.
fn secret(n: u64) -> [u8; 16] {
    let (low, high) = (mix(2 * n + 1), mix(2 * n + 2));
    (u128::from(high) << 64 | u128::from(low)).to_le_bytes()
}

fn set_of(count: u64) -> SecretSet {
    let mut set = SecretSet::new();
    for n in 0..count {
        set.register(&secret(n), u32::try_from(n).unwrap()).unwrap();
    }
    set
}

fn aligned(set: &SecretSet, bytes: &[u8]) -> Vec<Sighting> {
    let mut sightings = Vec::new();
    set.scan_aligned(bytes, &mut |sighting| sightings.push(sighting));
    sightings
}

fn every_byte(set: &SecretSet, bytes: &[u8]) -> Vec<Sighting> {
    let mut sightings = Vec::new();
    set.scan_bytes(bytes, &mut |sighting| sightings.push(sighting));
    sightings
}

/// Everything the set keeps in memory, as bytes.
fn memory_of(set: &SecretSet) -> Vec<u8> {
    let mut bytes = set.mask.to_le_bytes().to_vec();
    bytes.extend(set.filter.iter().flat_map(|word| word.to_le_bytes()));
    bytes.extend(set.needles.as_flattened().iter().flat_map(|needle| needle.to_le_bytes()));
    bytes.extend(set.tags.iter().flat_map(|tag| tag.to_le_bytes()));
    bytes
}

#[test]
fn a_complete_copy_is_found_at_every_alignment_and_place() {
    let set = set_of(3);
    for base in 0..8 {
        for place in 0..170 {
            let mut memory = [0x5c_u8; 200];
            memory[place..place + 16].copy_from_slice(&secret(1));
            let scanned = &memory[base..];
            let sightings = aligned(&set, scanned);
            if place >= base {
                assert!(!sightings.is_empty(), "base {base}, place {place}");
            }
            for sighting in sightings {
                assert_eq!(sighting.tag, 1);
                assert_eq!(base + sighting.position, place + usize::from(sighting.window));
            }
        }
    }
}

#[test]
fn an_aligned_word_is_found_wherever_the_scan_begins() {
    let set = set_of(1);
    let secret = secret(0);
    let mut words = [[0; 8]; 12];
    let place = words.as_ptr().addr().wrapping_neg() % 8;
    words.as_flattened_mut()[place + 72..place + 80].copy_from_slice(&secret[4..12]);
    for start in 0..=72 {
        let sightings = aligned(&set, &words.as_flattened()[place + start..]);
        assert_eq!(sightings, [Sighting { tag: 0, window: 4, position: 72 - start }]);
    }
}

#[test]
fn every_window_is_found_alone_at_every_offset() {
    let set = set_of(3);
    for window in 0..=8_u8 {
        let part = &secret(2)[usize::from(window)..][..8];
        for position in 0..24 {
            let mut memory = [0x5c_u8; 40];
            memory[position..position + 8].copy_from_slice(part);
            assert_eq!(every_byte(&set, &memory), [Sighting { tag: 2, window, position }]);
        }
    }
}

#[test]
fn seven_bytes_are_no_sighting() {
    let set = set_of(1);
    let mut memory = [0u8; 64];
    memory[8..15].copy_from_slice(&secret(0)[..7]);
    assert_eq!(every_byte(&set, &memory), []);
    assert_eq!(aligned(&set, &secret(0)[..7]), []);
}

#[test]
fn random_memory_holds_no_registered_secret() {
    let set = set_of(64);
    let random: Vec<u8> =
        (0..524_288_u64).flat_map(|n| mix(n.wrapping_add(1 << 40)).to_le_bytes()).collect();
    assert_eq!(random.len(), 4 << 20);
    assert_eq!(aligned(&set, &random), []);
    assert_eq!(every_byte(&set, &random), []);
}

#[test]
fn all_of_a_full_set_is_found_and_one_more_is_refused() {
    let capacity = SecretSet::CAPACITY as u64;
    let mut set = set_of(capacity);
    assert_eq!(set.register(&secret(capacity), 0), Err(SetIsFull));
    assert_eq!(set.len(), SecretSet::CAPACITY);
    assert_eq!(set.register(&secret(5), 0), Ok(()), "what is known already needs no room");
    for n in 0..capacity {
        let found = every_byte(&set, &secret(n));
        assert!(found.iter().all(|sighting| u64::from(sighting.tag) == n));
        assert_eq!(found.len(), WINDOWS);
    }
}

#[test]
fn a_cleared_set_has_forgotten_everything() {
    let mut set = set_of(300);
    set.clear();
    assert!(set.is_empty());
    assert!(set.filter.iter().all(|&word| word == 0));
    set.register(&secret(1000), 9).unwrap();
    for n in 0..300 {
        assert_eq!(every_byte(&set, &secret(n)), []);
    }
    assert_eq!(every_byte(&set, &secret(1000)).len(), WINDOWS);
}

#[test]
fn forgetting_the_last_leaves_the_set_as_it_was() {
    let mut set = set_of(400);
    let before = memory_of(&set);
    set.register(&secret(4000), 1).unwrap();
    set.forget_last();
    assert!(memory_of(&set) == before);
}

#[test]
fn a_secret_registered_twice_keeps_its_first_tag() {
    let mut set = SecretSet::new();
    set.register(&secret(0), 4).unwrap();
    set.register(&secret(0), 5).unwrap();
    assert_eq!(set.len(), 1);
    assert!(every_byte(&set, &secret(0)).iter().all(|sighting| sighting.tag == 4));
}

#[test]
fn secrets_that_share_a_window_are_both_sighted() {
    let mut sibling = secret(0);
    sibling[8..].copy_from_slice(&secret(1)[8..]);
    let mut set = set_of(1);
    set.register(&sibling, 8).unwrap();
    let tags: Vec<u32> =
        every_byte(&set, &sibling[..8]).iter().map(|sighting| sighting.tag).collect();
    assert_eq!(tags, [0, 8]);
}

#[test]
fn an_all_zero_secret_is_found_although_zeroed_lines_are_skipped() {
    let mut set = set_of(1);
    assert_eq!(aligned(&set, &[0; 256]), []);
    set.register(&[0; 16], 1).unwrap();
    assert!(aligned(&set, &[0; 256]).len() >= 31 * WINDOWS);
}

#[test]
fn the_sets_own_memory_holds_no_secret() {
    for seed in [0, 1, u64::MAX] {
        let mut hidden = SecretSet::with_mask(seed);
        let mut plain_sight = SecretSet::with_mask(!seed);
        for n in 0..64 {
            hidden.register(&secret(n), 0).unwrap();
            plain_sight.register(&secret(n), 0).unwrap();
        }
        let memory = memory_of(&hidden);
        assert_eq!(every_byte(&plain_sight, &memory), []);
        assert_eq!(every_byte(&hidden, &memory), []);
        for n in 0..64 {
            let secret = secret(n);
            for part in secret.windows(8) {
                assert!(!memory.windows(8).any(|bytes| bytes == part));
            }
        }
    }
}

#[test]
fn every_byte_of_every_mask_changes_what_it_covers() {
    for seed in 0..10_000 {
        assert!(!SecretSet::with_mask(seed).mask.to_le_bytes().contains(&0));
        if cfg!(miri) {
            break;
        }
    }
}

#[test]
fn debug_shows_the_count_and_nothing_else() {
    assert_eq!(format!("{:?}", set_of(3)), "SecretSet { secrets: 3, .. }");
}
