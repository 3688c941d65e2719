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
    bytes.extend(set.filter.bits().iter().flat_map(|word| word.to_le_bytes()));
    bytes.push(u8::from(set.filter.skips_plain));
    for needle in set.needles.memory() {
        bytes.extend(needle.masked.to_le_bytes());
        bytes.extend(needle.tag.to_le_bytes());
        bytes.push(needle.window);
    }
    bytes.extend(set.needles.slots().iter().flat_map(|slot| slot.to_le_bytes()));
    bytes.extend(set.canary.memory().iter().flat_map(|word| word.to_le_bytes()));
    bytes
}

fn backends() -> impl Iterator<Item = Backend> {
    Backend::ALL.into_iter().filter(|backend| backend.is_available())
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
    let (in_full, by_words) = (SecretSet::CAPACITY as u64, 11_264);
    let mut set = set_of(in_full);
    for n in in_full..in_full + by_words {
        set.register_words(&secret(n), u32::try_from(n).unwrap()).unwrap();
    }
    assert_eq!(set.register_words(&secret(1 << 32), 0), Err(SetIsFull));
    assert_eq!(set.register(&secret(1 << 32), 0), Err(SetIsFull));
    assert_eq!(set.len() as u64, in_full + by_words);
    assert_eq!(set.register(&secret(5), 0), Ok(5), "what is known already needs no room");
    for n in 0..in_full + by_words {
        let found = every_byte(&set, &secret(n));
        assert!(found.iter().all(|sighting| u64::from(sighting.tag) == n));
        assert_eq!(found.len(), if n < in_full { WINDOWS } else { 3 });
    }
    set.clear();
    assert!(memory_of(&set)[..16_400] == memory_of(&SecretSet::new())[..16_400]);
    assert!(set.needles.slots().iter().all(|&slot| slot == 0));
}

