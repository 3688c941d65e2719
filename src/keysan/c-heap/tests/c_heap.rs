//! What a library in C allocates and frees under watch is seen, and everything else goes on as before.
#![cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
#![allow(unsafe_code, reason = "the functions of C cannot be called without it")]
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::ffi::c_void;
use std::hint::black_box;

use keysan::SecretSet;
use keysan::heap::{self, Arena, ScanningAllocator, prove_it_looks_at_c, take_report, watch};

#[global_allocator]
static ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

const SECRET: [u8; 16] = 0x3ac5_910e_77d2_48bf_06e9_5c83_1df4_a06b_u128.to_be_bytes();

fn set() -> SecretSet {
    keysan_c_heap::export();
    let mut set = SecretSet::new();
    set.register(&SECRET, 7).unwrap();
    set
}

/// A block of C with the secret in it, `at` bytes from its start.
fn block_with_secret(len: usize, at: usize) -> *mut c_void {
    // SAFETY: any length may be asked for, and the secret lies within it.
    unsafe {
        let block = black_box(libc::malloc(len));
        assert!(!block.is_null() && at + 16 <= len);
        block.cast::<u8>().add(at).copy_from(SECRET.as_ptr(), 16);
        block
    }
}

/// What was seen in blocks that were freed: where in a block of which length.
fn seen() -> Vec<(usize, usize)> {
    let mut seen = Vec::new();
    take_report(|it| {
        if it.window == 0 {
            seen.push((it.position, it.block_len));
        }
    });
    seen
}

#[test]
fn a_block_that_is_freed_under_watch_is_looked_into() {
    let set = set();
    // SAFETY: each block is freed once.
    watch(&set, || unsafe { libc::free(block_with_secret(48, 16)) });
    let found = seen();
    // The C library may give more than was asked for.
    assert!(matches!(found[..], [(16, 48..)]), "{found:?}");
    // SAFETY: as above.
    unsafe { libc::free(block_with_secret(48, 16)) };
    assert_eq!(seen(), []);
    // Freed elsewhere than it was allocated.
    let block = block_with_secret(64, 0);
    // SAFETY: as above.
    watch(&set, || unsafe { libc::free(block) });
    assert_eq!(seen().len(), 1);
}

#[test]
fn what_lay_in_a_block_before_it_was_handed_out_is_nobodys() {
    let set = set();
    for len in [24_usize, 100, 190, 1000] {
        // Not watched: the secret is the workbench's, at the end of what there is room for.
        let room = {
            // SAFETY: filled within its room, and freed once.
            unsafe {
                let block = black_box(libc::malloc(len));
                let room = libc::malloc_usable_size(block);
                block.cast::<u8>().add(room - 16).copy_from(SECRET.as_ptr(), 16);
                libc::free(block);
                room
            }
        };
        // SAFETY: freed once.
        watch(&set, || unsafe { libc::free(black_box(libc::malloc(room - 15))) });
        take_report(|it| panic!("{len}: {it:?}"));
    }
}

#[test]
fn an_arena_hands_out_the_blocks_and_keeps_what_was_in_them() {
    let set = set();
    let arena = Arena::attach().unwrap();
    arena.begin_call(3);
    let mut kept = std::ptr::null_mut();
    watch(&set, || {
        // SAFETY: freed once, and `kept` below.
        unsafe { libc::free(block_with_secret(40, 8)) };
        kept = block_with_secret(100, 0);
    });
    assert_eq!(seen(), [(8, 40)]);
    let mut sighted = Vec::new();
    arena.scan(&set, &mut |it| sighted.push(arena.place_of(it.position).block.unwrap()));
    let lens: Vec<(u32, Option<u32>)> = sighted.iter().map(|it| (it.len, it.freed_in)).collect();
    assert_eq!(lens, [(40, Some(3)), (40, Some(3)), (100, None), (100, None)]);
    // Rust and C free each other's blocks never, but at any time.
    // SAFETY: allocated above.
    unsafe { libc::free(kept) };
    assert_eq!(arena.live_count(), 0);
}

