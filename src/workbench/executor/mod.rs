//! Makes the calls of a sequence against a driver, as a client would, and writes down what it saw.
//!
//! It judges nothing. All that a verdict needs goes into a [`Trace`], including what the client
//! gave and what the seams below the driver answered.
//!
//! ```text
//! dut        what can be driven; any_dut: as a value; honest_core, faulty_core: ours
//! run        one execution: the calls in order, the epilogue, the end
//! perform    each call as the client makes it; client is what the client remembers
//! secrets    what is searched for; outputs and hygiene, where
//! hang       a run up to the call that hung in another
//! state      which state the calls led to
//! differential   four more runs, and what follows the key in them
//! ```

mod any_dut;
mod audit;
mod cipher;
mod client;
mod differential;
mod dut;
#[cfg(feature = "faults")]
mod faulty_core;
mod hang;
mod honest_core;
mod hygiene;
mod left_out;
mod outputs;
mod panic;
mod perform;
mod plain_mechanism;
mod run;
mod seams;
mod secrets;
mod state;

use core::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;

use keysan::SecretSet;
use keysan::heap;
use keysan::text::{Encoding, Scratch, scan_text};

use crate::observation::{Block, Layer, Layers, Observation, Place, Sighting, Stage, Trace};
use crate::sequence::expand::World;
use crate::sequence::{CALLS_MAX, Call, CallSequence, Opening, Shape};
use crate::watchdog::Beat;
pub use any_dut::AnyDut;
#[cfg(feature = "command")]
pub(crate) use any_dut::Erased;
use audit::Taint;
pub use audit::{Remnant, TaintedBlock};
pub use cipher::{NotAes, prove_cipher};
use client::Client;
use differential::{Differential, RunRecord};
pub use dut::{DeclaredHome, Dut};
#[cfg(feature = "faults")]
pub use faulty_core::{FaultyCore, core_with};
pub(crate) use hang::note_unanswered;
pub use honest_core::{Core, CoreOn, Source};
use hygiene::Instruments;
pub use left_out::{UnknownLayer, layers_left_out};
pub use plain_mechanism::PlainTestMechanism;
use run::Run;
pub use seams::{CountingEngine, Seams, SeededEntropy};

/// Runs sequences; keeps its memory from one to the next.
pub struct Executor {
    seams: Rc<Seams>,
    client: Client,
    secrets: SecretSet,
    /// Which secret the key of a seed and a shape is, for those that were exchanged.
    exchanged: Vec<((u32, Shape), u32)>,
    /// Which secrets are made of which keys.
    made_of: Vec<(u32, u32)>,
    /// The random number that the next draw answers, and which secret it is.
    planned: Option<([u8; 16], u32)>,
    /// What can be looked into in this program, on this machine.
    layers: Layers,
    text: String,
    last_text: String,
    scratch: Scratch,
    differential: Differential,
    taint: Taint,
    /// Whether the sequence itself holds part of a secret.
    holds_key_part: bool,
    /// Whether the state behind the last call is wanted.
    wanted: state::Wanted,
    /// Where a run ends because another hung there.
    hangs_at: Option<Stage>,
    /// Whether a driver that hangs is left as it is.
    leaves_hanging: bool,
    /// Where the monitor looks, if the process has one.
    beat: Option<Arc<Beat>>,
    /// How many calls of a sequence are run.
    calls_max: usize,
}

impl core::fmt::Debug for Executor {
    // Without the random number that comes next.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Executor")
            .field("secrets", &self.secrets)
            .field("layers", &self.layers)
            .finish_non_exhaustive()
    }
}

impl Default for Executor {
    fn default() -> Self {
        Self::new()
    }
}

