//! Any bytes are a call sequence for the driver of a data sheet; no sequence may break an invariant.
#![no_main]
#![allow(unsafe_code, reason = "the engine's entry points are part of the C boundary")]

use std::sync::OnceLock;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use rekeylab::executor::AnyDut;
use rekeylab::foreign::named_by_environment;
use rekeylab::fuzzing::{call_sequence_keysan_on, mutate};

#[global_allocator]
static ALLOCATOR: keysan::heap::ScanningAllocator = keysan::heap::ScanningAllocator::new();

static DRIVER: OnceLock<AnyDut> = OnceLock::new();

fuzz_target!(
    init: {
        keysan_c_heap::export();
        // What cannot be driven is told before there is an input that could be taken for the cause.
        DRIVER.get_or_init(named_by_environment);
    },
    |input: &[u8]| {
        call_sequence_keysan_on(|| DRIVER.get_or_init(named_by_environment).clone(), input);
    }
);

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed, fuzzer_mutate)
});
