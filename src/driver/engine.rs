//! An engine made of software: the cipher, and memory without end.

use rekeylab_cipher::ctr_xor;
use rekeylab_ddi::CtrIv;

use crate::seams::{Engine, OutOfMemory};

/// Executes commands on the CPU that submitted them.
#[derive(Clone, Copy, Debug, Default)]
pub struct SoftwareEngine;

impl Engine for SoftwareEngine {
    fn reserve(&mut self, _len: usize) -> Result<(), OutOfMemory> {
        Ok(())
    }

    fn release(&mut self, _len: usize) {}

    fn execute(&mut self, key: &[u8; 16], counter: CtrIv, buffer: &mut [u8]) {
        ctr_xor(key, counter.iv_number(), counter.count_number(), buffer)
            .expect("the core refuses a Count that passes 2^64 when the buffer is submitted");
    }
}