impl Executor {
    /// An executor, after it has shown itself that what it looks with really looks.
    ///
    /// # Panics
    ///
    /// Panics if the cipher, by which every buffer is judged, is not AES; see [`prove_cipher`]. The same
    /// if [`layers_left_out`] cannot be read.
    #[must_use]
    pub fn new() -> Self {
        panic::install_hook();
        cipher::prove_the_chosen_one().unwrap_or_else(|error| panic!("{error}"));
        let mut secrets = SecretSet::new();
        let mut instruments = Instruments::take();
        let left_out = layers_left_out().unwrap_or_else(|error| panic!("{error}"));
        let layers = instruments.proven_layers(&mut secrets).except(left_out);
        instruments.put_back();
        Self {
            seams: Rc::new(Seams::default()),
            client: Client::default(),
            secrets,
            exchanged: Vec::new(),
            made_of: Vec::new(),
            planned: None,
            layers,
            text: String::new(),
            last_text: String::new(),
            scratch: Scratch::new(),
            differential: Differential::default(),
            taint: Taint::Off,
            holds_key_part: false,
            wanted: state::Wanted::default(),
            hangs_at: None,
            leaves_hanging: false,
            beat: Beat::of_this_thread(),
            calls_max: CALLS_MAX,
        }
    }

    /// From now on runs this many calls of a sequence: [`CALLS_MAX`] as it is made, more for a log.
    ///
    /// Of a log only the first secrets are watched, as many as there is room for; when more come, its
    /// trace says that nothing was looked into.
    pub(crate) fn run_up_to(&mut self, calls_max: usize) {
        self.calls_max = calls_max;
    }

    /// From now on calls run on a stack of at least so many bytes, where it is looked into: what a driver needs
    /// that is not ours is not known.
    #[cfg(feature = "command")]
    pub(crate) fn deepen_the_stack(&mut self, stack_len: usize) {
        let mut instruments = Instruments::take();
        instruments.deepen(stack_len);
        let proven = instruments.proven_layers(&mut self.secrets);
        self.layers = self.layers.and(proven);
        instruments.put_back();
    }

    /// Whether the driver of the last run still holds memory that it got there, so that the heap of the next one
    /// cannot be looked into.
    #[cfg(feature = "command")]
    pub(crate) fn is_memory_held_over() -> bool {
        let instruments = Instruments::take();
        let is_held = instruments.arena.as_ref().is_some_and(|arena| arena.live_count() > 0);
        instruments.put_back();
        is_held
    }

    /// How many calls of a sequence are run.
    #[cfg(feature = "command")]
    pub(crate) fn calls_max(&self) -> usize {
        self.calls_max
    }

    /// What can be looked into in this program, on this machine.
    ///
    /// The heap can when [`keysan::heap::ScanningAllocator`] is the program's global allocator;
    /// stack and registers where the call gate has a port.
    #[must_use]
    pub fn layers(&self) -> Layers {
        self.layers
    }

    /// Makes every call of `sequence` on a fresh driver and fills `trace` with what was seen.
    ///
    /// After the last call comes the epilogue: the GPU drains and every device is destroyed, so
    /// that whatever stays behind shows. Of `layers`, those are looked into that can be;
    /// [`Trace::layers`] says which.
    pub fn execute<D: Dut>(
        &mut self,
        dut: &D,
        sequence: &CallSequence,
        layers: Layers,
        trace: &mut Trace,
    ) {
        let mut layers = layers.and(self.layers).except(dut.out_of_reach());
        // Asked only where it matters: the fast lane looks into nothing that a driver declares.
        if layers != Layers::FAST {
            layers = layers.except(dut::missing_layers(dut));
        }
        let mut instruments = Instruments::take();
        self.run(&mut instruments, dut, sequence, layers, World::default(), None, trace);
        // A block that one run leaves behind may be a cache; only several runs tell.
        let stays = core::mem::take(&mut trace.leaks);
        if trace.layers.has(Layer::Differential) {
            if trace.panic.is_none() && trace.hang.is_none() {
                self.compare_runs(&mut instruments, dut, sequence, &stays, trace);
            } else {
                // A run that did not end cannot be compared.
                trace.layers = trace.layers.without(Layer::Differential);
            }
        }
        instruments.put_back();
    }

