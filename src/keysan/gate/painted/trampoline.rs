//! Calls a function on the painted stack with all registers scrubbed, and captures what it leaves.
//!
//! One naked function, so that no compiled code runs between the scrub and the call, nor between
//! the return and the capture. What it needs lies just above the entry of the stack, where it is
//! found through the stack pointer alone: every other register belongs to the code under test.

use std::arch::naked_asm;
use std::ffi::c_void;
use std::mem::offset_of;

use crate::gate::registers::{GENERAL_COUNT, VECTOR_WORDS};

/// What lies above the entry: the stack pointer points to its first byte when `function` is
/// called, and again when it returns.
#[repr(C, align(16))]
pub(super) struct Above {
    pub(super) stack_canary: [u8; 16],
    /// What the general registers held at the return, in the order of the names in `registers`.
    pub(super) general: [u64; GENERAL_COUNT],
    /// Which parts of `wide` and `masks` the last return filled, see the bits below.
    pub(super) parts: u64,
    /// The lowest sixteen bytes of the first sixteen vector registers.
    pub(super) narrow: [[u64; 2]; 16],
    pub(super) register_canary: [u8; 16],
    host_stack_pointer: u64,
    function: Option<unsafe extern "C" fn(*mut c_void)>,
    argument: *mut c_void,
    /// Which vector registers exist.
    pub(super) level: VectorLevel,
    /// The floating-point control word before the call, and after it.
    control_before: u32,
    control_after: u32,
    /// Fills up a line of the cache.
    _unused: u64,
    /// Vector registers to their full width, where `parts` says so.
    pub(super) wide: [[u64; VECTOR_WORDS]; 32],
    /// k0 to k7, where `parts` says so.
    pub(super) masks: [u64; 8],
}

/// How wide the vector registers are, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(super) enum VectorLevel {
    /// xmm0 to xmm15.
    Sse = 0,
    /// ymm0 to ymm15.
    Avx = 1,
    /// zmm0 to zmm31, and the mask registers k0 to k7.
    Avx512 = 2,
}

/// The bit of [`Above::parts`] for the first sixteen vector registers, when one of them held
/// something above its lowest sixteen bytes. `narrow` repeats a part of them then.
pub(super) const PART_LOWER_HALF: u64 = 1;
/// The bit for registers 16 to 19, when one held something; shifted by 1, 2 and 3 for the next
/// four each. In groups, because C libraries copy memory with a few of them and leave these dirty.
pub(super) const PART_FROM_SIXTEEN: u64 = 2;
/// The bit for the mask registers, when one held something.
pub(super) const PART_MASKS: u64 = 32;

/// Calls `function(argument)` below `above` and fills in what it left in the registers.
///
/// # Safety
///
/// `above` is the upper end of a writable stack that nobody else uses, and its address a multiple
/// of sixteen; its `level` holds for this processor. `function` is sound to call with `argument`,
/// has all the stack it needs there, and does not unwind.
#[inline]
pub(super) unsafe fn call_captured(
    above: *mut Above,
    function: unsafe extern "C" fn(*mut c_void),
    argument: *mut c_void,
) {
    // SAFETY: writable, as the caller promises, and nobody else has a reference to it.
    unsafe {
        (*above).function = Some(function);
        (*above).argument = argument;
    }
    // SAFETY: just as the caller promises.
    unsafe { enter(above) }
}

const HOST_STACK_POINTER: usize = offset_of!(Above, host_stack_pointer);
const _: () = assert!(HOST_STACK_POINTER < 1 << 13, "fourteen bits, signed, in `cfi_escape` below");

