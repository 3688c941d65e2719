//! What a run says about the bug it shows, without what differs from build to build.

use std::collections::BTreeMap;

use crate::invariant::Violation;
use crate::observation::{
    Block, Draw, Home, Observation, Place, SecretKind, SecretName, TextPlace, Trace,
};
use crate::sequence::{Call, wire};
use keysan::text::Encoding;

/// The invariants that are broken by where secrets are seen.
pub(super) const ABOUT_SECRETS: [&str; 2] = ["key-leak", "key-residue"];

/// Shows `take` the evidence of a violation, in pieces and in order.
///
/// That is every call until then with its arguments and its answer, what the last of them wrote unless the
/// driver draws its own random numbers, and for an invariant about secrets, where they were seen in the
/// whole run. Handles only count as "new" or "that of call 3"; depths of stack, registers and fields of structures do not count at
/// all. Where a secret was seen in an output, the output is no evidence, so that nothing is made of
/// secret bytes.
pub(super) fn show(violation: &Violation, trace: &Trace, take: &mut impl FnMut(&[u8])) {
    take(violation.invariant.as_bytes());
    let until = trace.calls.get(..=violation.call).unwrap_or(&trace.calls);
    for seen in until {
        show_call(seen, take);
    }
    match trace.calls.get(violation.call) {
        Some(seen) => show_outputs(violation.call, seen, trace, take),
        None => take(&trace.reserved_len.to_le_bytes()),
    }
    // Anything else has to be the same where nobody can look into memory.
    if !ABOUT_SECRETS.contains(&violation.invariant) {
        return;
    }
    show_marks(trace, take);
}

/// Shows `take` where secrets were seen in a run.
pub(super) fn show_marks(trace: &Trace, take: &mut impl FnMut(&[u8])) {
    for (mark, windows) in marks(trace) {
        take(&[mark.layer, mark.kind, mark.home, mark.encoding]);
        for number in [mark.call, mark.epoch, mark.len, mark.allocated_in, mark.freed_in] {
            take(&number.to_le_bytes());
        }
        take(mark.name.as_bytes());
        take(&windows.to_le_bytes());
    }
}

fn show_call(seen: &Observation, take: &mut impl FnMut(&[u8])) {
    let mut record = wire::encode_call(&seen.call);
    // Devices and sessions follow as they were resolved: no two spellings of one call differ.
    record[1..3].fill(0);
    take(&record);
    for slot in [seen.device_slot, seen.session_slot] {
        take(&slot.unwrap_or(u16::MAX).to_le_bytes());
    }
    take(&seen.code.map_or(1, |code| code.0).to_le_bytes());
}

/// What the call that broke the invariant wrote.
fn show_outputs(call: usize, seen: &Observation, trace: &Trace, take: &mut impl FnMut(&[u8])) {
    let scalar = match seen.call {
        Call::CreateDevice | Call::CreateSession { .. } => {
            let is_same = |earlier: &Observation| {
                earlier.call.kind() == seen.call.kind() && earlier.scalar == seen.scalar
            };
            trace.calls.iter().position(is_same).filter(|_| seen.scalar != 0).map_or(0, |at| at + 1)
                as u64
        }
        _ => seen.scalar,
    };
    take(&scalar.to_le_bytes());
    for completion in trace.completions_of(seen) {
        take(&completion.fence.to_le_bytes());
        take(&completion.code.0.to_le_bytes());
        take(&completion.offset.to_le_bytes());
        take(&completion.len.to_le_bytes());
    }
    for draw in trace.draws_of(seen) {
        take(&[matches!(draw, Draw::Failed).into()]);
    }
    let is_secret = trace.sightings.iter().any(|sighting| {
        sighting.call as usize == call && matches!(sighting.place, Place::Output { .. })
    });
    // Of a driver that draws its own random numbers, the bytes are others in every run, but for what it says of
    // itself.
    let is_the_same = matches!(seen.call, Call::ContentProtectionCaps { .. });
    if !is_secret && (is_the_same || !trace.has_own_random) {
        take(trace.buffer_of(seen));
    }
}

