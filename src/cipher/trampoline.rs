//! Switches to another stack, calls a function there, then wipes that stack and the registers.
//!
//! # How much is wiped
//!
//! The stack is painted. After the call the search walks down from the top, one window at a time,
//! to the first window that is still all paint, and paints everything above it again. That finds
//! the depth because Rust frames touch every page they span: larger ones are probed page by page,
//! and calls store return addresses between smaller ones. A window is two pages, so that no
//! untouched gap can fill one.
//!
//! All of it is one `asm!` block: between the call and the wipe no compiled code runs that could
//! load a leftover and spill it elsewhere.

use std::arch::asm;
use std::ffi::c_void;

/// What an untouched word of a stack holds. Not zero, because stack probes write zeros.
pub(crate) const PAINT: u64 = 0xA5C3_5A3C_96E1_781E;

/// The bytes in a window of the search; divides the length of a stack.
const WINDOW_LEN: usize = 8192;

/// Calls `function(argument)` on the stack from `bottom` to `top`, then wipes what it left there
/// and in the registers that a function may change.
///
/// # Safety
///
/// The stack must be writable, all paint, aligned to 16 bytes, a whole number of windows long and
/// used by nobody else. `function` must be sound to call with `argument` and must not unwind.
#[cfg(target_arch = "x86_64")]
pub(crate) unsafe fn call_and_wipe(
    bottom: *mut u8,
    top: *mut u8,
    function: unsafe extern "C" fn(*mut c_void),
    argument: *mut c_void,
) {
    // Which vector registers exist. Those that do must be wiped in full, because the portable
    // cipher picks the widest instructions it finds.
    let has_avx = is_x86_feature_detected!("avx");
    let has_avx512 = is_x86_feature_detected!("avx512f");
    let vector_level = u64::from(has_avx) + u64::from(has_avx && has_avx512);
    // SAFETY: the caller vouches for the stack and the function. The old stack pointer waits in
    // r12, which the function preserves like r13-r15, and is back before the block ends. The
    // search stays at or above `bottom`, and the wipe between there and `top`. AVX and AVX-512
    // instructions run only where detected. All that a C function may change is declared.
    unsafe {
        asm!(
            "mov r12, rsp",
            "mov rsp, r14",
            "call {function}",
            "mov rsp, r12",
            // rdi: the lowest address known to be dirty; rsi: the window below it.
            "mov rax, {paint}",
            "mov rdi, r14",
            "2:",
            "cmp rdi, r15",
            "jbe 4f",
            "lea rsi, [rdi - {window_len}]",
            "mov ecx, {window_len} / 8",
            // Compares in memory, so that no leftover is loaded into a register.
            "3:",
            "cmp qword ptr [rsi + 8 * rcx - 8], rax",
            "jne 5f",
            "dec rcx",
            "jnz 3b",
            "jmp 4f",
            "5:",
            "mov rdi, rsi",
            "jmp 2b",
            "4:",
            "mov rcx, r14",
            "sub rcx, rdi",
            "shr rcx, 3",
            "rep stosq",
            // Registers. `vzeroall` clears the first sixteen to their full width.
            "cmp r13, 1",
            "jb 6f",
            "vzeroall",
            "je 7f",
            "vpxord zmm16, zmm16, zmm16", "vpxord zmm17, zmm17, zmm17",
            "vpxord zmm18, zmm18, zmm18", "vpxord zmm19, zmm19, zmm19",
            "vpxord zmm20, zmm20, zmm20", "vpxord zmm21, zmm21, zmm21",
            "vpxord zmm22, zmm22, zmm22", "vpxord zmm23, zmm23, zmm23",
            "vpxord zmm24, zmm24, zmm24", "vpxord zmm25, zmm25, zmm25",
            "vpxord zmm26, zmm26, zmm26", "vpxord zmm27, zmm27, zmm27",
            "vpxord zmm28, zmm28, zmm28", "vpxord zmm29, zmm29, zmm29",
            "vpxord zmm30, zmm30, zmm30", "vpxord zmm31, zmm31, zmm31",
            "kxorw k0, k0, k0", "kxorw k1, k1, k1", "kxorw k2, k2, k2", "kxorw k3, k3, k3",
            "kxorw k4, k4, k4", "kxorw k5, k5, k5", "kxorw k6, k6, k6", "kxorw k7, k7, k7",
            "jmp 7f",
            "6:",
            "pxor xmm0, xmm0", "pxor xmm1, xmm1", "pxor xmm2, xmm2", "pxor xmm3, xmm3",
            "pxor xmm4, xmm4", "pxor xmm5, xmm5", "pxor xmm6, xmm6", "pxor xmm7, xmm7",
            "pxor xmm8, xmm8", "pxor xmm9, xmm9", "pxor xmm10, xmm10", "pxor xmm11, xmm11",
            "pxor xmm12, xmm12", "pxor xmm13, xmm13", "pxor xmm14, xmm14", "pxor xmm15, xmm15",
            "7:",
            "xor eax, eax", "xor ecx, ecx", "xor edx, edx", "xor esi, esi", "xor edi, edi",
            "xor r8d, r8d", "xor r9d, r9d", "xor r10d, r10d", "xor r11d, r11d",
            function = in(reg) function,
            paint = const PAINT,
            window_len = const WINDOW_LEN,
            inout("rdi") argument => _,
            out("r12") _,
            in("r13") vector_level,
            in("r14") top,
            in("r15") bottom,
            clobber_abi("C"),
        );
    }
}

