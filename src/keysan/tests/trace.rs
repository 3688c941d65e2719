//! Where in the code secrets were left: known functions leave copies in known places, and are named.
#![cfg(all(feature = "trace", target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the message")]
#![allow(unsafe_code, reason = "only assembly leaves a register for certain")]

use std::cell::RefCell;
use std::hint::black_box;

use keysan::heap::ScanningAllocator;
use keysan::sanitizer::Trace;
use keysan::{Keysan, Layer};

#[global_allocator]
static ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

thread_local! {
    static KEPT: RefCell<[u8; 32]> = const { RefCell::new([0; 32]) };
}

const KEY: [u8; 32] = *b"\x3a\xc5\x91\x0e\x77\xd2\x48\xbf\x06\xe9\x5c\x83\x1d\xf4\xa0\x6b\
\xb7\x24\x6e\x99\x0a\xf1\x3c\xd5\x88\x41\xe2\x7d\x50\x13\xac\xfb";

/// Leaves a copy in its own frame.
#[inline(never)]
fn keeps_it_on_the_stack(key: &[u8; 32]) {
    let mut copy = black_box(*key);
    black_box(&mut copy);
    uses(&copy);
}

#[inline(never)]
fn uses(key: &[u8; 32]) {
    black_box(key);
}

/// The same so far down that what comes next does not write over it.
#[inline(never)]
fn deep_down<const LEN: usize>() {
    let mut room = black_box([0_u8; LEN]);
    black_box(&mut room);
    keeps_it_on_the_stack(black_box(&KEY));
}

/// Leaves a copy in a block that it frees.
#[inline(never)]
fn keeps_it_on_the_heap(key: &[u8; 32]) {
    let block = allocates(key);
    frees(block);
}

#[inline(never)]
fn allocates(key: &[u8; 32]) -> Vec<u8> {
    let mut block = Vec::with_capacity(64);
    block.resize(8, 1);
    block.extend_from_slice(key);
    black_box(block)
}

#[inline(never)]
fn frees(block: Vec<u8>) {
    drop(black_box(block));
}

fn traces_of(layers: &[Layer], mut run: impl FnMut(&mut Keysan)) -> Vec<Trace> {
    let mut keysan = Keysan::open().unwrap();
    for layer in Layer::ALL.into_iter().filter(|layer| !layers.contains(layer)) {
        keysan.leave_out(layer);
    }
    keysan.trace(|keysan| run(keysan)).unwrap()
}

fn names(chain: &[keysan::Frame]) -> String {
    chain.iter().map(|it| it.function.as_str()).collect::<Vec<_>>().join(" < ")
}

#[test]
fn the_function_is_named_whose_frame_held_a_copy() {
    let traces = traces_of(&[Layer::Stack], |keysan| {
        keysan.register("key", &KEY).unwrap();
        keysan.call("call", || keeps_it_on_the_stack(black_box(&KEY)));
    });
    assert_eq!(traces.len(), 1, "{traces:#?}");
    let frame = traces[0].frame.as_ref().unwrap();
    assert!(frame.function.ends_with("keeps_it_on_the_stack"), "{}", traces[0]);
    assert!(frame.offset.is_some(), "{}", traces[0]);
    assert!(names(&traces[0].written).contains("keeps_it_on_the_stack"), "{}", traces[0]);
}

#[test]
fn whoever_allocated_wrote_and_freed_a_block_is_named() {
    let traces = traces_of(&[Layer::FreedBlocks, Layer::Heap], |keysan| {
        keysan.register("key", &KEY).unwrap();
        keysan.call("nothing", || drop(black_box(Box::new(7))));
        keysan.call("call", || keeps_it_on_the_heap(black_box(&KEY)));
    });
    assert_eq!(traces.len(), 1, "{traces:#?}");
    let trace = &traces[0];
    assert!(names(&trace.allocated).starts_with("trace::allocates"), "{trace}");
    assert!(names(&trace.written).contains("allocates"), "{trace}");
    assert!(!names(&trace.written).contains("frees"), "{trace}");
    assert!(names(&trace.freed).starts_with("trace::frees"), "{trace}");
}