/// A secret in a place, as far as every build puts it there.
#[derive(PartialEq, Eq, PartialOrd, Ord, Default)]
struct Mark {
    call: u32,
    layer: u8,
    kind: u8,
    epoch: u32,
    home: u8,
    encoding: u8,
    /// Of the block, in bytes; or how many words.
    len: u32,
    allocated_in: u32,
    freed_in: u32,
    name: &'static str,
}

/// What was seen in a run, and which windows of each secret were, as bits.
///
/// All sightings of the run count, not only those until the call that broke the invariant: where a key
/// is kept for long may show only later, and in the frames of the calls before, builds differ. Which
/// parts of a secret stay in a frame or a register is up to the compiler, so parts do not count there.
fn marks(trace: &Trace) -> BTreeMap<Mark, u16> {
    let name = |secret: u32| trace.secrets.get(secret as usize);
    let mut marks = BTreeMap::new();
    for seen in &trace.sightings {
        let mark = mark(seen.call, name(seen.secret), &seen.place);
        let window = if is_left_by_chance(&seen.place) { 0 } else { seen.window.min(14) };
        *marks.entry(mark).or_default() |= 1 << window;
    }
    for seen in &trace.followings {
        let mut mark = mark(seen.call, None, &seen.place);
        if !is_left_by_chance(&seen.place) {
            mark.len = mark.len.max(seen.word_count);
        }
        *marks.entry(mark).or_default() |= 1;
    }
    for told in &trace.text_followings {
        let place = match told.place {
            TextPlace::Log { line } => Place::Log { line, encoding: Encoding::Raw },
            TextPlace::Debug => Place::Debug { encoding: Encoding::Raw },
        };
        *marks.entry(mark(told.call, None, &place)).or_default() |= 1 << 13;
    }
    for block in &trace.leaks {
        // Which of the blocks of its call it is, and how long it is, tells leaks apart.
        let place = Place::Heap { block: *block, offset: 0 };
        *marks.entry(mark(block.allocated_in, None, &place)).or_default() |= 1 << 14;
    }
    for seen in &trace.empty_homes {
        let place = Place::Home { home: seen.home };
        *marks.entry(mark(seen.call, name(seen.secret), &place)).or_default() |= 1 << 15;
    }
    marks
}

fn is_left_by_chance(place: &Place) -> bool {
    matches!(place, Place::Stack { .. } | Place::Register { .. })
}

fn mark(call: u32, secret: Option<&SecretName>, place: &Place) -> Mark {
    let kind = secret.map_or(0, |secret| match secret.kind {
        SecretKind::Key => 1,
        SecretKind::Random => 2,
        SecretKind::RoundKey => 3,
        SecretKind::Keystream => 4,
        SecretKind::ReadBackKey => 5,
    });
    let epoch = secret.map_or(0, |secret| secret.epoch);
    let mut mark = Mark { call, layer: place.layer() as u8, kind, epoch, ..Mark::default() };
    match place {
        Place::FreedHeap { block, offset } | Place::Heap { block, offset } => {
            let Block { len, allocated_in, freed_in, .. } = *block;
            (mark.len, mark.allocated_in) = (len, allocated_in);
            mark.freed_in = freed_in.map_or(u32::MAX, |freed_in| freed_in);
            mark.home = u8::from(*offset >= len);
        }
        Place::Home { home } => {
            mark.home = match home {
                Home::Key { .. } => 1,
                Home::Random { .. } => 2,
                Home::LastMark { .. } => 3,
                Home::BoundKey { .. } => 4,
                Home::ReadBackKey { .. } => 5,
                Home::ReadBackMark { .. } => 6,
            }
        }
        Place::Log { encoding, .. } | Place::Debug { encoding } => mark.encoding = *encoding as u8,
        Place::Panic { encoding } => mark.encoding = 0x80 | *encoding as u8,
        Place::Static { name, .. } => mark.name = stem(name),
        Place::ThreadLocal { name, .. } => (mark.name, mark.encoding) = (stem(name), 1),
        Place::Output { .. }
        | Place::Stack { .. }
        | Place::Register { .. }
        | Place::Shape { .. } => {}
    }
    mark
}

/// The name without what compilers hang on to it.
fn stem(name: &'static str) -> &'static str {
    let is_part = |c: char| c.is_alphanumeric() || "_:<>{}#".contains(c);
    name.split(|c| !is_part(c)).next().unwrap_or(name)
}
