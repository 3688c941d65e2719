//! What a call leaves on the painted stack and in the registers is found, and nothing else is.
#![cfg(all(target_arch = "x86_64", target_os = "linux", not(miri)))]
#![allow(
    unsafe_code,
    reason = "leaving a key in a register or below the stack pointer cannot be written without it"
)]

use std::arch::asm;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use keysan::SecretSet;
use keysan::gate::{Gate, GateLayers, GateNotProven, Inspected, Leftover, LeftoverPlace};

const SECRET: [u8; 16] = 0x3ac5_910e_77d2_48bf_06e9_5c83_1df4_a06b_u128.to_be_bytes();

/// The first eight bytes of the secret. Read by `asm!` only, so that no build makes copies of its
/// own on the way.
static NEEDLE: u64 = 0xbf48_d277_0e91_c53a;
static ONE: u64 = 1;

fn set_with_secret() -> SecretSet {
    let mut set = SecretSet::new();
    set.register(&SECRET, 7).expect("a new set has room");
    set
}

fn open() -> Gate {
    Gate::open().expect("this is an x86-64 Linux")
}

fn inspect_with(gate: &mut Gate, layers: GateLayers) -> (Vec<Leftover>, Inspected) {
    let mut leftovers = Vec::new();
    let inspected = gate.inspect(&set_with_secret(), layers, &mut |l| leftovers.push(l));
    (leftovers, inspected)
}

/// What an inspection sees, in words.
fn inspect(gate: &mut Gate) -> Vec<String> {
    let (leftovers, inspected) = inspect_with(gate, GateLayers::ALL);
    assert!(inspected.is_complete, "{inspected:?}");
    in_words(&leftovers)
}

fn inspect_deep(gate: &mut Gate) -> Vec<String> {
    let mut leftovers = Vec::new();
    let inspected = gate.inspect_deep(&set_with_secret(), &mut |l| leftovers.push(l));
    assert!(inspected.is_complete, "{inspected:?}");
    in_words(&leftovers)
}

fn in_words(leftovers: &[Leftover]) -> Vec<String> {
    assert!(leftovers.iter().all(|leftover| leftover.tag == 7));
    leftovers.iter().map(|leftover| leftover.place.to_string()).collect()
}

/// The stack pointer as the entry of a call has it: what depths are counted from.
fn entry(gate: &mut Gate) -> usize {
    let mut near = 0;
    gate.call(|| near = black_box(std::ptr::from_ref(&black_box(0_u8)).addr()));
    inspect(gate);
    // The entry is sixteen bytes below a line, in the page that begins above the stack.
    (near & !0xff_ffff) + 4096 + (8 << 20) + 48
}

/// Copies a word without leaving it in a register.
#[inline(always)]
fn copy_word(from: &'static u64, to: *mut u64) {
    // SAFETY: the callers pass places of their own or below their stack pointer.
    unsafe {
        asm!(
            "mov {word}, [{from}]",
            "mov [{to}], {word}",
            "xor {word:e}, {word:e}",
            word = out(reg) _,
            from = in(reg) from,
            to = in(reg) to,
        );
    }
}

/// Leaves a word far below whatever frames there are, and answers where.
#[inline(never)]
fn leave_below(distance: usize, word: &'static u64) -> usize {
    let stack_pointer: usize;
    // SAFETY: reads the stack pointer.
    unsafe { asm!("mov {}, rsp", out(reg) stack_pointer) };
    let place = stack_pointer - distance;
    copy_word(word, std::ptr::with_exposed_provenance_mut(place));
    place
}

/// Touches every 256th byte, so that no hole ends the search.
#[inline(never)]
fn dirty_down_to(distance: usize) {
    (1..distance / 256).for_each(|step| _ = leave_below(step * 256, &ONE));
}