#[test]
fn the_instruction_is_named_that_left_a_register() {
    #[inline(never)]
    fn leaves_it_in_a_register(key: &[u8; 32]) {
        // SAFETY: reads eight bytes of the key into a register that it says it changes.
        unsafe {
            std::arch::asm!("mov r11, [{}]", "nop", "nop", in(reg) key, out("r11") _, options(readonly, nostack));
        }
    }
    let traces = traces_of(&[Layer::Registers], |keysan| {
        keysan.register("key", &KEY).unwrap();
        keysan.call("call", || leaves_it_in_a_register(black_box(&KEY)));
    });
    let trace = traces.iter().find(|it| it.finding.to_string().contains("register r11")).unwrap();
    assert!(trace.written[0].function.ends_with("leaves_it_in_a_register"), "{trace}");
}

#[test]
fn what_is_given_out_is_not_traced_and_what_is_clean_has_no_trace() {
    let traces = traces_of(&[Layer::Outputs], |keysan| {
        keysan.register("key", &KEY).unwrap();
        keysan.look_at_output("answer", &KEY);
    });
    assert_eq!(traces.len(), 1);
    assert!(traces[0].to_string().ends_with("not known where: such a place is not traced"));
    assert_eq!(traces_of(&[Layer::Stack], |keysan| keysan.call("nothing", || ())), []);
}

#[test]
fn a_static_that_is_written_is_traced_and_calls_after_that_run_freely() {
    #[inline(never)]
    fn keeps_it_in_a_thread_local(key: &[u8; 32], is_kept: bool) {
        KEPT.with_borrow_mut(|kept| *kept = if is_kept { *key } else { [0; 32] });
    }
    let mut keysan = Keysan::open().unwrap();
    for layer in [Layer::Stack, Layer::Registers] {
        keysan.leave_out(layer);
    }
    keysan.watch_statics(|symbol| symbol.contains("KEPT")).unwrap();
    let traces = keysan
        .trace(|keysan| {
            keysan.call("forget", || keeps_it_in_a_thread_local(black_box(&KEY), false));
            let key = keysan.register("key", &KEY).unwrap();
            keysan.call("keep", || keeps_it_in_a_thread_local(black_box(&KEY), true));
            keysan.retire(key, "over");
            keysan.scan("at the end");
        })
        .unwrap();
    assert_eq!(traces.len(), 1, "{traces:#?}");
    assert!(names(&traces[0].written).contains("keeps_it_in_a_thread_local"), "{}", traces[0]);
    // Nobody is stepping any more, and the same sanitizer goes on.
    keysan.clear();
    keysan.call("free", || keeps_it_on_the_heap(black_box(&[0; 32])));
    keysan.assert_clean();
}

#[test]
fn panics_threads_and_deep_stacks_are_stepped_through() {
    let traces = traces_of(&[Layer::Stack], |keysan| {
        keysan.register("key", &KEY).unwrap();
        let panics = std::panic::AssertUnwindSafe(|| {
            keysan.call("panic", || {
                deep_down::<{ 20 << 10 }>();
                std::thread::spawn(|| black_box(1)).join().unwrap();
                std::panic::resume_unwind(Box::new(1));
            });
        });
        assert!(std::panic::catch_unwind(panics).is_err());
        keysan.call("deep", deep_down::<{ 300 << 10 }>);
    });
    let of = |call: &str| {
        traces.iter().find(|it| it.shape.contains(call)).unwrap_or_else(|| panic!("{traces:#?}"))
    };
    for call in ["by panic", "by deep"] {
        let frame = of(call).frame.as_ref().unwrap();
        assert!(frame.function.ends_with("keeps_it_on_the_stack"), "{}", of(call));
    }
}
