//! The differential as a whole finds a masked key, and nothing in a holder that keeps none.
#![cfg(all(target_arch = "x86_64", target_os = "linux", not(miri)))]

use std::hint::black_box;

use keysan::Keysan;
use keysan::differential::{Cause, Follows};
use keysan::heap::ScanningAllocator;
use keysan::sanitizer::{Baseline, Differences, DifferentialError, Moment, Place};

#[global_allocator]
static ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

const KEYS: [&[u8]; 2] = [
    &0x3ac5_910e_77d2_48bf_06e9_5c83_1df4_a06b_u128.to_be_bytes(),
    &0x91d6_4f03_cab8_752e_6be1_094d_a7f2_385c_u128.to_be_bytes(),
];
const PAYLOADS: [&[u8]; 2] = [&[7; 32], &[9; 32]];

/// Writes bytes through a function, one by one, so that none stays in a register.
#[inline(never)]
fn masked(place: &mut [u8], bytes: &[u8], mask: u8) {
    for (place, byte) in place.iter_mut().zip(bytes.iter().cycle()) {
        *black_box(place) ^= *byte ^ mask;
    }
    black_box(0);
}

fn heap_places(differences: &Differences) -> Vec<(u32, u32, u32)> {
    let of_heap = differences.found.iter().filter_map(|difference| match &difference.place {
        Place::Heap { offset, len, .. } => Some((*offset, *len, difference.words)),
        _ => None,
    });
    of_heap.collect()
}

/// Starts a holder with the key in sixteen of its bytes, masked, and keeps a ciphertext.
fn run(keysan: &mut Keysan, is_excused: bool, is_dropped: bool) -> Differences {
    let differences = keysan.differential(KEYS, PAYLOADS, |run, key, payload| {
        let mut held = Some(run.call("start", || {
            let mut block = vec![0_u8; 48].into_boxed_slice();
            masked(&mut block[8..24], key, 0xa5);
            block
        }));
        if let Some(held) = held.as_ref().filter(|_| is_excused) {
            run.excuse(&raw const held[8], 16);
        }
        run.call("encrypt", || masked(payload, key, 0));
        let kept = run.call("keep", || payload.to_vec());
        if is_dropped {
            run.call("stop", || held = None);
        }
        (held, kept)
    });
    differences.expect("all runs do the same")
}

#[test]
fn a_masked_key_is_found_by_what_it_follows() {
    let mut keysan = Keysan::open().unwrap();
    let differences = run(&mut keysan, false, false);
    assert_eq!(heap_places(&differences), [(8, 48, 2)]);
    let told = differences.found.last().unwrap().to_string();
    let expected = "2 words follow the key, at byte 8 of a heap block of 48 bytes, allocated in \
                    call 1 (start); seen after call 3 (keep)";
    assert_eq!(told, expected);
}

#[test]
fn a_masked_key_on_the_dead_stack_is_told_with_its_call() {
    let mut keysan = Keysan::open().unwrap();
    let differences = keysan.differential(KEYS, PAYLOADS, |run, key, _| {
        run.call("idle", || ());
        run.call("mask", || {
            let mut copy = [0; 16];
            masked(&mut copy, key, 0xa5);
            black_box(&copy);
        });
        run.call("idle", || ());
    });
    let found = differences.unwrap().found;
    let call = Moment::Call { number: 2, name: "mask".into() };
    assert!(found.iter().any(|it| matches!(it.place, Place::Stack { .. }) && it.words == 2));
    assert!(found.iter().all(|it| it.seen == call), "{found:?}");
}