#[test]
fn a_key_on_the_dead_stack_is_found_at_its_depth() {
    let mut gate = open();
    let entry = entry(&mut gate);
    for distance in [304, 1_000, 5_000, 40_000, 200_000] {
        let place = gate.call(|| {
            dirty_down_to(distance);
            leave_below(distance, &NEEDLE)
        });
        let depth = entry - place;
        assert!(gate.depth() >= depth && gate.depth() < depth + 64);
        assert_eq!(inspect(&mut gate), [format!("stack {depth} B below entry")]);
        assert!(gate.depth() >= depth, "an inspection does not change the depth");
    }
}

#[test]
fn a_key_in_a_register_is_found_there() {
    let mut gate = open();
    macro_rules! check {
        ($register:tt) => {
            // The closure's epilogue changes rax and some others; these it leaves alone.
            gate.call(|| {
                // SAFETY: only loads a register, and says so.
                unsafe {
                    asm!(
                        concat!("mov ", $register, ", [{}]"),
                        in(reg) &NEEDLE,
                        out($register) _,
                    );
                }
            });
            assert!(
                inspect(&mut gate).contains(&String::from($register)),
                "{}", $register
            );
        };
    }
    check!("r8");
    check!("r9");
    check!("r10");
    check!("r11");
}

#[test]
fn a_key_in_a_vector_register_is_found_once() {
    let mut gate = open();
    gate.call(|| {
        // SAFETY: only loads a register, and says so.
        unsafe { asm!("movq xmm14, [{}]", in(reg) &NEEDLE, out("xmm14") _) };
    });
    let seen = inspect(&mut gate);
    assert_eq!(seen.iter().filter(|place| *place == "xmm14").count(), 1, "{seen:?}");
}

#[test]
fn every_register_and_depth_is_proven() {
    let mut gate = open();
    let mut set = set_with_secret();
    assert_eq!(gate.prove_it_looks(&mut set), Ok(()));
    assert_eq!(gate.prove_it_looks(&mut set), Ok(()), "a proof leaves nothing behind");
    assert_eq!(set.len(), set_with_secret().len());
    assert_eq!(inspect(&mut gate), [""; 0]);
}

#[test]
fn a_full_set_cannot_be_proven() {
    let mut set = SecretSet::new();
    let mut n = 0_u128;
    while set.register(&(n * 0x1_0000_0001_0000_0001).to_le_bytes(), 0).is_ok() {
        n += 1;
    }
    assert_eq!(open().prove_it_looks(&mut set), Err(GateNotProven::SetIsFull));
}

#[test]
fn a_clean_call_is_silent() {
    let mut gate = open();
    let sum: u64 = gate.call(|| (0..black_box(100)).map(black_box).sum());
    assert_eq!(sum, 4950);
    assert_eq!(inspect(&mut gate), [""; 0]);
    assert_eq!(inspect_deep(&mut gate), [""; 0]);
}

#[test]
fn copies_of_the_harness_are_not_the_calls() {
    let mut gate = open();
    let on_the_host_stack = black_box([NEEDLE; 64]);
    for _ in 0..3 {
        leave_below(500, &NEEDLE);
        // SAFETY: only loads registers, and says so.
        unsafe {
            asm!(
                "mov rax, {0}", "mov rcx, {0}", "mov rdx, {0}", "mov rsi, {0}", "mov rdi, {0}",
                "mov r8, {0}", "mov r9, {0}", "mov r10, {0}", "mov r11, {0}",
                "movq xmm0, {0}", "movq xmm7, {0}", "movq xmm15, {0}",
                in(reg) NEEDLE,
                out("rax") _, out("rcx") _, out("rdx") _, out("rsi") _, out("rdi") _,
                out("r8") _, out("r9") _, out("r10") _, out("r11") _,
                out("xmm0") _, out("xmm7") _, out("xmm15") _,
            );
        }
        gate.call(|| ());
        assert_eq!(inspect(&mut gate), [""; 0]);
    }
    black_box(on_the_host_stack);
}

