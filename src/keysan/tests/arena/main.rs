//! With an arena attached, what watched calls allocated stays to be seen until the reset.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "stray writes are made on purpose")]

mod borders;
mod strays;

use std::hint::black_box;

use keysan::SecretSet;
use keysan::heap::{
    self, Arena, Block, BlockPlace, BlockSighting, Report, ScanningAllocator, StrayKind,
};

#[global_allocator]
static ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

const SECRET: [u8; 16] = 0x3ac5_910e_77d2_48bf_06e9_5c83_1df4_a06b_u128.to_be_bytes();

fn set_with_secret() -> SecretSet {
    let mut set = SecretSet::new();
    set.register(&SECRET, 7).expect("an empty set has room");
    set
}

fn block_with_secret(len: usize, place: usize) -> Vec<u8> {
    let mut block = vec![0u8; len];
    block[place..place + 16].copy_from_slice(black_box(&SECRET));
    black_box(block)
}

fn watched<R>(call: impl FnOnce() -> R) -> R {
    heap::watch(&SecretSet::new(), call)
}

/// A sighting with what is at its position.
#[derive(Debug, PartialEq)]
struct Sighted {
    tag: u32,
    window: u8,
    place: BlockPlace,
}

fn sightings(arena: &Arena) -> Vec<Sighted> {
    let mut seen = Vec::new();
    arena.scan(&set_with_secret(), &mut |BlockSighting { tag, window, position }| {
        seen.push(Sighted { tag, window, place: arena.place_of(position) });
    });
    seen
}

fn strays(arena: &Arena) -> Vec<(StrayKind, Option<u32>, u32)> {
    let mut found = Vec::new();
    arena.check_gaps_and_freed(&mut |stray| {
        let number = stray.place.block.map(|block| block.number);
        found.push((stray.kind, number, stray.place.offset));
    });
    found
}

#[test]
fn a_freed_blocks_contents_are_seen_until_the_reset() {
    let arena = Arena::attach().unwrap();
    watched(|| drop(block_with_secret(100, 40)));
    let block = Block { number: 0, len: 100, allocated_in: 0, freed_in: Some(0) };
    let sighted = |window, offset| Sighted {
        tag: 7,
        window,
        place: BlockPlace { block: Some(block), offset },
    };
    for _ in 0..2 {
        assert_eq!(sightings(&arena), [sighted(0, 40), sighted(8, 48)]);
    }
    arena.reset();
    assert_eq!(sightings(&arena), []);
}

#[test]
fn a_live_block_is_seen_too() {
    let arena = Arena::attach().unwrap();
    let held = watched(|| block_with_secret(32, 16));
    let place = sightings(&arena)[0].place;
    assert_eq!((place.block.unwrap().freed_in, place.offset), (None, 16));
    assert_eq!(arena.locate(&raw const held[17]), Some((0, 17)));
    drop(held);
    assert_eq!(sightings(&arena)[0].place.block.unwrap().freed_in, Some(0));
}

#[test]
fn the_history_says_which_call_allocated_and_which_freed() {
    let arena = Arena::attach().unwrap();
    arena.begin_call(3);
    let (short, long) = watched(|| (block_with_secret(16, 0), block_with_secret(16, 0)));
    arena.begin_call(8);
    heap::watch(&set_with_secret(), || drop(long));
    let mut freed = Vec::new();
    heap::take_report(|sighting| freed.push(sighting.block));
    let block = Block { number: 1, len: 16, allocated_in: 3, freed_in: Some(8) };
    assert_eq!(freed, [Some(block), Some(block)]);
    let seen: Vec<_> = sightings(&arena).iter().map(|s| s.place.block.unwrap()).collect();
    assert_eq!(seen[0], Block { number: 0, freed_in: None, ..block });
    assert_eq!(seen[2], block);
    drop(short);
}

#[test]
fn the_same_sequence_gets_the_same_addresses_after_every_reset() {
    let arena = Arena::attach().unwrap();
    let mut runs = (0..20).map(|_| {
        let mut addresses = Vec::with_capacity(100);
        watched(|| {
            for len in 1..50 {
                let block = black_box(vec![1u8; len * 7]);
                addresses.push(block.as_ptr().addr());
                drop(block);
                addresses.push(black_box(Box::new(len)).as_ref() as *const usize as usize);
            }
        });
        arena.reset();
        addresses
    });
    let first = runs.next().unwrap();
    assert!(first.is_sorted_by(|a, b| a < b), "no address is given out twice");
    assert_eq!(first[0] >> 40, 0x6b, "in the row of arenas, the same in every process");
    assert!(runs.all(|run| run == first));
}

#[test]
fn a_block_held_over_a_reset_stays_as_it_is() {
    let arena = Arena::attach().unwrap();
    let (held, dropped) = watched(|| {
        drop(black_box(vec![1u8; 500]));
        let held = black_box(vec![0x11u8; 300]);
        (held, black_box(vec![1u8; 9]))
    });
    drop(dropped);
    arena.reset();
    let floor = arena.retained_len();
    assert!(floor > 800, "{floor}");
    assert_eq!((arena.live_count(), arena.block_count()), (1, 0));
    assert_eq!(arena.locate(held.as_ptr()), None);
    for _ in 0..10 {
        let younger = watched(|| black_box(vec![0x22u8; 300]));
        assert!(younger.as_ptr().addr() >= held.as_ptr().addr() + 300 + 16);
        assert_eq!(arena.locate(younger.as_ptr()), Some((0, 0)));
        drop(younger);
        arena.reset();
        assert_eq!(arena.retained_len(), floor, "nothing adds up");
        assert!(held.iter().all(|byte| *byte == 0x11));
    }
    drop(held);
    arena.reset();
    assert_eq!((arena.retained_len(), arena.live_count()), (0, 0));
}

