//! Looks for leftovers after a call: dead stack, registers, heap, homes and statics.

use std::cell::Cell;

use keysan::SecretSet;
use keysan::gate::{CopiedLeftovers, Gate, GateLayers, Leftover, LeftoverPlace};
use keysan::heap::{self, Arena};
use keysan::statics::{RegionKind, StaticSighting, Statics};
use rekeylab_ddi::SessionHandle;

use super::client::{Client, ClientSession, InFlight};
use super::differential::RunRecord;
use super::dut::{DeclaredHome, Dut};
use super::run::Run;
use crate::observation::{
    EmptyHome, Home, Layer, Layers, Observation, Place, Sighting, Stay, StrayWrite, Void,
};
use crate::sequence::Call;

/// What an executor looks with; what has no port here is absent.
#[derive(Debug)]
pub(super) struct Instruments {
    pub(super) gate: Option<Gate>,
    pub(super) arena: Option<Arena>,
    /// Reused from one look around to the next.
    homes: Vec<HomeSpot>,
    /// What the entries of the call left, of a driver whose calls have several.
    left: Vec<Leftover>,
    /// Whether one of the looks behind them was none.
    has_missed: bool,
}

/// A home that the driver declares, and where it lies in the arena.
#[derive(Clone, Copy, Debug)]
struct HomeSpot {
    home: Home,
    /// In the arena.
    position: usize,
    /// The secret that must be in it.
    expected: Option<u32>,
    /// Which halves of it were seen there.
    seen: u8,
}

impl HomeSpot {
    /// Whether its secret was seen as far as aligned words show it: both halves, or what lies
    /// between when the home is not aligned.
    fn is_whole(&self) -> bool {
        self.seen == if self.position.is_multiple_of(8) { 3 } else { 2 }
    }
}

impl Instruments {
    /// This thread's: taken from where the last user put them back, or everything that has a port
    /// to this machine. A thread has one arena, and may have several executors.
    pub(super) fn take() -> Self {
        KEPT.take().unwrap_or_else(|| Self {
            gate: Gate::open().ok(),
            arena: Arena::attach().ok(),
            homes: Vec::new(),
            left: Vec::new(),
            has_missed: false,
        })
    }

    /// Puts them back for the next user.
    pub(super) fn put_back(self) {
        KEPT.set(Some(self));
    }

    /// Keeps what the entry that has just returned left on the stack and in registers, for the end of the call.
    pub(super) fn keep_leftovers(&mut self, secrets: &SecretSet) {
        let Some(gate) = &mut self.gate else { return };
        let left = &mut self.left;
        let inspected = gate.inspect(secrets, GateLayers::ALL, &mut |leftover| left.push(leftover));
        self.has_missed |= !inspected.is_complete;
    }

    /// From now on calls run on a stack of at least so many bytes.
    #[cfg(feature = "command")]
    pub(super) fn deepen(&mut self, stack_len: usize) {
        if self.gate.is_some() {
            self.gate = Gate::open_with_stack(stack_len).ok();
        }
    }

    /// The layers that these instruments can look into, and were shown to look into.
    pub(super) fn proven_layers(&mut self, secrets: &mut SecretSet) -> Layers {
        let mut layers = Layers::ALL;
        if heap::prove_it_looks(secrets).is_err() {
            self.arena = None;
            layers = layers.without(Layer::FreedHeap);
        }
        if let Some(gate) = &mut self.gate
            && gate.prove_it_looks(secrets).is_err()
        {
            self.gate = None;
        }
        if self.gate.is_none() {
            layers = layers.without(Layer::Stack).without(Layer::Registers);
        }
        if self.arena.is_none() {
            layers = layers.without(Layer::Heap).without(Layer::Homes);
        }
        if self.gate.is_none() || self.arena.is_none() {
            layers = layers.without(Layer::Differential);
        }
        layers
    }
}

thread_local! {
    static KEPT: Cell<Option<Instruments>> = const { Cell::new(None) };
}

/// What a record of the differential shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Recorded {
    /// Stack and registers that a call left.
    Leftovers(CopiedLeftovers),
    /// The arena.
    Heap,
    /// Statics and thread-locals.
    Statics,
}

impl Recorded {
    /// Its number in a recording.
    pub(super) const fn region(self) -> u32 {
        match self {
            Self::Leftovers(_) => 0,
            Self::Heap => 1,
            Self::Statics => 2,
        }
    }
}

