//! Makes the calls of a sequence against a driver, as a client would, and writes down what it saw.
//!
//! It judges nothing. All that a verdict needs goes into a [`Trace`], including what the client
//! gave and what the seams below the driver answered.

mod client;
mod panic;
mod seams;

use core::fmt::Write as _;
use std::rc::Rc;

use keysan::SecretSet;
use keysan::heap;
use keysan::text::{Scratch, scan_text};
use rekeylab_ddi::{
    CheckCryptoSessionStatus, Completion, CreateCryptoSession, CreateDevice, CryptoSessionDdi,
    CryptoSessionKeyExchange, CtrIv, Hresult, Limits, RANDOM_NUMBER_LEN, Retire, SessionStatus,
    StartSessionKeyRefresh, SubmitBuffer,
};

use crate::observation::{
    MARGIN_LEN, Observation, Place, SecretKind, SecretName, Sighting, Trace, UNTOUCHED,
};
use crate::sequence::{CALLS_MAX, Call, CallSequence, NullPointer, SessionRef, Slot, expand};
use client::Client;
use rekeylab_driver::{Adapter, Bounds};
pub use seams::{CountingEngine, PlainTestMechanism, Seams, SeededEntropy};

/// Small bounds, so that sequences reach them and long buffers do not eat the time of short ones.
const BOUNDS: Bounds = Bounds { generations_max: 3, buffer_len_max: 1024, queue_len_max: 4096 };

/// Something that can be driven: makes a fresh driver on the workbench's seams.
pub trait Subject {
    /// The driver.
    type Driver: CryptoSessionDdi + core::fmt::Debug;

    /// A driver in its first state.
    fn open(&self, seams: &Rc<Seams>) -> Self::Driver;

    /// The bounds that the driver publishes.
    fn limits(&self, driver: &Self::Driver) -> Limits;
}

/// The driver core of this repository.
#[derive(Clone, Copy, Debug, Default)]
pub struct Core;

impl Subject for Core {
    type Driver = Adapter;

    fn open(&self, seams: &Rc<Seams>) -> Adapter {
        Adapter::new(
            SeededEntropy(Rc::clone(seams)),
            CountingEngine(Rc::clone(seams)),
            PlainTestMechanism,
            BOUNDS,
        )
    }

    fn limits(&self, driver: &Adapter) -> Limits {
        driver.limits()
    }
}

/// Whether an execution also reads what `Debug` of the driver shows after every call.
///
/// Formatting costs more than everything else together, so a campaign does it for a share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DebugText {
    /// After every call.
    Read,
    /// Never.
    Skip,
}

/// Runs sequences; keeps its memory from one to the next.
pub struct Executor {
    seams: Rc<Seams>,
    client: Client,
    secrets: SecretSet,
    /// The random number that the next draw answers, and its index among the trace's secrets.
    planned: Option<([u8; 16], usize)>,
    /// What is known to be installed; see [`Trace::is_heap_watched`].
    is_heap_watched: bool,
    text: String,
    last_text: String,
    scratch: Scratch,
}

impl core::fmt::Debug for Executor {
    // Without the random number that comes next.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Executor")
            .field("secrets", &self.secrets)
            .field("is_heap_watched", &self.is_heap_watched)
            .finish_non_exhaustive()
    }
}

impl Default for Executor {
    fn default() -> Self {
        Self::new()
    }
}

impl Executor {
    /// An executor, after it has shown itself that the heap is really looked into.
    #[must_use]
    pub fn new() -> Self {
        panic::install_hook();
        let mut secrets = SecretSet::new();
        let is_heap_watched = heap::prove_it_looks(&mut secrets).is_ok();
        Self {
            seams: Rc::new(Seams::default()),
            client: Client::default(),
            secrets,
            planned: None,
            is_heap_watched,
            text: String::new(),
            last_text: String::new(),
            scratch: Scratch::new(),
        }
    }

