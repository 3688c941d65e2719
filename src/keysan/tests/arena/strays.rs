//! Reads and writes of memory that is nobody's: after the free, and in the gaps.

use std::hint::black_box;

use keysan::heap::{Arena, StrayKind};

use super::{sightings, strays, watched};

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

/// Runs one ignored test in a process of its own, and says whether it came to an end.
fn ends_well(test: &str) -> (bool, String) {
    let program = std::env::current_exe().expect("a test knows its own path");
    let child = std::process::Command::new(program)
        .args([test, "--exact", "--ignored", "--test-threads=1"])
        .output()
        .expect("a test can be started again");
    let heading = String::from_utf8_lossy(&child.stdout);
    assert!(heading.contains("running 1 test\n"), "there is no test {test}");
    (child.status.success(), String::from_utf8_lossy(&child.stderr).into_owned())
}

#[test]
fn address_sanitizer_reports_reads_of_what_is_nobodys() {
    // SAFETY: looks a name up among what the program has loaded.
    let sanitizer =
        unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__asan_poison_memory_region".as_ptr()) };
    for test in ["strays::drill_a_read_after_the_free", "strays::drill_a_read_of_the_gap"] {
        let (ended_well, said) = ends_well(test);
        assert_eq!(ended_well, sanitizer.is_null(), "{test}: {said}");
        assert!(ended_well || said.contains("use-after-poison"), "{test}: {said}");
    }
}

#[test]
#[ignore = "AddressSanitizer ends the process; run by address_sanitizer_reports_reads_of_what_is_nobodys"]
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
#[ignore = "AddressSanitizer ends the process; run by address_sanitizer_reports_reads_of_what_is_nobodys"]
fn drill_a_read_of_the_gap() {
    let _arena = Arena::attach().unwrap();
    let block = watched(|| black_box(vec![1u8; 100]));
    // SAFETY: the arena's memory stays mapped.
    assert_ne!(unsafe { block.as_ptr().add(100).read_volatile() }, 1);
}
