//! The seams below the driver, as the workbench supplies them: seeded, counted, and able to fail.

use core::fmt::Write as _;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use rekeylab_cipher::copy_secret;
use rekeylab_ddi::CtrIv;
use rekeylab_driver::{Engine, Entropy, EntropyError, OutOfMemory, SoftwareEngine};
use zeroize::Zeroize as _;

use crate::observation::{Draw, ReadBack, Reservations, StateHash};
use crate::sequence::expand::World;
use crate::sequence::{EntropyFault, Shape, expand};

/// What driver and executor share: the executor injects here, the driver draws from here.
#[derive(Debug, Default)]
pub struct Seams {
    entropy: RefCell<EntropyState>,
    fail_after: Cell<Option<u32>>,
    reservations: Cell<Reservations>,
    reserved_len: Cell<u64>,
    log: RefCell<Log>,
    /// Whether somebody has answered this call for the driver.
    is_answered_for: Cell<bool>,
    /// The surfaces that were read back in this call.
    read_backs: RefCell<Vec<ReadBack>>,
}

/// What the driver has logged, each line with its line feed.
#[derive(Default)]
struct Log(String);

/// Bytes of log that are kept; a driver that says more in one run repeats itself.
const LOG_LEN_MAX: usize = 64 << 10;

impl core::fmt::Debug for Log {
    // It may show what a log must not.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Log({} bytes)", self.0.len())
    }
}

impl core::fmt::Write for Log {
    /// Keeps what there is room for, in whole pieces.
    fn write_str(&mut self, piece: &str) -> core::fmt::Result {
        if self.0.len() + piece.len() <= LOG_LEN_MAX {
            self.0.push_str(piece);
        }
        Ok(())
    }
}

#[derive(Default)]
struct EntropyState {
    /// The fresh numbers in their order, made before the driver asks for them; kept from run to run,
    /// since in one world they are always the same.
    fresh: Vec<[u8; 16]>,
    world: World,
    /// The seed that the fresh numbers grow from.
    seed: u32,
    /// How many of them were answered in this run.
    fresh_count: usize,
    /// The last number that was answered.
    last: [u8; 16],
    /// What would bring the first key of the session in question back.
    restoring: [u8; 16],
    /// The random number that the session in question got last.
    again: [u8; 16],
    /// What the next fresh number is, in the shape that the fault wants.
    shaped: [u8; 16],
    fault: Option<(EntropyFault, u32)>,
    draws: Vec<Draw>,
    /// Whether what is answered is marked for Valgrind as a secret.
    is_tainting: bool,
}

impl core::fmt::Debug for EntropyState {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("EntropyState").field("fault", &self.fault).finish_non_exhaustive()
    }
}

impl Seams {
    /// Draws a random number, which is the same in every run unless the sequence says otherwise; as
    /// an entropy source fails, it may fail and leave bytes behind that must not be used.
    ///
    /// A driver may only draw during `start-refresh` and `encryption-blt-key`.
    ///
    /// # Errors
    ///
    /// [`EntropyError`] when the sequence wants the source to be broken.
    #[inline]
    pub fn draw(&self, random: &mut [u8; 16]) -> Result<(), EntropyError> {
        // What this source keeps for itself is none of the driver's memory.
        keysan::heap::pause(|| self.entropy.borrow_mut().answer(random))
    }

    /// Grants `len` bytes for what the driver is about to keep, or refuses them; a driver that does
    /// not ask cannot be shown to give back what it got, nor to survive a refusal (S-56).
    pub fn reserve(&self, len: usize) -> bool {
        let mut reservations = self.reservations.get();
        let is_refused = self.fail_after.get() == Some(u32::from(reservations.count));
        reservations.count = reservations.count.saturating_add(1);
        reservations.is_refused |= is_refused;
        self.reservations.set(reservations);
        if !is_refused {
            // Wraps back when more was given back than granted, which is the driver's fault and no
            // panic.
            self.reserved_len.set(self.reserved_len.get().wrapping_add(len as u64));
        }
        !is_refused
    }

    /// Takes back `len` bytes of what was granted.
    pub fn release(&self, len: usize) {
        // Giving back more than was granted shows as an absurd rest.
        self.reserved_len.set(self.reserved_len.get().wrapping_sub(len as u64));
    }

