//! With an arena attached, what watched calls allocated stays to be seen until the reset.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "stray writes are made on purpose")]

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
fn a_write_after_free_is_found() {
    let arena = Arena::attach().unwrap();
    for place in [0, 7, 8, 99] {
        let late = watched(|| {
            drop(black_box(vec![1u8; 30]));
            let mut block = black_box(vec![1u8; 100]);
            let late = block.as_mut_ptr();
            drop(block);
            drop(black_box(vec![1u8; 30]));
            late
        });
        assert_eq!(strays(&arena), []);
        // SAFETY: the arena's memory stays mapped; nobody else's block lies there.
        watched(|| unsafe { late.add(place).write_volatile(2) });
        assert_eq!(strays(&arena), [(StrayKind::AfterFree, Some(1), 0)], "byte {place}");
        arena.reset();
        assert_eq!(strays(&arena), []);
    }
}

#[test]
fn words_that_changed_places_after_the_free_are_found() {
    let arena = Arena::attach().unwrap();
    let late = watched(|| {
        let mut block = black_box((0..20_u64).collect::<Vec<_>>());
        let late = block.as_mut_ptr();
        drop(block);
        late
    });
    // SAFETY: the arena's memory stays mapped; nobody else's block lies there.
    unsafe { late.add(3).swap(late.add(4)) };
    assert_eq!(strays(&arena).len(), 1);
}