    #[expect(clippy::too_many_arguments, reason = "what one run is made of; there are two callers")]
    fn run<D: Dut>(
        &mut self,
        instruments: &mut Instruments,
        dut: &D,
        sequence: &CallSequence,
        layers: Layers,
        world: World,
        mut recording: Option<&mut RunRecord>,
        trace: &mut Trace,
    ) {
        if let Some(beat) = &self.beat {
            beat.begin(sequence, layers);
        }
        trace.clear();
        trace.layers = layers;
        self.client.clear();
        self.secrets.clear();
        self.exchanged.clear();
        self.made_of.clear();
        self.planned = None;
        self.holds_key_part = false;
        self.last_text.clear();
        let opening = Opening::of(&sequence.calls);
        self.seams.clear(world, opening.entropy, self.taint == Taint::Marked);
        if let Some(arena) = &instruments.arena {
            // What nobody looks through need not be kept.
            arena.serve(layers.look_around() || recording.is_some() || self.taint != Taint::Off);
            arena.reset();
            if layers.look_around() && arena.retained_len() > 0 {
                // Blocks of earlier sequences that a driver still holds lie where no scan looks, and a
                // secret of this sequence may get into one: nobody may say that the heap was looked into.
                trace.layers = trace.layers.without(Layer::Heap);
            }
            if let Some(record) = &mut recording {
                record.floor = arena.retained_len();
            }
        }
        let driver = None;
        let is_recorded = recording.is_some();
        let (is_gated, looks_around) =
            (layers.need_the_gate() || is_recorded, layers.look_around() || is_recorded);
        let mut run = Run {
            executor: self,
            instruments,
            dut,
            trace,
            limits: dut.limits_at(opening.bounds),
            bounds: opening.bounds,
            driver,
            layers,
            is_gated,
            looks_around,
            world,
            recording,
            seen: Observation::new(Call::ResetEngine),
            is_calling: false,
        };
        let ended = panic::catch(|| run.whole(sequence));
        if let Ok(ControlFlow::Break(stage)) = ended {
            run.leave_hanging(stage);
        } else if let Err(message) = ended {
            run.note_unanswered();
            let call = run.trace.calls.len().saturating_sub(1);
            if run.is_gated {
                run.look_at_stack_and_registers(call);
                run.look_deep();
            }
            // What the driver frees now, it frees because of the panic. That it may panic again is
            // told by the first one.
            if let ControlFlow::Break(stage) = run.go_on_to(Stage::Dropping) {
                run.leave_hanging(stage);
            }
            let _ = panic::catch(|| run.drop_driver());
            run.executor.note_freed(run.trace, call);
            // With the driver, everything that lived in it is dead.
            run.executor.client.lose_everything();
            if layers.look_around() {
                run.look_around(call);
                run.look_at_stray_writes();
            }
            if layers.has(Layer::Log) {
                self.note_text(trace, call, &message, &|encoding| Place::Panic { encoding });
            }
            trace.panic = Some(message);
        }
        if let Some(beat) = &self.beat {
            beat.end();
        }
        trace.reserved_len = self.seams.reserved_len();
        if self.holds_key_part {
            trace.sightings.clear();
            trace.layers = Layers::NONE;
        }
    }

    #[inline]
    fn note_freed(&mut self, trace: &mut Trace, call: usize) {
        heap::take_report(|freed| {
            if trace.layers.has(Layer::FreedHeap) {
                // Without an arena only the size of the block is known.
                let unnumbered = Block {
                    number: u32::MAX,
                    len: narrow(freed.block_len),
                    allocated_in: 0,
                    freed_in: Some(narrow(call)),
                };
                let block = freed.block.unwrap_or(unnumbered);
                let place = Place::FreedHeap { block, offset: narrow(freed.position) };
                trace.sightings.push(sighting(freed.tag, freed.window, call, place));
            }
        });
    }

    fn note_text(
        &mut self,
        trace: &mut Trace,
        call: usize,
        text: &str,
        place: &dyn Fn(Encoding) -> Place,
    ) {
        scan_text(&self.secrets, text, &mut self.scratch, &mut |seen| {
            trace.sightings.push(sighting(seen.tag, seen.window, call, place(seen.encoding)));
        });
    }
}

fn sighting(secret: u32, window: u8, call: usize, place: Place) -> Sighting {
    Sighting { secret, window, call: narrow(call), place }
}

/// Positions in a trace are 32 bits wide; `CALLS_MAX` calls of a page each are far below that.
fn narrow(position: usize) -> u32 {
    u32::try_from(position).expect("a trace is bounded far below 4 GiB")
}

/// Slots are numbered in 16 bits; there are at most `CALLS_MAX` of them.
fn short(slot: usize) -> u16 {
    u16::try_from(slot).expect("at most CALLS_MAX slots")
}
