//! Over another allocator than the system's, freed blocks are looked into as well.
#![allow(unsafe_code, reason = "an allocator cannot be written without it")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use keysan::SecretSet;
use keysan::heap::{ScanningAllocator, is_installed, prove_it_looks, take_report, watch};

/// Another allocator: it counts what it is asked for.
struct Other;

static ASKED_COUNT: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all of it is the system's doing.
unsafe impl GlobalAlloc for Other {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED_COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on unchanged.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on unchanged.
        unsafe { System.dealloc(block, layout) };
    }
}

#[global_allocator]
static ALLOCATOR: ScanningAllocator<Other> = ScanningAllocator::over(Other);

const SECRET: [u8; 16] = 0x3ac5_910e_77d2_48bf_06e9_5c83_1df4_a06b_u128.to_be_bytes();

#[test]
fn what_another_allocator_handed_out_is_looked_into_when_it_is_freed() {
    assert!(is_installed());
    let mut set = SecretSet::new();
    prove_it_looks(&mut set).expect("it is installed");
    set.register(&SECRET, 7).expect("a new set has room");
    let before = ASKED_COUNT.load(Ordering::Relaxed);
    watch(&set, || drop(std::hint::black_box(SECRET.to_vec())));
    assert!(ASKED_COUNT.load(Ordering::Relaxed) > before);
    let mut seen = Vec::new();
    take_report(|sighting| seen.push((sighting.tag, sighting.position)));
    assert!(seen.contains(&(7, 0)) && seen.contains(&(7, 8)), "{seen:?}");
}
