//! The gate itself: calls, inspects, copies.

mod growing;
mod looking;
mod proof;
mod signals;
mod stack;
mod trampoline;

use std::any::Any;
use std::ffi::c_void;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use self::signals::SignalStack;
use self::stack::{PaintedStack, STACK_LEN};
use self::trampoline::{
    Above, PART_FROM_SIXTEEN, PART_LOWER_HALF, PART_MASKS, VectorLevel, call_captured,
};
use super::registers::{
    CopiedLeftovers, GENERAL_COUNT, VECTOR_WORDS, general_place, mask_place, stack_place,
    vector_place,
};
use super::{GateLayers, GateNotProven, Inspected, Leftover, NotPorted};
use crate::secret_set::{Looked, SecretSet};

/// The paint that ends the search after every call. Calls leave return addresses, and what lies
/// between two of them in a release build is seldom larger.
const GAP: usize = 512;

/// The paint that ends the deep search. Frames that span more than a page touch every page, so no
/// frame leaves two of them untouched.
const DEEP_GAP: usize = 8192;

/// Longer than any stack: nothing ends the search but the end of the stack.
const NO_GAP: usize = 1 << 40;

/// A painted stack to call on, and the registers as the last call left them.
///
/// Belongs to the thread that opened it. A call cannot call through the same gate again:
///
/// ```compile_fail,E0499
/// let mut gate = keysan::gate::Gate::open().unwrap();
/// gate.call(|| gate.call(|| ()));
/// ```
///
/// Through another gate it can; the inner one's leftovers are then on the inner one's stack.
pub struct Gate {
    stack: PaintedStack,
    /// How deep the last call went, if it has been inspected.
    inspected_depth: Option<usize>,
    /// The lowest line that was dirty since the last deep search.
    lowest_line: *const u8,
    /// Whether what stands between two words is told, too, beside one that was sighted.
    whole_copies: bool,
    /// Dropped after the stack.
    _signal_stack: SignalStack,
}

impl Gate {
    /// Maps a stack of 8 MiB with a guard below it, of which as much is painted as calls need; see
    /// [`open_with_stack`](Gate::open_with_stack).
    pub fn open() -> Result<Gate, NotPorted> {
        Gate::open_with_stack(STACK_LEN)
    }

    /// Maps a stack that can become at least `len` bytes large, with a guard below it. A call that needs more ends the
    /// process, which says so before.
    ///
    /// Painted are 256 KiB, and more when a call needs it: the signal for a fault of memory, SIGSEGV, tells of
    /// that. Whoever handled it before is called for every other fault. A call that blocks the signal, or a handler that
    /// is installed later, leaves it at what is painted; and a wild read within the stack to be reads paint.
    ///
    /// The stack of the first gate has the same address in every process, the second its own and
    /// so on. If the thread has no signal stack, it gets one until the gate is dropped.
    ///
    /// Panics when the system has no memory for the stack.
    pub fn open_with_stack(len: usize) -> Result<Gate, NotPorted> {
        Ok(Gate::open_for(vector_level()?, len))
    }

    /// `level` is what the processor has, or less.
    fn open_for(level: VectorLevel, stack_len: usize) -> Gate {
        let stack = PaintedStack::map(stack_len);
        // SAFETY: mapped, writable, and nobody else refers to it.
        unsafe { (*stack.above()).level = level };
        let lowest_line = stack.first_line();
        let _signal_stack = SignalStack::install_if_missing();
        Gate { stack, inspected_depth: None, lowest_line, whole_copies: false, _signal_stack }
    }

    /// The addresses of the stack, from the lowest that it can grow to up to the entry.
    #[cfg(feature = "trace")]
    pub(crate) fn addresses(&self) -> std::ops::Range<usize> {
        self.stack.addresses()
    }

    /// From now on inspections of the stack also report the windows between two aligned words, up to seven bytes
    /// before and behind each that they meet: so the first and the last byte of a copy are known.
    pub fn report_whole_copies(&mut self) {
        self.whole_copies = true;
    }

