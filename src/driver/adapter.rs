//! The adapter: every entry point of the interface, as the hardened profile answers it.

use core::fmt;

use rekeylab_ddi::{
    CheckCryptoSessionStatus, ContentProtectionCaps, CreateCryptoSession, CreateDevice,
    CryptoSessionDdi, CryptoSessionKeyExchange, DeviceHandle, GetContentProtectionCaps,
    GetEncryptionBltKey, Guid, Hresult, Limits, RANDOM_NUMBER_LEN, Retire, SESSION_KEY_LEN,
    SessionHandle, SessionStatus, StartSessionKeyRefresh, SubmitBuffer,
};

use crate::capabilities;
use crate::counter::CounterRange;
use crate::device::{Devices, GENERATION_MAX, SessionPlace, session_handle};
use crate::limits::{
    BLOCK_ALIGNMENT, Bounds, DEVICES_MAX, ENTROPY_DRAWS_MAX, QUEUE_COMMANDS_MAX, SESSIONS_MAX,
};
use crate::queue::Queue;
use crate::seams::{Engine, Entropy, KeyUnwrap};
use crate::secrets::SessionSecrets;
use crate::session::Session;

/// One display adapter with its devices, their sessions and the GPU's queue.
///
/// Its seams are chosen at run time, as a driver's are: there is one compiled core, whatever it
/// stands on.
pub struct Adapter {
    entropy: Box<dyn Entropy>,
    engine: Box<dyn Engine>,
    mechanism: Box<dyn KeyUnwrap>,
    devices: Devices,
    queue: Queue,
    bounds: Bounds,
}

impl Adapter {
    /// An adapter without devices, on the caller's seams and within the caller's bounds.
    #[must_use]
    pub fn new(
        entropy: impl Entropy + 'static,
        engine: impl Engine + 'static,
        mechanism: impl KeyUnwrap + 'static,
        bounds: Bounds,
    ) -> Self {
        let generations_max = bounds.generations_max.clamp(1, GENERATION_MAX);
        let bounds = Bounds { generations_max, ..bounds };
        Self {
            entropy: Box::new(entropy),
            engine: Box::new(engine),
            mechanism: Box::new(mechanism),
            devices: Devices::new(generations_max),
            queue: Queue::new(bounds.queue_len_max),
            bounds,
        }
    }

