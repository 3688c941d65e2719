//! The sanitizer as a whole tells of every planted leak in words, and is silent about none. On AArch64, where no gate
//! looks at stack and registers, the tests that need one are left out; `no_gate.rs` is about that.
#![cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), target_os = "linux", not(miri)))]
#![allow(unsafe_code, reason = "a key in a register cannot be planted without it")]

mod accepting;
mod undrawn;

use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, Ordering};

use keysan::heap::ScanningAllocator;
use keysan::sanitizer::{
    Baseline, Finding, HomeRefused, OpenError, Place, RegisterError, WhyBlind, WhyVoid,
};
use keysan::{Keysan, Layer, SecretId};

#[global_allocator]
static ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

const KEY: [u8; 16] = 0x3ac5_910e_77d2_48bf_06e9_5c83_1df4_a06b_u128.to_be_bytes();
const OTHER_KEY: [u8; 16] = 0x91d6_4f03_cab8_752e_6be1_094d_a7f2_385c_u128.to_be_bytes();

/// A sanitizer that knows the key.
fn open() -> (Keysan, SecretId) {
    let mut keysan = Keysan::open().expect("each test has a thread of its own");
    let key = keysan.register("K", &KEY).expect("a new sanitizer has room");
    (keysan, key)
}

#[track_caller]
fn check(keysan: &Keysan, expected: &[&str]) {
    let found: Vec<_> =
        keysan.findings().expect("no look was void").iter().map(ToString::to_string).collect();
    assert_eq!(found, expected);
}

/// Copies bytes one by one, so that no register ever holds eight of them.
#[inline(never)]
fn fill(place: &mut [u8], bytes: &[u8]) {
    for (place, byte) in place.iter_mut().zip(bytes) {
        *black_box(place) = *byte;
    }
}

fn boxed(len: usize, offset: usize) -> Box<[u8]> {
    let mut block = vec![0; len].into_boxed_slice();
    fill(&mut block[offset..], &KEY);
    block
}

#[test]
fn a_key_in_a_freed_block_is_told_with_both_calls() {
    let (mut keysan, _) = open();
    let mut held = Some(keysan.call("start", || boxed(40, 8)));
    keysan.call("stop", || held = None);
    let told = "K, bytes 0 to 15, at byte 8 of a heap block of 40 bytes, allocated in call 1 \
                (start), freed in call 2 (stop); no secret may be left there; seen in call 2 (stop)";
    check(&keysan, &[told]);
    keysan.scan("later");
    check(&keysan, &[told]);
}

#[test]
fn a_living_key_is_silent_and_a_retired_one_is_told() {
    let (mut keysan, key) = open();
    let held = keysan.call("start", || boxed(16, 0));
    keysan.scan("while it lives");
    keysan.assert_clean();
    keysan.retire(key, "destroyed");
    keysan.retire(key, "once more");
    keysan.scan("afterwards");
    check(
        &keysan,
        &["K, bytes 0 to 15, at byte 0 of a heap block of 16 bytes, allocated in call 1 (start); \
           retired after call 1 (start): destroyed; seen in the scan afterwards"],
    );
    drop(held);
}

