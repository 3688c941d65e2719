//! Two keys, one call: the registers afterwards must be the same, or some of the key is in them.
//!
//! Comparing two runs finds the key in any form, expanded or encrypted or bit-sliced, where a
//! search for bytes would find only the forms it knows.

#![cfg(all(target_arch = "x86_64", target_os = "linux", not(miri)))]
#![allow(unsafe_code, reason = "only assembly can see what a call leaves in the registers")]

use std::arch::asm;

use rekeylab_cipher::Backend;

/// What a call works on. It stays in one place, so that pointers are the same in both runs.
struct Operands {
    backend: Backend,
    key: [u8; 16],
    data: [u8; 100],
}

type Operation = extern "C" fn(&mut Operands);

extern "C" fn ctr_xor(operands: &mut Operands) {
    let Operands { backend, key, data } = operands;
    let _ = backend.ctr_xor(key, 1, 2, data);
}

extern "C" fn encrypt_blocks(operands: &mut Operands) {
    let Operands { backend, key, data } = operands;
    backend.encrypt_blocks(key, data.as_chunks_mut().0);
}

extern "C" fn decrypt_block(operands: &mut Operands) {
    let Operands { backend, key, data } = operands;
    backend.decrypt_block(key, data.first_chunk_mut().expect("there are 100 bytes"));
}

/// Leaves the key in a vector register, as a compiled copy of sixteen bytes well might.
extern "C" fn forget_the_key_in_a_register(operands: &mut Operands) {
    // SAFETY: reads the sixteen bytes of the key; the register is declared.
    unsafe { asm!("movdqu xmm9, [{}]", in(reg) &operands.key, out("xmm9") _, options(nostack)) }
}

/// The caller-saved registers: the vector registers at full width, then the general ones.
#[repr(C)]
#[derive(PartialEq, Debug)]
struct Registers {
    vector: [[u64; 8]; 32],
    general: [u64; 9],
}

/// Everything that `operation` leaves in the registers at the instant it returns.
fn registers_after(operation: Operation, operands: &mut Operands) -> Registers {
    let mut registers = Registers { vector: [[0; 8]; 32], general: [0; 9] };
    let vector_level =
        u64::from(is_x86_feature_detected!("avx")) + u64::from(is_x86_feature_detected!("avx512f"));
    // SAFETY: the function is safe to call with its operands; whatever it may change is declared.
    // The stores stay inside `registers`, at 64 bytes a vector register and 8 a general one, and
    // wide registers are read only where detected. The wipe in front keeps leftovers of the test
    // itself out of the picture.
    unsafe {
        asm!(
            "pxor xmm0, xmm0", "pxor xmm1, xmm1", "pxor xmm2, xmm2", "pxor xmm3, xmm3",
            "pxor xmm4, xmm4", "pxor xmm5, xmm5", "pxor xmm6, xmm6", "pxor xmm7, xmm7",
            "pxor xmm8, xmm8", "pxor xmm9, xmm9", "pxor xmm10, xmm10", "pxor xmm11, xmm11",
            "pxor xmm12, xmm12", "pxor xmm13, xmm13", "pxor xmm14, xmm14", "pxor xmm15, xmm15",
            "xor eax, eax",
            "xor ecx, ecx",
            "xor edx, edx",
            "xor esi, esi",
            "xor r8d, r8d",
            "xor r9d, r9d",
            "xor r10d, r10d",
            "xor r11d, r11d",
            "call r14",
            "mov [r12 + 2048], rax", "mov [r12 + 2056], rcx", "mov [r12 + 2064], rdx",
            "mov [r12 + 2072], rsi", "mov [r12 + 2080], rdi", "mov [r12 + 2088], r8",
            "mov [r12 + 2096], r9", "mov [r12 + 2104], r10", "mov [r12 + 2112], r11",
            "cmp r13, 1",
            "je 2f",
            "ja 3f",
            ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
            "movdqu [r12 + 64 * \\i], xmm\\i",
            ".endr",
            "jmp 4f",
            "2:",
            ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
            "vmovdqu [r12 + 64 * \\i], ymm\\i",
            ".endr",
            "jmp 4f",
            "3:",
            ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
            "vmovdqu64 [r12 + 64 * \\i], zmm\\i",
            ".endr",
            ".irp i, 16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
            "vmovdqu64 [r12 + 64 * \\i], zmm\\i",
            ".endr",
            "4:",
            inout("rdi") operands => _,
            in("r12") &raw mut registers,
            in("r13") vector_level,
            in("r14") operation,
            clobber_abi("C"),
        );
    }
    registers
}

/// Whether the registers after `operation` differ between two keys.
fn depends_on_the_key(operation: Operation, backend: Backend) -> bool {
    let mut operands = Operands { backend, key: [0; 16], data: [0; 100] };
    let mut run = |key| {
        operands.key = key;
        operands.data = [7; 100];
        registers_after(operation, &mut operands)
    };
    // Once without looking, so that whatever is set up on first use is set up.
    run([0; 16]);
    run(*b"sixteen byte key") != run(*b"another test key")
}

#[test]
fn no_register_depends_on_the_key_after_a_call() {
    for backend in [Backend::AesNi, Backend::PrivateStack] {
        if backend.is_available() {
            assert!(!depends_on_the_key(ctr_xor, backend), "{backend:?}, ctr_xor");
            assert!(!depends_on_the_key(encrypt_blocks, backend), "{backend:?}, encrypt_blocks");
            assert!(!depends_on_the_key(decrypt_block, backend), "{backend:?}, decrypt_block");
        }
    }
}

#[test]
fn a_key_left_in_a_register_is_noticed() {
    assert!(depends_on_the_key(forget_the_key_in_a_register, Backend::Plain));
}
