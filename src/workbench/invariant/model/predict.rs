//! What each call must answer, worked out from the model's state and nothing else.

use rekeylab_ddi::{ContentProtectionCaps, Hresult, Limits};

use super::state::ModelSession;
use super::{Answer, Model};
use crate::observation::{Choices, Draw, Observation, Phase, Trace};
use crate::sequence::{Blob, Call, CryptoType, DecodeProfile, NullPointer};

impl Model {
    /// The answer that the hardened profile gives to a call.
    pub(super) fn predict(&self, trace: &Trace, seen: &Observation) -> Answer {
        let Some(limits) = &trace.limits else {
            return ok("nothing is known of the driver", "");
        };
        match seen.call {
            Call::ContentProtectionCaps { .. } => capabilities(trace.choices, seen),
            Call::CreateDevice => self.create_device(limits, seen),
            Call::DestroyDevice { .. } => match self.open_device(seen) {
                Some(_) => ok("the device is open", "S-22"),
                None => NO_DEVICE,
            },
            Call::CreateSession { crypto, profile, .. } => {
                self.create_session(trace.choices, limits, seen, (crypto, profile))
            }
            Call::DestroySession { .. } => match self.live_session(seen) {
                Ok(_) => ok("destroying a live session never fails", "S-49"),
                Err(answer) => answer,
            },
            Call::ExchangeKey { blob, .. } => self.exchange_key(seen, blob),
            Call::StartRefresh { size, null, .. } => {
                self.start_refresh(trace, limits, seen, size, null)
            }
            Call::FinishRefresh { .. } => self.finish_refresh(seen),
            Call::EncryptionBltKey { size, null, .. } => {
                self.encryption_blt_key(trace, limits, seen, size, null)
            }
            Call::SubmitBuffer { .. } => self.submit_buffer(limits, seen),
            Call::SessionStatus { .. } => match self.live_session(seen) {
                Ok(_) => ok("the session is alive", "S-52"),
                Err(answer) => answer,
            },
            Call::Retire { .. } => ok("time passes", "INV-08"),
            Call::ResetEngine => ok("a reset is an event, not a request", "S-54"),
            Call::InjectEntropy { .. }
            | Call::InjectAllocationFailure { .. }
            | Call::CloseAdapter
            | Call::OpenAdapter { .. } => ok("it does not enter the driver", ""),
        }
    }

    fn create_device(&self, limits: &Limits, seen: &Observation) -> Answer {
        let open = self.devices.iter().filter(|device| device.is_open).count();
        if open >= limits.devices_max as usize {
            return refuse(Hresult::E_OUTOFMEMORY, "every device slot is in use", "INV-10");
        }
        if self.device_place(limits).is_none() {
            return refuse(Hresult::E_OUTOFMEMORY, "every free device slot is worn out", "S-24");
        }
        if seen.reservations.is_refused {
            return refuse(Hresult::E_OUTOFMEMORY, "an allocation was refused", "S-56");
        }
        ok("there is room for a device", "R-01")
    }

    fn create_session(
        &self,
        choices: Choices,
        limits: &Limits,
        seen: &Observation,
        (crypto, profile): (CryptoType, DecodeProfile),
    ) -> Answer {
        let Some(device) = self.open_device(seen) else { return NO_DEVICE };
        match crypto {
            CryptoType::Aes128Ctr => {}
            CryptoType::Null
            | CryptoType::Unknown
            | CryptoType::AlmostFirst
            | CryptoType::AlmostLast => {
                return refuse(
                    Hresult::D3DDDIERR_NOTAVAILABLE,
                    "nobody offers that cipher",
                    "R-04",
                );
            }
            CryptoType::Proprietary => {
                return refuse(
                    Hresult::D3DDDIERR_UNSUPPORTEDCRYPTO,
                    "that cipher is not offered for any profile",
                    "R-05",
                );
            }
        }
        if !is_offered(profile, choices) {
            return refuse(
                Hresult::D3DDDIERR_UNSUPPORTEDCRYPTO,
                "the cipher is not offered for that profile",
                "R-05",
            );
        }
        let places = &self.devices[device].places;
        if places.iter().filter(|place| place.is_taken).count() >= limits.sessions_max as usize {
            return refuse(Hresult::E_OUTOFMEMORY, "every session slot is in use", "INV-10");
        }
        if self.session_place(limits, device).is_none() {
            return refuse(Hresult::E_OUTOFMEMORY, "every free session slot is worn out", "S-24");
        }
        if seen.reservations.is_refused {
            return refuse(Hresult::E_OUTOFMEMORY, "an allocation was refused", "S-56");
        }
        // Whether a device serves new sessions behind a removal is a silent point.
        let rules = if self.devices[device].was_removed { "R-01 S-54" } else { "R-01" };
        ok("there is room for a session", rules)
    }