#[test]
fn a_part_of_a_key_is_told_by_its_bytes() {
    let (mut keysan, key) = open();
    let mut held = keysan.call("start", || boxed(32, 8));
    held[8..16].fill(0);
    keysan.retire(key, "destroyed");
    keysan.scan("afterwards");
    let finding = &keysan.findings().unwrap()[0];
    assert_eq!(finding.bytes, 8..=15);
    assert!(matches!(finding.place, Place::Heap { offset: 16, len: 32, .. }));
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_key_on_the_dead_stack_is_told() {
    let (mut keysan, _) = open();
    keysan.call("hold", || {
        let mut copy = [0; 16];
        fill(&mut copy, &KEY);
        black_box(&copy);
    });
    let findings = keysan.findings().unwrap();
    assert!(
        findings.iter().any(|finding| {
            matches!(finding.place, Place::Stack { .. })
                && finding.bytes == (0..=15)
                && finding.why == keysan::sanitizer::Why::LeftBehind
        }),
        "{findings:?}"
    );
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_key_in_a_register_is_told() {
    let (mut keysan, _) = open();
    keysan.call("load", || {
        // SAFETY: loads a register, and says so.
        unsafe { std::arch::asm!("movups xmm9, [{}]", in(reg) &KEY, out("xmm9") _) };
    });
    check(
        &keysan,
        &["K, bytes 0 to 15, in register xmm9 from byte 0 on; no secret may be left there; \
           seen in call 1 (load)"],
    );
}

static CACHE: [AtomicU8; 40] = [const { AtomicU8::new(0) }; 40];

fn cache(bytes: &[u8; 16]) {
    for (place, byte) in black_box(&CACHE)[5..].iter().zip(bytes) {
        place.store(*byte, Ordering::Relaxed);
    }
}

#[test]
fn a_key_in_a_static_is_told_and_may_live_there_when_allowed() {
    let (mut keysan, key) = open();
    assert_eq!(keysan.watch_statics(|symbol| symbol == "sanitizer::CACHE").unwrap(), 1);
    assert!(keysan.looks_into(Layer::Statics));
    #[cfg(target_arch = "x86_64")]
    assert!(keysan.blind_spots().is_empty());
    cache(&KEY);
    keysan.scan("while it lives");
    keysan.allow(key, CACHE[5].as_ptr()).unwrap();
    keysan.scan("at home");
    keysan.assert_clean();
    keysan.retire(key, "destroyed");
    keysan.scan("afterwards");
    cache(&[0; 16]);
    check(
        &keysan,
        &["K, bytes 0 to 15, at byte 5 of the static sanitizer::CACHE; retired after the start: \
           destroyed; seen in the scan afterwards"],
    );
}

#[test]
fn a_key_given_out_is_told_by_its_place() {
    let (mut keysan, _) = open();
    let mut buffer = [0; 100];
    buffer[77..93].copy_from_slice(&KEY);
    keysan.look_at_output("ciphertext", &buffer);
    keysan.look_at_output("another", &buffer);
    keysan.look_at_text("log", &format!("one\ntwo {KEY:?}\n"));
    let rest = "no secret may be given out; seen in the start";
    check(
        &keysan,
        &[
            &format!("K, bytes 0 to 15, at byte 77 of the output ciphertext; {rest}"),
            &format!("K, bytes 0 to 15, at byte 77 of the output another; {rest}"),
            &format!("K, bytes 0 to 15, in line 2 of the text log, as decimal list; {rest}"),
        ],
    );
}

#[test]
fn a_panic_goes_on_after_its_message_and_its_leavings_were_looked_at() {
    let (mut keysan, _) = open();
    let call = || {
        let held = boxed(16, 0);
        panic!("no such key: {:02x?}", &black_box(&held)[..10]);
    };
    catch_unwind(AssertUnwindSafe(|| keysan.call("start", call))).unwrap_err();
    let findings = keysan.findings().unwrap();
    let is_told = |layer| findings.iter().any(|finding| finding.place.layer() == layer);
    assert!(is_told(Layer::Texts) && is_told(Layer::Heap), "{findings:?}");
}

#[test]
fn a_clean_holder_is_silent() {
    let (mut keysan, key) = open();
    for round in 0..3 {
        let key = if round == 0 { key } else { keysan.register("K", &KEY).unwrap() };
        let mut held = Some(keysan.call("start", || boxed(16, 0)));
        keysan.allow(key, held.as_ref().unwrap().as_ptr()).unwrap();
        keysan.scan("while it lives");
        keysan.call("stop", || {
            black_box(held.as_mut().unwrap()).fill(0);
            held = None;
        });
        keysan.retire(key, "destroyed");
        keysan.scan("afterwards");
        keysan.look_at_output("nothing", &[0; 100]);
        keysan.look_at_text("nothing", "K was destroyed");
        keysan.assert_clean();
        assert_eq!(keysan.unlisted_count(), 0);
        keysan.clear();
    }
}

#[test]
fn homes_are_checked_both_ways() {
    let (mut keysan, key) = open();
    let mut held = keysan.call("start", || [boxed(19, 3), boxed(16, 0)]);
    let home = &raw const held[0][3];
    keysan.allow(key, home).unwrap();
    keysan.scan("two copies");
    let second = "K, bytes 0 to 15, at byte 0 of a heap block of 16 bytes, allocated in call 1 \
                  (start); outside its homes; seen in the scan two copies";
    check(&keysan, &[second]);
    held[0][10] ^= 1;
    keysan.scan("one changed byte");
    let empty = "K is not whole in its home, at byte 3 of a heap block of 19 bytes, allocated in \
                 call 1 (start); seen in the scan one changed byte";
    check(&keysan, &[second, empty]);
}

#[test]
fn a_home_can_change() {
    let (mut keysan, key) = open();
    let mut held = keysan.call("start", || [boxed(16, 0), boxed(16, 0)]);
    held[1].fill(0);
    keysan.allow(key, held[0].as_ptr()).unwrap();
    keysan.scan("in the first");
    keysan.disallow(key, held[0].as_ptr());
    keysan.allow(key, held[1].as_ptr()).unwrap();
    held[0].fill(0);
    fill(&mut held[1], &KEY);
    keysan.scan("in the second");
    keysan.assert_clean();
}

#[test]
fn a_home_where_no_scan_looks_is_refused() {
    let (mut keysan, key) = open();
    let elsewhere = Box::new(0);
    assert_eq!(keysan.allow(key, &raw const *elsewhere), Err(HomeRefused::NotLookedInto));
    let held = keysan.call("start", || boxed(16, 0));
    assert_eq!(keysan.allow(key, held.as_ptr()), Ok(()));
    keysan.retire(key, "destroyed");
    assert_eq!(keysan.allow(key, held.as_ptr()), Err(HomeRefused::Retired));
}

#[test]
fn a_long_secret_is_found_by_any_of_its_words() {
    let mut keysan = Keysan::open().unwrap();
    let words = (1..=5_u64).map(|word| word.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let long: Vec<u8> = words.flat_map(u64::to_be_bytes).collect();
    for len in [16, 24, 32, 37, 40] {
        keysan.register("long", &long[..len]).unwrap();
        for first in 0..=len - 8 {
            keysan.look_at_output(&format!("{first}"), &long[first..first + 8]);
        }
        for (first, finding) in (0_u32..).zip(keysan.findings().unwrap()) {
            assert_eq!(finding.bytes, first..=first + 7);
        }
        assert_eq!(keysan.findings().unwrap().len(), len - 7);
        keysan.look_at_output("all", &long);
        let all = keysan.findings().unwrap().last().unwrap();
        assert_eq!(all.bytes, 0..=u32::try_from(len - 1).unwrap());
        keysan.clear();
    }
}

#[test]
fn a_secret_that_cannot_be_told_apart_is_refused() {
    let (mut keysan, _) = open();
    let refused = Err(RegisterError::LooksLikeSomethingElse);
    assert_eq!(keysan.register("poor", &[0; 32]), refused);
    assert_eq!(keysan.register("poor", b"0123456789abcdef"), refused);
    assert_eq!(keysan.register("short", &KEY[..7]), Err(RegisterError::TooShort));
    let same = RegisterError::SameAs { name: "K".into() };
    assert_eq!(keysan.register("again", &[OTHER_KEY, KEY].concat()), Err(same));
    // The same for one that is known by some of its bytes alone.
    let token = b"c0ffee00c0ffee00d15ea5ed4b1dc0de";
    keysan.register("token", token).unwrap();
    let same = RegisterError::SameAs { name: "token".into() };
    assert_eq!(keysan.register("again", token), Err(same));
    // Nothing of what was refused is known.
    keysan.look_at_output("other", &OTHER_KEY);
    keysan.assert_clean();
    assert!(keysan.register("other", &OTHER_KEY).is_ok());
}

/// As code for big numbers and lattices does, and builds without optimisation.
#[cfg(target_arch = "x86_64")]
#[test]
fn a_call_may_need_more_stack_than_most() {
    #[inline(never)]
    fn deep(levels: usize, key: &[u8]) -> usize {
        let mut frame = [0_u8; 1024];
        frame[..key.len()].copy_from_slice(key);
        black_box(&mut frame);
        let below = if levels > 1 { deep(levels - 1, key) } else { 0 };
        frame.fill(0);
        black_box(&mut frame);
        below + 1
    }
    let (mut keysan, _) = open();
    assert_eq!(keysan.call("deep", || deep(3000, &OTHER_KEY)), 3000);
    drop(keysan);
    let mut keysan = Keysan::open_with_stack(64 << 20).unwrap();
    assert_eq!(keysan.call("deeper", || deep(30_000, &OTHER_KEY)), 30_000);
    keysan.scan("afterwards");
    keysan.assert_clean();
}

#[test]
fn a_copy_that_begins_between_two_words_is_told_whole() {
    let (mut keysan, _) = open();
    let mut held = Some(keysan.call("start", || boxed(40, 3)));
    keysan.call("stop", || held = None);
    check(
        &keysan,
        &["K, bytes 0 to 15, at byte 3 of a heap block of 40 bytes, allocated in call 1 (start), \
           freed in call 2 (stop); no secret may be left there; seen in call 2 (stop)"],
    );
    keysan.clear();
    // In a living block, once it is dead there.
    let key = keysan.register("K", &KEY).unwrap();
    let held = keysan.call("start", || boxed(30, 13));
    keysan.retire(key, "destroyed");
    keysan.scan("later");
    check(
        &keysan,
        &[
            "K, bytes 0 to 15, at byte 13 of a heap block of 30 bytes, allocated in call 1 (start); \
           retired after call 1 (start): destroyed; seen in the scan later",
        ],
    );
    drop(held);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_copy_between_two_words_of_the_stack_is_told_whole() {
    let (mut keysan, _) = open();
    keysan.call("leave", || {
        let mut frame = [0_u8; 64];
        fill(&mut frame[21..37], &KEY);
        black_box(&mut frame);
    });
    let found = keysan.findings().unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].bytes, 0..=15);
}

#[test]
fn what_the_arena_had_no_room_for_makes_the_run_void() {
    let (mut keysan, _) = open();
    // Zeroed memory comes from the system untouched.
    let held = keysan.call("start", || vec![0_u8; (1 << 30) + 1]);
    keysan.scan("too much");
    let void = keysan.findings().unwrap_err();
    assert_eq!((void.layer, void.why), (Layer::Heap, WhyVoid::ArenaIsFull));
    drop(held);
    keysan.clear();
    assert_eq!(keysan.findings(), Ok(&[][..]));
}

/// A cache of the process keeps a dead key, in memory that an earlier sequence made.
#[test]
fn memory_that_outlives_a_clear_is_a_blind_spot_until_it_is_given_back() {
    let (mut keysan, key) = open();
    let mut cache = keysan.call("open", || Vec::with_capacity(64));
    keysan.call("use", || cache.extend(KEY));
    keysan.retire(key, "it is closed");
    keysan.scan("the end");
    let is_in_heap = |finding: &Finding| finding.place.layer() == Layer::Heap;
    assert!(keysan.findings().unwrap().iter().any(is_in_heap), "in its own sequence it is found");

    let is_blind = |keysan: &Keysan| {
        keysan
            .blind_spots()
            .iter()
            .any(|spot| (spot.layer, spot.why) == (Layer::Heap, WhyBlind::HeldOver))
    };
    assert!(!is_blind(&keysan));
    keysan.clear();
    assert!(is_blind(&keysan), "{:?}", keysan.blind_spots());
    assert!(!keysan.looks_into(Layer::Heap));
    // Silence is no pass then.
    let told = Baseline::parse("").unwrap().check(&keysan).unwrap_err().to_string();
    assert!(told.starts_with("no longer looked into: "), "{told}");
    assert!(told.ends_with("leave_out(Layer::Heap)"), "{told}");
    let asserted = catch_unwind(AssertUnwindSafe(|| keysan.assert_clean()));
    assert!(asserted.is_err());
    drop(cache);
    keysan.clear();
    assert!(!is_blind(&keysan), "{:?}", keysan.blind_spots());
}

#[test]
fn a_second_sanitizer_on_a_thread_is_refused() {
    let _first = Keysan::open().unwrap();
    assert!(matches!(Keysan::open(), Err(OpenError::Arena(_))));
}

#[test]
fn a_hundred_threads_have_a_sanitizer_each() {
    let all_are_open = std::sync::Barrier::new(100);
    std::thread::scope(|scope| {
        for number in 0..100 {
            let all_are_open = &all_are_open;
            scope.spawn(move || {
                let keysan = Keysan::open();
                all_are_open.wait();
                let mut keysan = keysan.unwrap_or_else(|error| panic!("{number}: {error}"));
                keysan.register("K", &KEY).unwrap();
                let held = keysan.call("start", || boxed(40, 8));
                keysan.call("stop", || drop(held));
                assert_eq!(keysan.findings().unwrap().len(), 1);
            });
        }
    });
}

#[test]
fn statics_are_a_blind_spot_until_some_are_named() {
    let mut keysan = Keysan::open().unwrap();
    let why = |keysan: &Keysan| {
        let of_statics = keysan.blind_spots().iter().filter(|spot| spot.layer == Layer::Statics);
        of_statics.map(|spot| spot.why).collect::<Vec<_>>()
    };
    let layers = keysan.layers().count();
    assert_eq!(why(&keysan), [WhyBlind::NotAsked]);
    assert_eq!(keysan.watch_statics(|_| false).unwrap(), 0);
    assert_eq!(why(&keysan), [WhyBlind::NoneNamed]);
    assert_eq!(keysan.layers().count(), layers);
    #[cfg(target_arch = "x86_64")]
    assert_eq!(layers, Layer::ALL.len() - 1);
}

#[test]
#[should_panic(expected = "a secret is forgotten when keysan is cleared")]
fn a_secret_of_an_earlier_sequence_is_not_taken_for_another() {
    let (mut keysan, key) = open();
    keysan.clear();
    keysan.register("other", &OTHER_KEY).unwrap();
    keysan.retire(key, "too late");
}

#[test]
#[should_panic(expected = "at byte 0 of the output plaintext")]
fn a_test_that_asserts_cleanness_fails_with_the_findings() {
    let (mut keysan, _) = open();
    keysan.look_at_output("plaintext", &KEY);
    keysan.assert_clean();
}