impl<D: Dut> Run<'_, D> {
    /// Looks at what the call that has just returned left behind.
    pub(super) fn look_for_leftovers(&mut self, index: usize) {
        if self.is_gated {
            self.look_at_stack_and_registers(index);
        }
        if !self.looks_around {
            return;
        }
        if self.layers.are_thorough() || is_a_death(&self.seen) {
            self.look_around(index);
        } else if self.layers.look_around() && self.seen.is_refused() {
            self.look_around_if_changed(index);
        }
    }

    pub(super) fn look_at_stack_and_registers(&mut self, index: usize) {
        let call = super::narrow(index);
        if D::HAS_ENTRIES {
            return self.look_at_what_entries_left(call);
        }
        let Some(gate) = &mut self.instruments.gate else { return };
        if let Some(recording) = &mut self.recording {
            recording.record_leftovers(gate, call);
            // All that was recorded is painted over, so that the next record shows the next call.
            gate.inspect_deep(&self.executor.secrets, &mut |_| {});
        }
        let layers = GateLayers {
            stack: self.layers.has(Layer::Stack),
            registers: self.layers.has(Layer::Registers),
        };
        let sightings = &mut self.trace.sightings;
        let inspected = gate.inspect(&self.executor.secrets, layers, &mut |leftover| {
            let place = place_of(leftover.place);
            sightings.push(Sighting { secret: leftover.tag, window: leftover.window, call, place });
        });
        if !inspected.is_complete {
            self.trace.void.get_or_insert(Void { layer: Layer::Stack, call });
        }
    }

    fn look_at_what_entries_left(&mut self, call: u32) {
        for Leftover { tag, window, place } in self.instruments.left.drain(..) {
            let place = place_of(place);
            if self.layers.has(place.layer()) {
                self.trace.sightings.push(Sighting { secret: tag, window, call, place });
            }
        }
        if std::mem::take(&mut self.instruments.has_missed) {
            self.trace.void.get_or_insert(Void { layer: Layer::Stack, call });
        }
    }

    /// Looks below what was looked at after each call.
    pub(super) fn look_deep(&mut self) {
        let call = super::narrow(self.trace.calls.len());
        let Some(gate) = &mut self.instruments.gate else { return };
        // Also when nothing is to be looked for: it is repainted, and the next run begins alike.
        let (is_wanted, sightings) = (self.layers.has(Layer::Stack), &mut self.trace.sightings);
        let inspected = gate.inspect_deep(&self.executor.secrets, &mut |leftover| {
            if is_wanted {
                let (secret, window) = (leftover.tag, leftover.window);
                let place = place_of(leftover.place);
                sightings.push(Sighting { secret, window, call, place });
            }
        });
        if !inspected.is_complete {
            self.trace.void.get_or_insert(Void { layer: Layer::Stack, call });
        }
    }

    /// Looks through the heap, the homes in it and the statics.
    pub(super) fn look_around(&mut self, index: usize) {
        if let Some(arena) = &self.instruments.arena {
            arena.remember();
        }
        self.look_at_the_heap(super::narrow(index));
        self.look_at_statics(super::narrow(index));
    }

    /// Looks around after a call that was refused, and so changes nothing that is expected: where
    /// nothing is written either, there is nothing new to see.
    fn look_around_if_changed(&mut self, index: usize) {
        let arena = self.instruments.arena.as_ref();
        if arena.is_some_and(Arena::has_changed) {
            self.look_at_the_heap(super::narrow(index));
        }
        self.look_at_statics(super::narrow(index));
    }

    fn look_at_statics(&mut self, call: u32) {
        let Some(statics) = self.dut.statics() else { return };
        if let Some(recording) = &mut self.recording {
            let word_count = statics.word_count();
            recording.record(Recorded::Statics, call, word_count, |words| statics.words(words));
        }
        if self.layers.has(Layer::Statics) {
            let (secrets, trace) = (&self.executor.secrets, &mut *self.trace);
            let (client, made_of) = (&self.executor.client, &self.executor.made_of);
            let is_anywhere = !self.dut.declares_homes();
            let mut note = |seen: StaticSighting| {
                if !(is_anywhere && may_be_anywhere(client, made_of, seen.tag)) {
                    trace.sightings.push(in_static(statics, seen, call));
                }
            };
            if statics.scan(secrets, &mut note).canaries != Statics::CANARIES {
                trace.void.get_or_insert(Void { layer: Layer::Statics, call });
            }
        }
    }

    /// Looks for parts of secrets too, which need not lie on a word.
    pub(super) fn look_at_every_byte_of_statics(&mut self, index: usize) {
        let Some(statics) = self.dut.statics() else { return };
        if self.layers.has(Layer::Statics) {
            let (call, trace) = (super::narrow(index), &mut *self.trace);
            let mut note = |seen| trace.sightings.push(in_static(statics, seen, call));
            statics.scan_every_byte(&self.executor.secrets, &mut note);
        }
    }

    fn look_at_the_heap(&mut self, call: u32) {
        self.executor.secrets.expect_to_meet();
        let Some(arena) = &self.instruments.arena else { return };
        let (client, made_of) = (&self.executor.client, &self.executor.made_of);
        let homes = &mut self.instruments.homes;
        homes.clear();
        if let Some(driver) = &self.driver {
            let mut occupants = Occupants::new(client);
            self.dut.for_each_home(driver, &mut |home, bytes| {
                if let Some((home, expected)) = occupants.of(home)
                    && let Some(position) = arena.position_of(bytes.as_ptr())
                {
                    homes.push(HomeSpot { home, position, expected, seen: 0 });
                }
            });
        }
        if let Some(recording) = &mut self.recording {
            record_heap(recording, arena, homes, client, call);
        }
        if !self.layers.has(Layer::Heap) && !self.layers.has(Layer::Homes) {
            return;
        }

        let (layers, declares_homes) = (self.layers, self.dut.declares_homes());
        let sightings = &mut self.trace.sightings;
        // The second half of a secret follows the first.
        let mut last_spot = 0;
        let looked = arena.scan(&self.executor.secrets, &mut |seen| {
            let mut note = |place: Place| {
                if layers.has(place.layer()) {
                    let (secret, window) = (seen.tag, seen.window);
                    sightings.push(Sighting { secret, window, call, place });
                }
            };
            let is_in = |spot: &HomeSpot| seen.position.wrapping_sub(spot.position) < 16;
            if !homes.get(last_spot).is_some_and(is_in) {
                last_spot = homes.iter().position(is_in).unwrap_or(usize::MAX);
            }
            match homes.get_mut(last_spot) {
                Some(spot) if spot.expected == Some(seen.tag) => {
                    spot.seen |= if seen.position == spot.position { 1 } else { 2 };
                }
                Some(spot) => note(Place::Home { home: spot.home }),
                None if declares_homes || !may_be_anywhere(client, made_of, seen.tag) => {
                    let place = arena.place_of(seen.position);
                    // What lies in front of the first block is nobody's and holds paint.
                    if let Some(block) = place.block {
                        note(Place::Heap { block, offset: place.offset });
                    }
                }
                None => {}
            }
        });
        // What did not fit is not in the arena, and was not looked at.
        if looked.canaries == 0 || arena.outside_count() > 0 {
            self.trace.void.get_or_insert(Void { layer: Layer::Heap, call });
            return;
        }
        if !self.layers.has(Layer::Homes) || !declares_homes {
            return;
        }
        if self.layers.are_thorough() {
            let stays = homes.iter().filter(|spot| spot.is_whole());
            self.trace.stays.extend(
                stays.filter_map(|spot| {
                    Some(Stay { secret: spot.expected?, call, home: spot.home })
                }),
            );
        }
        let whole = homes.iter().filter(|spot| spot.expected.is_some() && spot.is_whole()).count();
        if whole == client.occupied_count() {
            return;
        }
        for (home, secret) in client.occupied_homes() {
            if !homes.iter().any(|spot| spot.home == home && spot.is_whole()) {
                self.trace.empty_homes.push(EmptyHome { secret, call, home });
            }
        }
    }

    /// Notes the blocks that are still allocated when the driver is gone.
    pub(super) fn look_at_what_stays(&mut self) {
        let Some(arena) = &self.instruments.arena else { return };
        let leaks = &mut self.trace.leaks;
        arena.each_block(&mut |block, _| {
            if block.freed_in.is_none() {
                leaks.push(block);
            }
        });
    }

    /// Looks at what is left of the heap when the driver is gone.
    pub(super) fn look_at_stray_writes(&mut self) {
        let Some(arena) = &self.instruments.arena else { return };
        let stray_writes = &mut self.trace.stray_writes;
        arena.check_gaps_and_freed(&mut |stray| {
            if let Some(block) = stray.place.block {
                stray_writes.push(StrayWrite { block, offset: stray.place.offset });
            }
        });
    }
}

