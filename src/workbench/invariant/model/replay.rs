//! Follows a trace call by call: compares each answer, then takes over its effect.

use rekeylab_ddi::{ContentProtectionCaps, Hresult, SessionStatus};

use super::capabilities;
use super::predict::{DrawResult, last_count};
use super::state::{KeyName, ModelCommand, ModelDevice, ModelSession, Place};
use super::{Answer, Disagreement, Divergence, Effect, Model};
use crate::observation::{Choices, Observation, Phase, Trace, UNTOUCHED};
use crate::sequence::Call;
use crate::sequence::expand::World;

impl Model {
    /// Compares one call with the prediction and moves on to the state behind it; the other states that the
    /// driver may be in are left as they are.
    ///
    /// The model follows what the driver answered, so that one disagreement does not make every
    /// later answer wrong; `Effect::Forced` follows a refused call as if it had succeeded.
    pub(super) fn step(&mut self, trace: &Trace, index: usize, seen: &Observation, effect: Effect) {
        let Some(code) = seen.code else { return };
        self.follow_read_backs(trace, index, seen);
        let is_judged = self.is_judged(seen);
        if is_judged {
            let answer = self.predict(trace, seen);
            if answer.code != code {
                if is_chosen(trace, &answer, code) {
                    self.follow_choice(trace, index, seen, code);
                    return;
                }
                self.diverge(index, seen, answer, Disagreement::Code);
            } else if code.is_ok()
                && let Some(about) = self.compare_outputs(trace, seen)
            {
                self.diverge(index, seen, answer, about);
            }
        }
        if code.is_ok() || effect == Effect::Forced {
            self.follow(trace, index, seen, is_judged && code.is_ok());
        } else {
            self.follow_refusal(index, seen);
        }
    }

    /// Follows a driver that chose otherwise than the core: what it served has its effect, and is judged by
    /// that from here on.
    fn follow_choice(&mut self, trace: &Trace, index: usize, seen: &Observation, code: Hresult) {
        if code.is_ok() {
            self.follow(trace, index, seen, true);
        } else {
            self.follow_refusal(index, seen);
        }
    }

    /// A create that was refused has a slot at the client all the same.
    fn follow_refusal(&mut self, index: usize, seen: &Observation) {
        if matches!(seen.call, Call::CreateDevice) {
            self.devices.push(ModelDevice::default());
        } else if matches!(seen.call, Call::CreateSession { .. }) {
            self.sessions.push(ModelSession::new(None, Phase::Never, index, 0));
        }
    }

    pub(super) fn diverge(
        &mut self,
        call: usize,
        seen: &Observation,
        answer: Answer,
        about: Disagreement,
    ) {
        // A dead, foreign or unknown handle that is served can have touched anybody.
        let is_anybodys = answer.code == Hresult::D3DDDIERR_INVALIDHANDLE
            || matches!(about, Disagreement::Completions { .. } | Disagreement::Handle)
            || seen.session_slot.is_none()
            || matches!(seen.call, Call::CreateSession { .. });
        let session = match &about {
            Disagreement::Plaintext { expected, .. } => Some(expected.session),
            Disagreement::ReadBack { session, .. } => Some(*session),
            _ => seen.session_slot,
        };
        let is_of_one =
            matches!(about, Disagreement::Plaintext { .. } | Disagreement::ReadBack { .. });
        self.divergences.push(Divergence { call, session, answer, about });
        if matches!(seen.call, Call::ContentProtectionCaps { .. }) {
            // What it says of itself changes nothing of what it does.
            return;
        }
        self.give_up_on(if is_anybodys && !is_of_one { None } else { session });
    }

