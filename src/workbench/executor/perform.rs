//! Each call as the client makes it: its arguments, and what the client remembers of the answer.

use keysan::valgrind;
use rekeylab_ddi::{
    CheckCryptoSessionStatus, Completion, CreateCryptoSession, CreateDevice, CryptoSessionDdi,
    CryptoSessionKeyExchange, CtrIv, DeviceHandle, GetContentProtectionCaps, GetEncryptionBltKey,
    Hresult, RANDOM_NUMBER_LEN, Retire, SESSION_KEY_LEN, SessionHandle, SessionStatus,
    StartSessionKeyRefresh, SubmitBuffer,
};

use super::audit::Taint;
use super::client::{self, InFlight};
use super::dut::Dut;
use super::outputs::{OWNED_RANDOM_LEN_MAX, arguments_text};
use super::run::{Run, enter};
use super::seams::Known;
use super::{narrow, plain_mechanism, short};
use crate::observation::{Layer, MARGIN_LEN, RetireRoom, SecretKind, SecretName, UNTOUCHED};
use crate::sequence::{Blob, CryptoType, DecodeProfile, NullPointer, Room, Shape, expand};

impl<D: Dut> Run<'_, D> {
    pub(super) fn create_device(&mut self) -> Hresult {
        let mut args = CreateDevice { device: DeviceHandle(UNTOUCHED_NUMBER) };
        let code = self.enter(|driver| driver.create_device(&mut args));
        self.read_arguments(arguments_text(self.layers, &args));
        self.seen.scalar = args.device.0;
        self.seen.device_slot = Some(short(self.executor.client.devices.len()));
        let handle =
            if args.device.0 == UNTOUCHED_NUMBER { DeviceHandle::NULL } else { args.device };
        self.executor.client.add_device(handle, code);
        code
    }

    pub(super) fn destroy_device(&mut self) -> Hresult {
        let device = self.seen.device;
        let code = self.enter(|driver| driver.destroy_device(device));
        if let (Some(slot), true) = (self.seen.device_slot, code.is_ok()) {
            self.executor.client.end_device(slot);
        }
        code
    }

    pub(super) fn create_session(&mut self, crypto: CryptoType, profile: DecodeProfile) -> Hresult {
        let mut args = CreateCryptoSession {
            crypto_type: client::crypto_type(crypto),
            decode_profile: client::decode_profile(profile),
            session: SessionHandle(UNTOUCHED_NUMBER),
        };
        let device = self.seen.device;
        let code = self.enter(|driver| driver.create_crypto_session(device, &mut args));
        self.read_arguments(arguments_text(self.layers, &args));
        self.seen.scalar = args.session.0;
        self.seen.session_slot = Some(short(self.executor.client.sessions.len()));
        let is_written = args.session.0 != UNTOUCHED_NUMBER;
        let handle = if is_written { args.session } else { SessionHandle::NULL };
        self.executor.client.add_session(handle, self.seen.device_slot);
        code
    }

    pub(super) fn destroy_session(&mut self) -> Hresult {
        let (device, session) = (self.seen.device, self.seen.session);
        let code = self.enter(|driver| driver.destroy_crypto_session(device, session));
        if let (Some(session), true) = (self.executor.client.session_mut(&self.seen), code.is_ok())
        {
            session.is_alive = false;
        }
        code
    }

    pub(super) fn exchange_key(&mut self, seed: u32, blob: Blob, shape: Shape) -> Hresult {
        let mut key = [0; 16];
        self.executor.client.key_ring.session_key(self.world, seed, shape, &mut key);
        let secret =
            self.seen.session_slot.map(|slot| self.register_seed((seed, shape), &key, slot));
        let mut wrapped = [0; plain_mechanism::BLOB_LEN + 1];
        let (bytes, blob_len) = plain_mechanism::wrap(&key, blob, &mut wrapped);
        let wrapped_key = bytes.and_then(|bytes| bytes.get(16..)).unwrap_or_default();
        if self.executor.taint == Taint::Marked {
            valgrind::mark_secret(wrapped_key);
        }
        let args = CryptoSessionKeyExchange { session: self.seen.session, blob: bytes, blob_len };
        let device = self.seen.device;
        let code = self.enter(|driver| driver.crypto_session_key_exchange(device, &args));
        self.read_arguments(arguments_text(self.layers, &args));
        if self.executor.taint == Taint::Marked {
            valgrind::mark_public(wrapped_key);
        }
        if let (Some(session), true) = (self.executor.client.session_mut(&self.seen), code.is_ok())
        {
            session.take_key(&key);
            session.key_secret = secret;
        }
        code
    }

    pub(super) fn content_protection_caps(
        &mut self,
        (crypto, profile): (CryptoType, DecodeProfile),
        size: u32,
        null: bool,
        index: usize,
    ) -> Hresult {
        let owned_len = (size as usize).min(OWNED_RANDOM_LEN_MAX) + MARGIN_LEN;
        let start = self.next_buffer(owned_len);
        self.seen.buffer = narrow(start)..narrow(start + owned_len);
        let (is_gated, secrets) = (self.is_gated, &self.executor.secrets);
        let owned = &mut self.trace.bytes[start..];
        let mut args = GetContentProtectionCaps {
            crypto_type: client::crypto_type(crypto),
            decode_profile: client::decode_profile(profile),
            caps: (!null).then_some(&mut *owned),
            caps_len: size,
        };
        let code =
            enter(self.dut, &mut self.driver, self.instruments, secrets, is_gated, |driver| {
                driver.get_content_protection_caps(&mut args)
            });
        let text = arguments_text(self.layers, &args);
        self.read_arguments(text);
        self.scan_short_output(start..start + owned_len, 0, index);
        code
    }

    pub(super) fn start_refresh(&mut self, size: u32, null: bool, index: usize) -> Hresult {
        // The client owns what it claims and a margin; of absurd claims only the first bytes.
        let owned_len = (size as usize).min(OWNED_RANDOM_LEN_MAX) + MARGIN_LEN;
        let session = self.executor.client.session_mut(&self.seen);
        let (known, epoch) = session.map_or_else(Default::default, |one| (one.known(), one.epoch));
        let planned = self.plan_draw(SecretKind::Random, known, epoch);

        let start = self.next_buffer(owned_len);
        self.seen.buffer = narrow(start)..narrow(start + owned_len);
        let (is_gated, secrets) = (self.is_gated, &self.executor.secrets);
        let owned = &mut self.trace.bytes[start..];
        let mut args = StartSessionKeyRefresh {
            session: self.seen.session,
            random_number: (!null).then_some(&mut *owned),
            random_number_len: size,
        };
        let device = self.seen.device;
        let code =
            enter(self.dut, &mut self.driver, self.instruments, secrets, is_gated, |driver| {
                driver.start_session_key_refresh(device, &mut args)
            });
        let text = arguments_text(self.layers, &args);

        if self.executor.taint == Taint::Marked {
            // The client may know it; in the driver's memory it stays marked.
            valgrind::mark_public(owned);
        }
        let random = owned.first_chunk::<RANDOM_NUMBER_LEN>().copied().unwrap_or_default();
        self.read_arguments(text);
        if let (Some(session), true) = (self.executor.client.session_mut(&self.seen), code.is_ok())
        {
            session.random = Some(random);
            session.last_random = random;
            let mut drawn = planned.iter().flatten();
            session.random_secret =
                drawn.find(|(planned, _)| *planned == random).map(|&(_, secret)| secret);
            if self.dut.draws_by_itself() {
                self.note_own_random(&random);
            }
        }
        self.forget_what_was_drawn(&planned);
        // The number that was drawn belongs there; everything else is looked at.
        let is_drawn = code.is_ok() && self.executor.seams.has_answered(&random);
        let expected_len = if is_drawn { RANDOM_NUMBER_LEN } else { 0 };
        let range = start + expected_len..start + owned_len;
        self.scan_short_output(range, expected_len, index);
        code
    }

    pub(super) fn encryption_blt_key(&mut self, size: u32, null: bool, index: usize) -> Hresult {
        let owned_len = (size as usize).min(OWNED_RANDOM_LEN_MAX) + MARGIN_LEN;
        let session = self.executor.client.session_mut(&self.seen);
        let (known, number) = session.map_or_else(Default::default, |one| {
            (one.known_of_read_back_keys(), one.read_back_keys + 1)
        });
        let planned = self.plan_draw(SecretKind::ReadBackKey, known, number);

        let start = self.next_buffer(owned_len);
        self.seen.buffer = narrow(start)..narrow(start + owned_len);
        let (is_gated, secrets) = (self.is_gated, &self.executor.secrets);
        let owned = &mut self.trace.bytes[start..];
        let mut args = GetEncryptionBltKey {
            session: self.seen.session,
            read_back_key: (!null).then_some(&mut *owned),
            key_len: size,
        };
        let device = self.seen.device;
        let code =
            enter(self.dut, &mut self.driver, self.instruments, secrets, is_gated, |driver| {
                driver.get_encryption_blt_key(device, &mut args)
            });
        let text = arguments_text(self.layers, &args);

        if self.executor.taint == Taint::Marked {
            // Wrapped it is for everybody to see.
            valgrind::mark_public(owned);
        }
        let wrapped = owned.first_chunk::<SESSION_KEY_LEN>().copied().unwrap_or_default();
        self.read_arguments(text);
        if let (Some(session), true) = (self.executor.client.session_mut(&self.seen), code.is_ok())
        {
            let read_back_key = session.take_read_back_key(&wrapped);
            // What was drawn is what the driver has to keep, also if it wrapped it in a wrong way.
            let mut drawn = planned.iter().flatten();
            let drawn = drawn.find(|(planned, _)| self.executor.seams.has_answered(planned));
            session.read_back_secret = drawn.map(|&(_, secret)| secret);
            if self.dut.draws_by_itself() {
                // Only the client can tell what was drawn, by the key that it holds.
                self.executor.seams.note_number(&read_back_key);
                self.note_own_read_back_key(&read_back_key, number);
            }
        }
        self.forget_what_was_drawn(&planned);
        // Wrapped, it shows nothing of any secret.
        self.scan_short_output(start..start + owned_len, 0, index);
        code
    }

    /// Registers what the next draw can answer: the number of an entropy fault, and a fresh one.
    fn plan_draw(&mut self, kind: SecretKind, known: Known, epoch: u32) -> Planned {
        if self.dut.draws_by_itself() {
            return [None, None];
        }
        let mut is_fresh = false;
        self.executor.seams.plan_randoms(known).map(|random| {
            // The second of the two is.
            let is_fresh = std::mem::replace(&mut is_fresh, true);
            let (random, session) = (random?, self.seen.session_slot?);
            let name = SecretName { kind, session, epoch };
            Some((random, self.register_random(&random, is_fresh, name)?))
        })
    }

    /// What was drawn is planned no more; the same bytes drawn again keep their name.
    fn forget_what_was_drawn(&mut self, planned: &Planned) {
        if planned.iter().flatten().any(|(planned, _)| self.executor.seams.has_answered(planned)) {
            self.executor.planned = None;
        }
    }

    pub(super) fn finish_refresh(&mut self) -> Hresult {
        // The key that finish is about to make is a secret from before the driver makes it.
        let updated = self.executor.client.session_mut(&self.seen).and_then(|session| {
            session.random.is_some().then(|| (session.updated_key(), session.epoch + 1))
        });
        let secret = match (updated, self.seen.session_slot) {
            (Some((key, epoch)), Some(slot)) => self.register_updated_key(&key, slot, epoch),
            _ => None,
        };
        let (device, session) = (self.seen.device, self.seen.session);
        let code = self.enter(|driver| driver.finish_session_key_refresh(device, session));
        if let (Some(session), true) = (self.executor.client.session_mut(&self.seen), code.is_ok())
            && updated.is_some()
        {
            session.finish();
            session.key_secret = secret;
        }
        code
    }

    pub(super) fn submit_buffer(
        &mut self,
        (iv, count): (u64, u64),
        len: u32,
        null: NullPointer,
        index: usize,
    ) -> Hresult {
        let start = self.trace.bytes.len();
        // Up to a block more than the longest buffer the client owns what it claims, and of more
        // only a few bytes: a driver must refuse absurd claims by the claim alone.
        let owned_len_max = self.limits.buffer_len_max.saturating_add(self.limits.block_alignment);
        let owned_len = if len <= owned_len_max { len as usize } else { 64 };
        self.trace.bytes.resize(start + owned_len, 0);
        self.seen.buffer = narrow(start)..narrow(start + owned_len);
        self.note_what_holds_key_part(iv, count);
        expand::payload(self.world, index, &mut self.trace.bytes[start..]);
        let mut key_secret = None;
        if let Some(session) = self.executor.client.session_mut(&self.seen) {
            session.encrypt(iv, count, &mut self.trace.bytes[start..]);
            key_secret = session.key_secret;
            if self.layers.has(Layer::Derived) {
                let (keystream, epoch) = (session.first_keystream(iv, count), session.epoch);
                if let (Some(keystream), Some(slot)) = (keystream, self.seen.session_slot) {
                    self.register_keystream(&keystream, (slot, epoch), key_secret);
                }
            }
        }
        let (is_gated, secrets) = (self.is_gated, &self.executor.secrets);
        let data = &self.trace.bytes[start..];
        let counter = CtrIv::new(iv, count);
        let mut args = SubmitBuffer {
            session: self.seen.session,
            iv: (null != NullPointer::Iv).then_some(&counter),
            data: (null != NullPointer::Data).then_some(data),
            data_len: len,
            fence: UNTOUCHED_NUMBER,
        };
        let device = self.seen.device;
        let code =
            enter(self.dut, &mut self.driver, self.instruments, secrets, is_gated, |driver| {
                driver.submit_buffer(device, &mut args)
            });
        let text = arguments_text(self.layers, &args);
        self.seen.scalar = args.fence;
        self.read_arguments(text);
        if code.is_ok() {
            let fence = self.seen.scalar;
            let session = self.executor.client.session_mut(&self.seen);
            let device_slot = session.and_then(|session| session.device_slot);
            let buffer =
                InFlight { len: owned_len, fence, key_secret, device_slot, is_lost: false };
            self.executor.client.in_flight.push_back(buffer);
        }
        code
    }

    pub(super) fn session_status(&mut self) -> Hresult {
        let mut args = CheckCryptoSessionStatus {
            session: self.seen.session,
            status: SessionStatus(u32::from_ne_bytes([UNTOUCHED; 4])),
        };
        let device = self.seen.device;
        let code = self.enter(|driver| driver.check_crypto_session_status(device, &mut args));
        self.read_arguments(arguments_text(self.layers, &args));
        self.seen.scalar = args.status.0.into();
        code
    }

    pub(super) fn retire(&mut self, count: u32, room: Room, index: usize) -> Hresult {
        // Room for what should complete, unless the sequence says otherwise, and a margin for what
        // should not.
        let in_flight = &self.executor.client.in_flight;
        let due_count = (count as usize).min(in_flight.len());
        let len_of = |count| in_flight.iter().take(count).map(|buffer| buffer.result_len()).sum();
        let due_len: usize = len_of(due_count);
        let (surface_len, entry_count) = match room {
            Room::Enough => (due_len + MARGIN_LEN, due_count + MARGIN_ENTRIES),
            Room::Exact => (due_len, due_count),
            Room::ShortSurface => (due_len.saturating_sub(1), due_count + MARGIN_ENTRIES),
            Room::SurfaceForOne => (len_of(1.min(due_count)), due_count + MARGIN_ENTRIES),
            Room::NoSurface => (0, due_count + MARGIN_ENTRIES),
            Room::ShortList => (due_len + MARGIN_LEN, due_count.saturating_sub(1)),
            Room::NoList => (due_len + MARGIN_LEN, 0),
        };
        self.seen.room =
            RetireRoom { surface_len: narrow(surface_len), entries: narrow(entry_count) };
        let start = self.next_buffer(due_len + MARGIN_LEN);
        self.seen.buffer = narrow(start)..narrow(start + due_len + MARGIN_LEN);
        let first = self.trace.completions.len();
        self.trace.completions.resize(first + entry_count, Completion::EMPTY);
        let (is_gated, secrets) = (self.is_gated, &self.executor.secrets);
        let mut args = Retire {
            count,
            completions: &mut self.trace.completions[first..],
            completed_count: u32::MAX,
            surface: &mut self.trace.bytes[start..start + surface_len],
            surface_len: u32::MAX,
        };
        let code =
            enter(self.dut, &mut self.driver, self.instruments, secrets, is_gated, |driver| {
                driver.retire(&mut args)
            });
        let text = arguments_text(self.layers, &args);
        if self.executor.taint == Taint::Marked {
            valgrind::mark_public(args.surface);
        }
        self.seen.surface_len = args.surface_len;
        self.seen.claimed_count = args.completed_count;
        let completed = (args.completed_count as usize).min(entry_count);
        let entries = first..first + entry_count;
        self.read_arguments(text);
        for number in entries.clone() {
            let is_claimed = number < first + completed;
            let entry = self.trace.completions[number];
            if !is_claimed && entry == Completion::EMPTY {
                continue;
            }
            self.seen.is_list_overrun |= !is_claimed;
            self.read_arguments(arguments_text(self.layers, &entry));
            let Completion { fence, code, offset, len } = entry;
            self.scan_scalar(fence, index);
            self.scan_scalar(u64::from(code.0) << 32 | u64::from(offset), index);
            self.scan_scalar(u64::from(offset) << 32 | u64::from(len), index);
        }
        self.trace.completions.truncate(first + completed);
        self.seen.completions = narrow(first)..narrow(first + completed);
        if code.is_ok() {
            let delivered = completed.min(self.executor.client.in_flight.len());
            self.executor.client.in_flight.drain(..delivered);
        }
        self.scan_output(start..start + due_len, index);
        self.scan_margin(start, due_len, index);
        code
    }

    /// Notes whether the sequence itself holds part of a secret.
    ///
    /// A driver may keep the IVs and Counts that it is given. An engine that watches comparisons can
    /// find out the bytes of a secret and put them into such a number. Finding them in the driver's
    /// memory then proves nothing, so the run is judged without a look into memory.
    fn note_what_holds_key_part(&mut self, iv: u64, count: u64) {
        let secrets = &self.executor.secrets;
        let numbers =
            [iv.to_le_bytes(), iv.to_be_bytes(), count.to_le_bytes(), count.to_be_bytes()];
        // All are asked before any answer is looked at: mostly it is no for every one.
        let may_be = numbers.into_iter().fold(false, |may, bytes| may | secrets.may_be_part(bytes));
        if may_be {
            let mut is_part = false;
            for bytes in numbers {
                secrets.scan_bytes(&bytes, &mut |_| is_part = true);
            }
            self.executor.holds_key_part |= is_part;
        }
    }

    /// Adds a buffer to the trace's bytes and says where it begins: aligned, so that an aligned scan
    /// looks at the same words of it wherever it is.
    fn next_buffer(&mut self, len: usize) -> usize {
        let start = self.trace.bytes.len().next_multiple_of(16);
        self.trace.bytes.resize(start + len, UNTOUCHED);
        start
    }

    pub(super) fn reset_engine(&mut self) -> Hresult {
        let code = self.enter(CryptoSessionDdi::reset_engine);
        if code.is_ok() {
            let spared = self.driver.as_ref().map(|driver| self.dut.spared_by_reset(driver));
            for device in spared.into_iter().flatten() {
                let mut known = self.executor.client.devices.iter();
                let slot = known.rposition(|one| one.handle == device);
                self.seen.spare(slot.map(short));
            }
            self.executor.client.lose_all_but_spared(&self.seen);
        }
        code
    }
}

/// What a draw can answer, and which secrets these are, as far as they are searched for.
type Planned = [Option<([u8; 16], u32)>; 2];

/// What a number holds that nobody has written.
const UNTOUCHED_NUMBER: u64 = u64::from_ne_bytes([UNTOUCHED; 8]);

/// How many entries the caller owns behind those that should be filled.
const MARGIN_ENTRIES: usize = 2;
