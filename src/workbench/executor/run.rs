//! One execution under way: from the calls of a sequence to observations.

use core::ops::ControlFlow;

use keysan::SecretSet;
use keysan::heap;
use rekeylab_ddi::{Hresult, Limits};

use super::differential::RunRecord;
use super::dut::Dut;
use super::hygiene::Instruments;
use super::{Executor, narrow, panic, short};
use crate::observation::{Layer, Layers, Observation, Stage, Trace};
use crate::sequence::expand::World;
use crate::sequence::{
    BoundsChoice, CALLS_MAX, Call, CallSequence, HandleForm, Room, SessionRef, Slot,
};

/// One execution under way.
pub(super) struct Run<'a, D: Dut> {
    pub(super) executor: &'a mut Executor,
    pub(super) instruments: &'a mut Instruments,
    pub(super) dut: &'a D,
    pub(super) trace: &'a mut Trace,
    /// The bounds that the driver keeps.
    pub(super) limits: Limits,
    /// Which bounds these are.
    pub(super) bounds: BoundsChoice,
    /// `None` before it is opened and after it is gone.
    pub(super) driver: Option<D::Driver>,
    pub(super) layers: Layers,
    /// Whether calls go through the gate, as layers or the recording ask.
    pub(super) is_gated: bool,
    /// Whether the places where secrets die are looked into, as layers or the recording ask.
    pub(super) looks_around: bool,
    pub(super) world: World,
    /// What the differential compares, if this run is one of those that it compares.
    pub(super) recording: Option<&'a mut RunRecord>,
    /// The call under way, or the last one; it is added to the trace when it has returned.
    pub(super) seen: Observation,
    /// Whether a call is under way.
    pub(super) is_calling: bool,
}