    /// Whether freed heap blocks are scanned in this program.
    ///
    /// They are when [`keysan::heap::ScanningAllocator`] is its global allocator.
    #[must_use]
    pub fn is_heap_watched(&self) -> bool {
        self.is_heap_watched
    }

    /// Makes every call of `sequence` on a fresh driver and fills `trace` with what was seen.
    ///
    /// After the last call comes the epilogue: the GPU drains and every device is destroyed, so
    /// that whatever stays behind shows.
    pub fn execute<S: Subject>(
        &mut self,
        subject: &S,
        sequence: &CallSequence,
        debug_text: DebugText,
        trace: &mut Trace,
    ) {
        trace.clear();
        self.client.clear();
        self.secrets.clear();
        self.planned = None;
        self.last_text.clear();
        self.seams.clear();
        trace.is_heap_watched = self.is_heap_watched;

        let caught = panic::catch(|| {
            let driver =
                panic::in_driver(|| heap::watch(&self.secrets, || subject.open(&self.seams)));
            trace.limits = Some(panic::in_driver(|| subject.limits(&driver)));
            let mut run = Run::<S> { executor: self, trace, driver, debug_text };
            run.sequence(sequence);
            run.epilogue();
            run.drop_driver();
        });
        if let Err(message) = caught {
            let call = trace.calls.len().saturating_sub(1);
            self.note_freed(trace, call);
            self.note_text(trace, call, &message, true);
            trace.panic = Some(message);
        }
        trace.reserved_len = self.seams.reserved_len();
    }

    fn note_freed(&mut self, trace: &mut Trace, call: usize) {
        heap::take_report(|freed| {
            let place =
                Place::FreedHeap { len: narrow(freed.block_len), offset: narrow(freed.position) };
            trace.sightings.push(sighting(freed.tag, freed.window, call, place));
        });
    }

    fn note_text(&mut self, trace: &mut Trace, call: usize, text: &str, is_panic: bool) {
        scan_text(&self.secrets, text, &mut self.scratch, &mut |seen| {
            let encoding = seen.encoding;
            let place =
                if is_panic { Place::Panic { encoding } } else { Place::Debug { encoding } };
            trace.sightings.push(sighting(seen.tag, seen.window, call, place));
        });
    }
}

/// One execution under way.
struct Run<'a, S: Subject> {
    executor: &'a mut Executor,
    trace: &'a mut Trace,
    driver: S::Driver,
    debug_text: DebugText,
}

