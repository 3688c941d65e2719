//! Any bytes are a call sequence; no call may leave a secret behind.
#![no_main]
#![allow(unsafe_code, reason = "a section that the engine reads is part of the C boundary")]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use rekeylab::fuzzing::{Counters, call_sequence_keysan, mutate};

#[global_allocator]
static ALLOCATOR: keysan::heap::ScanningAllocator = keysan::heap::ScanningAllocator::new();

// SAFETY: the engine reads and clears this section as bytes, which is what the counters are.
#[cfg_attr(target_os = "linux", unsafe(link_section = "__libfuzzer_extra_counters"))]
static STATES: Counters = Counters::new();

fuzz_target!(|input: &[u8]| call_sequence_keysan(input, &STATES));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed, fuzzer_mutate)
});
