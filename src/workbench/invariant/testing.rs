//! Traces written by hand, in the text form: what follows each arrow is what the driver "answered".

#![allow(clippy::cast_possible_truncation, reason = "traces written by hand are short")]

use std::collections::VecDeque;

use rekeylab_ddi::{
    Completion, ContentProtectionCaps, DeviceHandle, Guid, Hresult, Limits, SessionHandle,
};

use super::{Model, Verdict, Violation, judge};
use crate::observation::{
    Draw, MARGIN_LEN, Observation, Place, RetireRoom, SecretKind, SecretName, Sighting, Trace,
    UNTOUCHED,
};
use crate::sequence::expand::World;
use crate::sequence::{Call, EntropyFault, SequenceText, Shape, expand};

/// Asserts which invariants a trace rings.
pub(super) fn check(calls: &str, expected: &[&str]) {
    assert_eq!(rings(&trace_of(calls)), expected, "{calls}");
}

/// The names of the invariants that a trace rings.
pub(super) fn rings(trace: &Trace) -> Vec<&'static str> {
    violations(trace).iter().map(|violation| violation.invariant).collect()
}

/// The violations of a trace.
pub(super) fn violations(trace: &Trace) -> Vec<Violation> {
    let mut verdict = Verdict::default();
    judge(trace, &mut Model::default(), &mut verdict);
    verdict.violations
}

/// A trace in which the calls got the answers behind their arrows.
///
/// Outputs are those of an honest driver that gave these answers; tests change them afterwards.
pub(super) fn trace_of(calls: &str) -> Trace {
    let text = SequenceText::parse(calls).unwrap_or_else(|error| panic!("{error}\n{calls}"));
    let mut writer = Writer::default();
    writer.trace.limits = Some(LIMITS);
    for (index, entry) in text.entries.iter().enumerate() {
        writer.write(index, entry.call, entry.expected);
    }
    writer.trace.sequence_len = writer.trace.calls.len();
    writer.trace
}

/// The bounds of the imagined driver.
const LIMITS: Limits = Limits {
    devices_max: 4,
    sessions_max: 8,
    generations_max: 3,
    queue_commands_max: 32,
    buffer_len_max: 1024,
    queue_len_max: 4096,
    block_alignment: 16,
    key_exchange_blob_len: 32,
    entropy_draws_max: 4,
};

/// What the imagined driver says that it can do.
const CAPS: ContentProtectionCaps = ContentProtectionCaps {
    caps: ContentProtectionCaps::SOFTWARE
        | ContentProtectionCaps::FRESHEN_SESSION_KEY
        | ContentProtectionCaps::ENCRYPTED_READ_BACK_KEY
        | ContentProtectionCaps::SEQUENTIAL_CTR_IV,
    key_exchange_type: Guid::KEY_EXCHANGE_PLAIN,
    buffer_alignment_start: 16,
    block_alignment_size: LIMITS.block_alignment,
    protected_memory_size: 4096,
};

/// Claims that the first key of session 0 was seen somewhere during a call.
pub(super) fn sight(trace: &mut Trace, call: u32, place: Place) {
    trace.secrets = vec![SecretName { kind: SecretKind::Key, session: 0, epoch: 0 }];
    trace.sightings.push(Sighting { secret: 0, window: 0, call, place });
}

/// Rewrites the surface of a retire as if the only buffer had been processed under another key.
pub(super) fn process_under(trace: &mut Trace, submitted: usize, retired: usize, key_seed: u32) {
    let mut key = [0; 16];
    expand::session_key(World::default(), key_seed, Shape::Plain, &mut key);
    process_with(trace, submitted, retired, &key);
}

/// The same, under a key whose session was refreshed by the start at `started`.
pub(super) fn process_under_refreshed(
    trace: &mut Trace,
    submitted: usize,
    retired: usize,
    key_seed: u32,
    started: usize,
) {
    let mut key = [0; 16];
    expand::session_key(World::default(), key_seed, Shape::Plain, &mut key);
    let random = trace.buffer_of(&trace.calls[started]);
    key.iter_mut().zip(random).for_each(|(key, random)| *key ^= random);
    process_with(trace, submitted, retired, &key);
}

