//! A driver of one's own under the workbench: written against the interface, with one bug, found,
//! minimised and told.
//!
//! ```sh
//! cargo run --release --example own_driver
//! ```
//!
//! The bug: a queued buffer keeps a pointer to its session's key instead of a copy of it, so that
//! whatever waits for the GPU when a refresh finishes is decrypted under the wrong key.

#![allow(clippy::print_stdout, reason = "an example tells its reader what it found")]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use rekeylab::Workbench;
use rekeylab::executor::{Dut, PlainTestMechanism, Seams};
use rekeylab::generate::SearchOptions;
use rekeylab::observation::{Choices, Layer, Layers};
use rekeylab::report::{Colour, Subject, story};
use rekeylab::search::Search;
use rekeylab_cipher::ctr_xor;
use rekeylab_ddi::{
    CheckCryptoSessionStatus, Completion, CreateCryptoSession, CreateDevice, CryptoSessionDdi,
    CryptoSessionKeyExchange, CtrIv, DeviceHandle, Guid, Hresult, Limits, Retire, SessionHandle,
    SessionStatus, StartSessionKeyRefresh, SubmitBuffer,
};
use zeroize::Zeroize;

/// What is tested, and what the workbench is told about it.
#[derive(Debug)]
pub(crate) struct OwnDut;

impl Dut for OwnDut {
    type Driver = OwnDriver;

    fn name(&self) -> String {
        "a driver of one's own".to_owned()
    }

    fn limits(&self) -> Limits {
        Limits {
            devices_max: 2,
            sessions_max: 4,
            generations_max: u32::MAX,
            queue_commands_max: 16,
            buffer_len_max: 2048,
            queue_len_max: 8192,
            block_alignment: 16,
            key_exchange_blob_len: 32,
            entropy_draws_max: 4,
        }
    }

    fn choices(&self) -> Choices {
        // It has no `GetEncryptionBltKey`, which is optional, and is asked for no capabilities.
        let mut choices = Choices::default();
        choices.no_capabilities = true;
        choices.no_read_back_keys = true;
        choices
    }

    fn open(&self, seams: &Rc<Seams>) -> OwnDriver {
        OwnDriver {
            seams: Rc::clone(seams),
            limits: self.limits(),
            last_handle: 0,
            last_fence: 0,
            devices: Vec::new(),
            sessions: Vec::new(),
            queue: VecDeque::new(),
        }
    }
}

pub(crate) struct OwnDriver {
    seams: Rc<Seams>,
    limits: Limits,
    last_handle: u64,
    last_fence: u64,
    devices: Vec<u64>,
    sessions: Vec<Session>,
    queue: VecDeque<Command>,
}

struct Session {
    handle: u64,
    device: u64,
    secrets: Rc<RefCell<Secrets>>,
    state: State,
    /// The last random number in a form that does not give it away: encrypted under itself.
    last_mark: [u8; 16],
    /// The last counter block used.
    highest: Option<(u64, u64)>,
    status: SessionStatus,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Unkeyed,
    Keyed,
    Pending,
    Lost,
}

#[derive(Default)]
struct Secrets {
    key: [u8; 16],
    random: [u8; 16],
}

impl Drop for Secrets {
    fn drop(&mut self) {
        self.key.zeroize();
        self.random.zeroize();
    }
}

struct Command {
    session: u64,
    fence: u64,
    counter: CtrIv,
    data: Vec<u8>,
    is_lost: bool,
    /// The bug: the key of the session, whatever it is by then, and not the key of this moment.
    secrets: Rc<RefCell<Secrets>>,
}

impl OwnDriver {
    fn next_handle(&mut self) -> u64 {
        self.last_handle += 1;
        0x0D00_0000 + self.last_handle
    }

    fn find(&mut self, device: DeviceHandle, session: SessionHandle) -> Result<usize, Hresult> {
        let is_it = |it: &Session| it.handle == session.0 && it.device == device.0;
        let found = self.sessions.iter().position(is_it);
        found.ok_or(Hresult::D3DDDIERR_INVALIDHANDLE)
    }

