//! A signal that arrives during a call leaves its registers elsewhere than on the painted stack.
#![cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
#![allow(unsafe_code, reason = "signals are raised and registers filled by hand")]

use std::arch::asm;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use keysan::SecretSet;
use keysan::gate::{Gate, GateLayers};

const SECRET: [u8; 16] = 0x3ac5_910e_77d2_48bf_06e9_5c83_1df4_a06b_u128.to_be_bytes();

static HANDLED: AtomicU32 = AtomicU32::new(0);

extern "C" fn handle(_signal: libc::c_int) {
    HANDLED.fetch_add(1, Ordering::Relaxed);
}

/// Installs a handler as libFuzzer does: without asking for the signal stack.
fn install_handler() {
    // SAFETY: all zeros is an action without flags; the handler touches nothing but an atomic.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handle as *const () as usize;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &raw const action, ptr::null_mut()), 0);
    }
}

/// Lets the signal arrive while the secret is in a register, and cleans up.
#[inline(never)]
fn be_interrupted_with_the_secret_in_a_register() {
    // SAFETY: sends a signal to this very thread by tgkill, with registers declared.
    unsafe {
        let (process, thread) = (libc::getpid(), libc::gettid());
        asm!(
            "movdqu xmm7, [{secret}]",
            "syscall",
            "pxor xmm7, xmm7",
            secret = in(reg) &SECRET,
            inout("rax") libc::SYS_tgkill => _,
            in("rdi") process,
            in("rsi") thread,
            in("rdx") libc::SIGUSR1,
            out("rcx") _, out("r11") _, out("xmm7") _,
        );
    }
}

#[test]
fn a_signal_during_a_call_leaves_nothing_on_the_stack() {
    install_handler();
    let mut set = SecretSet::new();
    set.register(&SECRET, 7).expect("an empty set has room");
    let mut gate = Gate::open().expect("this target has a gate");
    gate.call(be_interrupted_with_the_secret_in_a_register);
    assert_eq!(HANDLED.load(Ordering::Relaxed), 1);
    let note = &mut |leftover: keysan::gate::Leftover| panic!("{}", leftover.place);
    assert!(gate.inspect(&set, GateLayers::ALL, note).is_complete);
    assert!(gate.inspect_deep(&set, note).is_complete);
}
