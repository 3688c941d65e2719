//! Runs calls instruction by instruction, by the trap flag of the processor, and looks at what is watched behind each.

use std::arch::asm;
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::fmt;
use std::mem::{MaybeUninit, zeroed};
use std::ops::Range;
use std::ptr;
use std::sync::OnceLock;

use super::{FRAMES_MAX, Hit, STEPS_MAX, Watched, Watchpoint};
use crate::gate::Register;

/// Watches places during calls.
pub(crate) struct Stepper {
    pub(crate) points: Vec<Watchpoint>,
    /// The stack that the calls run on; whatever runs elsewhere is not theirs.
    stack: Range<usize>,
    /// Which call is under way, by number.
    call: u32,
    steps: u64,
    /// Where the instruction before is.
    before: usize,
    /// The handler has to unwind, for which a usual signal stack is small.
    signal_stack: Box<[u8]>,
    /// What the thread had before the call.
    former: Option<Former>,
}

struct Former {
    signal_stack: libc::stack_t,
    mask: libc::sigset_t,
}

/// The trap flag in the flags of the processor.
const TRAP_FLAG: i64 = 0x100;

const SIGNAL_STACK_LEN: usize = 512 << 10;

thread_local! {
    /// What the handler looks for on this thread; null if nothing runs in steps here.
    static STEPPING: Cell<*mut Stepper> = const { Cell::new(ptr::null_mut()) };
}

/// What was done about traps before.
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

/// Shows what is watched, not the memory that it runs on.
impl fmt::Debug for Stepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stepper").field("points", &self.points.len()).finish_non_exhaustive()
    }
}

impl Stepper {
    pub(crate) const IS_PORTED: bool = true;

    /// `stack` is where the frames of the calls will be.
    pub(crate) fn new(points: Vec<Watchpoint>, stack: Range<usize>) -> Stepper {
        let signal_stack = vec![0; SIGNAL_STACK_LEN].into_boxed_slice();
        Stepper { points, stack, call: 0, steps: 0, before: 0, signal_stack, former: None }
    }

    /// From now on each instruction of this thread is looked behind, if anything is watched in this call.
    pub(crate) fn begin(&mut self, call: u32) {
        self.call = call;
        if self.steps >= STEPS_MAX || !self.points.iter().any(|point| point.calls.contains(&call)) {
            return;
        }
        for point in &mut self.points {
            point.held = match point.place {
                // SAFETY: readable, as whoever watches it promises.
                Watched::Memory { address, .. } => unsafe { read(address) },
                Watched::Register { .. } => 0,
            };
        }
        self.take_the_signal();
        STEPPING.set(ptr::from_mut(self));
        // SAFETY: the flag makes the processor trap behind each instruction, which the handler returns from with
        // everything as it was.
        unsafe { asm!("pushfq", "or qword ptr [rsp], {flag}", "popfq", flag = const TRAP_FLAG) };
    }

