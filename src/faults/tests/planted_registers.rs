//! What planted faults leave in registers is still there at the instant the entry point returns.
#![cfg(all(target_arch = "x86_64", target_os = "linux", not(miri)))]
#![allow(unsafe_code, reason = "only assembly can see what a call leaves in the registers")]

// The seams and calls of the honest core's own tests.
#[path = "../../driver/tests/plain_seams/mod.rs"]
mod plain_seams;

use std::arch::asm;

use plain_seams::{OneRandom, RANDOM, Unwrapped, bounds, device, keyed_session, start, submit};
use rekeylab_cipher::Backend;
use rekeylab_ddi::{CryptoSessionDdi, DeviceHandle, SessionHandle};
use rekeylab_driver::SoftwareEngine;
use rekeylab_faults::{Adapter, Fault, cipher};

const KEY: [u8; 16] = *b"\x3a\xc5\x91\x0e\x77\xd2\x48\xbf\x06\xe9\x5c\x83\x1d\xf4\xa0\x6b";

/// A call on a session; it stays in one place while assembly makes it.
struct Call {
    adapter: Adapter,
    device: DeviceHandle,
    session: SessionHandle,
}

extern "C" fn finish(call: &mut Call) {
    call.adapter.finish_session_key_refresh(call.device, call.session);
}

extern "C" fn submit_one_block(call: &mut Call) {
    submit(&mut call.adapter, call.device, call.session, 1);
}

/// `xmm0`, `xmm14` and `xmm15` at the instant `operation` returns.
fn registers_after(operation: extern "C" fn(&mut Call), call: &mut Call) -> [[u8; 16]; 3] {
    let mut registers = [[0; 16]; 3];
    // SAFETY: the function is safe to call with its argument; whatever it may change is declared.
    // The stores stay inside `registers`, at sixteen bytes each, and need no alignment; `r12` is
    // preserved by the function.
    unsafe {
        asm!(
            "call {operation}",
            "movdqu [r12], xmm0",
            "movdqu [r12 + 16], xmm14",
            "movdqu [r12 + 32], xmm15",
            operation = in(reg) operation,
            inout("rdi") call => _,
            in("r12") &raw mut registers,
            clobber_abi("C"),
        );
    }
    registers
}

fn after(fault: Option<Fault>, operation: extern "C" fn(&mut Call)) -> [[u8; 16]; 3] {
    let mut adapter = Adapter::new(fault, OneRandom, SoftwareEngine, Unwrapped, bounds());
    let device = device(&mut adapter);
    let session = keyed_session(&mut adapter, device, &KEY);
    start(&mut adapter, device, session);
    registers_after(operation, &mut Call { adapter, device, session })
}

#[test]
fn finish_leaves_the_new_key_in_a_register() {
    let updated: [u8; 16] = core::array::from_fn(|index| KEY[index] ^ RANDOM[index]);
    assert_eq!(after(Some(Fault::FinishLeavesKeyInRegister), finish)[0], updated);
    assert!(!after(None, finish).contains(&updated));
}

#[test]
fn submit_leaves_two_round_keys_in_registers() {
    if Backend::AesNi.is_available() {
        let mut round_keys = [[0; 16]; 10];
        cipher::expand_into(&KEY, &mut round_keys);
        let last_two = [round_keys[8], round_keys[9]];
        assert_eq!(after(Some(Fault::SubmitLeavesRoundKeys), submit_one_block)[1..], last_two);
        assert!(!after(None, submit_one_block).iter().any(|left| last_two.contains(left)));
    }
}

#[test]
fn the_round_keys_are_those_of_fips_197() {
    let mut round_keys = [[0; 16]; 10];
    let key = 0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c_u128.to_be_bytes();
    cipher::expand_into(&key, &mut round_keys);
    if Backend::AesNi.is_available() {
        let [first, .., last] = round_keys.map(u128::from_be_bytes);
        assert_eq!(first, 0xa0fa_fe17_8854_2cb1_23a3_3939_2a6c_7605);
        assert_eq!(last, 0xd014_f9a8_c9ee_2589_e13f_0cc8_b663_0ca6);
    }
}
