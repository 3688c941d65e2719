//! The calls of a sequence as entries of a driver's table.

use core::fmt;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use rekeylab_abi::{Adapter, Device, DriverHandle, Library, LibraryError};
use rekeylab_ddi::{
    CheckCryptoSessionStatus, Completion, ContentProtectionCaps, CreateCryptoSession, CreateDevice,
    CryptoSessionDdi, CryptoSessionKeyExchange, DeviceHandle, GetContentProtectionCaps,
    GetEncryptionBltKey, Hresult, RANDOM_NUMBER_LEN, Retire, SESSION_KEY_LEN, SessionHandle,
    SessionStatus, StartSessionKeyRefresh, SubmitBuffer,
};

use super::client_keys::ClientKeys;
use super::key_exchange::KeyWrapper;
use super::sheet::{Handles, ReadBackBy, Removal, Sheet, SheetLimits};
use super::upload::{Accepted, Resources, State, Upload};
use crate::executor::Seams;
use crate::observation::Observation;

/// A driver that is reached through its device table.
///
/// Its handles are known here alone: the client has numbers that are never used twice.
pub struct TableDriver {
    adapter: Result<Adapter, LibraryError>,
    handles: Handles,
    /// Whether it is asked for its capabilities.
    has_capabilities: bool,
    /// Whether it offers read-back keys.
    has_read_back_keys: bool,
    key_wrapper: Arc<KeyWrapper>,
    pub(super) limits: SheetLimits,
    /// How it is seen what became of an upload.
    read_back: ReadBackBy,
    /// How the driver is made to lose its keys.
    removal: Removal,
    /// The devices that did not hear of the last reset.
    spared: Vec<DeviceHandle>,
    pub(super) seams: Rc<Seams>,
    /// In the order of their making; `None` for one that was destroyed.
    pub(super) devices: Vec<Option<Device>>,
    /// In the order of their making.
    pub(super) sessions: Vec<Session>,
    /// What was accepted and not yet told as done, in order.
    pub(super) uploads: VecDeque<Upload>,
    last_fence: u64,
}

/// A session as the client knows it.
pub(super) struct Session {
    device: usize,
    pub(super) handle: DriverHandle,
    pub(super) is_alive: bool,
    status: SessionStatus,
    /// Its keys, if the client has to decrypt what it reads; in one place, of which moving the session leaves no copy.
    pub(super) keys: Option<Box<ClientKeys>>,
}

impl TableDriver {
    /// Opens an adapter. If that fails, every call answers what it failed with.
    pub(super) fn open(
        library: &Library,
        sheet: &Sheet,
        key_wrapper: &Arc<KeyWrapper>,
        seams: &Rc<Seams>,
    ) -> Self {
        Self {
            adapter: library.open_adapter(),
            handles: sheet.handles,
            has_capabilities: sheet.choices.capabilities,
            has_read_back_keys: sheet.choices.read_back_keys,
            key_wrapper: Arc::clone(key_wrapper),
            limits: sheet.limits,
            read_back: sheet.read_back,
            removal: sheet.removal.clone(),
            spared: Vec::new(),
            seams: Rc::clone(seams),
            devices: Vec::new(),
            sessions: Vec::new(),
            uploads: VecDeque::new(),
            last_fence: 0,
        }
    }

    /// Answers for the driver, which is not asked.
    pub(super) fn refuse(&self, code: Hresult) -> Hresult {
        self.seams.note_answered_for();
        code
    }

    fn device(&self, device: DeviceHandle) -> Result<(usize, &Device), Hresult> {
        let index = index_of(DEVICES, device.0);
        let open = index.and_then(|index| Some((index, self.devices.get(index)?.as_ref()?)));
        open.ok_or_else(|| self.refuse(Hresult::D3DDDIERR_INVALIDHANDLE))
    }