    fn exchange_key(&self, seen: &Observation, blob: Blob) -> Answer {
        let session = match self.live_session(seen) {
            Ok(session) => session,
            Err(answer) => return answer,
        };
        match (blob, session.phase) {
            (Blob::Short | Blob::Long | Blob::Empty | Blob::Absurd, _) => {
                refuse(Hresult::E_INVALIDARG, "the wrapped key has the wrong length", "R-11 S-13")
            }
            (Blob::Null | Blob::NullEmpty, _) => {
                refuse(Hresult::E_INVALIDARG, "the pointer is NULL", "S-15")
            }
            (_, Phase::Keyed) => refuse(INVALIDCALL, "the session has its key already", "S-07"),
            (_, Phase::Pending) => refuse(INVALIDCALL, "a refresh is under way", "S-08"),
            (_, Phase::Lost) => refuse(INVALIDCALL, "the session is lost", "S-52"),
            (Blob::Corrupt, _) => {
                refuse(Hresult::E_INVALIDARG, "the wrapped key does not unwrap", "S-13")
            }
            (Blob::Good, _) => ok("the session has no key yet", "R-11"),
        }
    }

    fn start_refresh(
        &self,
        trace: &Trace,
        limits: &Limits,
        seen: &Observation,
        size: u32,
        null: bool,
    ) -> Answer {
        let session = match self.live_session(seen) {
            Ok(session) => session,
            Err(answer) => return answer,
        };
        if size != 16 {
            return refuse(Hresult::E_INVALIDARG, "the random number has 16 bytes", "S-11");
        }
        if null {
            return refuse(Hresult::E_INVALIDARG, "the pointer is NULL", "S-15");
        }
        match session.phase {
            Phase::Unkeyed => return refuse(INVALIDCALL, "the session has no key yet", "S-04"),
            Phase::Pending => return refuse(INVALIDCALL, "a refresh is under way", "S-01"),
            Phase::Lost => return refuse(INVALIDCALL, "the session is lost", "S-52"),
            Phase::Keyed | Phase::Never | Phase::Dead => {}
        }
        let drawn = session.accepted_draw(trace.draws_of(seen), limits);
        answer_to(drawn, ok("the session has a key and no refresh is under way", "R-16"))
    }

    fn finish_refresh(&self, seen: &Observation) -> Answer {
        match self.live_session(seen).map(|session| session.phase) {
            Err(answer) => answer,
            Ok(Phase::Pending) => ok("a random number waits", "R-17"),
            Ok(Phase::Unkeyed) => refuse(INVALIDCALL, "the session has no key yet", "S-04"),
            Ok(Phase::Lost) => refuse(INVALIDCALL, "the session is lost", "S-52"),
            Ok(Phase::Keyed | Phase::Never | Phase::Dead) => {
                refuse(INVALIDCALL, "no random number waits", "S-02 S-03")
            }
        }
    }

    fn encryption_blt_key(
        &self,
        trace: &Trace,
        limits: &Limits,
        seen: &Observation,
        size: u32,
        null: bool,
    ) -> Answer {
        if trace.choices.no_read_back_keys {
            let because = "read-back keys are not offered";
            return refuse(Hresult::D3DDDIERR_NOTAVAILABLE, because, "R-08 R-10");
        }
        let session = match self.live_session(seen) {
            Ok(session) => session,
            Err(answer) => return answer,
        };
        if size != 16 {
            return refuse(Hresult::E_INVALIDARG, "a wrapped key has 16 bytes", "S-41");
        }
        if null {
            return refuse(Hresult::E_INVALIDARG, "the pointer is NULL", "S-15");
        }
        match session.phase {
            Phase::Unkeyed => return refuse(INVALIDCALL, "the session has no key yet", "S-05"),
            Phase::Lost => return refuse(INVALIDCALL, "the session is lost", "S-52"),
            Phase::Keyed | Phase::Pending | Phase::Never | Phase::Dead => {}
        }
        let drawn = session.accepted_draw(trace.draws_of(seen), limits);
        answer_to(drawn, ok("the session has a key to wrap it under", "R-35 R-36"))
    }

