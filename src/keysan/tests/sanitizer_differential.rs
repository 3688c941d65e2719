//! The differential as a whole finds a masked key, and nothing in a holder that keeps none.
#![cfg(all(target_arch = "x86_64", target_os = "linux", not(miri)))]

use std::hint::black_box;

use keysan::Keysan;
use keysan::differential::Cause;
use keysan::heap::ScanningAllocator;
use keysan::sanitizer::{Differences, DifferentialError, Moment, Place};

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
