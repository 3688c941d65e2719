//! On AArch64 there is no gate: what that leaves unseen is said, and everything else is looked into.
#![cfg(all(target_arch = "aarch64", target_os = "linux", not(miri)))]

use std::hint::black_box;
use std::sync::atomic::{AtomicU8, Ordering};

use keysan::gate::Gate;
use keysan::heap::ScanningAllocator;
use keysan::sanitizer::{DifferentialError, OpenError, WhyBlind};
use keysan::{Backend, Keysan, Layer, valgrind};

#[global_allocator]
static ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

const KEY: [u8; 16] = 0x3ac5_910e_77d2_48bf_06e9_5c83_1df4_a06b_u128.to_be_bytes();
const OTHER_KEY: [u8; 16] = 0x91d6_4f03_cab8_752e_6be1_094d_a7f2_385c_u128.to_be_bytes();

const MISSING: [&str; 2] =
    ["dead stack: not ported to this system", "registers: not ported to this system"];

static CACHE: [AtomicU8; 16] = [const { AtomicU8::new(0) }; 16];

fn told(keysan: &Keysan) -> Vec<String> {
    keysan.blind_spots().iter().map(ToString::to_string).collect()
}

#[test]
fn a_gate_refuses_in_words() {
    for gate in [Gate::open(), Gate::open_with_stack(1 << 20)] {
        let refused = gate.expect_err("there is no gate to open");
        assert_eq!(refused.to_string(), "the call gate is not ported to this system");
    }
}

#[test]
fn stack_and_registers_are_blind_spots_and_nothing_else_is() {
    let opened: [fn() -> Result<Keysan, OpenError>; 2] =
        [Keysan::open, || Keysan::open_with_stack(64 << 20)];
    for open in opened {
        let mut keysan = open().unwrap();
        let not_asked = ["statics: no statics were asked for"];
        assert_eq!(told(&keysan), [&MISSING[..], &not_asked].concat());
        assert_eq!(keysan.watch_statics(|name| name == "no_gate::CACHE").unwrap(), 1);
        assert_eq!(told(&keysan), MISSING);
        assert!(keysan.blind_spots().iter().all(|spot| spot.why == WhyBlind::NotPorted));
        let looked_into: Vec<Layer> = keysan.layers().collect();
        let expected =
            [Layer::FreedBlocks, Layer::Heap, Layer::Statics, Layer::Outputs, Layer::Texts];
        assert_eq!(looked_into, expected);
        // A new sequence has no more than that.
        keysan.clear();
        assert_eq!(told(&keysan), MISSING);
    }
}

/// One key on the stack, in a freed block, in a static, in an output and in a text.
#[test]
fn a_key_is_told_wherever_it_is_but_on_the_stack() {
    let mut keysan = Keysan::open().unwrap();
    keysan.watch_statics(|name| name == "no_gate::CACHE").unwrap();
    let key = keysan.register("K", &KEY).unwrap();
    keysan.call("leave on the stack", || {
        let mut copy = [0; 16];
        copy.copy_from_slice(black_box(&KEY));
        black_box(&copy);
    });
    assert_eq!(keysan.findings().unwrap(), [], "nobody looks there, as the blind spots say");
    keysan.call("free", || drop(black_box(KEY.to_vec())));
    for (place, byte) in black_box(&CACHE).iter().zip(KEY) {
        place.store(byte, Ordering::Relaxed);
    }
    keysan.look_at_output("reply", &KEY);
    keysan.look_at_text("log", &format!("{KEY:02x?}"));
    keysan.retire(key, "destroyed");
    keysan.scan("afterwards");
    let found = keysan.findings().unwrap();
    let layers: Vec<Layer> = found.iter().map(|finding| finding.place.layer()).collect();
    assert_eq!(layers, [Layer::Heap, Layer::Outputs, Layer::Texts, Layer::Statics], "{found:?}");
}

/// It would miss what runs leave on the stack, and says so instead of passing.
#[test]
fn a_differential_refuses() {
    let mut keysan = Keysan::open().unwrap();
    let outcome = keysan.differential([&KEY, &OTHER_KEY], [&[7; 16], &[9; 16]], |run, key, _| {
        run.call("keep", || key.to_vec())
    });
    let refused = outcome.unwrap_err();
    assert_eq!(refused, DifferentialError::Blind(Layer::Stack));
    assert_eq!(refused.to_string(), "the dead stack cannot be looked into here");
}

#[test]
fn neither_wide_scans_nor_memcheck_are_promised() {
    assert_eq!(Backend::best(), Backend::Scalar);
    assert!(!Backend::Avx2.is_available() && !Backend::Avx512.is_available());
    valgrind::mark_secret(&KEY);
    assert_eq!(valgrind::tainted_bytes(KEY.as_ptr(), KEY.len()), Ok(0));
}