    /// Takes a line for the driver's log, without a line feed. No line may say anything of a secret.
    pub fn log(&self, message: core::fmt::Arguments<'_>) {
        // What the log needs is none of the driver's memory.
        keysan::heap::pause(|| {
            let mut log = self.log.borrow_mut();
            writeln!(log, "{message}").expect("a log takes any text");
        });
    }

    pub(super) fn clear(&self, world: World, seed: u32, is_tainting: bool) {
        let mut entropy = self.entropy.borrow_mut();
        let mut draws = core::mem::take(&mut entropy.draws);
        draws.clear();
        draws.reserve(DRAWS_AT_ONCE);
        let mut fresh = core::mem::take(&mut entropy.fresh);
        if (entropy.world, entropy.seed) != (world, seed) {
            fresh.clear();
        }
        *entropy =
            EntropyState { fresh, draws, world, seed, is_tainting, ..EntropyState::default() };
        self.fail_after.set(None);
        self.reservations.set(Reservations::default());
        self.reserved_len.set(0);
        let mut log = self.log.borrow_mut();
        log.0.clear();
        // Now, because it must not grow during a call; see `outputs::Bounded`.
        log.0.reserve(LOG_LEN_MAX);
    }

    /// Forgets every random number, in memory too.
    pub(super) fn wipe(&self) {
        let mut entropy = self.entropy.borrow_mut();
        entropy.fresh.zeroize();
        entropy.last.zeroize();
        entropy.restoring.zeroize();
        entropy.again.zeroize();
        entropy.shaped.zeroize();
        // What was answered was copied here on its way to the trace.
        let room = entropy.draws.capacity();
        entropy.draws.resize(room, Draw::Answered([0; 16]));
        entropy.draws.clear();
    }

    /// Writes all that answers to come depend on.
    pub(super) fn write_state(&self, hash: &mut StateHash) {
        // Requests are counted for one call, and what was logged has been read.
        let Self {
            entropy,
            fail_after,
            reservations: _,
            reserved_len,
            log: _,
            is_answered_for: _,
            read_backs: _,
        } = self;
        // The fresh numbers of a world are always the same, and the draws of a call are for it.
        let EntropyState {
            fresh: _,
            world,
            seed,
            fresh_count,
            last,
            restoring,
            again,
            shaped,
            fault,
            draws: _,
            is_tainting: _, // nothing that a run answers depends on it
        } = &*entropy.borrow();
        hash.bytes(&[world.secrets, world.payloads]);
        hash.number((*seed).into());
        hash.count(*fresh_count);
        hash.bytes(last);
        hash.bytes(restoring);
        hash.bytes(again);
        hash.bytes(shaped);
        let (kind, left) = fault.map_or((0, 0), |(kind, left)| (1 + kind.number(), left));
        hash.bytes(&[kind]);
        hash.number(left.into());
        hash.maybe(fail_after.get().map(u64::from));
        hash.number(reserved_len.get());
    }

    #[inline]
    pub(super) fn begin_call(&self) {
        self.reservations.set(Reservations::default());
        self.is_answered_for.set(false);
        self.read_backs.borrow_mut().clear();
    }

    /// Moves the call's draws to the trace, and disarms what was injected for one call only.
    #[inline]
    pub(super) fn end_call(&self, draws: &mut Vec<Draw>) {
        if !self.entropy.borrow().draws.is_empty() {
            self.move_draws(draws);
        }
        if self.reservations.get() != Reservations::default() {
            self.fail_after.set(None);
        }
    }

    fn move_draws(&self, draws: &mut Vec<Draw>) {
        let mut entropy = self.entropy.borrow_mut();
        draws.append(&mut entropy.draws);
        entropy.draws.reserve(DRAWS_AT_ONCE);
    }

    pub(super) fn reservations(&self) -> Reservations {
        self.reservations.get()
    }

    pub(super) fn reserved_len(&self) -> u64 {
        self.reserved_len.get()
    }

    /// Whether the driver has logged something since the last time.
    pub(super) fn has_logged(&self) -> bool {
        !self.log.borrow().0.is_empty()
    }

    /// Moves what the driver has logged since the last time behind what is in `into`.
    pub(super) fn take_log(&self, into: &mut String) {
        let log = &mut self.log.borrow_mut().0;
        into.push_str(log);
        log.clear();
    }

    pub(super) fn inject_entropy(&self, fault: EntropyFault, draws: u32) {
        self.entropy.borrow_mut().fault = (draws > 0).then_some((fault, draws));
    }