/// As above, for AArch64.
///
/// # Safety
///
/// As above.
#[cfg(target_arch = "aarch64")]
pub(crate) unsafe fn call_and_wipe(
    bottom: *mut u8,
    top: *mut u8,
    function: unsafe extern "C" fn(*mut c_void),
    argument: *mut c_void,
) {
    // SAFETY: the caller vouches for the stack and the function. The old stack pointer waits in
    // x20, which the function preserves like x21-x23, and is back before the block ends. The
    // search stays at or above `bottom`, and the wipe between there and `top`. All that a C
    // function may change is declared; x18 belongs to the platform and is left alone.
    unsafe {
        asm!(
            "mov x20, sp",
            "mov sp, x21",
            "blr {function}",
            "mov sp, x20",
            // x9: the lowest address known to be dirty; x10: the window below it.
            "mov x9, x21",
            "2:",
            "cmp x9, x22",
            "b.ls 4f",
            "sub x10, x9, {window_len}",
            "mov x11, x9",
            // The leftovers that this loads into x12 are wiped with the other registers.
            "3:",
            "ldr x12, [x11, -8]!",
            "cmp x12, x23",
            "b.ne 5f",
            "cmp x11, x10",
            "b.hi 3b",
            "b 4f",
            "5:",
            "mov x9, x10",
            "b 2b",
            "4:",
            "cmp x9, x21",
            "b.hs 6f",
            "stp x23, x23, [x9], 16",
            "b 4b",
            // Registers. Writing a `v` register clears all of it, wider parts included.
            "6:",
            "movi v0.2d, 0", "movi v1.2d, 0", "movi v2.2d, 0", "movi v3.2d, 0",
            "movi v4.2d, 0", "movi v5.2d, 0", "movi v6.2d, 0", "movi v7.2d, 0",
            "movi v8.2d, 0", "movi v9.2d, 0", "movi v10.2d, 0", "movi v11.2d, 0",
            "movi v12.2d, 0", "movi v13.2d, 0", "movi v14.2d, 0", "movi v15.2d, 0",
            "movi v16.2d, 0", "movi v17.2d, 0", "movi v18.2d, 0", "movi v19.2d, 0",
            "movi v20.2d, 0", "movi v21.2d, 0", "movi v22.2d, 0", "movi v23.2d, 0",
            "movi v24.2d, 0", "movi v25.2d, 0", "movi v26.2d, 0", "movi v27.2d, 0",
            "movi v28.2d, 0", "movi v29.2d, 0", "movi v30.2d, 0", "movi v31.2d, 0",
            "mov x0, xzr", "mov x1, xzr", "mov x2, xzr", "mov x3, xzr", "mov x4, xzr",
            "mov x5, xzr", "mov x6, xzr", "mov x7, xzr", "mov x8, xzr", "mov x9, xzr",
            "mov x10, xzr", "mov x11, xzr", "mov x12, xzr", "mov x13, xzr", "mov x14, xzr",
            "mov x15, xzr", "mov x16, xzr", "mov x17, xzr",
            function = in(reg) function,
            window_len = const WINDOW_LEN,
            inout("x0") argument => _,
            out("x20") _,
            in("x21") top,
            in("x22") bottom,
            in("x23") PAINT,
            clobber_abi("C"),
        );
    }
}