    fn exchange(
        &mut self,
        device: DeviceHandle,
        args: &CryptoSessionKeyExchange<'_>,
    ) -> Result<(), Hresult> {
        let index = self.find(device, args.session)?;
        let blob = args.blob.filter(|_| args.blob_len == self.limits.key_exchange_blob_len);
        let blob = blob.ok_or(Hresult::E_INVALIDARG)?;
        let session = &mut self.sessions[index];
        if session.state != State::Unkeyed {
            return Err(Hresult::D3DDDIERR_INVALIDCALL);
        }
        let mut secrets = session.secrets.borrow_mut();
        if !PlainTestMechanism::unwrap(blob, &mut secrets.key) {
            secrets.key.zeroize();
            return Err(Hresult::E_INVALIDARG);
        }
        session.state = State::Keyed;
        Ok(())
    }

    fn start(
        &mut self,
        device: DeviceHandle,
        session: SessionHandle,
        out: Option<&mut [u8; 16]>,
    ) -> Result<(), Hresult> {
        let index = self.find(device, session)?;
        let out = out.ok_or(Hresult::E_INVALIDARG)?;
        let session = &mut self.sessions[index];
        if session.state != State::Keyed {
            return Err(Hresult::D3DDDIERR_INVALIDCALL);
        }
        let mut secrets = session.secrets.borrow_mut();
        for _ in 0..self.limits.entropy_draws_max {
            if self.seams.draw(&mut secrets.random).is_err() {
                break;
            }
            let mut mark = [0; 16];
            ctr_xor(&secrets.random, 0, 0, &mut mark).map_err(|_| Hresult::E_FAIL)?;
            if secrets.random != [0; 16] && mark != session.last_mark {
                session.last_mark = mark;
                session.state = State::Pending;
                *out = secrets.random;
                return Ok(());
            }
        }
        secrets.random.zeroize();
        Err(Hresult::E_FAIL)
    }

    fn submit(&mut self, device: DeviceHandle, args: &SubmitBuffer<'_>) -> Result<u64, Hresult> {
        let index = self.find(device, args.session)?;
        let len = args.data_len;
        let is_len_allowed = len > 0 && len.is_multiple_of(16) && len <= self.limits.buffer_len_max;
        let data = args.data.filter(|_| is_len_allowed).and_then(|data| data.get(..len as usize));
        let (data, counter) = data.zip(args.iv.copied()).ok_or(Hresult::E_INVALIDARG)?;
        let (iv, first) = (counter.iv_number(), counter.count_number());
        let last = first.checked_add(u64::from(len / 16) - 1).ok_or(Hresult::E_INVALIDARG)?;
        let session = &mut self.sessions[index];
        let is_usable = matches!(session.state, State::Keyed | State::Pending);
        if !is_usable || session.highest.is_some_and(|highest| (iv, first) <= highest) {
            return Err(Hresult::D3DDDIERR_INVALIDCALL);
        }
        let waiting = self.queue.iter().filter(|command| !command.is_lost);
        let waiting_len: usize = waiting.map(|command| command.data.len()).sum();
        if self.queue.len() == self.limits.queue_commands_max as usize
            || waiting_len + data.len() > self.limits.queue_len_max as usize
        {
            return Err(Hresult::D3DDDIERR_WASSTILLDRAWING);
        }
        if !self.seams.reserve(data.len()) {
            return Err(Hresult::E_OUTOFMEMORY);
        }
        session.highest = Some((iv, last));
        self.last_fence += 1;
        self.queue.push_back(Command {
            session: session.handle,
            fence: self.last_fence,
            counter,
            data: data.to_vec(),
            is_lost: false,
            secrets: Rc::clone(&session.secrets),
        });
        Ok(self.last_fence)
    }
}