#[test]
fn what_a_baseline_accepts_of_a_differential_is_silent_and_goes_stale() {
    let mut keysan = Keysan::open().unwrap();
    let differences = run(&mut keysan, false, false);
    let none = Baseline::parse("").unwrap();
    let told = none.check_differential(&differences).unwrap_err().to_string();
    let (_, lines) = told.split_once("WHY:\n").unwrap();
    assert!(lines.contains("heap: what follows the key, left, allocated by start\tWHY"), "{told}");
    let baseline = Baseline::parse(&lines.replace("WHY", "a holder keeps its key")).unwrap();
    assert_eq!(baseline.check_differential(&differences), Ok(()));
    baseline.assert_not_stale();
    // Once it is freed, that is another cause.
    let freed = run(&mut keysan, false, true);
    let told = baseline.check_differential(&freed).unwrap_err().to_string();
    assert!(told.contains("allocated by start, freed by stop\tWHY"), "{told}");
    // Where nothing is found any more, what is accepted is met no more.
    let baseline =
        Baseline::parse("heap: what follows the key, left, allocated by start\tknown").unwrap();
    let excused = run(&mut keysan, true, false);
    let _ = baseline.check_differential(&excused);
    assert_eq!(baseline.stale().count(), 1);
}

#[test]
fn an_excused_home_is_silent_until_it_is_freed() {
    let mut keysan = Keysan::open().unwrap();
    let differences = run(&mut keysan, true, false);
    assert_eq!(heap_places(&differences), []);
    assert_eq!(differences.compared.excused_by_key, 2);
    assert_eq!(heap_places(&run(&mut keysan, true, true)), [(8, 48, 2)]);
}

#[test]
fn a_ciphertext_is_silent() {
    let mut keysan = Keysan::open().unwrap();
    let differences = keysan.differential(KEYS, PAYLOADS, |run, key, payload| {
        run.call("encrypt", || masked(payload, key, 0));
        run.call("keep", || payload.to_vec())
    });
    let differences = differences.unwrap();
    assert_eq!(heap_places(&differences), []);
    assert!(differences.compared.by_both > 0);
}

/// Derives a tag from the key, sends it and forgets it; another copy stays, seven bytes from where words begin.
fn tagged(keysan: &mut Keysan, is_public: bool) -> Differences {
    let differences = keysan.differential(KEYS, PAYLOADS, |run, key, _| {
        let tag = run.call("tag", || {
            let mut tag = vec![0_u8; 16];
            masked(&mut tag, key, 0x5c);
            tag
        });
        let kept = run.call("keep", || {
            let mut kept = vec![0_u8; 40];
            kept[7..23].copy_from_slice(&tag);
            kept
        });
        let holder = run.call("hold", || {
            let mut block = vec![0_u8; 16];
            masked(&mut block, key, 0xa5);
            block
        });
        if is_public {
            run.excuse_public(&tag);
        }
        run.call("forget", || drop(tag));
        (kept, holder)
    });
    differences.expect("all runs do the same")
}

#[test]
fn what_may_be_known_of_what_is_made_of_the_key_is_excused_wherever_it_stands() {
    let mut keysan = Keysan::open().unwrap();
    // The freed tag, its misaligned copy, and what nobody may know.
    let all = tagged(&mut keysan, false);
    assert_eq!(heap_places(&all), [(0, 16, 2), (0, 40, 3), (0, 16, 2)]);
    let excused = tagged(&mut keysan, true);
    assert_eq!(heap_places(&excused), [(0, 16, 2)]);
    let call = "allocated in call 3 (hold)";
    assert!(excused.found.iter().any(|it| it.to_string().contains(call)), "{excused:?}");
    // Copying may leave it in registers, too.
    let count = excused.compared.excused;
    assert!(count >= 5, "{excused:?}");
    assert_eq!(all.compared.by_key, excused.compared.by_key + count);
}