    /// From now on the thread runs freely again.
    pub(crate) fn end(&mut self) {
        // SAFETY: as above.
        unsafe { asm!("pushfq", "and qword ptr [rsp], {flag}", "popfq", flag = const !TRAP_FLAG) };
        STEPPING.set(ptr::null_mut());
        let Some(Former { signal_stack, mask }) = self.former.take() else { return };
        // SAFETY: what the thread had before, and no handler is running.
        unsafe {
            libc::sigaltstack(&raw const signal_stack, ptr::null_mut());
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const mask, ptr::null_mut());
        }
    }

    /// How many instructions were looked behind.
    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    /// Has the handler called for traps of this thread, on a stack of its own.
    fn take_the_signal(&mut self) {
        BEFORE.get_or_init(|| {
            let mut before = MaybeUninit::<libc::sigaction>::uninit();
            // SAFETY: an action is numbers and addresses, of which all may be zero.
            let mut action: libc::sigaction = unsafe { zeroed() };
            action.sa_sigaction = on_trap as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            // SAFETY: both structures are there until the call returns, which fails for no signal of this number. The
            // handler leaves alone what is not its own.
            unsafe {
                libc::sigaction(libc::SIGTRAP, &raw const action, before.as_mut_ptr());
                before.assume_init()
            }
        });
        let stack = libc::stack_t {
            ss_sp: self.signal_stack.as_mut_ptr().cast(),
            ss_flags: 0,
            ss_size: self.signal_stack.len(),
        };
        let mut former = MaybeUninit::<libc::stack_t>::uninit();
        let mut mask = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: the memory stays until `end` has put the former stack back; the structures are there until the calls
        // return. A trap that is blocked would end the process.
        self.former = unsafe {
            let mut trap: libc::sigset_t = zeroed();
            libc::sigaddset(&raw mut trap, libc::SIGTRAP);
            libc::sigaltstack(&raw const stack, former.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const trap, mask.as_mut_ptr());
            Some(Former { signal_stack: former.assume_init(), mask: mask.assume_init() })
        };
    }

    /// Looks at what is watched, behind one instruction.
    fn step(&mut self, context: &mut libc::ucontext_t) {
        self.steps += 1;
        let registers = &mut context.uc_mcontext.gregs;
        if self.steps >= STEPS_MAX {
            registers[libc::REG_EFL as usize] &= !TRAP_FLAG;
            return;
        }
        let next = address_in(registers[libc::REG_RIP as usize]);
        let stack_pointer = address_in(registers[libc::REG_RSP as usize]);
        // SAFETY: the instruction that is made next; a shorter one may end the memory that there is.
        let first = unsafe { ptr::with_exposed_provenance::<u8>(next).read_volatile() };
        // SAFETY: no instruction that begins with this byte ends with it.
        if first == SYSCALL[0] && unsafe { second_byte(next) } == SYSCALL[1] {
            keep_the_signal(context);
        }
        let before = std::mem::replace(&mut self.before, next);
        if !self.stack.contains(&stack_pointer) {
            return;
        }
        let mut hit = None;
        for point in &mut self.points {
            if !point.calls.contains(&self.call) {
                continue;
            }
            let (holds, is_hit, is_frame_of_interest) = match point.place {
                Watched::Memory { address, becomes } => {
                    // SAFETY: readable, as whoever watches it promises.
                    let holds = unsafe { read(address) };
                    (holds, becomes.is_none_or(|value| value == holds), true)
                }
                // It changes all the time, and who has called is as good as known.
                Watched::Register { register, offset } => {
                    (word_of(context, register, offset).unwrap_or(point.held), true, false)
                }
            };
            if std::mem::replace(&mut point.held, holds) == holds || !is_hit {
                continue;
            }
            let alone = Hit::alone(before, stack_pointer);
            point.hit = Some(match is_frame_of_interest {
                true => *hit.get_or_insert_with(|| alone.with_callers(next, self.stack.end)),
                false => alone,
            });
        }
    }
}

impl Hit {
    /// An instruction whose callers nobody asks for.
    fn alone(address: usize, stack_pointer: usize) -> Hit {
        let mut hit = Hit { addresses: [0; FRAMES_MAX], ends: [0; FRAMES_MAX], len: 1 };
        (hit.addresses[0], hit.ends[0]) = (address, stack_pointer);
        hit
    }

    /// Adds the frames above it, up to where the stack of the call ends. `next` is where the thread was stopped.
    fn with_callers(mut self, next: usize, stack_end: usize) -> Hit {
        let mut is_behind_the_handler = false;
        // SAFETY: nothing else of the process unwinds in this thread: it is stopped, and on the stack of the call.
        unsafe {
            backtrace::trace_unsynchronized(|frame| {
                let (address, end) = (frame.ip().addr(), frame.sp().addr());
                if !is_behind_the_handler {
                    // The instruction before it is what matters, and that has been noted.
                    is_behind_the_handler = address == next;
                    return true;
                }
                if end == 0 || end >= stack_end || self.len == FRAMES_MAX {
                    return false;
                }
                (self.addresses[self.len], self.ends[self.len]) = (address, end);
                self.len += 1;
                true
            });
        }
        self
    }
}

/// Looks at what is watched if this trap is of a step, and leaves the rest to whoever was there before.
unsafe extern "C" fn on_trap(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes the context of this thread, and nothing else refers to it.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    // SAFETY: the kernel says why there was a trap.
    let is_step = unsafe { (*info).si_code } == libc::TRAP_TRACE;
    if is_step {
        // SAFETY: this thread's own number for errors, which the code that was stopped may be about to read.
        let errno = unsafe { *libc::__errno_location() };
        // SAFETY: set while the stepper waits for its call, which is stopped meanwhile.
        match unsafe { STEPPING.get().as_mut() } {
            Some(stepper) => stepper.step(context),
            // A thread that was begun by one which runs in steps begins with the flag.
            None => context.uc_mcontext.gregs[libc::REG_EFL as usize] &= !TRAP_FLAG,
        }
        // SAFETY: as above.
        unsafe { *libc::__errno_location() = errno };
        return;
    }
    let before = BEFORE.get();
    let handler = before.map_or(libc::SIG_DFL, |before| before.sa_sigaction);
    if handler == libc::SIG_IGN {
        return;
    }
    if handler == libc::SIG_DFL {
        // SAFETY: an action is numbers and addresses, of which all may be zero: the default.
        let action: libc::sigaction = unsafe { zeroed() };
        // SAFETY: the structure is there until the call returns. The signal is sent once more, and ends the process.
        unsafe {
            libc::sigaction(signal, &raw const action, ptr::null_mut());
            libc::raise(signal);
        }
        return;
    }
    let takes_info = before.is_some_and(|before| before.sa_flags & libc::SA_SIGINFO != 0);
    let context: *mut c_void = ptr::from_mut(context).cast();
    // SAFETY: the address of a handler, whose type its flags say, as whoever installed it promised the kernel.
    unsafe {
        if takes_info {
            type OnTrap = unsafe extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);
            std::mem::transmute::<usize, OnTrap>(handler)(signal, info, context);
        } else {
            std::mem::transmute::<usize, unsafe extern "C" fn(c_int)>(handler)(signal);
        }
    }
}

