//! One crypto session: its state, its counters and the home of its secrets.

#[cfg(feature = "faults")]
#[path = "detours/session.rs"]
mod detours;

use rekeylab_ddi::{Hresult, SessionStatus};

use crate::counter::{CounterRange, CounterTrack};
use crate::fault::fault;
use crate::home::Home;
use crate::seams::{Entropy, KeyUnwrap};
use crate::secrets::SessionSecrets;
use crate::state::{Event, State, step};

/// A live session; dropping it is its death.
#[derive(Debug)]
pub(crate) struct Session {
    state: State,
    is_content_lost: bool,
    counters: CounterTrack,
    secrets: Box<SessionSecrets>,
    #[cfg(feature = "faults")]
    keepsakes: crate::keepsakes::SessionKeepsakes,
    #[cfg(feature = "faults")]
    sidetrack: crate::sidetracks::SessionSidetrack,
}

impl Session {
    /// A session without a key.
    pub(crate) fn new() -> Self {
        Self {
            state: State::Unkeyed,
            is_content_lost: false,
            counters: CounterTrack::default(),
            secrets: SessionSecrets::new(),
            #[cfg(feature = "faults")]
            keepsakes: crate::keepsakes::SessionKeepsakes::default(),
            #[cfg(feature = "faults")]
            sidetrack: crate::sidetracks::SessionSidetrack::default(),
        }
    }

    /// Takes the key out of a blob of the right length.
    pub(crate) fn exchange_key(
        &mut self,
        mechanism: &mut dyn KeyUnwrap,
        blob: &[u8],
    ) -> Result<(), Hresult> {
        #[cfg(feature = "faults")]
        if fault!(PanicShowsKey) && self.state == State::Keyed {
            panic!(
                "a session is keyed once, and this one is with {:02x?}",
                self.secrets.key.bytes()
            );
        }
        if fault!(RefusedExchangeForgetsCounters) {
            self.counters.forget();
        }
        if fault!(RefusedExchangeWipesKey) {
            self.secrets.key.wipe();
        }
        let next = match step(self.state, Event::Exchange) {
            Err(_) if fault!(SecondExchangeAccepted) && self.state == State::Keyed => State::Keyed,
            Err(_) if fault!(PendingExchangeAccepted) && self.state == State::Pending => {
                State::Pending
            }
            Err(_) if fault!(LostSessionTakesKey) && self.state == State::Lost => State::Keyed,
            next => next?,
        };
        // The blob is only opened once the state allows an exchange, so that a refused call does
        // the same work whatever is in it.
        if mechanism.unwrap_key(blob, self.secrets.key.bytes_mut()).is_err() {
            if !fault!(FailedExchangeKeepsKey) {
                self.secrets.key.wipe();
            }
            if fault!(FailedExchangeKeysSession) {
                self.state = next;
            }
            return Err(Hresult::E_INVALIDARG);
        }
        self.state = next;
        #[cfg(feature = "faults")]
        self.sidetrack.note_exchange(&self.secrets.key);
        #[cfg(feature = "faults")]
        self.keepsakes.note_exchange(&self.secrets.key);
        Ok(())
    }

    /// Draws the random number of a refresh and hands it out.
    pub(crate) fn start_refresh(
        &mut self,
        entropy: &mut dyn Entropy,
        out: &mut [u8; 16],
    ) -> Result<(), Hresult> {
        if fault!(RefusedStartShowsRandom) && self.state == State::Pending {
            rekeylab_cipher::copy_secret(self.secrets.random.bytes(), out);
        }
        #[cfg(feature = "faults")]
        if let Some(answer) = self.start_off_the_path(out) {
            return answer;
        }
        let next = match step(self.state, Event::Start) {
            Err(_) if fault!(UnkeyedStartAccepted) && self.state == State::Unkeyed => {
                State::Pending
            }
            Err(_) if fault!(SecondStartAccumulates) && self.state == State::Pending => {
                self.secrets.apply_random();
                State::Pending
            }
            Err(refusal) if fault!(RefusedStartEndsRefresh) && self.state == State::Pending => {
                self.state = State::Keyed;
                return Err(refusal.into());
            }
            Err(_) if fault!(SecondStartReplacesRandom) && self.state == State::Pending => {
                State::Pending
            }
            next => next?,
        };
        if fault!(FailedStartStaysPending) {
            self.state = next;
        }
        self.secrets.draw_random(entropy, out)?;
        if fault!(StartSwitchesTheKey) {
            self.secrets.apply_random();
        }
        self.state = next;
        #[cfg(feature = "faults")]
        if fault!(RandomTakenByValue) {
            crate::keepsakes::take_by_value(*self.secrets.random.bytes());
        }
        Ok(())
    }