    /// What a call that succeeded wrote beside its code, except completions.
    pub(super) fn compare_outputs(
        &self,
        trace: &Trace,
        seen: &Observation,
    ) -> Option<Disagreement> {
        let session = seen.session_slot.and_then(|slot| self.sessions.get(usize::from(slot)));
        match seen.call {
            Call::CreateDevice | Call::CreateSession { .. } => {
                let is_handle =
                    seen.scalar != 0 && seen.scalar != u64::from_ne_bytes([UNTOUCHED; 8]);
                (!is_handle).then_some(Disagreement::Handle)
            }
            Call::ContentProtectionCaps { size, .. } => {
                if size as usize != ContentProtectionCaps::LEN {
                    return None;
                }
                let limits = trace.limits.as_ref()?;
                let bytes = trace.buffer_of(seen).first_chunk()?;
                let fault = capabilities::fault(bytes, limits, trace.choices)?;
                Some(Disagreement::Capabilities(fault))
            }
            Call::StartRefresh { .. } => {
                let limits = trace.limits.as_ref()?;
                let DrawResult::Accepted(random) =
                    session?.accepted_draw(trace.draws_of(seen), limits)
                else {
                    return Some(Disagreement::StaleDraw);
                };
                let out = trace.buffer_of(seen);
                (out.get(..16) != Some(&random)).then_some(Disagreement::Random)
            }
            Call::EncryptionBltKey { .. } => {
                let limits = trace.limits.as_ref()?;
                let DrawResult::Accepted(drawn) =
                    session?.accepted_draw(trace.draws_of(seen), limits)
                else {
                    return Some(Disagreement::StaleDraw);
                };
                self.wrapped_otherwise(seen.session_slot?, &drawn, trace.buffer_of(seen))
            }
            Call::SubmitBuffer { .. } => {
                (seen.scalar != self.last_fence.wrapping_add(1)).then_some(Disagreement::Fence)
            }
            Call::SessionStatus { .. } => {
                let expected = session?.status();
                (seen.scalar != u64::from(expected.0))
                    .then_some(Disagreement::Status { expected: expected.0 })
            }
            Call::Retire { .. }
            | Call::DestroyDevice { .. }
            | Call::DestroySession { .. }
            | Call::ExchangeKey { .. }
            | Call::FinishRefresh { .. }
            | Call::ResetEngine
            | Call::InjectEntropy { .. }
            | Call::InjectAllocationFailure { .. }
            | Call::CloseAdapter
            | Call::OpenAdapter { .. } => None,
        }
    }

    /// Takes over the effect of a call that succeeded.
    fn follow(&mut self, trace: &Trace, index: usize, seen: &Observation, is_judged: bool) {
        match seen.call {
            Call::CreateDevice => self.follow_create_device(trace, seen),
            Call::DestroyDevice { .. } => self.follow_destroy_device(index, seen),
            Call::CreateSession { .. } => self.follow_create_session(trace, index, seen),
            Call::DestroySession { .. } => self.follow_destroy_session(index, seen),
            Call::ExchangeKey { key, shape, .. } => {
                let mut grown = [0; 16];
                self.key_ring.session_key(World::default(), key, shape, &mut grown);
                let restarts = trace.choices.has(Choices::COUNTERS_RESTART);
                if let (Some(slot), Some(session)) = (seen.session_slot, self.session_of(seen)) {
                    session.highest = session.highest.filter(|_| !restarts);
                    session.highest_read_back = session.highest_read_back.filter(|_| !restarts);
                    session.key = grown;
                    session.is_apart = false;
                    session.phase = Phase::Keyed;
                    let name = KeyName { session: slot, epoch: session.epoch };
                    self.keys.push((name, grown));
                }
            }
            Call::StartRefresh { .. } => {
                let out = trace.buffer_of(seen).first_chunk::<16>().copied().unwrap_or_default();
                let limits = trace.limits.as_ref();
                if let Some(session) = self.session_of(seen) {
                    let is_refused = seen.code.is_none_or(|code| !code.is_ok());
                    let random = match limits {
                        // A refused call hands nothing out: what it drew is all that is known.
                        Some(limits) if is_refused => {
                            match session.accepted_draw(trace.draws_of(seen), limits) {
                                DrawResult::Accepted(drawn) => drawn,
                                _ => out,
                            }
                        }
                        _ => out,
                    };
                    session.random = random;
                    session.last_random = Some(random);
                    session.phase = Phase::Pending;
                }
            }
            Call::FinishRefresh { .. } => {
                let restarts = trace.choices.has(Choices::COUNTERS_RESTART);
                if let (Some(slot), Some(session)) = (seen.session_slot, self.session_of(seen)) {
                    session.highest = session.highest.filter(|_| !restarts);
                    session.highest_read_back = session.highest_read_back.filter(|_| !restarts);
                    for (key, random) in session.key.iter_mut().zip(session.random) {
                        *key ^= random;
                    }
                    session.random = [0; 16];
                    session.epoch += 1;
                    session.phase = Phase::Keyed;
                    let name = KeyName { session: slot, epoch: session.epoch };
                    let key = session.key;
                    self.keys.push((name, key));
                }
            }
            Call::EncryptionBltKey { .. } => {
                let limits = trace.limits.as_ref();
                if let (Some(session), Some(limits)) = (self.session_of(seen), limits)
                    && let DrawResult::Accepted(drawn) =
                        session.accepted_draw(trace.draws_of(seen), limits)
                {
                    session.last_read_back_key = Some(drawn);
                }
            }
            Call::SubmitBuffer { .. } => self.follow_submit(index, seen, is_judged),
            Call::Retire { count, .. } => self.follow_retire(trace, index, seen, count),
            Call::ResetEngine => self.follow_reset(trace, seen),
            Call::ContentProtectionCaps { .. }
            | Call::SessionStatus { .. }
            | Call::InjectEntropy { .. }
            | Call::InjectAllocationFailure { .. }
            | Call::CloseAdapter
            | Call::OpenAdapter { .. } => {}
        }
    }

