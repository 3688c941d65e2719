//! One crypto session: its state, its counters and the home of its secrets.

use rekeylab_ddi::{Hresult, SessionStatus};

use crate::counter::{CounterRange, CounterTrack};
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
}

impl Session {
    /// A session without a key.
    pub(crate) fn new() -> Self {
        Self {
            state: State::Unkeyed,
            is_content_lost: false,
            counters: CounterTrack::default(),
            secrets: SessionSecrets::new(),
        }
    }

    /// Takes the key out of a blob of the right length.
    pub(crate) fn exchange_key(
        &mut self,
        mechanism: &mut dyn KeyUnwrap,
        blob: &[u8],
    ) -> Result<(), Hresult> {
        let next = step(self.state, Event::Exchange)?;
        // The blob is only opened once the state allows an exchange, so that a refused call does
        // the same work whatever is in it.
        if mechanism.unwrap_key(blob, self.secrets.key.bytes_mut()).is_err() {
            self.secrets.key.wipe();
            return Err(Hresult::E_INVALIDARG);
        }
        self.state = next;
        Ok(())
    }

    /// Draws the random number of a refresh and hands it out.
    pub(crate) fn start_refresh(
        &mut self,
        entropy: &mut dyn Entropy,
        out: &mut [u8; 16],
    ) -> Result<(), Hresult> {
        let next = step(self.state, Event::Start)?;
        self.secrets.draw_random(entropy, out)?;
        self.state = next;
        Ok(())
    }

    /// Makes the updated key the key in force.
    pub(crate) fn finish_refresh(&mut self) -> Result<(), Hresult> {
        self.state = step(self.state, Event::Finish)?;
        self.secrets.apply_random();
        Ok(())
    }

    /// Makes a new read-back key and hands it out wrapped.
    pub(crate) fn make_read_back_key(
        &mut self,
        entropy: &mut dyn Entropy,
        out: &mut [u8; 16],
    ) -> Result<(), Hresult> {
        self.state = step(self.state, Event::ReadBackKey)?;
        self.secrets.draw_read_back_key(entropy, out)
    }

    /// Whether a buffer with these counters may be submitted now.
    pub(crate) fn admit_buffer(&self, range: CounterRange) -> Result<(), Hresult> {
        step(self.state, Event::Submit)?;
        self.counters.admits(range)
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
        if let Ok(next) = step(self.state, Event::TearDown) {
            self.state = next;
            self.is_content_lost |= had_work_in_flight;
            self.secrets.wipe();
        }
    }

    /// The session's secrets, for whoever watches the homes. No call reads them from outside.
    #[cfg(feature = "homes")]
    pub(crate) fn secrets(&self) -> &SessionSecrets {
        &self.secrets
    }

    /// Writes the session's state; see [`Adapter::write_state`](crate::Adapter::write_state).
    #[cfg(feature = "homes")]
    pub(crate) fn write_state(&self, sink: &mut crate::observe::StateSink<'_>) {
        let Self { state, is_content_lost, counters, secrets } = self;
        sink.number(*state as u64);
        sink.flag(*is_content_lost);
        counters.write_state(sink);
        secrets.write_state(sink);
    }
}