    /// The driver's handle of a session, also of a dead or a foreign one if the driver checks for itself.
    fn session(&self, device: usize, session: SessionHandle) -> Result<DriverHandle, Hresult> {
        let known = index_of(SESSIONS, session.0).and_then(|index| self.sessions.get(index));
        let is_usual = known.is_some_and(|known| known.is_alive && known.device == device);
        // A handle that came back (S-24) is the name of the living: nobody can ask for the dead by it.
        let has_come_back = known.is_some_and(|known| {
            let mut living = self.sessions.iter().filter(|other| other.is_alive);
            !known.is_alive && living.any(|other| other.handle == known.handle)
        });
        match (known, self.handles) {
            (Some(known), _) if is_usual => Ok(known.handle),
            _ if has_come_back => Err(self.refuse(Hresult::D3DDDIERR_INVALIDHANDLE)),
            (_, Handles::RuntimeChecks) => Err(self.refuse(Hresult::D3DDDIERR_INVALIDHANDLE)),
            (Some(known), Handles::Checked) => Ok(known.handle),
            (None, Handles::Checked) => Ok(DriverHandle(session.0)),
        }
    }

    /// The devices that had no way to hear of the last reset.
    pub(super) fn spared(&self) -> &[DeviceHandle] {
        &self.spared
    }

    /// Takes a device away, and says whether the driver has heard of it: one that submits nothing when it is
    /// flushed does not call, and cannot know.
    fn remove(&self, device: &Device) -> bool {
        match &self.removal {
            Removal::Never => false,
            Removal::Hook(name) => device.remove_by(name).is_some_and(Hresult::is_ok),
            Removal::RenderCallback => {
                let before = device.runtime().render_count();
                device.runtime().lose(true);
                // What it answers is the runtime's own answer.
                device.flush();
                device.runtime().lose(false);
                device.runtime().render_count() > before
            }
        }
    }

    /// The session of that device with this driver's handle, if there is one.
    fn known(&mut self, device: usize, session: SessionHandle) -> Option<&mut Session> {
        let known = self.sessions.get_mut(index_of(SESSIONS, session.0)?)?;
        (known.is_alive && known.device == device).then_some(known)
    }

    /// What the client knows of the key of a session of that device, if it reads back by it.
    fn keys_of(&mut self, device: DeviceHandle, session: SessionHandle) -> Option<&mut ClientKeys> {
        let index = index_of(DEVICES, device.0)?;
        self.known(index, session)?.keys.as_deref_mut()
    }
}

impl Session {
    /// It is destroyed, and the client forgets its keys.
    fn end(&mut self) {
        self.is_alive = false;
        self.keys = None;
    }
}

impl CryptoSessionDdi for TableDriver {
    fn get_content_protection_caps(&mut self, args: &mut GetContentProtectionCaps<'_>) -> Hresult {
        let mut has_entered = false;
        let code = answer((|| {
            if !self.has_capabilities {
                return Err(self.refuse(Hresult::D3DDDIERR_NOTAVAILABLE));
            }
            let adapter = self.adapter.as_ref().map_err(|error| self.refuse(code_of(error)))?;
            let owned = args.caps.as_ref().map_or(0, |bytes| bytes.len());
            // The real runtime passes no buffer that is shorter than it says, and always one.
            if self.handles == Handles::RuntimeChecks
                && (args.caps_len as usize > owned || owned == 0)
            {
                return Err(self.refuse(Hresult::E_INVALIDARG));
            }
            let code = adapter.get_content_protection_caps(
                args.crypto_type,
                args.decode_profile,
                args.caps.as_deref_mut(),
                args.caps_len,
            );
            has_entered = code.is_some();
            code.ok_or(Hresult::D3DDDIERR_NOTAVAILABLE)
        })());
        if !has_entered {
            let len = ContentProtectionCaps::LEN;
            zero_refused(args.caps.as_deref_mut(), args.caps_len, len);
        }
        code
    }

    fn create_device(&mut self, args: &mut CreateDevice) -> Hresult {
        let made = match &self.adapter {
            Ok(adapter) => adapter.create_device().map_err(|error| code_of(&error)),
            Err(error) => Err(code_of(error)),
        };
        let code = made.as_ref().err().copied().unwrap_or(Hresult::S_OK);
        // A device that was not made has a number, too, as it has one at the client.
        let device = made.ok();
        args.device = DeviceHandle::NULL;
        if device.is_some() {
            self.devices.push(device);
            args.device = DeviceHandle(number_of(DEVICES, self.devices.len()));
        }
        code
    }