/// The same, under any sixteen bytes.
pub(super) fn process_with(trace: &mut Trace, submitted: usize, retired: usize, key: &[u8; 16]) {
    let Call::SubmitBuffer { iv, count, .. } = trace.calls[submitted].call else { panic!() };
    let mut bytes = trace.buffer_of(&trace.calls[submitted]).to_vec();
    rekeylab_cipher::ctr_xor(key, iv, count, &mut bytes).unwrap();
    let start = trace.calls[retired].buffer.start as usize;
    trace.bytes[start..start + bytes.len()].copy_from_slice(&bytes);
}

#[derive(Default)]
struct Writer {
    trace: Trace,
    devices: Vec<u64>,
    sessions: Vec<Written>,
    in_flight: VecDeque<(u64, Vec<u8>)>,
    fence: u64,
    random_count: u32,
    entropy_fault: Option<EntropyFault>,
    is_allocation_refused: bool,
}

#[derive(Clone, Copy, Default)]
struct Written {
    handle: u64,
    device: Option<u16>,
    key: [u8; 16],
    random: [u8; 16],
    is_lost: bool,
}

impl Writer {
    fn write(&mut self, index: usize, call: Call, code: Option<Hresult>) {
        let mut seen = Observation::new(call);
        if let Some(target) = call.session() {
            seen.session_slot = target.slot.resolve(self.sessions.len()).map(|slot| slot as u16);
            let session = seen.session_slot.map(|slot| self.sessions[slot as usize]);
            seen.session = SessionHandle(session.map_or(0, |session| session.handle));
            seen.device_slot = match target.via {
                Some(via) => via.resolve(self.devices.len()).map(|slot| slot as u16),
                None => session.and_then(|session| session.device),
            };
        } else if let Some(device) = call.device() {
            seen.device_slot = device.resolve(self.devices.len()).map(|slot| slot as u16);
        }
        seen.device =
            DeviceHandle(seen.device_slot.map_or(0, |slot| self.devices[usize::from(slot)]));
        seen.code = call.enters_driver().then(|| code.expect("an answer"));
        self.outputs(index, &mut seen);
        self.trace.calls.push(seen);
    }

    fn outputs(&mut self, index: usize, seen: &mut Observation) {
        let is_ok = seen.is_ok();
        let slot = seen.session_slot.map(usize::from);
        match seen.call {
            Call::CreateDevice => {
                seen.device_slot = Some(self.devices.len() as u16);
                seen.scalar = if is_ok { 0xD000 + self.devices.len() as u64 } else { 0 };
                self.devices.push(seen.scalar);
            }
            Call::CreateSession { .. } => {
                seen.session_slot = Some(self.sessions.len() as u16);
                seen.scalar = if is_ok { 0x5000 + self.sessions.len() as u64 } else { 0 };
                let (handle, device) = (seen.scalar, seen.device_slot);
                self.sessions.push(Written { handle, device, ..Written::default() });
            }
            Call::ContentProtectionCaps { size, null, .. } => {
                let mut buffer = vec![UNTOUCHED; size.min(64) as usize + MARGIN_LEN];
                if size == 40 && !null {
                    let caps = if is_ok { CAPS.to_bytes() } else { [0; 40] };
                    buffer[..40].copy_from_slice(&caps);
                }
                seen.buffer = self.keep(&buffer);
            }
            Call::ExchangeKey { key, shape, .. } if is_ok => {
                let of_session = &mut self.sessions[slot.unwrap()].key;
                expand::session_key(World::default(), key, shape, of_session);
            }
            Call::StartRefresh { size, null, .. } | Call::EncryptionBltKey { size, null, .. } => {
                self.draw(seen, size, null);
            }
            Call::FinishRefresh { .. } if is_ok => {
                let session = &mut self.sessions[slot.unwrap()];
                session.key.iter_mut().zip(session.random).for_each(|(k, r)| *k ^= r);
                session.random = [0; 16];
            }
            Call::SubmitBuffer { iv, count, len, .. } => {
                let mut bytes = vec![0; len.min(4096) as usize];
                expand::payload(World::default(), index, &mut bytes);
                let plaintext = bytes.clone();
                if let Some(slot) = slot {
                    let _ =
                        rekeylab_cipher::ctr_xor(&self.sessions[slot].key, iv, count, &mut bytes);
                }
                seen.buffer = self.keep(&bytes);
                seen.reservations.is_refused = std::mem::take(&mut self.is_allocation_refused);
                if is_ok {
                    self.fence += 1;
                    seen.scalar = self.fence;
                    self.in_flight.push_back((self.fence, plaintext));
                }
            }
            Call::SessionStatus { .. } => {
                let is_lost = slot.is_some_and(|slot| self.sessions[slot].is_lost);
                seen.scalar = if is_ok { u64::from(is_lost) } else { 2 };
            }
            Call::Retire { count, .. } => self.retire(seen, count),
            Call::ResetEngine => {
                self.sessions.iter_mut().for_each(|session| session.is_lost = true)
            }
            Call::InjectEntropy { fault, .. } => self.entropy_fault = Some(fault),
            Call::InjectAllocationFailure { .. } => self.is_allocation_refused = true,
            _ => {}
        }
    }

