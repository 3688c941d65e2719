//! Gives the thread a stack for signal handlers, so that they do not run on the painted one.
//!
//! The kernel stores all registers where it starts a handler. On the painted stack that would be
//! taken for something the code under test left there: an engine's alarm that goes off in the
//! middle of a cipher would report the key.

use std::mem::MaybeUninit;
use std::ptr;

/// Room for the registers of any processor and for a handler that formats a message.
const STACK_LEN: usize = 64 * 1024;

/// The thread's signal stack, if it had none before; taken away again on drop.
///
/// Threads of the standard library have a signal stack already.
pub(super) struct SignalStack {
    /// Kept only to be freed after the kernel forgot it.
    memory: Option<Box<[u8]>>,
}

impl SignalStack {
    /// Also sends the handlers that are installed by now to signal stacks; see [`send_handlers`].
    pub(super) fn install_if_missing() -> SignalStack {
        send_handlers();
        if is_installed() {
            return SignalStack { memory: None };
        }
        let mut memory = vec![0; STACK_LEN].into_boxed_slice();
        let stack =
            libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: STACK_LEN };
        // SAFETY: the memory stays until `drop` has taken the stack away again.
        let is_installed = unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) } == 0;
        debug_assert!(is_installed, "no handler is running, and the stack is large enough");
        SignalStack { memory: is_installed.then_some(memory) }
    }
}

impl Drop for SignalStack {
    fn drop(&mut self) {
        let Some(memory) = &self.memory else { return };
        // Whoever installed another one meanwhile keeps it.
        if current().ss_sp.cast_const() != memory.as_ptr().cast() {
            return;
        }
        let none = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
        // SAFETY: takes away a stack that no handler is running on: a handler does not drop gates.
        let is_removed = unsafe { libc::sigaltstack(&raw const none, ptr::null_mut()) } == 0;
        debug_assert!(is_removed, "no handler is running");
    }
}

/// Makes every handler of the process run on the signal stack of its thread, where there is one.
///
/// libFuzzer, for one, installs its handlers without `SA_ONSTACK`.
fn send_handlers() {
    for signal in 1..=LAST_SIGNAL {
        let mut action = MaybeUninit::<libc::sigaction>::uninit();
        // SAFETY: only asks, and the answer has the right type.
        if unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) } != 0 {
            continue;
        }
        // SAFETY: written by the call, which succeeded.
        let mut action = unsafe { action.assume_init() };
        let is_handled = ![libc::SIG_DFL, libc::SIG_IGN].contains(&action.sa_sigaction);
        if is_handled && action.sa_flags & libc::SA_ONSTACK == 0 {
            action.sa_flags |= libc::SA_ONSTACK;
            // SAFETY: the handler that is installed already, with one flag more.
            let is_sent = unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
            debug_assert!(is_sent == 0, "a signal that has a handler can have another");
        }
    }
}

/// The last of the signals that have names.
const LAST_SIGNAL: libc::c_int = 31;

/// Whether the thread has a signal stack.
pub(super) fn is_installed() -> bool {
    current().ss_flags & libc::SS_DISABLE == 0
}

fn current() -> libc::stack_t {
    let mut stack = MaybeUninit::uninit();
    // SAFETY: only asks, and the answer has the right type.
    let is_answered = unsafe { libc::sigaltstack(ptr::null(), stack.as_mut_ptr()) } == 0;
    assert!(is_answered, "every thread may ask for its signal stack");
    // SAFETY: written by the call, which succeeded.
    unsafe { stack.assume_init() }
}