    fn submit_buffer(&self, limits: &Limits, seen: &Observation) -> Answer {
        let Call::SubmitBuffer { iv, count, len, null, .. } = seen.call else {
            return ok("it is no submission", "");
        };
        let session = match self.live_session(seen) {
            Ok(session) => session,
            Err(answer) => return answer,
        };
        let invalid = |because, rules| refuse(Hresult::E_INVALIDARG, because, rules);
        if null == NullPointer::Data {
            return invalid("the data pointer is NULL", "S-15");
        }
        if len == 0 || len % limits.block_alignment.max(1) != 0 {
            return invalid("the length is no whole number of blocks", "S-40");
        }
        if len > limits.buffer_len_max {
            return invalid("the buffer is longer than the driver takes", "S-40");
        }
        if null == NullPointer::Iv {
            return invalid("without an IV there is no AES-CTR", "S-31");
        }
        if last_count(count, len).is_none() {
            return invalid("Count would pass 2^64", "S-33");
        }
        match session.phase {
            Phase::Unkeyed => return refuse(INVALIDCALL, "the session has no key yet", "S-05"),
            Phase::Lost => return refuse(INVALIDCALL, "the session is lost", "S-52"),
            Phase::Keyed | Phase::Pending | Phase::Never | Phase::Dead => {}
        }
        if session.highest.is_some_and(|highest| (iv, count) <= highest) {
            return refuse(INVALIDCALL, "its counters do not rise", "S-26 S-30 S-34 INV-05");
        }
        if session.highest_read_back.is_some_and(|highest| (iv, count) <= highest) {
            let because = "its counters do not rise above those of a read-back";
            return refuse(INVALIDCALL, because, "S-26 S-29 INV-05");
        }
        if self.queue.len() >= limits.queue_commands_max as usize
            || self.queued_len + len as usize > limits.queue_len_max as usize
        {
            return refuse(Hresult::D3DDDIERR_WASSTILLDRAWING, "the queue is full", "INV-10");
        }
        if seen.reservations.is_refused {
            return refuse(Hresult::E_OUTOFMEMORY, "an allocation was refused", "INV-04");
        }
        // Whether the Count alone may rise is a silent point, and whether counters restart for every new key.
        let highest = session.highest.max(session.highest_read_back);
        let rules = match (highest, session.highest_ever) {
            (Some((highest, _)), _) if highest == iv => "R-18 S-30",
            (_, Some(ever)) if (iv, count) <= ever => "R-18 S-26",
            // Of a driver that goes on there, because the key was in force before, both are asked.
            (None, Some((ever, _))) if ever == iv => "R-18 S-26 S-30",
            _ => "R-18",
        };
        ok("the session has a key and the counters rise", rules)
    }

    /// The index of the open device that the call goes through.
    fn open_device(&self, seen: &Observation) -> Option<usize> {
        let slot = usize::from(seen.device_slot?);
        self.devices.get(slot).filter(|device| device.is_open)?;
        Some(slot)
    }

    /// The live session that the call is aimed at, through its owner.
    pub(super) fn live_session(&self, seen: &Observation) -> Result<&ModelSession, Answer> {
        let no_session = |because, rules| refuse(Hresult::D3DDDIERR_INVALIDHANDLE, because, rules);
        let session = seen.session_slot.and_then(|slot| self.sessions.get(usize::from(slot)));
        let session = session.ok_or(no_session("there is no such session", "S-44"))?;
        match session.phase {
            Phase::Never => return Err(no_session("the session was never created", "S-44")),
            Phase::Dead => return Err(no_session("the session is destroyed", "S-23")),
            Phase::Unkeyed | Phase::Keyed | Phase::Pending | Phase::Lost => {}
        }
        if seen.device_slot.is_none() {
            return Err(no_session("there is no such device", "S-44"));
        }
        if self.open_device(seen).is_none() {
            return Err(no_session("the device is not open", "S-44"));
        }
        if session.owner != seen.device_slot {
            return Err(no_session("the session belongs to another device", "R-01 R-02 S-44"));
        }
        Ok(session)
    }

    /// Where the adapter would put the next device: the first free place that is not worn out.
    pub(super) fn device_place(&self, limits: &Limits) -> Option<usize> {
        (0..limits.devices_max as usize).find(|&place| {
            let mut here =
                self.devices.iter().filter(|device| device.handle != 0 && device.place == place);
            let given_out = here.clone().count();
            !here.any(|device| device.is_open) && given_out < limits.generations_max as usize
        })
    }

    /// Where a device would put its next session.
    pub(super) fn session_place(&self, limits: &Limits, device: usize) -> Option<usize> {
        let places = &self.devices[device].places;
        (0..limits.sessions_max as usize).find(|&place| {
            places
                .get(place)
                .is_none_or(|place| !place.is_taken && place.given_out < limits.generations_max)
        })
    }
}

