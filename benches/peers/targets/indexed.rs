//! libFuzzer's bytes, read as operations with indexed handles.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rekeylab_peers::arms::derived::Op;
use rekeylab_peers::arms::engine::judge_or_end;
use rekeylab_peers::arms::indexed::{Handle, sequence};

#[global_allocator]
static ALLOCATOR: keysan::heap::ScanningAllocator = keysan::heap::ScanningAllocator::new();

fuzz_target!(|ops: Vec<Op<Handle>>| judge_or_end(&sequence(&ops)));