    /// Runs `call` on the painted stack, all registers empty at its start, and captures all of
    /// them when it returns.
    ///
    /// A panic in `call` is caught on the painted stack, the registers captured all the same, and
    /// the panic goes on from here.
    #[inline]
    pub fn call<R>(&mut self, call: impl FnOnce() -> R) -> R {
        let mut job = Job { call: Some(call), returned: None, panic: None };
        // SAFETY: `run_job` takes a pointer to a job of these types, which is what it gets, and
        // nobody else uses the job meanwhile.
        unsafe { self.call_raw(run_job_of(&job), (&raw mut job).cast()) };
        match (job.returned, job.panic) {
            (Some(returned), _) => returned,
            (None, Some(payload)) => resume_unwind(payload),
            (None, None) => unreachable!("a call returns or panics"),
        }
    }

    /// Looks through what the last call left on the stack and in the registers, then repaints.
    ///
    /// The search goes down to 512 bytes of paint. Repainted is the stack in any case, so a second
    /// inspection finds nothing; should `sink` panic, the next inspection finds it all again.
    #[inline]
    pub fn inspect(
        &mut self,
        set: &SecretSet,
        layers: GateLayers,
        sink: &mut dyn FnMut(Leftover),
    ) -> Inspected {
        let line = self.stack.lowest_dirty_line(self.stack.first_line(), GAP);
        self.inspected_depth.get_or_insert(self.stack.depth_of(line));
        self.lowest_line = self.lowest_line.min(line);
        let line = self.stack.rounded(line);
        let (stack, registers) = match (layers.stack, layers.registers) {
            (true, true) => self.scan_stack_and_registers(line, set, sink),
            (true, false) => {
                self.forget_registers();
                (self.scan_stack(line, set, sink), Looked::default())
            }
            (false, true) => (Looked::default(), self.scan_registers(set, sink)),
            (false, false) => {
                self.forget_registers();
                (Looked::default(), Looked::default())
            }
        };
        self.stack.repaint(line);
        Inspected {
            stack,
            registers,
            is_complete: (stack.canaries > 0 || !layers.stack)
                && (registers.canaries > 0 || !layers.registers),
        }
    }

    /// Looks through the stack below the depth that inspections have reached since the last deep
    /// one, down to two whole pages of paint, then repaints.
    ///
    /// Meant for the end of a sequence of calls: it costs a tenth of a microsecond and more. The
    /// registers are not looked at.
    pub fn inspect_deep(&mut self, set: &SecretSet, sink: &mut dyn FnMut(Leftover)) -> Inspected {
        self.inspect_below(DEEP_GAP, set, sink)
    }

    /// The same down to the end of what is painted, whatever was left untouched on the way: C reserves large frames
    /// without touching them, and what it calls then leaves something below.
    ///
    /// Costs some ten microseconds, and more once the stack has grown.
    pub fn inspect_all(&mut self, set: &SecretSet, sink: &mut dyn FnMut(Leftover)) -> Inspected {
        self.inspect_below(NO_GAP, set, sink)
    }

    fn inspect_below(
        &mut self,
        gap: usize,
        set: &SecretSet,
        sink: &mut dyn FnMut(Leftover),
    ) -> Inspected {
        let line = self.stack.lowest_dirty_line(self.lowest_line, gap);
        self.lowest_line = self.stack.first_line();
        // All of it once more, since the canary is at the upper end.
        let stack = self.scan_stack(line, set, sink);
        self.stack.repaint(line);
        Inspected { stack, registers: Looked::default(), is_complete: stack.canaries > 0 }
    }

    /// Appends what the last call left to `into`: stack words from the entry down to two whole pages
    /// of paint, then the registers. To be called before [`Gate::inspect`].
    ///
    /// For comparing two runs word by word. The answer tells which word is what.
    pub fn copy_leftovers(&self, into: &mut Vec<u64>) -> CopiedLeftovers {
        let line = self.stack.lowest_dirty_line(self.lowest_line, DEEP_GAP);
        let stack_words = self.stack.depth_of(line) / 8;
        into.extend((1..=stack_words).map(|word| self.stack.word(8 * word)));
        // SAFETY: mapped, filled by the last call or never and then zero; nobody writes to it
        // while the gate is borrowed.
        let above = unsafe { &*self.stack.above() };
        let vector_words = match above.level {
            VectorLevel::Sse => 2,
            VectorLevel::Avx => 4,
            VectorLevel::Avx512 => 8,
        };
        let copied = CopiedLeftovers { stack_words, vector_words };
        into.extend(above.general);
        for number in 0..copied.vector_count() {
            let words = vector(above, number);
            into.extend(&words[..vector_words]);
        }
        if vector_words == VECTOR_WORDS {
            let is_filled = above.parts & PART_MASKS != 0;
            into.extend(if is_filled { above.masks } else { [0; 8] });
        }
        copied
    }