impl<S: Subject> Run<'_, S> {
    fn sequence(&mut self, sequence: &CallSequence) {
        for &call in sequence.calls.iter().take(CALLS_MAX) {
            self.call(call);
        }
        self.trace.sequence_len = self.trace.calls.len();
    }

    /// Drains the GPU and destroys what the client still holds.
    fn epilogue(&mut self) {
        self.call(Call::Retire { count: u32::MAX });
        for slot in 0..self.executor.client.devices.len() {
            let device = &self.executor.client.devices[slot];
            if device.is_open {
                // By its handle: a slot of the sequence names only the first 256.
                let name = Slot(u8::try_from(slot).unwrap_or(u8::MAX));
                let mut seen = Observation::new(Call::DestroyDevice { device: name });
                seen.device_slot = Some(short(slot));
                seen.device = device.handle;
                self.make(seen);
            }
        }
    }

    fn drop_driver(self) {
        let Self { executor, trace, driver, .. } = self;
        panic::in_driver(|| heap::watch(&executor.secrets, || drop(driver)));
        executor.note_freed(trace, trace.calls.len());
    }

    fn call(&mut self, call: Call) {
        let mut seen = Observation::new(call);
        self.resolve(&mut seen);
        self.make(seen);
    }

    /// Makes a call whose handles are known, and writes down what came of it.
    fn make(&mut self, mut seen: Observation) {
        let index = self.trace.calls.len();
        self.executor.seams.begin_call();
        let first_draw = self.trace.draws.len();
        // Written down first, so that a call that never returns is in the trace.
        self.trace.calls.push(seen.clone());
        seen.code = self.perform(&mut seen, index);
        self.executor.seams.end_call(&mut self.trace.draws);
        seen.reservations = self.executor.seams.reservations();
        seen.draws = narrow(first_draw)..narrow(self.trace.draws.len());
        self.executor.note_freed(self.trace, index);
        self.scan_scalar(seen.scalar, index);
        if self.debug_text == DebugText::Read && !seen.call.is_injection() {
            self.read_debug_text(index);
        }
        self.trace.calls[index] = seen;
    }

    /// Finds the handles that the call's slots stand for.
    fn resolve(&self, seen: &mut Observation) {
        let client = &self.executor.client;
        if let Some(SessionRef { slot, via }) = seen.call.session() {
            let session = slot.resolve(client.sessions.len());
            seen.session_slot = session.map(short);
            seen.session = session.map(|slot| client.sessions[slot].handle).unwrap_or_default();
            seen.device_slot = match via {
                Some(via) => via.resolve(client.devices.len()).map(short),
                None => session.and_then(|slot| client.sessions[slot].device_slot),
            };
        } else if let Some(device) = seen.call.device() {
            seen.device_slot = device.resolve(client.devices.len()).map(short);
        }
        seen.device = seen
            .device_slot
            .map(|slot| client.devices[usize::from(slot)].handle)
            .unwrap_or_default();
    }

    /// Makes the call. `None` when it does not enter the driver.
    fn perform(&mut self, seen: &mut Observation, index: usize) -> Option<Hresult> {
        let code = match seen.call {
            Call::CreateDevice => self.create_device(seen),
            Call::DestroyDevice { .. } => self.destroy_device(seen),
            Call::CreateSession { .. } => self.create_session(seen),
            Call::DestroySession { .. } => {
                let (device, session) = (seen.device, seen.session);
                self.enter(|driver| driver.destroy_crypto_session(device, session))
            }
            Call::ExchangeKey { .. } => self.exchange_key(seen),
            Call::StartRefresh { .. } => self.start_refresh(seen, index),
            Call::FinishRefresh { .. } => self.finish_refresh(seen),
            Call::SubmitBuffer { .. } => self.submit_buffer(seen, index),
            Call::SessionStatus { .. } => self.session_status(seen),
            Call::Retire { count } => self.retire(seen, count, index),
            Call::ResetEngine => self.enter(CryptoSessionDdi::reset_engine),
            Call::InjectEntropy { fault, draws } => {
                self.executor.seams.inject_entropy(fault, draws);
                return None;
            }
            Call::InjectAllocationFailure { after } => {
                self.executor.seams.inject_allocation_failure(after);
                return None;
            }
        };
        Some(code)
    }

    /// Enters the driver: with freed blocks looked into, and panics known to be its own.
    fn enter<T>(&mut self, call: impl FnOnce(&mut S::Driver) -> T) -> T {
        let driver = &mut self.driver;
        panic::in_driver(|| heap::watch(&self.executor.secrets, || call(driver)))
    }

    fn create_device(&mut self, seen: &mut Observation) -> Hresult {
        let mut args = CreateDevice::default();
        let code = self.enter(|driver| driver.create_device(&mut args));
        seen.scalar = args.device.0;
        seen.device_slot = Some(short(self.executor.client.devices.len()));
        self.executor.client.add_device(args.device, code);
        code
    }

    fn destroy_device(&mut self, seen: &Observation) -> Hresult {
        let device = seen.device;
        let code = self.enter(|driver| driver.destroy_device(device));
        if let (Some(slot), true) = (seen.device_slot, code.is_ok()) {
            self.executor.client.devices[usize::from(slot)].is_open = false;
        }
        code
    }

    fn create_session(&mut self, seen: &mut Observation) -> Hresult {
        let Call::CreateSession { crypto, profile, .. } = seen.call else { return Hresult::E_FAIL };
        let mut args = CreateCryptoSession {
            crypto_type: client::crypto_type(crypto),
            decode_profile: client::decode_profile(profile),
            session: rekeylab_ddi::SessionHandle::NULL,
        };
        let device = seen.device;
        let code = self.enter(|driver| driver.create_crypto_session(device, &mut args));
        seen.scalar = args.session.0;
        seen.session_slot = Some(short(self.executor.client.sessions.len()));
        self.executor.client.add_session(args.session, seen.device_slot);
        code
    }

    fn exchange_key(&mut self, seen: &Observation) -> Hresult {
        let Call::ExchangeKey { key: seed, blob, .. } = seen.call else { return Hresult::E_FAIL };
        let mut key = [0; 16];
        self.executor.client.key_ring.session_key(seed, &mut key);
        if let Some(slot) = seen.session_slot {
            self.register(&key, SecretName { kind: SecretKind::Key, session: slot, epoch: 0 });
        }
        let mut wrapped = [0; seams::BLOB_LEN + 1];
        let (bytes, blob_len) = seams::wrap(&key, blob, &mut wrapped);
        let args = CryptoSessionKeyExchange { session: seen.session, blob: bytes, blob_len };
        let device = seen.device;
        let code = self.enter(|driver| driver.crypto_session_key_exchange(device, &args));
        if let Some(session) = self.executor.client.session_mut(seen)
            && code.is_ok()
        {
            session.take_key(&key);
        }
        code
    }

    fn start_refresh(&mut self, seen: &mut Observation, index: usize) -> Hresult {
        let Call::StartRefresh { size, null, .. } = seen.call else { return Hresult::E_FAIL };
        // The client owns what it claims and a margin; of absurd claims only the first bytes.
        let owned_len = (size as usize).min(OWNED_RANDOM_LEN_MAX) + MARGIN_LEN;
        let restoring = self.executor.client.session_mut(seen).map(|session| session.restoring());
        let planned = self.executor.seams.plan_randoms(restoring.as_ref());
        for next in planned.into_iter().flatten() {
            let Some(slot) = seen.session_slot else { break };
            let epoch = self.executor.client.session_mut(seen).map_or(0, |session| session.epoch);
            self.register_random(
                &next,
                SecretName { kind: SecretKind::Random, session: slot, epoch },
            );
        }

        let start = self.trace.bytes.len();
        self.trace.bytes.resize(start + owned_len, UNTOUCHED);
        seen.buffer = narrow(start)..narrow(start + owned_len);
        let owned = &mut self.trace.bytes[start..];
        let mut args = StartSessionKeyRefresh {
            session: seen.session,
            random_number: (!null).then_some(&mut *owned),
            random_number_len: size,
        };
        let (device, driver) = (seen.device, &mut self.driver);
        let code = panic::in_driver(|| {
            heap::watch(&self.executor.secrets, || {
                driver.start_session_key_refresh(device, &mut args)
            })
        });

        let random = owned.first_chunk::<RANDOM_NUMBER_LEN>().copied().unwrap_or_default();
        if let Some(session) = self.executor.client.session_mut(seen)
            && code.is_ok()
        {
            session.random = Some(random);
        }
        // The number that was drawn belongs there; everything else is looked at.
        let is_drawn = code.is_ok() && self.executor.seams.has_answered(&random);
        let expected_len = if is_drawn { RANDOM_NUMBER_LEN } else { 0 };
        let range = start + expected_len..start + owned_len;
        if self.trace.bytes[range.clone()].iter().any(|&byte| byte != UNTOUCHED) {
            self.scan_short_output(range, expected_len, index);
        }
        code
    }

    fn finish_refresh(&mut self, seen: &Observation) -> Hresult {
        // The key that finish is about to make is a secret from before the driver makes it.
        if let (Some(slot), Some(session)) =
            (seen.session_slot, self.executor.client.session_mut(seen))
            && session.random.is_some()
        {
            let (key, epoch) = (session.updated_key(), session.epoch + 1);
            self.register_if_distinctive(
                &key,
                SecretName { kind: SecretKind::Key, session: slot, epoch },
            );
        }
        let (device, session) = (seen.device, seen.session);
        let code = self.enter(|driver| driver.finish_session_key_refresh(device, session));
        if let Some(session) = self.executor.client.session_mut(seen)
            && code.is_ok()
        {
            session.finish();
        }
        code
    }

    fn submit_buffer(&mut self, seen: &mut Observation, index: usize) -> Hresult {
        let Call::SubmitBuffer { iv, count, len, null, .. } = seen.call else {
            return Hresult::E_FAIL;
        };
        let start = self.trace.bytes.len();
        let owned_len = if len as usize <= OWNED_DATA_LEN_MAX { len as usize } else { 64 };
        self.trace.bytes.resize(start + owned_len, 0);
        seen.buffer = narrow(start)..narrow(start + owned_len);
        let data = &mut self.trace.bytes[start..];
        expand::payload(index, data);
        if let Some(session) = self.executor.client.session_mut(seen) {
            session.encrypt(iv, count, data);
        }
        let counter = CtrIv::new(iv, count);
        let mut args = SubmitBuffer {
            session: seen.session,
            iv: (null != NullPointer::Iv).then_some(&counter),
            data: (null != NullPointer::Data).then_some(&*data),
            data_len: len,
            fence: u64::from_ne_bytes([UNTOUCHED; 8]),
        };
        let (device, driver) = (seen.device, &mut self.driver);
        let code = panic::in_driver(|| {
            heap::watch(&self.executor.secrets, || driver.submit_buffer(device, &mut args))
        });
        seen.scalar = args.fence;
        if code.is_ok() {
            self.executor.client.in_flight.push_back(owned_len);
        }
        code
    }

    fn session_status(&mut self, seen: &mut Observation) -> Hresult {
        let mut args = CheckCryptoSessionStatus {
            session: seen.session,
            status: SessionStatus(u32::from_ne_bytes([UNTOUCHED; 4])),
        };
        let device = seen.device;
        let code = self.enter(|driver| driver.check_crypto_session_status(device, &mut args));
        seen.scalar = args.status.0.into();
        code
    }

    fn retire(&mut self, seen: &mut Observation, count: u32, index: usize) -> Hresult {
        // Room for what should complete, and a margin for what should not.
        let in_flight = &self.executor.client.in_flight;
        let command_count = (count as usize).min(in_flight.len());
        let owed_len: usize = in_flight.iter().take(command_count).sum();
        let start = self.trace.bytes.len();
        self.trace.bytes.resize(start + owed_len + MARGIN_LEN, UNTOUCHED);
        seen.buffer = narrow(start)..narrow(start + owed_len + MARGIN_LEN);
        let first = self.trace.completions.len();
        self.trace.completions.resize(first + command_count + 2, Completion::EMPTY);
        let mut args = Retire {
            count,
            completions: &mut self.trace.completions[first..],
            completed_count: u32::MAX,
            surface: &mut self.trace.bytes[start..],
            surface_len: u32::MAX,
        };
        let driver = &mut self.driver;
        let code =
            panic::in_driver(|| heap::watch(&self.executor.secrets, || driver.retire(&mut args)));
        let completed = (args.completed_count as usize).min(command_count + 2);
        seen.surface_len = args.surface_len;
        self.trace.completions.truncate(first + completed);
        seen.completions = narrow(first)..narrow(first + completed);
        if code.is_ok() {
            let delivered = completed.min(self.executor.client.in_flight.len());
            self.executor.client.in_flight.drain(..delivered);
        }
        for number in first..first + completed {
            let Completion { fence, code, offset, len } = self.trace.completions[number];
            self.scan_scalar(fence, index);
            self.scan_scalar(u64::from(code.0) << 32 | u64::from(offset), index);
            self.scan_scalar(u64::from(offset) << 32 | u64::from(len), index);
        }
        self.scan_output(start..start + owed_len + MARGIN_LEN, 0, index);
        code
    }

    /// Registers the random number that the next draw will answer.
    ///
    /// A start that does not draw leaves it to the next one, which then gives it its name.
    fn register_random(&mut self, random: &[u8; 16], name: SecretName) {
        match self.executor.planned {
            Some((planned, index)) if planned == *random => self.trace.secrets[index] = name,
            _ => {
                let index = self.trace.secrets.len();
                self.register_if_distinctive(random, name);
                self.executor.planned =
                    (self.trace.secrets.len() > index).then_some((*random, index));
            }
        }
    }

    /// Registers a secret that arithmetic made: what looks like something else by chance (zeros, a
    /// counter) would raise false alarms.
    fn register_if_distinctive(&mut self, secret: &[u8; 16], name: SecretName) {
        if keysan::looks_like_nothing_else(secret) {
            self.register(secret, name);
        }
    }

    fn register(&mut self, secret: &[u8; 16], name: SecretName) {
        let known = self.executor.secrets.len();
        let index = narrow(self.trace.secrets.len());
        let registered = self.executor.secrets.register(secret, index);
        registered.expect("the set holds two secrets for each of CALLS_MAX calls");
        if self.executor.secrets.len() > known {
            // A secret that comes back, such as a restored key, keeps its first name.
            self.trace.secrets.push(name);
        }
    }

    fn scan_output(&mut self, range: core::ops::Range<usize>, offset: usize, index: usize) {
        let Trace { bytes, sightings, .. } = &mut *self.trace;
        self.executor.secrets.scan_aligned(&bytes[range], &mut |seen| {
            let place = Place::Output { offset: narrow(seen.position + offset) };
            sightings.push(sighting(seen.tag, seen.window, index, place));
        });
    }

    /// For a few bytes, in which part of a secret may stand anywhere.
    fn scan_short_output(&mut self, range: core::ops::Range<usize>, offset: usize, index: usize) {
        let Trace { bytes, sightings, .. } = &mut *self.trace;
        self.executor.secrets.scan_bytes(&bytes[range], &mut |seen| {
            let place = Place::Output { offset: narrow(seen.position + offset) };
            sightings.push(sighting(seen.tag, seen.window, index, place));
        });
    }

    fn scan_scalar(&mut self, scalar: u64, index: usize) {
        let sightings = &mut self.trace.sightings;
        self.executor.secrets.scan_bytes(&scalar.to_ne_bytes(), &mut |seen| {
            let place = Place::Output { offset: 0 };
            sightings.push(sighting(seen.tag, seen.window, index, place));
        });
    }

    fn read_debug_text(&mut self, index: usize) {
        let (mut text, mut before) = (
            core::mem::take(&mut self.executor.text),
            core::mem::take(&mut self.executor.last_text),
        );
        text.clear();
        let driver = &self.driver;
        panic::in_driver(|| write!(text, "{driver:?}")).expect("a string takes any text");
        // The same text says the same; scanning costs more than writing it.
        if text != before {
            self.executor.note_text(self.trace, index, &text, false);
            core::mem::swap(&mut text, &mut before);
        }
        (self.executor.text, self.executor.last_text) = (text, before);
    }
}

const _: () = assert!(SecretSet::CAPACITY >= 2 * CALLS_MAX, "no secret may go unwatched");

/// Of a claimed random-number buffer, the client really owns at most this much, in bytes.
const OWNED_RANDOM_LEN_MAX: usize = 64;

/// Up to this many bytes of data the client owns what it claims, and of more only a few: a driver
/// must refuse absurd claims by the claim alone.
const OWNED_DATA_LEN_MAX: usize = BOUNDS.buffer_len_max as usize + 16;

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