#[test]
fn a_cleared_set_has_forgotten_everything() {
    let mut set = set_of(300);
    set.clear();
    assert!(set.is_empty());
    assert!(set.filter.bits() == SecretSet::new().filter.bits());
    assert!(set.needles.slots().iter().all(|&slot| slot == 0));
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
fn a_plain_window_is_found_among_plain_words() {
    for upper in [0, !0] {
        let mut plain = secret(3);
        plain[4..12].copy_from_slice(&(upper << 47 | 0x1234_5678_9abc_u64).to_le_bytes());
        for backend in backends() {
            let mut set = set_of(1).with_backend(backend);
            let mut memory = [[0; 8]; 100];
            for place in 0..100 {
                memory.fill(PAINT_WORD.to_le_bytes());
                memory[place].copy_from_slice(&plain[4..12]);
                let aligned_again = |set: &SecretSet| aligned(set, memory.as_flattened()).len();
                assert_eq!(aligned_again(&set), 0);
                set.register(&plain, 1).unwrap();
                assert_eq!(aligned_again(&set), 1, "{backend:?} {place}");
                if place % 2 == 0 {
                    set.forget_last()
                } else {
                    set.clear()
                }
                assert!(set.filter.skips_plain);
            }
        }
    }
}

#[test]
fn a_plain_window_is_noticed_at_every_offset() {
    for (upper, offset) in [0, !0].into_iter().flat_map(|upper| (0..=8).map(move |o| (upper, o))) {
        let mut plain = secret(3);
        plain[offset..][..8].copy_from_slice(&(upper << 47 | 0x1234_5678_9abc_u64).to_le_bytes());
        let mut set = SecretSet::new();
        set.register(&plain, 1).unwrap();
        assert!(!set.filter.skips_plain, "{plain:02x?}");
    }
}

#[test]
fn paint_is_passed_over_like_a_pointer() {
    let mask = SecretSet::new().mask;
    for plain in [0, 1, PAINT_WORD, (1 << 47) - 1, !0, !0 << 47] {
        assert!(filter::is_plain(plain ^ mask, mask), "{plain:x}");
    }
    for other in [1 << 47, 1 << 48, 1 << 63, !0 << 48, (!0 << 47) - 1] {
        assert!(!filter::is_plain(other ^ mask, mask), "{other:x}");
    }
}

#[test]
fn by_words_only_the_windows_on_word_boundaries_are_found() {
    let mut set = SecretSet::new();
    set.register_words(&secret(0), 6).unwrap();
    let found = every_byte(&set, &secret(0));
    let seen = [0, 4, 8].map(|window| Sighting { tag: 6, window, position: window.into() });
    assert_eq!(found, seen);
    assert_eq!(set.len(), 1);
}

#[test]
fn a_secret_in_full_covers_the_same_by_words_but_not_the_other_way_round() {
    let mut set = set_of(1);
    set.register_words(&secret(0), 1).unwrap();
    assert_eq!(set.len(), 1);
    set.register_words(&secret(9), 2).unwrap();
    set.register_words(&secret(9), 3).unwrap();
    assert_eq!(set.len(), 2);
    set.register(&secret(9), 4).unwrap();
    set.register(&secret(9), 5).unwrap();
    assert_eq!(set.len(), 3);
    let tags: Vec<u32> = every_byte(&set, &secret(9)).iter().map(|seen| seen.tag).collect();
    assert_eq!(tags, [2, 4, 4, 4, 4, 2, 4, 4, 4, 4, 2, 4]);
}

#[test]
fn the_canary_is_counted_and_never_reported() {
    for seed in 0..20 {
        let mut set = SecretSet::with_mask(seed);
        for _ in 0..2 {
            let mut memory = [0; 200];
            for place in 0..=184 {
                memory.fill(0);
                set.plant_canary(memory[place..].first_chunk_mut().unwrap());
                let none = &mut |_| panic!("the canary is no secret");
                let shift = (memory.as_ptr().addr() + place) % 8;
                let looked = set.scan_aligned(&memory, none);
                assert_eq!(looked, Looked { bytes: 200, canaries: if shift == 0 { 2 } else { 1 } });
                assert_eq!(set.scan_bytes(&memory, none), Looked { bytes: 200, canaries: 9 });
            }
            assert!(set.is_empty());
            set.register(&secret(0), 0).unwrap();
            set.clear();
        }
    }
}

#[test]
fn a_canary_that_is_also_registered_is_both() {
    let (mut set, mut canary) = (SecretSet::new(), [0; 16]);
    set.plant_canary(&mut canary);
    set.register(&canary, 3).unwrap();
    let mut sighted = 0;
    assert_eq!(set.scan_bytes(&canary, &mut |_| sighted += 1).canaries, 9);
    assert_eq!(sighted, 9);
}

#[test]
fn the_canary_is_unlike_anything_else_and_not_in_the_programs_image() {
    let mut canary = [0; 16];
    SecretSet::new().plant_canary(&mut canary);
    assert!(crate::looks_like_nothing_else(&canary));
    if !cfg!(miri) {
        let image = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let looked = SecretSet::new().scan_bytes(&image, &mut |_| ());
        assert_eq!(looked, Looked { bytes: image.len(), canaries: 0 });
    }
}

/// What a scan must find, worked out one word and one window at a time from what is in the clear.
fn expected(bytes: &[u8], known: &[(&[u8], u32, u8)]) -> Vec<Sighting> {
    let start = bytes.as_ptr().addr().wrapping_neg() % 8;
    let mut sightings = Vec::new();
    for position in (start..).step_by(8).take_while(|position| position + 8 <= bytes.len()) {
        let word = &bytes[position..position + 8];
        let equal = known.iter().filter(|(window, ..)| *window == word);
        sightings.extend(equal.map(|&(_, tag, window)| Sighting { tag, window, position }));
    }
    sightings
}

#[test]
fn every_backend_finds_what_one_word_at_a_time_finds() {
    let mut draws = 0;
    let mut draw = |below: u64| {
        draws += 1;
        usize::try_from(mix(draws) % below).unwrap()
    };
    for round in 0..if cfg!(miri) { 3 } else { 1500 } {
        // Siblings share windows; one set in four has a plain window in it.
        let mut secrets: Vec<[u8; 16]> = (0..1 + draw(20) as u64).map(secret).collect();
        let mut sibling = secrets[0];
        sibling[..4].fill(1);
        secrets.push(sibling);
        if round % 4 == 0 {
            secrets.push([0_u128, !0][draw(2)].to_le_bytes());
        }
        let offsets = |n: usize| if n % 3 == 2 { vec![0, 4, 8] } else { (0..=8).collect() };
        let mut known: Vec<(&[u8], u32, u8)> = Vec::new();
        let mut set = SecretSet::with_mask(round);
        for (n, (secret, tag)) in secrets.iter().zip(0..).enumerate() {
            for offset in offsets(n) {
                known.push((&secret[usize::from(offset)..][..8], tag, offset));
            }
            let is_full = offsets(n).len() == WINDOWS;
            let registered =
                if is_full { set.register(secret, tag) } else { set.register_words(secret, tag) };
            registered.unwrap();
        }
        let mut memory = vec![[0; 8]; 1 + draw(200)];
        let (kind, fill) = (draw(4), [0, PAINT_WORD, !0, 0x7f00_dead_beef][draw(4)]);
        for word in &mut memory {
            let is_noise = draw(4) < kind;
            *word = if is_noise { mix(draw(1 << 40) as u64) } else { fill }.to_le_bytes();
        }
        let mut canary = [0; 16];
        set.plant_canary(&mut canary);
        let len = memory.as_flattened().len();
        for _ in 0..draw(6) {
            let (part, ..) = known[draw(known.len() as u64)];
            // The first and the last word as often as any other place.
            let place = [0, len - 8, draw(len as u64 / 8) * 8, draw(len as u64 - 7)][draw(4)];
            let part = if draw(5) == 0 { &canary[..8] } else { part };
            memory.as_flattened_mut()[place..place + 8].copy_from_slice(part);
        }
        let from = draw(len.min(70) as u64);
        let scanned = &memory.as_flattened()[from..len - draw((len - from).min(70) as u64)];
        let expected_sightings = expected(scanned, &known);
        let canary_windows: Vec<_> = canary.windows(8).map(|window| (window, 0, 0)).collect();
        let canaries = u32::try_from(expected(scanned, &canary_windows).len()).unwrap();
        for backend in backends() {
            set = set.with_backend(backend);
            let mut sightings = Vec::new();
            let looked = set.scan_aligned(scanned, &mut |sighting| sightings.push(sighting));
            assert_eq!(sightings, expected_sightings, "{backend:?}, round {round}");
            assert_eq!(looked, Looked { bytes: scanned.len(), canaries }, "{backend:?}");
        }
    }
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
