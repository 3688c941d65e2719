//! Any bytes are a call sequence; no sequence may break an invariant.
#![no_main]
#![allow(unsafe_code, reason = "the engine's entry points are part of the C boundary")]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use rekeylab::fuzzing::{call_sequence, mutate};

#[global_allocator]
static ALLOCATOR: keysan::heap::ScanningAllocator = keysan::heap::ScanningAllocator::new();

fuzz_target!(|input: &[u8]| call_sequence(input));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed, fuzzer_mutate)
});