    /// A start, or a call for a read-back key, which is handed out wrapped.
    fn draw(&mut self, seen: &mut Observation, size: u32, null: bool) {
        let mut buffer = vec![UNTOUCHED; size.min(64) as usize + MARGIN_LEN];
        let first = self.trace.draws.len() as u32;
        if seen.is_ok() {
            let mut random = [0; 16];
            if self.entropy_fault.take() != Some(EntropyFault::Zero) {
                let count = self.random_count;
                expand::refresh_random(World::default(), 0, count, Shape::Plain, &mut random);
                self.random_count += 1;
            }
            self.trace.draws.push(Draw::Answered(random));
            let session = &mut self.sessions[usize::from(seen.session_slot.unwrap())];
            if matches!(seen.call, Call::StartRefresh { .. }) {
                session.random = random;
            } else {
                rekeylab_cipher::encrypt_block(&session.key, &mut random);
            }
            buffer[..16].copy_from_slice(&random);
        } else {
            if seen.code == Some(Hresult::E_FAIL) {
                self.entropy_fault = None;
                self.trace.draws.push(Draw::Failed);
            }
            if size == 16 && !null {
                buffer[..16].fill(0);
            }
        }
        seen.draws = first..self.trace.draws.len() as u32;
        seen.buffer = self.keep(&buffer);
    }

    fn retire(&mut self, seen: &mut Observation, count: u32) {
        let first = self.trace.completions.len() as u32;
        let mut surface = Vec::new();
        for (fence, bytes) in self.in_flight.drain(..(count as usize).min(self.in_flight.len())) {
            let (offset, len) = (surface.len() as u32, bytes.len() as u32);
            let code = Hresult::S_OK;
            self.trace.completions.push(Completion { fence, code, offset, len });
            surface.extend(bytes);
        }
        let completed = self.trace.completions.len() as u32 - first;
        seen.surface_len = surface.len() as u32;
        seen.claimed_count = completed;
        seen.room = RetireRoom { surface_len: seen.surface_len, entries: completed };
        surface.extend([UNTOUCHED; MARGIN_LEN]);
        seen.completions = first..self.trace.completions.len() as u32;
        seen.buffer = self.keep(&surface);
    }

    fn keep(&mut self, bytes: &[u8]) -> std::ops::Range<u32> {
        let start = self.trace.bytes.len() as u32;
        self.trace.bytes.extend(bytes);
        start..self.trace.bytes.len() as u32
    }
}
