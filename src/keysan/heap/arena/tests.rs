//! What an arena does when it is too small, and how arenas share the row.

use std::alloc::{GlobalAlloc, Layout};

use super::{Arena, NotAttached, holds, row};
use crate::SecretSet;
use crate::heap::{ScanningAllocator, take_report, watch};

const ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

/// Allocates under a watch and says whether the arena had room; the block is freed outside.
fn is_served_by_the_arena(len: usize, align: usize) -> bool {
    let layout = Layout::from_size_align(len, align).unwrap();
    // SAFETY: not of size zero, and freed below with the same layout.
    let block = watch(&SecretSet::new(), || unsafe { ALLOCATOR.alloc(layout) });
    assert!(!block.is_null() && block.addr().is_multiple_of(align));
    // SAFETY: allocated just now with this length.
    unsafe { block.write_bytes(1, len) };
    let answer = holds(block);
    // SAFETY: allocated above, and not used again.
    unsafe { ALLOCATOR.dealloc(block, layout) };
    answer
}

#[test]
fn what_does_not_fit_comes_from_the_system_and_is_counted() {
    let arena = Arena::attach_with_limit(4096).unwrap();
    assert!(is_served_by_the_arena(2000, 1));
    assert!(is_served_by_the_arena(2000, 8), "up to the last byte but the gaps");
    assert_eq!(arena.outside_count(), 0);
    assert!(!is_served_by_the_arena(100, 1));
    assert!(!is_served_by_the_arena(5000, 1));
    assert!(!is_served_by_the_arena(16, 8192));
    assert_eq!((arena.outside_count(), arena.block_count()), (3, 2));
    assert_eq!(take_report(|_| {}).allocations, 5);
    arena.reset();
    assert!(is_served_by_the_arena(100, 1));
    assert_eq!(arena.outside_count(), 0);
}

#[test]
fn an_arena_with_no_room_at_all_refuses_everything() {
    for limit in [0, 16, 40] {
        let arena = Arena::attach_with_limit(limit).unwrap();
        assert!(!is_served_by_the_arena(8, 8));
        assert_eq!((arena.outside_count(), arena.block_count()), (1, 0));
    }
}

#[test]
fn a_thread_has_one_arena_at_most() {
    let arena = Arena::attach().unwrap();
    assert_eq!(Arena::attach().unwrap_err(), NotAttached::AlreadyAttached);
    drop(arena);
    assert!(Arena::attach().is_ok());
}

#[test]
fn a_sequence_that_used_much_gives_it_back() {
    let arena = Arena::attach().unwrap();
    for _ in 0..3 {
        assert!(is_served_by_the_arena(20 << 20, 1));
        arena.reset();
        assert!(is_served_by_the_arena(6 << 20, 1));
        arena.check_gaps_and_freed(&mut |stray| panic!("{stray:?}"));
        arena.reset();
        let mut words = Vec::new();
        assert!(is_served_by_the_arena(6 << 20, 1));
        arena.words(&mut words);
        assert_eq!(words.iter().filter(|word| **word == super::PAINT_WORD).count(), 4);
    }
    assert!(is_served_by_the_arena(row::MEMORY_LEN / 64, 1));
}
