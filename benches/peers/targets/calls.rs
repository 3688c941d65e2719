//! rekeylab's mutator in libFuzzer, as its own target `call_sequence` has it, before the judge of
//! this package; it can be left out.
#![no_main]
#![allow(unsafe_code, reason = "the engine's entry points are part of the C boundary")]

use std::cell::RefCell;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use rekeylab::fuzzing::mutate;
use rekeylab::sequence::CallSequence;
use rekeylab_peers::arms::engine::{has_mutator, judge_or_end};

#[global_allocator]
static ALLOCATOR: keysan::heap::ScanningAllocator = keysan::heap::ScanningAllocator::new();

thread_local! {
    static SEQUENCE: RefCell<CallSequence> = RefCell::default();
}

fuzz_target!(|input: &[u8]| {
    SEQUENCE.with_borrow_mut(|sequence| {
        CallSequence::from_bytes_into(input, sequence);
        judge_or_end(sequence);
    });
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if !has_mutator() {
        return fuzzer_mutate(data, size, max_size);
    }
    mutate(data, size, max_size, seed, fuzzer_mutate)
});