#[test]
fn a_second_inspection_is_silent() {
    let mut gate = open();
    let leave_both = || {
        dirty_down_to(2_000);
        leave_below(2_000, &NEEDLE);
        // SAFETY: only loads registers, and says so.
        unsafe { asm!("movq xmm9, [{}]", in(reg) &NEEDLE, out("xmm9") _) };
    };
    gate.call(leave_both);
    assert!(inspect(&mut gate).len() >= 2);
    assert_eq!(inspect(&mut gate), [""; 0]);
    for layers in
        [GateLayers { stack: false, registers: true }, GateLayers { stack: true, registers: false }]
    {
        gate.call(leave_both);
        let (leftovers, inspected) = inspect_with(&mut gate, layers);
        assert!(!leftovers.is_empty() && inspected.is_complete);
        let is_stack = |leftover: &Leftover| matches!(leftover.place, LeftoverPlace::Stack { .. });
        assert!(leftovers.iter().all(|leftover| is_stack(leftover) == layers.stack));
        assert_eq!(inspected.stack.bytes == 0, !layers.stack);
        assert_eq!(inspected.registers.bytes == 0, !layers.registers);
        assert_eq!(inspect(&mut gate), [""; 0], "what was not scanned is gone as well");
    }
}

/// One word in each page and no more, as rustc's stack probes do it; builds with AddressSanitizer
/// have none, so this does it by hand.
#[inline(never)]
fn leave_at_the_far_end_of_a_large_frame() {
    let mut scratch = std::mem::MaybeUninit::<[u64; 5_000]>::uninit();
    let start = black_box(scratch.as_mut_ptr()).cast::<u64>();
    (512..5_000).step_by(512).for_each(|word| copy_word(&ONE, start.wrapping_add(word)));
    copy_word(&NEEDLE, start);
}

#[test]
fn a_key_beyond_a_hole_is_found_by_the_deep_inspection() {
    let mut gate = open();
    gate.call(leave_at_the_far_end_of_a_large_frame);
    assert!(gate.depth() < 40_000);
    inspect(&mut gate);
    // Further calls that stay shallow do not cover it up.
    gate.call(|| ());
    inspect(&mut gate);
    let [place] = &inspect_deep(&mut gate)[..] else { panic!("one place") };
    assert!(place.starts_with("stack 4"), "{place}");
    assert_eq!(inspect_deep(&mut gate), [""; 0]);
}

#[test]
fn a_panic_passes_the_gate_and_what_it_leaves_is_found() {
    let mut gate = open();
    for _ in 0..3 {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            gate.call(|| {
                dirty_down_to(60_000);
                leave_below(60_000, &NEEDLE);
                resume_unwind(Box::new(17))
            })
        }));
        assert_eq!(outcome.unwrap_err().downcast_ref(), Some(&17));
        let seen = inspect(&mut gate);
        assert!(seen.iter().any(|place| place.starts_with("stack 60")), "{seen:?}");
        assert_eq!(gate.call(|| black_box(1) + 1), 2);
        assert_eq!(inspect(&mut gate), [""; 0]);
    }
}

#[inline(never)]
fn a_frame_of_the_host(gate: &mut Gate, call: fn() -> String) -> String {
    black_box(gate.call(call))
}

#[test]
fn a_backtrace_from_inside_goes_on_into_the_host() {
    let frames =
        a_frame_of_the_host(&mut open(), || std::backtrace::Backtrace::force_capture().to_string());
    assert!(frames.contains("a_frame_of_the_host"), "{frames}");
}

#[test]
fn a_key_beside_a_full_register_is_found_once() {
    if !is_x86_feature_detected!("avx") {
        return;
    }
    let mut gate = open();
    gate.call(|| {
        static ONES: [u64; 4] = [1; 4];
        // SAFETY: only loads registers that exist, and says so.
        unsafe {
            asm!(
                "vmovups ymm13, [{}]",
                "vmovq xmm14, [{}]",
                in(reg) &ONES,
                in(reg) &NEEDLE,
                out("xmm13") _,
                out("xmm14") _,
            );
        }
    });
    assert_eq!(inspect(&mut gate), ["xmm14"]);
}