    pub(super) fn inject_allocation_failure(&self, after: u32) {
        self.fail_after.set(Some(after));
    }

    /// Notes what another source answered a draw of this call.
    pub(super) fn note_draw(&self, answer: Result<(), EntropyError>, random: &[u8; 16]) {
        let draw = if answer.is_ok() { Draw::Answered(*random) } else { Draw::Failed };
        self.entropy.borrow_mut().draws.push(draw);
    }

    /// Notes that this call does not reach the driver, and is answered for it.
    pub fn note_answered_for(&self) {
        self.is_answered_for.set(true);
    }

    pub(super) fn is_answered_for(&self) -> bool {
        self.is_answered_for.get()
    }

    /// Notes the random number that a driver handed out which draws from a source of its own: that is its
    /// draw.
    pub fn note_number(&self, random: &[u8; 16]) {
        self.note_draw(Ok(()), random);
    }

    /// Notes a surface that was read back encrypted in this call, with the counter that the driver made for it.
    pub fn note_read_back(&self, read_back: ReadBack) {
        self.read_backs.borrow_mut().push(read_back);
    }

    /// Moves what this call read back behind what is in `into`.
    pub(super) fn take_read_backs(&self, into: &mut Vec<ReadBack>) {
        into.append(&mut self.read_backs.borrow_mut());
    }

    /// Whether the last draw of this call answered these bytes.
    pub(super) fn has_answered(&self, random: &[u8; 16]) -> bool {
        self.entropy.borrow().draws.last() == Some(&Draw::Answered(*random))
    }

    /// The random numbers that the next call which draws can be given: what an injected entropy fault answers, and
    /// the fresh number that comes once the fault is over.
    ///
    /// They are wanted before the call, so that they can be searched for while the driver has them.
    /// `None` stands where the source would fail, and where it would answer zeros, which are no secret.
    pub(super) fn plan_randoms(&self, known: Known) -> [Option<[u8; 16]>; 2] {
        let mut entropy = self.entropy.borrow_mut();
        (entropy.restoring, entropy.again) = (known.restoring, known.again);
        entropy.make_fresh();
        let fault = entropy.fault.map(|(fault, _)| fault);
        let mut fresh_count = entropy.fresh_count;
        let faulty = match fault {
            None | Some(EntropyFault::Fail | EntropyFault::Zero) => None,
            Some(EntropyFault::Repeat) => Some(entropy.last),
            Some(EntropyFault::Restore) => Some(entropy.restoring),
            Some(EntropyFault::Again | EntropyFault::ZeroThenAgain) => Some(entropy.again),
            Some(shaped) => {
                entropy.make_shaped(shaped);
                // The number that it is made of is not answered any more.
                fresh_count += 1;
                Some(entropy.shaped)
            }
        };
        [faulty, entropy.fresh.get(fresh_count).copied()]
    }
}

/// What the client knows of a session that an entropy fault may answer.
#[derive(Clone, Copy, Default)]
pub(super) struct Known {
    /// What would bring its first key back.
    pub(super) restoring: [u8; 16],
    /// What was drawn for it last, for the purpose in question; zeros before the first.
    pub(super) again: [u8; 16],
}

impl EntropyState {
    /// Gives the next fresh number the shape that a fault wants.
    fn make_shaped(&mut self, fault: EntropyFault) {
        let index = u32::try_from(self.fresh_count).expect("bounded by CALLS_MAX draws");
        let shape = fault.shape().unwrap_or_default();
        expand::refresh_random(self.world, self.seed, index, shape, &mut self.shaped);
    }

    /// Makes the fresh numbers that the next call can be given.
    fn make_fresh(&mut self) {
        while self.fresh.len() < self.fresh_count + DRAWS_AT_ONCE {
            let index = u32::try_from(self.fresh.len()).expect("bounded by CALLS_MAX draws");
            let mut random = [0; 16];
            expand::refresh_random(self.world, self.seed, index, Shape::Plain, &mut random);
            self.fresh.push(random);
        }
    }

