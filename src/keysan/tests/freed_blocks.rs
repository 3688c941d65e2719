//! Freed blocks are looked into while a watch is open, with the allocator installed.

use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};

use keysan::SecretSet;
use keysan::heap::{self, FreedSighting, NotProven, Report};

#[global_allocator]
static ALLOCATOR: heap::ScanningAllocator = heap::ScanningAllocator::new();

const SECRET: [u8; 16] = 0x3ac5_910e_77d2_48bf_06e9_5c83_1df4_a06b_u128.to_be_bytes();

fn set_with_secret() -> SecretSet {
    let mut set = SecretSet::new();
    set.register(&SECRET, 7).expect("an empty set has room");
    set
}

fn report() -> (Report, Vec<FreedSighting>) {
    let mut freed = Vec::with_capacity(64);
    let report = heap::take_report(|sighting| freed.push(sighting));
    (report, freed)
}

/// A block with the secret at `place`, which the optimiser must really fill.
fn block_with_secret(len: usize, place: usize) -> Vec<u8> {
    let mut block = vec![0u8; len];
    block[place..place + 16].copy_from_slice(black_box(&SECRET));
    black_box(block)
}

#[test]
fn a_freed_block_with_a_secret_is_sighted() {
    let set = set_with_secret();
    heap::watch(&set, || {
        drop(black_box(vec![1u8; 10]));
        drop(block_with_secret(100, 40));
    });
    let (report, freed) = report();
    assert_eq!((report.allocations, report.frees), (2, 2));
    assert_eq!((report.live_blocks, report.live_bytes), (0, 0));
    assert!(!report.is_clean());
    let expected = |window, position| FreedSighting {
        tag: 7,
        window,
        position,
        block_len: 100,
        free_index: 1,
        block: None,
    };
    assert_eq!(freed, [expected(0, 40), expected(8, 48)]);
}

#[test]
fn a_secret_at_any_place_of_a_block_is_sighted() {
    let set = set_with_secret();
    for place in 0..84 {
        heap::watch(&set, || drop(block_with_secret(100, place)));
        assert!(!report().1.is_empty(), "place {place}");
    }
}

#[test]
fn a_wiped_block_is_silent() {
    let set = set_with_secret();
    heap::watch(&set, || {
        let mut block = block_with_secret(100, 40);
        block.fill(0);
        drop(black_box(block));
    });
    assert!(report().0.is_clean());
}

#[test]
fn a_block_left_behind_by_growing_is_sighted() {
    let set = set_with_secret();
    for new_len in [101, 5_000] {
        heap::watch(&set, || {
            let mut block = block_with_secret(100, 40);
            block.reserve_exact(new_len - 100);
            black_box(&mut block).fill(0);
        });
        let (report, freed) = report();
        assert_eq!((report.allocations, report.frees, report.live_bytes), (2, 2, 0));
        assert!(freed.iter().all(|sighting| sighting.block_len == 100));
        assert_eq!(freed.len(), 2);
    }
}

#[test]
fn growing_and_shrinking_keep_the_contents() {
    let set = set_with_secret();
    let kept = heap::watch(&set, || {
        let mut grown: Vec<u16> = Vec::new();
        (0..10_000).for_each(|n| grown.push(n));
        grown.truncate(5_000);
        grown.shrink_to_fit();
        grown
    });
    assert!(kept.iter().copied().eq(0..5_000));
    let (report, _) = report();
    assert_eq!((report.live_blocks, report.live_bytes), (1, 10_000));
}

#[test]
fn spare_capacity_is_looked_into() {
    let set = set_with_secret();
    heap::watch(&set, || {
        let mut block = block_with_secret(100, 40);
        block.clear();
        drop(black_box(block));
    });
    assert_eq!(report().1.len(), 2);
}

#[test]
fn outside_the_watch_frees_are_silent() {
    let set = set_with_secret();
    drop(block_with_secret(100, 40));
    heap::watch(&set, || ());
    drop(block_with_secret(100, 40));
    assert_eq!(report().0, Report::default());
}

#[test]
fn only_what_happens_inside_the_watch_counts() {
    let set = set_with_secret();
    let older = vec![1u8; 30];
    let younger = heap::watch(&set, || {
        drop(black_box(older));
        black_box(vec![1u8; 50])
    });
    drop(younger);
    let (report, _) = report();
    assert_eq!((report.allocations, report.frees), (1, 1));
    assert_eq!((report.live_blocks, report.live_bytes), (0, 20));
}

#[test]
fn a_panic_inside_the_watch_closes_it() {
    let set = set_with_secret();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        heap::watch(&set, || std::panic::resume_unwind(Box::new("a planted panic")))
    }));
    assert!(outcome.is_err());
    report();
    drop(block_with_secret(100, 40));
    assert_eq!(report().0, Report::default());
}