#[test]
fn what_is_derived_from_key_and_payload_is_told_if_it_is_asked_for() {
    let derived = |tells_derived: bool, is_public: bool| {
        let mut keysan = Keysan::open().unwrap();
        let differences = keysan.differential(KEYS, PAYLOADS, |run, key, salt| {
            if tells_derived {
                run.tell_derived();
            }
            let derived = run.call("derive", || {
                let mut derived = vec![0_u8; 32];
                masked(&mut derived, salt, 0);
                masked(&mut derived, key, 0);
                derived
            });
            let sent =
                run.call("encrypt", || derived.iter().map(|byte| byte ^ 1).collect::<Vec<_>>());
            if is_public {
                run.excuse_public(&sent);
            }
            (derived, sent)
        });
        let differences = differences.unwrap();
        assert!(differences.found.iter().all(|it| it.follows == Follows::KeyAndPayload));
        let told = differences.found.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(told.iter().all(|it| it.contains(" words follow key and payload, ")), "{told:?}");
        heap_places(&differences)
    };
    assert_eq!(derived(false, false), []);
    assert_eq!(derived(true, false), [(0, 32, 4), (0, 32, 4)]);
    assert_eq!(derived(true, true), [(0, 32, 4)]);
}

#[test]
#[should_panic(expected = "a public value has eight bytes at least")]
fn a_public_value_that_is_too_short_to_be_told_apart_is_refused() {
    let mut keysan = Keysan::open().unwrap();
    let _ = keysan.differential(KEYS, PAYLOADS, |run, _, _| run.excuse_public(&[1; 7]));
}

#[test]
fn the_order_of_a_hash_map_does_not_follow_the_key() {
    let mut keysan = Keysan::open().unwrap();
    for _ in 0..10 {
        let differences = keysan.differential(KEYS, PAYLOADS, |run, key, _| {
            let map = run.call("settings", || {
                (0..8).map(|it| (it, it)).collect::<std::collections::HashMap<u32, u32>>()
            });
            let holder = run.call("hold", || {
                let mut block = vec![0_u8; 16];
                masked(&mut block, key, 0xa5);
                block
            });
            (map, holder)
        });
        let told = differences.unwrap();
        let places: Vec<_> = told.found.iter().map(|it| it.place.to_string()).collect();
        assert!(places.iter().all(|it| !it.contains("call 1 (settings)")), "{places:?}");
        assert!(places.iter().any(|it| it.contains("call 2 (hold)")), "{places:?}");
        assert!(told.compared.by_key >= 2);
    }
}

#[test]
fn words_of_the_key_are_told_beside_words_that_hang_on_chance() {
    use std::hash::{BuildHasher as _, RandomState};
    let mut keysan = Keysan::open().unwrap();
    for _ in 0..10 {
        let differences = keysan.differential(KEYS, PAYLOADS, |run, key, _| {
            // One of two values, so that it follows the key now and then.
            let is_even = RandomState::new().hash_one(0).is_multiple_of(2);
            let chance = if is_even { 7 } else { 0 };
            run.call("hold", || {
                let mut block = vec![0_u8; 24];
                block[16] = chance;
                masked(&mut block[..16], key, 0xa5);
                block
            })
        });
        assert_eq!(heap_places(&differences.unwrap()), [(0, 24, 2)]);
    }
}

#[test]
fn a_size_that_follows_the_key_is_told() {
    let mut keysan = Keysan::open().unwrap();
    let outcome = keysan.differential(KEYS, PAYLOADS, |run, key, _| {
        run.call("start", || drop(black_box(vec![0_u8; usize::from(key[0])])));
    });
    let Err(DifferentialError::Misaligned { misaligned, seen }) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(misaligned.cause(), Cause::Key);
    assert_eq!(seen, Moment::Call { number: 1, name: "start".into() });
}

#[test]
fn runs_in_which_nothing_follows_the_key_prove_nothing() {
    let mut keysan = Keysan::open().unwrap();
    let outcome = keysan.differential(KEYS, PAYLOADS, |run, _, _| run.call("idle", || ()));
    assert_eq!(outcome, Err(DifferentialError::Inconclusive));
    let outcome = keysan.differential([KEYS[0], &[]], PAYLOADS, |_, _, _| ());
    assert_eq!(outcome, Err(DifferentialError::UnequalLengths));
}