    /// Answers a draw.
    ///
    /// It runs inside the driver's call, so what it leaves on the stack or in registers would be
    /// laid at the driver's door: numbers go from place to place by [`copy_secret`] only.
    fn answer(&mut self, random: &mut [u8; 16]) -> Result<(), EntropyError> {
        let fault = self.fault.map(|(fault, _)| fault);
        self.fault = self.fault.and_then(|(fault, left)| (left > 1).then(|| (fault, left - 1)));
        match fault {
            Some(EntropyFault::Fail) => {
                self.draws.push(Draw::Failed);
                // A source that breaks half-way leaves bytes behind, which must not be used.
                random[..8].fill(0x5A);
                return Err(EntropyError);
            }
            Some(EntropyFault::Zero) => random.fill(0),
            Some(EntropyFault::Repeat) => copy_secret(&self.last, random),
            Some(EntropyFault::Restore) => copy_secret(&self.restoring, random),
            Some(EntropyFault::Again) => copy_secret(&self.again, random),
            Some(EntropyFault::ZeroThenAgain) => {
                random.fill(0);
                self.fault = self.fault.map(|(_, left)| (EntropyFault::Again, left));
            }
            Some(_) => {
                copy_secret(&self.shaped, random);
                self.fresh_count += 1;
            }
            None => {
                if self.fresh.len() == self.fresh_count {
                    self.make_fresh();
                }
                copy_secret(&self.fresh[self.fresh_count], random);
                self.fresh_count += 1;
            }
        }
        copy_secret(random, &mut self.last);
        self.draws.push(Draw::Answered([0; 16]));
        if let Some(Draw::Answered(noted)) = self.draws.last_mut() {
            copy_secret(random, noted);
        }
        if self.is_tainting {
            keysan::valgrind::mark_secret(random);
        }
        Ok(())
    }
}

/// The entropy source: the same numbers in every run, unless told otherwise (INV-14).
#[derive(Clone, Debug)]
pub struct SeededEntropy(Rc<Seams>);

impl SeededEntropy {
    /// The source behind these seams.
    #[must_use]
    pub fn new(seams: &Rc<Seams>) -> Self {
        Self(Rc::clone(seams))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&mut self, random: &mut [u8; 16]) -> Result<(), EntropyError> {
        self.0.draw(random)
    }
}

/// For so many draws of one call everything is made ready before the call.
const DRAWS_AT_ONCE: usize = 8;

/// The software engine, with a count of what it granted and an allocation failure to inject.
#[derive(Clone, Debug)]
pub struct CountingEngine(Rc<Seams>);

impl CountingEngine {
    /// The engine behind these seams.
    #[must_use]
    pub fn new(seams: &Rc<Seams>) -> Self {
        Self(Rc::clone(seams))
    }
}

impl Engine for CountingEngine {
    fn reserve(&mut self, len: usize) -> Result<(), OutOfMemory> {
        if self.0.reserve(len) { Ok(()) } else { Err(OutOfMemory) }
    }

    fn release(&mut self, len: usize) {
        self.0.release(len);
    }

    fn execute(&mut self, key: &[u8; 16], counter: CtrIv, buffer: &mut [u8]) {
        SoftwareEngine.execute(key, counter, buffer);
    }

    fn log(&mut self, message: core::fmt::Arguments<'_>) {
        self.0.log(message);
    }
}

#[cfg(test)]
mod tests {
    use crate::sequence::expand::World;
    use rekeylab_driver::Engine as _;

    use super::{CountingEngine, LOG_LEN_MAX, Rc, Seams};

    #[test]
    fn the_log_is_taken_once_and_each_run_starts_with_none() {
        let seams = Rc::new(Seams::default());
        let mut engine = CountingEngine(Rc::clone(&seams));
        let mut taken = "kept ".to_owned();
        engine.log(format_args!("{} and", 1));
        engine.log(format_args!("{}", 2));
        seams.take_log(&mut taken);
        seams.take_log(&mut taken);
        assert_eq!(taken, "kept 1 and\n2\n");
        engine.log(format_args!("3"));
        seams.clear(World::default(), 0, false);
        seams.take_log(&mut taken);
        assert_eq!(taken, "kept 1 and\n2\n");
    }

    #[test]
    fn a_log_is_bounded_and_debug_does_not_repeat_it() {
        let seams = Rc::new(Seams::default());
        let mut engine = CountingEngine(Rc::clone(&seams));
        for _ in 0..LOG_LEN_MAX {
            engine.log(format_args!("a line"));
        }
        assert!(!format!("{seams:?}").contains("a line"));
        let mut taken = String::new();
        seams.take_log(&mut taken);
        assert!((LOG_LEN_MAX - 8..=LOG_LEN_MAX).contains(&taken.len()));
    }
}