#[test]
fn moving_a_block_leaves_the_old_place_to_be_seen() {
    let arena = Arena::attach().unwrap();
    let set = set_with_secret();
    heap::watch(&set, || {
        let mut block = block_with_secret(100, 40);
        block.reserve_exact(5_000);
        assert_eq!(block[40..56], SECRET);
        block.fill(0);
        block.truncate(10);
        block.shrink_to_fit();
        drop(black_box(block));
    });
    let numbers: Vec<_> = sightings(&arena).iter().map(|s| s.place.block.unwrap().number).collect();
    assert_eq!(numbers, [0, 0]);
    assert_eq!(arena.block_count(), 3);
    let report = heap::take_report(|freed| assert_eq!(freed.block.unwrap().number, 0));
    assert_eq!((report.allocations, report.frees, report.sighted), (3, 3, 2));
}

#[test]
fn zeroed_blocks_are_zero_and_others_are_paint() {
    let arena = Arena::attach().unwrap();
    for _ in 0..2 {
        watched(|| {
            assert!(black_box(vec![0u8; 3_000]).iter().all(|byte| *byte == 0));
            black_box(vec![0xffu8; 3_000]);
        });
        arena.reset();
    }
    let mut words = Vec::new();
    let _unwritten = watched(|| black_box(Vec::<u64>::with_capacity(100)));
    arena.words(&mut words);
    assert_eq!(words, [0x5ab5_5ab5_5ab5; 2 + 100 + 2]);
}

#[test]
fn alignment_is_kept() {
    #[repr(align(4096))]
    struct Page(#[expect(dead_code, reason = "takes room")] [u8; 4096]);
    let arena = Arena::attach().unwrap();
    let (odd, page) = watched(|| (black_box(vec![1u8; 3]), black_box(Box::new(Page([1; 4096])))));
    let address = &raw const *page;
    assert!(address.addr().is_multiple_of(4096));
    assert_eq!(arena.locate(address.cast()), Some((1, 0)));
    assert!(odd.as_ptr().addr().is_multiple_of(16));
    assert_eq!(strays(&arena), []);
}

#[test]
fn each_word_has_its_place() {
    let arena = Arena::attach().unwrap();
    let (first, second) = watched(|| (black_box(vec![5u64; 3]), black_box(vec![6u64; 2])));
    let mut words = Vec::new();
    arena.words(&mut words);
    assert_eq!(arena.used_len(), 16 + words.len() * 8);
    let place = |index| {
        let place = arena.place_of_word(index);
        (place.block.map(|block| block.number), place.offset, place.is_in_gap())
    };
    let fives = words.iter().position(|word| *word == 5).unwrap();
    assert_eq!(place(fives - 1), (None, 24, true));
    assert_eq!(place(fives + 2), (Some(0), 16, false));
    assert_eq!(place(fives + 3), (Some(0), 24, true));
    let sixes = words.iter().position(|word| *word == 6).unwrap();
    assert_eq!(place(sixes + 1), (Some(1), 8, false));
    drop((first, second));
}

#[test]
fn words_may_be_gathered_in_a_block_of_the_arena_itself() {
    let arena = Arena::attach().unwrap();
    let mut words = watched(|| {
        drop(black_box(vec![5u64; 3]));
        Vec::<u64>::with_capacity(1_000)
    });
    arena.words(&mut words);
    assert_eq!(words[2..5], [5; 3]);
}

#[test]
fn every_scan_meets_the_canary() {
    let arena = Arena::attach().unwrap();
    let set = set_with_secret();
    for _ in 0..2 {
        let held = watched(|| black_box(vec![1u8; 10]));
        let looked = arena.scan(&set, &mut |sighting| panic!("{sighting:?}"));
        assert!(looked.canaries >= 1);
        assert_eq!(looked.bytes, arena.used_len());
        arena.reset();
        drop(held);
    }
}

#[test]
fn scans_and_checks_allocate_nothing() {
    let arena = Arena::attach().unwrap();
    let set = set_with_secret();
    watched(|| {
        drop(black_box(vec![1u8; 10]));
        heap::take_report(|_| {});
        arena.scan(&set, &mut |_| {});
        arena.check_gaps_and_freed(&mut |_| {});
        arena.begin_call(1);
        arena.reset();
    });
    assert_eq!(heap::take_report(|_| {}), Report::default());
}

#[test]
fn a_change_is_noticed_once() {
    let arena = Arena::attach().unwrap();
    assert!(arena.has_changed(), "it was never asked before");
    assert!(!arena.has_changed());
    let mut held = watched(|| black_box(vec![1u8; 10]));
    assert!(arena.has_changed());
    black_box(&mut held)[9] = 2;
    assert!(arena.has_changed());
    assert!(!arena.has_changed());
    watched(|| drop(held));
    assert!(!arena.has_changed(), "a free writes nothing");
}

#[test]
fn what_is_remembered_is_no_change() {
    let arena = Arena::attach().unwrap();
    let mut held = watched(|| black_box(vec![1u8; 10]));
    arena.remember();
    assert!(!arena.has_changed());
    black_box(&mut held)[9] = 2;
    assert!(arena.has_changed());
    black_box(&mut held)[9] = 3;
    arena.remember();
    assert!(!arena.has_changed());
    drop(held);
}