#[test]
fn the_deep_inspection_begins_where_the_others_ended() {
    let mut gate = open();
    gate.call(|| {
        dirty_down_to(20_000);
        leave_below(24_000, &ONE);
        leave_below(27_000, &NEEDLE);
    });
    assert_eq!(inspect(&mut gate), [""; 0]);
    gate.call(|| ());
    assert_eq!(inspect(&mut gate), [""; 0]);
    assert_eq!(inspect_deep(&mut gate).len(), 1);
}

#[test]
fn gates_nest_when_they_are_two() {
    let (mut outer, mut inner) = (open(), open());
    let both = outer.call(|| {
        leave_below(400, &ONE);
        inner.call(|| _ = leave_below(400, &NEEDLE));
        assert!(!inspect(&mut inner).is_empty());
        42
    });
    assert_eq!(both, 42);
}

/// Everything that one call leaves, with pointers of the host in it.
fn words_of_a_call(gate: &mut Gate) -> Vec<u64> {
    let mut words = Vec::with_capacity(8192);
    gate.call(|| {
        dirty_down_to(black_box(1_000));
        leave_below(704, &NEEDLE);
    });
    let copied = gate.copy_leftovers(&mut words);
    assert_eq!(words.len(), copied.stack_words + copied.register_words());
    let at = words.iter().position(|&word| word == NEEDLE).expect("the key was left");
    assert_eq!(copied.place(at).map(|place| place.to_string()), inspect(gate).first().cloned());
    assert_eq!(copied.place(words.len()), None);
    words
}

#[test]
fn the_same_call_leaves_the_same_words() {
    let mut gate = open();
    let first = words_of_a_call(&mut gate);
    for _ in 0..20 {
        assert!(words_of_a_call(&mut gate) == first);
    }
}

#[test]
fn copied_words_have_the_names_that_findings_have() {
    let mut gate = open();
    gate.call(|| {
        // SAFETY: only loads a register, and says so.
        unsafe { asm!("movq xmm14, [{}]", in(reg) &NEEDLE, out("xmm14") _) };
    });
    let mut words = Vec::new();
    let copied = gate.copy_leftovers(&mut words);
    let (leftovers, _) = inspect_with(&mut gate, GateLayers::ALL);
    let mut seen: Vec<_> = leftovers.iter().map(|leftover| Some(leftover.place)).collect();
    let at = words.iter().enumerate().filter(|&(_, &word)| word == NEEDLE);
    let mut named: Vec<_> = at.map(|(index, _)| copied.place(index)).collect();
    seen.sort();
    named.sort();
    assert_eq!(seen, named);
}

#[test]
fn what_a_call_returns_and_captures_arrives() {
    let mut gate = open();
    let text = String::from("a text");
    let long = gate.call(|| (text, [7_u64; 100]));
    assert_eq!(long, (String::from("a text"), [7; 100]));
    gate.call(|| ());
}

#[test]
fn every_thread_can_have_a_gate() {
    let threads: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn(|| {
                let mut gate = open();
                gate.prove_it_looks(&mut set_with_secret())
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap(), Ok(())));
}