/// # Safety
///
/// As for [`call_captured`], with function and argument in their places.
//
// The host's registers wait on its own stack, whose pointer is kept in `Above`. The unwind
// directives say so, which lets a backtrace from inside the call go on into the host's frames. A
// panic never gets that far: it is caught in the function that is called here.
#[unsafe(naked)]
unsafe extern "sysv64" fn enter(above: *mut Above) {
    naked_asm!(
        ".cfi_startproc",
        "push rbx", "push rbp", "push r12", "push r13", "push r14", "push r15",
        ".cfi_def_cfa_offset 56",
        ".cfi_offset rbx, -16", ".cfi_offset rbp, -24", ".cfi_offset r12, -32",
        ".cfi_offset r13, -40", ".cfi_offset r14, -48", ".cfi_offset r15, -56",
        "mov [rdi + {host_stack_pointer}], rsp",
        "stmxcsr [rdi + {control_before}]",
        "mov rsp, rdi",
        // The frame begins 56 bytes above the saved pointer: DW_CFA_def_cfa_expression of six
        // bytes, DW_OP_breg7 (rsp) with an offset, DW_OP_deref, DW_OP_plus_uconst 56.
        ".cfi_escape 0x0f, 6, 0x77, {escaped_low}, {escaped_high}, 0x06, 0x23, 56",

        // The scrub. `vzeroall` clears the first sixteen to their full width.
        "cmp qword ptr [rsp + {level}], 1",
        "jb 2f",
        "vzeroall",
        "je 3f",
        ".irp n, 16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
        "vpxord zmm\\n, zmm\\n, zmm\\n",
        ".endr",
        ".irp n, 0,1,2,3,4,5,6,7",
        "kxorw k\\n, k\\n, k\\n",
        ".endr",
        "jmp 3f",
        "2:",
        ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
        "pxor xmm\\n, xmm\\n",
        ".endr",
        "3:",
        "mov rdi, [rsp + {argument}]",
        "xor eax, eax", "xor ecx, ecx", "xor edx, edx", "xor esi, esi",
        ".irp n, 8,9,10,11,12,13,14,15",
        "xor r\\n\\()d, r\\n\\()d",
        ".endr",
        "xor ebx, ebx", "xor ebp, ebp",

        "call [rsp + {function}]",

        // The capture.
        "mov [rsp + {general}], rax", "mov [rsp + {general} + 8], rcx",
        "mov [rsp + {general} + 16], rdx", "mov [rsp + {general} + 24], rbx",
        "mov [rsp + {general} + 32], rbp", "mov [rsp + {general} + 40], rsi",
        "mov [rsp + {general} + 48], rdi",
        ".irp n, 8,9,10,11,12,13,14,15",
        "mov [rsp + {general} + 8 * \\n - 8], r\\n",
        ".endr",
        // From here on general registers are free; eax collects the parts.
        "xor eax, eax",
        "cmp qword ptr [rsp + {level}], 1",
        "ja 5f",
        "je 4f",

        // SSE: the first sixteen bytes are all there is.
        ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
        "movups [rsp + {narrow} + 16 * \\n], xmm\\n",
        ".endr",
        "jmp 9f",

        // AVX: all registers ORed together tell whether any holds more than sixteen bytes. Plain
        // AVX has no whole-number OR of this width; this one only moves bits all the same.
        "4:",
        ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
        "vmovups [rsp + {narrow} + 16 * \\n], xmm\\n",
        ".endr",
        "vmovups [rsp + {wide}], ymm0",
        ".irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
        "vorps ymm0, ymm0, ymm\\n",
        ".endr",
        "vextractf128 xmm0, ymm0, 1",
        "vptest xmm0, xmm0",
        "jz 8f",
        ".irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
        "vmovups [rsp + {wide} + 64 * \\n], ymm\\n",
        ".endr",
        "mov eax, {part_lower_half}",
        "jmp 8f",

        // AVX-512: the same with wider registers, and then the ones that AVX does not have. Masks
        // come first, because tests answer in them.
        "5:",
        ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
        "vmovups [rsp + {narrow} + 16 * \\n], xmm\\n",
        ".endr",
        "kortestq k0, k1", "jnz 6f",
        "kortestq k2, k3", "jnz 6f",
        "kortestq k4, k5", "jnz 6f",
        "kortestq k6, k7", "jz 7f",
        "6:",
        ".irp n, 0,1,2,3,4,5,6,7",
        "kmovq [rsp + {masks} + 8 * \\n], k\\n",
        ".endr",
        "mov eax, {part_masks}",
        "7:",
        "vmovups [rsp + {wide}], zmm0",
        // 0xfe is the OR of three.
        "vpternlogq zmm0, zmm1, zmm2, 0xfe",
        "vpternlogq zmm0, zmm3, zmm4, 0xfe",
        "vpternlogq zmm0, zmm5, zmm6, 0xfe",
        "vpternlogq zmm0, zmm7, zmm8, 0xfe",
        "vpternlogq zmm0, zmm9, zmm10, 0xfe",
        "vpternlogq zmm0, zmm11, zmm12, 0xfe",
        "vpternlogq zmm0, zmm13, zmm14, 0xfe",
        "vporq zmm0, zmm0, zmm15",
        // Lanes 1, 2 and 3, without lane 0.
        "vshufi64x2 zmm0, zmm0, zmm0, 0xf9",
        "vptestmq k1, zmm0, zmm0",
        "kortestw k1, k1",
        "jz 6f",
        ".irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
        "vmovups [rsp + {wide} + 64 * \\n], zmm\\n",
        ".endr",
        "or eax, {part_lower_half}",
        "6:",
        // One test for 16 to 31, since mostly none is in use; then one for each four.
        "vporq zmm0, zmm16, zmm17",
        "vpternlogq zmm0, zmm18, zmm19, 0xfe",
        "vpternlogq zmm0, zmm20, zmm21, 0xfe",
        "vpternlogq zmm0, zmm22, zmm23, 0xfe",
        "vpternlogq zmm0, zmm24, zmm25, 0xfe",
        "vpternlogq zmm0, zmm26, zmm27, 0xfe",
        "vpternlogq zmm0, zmm28, zmm29, 0xfe",
        "vpternlogq zmm0, zmm30, zmm31, 0xfe",
        "vptestmq k1, zmm0, zmm0",
        "kortestw k1, k1",
        "jz 8f",
        "vporq zmm0, zmm16, zmm17",
        "vpternlogq zmm0, zmm18, zmm19, 0xfe",
        "vptestmq k1, zmm0, zmm0",
        "kortestw k1, k1",
        "jz 7f",
        ".irp n, 16,17,18,19",
        "vmovups [rsp + {wide} + 64 * \\n], zmm\\n",
        ".endr",
        "or eax, {part_from_sixteen} << 0",
        "7:",
        "vporq zmm0, zmm20, zmm21",
        "vpternlogq zmm0, zmm22, zmm23, 0xfe",
        "vptestmq k1, zmm0, zmm0",
        "kortestw k1, k1",
        "jz 7f",
        ".irp n, 20,21,22,23",
        "vmovups [rsp + {wide} + 64 * \\n], zmm\\n",
        ".endr",
        "or eax, {part_from_sixteen} << 1",
        "7:",
        "vporq zmm0, zmm24, zmm25",
        "vpternlogq zmm0, zmm26, zmm27, 0xfe",
        "vptestmq k1, zmm0, zmm0",
        "kortestw k1, k1",
        "jz 7f",
        ".irp n, 24,25,26,27",
        "vmovups [rsp + {wide} + 64 * \\n], zmm\\n",
        ".endr",
        "or eax, {part_from_sixteen} << 2",
        "7:",
        "vporq zmm0, zmm28, zmm29",
        "vpternlogq zmm0, zmm30, zmm31, 0xfe",
        "vptestmq k1, zmm0, zmm0",
        "kortestw k1, k1",
        "jz 7f",
        ".irp n, 28,29,30,31",
        "vmovups [rsp + {wide} + 64 * \\n], zmm\\n",
        ".endr",
        "or eax, {part_from_sixteen} << 3",
        "7:",
        "8:",
        "vzeroupper",
        "9:",
        "mov [rsp + {parts}], rax",

        // What the host relies on, though the calling convention has the function keep it.
        "cld",
        "stmxcsr [rsp + {control_after}]",
        "mov eax, [rsp + {control_after}]",
        "xor eax, [rsp + {control_before}]",
        // The lowest six are not settings but what has happened so far.
        "test eax, 0xffc0",
        "jz 2f",
        "ldmxcsr [rsp + {control_before}]",
        "2:",
        "mov rsp, [rsp + {host_stack_pointer}]",
        ".cfi_def_cfa rsp, 56",
        "pop r15", "pop r14", "pop r13", "pop r12", "pop rbp", "pop rbx",
        ".cfi_def_cfa_offset 8",
        "ret",
        ".cfi_endproc",
        host_stack_pointer = const HOST_STACK_POINTER,
        escaped_low = const HOST_STACK_POINTER % 128 + 128,
        escaped_high = const HOST_STACK_POINTER / 128,
        function = const offset_of!(Above, function),
        argument = const offset_of!(Above, argument),
        level = const offset_of!(Above, level),
        control_before = const offset_of!(Above, control_before),
        control_after = const offset_of!(Above, control_after),
        general = const offset_of!(Above, general),
        parts = const offset_of!(Above, parts),
        narrow = const offset_of!(Above, narrow),
        wide = const offset_of!(Above, wide),
        masks = const offset_of!(Above, masks),
        part_lower_half = const PART_LOWER_HALF,
        part_from_sixteen = const PART_FROM_SIXTEEN,
        part_masks = const PART_MASKS,
    )
}
