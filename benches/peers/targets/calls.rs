//! rekeylab's mutator and counters in libFuzzer, as its own target `call_sequence` has
//! them, before the judge of this package; each of the two can be left out.
#![no_main]
#![allow(unsafe_code, reason = "a section that the engine reads is part of the C boundary")]

use std::cell::RefCell;
use std::sync::atomic::{AtomicU8, Ordering};

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use rekeylab::fuzzing::mutate;
use rekeylab::search::feature::{FEATURES, Features, Reached};
use rekeylab::sequence::CallSequence;
use rekeylab_peers::arms::engine::{EnginePart, has, judge_or_end};

#[global_allocator]
static ALLOCATOR: keysan::heap::ScanningAllocator = keysan::heap::ScanningAllocator::new();

// SAFETY: the engine reads and clears this section as bytes, which is what the counters are.
#[cfg_attr(target_os = "linux", unsafe(link_section = "__libfuzzer_extra_counters"))]
static STATES: [AtomicU8; FEATURES] = [const { AtomicU8::new(0) }; FEATURES];

thread_local! {
    static KEPT: RefCell<(CallSequence, Features)> = RefCell::default();
}

fuzz_target!(|input: &[u8]| {
    KEPT.with_borrow_mut(|(sequence, features)| {
        CallSequence::from_bytes_into(input, sequence);
        judge_or_end(sequence, |trace| {
            if !has(EnginePart::Counters) {
                return;
            }
            for &Reached { feature, .. } in features.of(trace) {
                STATES[usize::from(feature)].store(1, Ordering::Relaxed);
            }
        });
    });
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if !has(EnginePart::Mutator) {
        return fuzzer_mutate(data, size, max_size);
    }
    mutate(data, size, max_size, seed, fuzzer_mutate)
});