impl CryptoSessionDdi for OwnDriver {
    fn create_device(&mut self, args: &mut CreateDevice) -> Hresult {
        args.device = DeviceHandle::NULL;
        if self.devices.len() == self.limits.devices_max as usize || !self.seams.reserve(1) {
            return Hresult::E_OUTOFMEMORY;
        }
        args.device = DeviceHandle(self.next_handle());
        self.devices.push(args.device.0);
        Hresult::S_OK
    }

    fn destroy_device(&mut self, device: DeviceHandle) -> Hresult {
        if !self.devices.contains(&device.0) {
            return Hresult::D3DDDIERR_INVALIDHANDLE;
        }
        self.devices.retain(|&open| open != device.0);
        let its = self.sessions.iter().filter(|session| session.device == device.0).count();
        self.sessions.retain(|session| session.device != device.0);
        self.seams.release(1 + its);
        Hresult::S_OK
    }

    fn create_crypto_session(
        &mut self,
        device: DeviceHandle,
        args: &mut CreateCryptoSession,
    ) -> Hresult {
        args.session = SessionHandle::NULL;
        if !self.devices.contains(&device.0) {
            return Hresult::D3DDDIERR_INVALIDHANDLE;
        }
        match args.crypto_type {
            Guid::CRYPTO_TYPE_AES128_CTR => {}
            Guid::CRYPTO_TYPE_PROPRIETARY => return Hresult::D3DDDIERR_UNSUPPORTEDCRYPTO,
            _ => return Hresult::D3DDDIERR_NOTAVAILABLE,
        }
        if !matches!(args.decode_profile, Guid::NULL | Guid::DECODE_PROFILE_H264_VLD) {
            return Hresult::D3DDDIERR_UNSUPPORTEDCRYPTO;
        }
        let its = self.sessions.iter().filter(|session| session.device == device.0).count();
        if its == self.limits.sessions_max as usize || !self.seams.reserve(1) {
            return Hresult::E_OUTOFMEMORY;
        }
        args.session = SessionHandle(self.next_handle());
        self.sessions.push(Session {
            handle: args.session.0,
            device: device.0,
            secrets: Rc::default(),
            state: State::Unkeyed,
            last_mark: [0; 16],
            highest: None,
            status: SessionStatus::OK,
        });
        Hresult::S_OK
    }

    fn crypto_session_key_exchange(
        &mut self,
        device: DeviceHandle,
        args: &CryptoSessionKeyExchange<'_>,
    ) -> Hresult {
        code(self.exchange(device, args))
    }

    fn start_session_key_refresh(
        &mut self,
        device: DeviceHandle,
        args: &mut StartSessionKeyRefresh<'_>,
    ) -> Hresult {
        let buffer = args.random_number.as_deref_mut().filter(|_| args.random_number_len == 16);
        let mut out = buffer.and_then(|buffer| buffer.first_chunk_mut());
        if let Some(out) = &mut out {
            out.fill(0);
        }
        code(self.start(device, args.session, out))
    }

    fn finish_session_key_refresh(
        &mut self,
        device: DeviceHandle,
        session: SessionHandle,
    ) -> Hresult {
        let index = match self.find(device, session) {
            Ok(index) => index,
            Err(refusal) => return refusal,
        };
        let session = &mut self.sessions[index];
        if session.state != State::Pending {
            return Hresult::D3DDDIERR_INVALIDCALL;
        }
        let Secrets { key, random } = &mut *session.secrets.borrow_mut();
        key.iter_mut().zip(random.iter()).for_each(|(byte, mask)| *byte ^= mask);
        random.zeroize();
        session.state = State::Keyed;
        Hresult::S_OK
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
        let found = self.find(device, args.session);
        let status = found.map(|index| self.sessions[index].status);
        args.status = status.unwrap_or(SessionStatus::KEY_AND_CONTENT_LOST);
        code(status)
    }