    fn session_of(&mut self, seen: &Observation) -> Option<&mut ModelSession> {
        self.sessions.get_mut(usize::from(seen.session_slot?))
    }

    fn follow_create_device(&mut self, trace: &Trace, seen: &Observation) {
        let place = trace.limits.as_ref().and_then(|limits| self.device_place(limits));
        self.devices.push(ModelDevice {
            handle: seen.scalar,
            is_open: true,
            was_removed: false,
            place: place.unwrap_or(usize::MAX),
            places: Vec::new(),
        });
    }

    fn follow_destroy_device(&mut self, index: usize, seen: &Observation) {
        let Some(slot) = seen.device_slot else { return };
        if let Some(device) = self.devices.get_mut(usize::from(slot)) {
            device.is_open = false;
        }
        for session in self.sessions.iter_mut().filter(|session| session.owner == Some(slot)) {
            session.end(index);
        }
    }

    fn follow_create_session(&mut self, trace: &Trace, index: usize, seen: &Observation) {
        let mut session = ModelSession::new(seen.device_slot, Phase::Unkeyed, index, usize::MAX);
        let device = seen.device_slot.map(usize::from).filter(|&slot| slot < self.devices.len());
        if let (Some(limits), Some(device)) = (&trace.limits, device)
            && let Some(place) = self.session_place(limits, device)
        {
            let places = &mut self.devices[device].places;
            if places.len() <= place {
                places.resize(place + 1, Place::default());
            }
            places[place].given_out += 1;
            places[place].is_taken = true;
            session.place = place;
        }
        self.sessions.push(session);
    }

    fn follow_destroy_session(&mut self, index: usize, seen: &Observation) {
        let Some(session) = self.session_of(seen) else { return };
        let (owner, place) = (session.owner, session.place);
        session.end(index);
        let device = owner.and_then(|slot| self.devices.get_mut(usize::from(slot)));
        if let Some(place) = device.and_then(|device| device.places.get_mut(place)) {
            place.is_taken = false;
        }
    }

    fn follow_submit(&mut self, index: usize, seen: &Observation, is_judged: bool) {
        let Call::SubmitBuffer { iv, count, len, .. } = seen.call else { return };
        let slot = seen.session_slot.unwrap_or(u16::MAX);
        let (mut key_name, mut key, mut is_given_up) =
            (KeyName { session: slot, epoch: 0 }, [0; 16], true);
        let mut is_apart = false;
        if let Some(session) = self.session_of(seen) {
            if let Some(last) = last_count(count, len.max(16)) {
                session.highest = session.highest.max(Some((iv, last)));
                session.highest_ever = session.highest_ever.max(session.highest);
            }
            key_name.epoch = session.epoch;
            key = session.key;
            is_given_up = session.is_given_up;
            is_apart = session.is_apart;
        }
        if seen.code.is_none_or(|code| !code.is_ok()) {
            // Followed although it was refused: its counters are used up, its work is not owed.
            return;
        }
        self.last_fence = seen.scalar;
        self.queued_len += len as usize;
        self.queue.push_back(ModelCommand {
            fence: seen.scalar,
            submitted: index,
            key_name,
            key,
            iv,
            count,
            len: len as usize,
            is_lost: false,
            is_judged: is_judged && !is_given_up,
            is_apart,
        });
    }