    /// The most words that [`Gate::copy_leftovers`] can append now, so that room can be made first.
    #[must_use]
    pub fn leftover_word_count(&self) -> usize {
        let line = self.stack.lowest_dirty_line(self.lowest_line, DEEP_GAP);
        self.stack.depth_of(line) / 8 + GENERAL_COUNT + 32 * VECTOR_WORDS + 8
    }

    /// How many bytes below its entry the last call went, in whole lines of 64 bytes.
    ///
    /// As far as [`Gate::inspect`] looks: what lies beyond a hole does not count.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.inspected_depth.unwrap_or_else(|| {
            let line = self.stack.lowest_dirty_line(self.stack.first_line(), GAP);
            self.stack.depth_of(line)
        })
    }

    /// Leaves secrets in every register, lane by lane, and at several depths of the stack, and
    /// sees whether each is sighted at its place.
    ///
    /// Afterwards the set is as before; the last call's leftovers are gone. For the start of a
    /// run; needs room for one secret in the set.
    pub fn prove_it_looks(&mut self, set: &mut SecretSet) -> Result<(), GateNotProven> {
        proof::prove_it_looks(self, set)
    }

    /// # Safety
    ///
    /// `function` is sound to call with `argument` and does not unwind.
    #[inline]
    unsafe fn call_raw(
        &mut self,
        function: unsafe extern "C" fn(*mut c_void),
        argument: *mut c_void,
    ) {
        self.inspected_depth = None;
        // SAFETY: the stack is mapped, aligned and as large as any code under test may expect; the
        // exclusive borrow keeps others from using it. `open` detected the level. The function is
        // the caller's promise.
        unsafe { call_captured(self.stack.above(), function, argument) };
    }
}

/// Shows nothing of what a call left.
impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

/// A call on its way, and what became of it.
struct Job<F, R> {
    call: Option<F>,
    returned: Option<R>,
    panic: Option<Box<dyn Any + Send>>,
}

/// The function to call for jobs of this type, which cannot be named otherwise.
fn run_job_of<F: FnOnce() -> R, R>(_: &Job<F, R>) -> unsafe extern "C" fn(*mut c_void) {
    run_job::<F, R>
}

/// What the trampoline calls. Does not unwind: what `call` throws is caught here.
unsafe extern "C" fn run_job<F: FnOnce() -> R, R>(job: *mut c_void) {
    // SAFETY: `Gate::call` passes a job of these types that it does not touch meanwhile.
    let job = unsafe { &mut *job.cast::<Job<F, R>>() };
    let Some(call) = job.call.take() else { return };
    // The closure writes what it returns itself, which saves a copy on this stack.
    let returned = &mut job.returned;
    job.panic = catch_unwind(AssertUnwindSafe(|| *returned = Some(call()))).err();
}

/// Vector register `number` in full, as the last call left it.
fn vector(above: &Above, number: usize) -> [u64; VECTOR_WORDS] {
    let part = match number {
        0..16 => PART_LOWER_HALF,
        _ => PART_FROM_SIXTEEN << ((number - 16) / 4),
    };
    if above.parts & part != 0 {
        return above.wide[number];
    }
    let mut words = [0; VECTOR_WORDS];
    if let Some(narrow) = above.narrow.get(number) {
        words[..2].copy_from_slice(narrow);
    }
    words
}