    fn destroy_device(&mut self, device: DeviceHandle) -> Hresult {
        let Ok((index, _)) = self.device(device) else { return Hresult::D3DDDIERR_INVALIDHANDLE };
        // Surfaces go with their device, so what was accepted is taken out of them first.
        self.read_before_the_end(|_, device| device == index);
        self.devices[index] = None;
        let its = self.sessions.iter_mut().filter(|session| session.device == index);
        its.for_each(Session::end);
        Hresult::S_OK
    }

    fn create_crypto_session(
        &mut self,
        device: DeviceHandle,
        args: &mut CreateCryptoSession,
    ) -> Hresult {
        let created = self.device(device).map(|(index, device)| {
            (index, device.create_crypto_session(args.crypto_type, args.decode_profile))
        });
        let (index, code, handle) = match created {
            Err(code) => {
                args.session = SessionHandle::NULL;
                return code;
            }
            Ok((_, None)) => return Hresult::E_NOTIMPL,
            Ok((index, Some((code, handle)))) => (index, code, handle),
        };
        match handle {
            Some(handle) if code.is_ok() => {
                let status = SessionStatus::OK;
                let keys = (self.read_back == ReadBackBy::EncryptionBlt).then(Box::default);
                self.sessions.push(Session { device: index, handle, is_alive: true, status, keys });
                args.session = SessionHandle(number_of(SESSIONS, self.sessions.len()));
            }
            Some(DriverHandle(0)) => args.session = SessionHandle::NULL,
            _ => {}
        }
        code
    }

    fn crypto_session_key_exchange(
        &mut self,
        device: DeviceHandle,
        args: &CryptoSessionKeyExchange<'_>,
    ) -> Hresult {
        let code = answer((|| {
            let (index, device) = self.device(device)?;
            let session = self.session(index, args.session)?;
            let given = self.key_wrapper.translate(args.blob, args.blob_len);
            let (wrapped, claimed) = given.map_err(|error| {
                // It was tried before, so it fails for this key alone.
                self.seams.log(format_args!("{error}"));
                self.refuse(Hresult::E_FAIL)
            })?;
            let owned = wrapped.as_ref().map_or(0, |bytes| bytes.len());
            if self.handles == Handles::RuntimeChecks && (claimed as usize > owned || owned == 0) {
                return Err(self.refuse(Hresult::E_INVALIDARG));
            }
            let mut wrapped = wrapped;
            let bytes = wrapped.as_mut().map(|bytes| &mut bytes[..]);
            device.key_exchange(session, bytes, claimed).ok_or(Hresult::E_NOTIMPL)
        })());
        let key = args.blob.and_then(|blob| blob.get(16..)?.first_chunk());
        if let (true, Some(key), Some(keys)) =
            (code.is_ok(), key, self.keys_of(device, args.session))
        {
            keys.exchanged(key);
        }
        code
    }

    fn start_session_key_refresh(
        &mut self,
        device: DeviceHandle,
        args: &mut StartSessionKeyRefresh<'_>,
    ) -> Hresult {
        let mut has_entered = false;
        let code = answer((|| {
            let (index, device) = self.device(device)?;
            let session = self.session(index, args.session)?;
            let owned = args.random_number.as_ref().map_or(0, |bytes| bytes.len());
            let size = args.random_number_len;
            // The real runtime passes no buffer that is shorter than it says.
            if self.handles == Handles::RuntimeChecks && size as usize > owned {
                return Err(self.refuse(Hresult::E_INVALIDARG));
            }
            has_entered = true;
            let buffer = args.random_number.as_deref_mut();
            let code = device.start_session_key_refresh(session, buffer, size);
            let code = code.ok_or(Hresult::E_NOTIMPL)?;
            // Nobody but the driver knew the number before.
            let drawn = args.random_number.as_deref().and_then(|bytes| bytes.first_chunk());
            if let (true, Some(random)) = (code.is_ok(), drawn) {
                self.seams.note_number(random);
            }
            Ok(code)
        })());
        let drawn = args.random_number.as_deref().and_then(|bytes| bytes.first_chunk());
        if let (true, Some(random)) = (code.is_ok(), drawn)
            && let Some(keys) = self.keys_of(device, args.session)
        {
            keys.started(random);
        }
        if !has_entered {
            zero_refused(
                args.random_number.as_deref_mut(),
                args.random_number_len,
                RANDOM_NUMBER_LEN,
            );
        }
        code
    }

