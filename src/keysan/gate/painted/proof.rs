//! Proves that the gate sees what is left in every register and down the stack.

use std::arch::naked_asm;
use std::ffi::c_void;
use std::mem::offset_of;

use super::trampoline::VectorLevel;
use super::{
    GENERAL_COUNT, Gate, VECTOR_WORDS, general_place, mask_place, stack_place, vector_place,
};
use crate::gate::{GateLayers, GateNotProven, Leftover, LeftoverPlace};
use crate::secret_set::SecretSet;

/// A secret of nobody's, for the length of one proof.
const SECRET: [u8; 16] = 0x6be1_094d_a7f2_385c_91d6_4f03_cab8_752e_u128.to_le_bytes();

/// Its first eight bytes: what is left everywhere.
const NEEDLE: u64 = 0x91d6_4f03_cab8_752e;

/// Its name; not the canary's.
const TAG: u32 = u32::MAX - 1;

/// Where on the stack the secret is left: how deep, how far apart the words are that the call
/// touches on its way down, and whether a deep search is needed.
const DEPTHS: [(usize, usize, bool); 6] = [
    // In the place of the return address.
    (8, 8, false),
    (496, 496, false),
    (2_000, 256, false),
    // A frame with a hole, then one with two holes of nearly a page each.
    (5_000, 4_096, true),
    (30_720, 4_096, true),
    (30_720, 256, false),
];

/// As described at [`Gate::prove_it_looks`].
pub(super) fn prove_it_looks(gate: &mut Gate, set: &mut SecretSet) -> Result<(), GateNotProven> {
    let count_before = set.len();
    set.register(&SECRET, TAG).map_err(|_| GateNotProven::SetIsFull)?;
    let outcome = prove_registers(gate, set).and_then(|()| prove_depths(gate, set));
    // Should the caller have registered these very bytes, they are not ours to forget.
    if set.len() > count_before {
        set.forget_last();
    }
    outcome
}

fn prove_registers(gate: &mut Gate, set: &SecretSet) -> Result<(), GateNotProven> {
    // SAFETY: mapped, and set when the gate was opened.
    let level = unsafe { (*gate.stack.above()).level };
    let load = loads_all(level);
    let (vectors, words, masks) = match level {
        VectorLevel::Sse => (16, 2, 0),
        VectorLevel::Avx => (16, 4, 0),
        VectorLevel::Avx512 => (32, 8, 8),
    };
    let general = (0..GENERAL_COUNT).map(|index| {
        let mut contents = Contents::default();
        contents.general[index] = NEEDLE;
        (contents, general_place(index))
    });
    let vectors = (0..vectors * words).map(|index| {
        let mut contents = Contents::default();
        contents.vectors[index / words][index % words] = NEEDLE;
        (contents, vector_place(index / words, 8 * (index % words)))
    });
    let masks = (0..masks).map(|number| {
        let mut contents = Contents::default();
        contents.masks[number] = NEEDLE;
        (contents, mask_place(number))
    });
    for (mut contents, place) in general.chain(vectors).chain(masks) {
        // SAFETY: loads registers from contents, which is what it gets, and returns. It changes
        // registers that a C function preserves, which the trampoline puts back.
        unsafe { gate.call_raw(load, (&raw mut contents).cast()) };
        expect_only(place, set, |set, sink| gate.inspect(set, GateLayers::ALL, sink))?;
    }
    Ok(())
}

fn prove_depths(gate: &mut Gate, set: &SecretSet) -> Result<(), GateNotProven> {
    for (depth, step, needs_deep) in DEPTHS {
        let mut descent = Descent { depth, step, word: NEEDLE };
        // SAFETY: writes words of the stack within its length, and returns.
        unsafe { gate.call_raw(descend, (&raw mut descent).cast()) };
        if needs_deep {
            gate.inspect(set, GateLayers::ALL, &mut |_| ());
            expect_only(stack_place(depth), set, |set, sink| gate.inspect_deep(set, sink))?;
        } else {
            expect_only(stack_place(depth), set, |set, sink| {
                gate.inspect(set, GateLayers::ALL, sink)
            })?;
        }
    }
    Ok(())
}