/// Records the arena, and excuses the homes that have to hold something.
fn record_heap(
    record: &mut RunRecord,
    arena: &Arena,
    homes: &[HomeSpot],
    client: &Client,
    call: u32,
) {
    record.record(Recorded::Heap, call, arena.used_len() / 8, |words| arena.words(words));
    for spot in homes {
        // A home is excused when it has to hold something, whether or not that is searched for: a key
        // that looks like ordinary data is not searched for, and it may look so in one of the compared
        // runs only.
        let is_occupied = client.is_occupied(spot.home);
        record.is_key_expected |= is_occupied;
        // What the mark is made of may be long spent, so it is not among the expected.
        if is_occupied || spot.home.is_of_a_mark() {
            let word = arena.word_at(spot.position);
            record.recording.excuse(word..word + (spot.position % 8 + 16).div_ceil(8));
        }
    }
}

/// Whether a secret may be anywhere in the memory of a driver that does not say where: it lives, or it is made of
/// a key that does.
fn may_be_anywhere(client: &Client, made_of: &[(u32, u32)], secret: u32) -> bool {
    let key = made_of.iter().find(|(made, _)| *made == secret).map_or(secret, |&(_, key)| key);
    client.is_live(key)
}

/// Whether a secret died in this call, so that the heap is worth looking through.
fn is_a_death(seen: &Observation) -> bool {
    // A retire under which nothing completed has spent nothing.
    let is_idle = matches!(seen.call, Call::Retire { .. }) && seen.completions.is_empty();
    seen.is_ok() && seen.call.kind().descriptor().does.spends && !is_idle
}

