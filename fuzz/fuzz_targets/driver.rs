//! Any bytes are a call sequence for the driver of a data sheet; no sequence may break an invariant.
#![no_main]
#![allow(unsafe_code, reason = "the engine's entry points are part of the C boundary")]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use rekeylab::foreign::named_by_environment;
use rekeylab::fuzzing::{call_sequence_keysan_on, mutate};

#[global_allocator]
static ALLOCATOR: keysan::heap::ScanningAllocator = keysan::heap::ScanningAllocator::new();

fuzz_target!(init: keysan_c_heap::export(), |input: &[u8]| {
    call_sequence_keysan_on(named_by_environment, input);
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed, fuzzer_mutate)
});
