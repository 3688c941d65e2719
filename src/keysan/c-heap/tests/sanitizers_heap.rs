//! Where `AddressSanitizer` has the heap of C, its hooks say what it allocates and frees, and that is looked into.
#![cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
#![allow(unsafe_code, reason = "the functions of C cannot be called without it")]
#![allow(clippy::print_stdout, reason = "a test says that it was skipped")]
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::env;
use std::ffi::c_void;
use std::hint::black_box;
use std::path::PathBuf;
use std::process::Command;

use keysan::SecretSet;
use keysan::heap::{
    self, Arena, NotProven, ScanningAllocator, prove_it_looks_at_c, take_report, watch,
};

#[global_allocator]
static ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

const SECRET: [u8; 16] = 0x3ac5_910e_77d2_48bf_06e9_5c83_1df4_a06b_u128.to_be_bytes();

/// Says that this process has been started with a sanitizer.
const STARTED: &str = "KEYSAN_UNDER_A_SANITIZER";

/// Runs one test of this file once more, alone, with the runtime of a sanitizer in front of the C library; `false`
/// in the process that has it.
fn starts_again_with(runtime: &str, test: &str) -> bool {
    keysan_c_heap::export();
    if env::var_os(STARTED).is_some() {
        return false;
    }
    let found = Command::new("c++").arg(format!("-print-file-name={runtime}")).output();
    let found = found.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    // A compiler without one answers the bare name.
    let Some(library) = found.ok().and_then(|path| PathBuf::from(path).canonicalize().ok()) else {
        println!("skipped: the system's compiler has no {runtime}");
        return true;
    };
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture", "--test-threads", "1"]).env(STARTED, "1");
    command.env("LD_PRELOAD", library).env("ASAN_OPTIONS", "detect_leaks=0");
    // Rust's own locks are unknown to it, and races are not what this is about.
    command.env("TSAN_OPTIONS", "report_bugs=0");
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
    true
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

fn free(block: *mut c_void) {
    // SAFETY: each block is freed once.
    unsafe { libc::free(black_box(block)) };
}

/// What an arena shows of the secret: number, length and the call of each block, and where in it.
fn scanned(arena: &Arena, set: &SecretSet) -> Vec<(u32, u32, u32, u32)> {
    let mut seen = Vec::new();
    let looked = arena.scan(set, &mut |it| {
        let place = arena.place_of(it.position);
        let block = place.block.unwrap();
        if it.window == 0 {
            seen.push((block.number, block.len, block.allocated_in, place.offset));
        }
    });
    assert!(looked.canaries > 0);
    seen
}

fn look_under_a_sanitizer() {
    let mut set = SecretSet::new();
    assert_eq!(prove_it_looks_at_c(&mut set), Ok(()));
    assert!(heap::is_a_sanitizers());
    set.register(&SECRET, 7).unwrap();

    // What is freed under a watch, without an arena and with one.
    watch(&set, || free(block_with_secret(48, 16)));
    let mut seen = Vec::new();
    let report = take_report(|it| seen.push((it.window, it.position, it.block_len, it.block)));
    assert_eq!((report.allocations, report.frees), (1, 1));
    assert_eq!(seen, [(0, 16, 48, None), (8, 24, 48, None)]);
    let arena = Arena::attach().unwrap();
    arena.begin_call(3);
    let kept = watch(&set, || {
        free(block_with_secret(40, 0));
        block_with_secret(100, 32)
    });
    let mut freed = Vec::new();
    take_report(|it| freed.push(it.block.unwrap()));
    assert_eq!((freed[0].number, freed[0].len, freed[0].freed_in), (0, 40, Some(3)));

    // What is still allocated.
    assert_eq!(scanned(&arena, &set), [(1, 100, 3, 32)]);
    assert_eq!((arena.live_count(), arena.outside_count()), (1, 0));
    assert!(arena.has_changed());
    free(kept);
    assert_eq!(scanned(&arena, &set), []);
    assert_eq!(arena.live_count(), 0);

    // What another thread has freed is not looked at again.
    let kept = watch(&set, || block_with_secret(300, 0)) as usize;
    assert_eq!(scanned(&arena, &set).len(), 1);
    std::thread::spawn(move || free(kept as *mut c_void)).join().unwrap();
    assert_eq!(scanned(&arena, &set), []);

    // What outlives a reset is held over, and what is allocated outside a watch is nobody's.
    let held = watch(&set, || block_with_secret(64, 0));
    arena.reset();
    assert_eq!((arena.retained_len(), arena.live_count()), (64, 1));
    free(held);
    arena.reset();
    assert_eq!((arena.retained_len(), arena.live_count()), (0, 0));
    let outside = block_with_secret(64, 0);
    assert_eq!(scanned(&arena, &set), []);
    free(outside);

    // `calloc` answers zeros and `realloc` keeps what there was, of any length.
    for len in [24, 5000, 70_000, 1 << 20] {
        watch(&set, || {
            // SAFETY: as long as was asked for, and freed once.
            unsafe {
                let block = libc::calloc(len, 1).cast::<u8>();
                assert!(std::slice::from_raw_parts(block, len).iter().all(|&byte| byte == 0));
                block.write(9);
                let block = libc::realloc(block.cast(), 2 * len).cast::<u8>();
                assert_eq!(block.read(), 9);
                libc::free(block.cast());
            }
        });
    }
    let report = take_report(|it| panic!("{it:?}"));
    assert_eq!(report.live_blocks, 2, "of which one was freed elsewhere and one in no watch");
}

#[test]
fn the_heap_of_address_sanitizer_is_looked_into() {
    if !starts_again_with("libasan.so", "the_heap_of_address_sanitizer_is_looked_into") {
        look_under_a_sanitizer();
    }
}

#[test]
fn the_heap_of_thread_sanitizer_is_its_own() {
    if starts_again_with("libtsan.so", "the_heap_of_thread_sanitizer_is_its_own") {
        return;
    }
    let set = SecretSet::new();
    assert_eq!(prove_it_looks_at_c(&mut SecretSet::new()), Err(NotProven::NotInstalled));
    assert!(!heap::is_a_sanitizers());
    // What is there lies where that sanitizer lets memory be, and Rust's blocks are looked into.
    let arena = Arena::attach().unwrap();
    assert_eq!(heap::prove_it_looks(&mut SecretSet::new()), Ok(()));
    let kept = watch(&set, || black_box(vec![7_u8; 100]));
    assert_eq!((arena.live_count(), arena.outside_count()), (1, 0));
    drop(kept);
    assert_eq!(scanned(&arena, &set), []);
    free(block_with_secret(40, 8));
}