#[test]
fn a_write_into_a_gap_is_found() {
    let arena = Arena::attach().unwrap();
    let check = |len: usize, place: isize, number, offset| {
        watched(|| {
            let mut first = black_box(vec![1u8; 8]);
            let mut block = black_box(vec![1u8; len]);
            let start = if place < -32 { first.as_mut_ptr() } else { block.as_mut_ptr() };
            let place = if place < -32 { place + 32 } else { place };
            // SAFETY: the gaps are mapped and nobody's.
            unsafe { start.offset(place).write_volatile(2) };
        });
        assert_eq!(strays(&arena), [(StrayKind::IntoGap, number, offset)], "{len} {place}");
        arena.reset();
    };
    check(100, 100, Some(1), 100);
    check(100, 115, Some(1), 115);
    check(101, 103, Some(1), 103);
    check(104, 104, Some(1), 104);
    check(16, -1, Some(0), 31);
    check(16, -33, None, 31);
    check(16, -48, None, 16);
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
fn a_pause_allocates_from_the_system() {
    let arena = Arena::attach().unwrap();
    let set = SecretSet::new();
    let (outer, inner) = watched(|| {
        let outer = heap::pause(|| block_with_secret(16, 0));
        (outer, heap::watch(&set, || black_box(vec![1u8; 16])))
    });
    assert_eq!(arena.locate(outer.as_ptr()), None);
    assert_eq!(arena.locate(inner.as_ptr()), Some((0, 0)));
    assert_eq!(arena.block_count(), 1);
}

#[test]
fn a_block_may_be_freed_and_moved_outside_the_watch() {
    let arena = Arena::attach().unwrap();
    let mut block = watched(|| block_with_secret(100, 40));
    block.reserve_exact(1_000);
    assert_eq!(arena.locate(block.as_ptr()), None, "moved to the system");
    assert_eq!(block[40..56], SECRET);
    assert_eq!((arena.live_count(), arena.block_count()), (0, 1));
    assert_eq!(sightings(&arena).len(), 2);
    assert_eq!(heap::take_report(|_| {}), Report { allocations: 1, ..live(1, 100) });
}

fn live(live_blocks: i64, live_bytes: i64) -> Report {
    Report { live_blocks, live_bytes, ..Report::default() }
}

#[test]
fn a_block_may_be_freed_on_another_thread() {
    let arena = Arena::attach().unwrap();
    for has_its_own in [false, true] {
        let blocks = watched(|| (0..5).map(|_| block_with_secret(32, 0)).collect::<Vec<_>>());
        arena.begin_call(9);
        std::thread::spawn(move || {
            let own = has_its_own.then(|| Arena::attach().unwrap());
            watched(|| drop(blocks));
            assert!(own.is_none_or(|own| own.block_count() == 0));
        })
        .join()
        .unwrap();
        assert_eq!(arena.live_count(), 0);
        let freed_in = |s: &Sighted| s.place.block.unwrap().freed_in;
        assert_eq!(sightings(&arena).iter().map(freed_in).collect::<Vec<_>>(), [Some(9); 10]);
        arena.reset();
        assert_eq!(arena.retained_len(), 0);
    }
}

#[test]
fn more_foreign_frees_than_can_be_noted_are_lost_and_not_handed_out_again() {
    let arena = Arena::attach().unwrap();
    let blocks = watched(|| (0..100).map(|_| Box::new([1u8; 16])).collect::<Vec<_>>());
    std::thread::spawn(move || drop(blocks)).join().unwrap();
    arena.reset();
    assert_eq!(arena.live_count(), 101 - 64);
    let floor = arena.retained_len();
    assert!(floor > 100 * 32);
    let younger = watched(|| black_box(vec![1u8; 16]));
    assert_eq!(arena.locate(younger.as_ptr()), Some((0, 0)));
}

#[test]
fn a_block_outlives_its_arena_and_its_thread() {
    let held = std::thread::spawn(|| {
        let _arena = Arena::attach().unwrap();
        watched(|| black_box(vec![0x33u8; 10_000]))
    })
    .join()
    .unwrap();
    let arena = Arena::attach().unwrap();
    let younger = watched(|| black_box(vec![0x44u8; 10_000]));
    assert!(held.iter().all(|byte| *byte == 0x33));
    assert!(younger.iter().all(|byte| *byte == 0x44));
    drop(held);
    assert_eq!(arena.live_count(), 1);
}

#[test]
fn without_an_arena_the_thread_allocates_from_the_system() {
    drop(Arena::attach().unwrap());
    let block = watched(|| black_box(vec![1u8; 100]));
    let arena = Arena::attach().unwrap();
    assert_eq!(arena.locate(block.as_ptr()), None);
    assert_eq!((arena.block_count(), arena.live_count()), (0, 0));
}

#[test]
fn a_thread_may_end_with_its_arena_in_a_thread_local() {
    struct Held(Option<Vec<u8>>, Arena);
    impl Drop for Held {
        fn drop(&mut self) {
            watched(|| drop(self.0.take()));
            assert_eq!(self.1.live_count(), 0);
        }
    }
    thread_local! {
        static HELD: std::cell::RefCell<Option<Held>> = const { std::cell::RefCell::new(None) };
    }
    std::thread::spawn(|| {
        let arena = Arena::attach().unwrap();
        let block = watched(|| black_box(vec![1u8; 100]));
        HELD.set(Some(Held(Some(block), arena)));
    })
    .join()
    .unwrap();
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

/// Runs one test of this file in a process of its own, and says whether it came to an end.
fn ends_well(test: &str) -> (bool, String) {
    let program = std::env::current_exe().expect("a test knows its own path");
    let child = std::process::Command::new(program)
        .args([test, "--exact", "--ignored", "--test-threads=1"])
        .output()
        .expect("a test can be started again");
    (child.status.success(), String::from_utf8_lossy(&child.stderr).into_owned())
}

#[test]
fn address_sanitizer_reports_reads_of_what_is_nobodys() {
    // SAFETY: looks a name up among what the program has loaded.
    let sanitizer =
        unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__asan_poison_memory_region".as_ptr()) };
    for test in ["drill_a_read_after_the_free", "drill_a_read_of_the_gap"] {
        let (ended_well, said) = ends_well(test);
        assert_eq!(ended_well, sanitizer.is_null(), "{test}: {said}");
        assert!(ended_well || said.contains("use-after-poison"), "{test}: {said}");
    }
}

#[test]
#[ignore = "run by address_sanitizer_reports_reads_of_what_is_nobodys"]
fn drill_a_read_after_the_free() {
    let arena = Arena::attach().unwrap();
    let block = watched(|| black_box(vec![1u8; 100]));
    let late = block.as_ptr();
    drop(block);
    assert_eq!(sightings(&arena), [], "a scan in between leaves the block forbidden");
    // SAFETY: the arena's memory stays mapped.
    assert_eq!(unsafe { late.add(50).read_volatile() }, 1);
}

#[test]
#[ignore = "run by address_sanitizer_reports_reads_of_what_is_nobodys"]
fn drill_a_read_of_the_gap() {
    let _arena = Arena::attach().unwrap();
    let block = watched(|| black_box(vec![1u8; 100]));
    // SAFETY: the arena's memory stays mapped.
    assert_ne!(unsafe { block.as_ptr().add(100).read_volatile() }, 1);
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

#[test]
fn an_arena_that_does_not_serve_leaves_everything_to_the_system() {
    let arena = Arena::attach().unwrap();
    arena.serve(false);
    let held = watched(|| black_box(vec![1u8; 10]));
    assert_eq!((arena.block_count(), arena.outside_count()), (0, 0));
    arena.serve(true);
    watched(|| drop(held));
    let held = watched(|| black_box(vec![1u8; 10]));
    assert_eq!(arena.block_count(), 1);
    arena.serve(false);
    watched(|| drop(held));
    assert_eq!(arena.live_count(), 0);
}