    /// The bounds that the adapter keeps.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let number = |len: usize| u32::try_from(len).expect("every bound is small");
        Limits {
            devices_max: number(DEVICES_MAX),
            sessions_max: number(SESSIONS_MAX),
            generations_max: self.bounds.generations_max,
            queue_commands_max: number(QUEUE_COMMANDS_MAX),
            buffer_len_max: self.bounds.buffer_len_max,
            queue_len_max: self.bounds.queue_len_max,
            block_alignment: BLOCK_ALIGNMENT,
            key_exchange_blob_len: number(self.mechanism.blob_len()),
            entropy_draws_max: ENTROPY_DRAWS_MAX,
        }
    }

    /// Shows `sink` every place where the core may keep a secret now, with what is in it.
    ///
    /// Those are the five homes of every live session and the captured key of every command that
    /// is outstanding and not lost. A product has no such function: it is how a workbench tells a
    /// secret that is at home from one that is not.
    #[cfg(feature = "homes")]
    pub fn for_each_home(&self, sink: &mut dyn FnMut(crate::HomeOf, &[u8; 16])) {
        use crate::HomeOf::{BoundKey, Key, LastMark, Random, ReadBackKey, ReadBackMark};

        for (place, session) in self.devices.sessions() {
            let (handle, secrets) = (session_handle(place), session.secrets());
            sink(Key(handle), secrets.key.bytes());
            sink(Random(handle), secrets.random.bytes());
            sink(LastMark(handle), secrets.last_mark.bytes());
            sink(ReadBackKey(handle), secrets.read_back_key.bytes());
            sink(ReadBackMark(handle), secrets.read_back_mark.bytes());
        }
        for (fence, key) in self.queue.bound_keys() {
            sink(BoundKey { fence }, key.bytes());
        }
    }

    /// Writes everything of the core that can influence an answer to come, one value at a time.
    ///
    /// Two adapters that were made with the same bounds and write the same, on seams in the same
    /// state, answer every call alike for ever. There are secrets in it: it is for hashing only, and
    /// like [`for_each_home`](Self::for_each_home) no function of a product.
    #[cfg(feature = "homes")]
    pub fn write_state(&self, sink: &mut dyn FnMut(&[u8])) {
        // The seams have states of their own, which their owner knows. Bounds never change.
        let Self { entropy: _, engine: _, mechanism: _, devices, queue, bounds: _ } = self;
        let mut sink = crate::observe::StateSink::new(sink);
        devices.write_state(&mut sink);
        queue.write_state(&mut sink);
    }

    fn say_capabilities(
        &self,
        crypto_type: Guid,
        decode_profile: Guid,
        out: Option<&mut [u8; ContentProtectionCaps::LEN]>,
    ) -> Result<(), Hresult> {
        let mechanism = self.mechanism.exchange_type();
        let offered = capabilities::offered(crypto_type, decode_profile, mechanism, &self.bounds)?;
        *out.ok_or(Hresult::E_INVALIDARG)? = offered.to_bytes();
        Ok(())
    }

    fn create_session(
        &mut self,
        device: DeviceHandle,
        args: &CreateCryptoSession,
    ) -> Result<SessionHandle, Hresult> {
        let (device, sessions) = self.devices.find_device(device)?;
        match args.crypto_type {
            Guid::CRYPTO_TYPE_AES128_CTR => {}
            // Semantics decision: a type that is known and not offered is unsupported, with a decode
            // profile and without one.
            Guid::CRYPTO_TYPE_PROPRIETARY => return Err(Hresult::D3DDDIERR_UNSUPPORTEDCRYPTO),
            // NULL_GUID and whatever nobody knows.
            _ => return Err(Hresult::D3DDDIERR_NOTAVAILABLE),
        }
        // A profile of NULL_GUID makes a session that is not used for decode.
        let is_offered = matches!(args.decode_profile, Guid::NULL | Guid::DECODE_PROFILE_H264_VLD);
        if !is_offered {
            return Err(Hresult::D3DDDIERR_UNSUPPORTEDCRYPTO);
        }
        // Semantics decision: a session too many is refused as memory that ran out; the documents
        // name no bound.
        let session = sessions.vacancy().ok_or(Hresult::E_OUTOFMEMORY)?;
        if self.engine.reserve(SESSION_LEN).is_err() {
            return Err(Hresult::E_OUTOFMEMORY);
        }
        if self.engine.reserve(SECRETS_LEN).is_err() {
            // Nothing of a failed create stays (S-56).
            self.engine.release(SESSION_LEN);
            return Err(Hresult::E_OUTOFMEMORY);
        }
        let place = SessionPlace { device, session };
        sessions.fill(session, Session::new());
        Ok(session_handle(place))
    }

    fn exchange_key(
        &mut self,
        device: DeviceHandle,
        args: &CryptoSessionKeyExchange<'_>,
    ) -> Result<(), Hresult> {
        let (_, session) = self.devices.find(device, args.session)?;
        // Semantics decision: a wrong length or a NULL pointer is refused before anything is
        // opened (R-11, S-13, S-15).
        let blob_len = self.mechanism.blob_len();
        let blob = claimed(args.blob, args.blob_len).filter(|blob| blob.len() == blob_len);
        session.exchange_key(&mut *self.mechanism, blob.ok_or(Hresult::E_INVALIDARG)?)?;
        Ok(())
    }

    fn start_refresh(
        &mut self,
        device: DeviceHandle,
        session: SessionHandle,
        out: Option<&mut [u8; RANDOM_NUMBER_LEN]>,
    ) -> Result<(), Hresult> {
        let (_, found) = self.devices.find(device, session)?;
        let started = found.start_refresh(&mut *self.entropy, out.ok_or(Hresult::E_INVALIDARG)?);
        if started == Err(Hresult::E_FAIL) {
            self.engine.log(format_args!("no refresh started: the entropy source is broken"));
        }
        started
    }

    fn make_read_back_key(
        &mut self,
        device: DeviceHandle,
        session: SessionHandle,
        out: Option<&mut [u8; SESSION_KEY_LEN]>,
    ) -> Result<(), Hresult> {
        let (_, found) = self.devices.find(device, session)?;
        let out = out.ok_or(Hresult::E_INVALIDARG)?;
        let made = found.make_read_back_key(&mut *self.entropy, out);
        if made == Err(Hresult::E_FAIL) {
            self.engine.log(format_args!("no read-back key: the entropy source is broken"));
        }
        made
    }

    fn submit(&mut self, device: DeviceHandle, args: &SubmitBuffer<'_>) -> Result<u64, Hresult> {
        let (place, session) = self.devices.find(device, args.session)?;
        // Every input is read exactly once; the caller may change it meanwhile (S-43).
        let (data_len, counter) = (args.data_len, args.iv.copied());
        // Semantics decision: no data, no bytes, part of a block or too many bytes is an argument
        // error (S-15, S-40).
        let len_max = self.bounds.buffer_len_max;
        let is_len_allowed =
            data_len != 0 && data_len.is_multiple_of(BLOCK_ALIGNMENT) && data_len <= len_max;
        let data = claimed(args.data, data_len).filter(|_| is_len_allowed);
        let data = data.ok_or(Hresult::E_INVALIDARG)?;
        // Semantics decision: without an IV there is no AES-CTR, and no IV of zero is made up
        // (S-31).
        let counter = counter.ok_or(Hresult::E_INVALIDARG)?;
        let range = CounterRange::new(counter, data_len)?;

        session.admit_buffer(range)?;
        self.queue.admit(data.len())?;
        self.queue.make_room(data.len()).map_err(|_| Hresult::E_OUTOFMEMORY)?;
        self.engine.reserve(data.len()).map_err(|_| Hresult::E_OUTOFMEMORY)?;
        // From here on nothing fails, so that a refused buffer consumes no counter (S-37).
        let fence = self.queue.push(place, counter, data, |key| session.bind_buffer(range, key));
        Ok(fence)
    }

    fn destroy(&mut self, device: DeviceHandle, session: SessionHandle) -> Result<(), Hresult> {
        let (place, session) = self.devices.find(device, session)?;
        session.may_end()?;
        // Semantics decision: the handle stops resolving at once, whatever is pending or in flight
        // (S-21, S-22); dropping the session erases its secrets (S-79). Submitted work carries its
        // own key and completes.
        drop(self.devices.remove(place));
        self.engine.release(SESSION_LEN + SECRETS_LEN);
        Ok(())
    }
}