    /// What was read back before anything else that the call did: its counters are used up (S-29), and where the
    /// driver refused, nothing is known of the buffer.
    fn follow_read_backs(&mut self, trace: &Trace, index: usize, seen: &Observation) {
        for read in trace.read_backs_of(seen) {
            let is_its = |command: &&mut ModelCommand| command.fence == read.fence;
            let Some(command) = self.queue.iter_mut().find(is_its) else { continue };
            let (slot, submitted) = (command.key_name.session, command.submitted);
            let is_judged = command.is_judged && !command.is_lost && !self.is_lost;
            command.is_judged &= read.refusal.is_none();
            let Some(session) = self.sessions.get_mut(usize::from(slot)) else { continue };
            let Some(code) = read.refusal else {
                let last = last_count(read.count, read.len.max(16)).unwrap_or(u64::MAX);
                session.highest_read_back = session.highest_read_back.max(Some((read.iv, last)));
                session.highest_ever = session.highest_ever.max(session.highest_read_back);
                continue;
            };
            // Behind the last IV there is none for a read-back (S-38).
            let used = [session.highest, session.highest_ever, session.highest_read_back];
            let is_used_up = used.into_iter().flatten().any(|(iv, _)| iv == u64::MAX);
            if is_judged && !is_used_up && !session.is_given_up {
                let answer = Answer {
                    code: Hresult::S_OK,
                    because: "what was uploaded is read back, as long as there are counters",
                    rules: "R-29 S-38",
                };
                let about = Disagreement::ReadBack { submitted, session: slot, code };
                self.diverge(index, seen, answer, about);
            }
        }
    }

    fn follow_reset(&mut self, trace: &Trace, seen: &Observation) {
        let may_be_for_good = trace.choices.has(Choices::REMOVED_FOR_GOOD);
        for (slot, device) in (0..).zip(&mut self.devices) {
            let is_removed = device.is_open && !seen.spares(Some(slot));
            device.was_removed |= is_removed && may_be_for_good;
        }
        for (slot, session) in self.sessions.iter_mut().enumerate() {
            if matches!(session.phase, Phase::Never | Phase::Dead) || seen.spares(session.owner) {
                continue;
            }
            let is_mine = |command: &&ModelCommand| usize::from(command.key_name.session) == slot;
            let has_work = self.queue.iter().filter(is_mine).any(|command| !command.is_lost);
            session.phase = Phase::Lost;
            session.is_content_lost |= has_work;
        }
        for command in &mut self.queue {
            let session = self.sessions.get(usize::from(command.key_name.session));
            if !command.is_lost && !session.is_some_and(|session| seen.spares(session.owner)) {
                command.is_lost = true;
                self.queued_len -= command.len;
            }
        }
    }
}

/// Whether the driver is free to answer this way.
fn is_chosen(trace: &Trace, answer: &Answer, code: Hresult) -> bool {
    let Choices { any_failure, .. } = trace.choices;
    let is_refused_either_way = !answer.code.is_ok() && !code.is_ok();
    any_failure && is_refused_either_way || trace.choices.has_one_of(answer.rules)
}

impl ModelSession {
    fn new(owner: Option<u16>, phase: Phase, created: usize, place: usize) -> Self {
        Self {
            owner,
            phase,
            epoch: 0,
            created,
            ended: None,
            place,
            key: [0; 16],
            random: [0; 16],
            last_random: None,
            last_read_back_key: None,
            highest: None,
            highest_ever: None,
            highest_read_back: None,
            is_content_lost: false,
            is_given_up: false,
            is_apart: false,
        }
    }

    fn end(&mut self, call: usize) {
        if !matches!(self.phase, Phase::Never | Phase::Dead) {
            self.phase = Phase::Dead;
            self.ended = Some(call);
        }
    }

    fn status(&self) -> SessionStatus {
        match (self.phase, self.is_content_lost) {
            (Phase::Lost, true) => SessionStatus::KEY_AND_CONTENT_LOST,
            (Phase::Lost, false) => SessionStatus::KEY_LOST,
            _ => SessionStatus::OK,
        }
    }
}
