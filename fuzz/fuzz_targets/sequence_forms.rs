//! Bytes, text and value agree, and parsers take anything.
#![no_main]
#![allow(unsafe_code, reason = "the engine's entry points are part of the C boundary")]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| rekeylab::fuzzing::sequence_forms(input));
