//! The two-key differential: what follows the key and not the payload is the key, whatever it looks
//! like.

use keysan::differential::{Cause, Recording, compare_repeated};
use keysan::gate::Gate;

use super::Executor;
use super::dut::Dut;
use super::hygiene::{Instruments, Recorded, place_of};
use crate::observation::{Block, Following, Layer, Layers, Place, Trace, Void};
use crate::sequence::CallSequence;
use crate::sequence::expand::World;

/// What the runs left, and a trace that nobody reads.
#[derive(Debug, Default)]
pub(super) struct Differential {
    runs: [RunRecord; 4],
    trace: Trace,
}

/// What one run left.
#[derive(Debug, Default)]
pub(super) struct RunRecord {
    pub(super) recording: Recording,
    /// What each record shows, and after which call.
    shown: Vec<(Recorded, u32)>,
    /// How much of the arena earlier runs had left in use.
    pub(super) floor: usize,
    /// Whether some home had to hold a key when it was recorded.
    pub(super) is_key_expected: bool,
}

impl RunRecord {
    /// Records what `write` appends, up to `words` of it.
    pub(super) fn record(
        &mut self,
        shown: Recorded,
        call: u32,
        words: usize,
        write: impl FnOnce(&mut Vec<u64>),
    ) {
        self.shown.push((shown, call));
        self.recording.make_room(words);
        self.recording.record_with(shown.region(), write);
    }

    /// Records what the last call left in the stack and in registers.
    pub(super) fn record_leftovers(&mut self, gate: &Gate, call: u32) {
        let mut copied = None;
        self.recording.make_room(gate.leftover_word_count());
        self.recording.record_with(LEFTOVERS, |words| copied = Some(gate.copy_leftovers(words)));
        self.shown.extend(copied.map(|copied| (Recorded::Leftovers(copied), call)));
    }

    fn clear(&mut self) {
        self.recording.clear();
        self.shown.clear();
        self.is_key_expected = false;
    }
}

/// The number of [`Recorded::Leftovers`] in a recording.
const LEFTOVERS: u32 = 0;

/// The same sequence as it is, with another key, with other payloads, and as it is again: what is
/// not the same then, such as a counter of coverage, follows nothing.
const WORLDS: [World; 4] = [
    World { secrets: 0, payloads: 0 },
    World { secrets: 1, payloads: 0 },
    World { secrets: 0, payloads: 1 },
    World { secrets: 0, payloads: 0 },
];

impl Executor {
    /// Runs the sequence four times more and notes the words that follow the key, or what `stays` of
    /// the heap if more does with each run.
    pub(super) fn compare_runs<D: Dut>(
        &mut self,
        instruments: &mut Instruments,
        dut: &D,
        sequence: &CallSequence,
        stays: &[Block],
        trace: &mut Trace,
    ) {
        let mut differential = core::mem::take(&mut self.differential);
        for (world, run) in WORLDS.into_iter().zip(&mut differential.runs) {
            run.clear();
            let scratch = &mut differential.trace;
            self.run(instruments, dut, sequence, Layers::NONE, world, Some(run), scratch);
        }
        let [base, other_key, other_payload, again] = &differential.runs;
        if differential.runs.iter().any(|run| run.floor != base.floor) {
            // A driver that leaks memory has other addresses in each run.
            trace.leaks.extend_from_slice(stays);
            trace.layers = trace.layers.without(Layer::Differential);
            self.differential = differential;
            return;
        }
        let (followings, shown) = (&mut trace.followings, &base.shown);
        let [base_run, again, other_key, other_payload] =
            [base, again, other_key, other_payload].map(|run| &run.recording);
        let note = &mut |following: keysan::differential::Following| {
            let (shown, call) = shown[following.record as usize];
            let place = place_of_word(instruments, dut, shown, following.word as usize);
            // Between blocks there is nothing to name; it is told all the same.
            let place = place.unwrap_or(Place::Shape);
            followings.push(Following { call, place, word_count: following.words });
        };
        let compared = compare_repeated(base_run, again, other_key, other_payload, note);
        let is_void = match compared {
            // Homes with a key in them were recorded: if no word follows the key, the other key was
            // not used, or not seen.
            Ok(compared) => base.is_key_expected && !compared.is_conclusive(),
            Err(misaligned) if misaligned.cause() == Cause::Key => {
                let record = misaligned.first_record() as usize;
                let call = shown.get(record).map_or(0, |&(_, call)| call);
                followings.push(Following { call, place: Place::Shape, word_count: 0 });
                false
            }
            Err(_) => true,
        };
        if is_void {
            trace.void.get_or_insert(Void { layer: Layer::Differential, call: 0 });
        }
        differential.runs.iter_mut().for_each(RunRecord::clear);
        self.differential = differential;
    }
}

fn place_of_word<D: Dut>(
    instruments: &Instruments,
    dut: &D,
    shown: Recorded,
    word: usize,
) -> Option<Place> {
    match shown {
        Recorded::Leftovers(copied) => copied.place(word).map(place_of),
        Recorded::Heap => {
            let place = instruments.arena.as_ref()?.place_of_word(word);
            Some(Place::Heap { block: place.block?, offset: place.offset })
        }
        Recorded::Statics => {
            let (region, offset) = dut.statics()?.place_of_word(word)?;
            let (name, offset) = (region.name(), super::narrow(offset));
            Some(Place::Static { name, offset })
        }
    }
}