impl Drop for Adapter {
    /// Ends what is still open, as if each device had been destroyed.
    ///
    /// Semantics decision: an adapter may go with devices open and work in flight, as when a process is
    /// killed. Nothing of that completes any more, what was granted is given back, and every home wipes
    /// itself (S-22, S-79).
    fn drop(&mut self) {
        self.queue.lose_everything(&mut *self.engine);
        let session_count = self.devices.sessions_mut().count();
        let device_count = self.devices.count();
        self.engine
            .release(device_count * DEVICE_LEN + session_count * (SESSION_LEN + SECRETS_LEN));
    }
}

impl CryptoSessionDdi for Adapter {
    fn get_content_protection_caps(&mut self, args: &mut GetContentProtectionCaps<'_>) -> Hresult {
        // Semantics decision: exactly the size of the structure, or nothing is written.
        let is_len_right = args.caps_len as usize == ContentProtectionCaps::LEN;
        let buffer = args.caps.as_deref_mut().filter(|_| is_len_right);
        // Semantics decision: a structure of the right size says what can be done, or that nothing can
        // (S-48), and no byte behind it is written (INV-09).
        let mut out = buffer.and_then(|buffer| buffer.first_chunk_mut());
        if let Some(out) = &mut out {
            out.fill(0);
        }
        code(self.say_capabilities(args.crypto_type, args.decode_profile, out))
    }

    fn create_device(&mut self, args: &mut CreateDevice) -> Hresult {
        args.device = DeviceHandle::NULL;
        let Some(place) = self.devices.vacancy() else { return Hresult::E_OUTOFMEMORY };
        if self.engine.reserve(DEVICE_LEN).is_err() {
            return Hresult::E_OUTOFMEMORY;
        }
        args.device = self.devices.open(place);
        Hresult::S_OK
    }

    fn destroy_device(&mut self, device: DeviceHandle) -> Hresult {
        // Its sessions die with it (S-22): a handle only resolves on its own device.
        let closed = self.devices.close(device).map(|mut sessions| {
            let session_count = sessions.iter_mut().count();
            self.engine.release(DEVICE_LEN + session_count * (SESSION_LEN + SECRETS_LEN));
        });
        code(closed)
    }

    fn create_crypto_session(
        &mut self,
        device: DeviceHandle,
        args: &mut CreateCryptoSession,
    ) -> Hresult {
        let created = self.create_session(device, args);
        args.session = created.unwrap_or(SessionHandle::NULL);
        code(created)
    }

    fn crypto_session_key_exchange(
        &mut self,
        device: DeviceHandle,
        args: &CryptoSessionKeyExchange<'_>,
    ) -> Hresult {
        code(self.exchange_key(device, args))
    }