#[test]
fn watches_nest_and_each_looks_for_its_own() {
    let (empty, set) = (SecretSet::new(), set_with_secret());
    heap::watch(&set, || {
        heap::watch(&empty, || drop(block_with_secret(16, 0)));
        assert!(report().0.is_clean());
        drop(block_with_secret(16, 0));
    });
    assert_eq!(report().1.len(), 2);
}

#[test]
#[cfg(target_os = "linux")]
fn what_is_looked_into_after_a_report_is_in_the_next() {
    // The blocks of an arena are looked into when the watch closes.
    let _arena = heap::Arena::attach().unwrap();
    let set = set_with_secret();
    heap::watch(&set, || {
        drop(block_with_secret(100, 40));
        assert_eq!(heap::take_report(|_| {}).frees, 1);
    });
    assert_eq!(report().1.len(), 2);
}

#[test]
fn a_pause_hides_what_the_workbench_does_itself() {
    let set = set_with_secret();
    heap::watch(&set, || {
        heap::pause(|| drop(block_with_secret(100, 40)));
        drop(block_with_secret(16, 0));
    });
    let (report, _) = report();
    assert_eq!((report.frees, report.sighted), (1, 2));
}

#[test]
fn sightings_beyond_the_limit_are_counted() {
    let set = set_with_secret();
    heap::watch(&set, || (0..40).for_each(|_| drop(block_with_secret(16, 0))));
    let (report, freed) = report();
    assert_eq!((report.sighted, report.dropped, freed.len()), (64, 16, 64));
}

#[test]
fn other_threads_are_not_watched() {
    let set = set_with_secret();
    let (start, started) = std::sync::mpsc::channel::<()>();
    let (done, finished) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            started.recv().unwrap();
            drop(block_with_secret(100, 40));
            assert_eq!(report().0, Report::default());
            done.send(()).unwrap();
        });
        heap::watch(&set, || {
            start.send(()).unwrap();
            finished.recv().unwrap();
        });
    });
    assert!(report().0.is_clean());
}

#[test]
fn the_allocator_proves_that_it_is_installed_and_looks() {
    let mut set = set_with_secret();
    heap::watch(&set, || drop(block_with_secret(16, 0)));
    assert!(heap::is_installed());
    for _ in 0..1_000 {
        assert_eq!(heap::prove_it_looks(&mut set), Ok(()));
    }
    assert_eq!(set.len(), 1);
    let (report, freed) = report();
    assert_eq!((report.frees, report.sighted, freed.len()), (1, 2, 2), "a proof leaves no trace");
}

#[test]
fn a_full_set_cannot_be_proven() {
    let mut set = SecretSet::new();
    let mut n = 0_u128;
    while set.register(&(n * 0x1_0000_0001_0000_0001).to_le_bytes(), 0).is_ok() {
        n += 1;
    }
    assert_eq!(heap::prove_it_looks(&mut set), Err(NotProven::SetIsFull));
}

#[test]
fn keysan_itself_leaves_no_secret_in_freed_blocks() {
    use keysan::text::{Scratch, scan_text};
    let set = set_with_secret();
    let text = format!("{SECRET:?} {}", u128::from_be_bytes(SECRET));
    heap::watch(&set, || {
        let mut other = set_with_secret();
        let mut count = 0;
        scan_text(&other, &text, &mut Scratch::new(), &mut |_| count += 1);
        assert!(count > 0);
        other.clear();
    });
    assert_eq!(report().1, []);
}

#[test]
fn scanning_and_reporting_allocate_nothing() {
    let (empty, mut set) = (SecretSet::new(), set_with_secret());
    let memory = vec![0u8; 4096];
    let text = format!("{SECRET:?}");
    let mut scratch = keysan::text::Scratch::new();
    heap::watch(&empty, || {
        set.clear();
        set.register(&SECRET, 1).unwrap();
        set.scan_aligned(&memory, &mut |_| ());
        set.scan_bytes(&memory, &mut |_| ());
        keysan::text::scan_text(&set, &text, &mut scratch, &mut |_| ());
    });
    assert_eq!(report().0, Report::default());
}

#[test]
fn no_debug_output_shows_a_secret() {
    let set = set_with_secret();
    heap::watch(&set, || drop(block_with_secret(100, 40)));
    let (report, freed) = report();
    let printed = format!("{set:?} {ALLOCATOR:?} {report:?} {freed:?} {:?}", NotProven::SetIsFull);
    let mut scratch = keysan::text::Scratch::new();
    keysan::text::scan_text(&set, &printed, &mut scratch, &mut |s| panic!("{s:?}: {printed}"));
}

#[test]
fn what_the_surroundings_left_in_a_recycled_block_is_not_the_watched_codes() {
    let set = set_with_secret();
    for _ in 0..64 {
        // A block of ours with the secret in it goes back, unwatched, for the system to recycle.
        drop(black_box(SECRET.repeat(4).into_boxed_slice()));
        heap::watch(&set, || drop(black_box(Vec::<u8>::with_capacity(64))));
        assert!(heap::take_report(|_| {}).is_clean());
    }
}
