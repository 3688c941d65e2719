//! Where planted faults leave a session's honest path.

use rekeylab_ddi::Hresult;

use super::Session;
use crate::counter::{CounterRange, CounterTrack};
use crate::fault::fault;
use crate::secrets::SessionSecrets;
use crate::state::{Event, State, step};

impl Session {
    /// Where it stands.
    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// Its counters.
    pub(crate) fn counters(&self) -> CounterTrack {
        self.counters
    }

    /// Its secrets, to be changed.
    pub(crate) fn secrets_mut(&mut self) -> &mut SessionSecrets {
        &mut self.secrets
    }

    /// A new session that lives where this one did, with its key.
    pub(crate) fn reborn(mut self) -> Self {
        self.secrets.random.wipe();
        self.secrets.last_mark.wipe();
        Self { secrets: self.secrets, ..Self::new() }
    }

    /// Begins with the counters of another session.
    pub(crate) fn inherit_counters(&mut self, counters: CounterTrack) {
        self.counters = counters;
    }

    /// Begins with the pending refresh of another session.
    pub(crate) fn inherit_refresh(&mut self) {
        self.sidetrack.inherits_refresh = true;
    }

    /// Takes counters over if they are lower than its own.
    pub(crate) fn lower_counters(&mut self, counters: CounterTrack) {
        self.counters.lower_to(counters);
    }

    /// Uses counters up without a buffer.
    pub(crate) fn use_up(&mut self, range: CounterRange) {
        self.counters.use_up(range);
    }

    /// Start failed for want of entropy.
    pub(crate) fn note_entropy_failure(&mut self) {
        self.sidetrack.has_entropy_failed = true;
    }

    /// The counters of a buffer were refused.
    pub(super) fn take_refused_counters(&mut self, range: CounterRange) {
        let mut refused = CounterTrack::default();
        refused.use_up(range);
        self.counters.lower_to(refused);
    }

    /// What start answers before it looks at anything else, if it does.
    pub(super) fn start_off_the_path(&mut self, out: &mut [u8; 16]) -> Option<Result<(), Hresult>> {
        if fault!(SecondStartKeepsRandom) && self.state == State::Pending {
            rekeylab_cipher::copy_secret(self.secrets.random.bytes(), out);
            return Some(Ok(()));
        }
        let next = step(self.state, Event::Start).ok()?;
        if fault!(EntropyFailureSticks) && self.sidetrack.has_entropy_failed {
            return Some(Err(Hresult::E_FAIL));
        }
        self.sidetrack.starts += 1;
        if fault!(FourthStartDoesNotDraw) && self.sidetrack.starts.is_multiple_of(4) {
            self.state = next;
            return Some(Ok(()));
        }
        None
    }

    /// Whether a keyed session finishes a refresh that is not its own, or is over.
    pub(super) fn finishes_by_mistake(&self) -> bool {
        let is_second_over = fault!(SecondRefreshFinishesTwice) && self.sidetrack.finishes == 2;
        self.state == State::Keyed && (is_second_over || self.sidetrack.inherits_refresh)
    }

    /// Counts an accepted buffer; says whether its counters are not to be remembered.
    pub(super) fn forgets_buffer(&mut self) -> bool {
        self.sidetrack.buffers += 1;
        if self.state == State::Pending {
            self.sidetrack.pending_buffers += 1;
            if fault!(PendingRefreshTimesOut) && self.sidetrack.pending_buffers == 8 {
                self.state = State::Keyed;
            }
        }
        fault!(SixteenthBufferForgotten) && self.sidetrack.buffers.is_multiple_of(16)
    }
}