#[test]
fn a_block_that_moves_keeps_what_it_holds_and_its_old_place_is_seen() {
    let set = set();
    for with_arena in [false, true] {
        let arena = with_arena.then(|| Arena::attach().unwrap());
        watch(&set, || {
            let block = block_with_secret(32, 0);
            // SAFETY: allocated above; the moved one is read within its length, and freed.
            unsafe {
                let moved = black_box(libc::realloc(block, 4096));
                assert_eq!(std::slice::from_raw_parts(moved.cast::<u8>(), 16), SECRET);
                moved.cast::<u8>().write_bytes(0, 16);
                libc::free(moved);
            }
        });
        let found = seen();
        assert!(matches!(found[..], [(0, 32..=40)]), "{found:?}");
        drop(arena);
    }
    // Without a block it allocates, without a size it frees.
    watch(&set, || {
        // SAFETY: what C promises.
        unsafe {
            let block = black_box(libc::realloc(std::ptr::null_mut(), 16));
            block.cast::<u8>().write_bytes(0, 16);
            assert!(black_box(libc::realloc(block, 0)).is_null());
        }
    });
    let report = take_report(|it| panic!("{it:?}"));
    assert_eq!((report.allocations, report.frees), (1, 1));
}

#[test]
fn blocks_are_empty_and_aligned_as_asked_for() {
    let set = set();
    let arena = Arena::attach().unwrap();
    watch(&set, || {
        // SAFETY: read within their length, and freed once.
        unsafe {
            let zeros = black_box(libc::calloc(9, 11));
            assert_eq!(std::slice::from_raw_parts(zeros.cast::<u8>(), 99), [0; 99]);
            assert!(black_box(libc::calloc(black_box(usize::MAX), 2)).is_null());
            let mut aligned = std::ptr::null_mut();
            assert_eq!(libc::posix_memalign(&raw mut aligned, 256, 40), 0);
            assert!(aligned.addr().is_multiple_of(256));
            assert_ne!(libc::posix_memalign(&raw mut aligned, 24, 40), 0);
            let also = black_box(libc::aligned_alloc(64, 128));
            assert!(also.addr().is_multiple_of(64));
            let empty = black_box(libc::malloc(0));
            assert!(empty.addr() > 0);
            for block in [zeros, aligned, also] {
                assert!(arena.locate(block.cast()).is_some());
                assert!(libc::malloc_usable_size(block) >= 40);
                libc::free(block);
            }
            libc::free(empty);
            libc::free(std::ptr::null_mut());
        }
    });
    assert_eq!(take_report(|it| panic!("{it:?}")).frees, 4);
}

#[test]
fn what_a_watched_thread_allocated_may_be_moved_and_freed_on_another() {
    let set = set();
    let arena = Arena::attach().unwrap();
    let mut block = 0;
    watch(&set, || block = block_with_secret(24, 0).expose_provenance());
    std::thread::spawn(move || {
        // SAFETY: allocated above; nobody else has it any more.
        unsafe {
            let moved = libc::realloc(std::ptr::with_exposed_provenance_mut(block), 300);
            assert_eq!(std::slice::from_raw_parts(moved.cast::<u8>(), 16), SECRET);
            libc::free(moved);
        }
    })
    .join()
    .unwrap();
    assert_eq!(arena.live_count(), 0);
}

#[test]
fn what_rust_frees_is_seen_once_although_it_goes_through_c() {
    let set = set();
    watch(&set, || drop(black_box(SECRET.to_vec())));
    assert_eq!(seen(), [(0, 16)]);
    watch(&set, || drop(black_box(vec![0_u8; 100])));
    let report = take_report(|it| panic!("{it:?}"));
    assert_eq!((report.allocations, report.frees), (1, 1));
}

#[test]
fn it_is_proven_to_look() {
    keysan_c_heap::export();
    assert_eq!(prove_it_looks_at_c(&mut SecretSet::new()), Ok(()));
    assert!(heap::is_installed());
}

#[test]
fn the_dynamic_linker_may_free_while_it_is_asked() {
    // Of a name that there is not, it keeps an error until it is asked again, and frees it then: here under watch,
    // in a thread that has asked for nothing else.
    let asked = std::thread::spawn(|| {
        let set = set();
        // SAFETY: looks names up among what the program has loaded.
        let missing = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"there_is_no_such_name".as_ptr()) };
        assert!(missing.is_null());
        watch(&set, || {
            // SAFETY: as above.
            unsafe { black_box(libc::dlsym(libc::RTLD_DEFAULT, c"nor_this".as_ptr())) };
        });
        take_report(|it| panic!("{it:?}"));
    });
    asked.join().unwrap();
}

/// With the statics of the library, which cannot be looked into elsewhere.
#[cfg(target_arch = "x86_64")]
#[test]
fn the_two_leaks_of_the_toy_in_c_are_found() {
    let test = std::env::current_exe().unwrap();
    let mut places = test.ancestors().map(|folder| folder.join("examples/check_a_c_library"));
    let example = places.find(|path| path.is_file());
    let example =
        example.expect("cargo build --examples builds it, and so does a whole cargo test");
    let output = std::process::Command::new(example).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
}