impl<D: Dut> Run<'_, D> {
    /// The whole life of a driver: opened, called, drained, closed and gone; or up to where it hangs.
    pub(super) fn whole(&mut self, sequence: &CallSequence) -> ControlFlow<Stage> {
        let (dut, seams) = (self.dut, &self.executor.seams);
        let seams = std::rc::Rc::clone(seams);
        self.go_on_to(Stage::Opening)?;
        self.begin_call(0);
        let bounds = self.bounds;
        self.aside(|driver| *driver = Some(dut.open_at(bounds, &seams)));
        self.look_at_aside(0);
        self.trace.limits = Some(self.limits);
        self.trace.choices = dut.choices();
        self.trace.has_own_random = dut.draws_by_itself();
        let mut is_closed = false;
        let calls_max = self.executor.calls_max;
        for &call in &sequence.calls[..sequence.calls.len().min(calls_max)] {
            if calls_max > CALLS_MAX && self.is_full() {
                break;
            }
            self.call(call)?;
            is_closed = call == Call::CloseAdapter;
            if is_closed {
                break;
            }
        }
        self.trace.sequence_len = self.trace.calls.len();
        self.note_state();
        if is_closed {
            // What lived in the driver dies with it.
            self.executor.client.lose_everything();
        } else {
            self.epilogue()?;
        }
        self.close()
    }

    /// Whether a trace of a log has no room for another call: positions have 32 bits, slots 16.
    fn is_full(&self) -> bool {
        let client = &self.executor.client;
        let slot_count = client.devices.len().max(client.sessions.len());
        self.trace.bytes.len() > LOG_BYTES_MAX || slot_count >= usize::from(u16::MAX)
    }

    /// Drains the GPU and destroys what the client still holds, so that whatever stays behind shows.
    fn epilogue(&mut self) -> ControlFlow<Stage> {
        self.call(Call::Retire { count: u32::MAX, room: Room::Enough })?;
        for slot in 0..self.executor.client.devices.len() {
            let device = &self.executor.client.devices[slot];
            if device.is_open {
                // By its handle: a slot of the sequence names only the first 256.
                let name = Slot(u8::try_from(slot).unwrap_or(u8::MAX));
                self.seen = Observation::new(Call::destroy_device(name));
                self.seen.device_slot = Some(short(slot));
                self.seen.device = device.handle;
                self.make()?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Drops the driver, and looks at what is left when nothing may be left.
    fn close(&mut self) -> ControlFlow<Stage> {
        self.go_on_to(Stage::Dropping)?;
        let index = self.trace.calls.len();
        self.begin_call(index);
        self.drop_driver();
        self.executor.note_freed(self.trace, index);
        self.look_at_aside(index);
        if self.is_gated {
            self.look_deep();
        }
        if self.looks_around {
            self.look_around(index);
            self.look_at_every_byte_of_statics(index);
            self.look_at_stray_writes();
            self.look_at_what_stays();
        }
        ControlFlow::Continue(())
    }

    pub(super) fn drop_driver(&mut self) {
        // Where it is: a driver is large, and moving it to its end would be for nothing.
        self.aside(|driver| *driver = None);
    }

    /// Looks at what opening or dropping the driver left, beside the call of that number.
    fn look_at_aside(&mut self, index: usize) {
        if self.is_gated {
            self.look_at_stack_and_registers(index);
        }
    }

    fn call(&mut self, call: Call) -> ControlFlow<Stage> {
        self.seen = Observation::new(call);
        self.resolve();
        self.make()
    }

    /// Makes a call whose handles are known, and writes down what came of it.
    fn make(&mut self) -> ControlFlow<Stage> {
        let index = self.trace.calls.len();
        self.is_calling = true;
        self.go_on_to(Stage::Call(narrow(index)))?;
        self.begin_call(index);
        let (first_draw, first_read) = (self.trace.draws.len(), self.trace.read_backs.len());
        self.seen.code = self.perform(index);
        self.executor.seams.end_call(&mut self.trace.draws);
        self.seen.reservations = self.executor.seams.reservations();
        self.seen.is_answered_for = self.executor.seams.is_answered_for();
        self.seen.held_len = self.executor.seams.reserved_len();
        self.seen.draws = narrow(first_draw)..narrow(self.trace.draws.len());
        self.executor.seams.take_read_backs(&mut self.trace.read_backs);
        self.seen.read_backs = narrow(first_read)..narrow(self.trace.read_backs.len());
        if self.seen.call.enters_driver() {
            self.executor.note_freed(self.trace, index);
            self.scan_scalar(self.seen.scalar, index);
            self.dut.listen(&self.executor.seams);
            self.seen.log = self.read_log(index);
            self.record_what_was_said(index);
            self.look_for_leftovers(index);
            if self.layers.has(Layer::Debug) {
                self.read_debug_text(index);
            }
        }
        self.trace.calls.push(self.seen.clone());
        self.is_calling = false;
        ControlFlow::Continue(())
    }

    /// Adds the call that never returned to the trace, if there is one: as it was made, unanswered.
    pub(super) fn note_unanswered(&mut self) {
        if self.is_calling {
            let Observation { call, device_slot, session_slot, device, session, .. } = self.seen;
            self.trace.calls.push(Observation {
                // What a call creates has no slot before it returns.
                device_slot: device_slot.filter(|_| !matches!(call, Call::CreateDevice)),
                session_slot: session_slot.filter(|_| call.session().is_some()),
                device,
                session,
                ..Observation::new(call)
            });
            self.is_calling = false;
        }
        if self.trace.sequence_len == 0 {
            // It ended before the epilogue.
            self.trace.sequence_len = self.trace.calls.len();
        }
    }

    fn begin_call(&mut self, index: usize) {
        self.executor.seams.begin_call();
        if let Some(arena) = &self.instruments.arena {
            arena.begin_call(narrow(index));
        }
    }

    /// Finds the handles that the call's slots stand for.
    #[inline(always)]
    fn resolve(&mut self) {
        let seen = &mut self.seen;
        let client = &self.executor.client;
        if let Some(SessionRef { slot, via, handle: _ }) = seen.call.session() {
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
        let form = match seen.call {
            Call::DestroyDevice { handle, .. } | Call::CreateSession { handle, .. } => handle,
            call => call.session().unwrap_or_default().handle,
        };
        if form != HandleForm::Given {
            client.forge(form, seen);
        }
    }

    /// Makes the call. `None` when it does not enter the driver.
    #[inline(always)]
    fn perform(&mut self, index: usize) -> Option<Hresult> {
        let code = match self.seen.call {
            Call::CreateDevice => self.create_device(),
            Call::DestroyDevice { .. } => self.destroy_device(),
            Call::CreateSession { crypto, profile, .. } => self.create_session(crypto, profile),
            Call::ContentProtectionCaps { crypto, profile, size, null } => {
                self.content_protection_caps((crypto, profile), size, null, index)
            }
            Call::DestroySession { .. } => self.destroy_session(),
            Call::ExchangeKey { key, blob, shape, .. } => self.exchange_key(key, blob, shape),
            Call::StartRefresh { size, null, .. } => self.start_refresh(size, null, index),
            Call::FinishRefresh { .. } => self.finish_refresh(),
            Call::EncryptionBltKey { size, null, .. } => self.encryption_blt_key(size, null, index),
            Call::SubmitBuffer { iv, count, len, null, .. } => {
                self.submit_buffer((iv, count), len, null, index)
            }
            Call::SessionStatus { .. } => self.session_status(),
            Call::Retire { count, room } => self.retire(count, room, index),
            Call::ResetEngine => self.reset_engine(),
            Call::InjectEntropy { fault, draws } => {
                self.executor.seams.inject_entropy(fault, draws);
                return None;
            }
            Call::InjectAllocationFailure { after } => {
                self.executor.seams.inject_allocation_failure(after);
                return None;
            }
            // Opened it is already, and `whole` closes it.
            Call::OpenAdapter { .. } | Call::CloseAdapter => return None,
        };
        Some(code)
    }

    /// Enters the driver with a call.
    pub(super) fn enter<T>(&mut self, call: impl FnOnce(&mut D::Driver) -> T) -> T {
        let (is_gated, secrets) = (self.is_gated, &self.executor.secrets);
        enter(self.dut, &mut self.driver, self.instruments, secrets, is_gated, call)
    }

    /// Runs what belongs to the driver and is no call of it, such as opening and dropping it.
    fn aside(&mut self, work: impl FnOnce(&mut Option<D::Driver>)) {
        let (is_gated, secrets) = (self.is_gated, &self.executor.secrets);
        let driver = &mut self.driver;
        watched(self.dut, self.instruments, secrets, is_gated, || work(driver));
    }
}

/// How many bytes of buffers a trace of a log holds, so that what one call adds still has a position.
const LOG_BYTES_MAX: usize = 1 << 30;

/// Enters the driver: through the gate if wanted, with its heap watched, and with panics known to
/// be its own.
#[inline]
pub(super) fn enter<D: Dut, T>(
    dut: &D,
    driver: &mut Option<D::Driver>,
    instruments: &mut Instruments,
    secrets: &SecretSet,
    is_gated: bool,
    call: impl FnOnce(&mut D::Driver) -> T,
) -> T {
    let driver = driver.as_mut().expect("calls are made while the driver is open");
    watched(dut, instruments, secrets, is_gated, || call(driver))
}

/// Runs what is the driver's, and is looked behind.
#[inline]
fn watched<D: Dut, T>(
    dut: &D,
    instruments: &mut Instruments,
    secrets: &SecretSet,
    is_gated: bool,
    work: impl FnOnce() -> T,
) -> T {
    let inside = || panic::in_driver(work);
    if D::HAS_ENTRIES {
        return in_parts(dut, instruments, secrets, is_gated, inside);
    }
    heap::watch(secrets, || match instruments.gate.as_mut().filter(|_| is_gated) {
        Some(gate) => gate.call(inside),
        None => inside(),
    })
}

/// Runs what enters the driver once or several times, and looks behind each time: the next one would cover
/// what this one has left.
fn in_parts<D: Dut, T>(
    dut: &D,
    instruments: &mut Instruments,
    secrets: &SecretSet,
    is_gated: bool,
    work: impl FnOnce() -> T,
) -> T {
    let (mut work, mut answer) = (Some(work), None);
    let mut around = |entry: &mut dyn FnMut()| {
        heap::watch(secrets, || match instruments.gate.as_mut().filter(|_| is_gated) {
            Some(gate) => gate.call(entry),
            None => entry(),
        });
        if is_gated {
            instruments.keep_leftovers(secrets);
        }
    };
    let mut whole = || answer = work.take().map(|work| work());
    dut.around_entries(&mut around, &mut whole);
    answer.expect("a driver runs the work that it is given")
}
