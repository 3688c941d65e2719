//! What the fuzz targets do: everything but the glue to the engine.
//!
//! A target's input is a call sequence as text or wire; see
//! [`CallSequence::from_bytes`](crate::sequence::CallSequence::from_bytes). Some environment
//! variables change a target, none of which a hosted run needs: `REKEYLAB_PROGRESS=1` prints
//! counts now and then, `REKEYLAB_FOUND=directory` hands inputs that break something over as
//! files in there and goes on, `REKEYLAB_FAULT=name` plants a fault in builds that have them, and
//! [`REKEYLAB_WITHOUT_LAYERS`](crate::executor::layers_left_out) leaves layers out.

#[cfg(all(feature = "command", unix))]
mod afl_engine;
mod forms;
mod handed_over;
mod sample;
#[cfg(feature = "command")]
mod search_engine;

use core::cell::{Cell, RefCell};
use std::io::Write as _;

use rand::SeedableRng as _;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::Workbench;
use crate::executor::AnyDut;
use crate::generate::{LimitsAt, mutate as mutate_calls};
use crate::invariant::Violation;
use crate::observation::{Layer, Layers, Trace};
use crate::report::{Colour, Subject, abort_with, sanitizer_line, story};
use crate::sequence::CallSequence;
use crate::sequence::wire::{RECORD_LEN, encode_into};

#[cfg(all(feature = "command", unix))]
pub use afl_engine::{AflTarget, afl_engine};
pub use forms::sequence_forms;
use handed_over::HandedOver;
pub use sample::{Sample, look_of};
#[cfg(feature = "command")]
pub use search_engine::{EngineOrder, search_engine};

/// The target `call_sequence`, the fast lane: runs the input and ends the process if an invariant
/// is broken.
pub fn call_sequence(input: &[u8]) {
    call_sequence_on(core_from_environment, input);
}

/// The target `call_sequence_keysan`, the gated lane: the same, and every call leaves its stack,
/// its registers and the heap to be looked into.
pub fn call_sequence_keysan(input: &[u8]) {
    call_sequence_keysan_on(core_from_environment, input);
}

/// The same as [`call_sequence`] for a target of another driver, which is made before the first input.
pub fn call_sequence_on(make: impl FnOnce() -> AnyDut, input: &[u8]) {
    FAST.with_borrow_mut(|target| {
        target.get_or_insert_with(|| Target::new(Layers::FAST, make())).run_or_abort(input);
    });
}

/// The same as [`call_sequence_keysan`] for a target of another driver, which is made before the first
/// input.
pub fn call_sequence_keysan_on(make: impl FnOnce() -> AnyDut, input: &[u8]) {
    GATED.with_borrow_mut(|target| {
        target.get_or_insert_with(|| Target::new(Layers::GATED, make())).run_or_abort(input);
    });
}

/// The engine's mutator: one input in eight goes to the engine's own, the others change by calls.
///
/// `data[..size]` is the input; the answer is the new length, never above `max_size`.
pub fn mutate(
    data: &mut [u8],
    size: usize,
    max_size: usize,
    seed: u32,
    engine: impl FnOnce(&mut [u8], usize, usize) -> usize,
) -> usize {
    if seed.is_multiple_of(8) || max_size < RECORD_LEN {
        return engine(data, size, max_size);
    }
    SCRATCH.with_borrow_mut(|Scratch { first, bytes, is_mutated, .. }| {
        CallSequence::from_bytes_into(&data[..size], first);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed.into());
        mutate_calls(first, &mut rng, &LIMITS.get(), max_size / RECORD_LEN);
        let len = write(first, bytes, &mut data[..max_size]);
        *is_mutated = len == first.calls.len() * RECORD_LEN;
        len
    })
}

/// Writes the sequence as wire, whole records only.
fn write(sequence: &CallSequence, bytes: &mut Vec<u8>, out: &mut [u8]) -> usize {
    bytes.clear();
    encode_into(sequence, bytes);
    bytes.truncate(out.len() / RECORD_LEN * RECORD_LEN);
    out[..bytes.len()].copy_from_slice(bytes);
    bytes.len()
}

/// Reads an input; mostly it is what the mutator has just written, and need not be decoded.
fn read(input: &[u8], sequence: &mut CallSequence) {
    SCRATCH.with_borrow(|Scratch { first, bytes, is_mutated, .. }| {
        if *is_mutated && bytes == input {
            sequence.calls.clone_from(&first.calls);
        } else {
            CallSequence::from_bytes_into(input, sequence);
        }
    });
}

thread_local! {
    static FAST: RefCell<Option<Target>> = const { RefCell::new(None) };
    static GATED: RefCell<Option<Target>> = const { RefCell::new(None) };
    static SCRATCH: RefCell<Scratch> = RefCell::default();
    /// Of the driver under test.
    static LIMITS: Cell<LimitsAt> = const { Cell::new(LimitsAt::CORE) };
}