    fn destroy_crypto_session(&mut self, device: DeviceHandle, session: SessionHandle) -> Hresult {
        let found = self.find(device, session);
        if let Ok(index) = found {
            self.sessions.remove(index);
            self.seams.release(1);
        }
        code(found)
    }

    fn retire(&mut self, args: &mut Retire<'_>) -> Hresult {
        (args.completed_count, args.surface_len) = (0, 0);
        while args.completed_count < args.count
            && let Some(command) = self.queue.front_mut()
            && let Some(entry) = args.completions.get_mut(args.completed_count as usize)
        {
            let (fence, offset) = (command.fence, args.surface_len);
            let lost = Hresult::D3DDDIERR_DEVICEREMOVED;
            *entry = Completion { fence, code: lost, offset, len: 0 };
            if !command.is_lost {
                let rest = args.surface.get_mut(offset as usize..).unwrap_or_default();
                let Some(buffer) = rest.get_mut(..command.data.len()) else { break };
                let (iv, count) = (command.counter.iv_number(), command.counter.count_number());
                buffer.copy_from_slice(&command.data);
                ctr_xor(&command.secrets.borrow().key, iv, count, buffer)
                    .expect("a Count that passes 2^64 is refused when it is submitted");
                self.seams.release(buffer.len());
                let len = u32::try_from(buffer.len()).expect("bounded when it is submitted");
                (entry.code, entry.len) = (Hresult::S_OK, len);
            }
            args.surface_len += entry.len;
            args.completed_count += 1;
            self.queue.pop_front();
        }
        Hresult::S_OK
    }

    fn reset_engine(&mut self) -> Hresult {
        for session in &mut self.sessions {
            let is_its = |command: &Command| command.session == session.handle && !command.is_lost;
            let has_lost_content = self.queue.iter().any(is_its);
            session.state = State::Lost;
            if has_lost_content {
                session.status = SessionStatus::KEY_AND_CONTENT_LOST;
            } else if session.status == SessionStatus::OK {
                session.status = SessionStatus::KEY_LOST;
            }
            let Secrets { key, random } = &mut *session.secrets.borrow_mut();
            key.zeroize();
            random.zeroize();
        }
        for command in self.queue.iter_mut().filter(|command| !command.is_lost) {
            command.is_lost = true;
            self.seams.release(command.data.len());
        }
        Hresult::S_OK
    }
}

fn code<T>(result: Result<T, Hresult>) -> Hresult {
    result.err().unwrap_or(Hresult::S_OK)
}

impl core::fmt::Debug for OwnDriver {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("OwnDriver").finish_non_exhaustive()
    }
}

/// Serves every allocation, and lets the workbench look into what the driver gives back.
#[global_allocator]
static ALLOCATOR: keysan::heap::ScanningAllocator = keysan::heap::ScanningAllocator::new();

fn main() {
    print!("{}", report());
}

/// Searches until something breaks, minimises it and tells its story.
pub(crate) fn report() -> String {
    let mut workbench = Workbench::on(OwnDut);
    let missing = workbench.dut().missing_layers();
    let missing = Layer::ALL.into_iter().filter(|layer| missing.has(*layer)).map(Layer::name);
    let missing = missing.collect::<Vec<_>>().join(", ");
    let mut text = format!("not declared, and so not looked into: {missing}\n");
    let mut search = Search::new(1, SearchOptions::within(OwnDut.limits()));
    let (count, found) = workbench.hunt(&mut search, Layers::FAST, 100_000);
    let Some(found) = found else { return text + &format!("{count} sequences held\n") };
    let shortest = workbench.minimize_with(&found, Layers::FAST).unwrap_or(found);
    let aftermath = &workbench.aftermath(&shortest);
    let (trace, verdict) = (workbench.trace(), workbench.verdict());
    let subject = Subject { sequence: &shortest, trace, verdict, aftermath, replay: None };
    text.push_str(&format!("sequence {count} broke something; minimised:\n\n"));
    text + &story(&subject, Colour::Off)
}
