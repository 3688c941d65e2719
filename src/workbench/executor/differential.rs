//! The two-key differential: what follows the key and not the payload is the key, whatever it looks
//! like.

use keysan::differential::{Cause, Misaligned, Recording, Shape, compare_repeated};
use keysan::gate::Gate;

use super::Executor;
use super::dut::Dut;
use super::hygiene::{Instruments, Recorded, place_of};
use crate::observation::{
    Block, Following, Layer, Layers, Place, Shaped, TextFollowing, TextPlace, Trace, Void,
};
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
    /// What the driver said, one piece behind the other.
    pub(super) said: String,
    /// What each piece is, after which call, and where it ends.
    pieces: Vec<(TextKind, u32, usize)>,
}

/// Something that the driver said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TextKind {
    /// What a call logged.
    Log,
    /// `Debug` of the driver.
    Debug,
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

    /// Notes that what was said since the last piece is one.
    pub(super) fn end_piece(&mut self, spoken: TextKind, call: u32) {
        self.pieces.push((spoken, call, self.said.len()));
    }

    /// Every piece, with what it is and after which call.
    fn pieces(&self) -> impl Iterator<Item = (TextKind, u32, &str)> {
        let mut start = 0;
        self.pieces.iter().map(move |&(spoken, call, end)| {
            let piece = self.said.get(start..end).unwrap_or_default();
            start = end;
            (spoken, call, piece)
        })
    }

    fn clear(&mut self) {
        self.recording.clear();
        self.shown.clear();
        self.is_key_expected = false;
        self.said.clear();
        self.pieces.clear();
        // Now, because it must not grow during a call.
        self.said.reserve(SAID_LEN_MAX);
    }
}

/// Of what a driver says in one run the beginning is compared, in bytes.
pub(super) const SAID_LEN_MAX: usize = 1 << 20;

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
        compare_texts(&differential.runs, &mut trace.text_followings);
        let (followings, shown) = (&mut trace.followings, &base.shown);
        let [base_run, again, other_key, other_payload] =
            [base, again, other_key, other_payload].map(|run| &run.recording);
        let note = &mut |following: keysan::differential::Following| {
            let (shown, call) = shown[following.record as usize];
            let place = place_of_word(instruments, dut, shown, following.word as usize);
            // Between blocks there is nothing to name; it is told all the same.
            let place = place.unwrap_or(Place::Shape { of: Shaped::Gap });
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
                let place = Place::Shape { of: shaped(&misaligned, shown.get(record)) };
                followings.push(Following { call, place, word_count: 0 });
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

/// What is another with another key, where the runs have records of different shapes.
fn shaped(misaligned: &Misaligned, shown: Option<&(Recorded, u32)>) -> Shaped {
    let shape = misaligned.with_other_key.map(|departure| departure.shape);
    match (shape, shown) {
        (Some(Shape::Excuses), _) => Shaped::Home,
        (Some(Shape::Words), Some((Recorded::Heap, _))) => Shaped::Heap,
        (Some(Shape::Words), Some((Recorded::Leftovers(_), _))) => Shaped::Stack,
        _ => Shaped::Way,
    }
}

/// Notes each piece of text that is another with another key, and the same with other payloads and in
/// the next run: whatever its encoding is, it says something of the key.
fn compare_texts(runs: &[RunRecord; 4], told: &mut Vec<TextFollowing>) {
    let [base, other_key, other_payload, again] = runs;
    let of = |run: &RunRecord| {
        run.pieces().map(|(spoken, call, text)| (spoken, call, text.to_owned())).collect::<Vec<_>>()
    };
    let others = [of(other_key), of(other_payload), of(again)];
    let mut last_debug = false;
    for (index, (spoken, call, text)) in base.pieces().enumerate() {
        let [keyed, paid, same] = others.each_ref().map(|pieces| pieces.get(index));
        let is_like = |other: Option<&(TextKind, u32, String)>| {
            other.is_some_and(|(its, at, said)| (*its, *at) == (spoken, call) && said == text)
        };
        let follows = !is_like(keyed) && is_like(paid) && is_like(same);
        match spoken {
            TextKind::Log if follows => {
                let other = keyed.map_or("", |(_, _, said)| said);
                let differs = text.lines().zip(other.lines()).position(|(one, other)| one != other);
                let line = super::narrow(differs.unwrap_or(0)) + 1;
                told.push(TextFollowing { call, place: TextPlace::Log { line } });
            }
            // `Debug` goes on showing what it shows, and is told where it begins to.
            TextKind::Debug if follows && !last_debug => {
                told.push(TextFollowing { call, place: TextPlace::Debug });
            }
            TextKind::Log | TextKind::Debug => {}
        }
        if spoken == TextKind::Debug {
            last_debug = follows;
        }
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

#[cfg(test)]
mod tests {
    use keysan::differential::Departure;

    use super::*;

    #[test]
    fn what_is_another_with_another_key_is_named_by_what_was_recorded_there() {
        let of = |shape, shown: Option<Recorded>| {
            let departure = Departure { record: 0, region: None, shape };
            let misaligned =
                Misaligned { with_other_key: Some(departure), with_other_payload: None };
            shaped(&misaligned, shown.map(|shown| (shown, 0)).as_ref())
        };
        assert_eq!(of(Shape::Words, Some(Recorded::Heap)), Shaped::Heap);
        assert_eq!(of(Shape::Excuses, Some(Recorded::Heap)), Shaped::Home);
        assert_eq!(of(Shape::Records, None), Shaped::Way);
        assert_eq!(of(Shape::Words, Some(Recorded::Statics)), Shaped::Way);
    }
}