#[derive(Default)]
struct Scratch {
    first: CallSequence,
    bytes: Vec<u8>,
    /// Whether `bytes` is the wire form of `first`.
    is_mutated: bool,
}

/// What the target keeps from input to input.
struct Target {
    /// What is looked into for every input; a share gets more.
    lane: Layers,
    /// What of that was said to be missing.
    missing: Layers,
    workbench: Workbench,
    sequence: CallSequence,
    /// Where inputs that break something go, if the engine shall go on.
    handed_over: Option<HandedOver>,
    is_reporting: bool,
    execution_count: u64,
    call_count: u64,
    /// Inputs for which more than the lane was looked into: the text of `Debug`.
    debug_count: u64,
    /// The same: runs compared.
    differential_count: u64,
}

/// A share of one in so many inputs has `Debug` of the driver read after every call.
const DEBUG_SHARE: u64 = 4096;

/// In the gated lane, for one in so many inputs what is made of a key is searched for too, and it is
/// run four times more for the differential.
const DIFFERENTIAL_SHARE: u64 = 256;

/// The first inputs of a process are looked into like those of all shares: seeds, the working set of
/// another run, and reproducers given by hand.
const FIRST: u64 = 256;

/// How often progress is printed, in executions: in each lane some times a second.
const FAST_PROGRESS_INTERVAL: u64 = 1 << 14;
const GATED_PROGRESS_INTERVAL: u64 = 1 << 10;

impl Target {
    fn new(lane: Layers, dut: AnyDut) -> Self {
        LIMITS.set(LimitsAt::of_each(|bounds| dut.limits_at(bounds)));
        let workbench = Workbench::on(dut);
        let missing = lane.except(workbench.layers());
        tell_missing(missing);
        Self {
            lane,
            missing,
            workbench,
            sequence: CallSequence::default(),
            handed_over: HandedOver::from_environment(),
            is_reporting: std::env::var_os("REKEYLAB_PROGRESS").is_some(),
            execution_count: 0,
            call_count: 0,
            debug_count: 0,
            differential_count: 0,
        }
    }

    /// Runs one input and counts it.
    fn run(&mut self, input: &[u8]) {
        read(input, &mut self.sequence);
        self.workbench.run_with(&self.sequence, self.layers_for(input));
        // A driver may still hold memory of an earlier input, which is not looked into again.
        let looked_into = self.workbench.trace().layers;
        if self.lane.has(Layer::Heap)
            && !looked_into.has(Layer::Heap)
            && looked_into != Layers::NONE
        {
            let missing = Layers::NONE.with(Layer::Heap).except(self.missing);
            tell_missing(missing);
            self.missing = self.missing.with(Layer::Heap);
        }
        self.execution_count += 1;
        self.call_count += self.workbench.trace().sequence_len as u64;
        self.debug_count += u64::from(looked_into.has(Layer::Debug));
        self.differential_count += u64::from(looked_into.has(Layer::Differential));
        let is_gated = self.lane.need_the_gate();
        let interval = if is_gated { GATED_PROGRESS_INTERVAL } else { FAST_PROGRESS_INTERVAL };
        // The first ones more often: an engine that is soon killed, by a hang say, has told of most of its work.
        let count = self.execution_count;
        if self.is_reporting && (count.is_multiple_of(interval) || count.is_power_of_two()) {
            self.report_progress();
        }
    }

    /// What the last input broke first, with its story.
    fn story(&mut self) -> Option<(Violation, String)> {
        let first = self.workbench.verdict().first()?.clone();
        let sequence = &self.sequence;
        let aftermath = &self.workbench.aftermath(sequence);
        let (trace, verdict) = (self.workbench.trace(), self.workbench.verdict());
        let subject = Subject { sequence, trace, verdict, aftermath, replay: None };
        Some((first, story(&subject, Colour::Off)))
    }

    /// The lane's layers, and more for the first inputs and for a share of the others.
    fn layers_for(&self, input: &[u8]) -> Layers {
        let is_first = self.execution_count < FIRST;
        let in_share = |one_in| is_first || share_of(input).is_multiple_of(one_in);
        let mut layers = self.lane;
        if in_share(DEBUG_SHARE) {
            layers = layers.with(Layer::Debug);
        }
        if self.lane.need_the_gate() && in_share(DIFFERENTIAL_SHARE) {
            layers = layers.with(Layer::Derived).with(Layer::Differential);
        }
        layers
    }