/// Which vector registers this processor has, and the system lets programs use.
fn vector_level() -> Result<VectorLevel, NotPorted> {
    if is_x86_feature_detected!("avx512f") {
        // The capture moves mask registers with instructions that the first such processors lack.
        let has_wide_masks = is_x86_feature_detected!("avx512bw");
        return if has_wide_masks { Ok(VectorLevel::Avx512) } else { Err(NotPorted) };
    }
    Ok(if is_x86_feature_detected!("avx") { VectorLevel::Avx } else { VectorLevel::Sse })
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    #[test]
    fn narrower_processors_are_proven_as_well() {
        let widest = vector_level().unwrap();
        for level in [VectorLevel::Sse, VectorLevel::Avx, VectorLevel::Avx512] {
            if level as u64 > widest as u64 {
                continue;
            }
            let mut gate = Gate::open_for(level, STACK_LEN);
            assert_eq!(gate.prove_it_looks(&mut SecretSet::new()), Ok(()), "{level:?}");
            let mut words = Vec::new();
            gate.call(|| ());
            let copied = gate.copy_leftovers(&mut words);
            let expected = [15 + 32, 15 + 64, 15 + 256 + 8][level as usize];
            assert_eq!(words.len() - copied.stack_words, expected);
        }
    }

    /// The register words after a call of `function`.
    fn register_words(
        gate: &mut Gate,
        function: unsafe extern "C" fn(*mut c_void),
        argument: *mut c_void,
    ) -> Vec<u64> {
        // SAFETY: the callers pass functions that only load registers, with what they take.
        unsafe { gate.call_raw(function, argument) };
        let mut words = Vec::new();
        let copied = gate.copy_leftovers(&mut words);
        words.split_off(copied.stack_words)
    }

    #[test]
    fn registers_are_copied_as_they_are_and_empty_at_the_next_call() {
        #[unsafe(naked)]
        unsafe extern "C" fn return_at_once(_: *mut c_void) {
            std::arch::naked_asm!("ret")
        }
        let level = vector_level().unwrap();
        let mut gate = Gate::open().unwrap();
        let mut contents = proof::Contents {
            general: std::array::from_fn(|index| index as u64 + 1),
            masks: std::array::from_fn(|index| index as u64 + 100),
            vectors: std::array::from_fn(|number| {
                std::array::from_fn(|word| number as u64 * 10 + word as u64 + 1_000)
            }),
        };
        let words = register_words(&mut gate, proof::loads_all(level), (&raw mut contents).cast());
        let copied = CopiedLeftovers { stack_words: 0, vector_words: 8 };
        if level == VectorLevel::Avx512 {
            assert_eq!(words[..15], contents.general);
            assert_eq!(words[15..15 + 256], *contents.vectors.as_flattened());
            assert_eq!(words[15 + 256..], contents.masks);
            let names = [15, 17, 19, 15 + 8 * 31, 15 + 256 + 7];
            let names = names.map(|index| copied.place(index).unwrap().to_string());
            assert_eq!(names, ["xmm0", "ymm0 byte 16", "zmm0 byte 32", "xmm31", "k7"]);
        }
        let mut words = register_words(&mut gate, return_at_once, ptr::without_provenance_mut(77));
        let argument = words.iter().position(|&word| word == 77).unwrap();
        assert_eq!(general_place(argument).to_string(), "rdi");
        words.remove(argument);
        assert!(words.iter().all(|&word| word == 0), "{words:?}");
    }

    #[test]
    fn settings_of_the_processor_survive_a_call() {
        fn control_word() -> u32 {
            let mut word = 0_u32;
            // SAFETY: writes to the place it gets.
            unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut word) };
            word & 0xffc0
        }
        let before = control_word();
        let mut gate = Gate::open().unwrap();
        gate.call(|| {
            let careless = 0x1f80_u32 | 0x6000;
            // SAFETY: the gate undoes what C functions must not do.
            unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const careless) };
            assert_ne!(control_word(), before);
        });
        assert_eq!(control_word(), before);
    }

    #[test]
    fn a_thread_without_a_signal_stack_has_one_while_the_gate_is_open() {
        let thread = std::thread::spawn(|| {
            let none =
                libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
            let mut before = none;
            // SAFETY: takes the thread's signal stack away, and puts it back below.
            assert_eq!(unsafe { libc::sigaltstack(&raw const none, &raw mut before) }, 0);
            let gate = Gate::open().unwrap();
            assert!(signals::is_installed());
            drop(gate);
            assert!(!signals::is_installed());
            // SAFETY: the stack that it was before, which the thread's end will free.
            unsafe { libc::sigaltstack(&raw const before, ptr::null_mut()) };
        });
        assert!(thread.join().is_ok());
    }
}