/// Finds, for each home that a driver declares, which session or buffer of the client it belongs to and
/// which secret has to be in it.
///
/// A driver declares the homes of a session together, and captured keys in the order of submission. So
/// the session of the last home, and the buffer behind the last one, are tried before all others.
struct Occupants<'a> {
    client: &'a Client,
    session: Option<(SessionHandle, u16, Option<&'a ClientSession>)>,
    /// Of the buffers in flight, as long as each has a higher fence than those before.
    next_bound: Option<usize>,
    last_fence: u64,
}

impl<'a> Occupants<'a> {
    fn new(client: &'a Client) -> Self {
        Self { client, session: None, next_bound: Some(0), last_fence: 0 }
    }

    fn of(&mut self, home: DeclaredHome) -> Option<(Home, Option<u32>)> {
        Some(match home {
            DeclaredHome::Key(handle) => {
                let (session, live) = self.session(handle)?;
                (Home::Key { session }, live.and_then(|live| live.key_secret))
            }
            DeclaredHome::Random(handle) => {
                let (session, live) = self.session(handle)?;
                (Home::Random { session }, live.and_then(ClientSession::waiting_random))
            }
            DeclaredHome::LastMark(handle) => {
                (Home::LastMark { session: self.session(handle)?.0 }, None)
            }
            DeclaredHome::ReadBackKey(handle) => {
                let (session, live) = self.session(handle)?;
                (Home::ReadBackKey { session }, live.and_then(|live| live.read_back_secret))
            }
            DeclaredHome::ReadBackMark(handle) => {
                (Home::ReadBackMark { session: self.session(handle)?.0 }, None)
            }
            DeclaredHome::BoundKey { fence } => {
                let home = Home::BoundKey { fence };
                let bound = match self.next_in_flight(fence) {
                    Some(buffer) => buffer.bound_secret(),
                    None => self.client.expected_in(home),
                };
                (home, bound)
            }
        })
    }

    /// The next buffer in flight that is not lost, if it is the one of this fence.
    fn next_in_flight(&mut self, fence: u64) -> Option<&'a InFlight> {
        let mut index = self.next_bound.take()?;
        while self.client.in_flight.get(index)?.is_lost {
            index += 1;
        }
        let buffer = self.client.in_flight.get(index)?;
        let is_it = buffer.fence == fence && fence > self.last_fence;
        (self.next_bound, self.last_fence) = (is_it.then_some(index + 1), fence);
        is_it.then_some(buffer)
    }

    /// The slot of a session, and the session if it lives.
    fn session(&mut self, handle: SessionHandle) -> Option<(u16, Option<&'a ClientSession>)> {
        if let Some((last, slot, live)) = self.session
            && last == handle
        {
            return Some((slot, live));
        }
        let slot = self.client.slot_of(handle)?;
        let live = self.client.sessions.get(slot).filter(|session| session.is_live());
        let slot = u16::try_from(slot).ok()?;
        self.session = Some((handle, slot, live));
        Some((slot, live))
    }
}

fn in_static(statics: &'static Statics, seen: StaticSighting, call: u32) -> Sighting {
    let region = statics.regions().nth(seen.region as usize);
    let region = region.expect("a sighting is in one of the regions");
    let (name, offset) = (region.name(), seen.offset);
    let place = match region.kind() {
        RegionKind::Static => Place::Static { name, offset },
        RegionKind::ThreadLocal => Place::ThreadLocal { name, offset },
    };
    Sighting { secret: seen.tag, window: seen.window, call, place }
}

pub(super) fn place_of(place: LeftoverPlace) -> Place {
    match place {
        LeftoverPlace::Stack { depth } => Place::Stack { depth },
        LeftoverPlace::Register { register, offset } => {
            Place::Register { register, offset: offset.into() }
        }
    }
}
