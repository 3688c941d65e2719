//! Blocks that leave the watch, their thread or their arena.

use std::hint::black_box;

use keysan::SecretSet;
use keysan::heap::{self, Arena, Report};

use super::{SECRET, Sighted, block_with_secret, sightings, watched};

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

fn live(live_blocks: i64, live_bytes: i64) -> Report {
    Report { live_blocks, live_bytes, ..Report::default() }
}
