//! One crypto session: its state, its counters and the home of its secrets.

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
        let next = match step(self.state, Event::Exchange) {
            Err(_) if fault!(SecondExchangeAccepted) && self.state == State::Keyed => State::Keyed,
            next => next?,
        };
        // The blob is only opened once the state allows an exchange, so that a refused call does
        // the same work whatever is in it.
        if mechanism.unwrap_key(blob, self.secrets.key.bytes_mut()).is_err() {
            if !fault!(FailedExchangeKeepsKey) {
                self.secrets.key.wipe();
            }
            return Err(Hresult::E_INVALIDARG);
        }
        self.state = next;
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
        let next = match step(self.state, Event::Start) {
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
            Err(_) if fault!(FinishKeepsRandom) && self.secrets.has_drawn() => State::Keyed,
            next => next?,
        };
        self.state = next;
        #[cfg(feature = "faults")]
        self.keepsakes.note_finish(&self.secrets.key, &self.secrets.random);
        if !fault!(StartSwitchesTheKey) {
            self.secrets.apply_random();
        }
        #[cfg(feature = "faults")]
        if fault!(FinishForgetsCounters) {
            self.counters.forget();
        }
        Ok(())
    }

    /// Whether a buffer with these counters may be submitted now.
    pub(crate) fn admit_buffer(&mut self, range: CounterRange) -> Result<(), Hresult> {
        step(self.state, Event::Submit)?;
        self.counters.admits(range)?;
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
        self.counters.use_up(range);
        key.copy_from(&self.secrets.key);
    }

    /// What the session says of its health.
    pub(crate) fn status(&self) -> Result<SessionStatus, Hresult> {
        step(self.state, Event::Status)?;
        Ok(match (self.state, self.is_content_lost) {
            (State::Lost, _) if fault!(StatusHidesLoss) => SessionStatus::OK,
            (State::Lost, true) => SessionStatus::KEY_AND_CONTENT_LOST,
            (State::Lost, false) => SessionStatus::KEY_LOST,
            (State::Unkeyed | State::Keyed | State::Pending | State::Dead, _) => SessionStatus::OK,
        })
    }

    /// The session is to end; whoever dropped it afterwards has ended it.
    pub(crate) fn end(&mut self) -> Result<(), Hresult> {
        let next = step(self.state, Event::Destroy)?;
        if !fault!(DestroyLeavesSessionAlive) {
            self.state = next;
        }
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
            self.state = next;
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

    /// A new session that lives where this one did, with its key. No honest path makes one.
    #[cfg(feature = "faults")]
    pub(crate) fn reborn(mut self) -> Self {
        self.secrets.random.wipe();
        self.secrets.last_mark.wipe();
        Self { secrets: self.secrets, ..Self::new() }
    }
}