    fn get_encryption_blt_key(
        &mut self,
        device: DeviceHandle,
        args: &mut GetEncryptionBltKey<'_>,
    ) -> Hresult {
        let mut has_entered = false;
        let code = answer((|| {
            // An optional entry is not called where it is not offered.
            if !self.has_read_back_keys {
                return Err(self.refuse(Hresult::D3DDDIERR_NOTAVAILABLE));
            }
            let (index, device) = self.device(device)?;
            let session = self.session(index, args.session)?;
            let owned = args.read_back_key.as_ref().map_or(0, |bytes| bytes.len());
            // The real runtime passes no buffer that is shorter than it says.
            if self.handles == Handles::RuntimeChecks && args.key_len as usize > owned {
                return Err(self.refuse(Hresult::E_INVALIDARG));
            }
            has_entered = true;
            let buffer = args.read_back_key.as_deref_mut();
            let code = device.get_encryption_blt_key(session, buffer, args.key_len);
            code.ok_or(Hresult::E_NOTIMPL)
        })());
        if !has_entered {
            zero_refused(args.read_back_key.as_deref_mut(), args.key_len, SESSION_KEY_LEN);
        }
        code
    }

    fn finish_session_key_refresh(
        &mut self,
        device: DeviceHandle,
        session: SessionHandle,
    ) -> Hresult {
        let code = answer((|| {
            let (index, device) = self.device(device)?;
            let session = self.session(index, session)?;
            device.finish_session_key_refresh(session).ok_or(Hresult::E_NOTIMPL)
        })());
        if code.is_ok()
            && let Some(keys) = self.keys_of(device, session)
        {
            keys.finished();
        }
        code
    }

    fn submit_buffer(&mut self, device: DeviceHandle, args: &mut SubmitBuffer<'_>) -> Hresult {
        let accepted = self.device(device).and_then(|(index, device)| {
            let session = self.session(index, args.session)?;
            if self.limits.is_too_long_to_try(args.data_len) {
                return Err(self.refuse(Hresult::E_INVALIDARG));
            }
            let Resources { source, surface, surface_len } = self.upload(device, session, args)?;
            Ok((State::Waits { device: index, source, surface }, surface_len))
        });
        args.fence = 0;
        match accepted {
            Err(code) => code,
            Ok((state, surface_len)) => {
                self.last_fence += 1;
                args.fence = self.last_fence;
                let of = Accepted {
                    fence: args.fence,
                    session: index_of(SESSIONS, args.session.0).unwrap_or(usize::MAX),
                    len: args.data_len as usize,
                    surface_len,
                    is_lost: false,
                };
                self.uploads.push_back(Upload { of, state });
                Hresult::S_OK
            }
        }
    }

    /// The table has no entry for it: this is what the client has seen of the device.
    fn check_crypto_session_status(
        &mut self,
        device: DeviceHandle,
        args: &mut CheckCryptoSessionStatus,
    ) -> Hresult {
        let index = self.device(device).map(|(index, _)| index);
        let known = index.ok().and_then(|index| self.known(index, args.session));
        args.status =
            known.as_ref().map_or(SessionStatus::KEY_AND_CONTENT_LOST, |known| known.status);
        if known.is_some() { Hresult::S_OK } else { Hresult::D3DDDIERR_INVALIDHANDLE }
    }

    fn destroy_crypto_session(&mut self, device: DeviceHandle, session: SessionHandle) -> Hresult {
        // Nobody reads for a session that has ended, so what was accepted for it is read first.
        let reads = self.keys_of(device, session).is_some();
        if let Some(its) = index_of(SESSIONS, session.0).filter(|_| reads) {
            self.read_before_the_end(|of, _| of.session == its);
        }
        answer((|| {
            let (index, device) = self.device(device)?;
            let handle = self.session(index, session)?;
            let code = device.destroy_crypto_session(handle).ok_or(Hresult::E_NOTIMPL)?;
            if let (true, Some(known)) = (code.is_ok(), self.known(index, session)) {
                known.end();
            }
            Ok(code)
        })())
    }