    fn start_session_key_refresh(
        &mut self,
        device: DeviceHandle,
        args: &mut StartSessionKeyRefresh<'_>,
    ) -> Hresult {
        // Semantics decision: exactly 16 bytes, or nothing is written and no length is written
        // back (S-11). A short random number would refresh part of the key.
        let is_len_right = args.random_number_len as usize == RANDOM_NUMBER_LEN;
        let buffer = args.random_number.as_deref_mut().filter(|_| is_len_right);
        // Semantics decision: a buffer of the right size holds the random number or zeros, never
        // what lay there before (S-48), and no byte behind it is written (INV-09).
        let mut out = buffer.and_then(|buffer| buffer.first_chunk_mut());
        if let Some(out) = &mut out {
            out.fill(0);
        }
        code(self.start_refresh(device, args.session, out))
    }

    fn finish_session_key_refresh(
        &mut self,
        device: DeviceHandle,
        session: SessionHandle,
    ) -> Hresult {
        let found = self.devices.find(device, session);
        code(found.and_then(|(_, session)| session.finish_refresh()))
    }

    fn get_encryption_blt_key(
        &mut self,
        device: DeviceHandle,
        args: &mut GetEncryptionBltKey<'_>,
    ) -> Hresult {
        // Semantics decision: exactly 16 bytes, or nothing is written (S-41).
        let is_len_right = args.key_len as usize == SESSION_KEY_LEN;
        let buffer = args.read_back_key.as_deref_mut().filter(|_| is_len_right);
        // Semantics decision: a buffer of the right size holds the wrapped key or zeros, never what lay
        // there before (S-48), and no byte behind it is written (INV-09).
        let mut out = buffer.and_then(|buffer| buffer.first_chunk_mut());
        if let Some(out) = &mut out {
            out.fill(0);
        }
        code(self.make_read_back_key(device, args.session, out))
    }

    fn submit_buffer(&mut self, device: DeviceHandle, args: &mut SubmitBuffer<'_>) -> Hresult {
        let submitted = self.submit(device, args);
        args.fence = submitted.unwrap_or(0);
        code(submitted)
    }

    fn check_crypto_session_status(
        &mut self,
        device: DeviceHandle,
        args: &mut CheckCryptoSessionStatus,
    ) -> Hresult {
        let found = self.devices.find(device, args.session);
        let status = found.and_then(|(_, session)| session.status());
        args.status = status.unwrap_or(SessionStatus::KEY_AND_CONTENT_LOST);
        code(status)
    }

    fn destroy_crypto_session(&mut self, device: DeviceHandle, session: SessionHandle) -> Hresult {
        code(self.destroy(device, session))
    }

    fn retire(&mut self, args: &mut Retire<'_>) -> Hresult {
        (args.completed_count, args.surface_len) = (0, 0);
        while args.completed_count < args.count {
            let Some(&command) = self.queue.front() else { break };
            let Some(entry) = args.completions.get_mut(args.completed_count as usize) else {
                break;
            };
            let surface = args.surface.get_mut(args.surface_len as usize..);
            let Some(buffer) = surface.and_then(|rest| rest.get_mut(..command.result_len())) else {
                break;
            };
            *entry = self.queue.complete_front(&mut *self.engine, buffer);
            entry.offset = args.surface_len;
            args.surface_len += entry.len;
            args.completed_count += 1;
        }
        Hresult::S_OK
    }

    fn reset_engine(&mut self) -> Hresult {
        let Self { devices, queue, engine, .. } = self;
        for (place, session) in devices.sessions_mut() {
            session.tear_down(queue.has_work_of(place));
        }
        let lost_count = queue.lose_everything(&mut **engine);
        self.engine.log(format_args!("the engine was reset: {lost_count} commands were lost"));
        Hresult::S_OK
    }
}

// What the engine is asked for, in bytes: declared sizes rather than those of our types, so that
// the sums are the same on every target.

/// For a device.
const DEVICE_LEN: usize = 1024;
/// For a session.
const SESSION_LEN: usize = 64;
/// For the secrets of a session.
const SECRETS_LEN: usize = size_of::<SessionSecrets>();

/// The bytes that the caller claims, if it really owns that many.
fn claimed(bytes: Option<&[u8]>, len: u32) -> Option<&[u8]> {
    bytes?.get(..len as usize)
}

/// The code that a result answers with.
fn code<T>(result: Result<T, Hresult>) -> Hresult {
    result.err().unwrap_or(Hresult::S_OK)
}

impl fmt::Debug for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Adapter");
        out.field("devices", &self.devices).field("queue", &self.queue);
        out.finish_non_exhaustive()
    }
}