/// The instruction `syscall`.
const SYSCALL: [u8; 2] = [0x0f, 0x05];

/// The byte behind the first of an instruction.
///
/// # Safety
///
/// The instruction has two or more.
unsafe fn second_byte(instruction: usize) -> u8 {
    // SAFETY: as the caller promises.
    unsafe { ptr::with_exposed_provenance::<u8>(instruction + 1).read_volatile() }
}

/// Makes the call of the kernel in its place that blocks signals, but for the trap: the next one would end the process.
/// The C library blocks all of them while it begins a thread, and a thread begins with what is blocked and with the
/// flag.
fn keep_the_signal(context: &mut libc::ucontext_t) {
    /// How many bytes the kernel keeps such a set in.
    const SET_LEN: usize = size_of::<u64>();
    let register = |number: c_int| context.uc_mcontext.gregs[number as usize];
    let (how, wanted, former) =
        (register(libc::REG_RDI), register(libc::REG_RSI), register(libc::REG_RDX));
    if register(libc::REG_RAX) != libc::SYS_rt_sigprocmask
        || wanted == 0
        || address_in(register(libc::REG_R10)) != SET_LEN
    {
        return;
    }
    let mask: *mut u64 = (&raw mut context.uc_sigmask).cast();
    // SAFETY: the kernel puts the blocked signals there, and takes them from there when the handler returns. The other
    // two are what the code has passed to the kernel to read from and to write to.
    let is_made = unsafe {
        let (wanted, blocked) =
            (read(ptr::with_exposed_provenance(address_in(wanted))), mask.read());
        let changed = match c_int::try_from(how) {
            Ok(libc::SIG_BLOCK) => Some(blocked | wanted),
            Ok(libc::SIG_UNBLOCK) => Some(blocked & !wanted),
            Ok(libc::SIG_SETMASK) => Some(wanted),
            _ => None,
        };
        if let Some(changed) = changed {
            mask.write(changed & !(1 << (libc::SIGTRAP - 1)));
            if former != 0 {
                ptr::with_exposed_provenance_mut::<u64>(address_in(former))
                    .write_unaligned(blocked);
            }
        }
        changed.is_some()
    };
    if is_made {
        let registers = &mut context.uc_mcontext.gregs;
        registers[libc::REG_RAX as usize] = 0;
        registers[libc::REG_RIP as usize] += 2;
    }
}

/// Eight bytes of memory that the code which is stopped may write to.
///
/// # Safety
///
/// They are readable.
unsafe fn read(address: *const u8) -> u64 {
    let word;
    // SAFETY: as the caller promises. What the compiler does not see, neither it nor a sanitizer has an opinion of.
    unsafe {
        asm!("mov {}, [{}]", out(reg) word, in(reg) address, options(nostack, readonly, preserves_flags))
    };
    word
}

/// The eight bytes of a register that this byte is among; none of a vector register beyond its sixteenth byte.
fn word_of(context: &libc::ucontext_t, register: Register, offset: u8) -> Option<u64> {
    if let Some(number) = register.vector_number() {
        if offset >= 16 || number >= 16 || context.uc_mcontext.fpregs.is_null() {
            return None;
        }
        // SAFETY: the kernel has put the registers of vectors there, for as long as the handler runs.
        let vector = unsafe { (*context.uc_mcontext.fpregs)._xmm[number].element };
        let half = usize::from(offset / 8) * 2;
        return Some(u64::from(vector[half]) | u64::from(vector[half + 1]) << 32);
    }
    let index = GENERAL.get(register.general_number()?)?;
    Some(context.uc_mcontext.gregs[*index as usize].cast_unsigned())
}

/// Where the kernel puts the general registers, in the order of their numbers.
const GENERAL: [c_int; 15] = [
    libc::REG_RAX,
    libc::REG_RCX,
    libc::REG_RDX,
    libc::REG_RBX,
    libc::REG_RBP,
    libc::REG_RSI,
    libc::REG_RDI,
    libc::REG_R8,
    libc::REG_R9,
    libc::REG_R10,
    libc::REG_R11,
    libc::REG_R12,
    libc::REG_R13,
    libc::REG_R14,
    libc::REG_R15,
];

/// An address in a register.
fn address_in(register: i64) -> usize {
    usize::try_from(register.cast_unsigned()).unwrap_or_default()
}