/// What a driver has to answer when it is asked what it can do.
fn capabilities(choices: Choices, seen: &Observation) -> Answer {
    let Call::ContentProtectionCaps { crypto, profile, size, null } = seen.call else {
        return ok("it asks for no capabilities", "");
    };
    if choices.no_capabilities {
        let because = "it is not asked for its capabilities";
        return refuse(Hresult::D3DDDIERR_NOTAVAILABLE, because, "R-10");
    }
    match crypto {
        CryptoType::Null | CryptoType::Aes128Ctr => {}
        CryptoType::Proprietary => {
            let because = "that cipher is not offered for any profile";
            return refuse(Hresult::D3DDDIERR_UNSUPPORTEDCRYPTO, because, "R-05");
        }
        CryptoType::Unknown | CryptoType::AlmostFirst | CryptoType::AlmostLast => {
            return refuse(Hresult::D3DDDIERR_NOTAVAILABLE, "nobody offers that cipher", "R-04");
        }
    }
    if !is_offered(profile, choices) {
        let because = "the cipher is not offered for that profile";
        return refuse(Hresult::D3DDDIERR_UNSUPPORTEDCRYPTO, because, "R-05");
    }
    if size as usize != ContentProtectionCaps::LEN {
        // How much of the structure goes into other room is the business of a driver that has more.
        let own = seen.code.filter(|_| choices.more_capabilities);
        let code = own.unwrap_or(Hresult::E_INVALIDARG);
        return Answer { code, because: "the structure has 40 bytes", rules: "INV-09" };
    }
    if null {
        return refuse(Hresult::E_INVALIDARG, "the pointer is NULL", "S-15");
    }
    ok("the cipher is offered", "R-07 S-50")
}

/// Whether sessions with this profile can be made.
fn is_offered(profile: DecodeProfile, choices: Choices) -> bool {
    match profile {
        DecodeProfile::None => true,
        DecodeProfile::H264 => !choices.no_decode,
        _ => false,
    }
}

/// What the entropy source's answers amount to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DrawResult {
    /// This one is used.
    Accepted([u8; 16]),
    /// None could be used, and another draw was due.
    Unfinished,
    /// The source failed.
    Failed,
    /// None could be used, and no further draw is due.
    Exhausted,
}

/// What a call that draws has to answer, if all else is as it should be.
fn answer_to(drawn: DrawResult, served: Answer) -> Answer {
    match drawn {
        // That another draw was due does not decide the code: the caller says so (`StaleDraw`).
        DrawResult::Accepted(_) | DrawResult::Unfinished => served,
        DrawResult::Failed => refuse(Hresult::E_FAIL, "the entropy source failed", "S-06"),
        DrawResult::Exhausted => {
            refuse(Hresult::E_FAIL, "the entropy source keeps repeating itself", "S-12")
        }
    }
}

impl ModelSession {
    /// Goes through the draws of a call as S-06 and S-12 say: what the session has drawn last is not used,
    /// neither the random number nor the read-back key.
    pub(super) fn accepted_draw(&self, draws: &[Draw], limits: &Limits) -> DrawResult {
        for draw in draws.iter().take(limits.entropy_draws_max as usize) {
            match draw {
                Draw::Failed => return DrawResult::Failed,
                Draw::Answered(random) if *random == [0; 16] => {}
                Draw::Answered(random) if self.has_just_drawn(random) => {}
                Draw::Answered(random) => return DrawResult::Accepted(*random),
            }
        }
        if draws.len() < limits.entropy_draws_max as usize {
            DrawResult::Unfinished
        } else {
            DrawResult::Exhausted
        }
    }

    fn has_just_drawn(&self, drawn: &[u8; 16]) -> bool {
        [self.last_random, self.last_read_back_key].contains(&Some(*drawn))
    }
}

/// The Count of the last block of a buffer, or `None` when it would pass 2^64.
pub(super) fn last_count(count: u64, len: u32) -> Option<u64> {
    let last = u128::from(count) + u128::from(len.div_ceil(16).saturating_sub(1));
    u64::try_from(last).ok()
}

const INVALIDCALL: Hresult = Hresult::D3DDDIERR_INVALIDCALL;

const NO_DEVICE: Answer =
    refuse(Hresult::D3DDDIERR_INVALIDHANDLE, "the device is not open", "S-44");

const fn ok(because: &'static str, rules: &'static str) -> Answer {
    Answer { code: Hresult::S_OK, because, rules }
}

const fn refuse(code: Hresult, because: &'static str, rules: &'static str) -> Answer {
    Answer { code, because, rules }
}