    /// Makes the updated key the key in force.
    pub(crate) fn finish_refresh(&mut self) -> Result<(), Hresult> {
        let next = match step(self.state, Event::Finish) {
            Err(_) if fault!(FinishWithoutStart) && self.state == State::Keyed => State::Keyed,
            Err(_) if fault!(UnkeyedFinishAccepted) && self.state == State::Unkeyed => {
                State::Unkeyed
            }
            Err(_) if fault!(FinishWithoutStartXorsGarbage) && self.state == State::Keyed => {
                self.secrets.random.bytes_mut().fill(0xCD);
                State::Keyed
            }
            Err(refusal) if fault!(RefusedFinishXorsGarbage) && self.state == State::Keyed => {
                self.secrets.random.bytes_mut().fill(0xCD);
                self.secrets.apply_random();
                return Err(refusal.into());
            }
            #[cfg(feature = "faults")]
            Err(_) if self.finishes_by_mistake() => State::Keyed,
            Err(_) if fault!(FinishKeepsRandom) && self.secrets.has_drawn() => State::Keyed,
            next => next?,
        };
        self.state = next;
        #[cfg(feature = "faults")]
        self.keepsakes.note_finish(&self.secrets.key, &self.secrets.random);
        #[cfg(feature = "faults")]
        self.sidetrack.note_finish(&mut self.secrets.random);
        #[cfg(feature = "faults")]
        if fault!(EighthFinishKeepsOldKey) && self.sidetrack.finishes.is_multiple_of(8) {
            self.secrets.random.wipe();
        }
        if !fault!(StartSwitchesTheKey) {
            self.secrets.apply_random();
        }
        if fault!(FinishForgetsCounters) {
            self.counters.forget();
        }
        #[cfg(feature = "faults")]
        if fault!(RestoredKeyForgetsCounters) && self.sidetrack.is_first_key(&self.secrets.key) {
            self.counters.forget();
        }
        Ok(())
    }

    /// Whether a buffer with these counters may be submitted now.
    pub(crate) fn admit_buffer(&mut self, range: CounterRange) -> Result<(), Hresult> {
        if !(fault!(UnkeyedSubmitAccepted) && self.state == State::Unkeyed) {
            step(self.state, Event::Submit)?;
        }
        let admitted = self.counters.admits(range);
        #[cfg(feature = "faults")]
        if fault!(RefusedBufferLowersCounters) && admitted.is_err() {
            self.take_refused_counters(range);
        }
        admitted?;
        if fault!(RefusedSubmitConsumesCounter) {
            self.counters.use_up(range);
        }
        Ok(())
    }

    /// Binds an admitted buffer to this session: its counters are used up, its key is this one.
    ///
    /// Semantics decision: the key is captured by value here, so that work in flight is out of
    /// reach of whatever happens to the session later (S-17, INV-08).
    pub(crate) fn bind_buffer(&mut self, range: CounterRange, key: &mut Home) {
        #[cfg(feature = "faults")]
        if self.forgets_buffer() {
            return key.copy_from(&self.secrets.key);
        }
        self.counters.use_up(range);
        key.copy_from(&self.secrets.key);
        #[cfg(feature = "faults")]
        if fault!(FifthKeyIsTheFirst) && self.sidetrack.finishes == 4 {
            self.sidetrack.bind_first_key(key);
        }
    }

    /// What the session says of its health.
    pub(crate) fn status(&self) -> Result<SessionStatus, Hresult> {
        step(self.state, Event::Status)?;
        Ok(match (self.state, self.is_content_lost) {
            (State::Lost, _) if fault!(StatusHidesLoss) => SessionStatus::OK,
            (State::Lost, true) if fault!(StatusHidesContentLoss) => SessionStatus::KEY_LOST,
            (State::Lost, true) => SessionStatus::KEY_AND_CONTENT_LOST,
            (State::Lost, false) => SessionStatus::KEY_LOST,
            (State::Unkeyed | State::Keyed | State::Pending | State::Dead, _) => SessionStatus::OK,
        })
    }

    /// Whether the session may end; whoever then drops it has ended it.
    pub(crate) fn may_end(&self) -> Result<(), Hresult> {
        step(self.state, Event::Destroy)?;
        Ok(())
    }

    /// The engine was reset: everything secret goes, for good (S-52, S-54, S-79).
    ///
    /// Semantics decision: the status says that content was lost too if the session had work in
    /// flight, and keeps saying so.
    pub(crate) fn tear_down(&mut self, had_work_in_flight: bool) {
        if fault!(ResetSparesPendingSessions) && self.state == State::Pending {
            return;
        }
        if let Ok(next) = step(self.state, Event::TearDown) {
            self.state = if fault!(ResetUnkeysSessions) { State::Unkeyed } else { next };
            if fault!(SecondResetForgetsContentLoss) {
                self.is_content_lost = false;
            }
            self.is_content_lost |= had_work_in_flight;
            if !fault!(ResetLeavesSessionSecrets) {
                self.secrets.wipe();
            }
        }
    }

    /// The session's secrets. No honest path reads them from outside.
    #[cfg(any(feature = "homes", feature = "faults"))]
    pub(crate) fn secrets(&self) -> &SessionSecrets {
        &self.secrets
    }

    /// Writes the session's state; see [`Adapter::write_state`](crate::Adapter::write_state).
    #[cfg(feature = "homes")]
    pub(crate) fn write_state(&self, sink: &mut crate::observe::StateSink<'_>) {
        let Self {
            state,
            is_content_lost,
            counters,
            secrets,
            #[cfg(feature = "faults")]
            keepsakes,
            #[cfg(feature = "faults")]
            sidetrack,
        } = self;
        sink.number(*state as u64);
        sink.flag(*is_content_lost);
        counters.write_state(sink);
        secrets.write_state(sink);
        #[cfg(feature = "faults")]
        {
            keepsakes.write_state(sink);
            sidetrack.write_state(sink);
        }
    }
}