    /// Runs one input. If that breaks something or proves nothing, hands it over, or ends the process.
    #[expect(clippy::print_stderr, reason = "engines and crash tools read the target's stderr")]
    fn run_or_abort(&mut self, input: &[u8]) {
        self.run(input);
        let (trace, verdict) = (self.workbench.trace(), self.workbench.verdict());
        if let Some(handed_over) = &mut self.handed_over {
            if let Some(void) = trace.void {
                handed_over.hand_over("void", input, void.layer.name().to_owned());
            } else if !verdict.is_clean() {
                handed_over.hand_over("crash", input, look_of(verdict, trace));
            }
            return;
        }
        if let Some(void) = trace.void {
            // An error of the workbench: no invariant's function is on the stack.
            eprintln!("rekeylab: {void}; nothing is known about this input");
            std::process::abort();
        }
        if verdict.is_clean() {
            return;
        }
        if self.is_reporting {
            self.report_progress();
        }
        if let Some((violation, told)) = self.story() {
            eprintln!("{told}\n{}", sanitizer_line(&violation));
            abort_with(&violation);
        }
    }

    fn report_progress(&self) {
        let (executions, calls) = (self.execution_count, self.call_count);
        let (debug, differential) = (self.debug_count, self.differential_count);
        // One write, so that lines of several workers do not mix; nobody waits for it.
        let line = format!(
            "rekeylab: executions={executions} calls={calls} debug={debug} \
             differential={differential}\n"
        );
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

impl Drop for Target {
    /// An engine ends its process between two reports.
    fn drop(&mut self) {
        if self.is_reporting {
            self.report_progress();
        }
    }
}

/// Says what is not looked into, in a line that a campaign reads.
fn tell_missing(missing: Layers) {
    if missing != Layers::NONE {
        let line = format!("rekeylab: not-looked-into={}\n", missing.names().join(","));
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

/// What a violation looks like from outside: its invariant and the call that showed it.
#[must_use]
pub fn symptom(violation: &Violation, trace: &Trace) -> String {
    let call = trace.calls.get(violation.call);
    let word = call.map_or("end", |seen| seen.call.kind().word());
    format!("{}/{word}", violation.invariant)
}

/// Which share an input belongs to: the same for the same bytes, at the cost of reading a few.
fn share_of(input: &[u8]) -> u64 {
    let eighth = input.len() / 8;
    let words = (0..8).filter_map(|part| input.get(part * eighth..)?.first_chunk::<8>());
    let mixed = words.fold(input.len() as u64, |mixed, word| {
        (mixed ^ u64::from_le_bytes(*word)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29)
    });
    // The top bits depend on everything.
    mixed.wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 40
}

/// The driver core; with the fault that the environment names, if the build has faults.
fn core_from_environment() -> AnyDut {
    #[cfg(feature = "faults")]
    if let Ok(name) = std::env::var("REKEYLAB_FAULT") {
        let fault = rekeylab_faults::Fault::from_name(&name);
        assert!(fault.is_some(), "REKEYLAB_FAULT: there is no fault {name:?}");
        return crate::executor::core_with(fault);
    }
    AnyDut::default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::{SearchOptions, generate_from_seed};

    fn wire_of(seed: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_into(&generate_from_seed(seed, &SearchOptions::default()), &mut bytes);
        bytes
    }

    #[test]
    fn a_mutation_fits_also_when_the_engine_wants_less_than_it_gave() {
        for seed in 0..200 {
            let input = wire_of(seed.into());
            for max_size in [0, 1, RECORD_LEN, input.len() / 2, input.len(), 2 * input.len()] {
                let mut data = input.clone();
                data.resize(input.len().max(max_size), 0);
                let len =
                    mutate(&mut data, input.len(), max_size, seed, |_, size, max| size.min(max));
                assert!(len <= max_size, "{len} of {max_size}");
            }
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_mutation() {
        let a = wire_of(1);
        for seed in 1..50 {
            let mutated = || {
                let mut data = a.clone();
                data.resize(4096, 0);
                let len = mutate(&mut data, a.len(), 4096, seed, |_, size, _| size);
                data.truncate(len);
                data
            };
            assert_eq!(mutated(), mutated());
        }
    }

    #[test]
    fn about_one_input_in_so_many_is_in_the_debug_share() {
        let inputs = (0..81_920).map(wire_of);
        let hits = inputs.filter(|input| share_of(input).is_multiple_of(DEBUG_SHARE)).count();
        assert!((8..40).contains(&hits), "{hits} of 81920");
    }

    #[test]
    fn every_input_runs_and_is_counted() {
        for input in
            [&b""[..], b"\x00", b"# rekeylab sequence 1\nd0 = create-device\n", b"# rekeylab"]
        {
            call_sequence(input);
        }
        (0..50).for_each(|seed| call_sequence(&wire_of(seed)));
        FAST.with_borrow(|target| {
            let target = target.as_ref().unwrap();
            assert_eq!(target.execution_count, 54);
            assert!(target.call_count > 50 * 24);
        });
    }
}