/// Sees whether an inspection finds the proof's secret at this place and nowhere else.
fn expect_only(
    place: LeftoverPlace,
    set: &SecretSet,
    inspect: impl FnOnce(&SecretSet, &mut dyn FnMut(Leftover)) -> super::Inspected,
) -> Result<(), GateNotProven> {
    let (mut is_seen, mut is_elsewhere) = (false, false);
    let inspected = inspect(set, &mut |leftover| {
        let is_here = leftover.place == place && leftover.window == 0;
        is_seen |= is_here;
        is_elsewhere |= !is_here;
    });
    match (inspected.is_complete, is_seen && !is_elsewhere) {
        (false, _) => Err(GateNotProven::CanaryNotSeen),
        (true, false) => Err(GateNotProven::NotSeen(place)),
        (true, true) => Ok(()),
    }
}

/// The function that puts [`Contents`] into all registers of such a processor and returns.
pub(super) fn loads_all(level: VectorLevel) -> unsafe extern "C" fn(*mut c_void) {
    match level {
        VectorLevel::Sse => load_sse,
        VectorLevel::Avx => load_avx,
        VectorLevel::Avx512 => load_avx512,
    }
}

/// What the functions below put into the registers.
#[derive(Default)]
#[repr(C)]
pub(super) struct Contents {
    pub(super) general: [u64; GENERAL_COUNT],
    pub(super) masks: [u64; 8],
    pub(super) vectors: [[u64; VECTOR_WORDS]; 32],
}

/// Defines a function that loads all registers, given the instruction for vector registers, their
/// name, and what is to be done for those that only the widest processors have.
macro_rules! load_all {
    ($(#[$comment:meta])* $name:ident, $load:literal, $kind:literal, [$($further:literal)?]) => {
        $(#[$comment])*
        #[unsafe(naked)]
        unsafe extern "C" fn $name(contents: *mut c_void) {
            naked_asm!(
                ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
                concat!($load, " ", $kind, "\\n, [rdi + {vectors} + 64 * \\n]"),
                ".endr",
                $($further,)?
                "mov rax, [rdi + {general}]", "mov rcx, [rdi + {general} + 8]",
                "mov rdx, [rdi + {general} + 16]", "mov rbx, [rdi + {general} + 24]",
                "mov rbp, [rdi + {general} + 32]", "mov rsi, [rdi + {general} + 40]",
                ".irp n, 8,9,10,11,12,13,14,15",
                "mov r\\n, [rdi + {general} + 8 * \\n - 8]",
                ".endr",
                "mov rdi, [rdi + {general} + 48]",
                "ret",
                "# {masks}",
                general = const offset_of!(Contents, general),
                masks = const offset_of!(Contents, masks),
                vectors = const offset_of!(Contents, vectors),
            )
        }
    };
}

load_all!(load_sse, "movups", "xmm", []);
load_all!(load_avx, "vmovups", "ymm", []);
load_all!(
    load_avx512,
    "vmovups",
    "zmm",
    [".irp n, 16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
      vmovups zmm\\n, [rdi + {vectors} + 64 * \\n]
      .endr
      .irp n, 0,1,2,3,4,5,6,7
      kmovq k\\n, [rdi + {masks} + 8 * \\n]
      .endr"]
);

/// How far to go down the stack, and what to leave there.
#[repr(C)]
struct Descent {
    /// Bytes below the entry, a multiple of eight.
    depth: usize,
    /// From one touched word to the next.
    step: usize,
    word: u64,
}

/// Touches the stack step by step down to a depth and leaves a word there.
//
// The return address is taken off the stack first, since the shallowest depth is its own place.
#[unsafe(naked)]
unsafe extern "C" fn descend(descent: *mut c_void) {
    naked_asm!(
        "pop r11",
        "xor eax, eax",
        "2:",
        "add rax, [rdi + {step}]",
        "cmp rax, [rdi + {depth}]",
        "jae 3f",
        "mov rcx, rsp",
        "sub rcx, rax",
        "mov qword ptr [rcx], 0",
        "jmp 2b",
        "3:",
        "mov rcx, rsp",
        "sub rcx, [rdi + {depth}]",
        "mov rax, [rdi + {word}]",
        "mov [rcx], rax",
        "xor eax, eax",
        "jmp r11",
        depth = const offset_of!(Descent, depth),
        step = const offset_of!(Descent, step),
        word = const offset_of!(Descent, word),
    )
}