    fn retire(&mut self, args: &mut Retire<'_>) -> Hresult {
        let (mut done, mut offset) = (0, 0);
        while done < args.count as usize && done < args.completions.len() {
            let Some(front) = self.uploads.front() else { break };
            if !front.of.is_lost && args.surface.len() - offset < front.of.len {
                break;
            }
            let Some(upload) = self.uploads.pop_front() else { break };
            let fence = upload.of.fence;
            let (code, bytes) = match self.read(upload) {
                Ok(bytes) => (Hresult::S_OK, bytes),
                Err(code) => (code, Vec::new()),
            };
            args.surface[offset..offset + bytes.len()].copy_from_slice(&bytes);
            let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
            args.completions[done] =
                Completion { fence, code, offset: number(offset), len: number(bytes.len()) };
            offset += bytes.len();
            done += 1;
        }
        args.completed_count = u32::try_from(done).unwrap_or(u32::MAX);
        args.surface_len = u32::try_from(offset).unwrap_or(u32::MAX);
        Hresult::S_OK
    }

    fn reset_engine(&mut self) -> Hresult {
        if self.removal == Removal::Never || self.devices.len() > Observation::SPARED_MAX {
            return self.refuse(Hresult::E_NOTIMPL);
        }
        let mut is_told = vec![true; self.devices.len()];
        for (is_told, device) in is_told.iter_mut().zip(&self.devices) {
            if let Some(device) = device {
                *is_told = self.remove(device);
            }
        }
        let open = || self.devices.iter().zip(&is_told).filter(|(device, _)| device.is_some());
        if open().count() > 0 && open().all(|(_, is_told)| !is_told) {
            return self.refuse(Hresult::E_NOTIMPL);
        }
        let numbers = (1..).zip(&is_told).filter(|(_, is_told)| !**is_told);
        self.spared = numbers.map(|(number, _)| DeviceHandle(number_of(DEVICES, number))).collect();
        let is_lost = |session: &Session| is_told.get(session.device) == Some(&true);
        let sessions = self.sessions.iter_mut().filter(|session| is_lost(session));
        for session in sessions.filter(|session| session.is_alive) {
            session.status = session.status.max(SessionStatus::KEY_LOST);
        }
        for upload in self.uploads.iter_mut().filter(|upload| !upload.of.is_lost) {
            if let Some(session) = self.sessions.get_mut(upload.of.session)
                && is_lost(session)
            {
                upload.of.is_lost = true;
                session.status = SessionStatus::KEY_AND_CONTENT_LOST;
            }
        }
        Hresult::S_OK
    }
}

/// The code of an answer, whoever gave it.
fn answer(result: Result<Hresult, Hresult>) -> Hresult {
    result.unwrap_or_else(|code| code)
}

/// What is refused here is refused as the core refuses: an output of the right size is zeroed (S-48).
fn zero_refused(output: Option<&mut [u8]>, claimed: u32, len: usize) {
    if let Some(output) = output.filter(|_| claimed as usize == len) {
        output.iter_mut().take(len).for_each(|byte| *byte = 0);
    }
}

/// What a client's number is of, in its upper half, so that the one is never taken for the other, nor for an
/// address.
const DEVICES: u64 = 0x0DE5_0000_0000_0000;
const SESSIONS: u64 = 0x5E55_0000_0000_0000;

/// The number of the object that was made as that one of its kind, from 1, so that none is NULL.
fn number_of(kind: u64, count: usize) -> u64 {
    kind | (count as u64) << 16
}

fn index_of(kind: u64, number: u64) -> Option<usize> {
    let count = number ^ kind;
    let is_one = count & 0xFFFF == 0 && count >> 48 == 0;
    usize::try_from(count >> 16).ok()?.checked_sub(1).filter(|_| is_one)
}

fn code_of(error: &LibraryError) -> Hresult {
    match error {
        LibraryError::Refused { code, .. } => *code,
        _ => Hresult::E_FAIL,
    }
}

impl fmt::Debug for TableDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("TableDriver");
        out.field("devices", &self.devices.len()).field("sessions", &self.sessions.len());
        out.finish_non_exhaustive()
    }
}