/// Prints the cost of a call and its inspection: `cargo test --release -- --ignored --nocapture`.
#[test]
#[ignore = "measures, and judges nothing"]
fn cost() {
    let mut gate = open();
    let set = set_with_secret();
    let mut measure = |name: &str, layers: Option<GateLayers>, call: fn()| {
        let rounds = 1_000_000;
        let best = (0..5).map(|_| {
            let start = std::time::Instant::now();
            for _ in 0..rounds {
                gate.call(black_box(call));
                if let Some(layers) = layers {
                    gate.inspect(&set, layers, &mut |leftover| panic!("{leftover:?}"));
                }
            }
            start.elapsed().as_nanos() / 100 * 100 / (rounds / 10)
        });
        let tenths = best.min().expect("five rounds");
        println!("{name}: {}.{} ns", tenths / 10, tenths % 10);
    };
    fn dirty() {
        black_box([1_u8; 600]);
    }
    let stack = GateLayers { stack: true, registers: false };
    let registers = GateLayers { stack: false, registers: true };
    for (name, layers) in [
        ("call", None),
        ("stack inspected", Some(stack)),
        ("registers inspected", Some(registers)),
        ("both inspected", Some(GateLayers::ALL)),
    ] {
        measure(&format!("empty call, {name}"), layers, || ());
        measure(&format!("call that dirties 700 bytes, {name}"), layers, dirty);
    }
}

/// Uses about a KiB of stack a level.
#[inline(never)]
fn deep(levels: usize) -> usize {
    let mut frame = [0_u8; 1024];
    black_box(&mut frame);
    let below = if levels > 1 { deep(levels - 1) } else { 0 };
    black_box(&mut frame);
    below + 1
}

#[test]
fn a_stack_grows_as_far_as_a_call_needs_and_is_looked_through_there() {
    let distance = 5_000_000;
    let leave = || {
        dirty_down_to(distance);
        leave_below(distance, &NEEDLE)
    };
    // As it grows, and when it has grown.
    let mut gate = open();
    let entry = entry(&mut gate);
    for _ in 0..2 {
        let depth = entry - gate.call(leave);
        assert_eq!(inspect(&mut gate), [format!("stack {depth} B below entry")]);
        assert_eq!(inspect_deep(&mut gate), [""; 0], "it was painted over");
    }
    assert_eq!(gate.call(|| deep(5000)), 5000);
    assert_eq!(inspect_deep(&mut gate), [""; 0]);
}

#[test]
fn a_frame_that_is_larger_than_all_that_was_there_fits() {
    #[inline(never)]
    fn wide() -> u8 {
        let mut frame = [0_u8; 3 << 20];
        black_box(&mut frame);
        frame[1 << 20]
    }
    assert_eq!(open().call(wide), 0);
}

#[test]
fn a_stack_may_be_as_large_as_a_call_needs() {
    let mut gate = Gate::open_with_stack(32 << 20).expect("this is an x86-64 Linux");
    assert_eq!(gate.prove_it_looks(&mut SecretSet::new()), Ok(()));
    assert_eq!(gate.call(|| deep(20_000)), 20_000);
    assert_eq!(inspect_deep(&mut gate), [""; 0]);
    // The next one is as usual.
    assert_eq!(open().call(|| deep(100)), 100);
    // A small one can be had as well.
    let mut small = Gate::open_with_stack(64 << 10).expect("this is an x86-64 Linux");
    assert_eq!(small.call(|| deep(20)), 20);
}

#[test]
fn a_call_that_uses_its_stack_up_is_told_before_the_process_ends() {
    use std::os::unix::process::ExitStatusExt as _;
    const NAME: &str = "a_call_that_uses_its_stack_up_is_told_before_the_process_ends";
    const IS_THE_ONE: &str = "KEYSAN_TEST_USES_ITS_STACK_UP";
    if std::env::var_os(IS_THE_ONE).is_some() {
        open().call(|| deep(10_000));
        return;
    }
    let program = std::env::current_exe().expect("a test runs from a file");
    let mut child = std::process::Command::new(program);
    child.args(["--exact", "--nocapture", NAME]).env(IS_THE_ONE, "1");
    let output = child.output().expect("a test can be started again");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("keysan: a call has overflowed its stack, which has 8192 KiB"), "{told}");
    assert_eq!(output.status.signal(), Some(11));
}
