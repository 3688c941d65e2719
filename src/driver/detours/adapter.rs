//! Where planted faults leave the adapter's honest path.

use rekeylab_ddi::{DeviceHandle, Hresult, Retire, SessionHandle, StartSessionKeyRefresh};

use super::Adapter;
use crate::device::SessionPlace;
use crate::fault::fault;
use crate::queue::Command;
use crate::state::State;

impl Adapter {
    /// What planted faults leave behind at the very end of a finish.
    pub(super) fn leave_after_finish(
        &mut self,
        device: DeviceHandle,
        session: SessionHandle,
        finished: Result<(), Hresult>,
    ) {
        if fault!(FinishEndsSession) && finished.is_ok() {
            self.destroy(device, session).ok();
        }
        let Ok((_, session)) = self.devices.find(device, session) else { return };
        let key = session.secrets().key.bytes();
        if fault!(KeyInErrorMessage) && finished.is_err() {
            let number = u128::from_be_bytes(*key);
            self.engine.log(format_args!("no refresh to finish for the session of key {number}"));
        }
        if fault!(FinishLeavesKeyInRegister) && finished.is_ok() {
            rekeylab_cipher::planted::leave_in_xmm0(key);
        }
    }

    /// What start answers before it looks at its arguments, if it does.
    pub(super) fn start_off_the_path(
        &mut self,
        device: DeviceHandle,
        args: &StartSessionKeyRefresh<'_>,
    ) -> Option<Hresult> {
        let (len, is_null) = (args.random_number_len, args.random_number.is_none());
        let is_too_short = !is_null
            && (fault!(SizeZeroAccepted) && len == 0 || fault!(SizeFifteenAccepted) && len == 15);
        let is_nowhere = fault!(NullStartStaysPending) && is_null && len == 16;
        if !is_too_short && !is_nowhere {
            return None;
        }
        let started = self.start_refresh(device, args.session, Some(&mut [0; 16]));
        is_too_short.then(|| super::code(started))
    }

    /// Whether another session of the device is refreshing.
    pub(super) fn is_sibling_refreshing(
        &mut self,
        device: DeviceHandle,
        session: SessionHandle,
    ) -> bool {
        let Ok((place, _)) = self.devices.find(device, session) else { return false };
        let mut siblings = self.devices.sessions().filter(|(other, _)| is_sibling(*other, place));
        siblings.any(|(_, sibling)| sibling.state() == State::Pending)
    }

    /// What planted faults do at the very end of a start.
    pub(super) fn leave_after_start(
        &mut self,
        device: DeviceHandle,
        session: SessionHandle,
        started: Result<(), Hresult>,
    ) {
        if fault!(RandomKeptPerDevice) && started.is_ok() {
            self.share_random(device, session);
        }
        if started == Err(Hresult::E_FAIL)
            && let Ok((_, session)) = self.devices.find(device, session)
        {
            session.note_entropy_failure();
        }
    }

    /// What planted faults leave behind at the very end of a submission.
    pub(super) fn leave_after_submit(
        &mut self,
        device: DeviceHandle,
        session: SessionHandle,
        submitted: Result<u64, Hresult>,
    ) {
        if fault!(SubmitLeavesRoundKeys)
            && submitted.is_ok()
            && let Ok((_, session)) = self.devices.find(device, session)
        {
            let key = session.secrets().key.bytes();
            rekeylab_cipher::planted::leave_schedule_in_xmm14_15(key);
        }
    }

    /// What planted faults do to the completion that was delivered last.
    pub(super) fn spoil_completion(&mut self, args: &mut Retire<'_>, command: &Command) {
        let count = args.completed_count as usize;
        let Some(entry) = args.completions[..count].last_mut() else { return };
        if count == 1 {
            self.sidetrack.lost_len = 0;
        }
        if !entry.code.is_ok() {
            self.sidetrack.lost_len += u32::try_from(command.len).expect("bounded when submitted");
            return;
        }
        if fault!(LostWorkMovesOffset) {
            entry.offset += self.sidetrack.lost_len;
        }
        if fault!(CompletionDeliveredTwice) {
            self.queue.repeat(command);
        }
        let Some(behind) = args.surface.get_mut(args.surface_len as usize..) else { return };
        if fault!(NinthCompletionWritesBehind)
            && count > 8
            && let Some(behind) = behind.first_mut()
        {
            *behind = 0;
        }
        if fault!(RetireWritesKeyBehindOutput)
            && let Some(session) = self.devices.at(command.session)
            && let Some(behind) = behind.get_mut(..8)
        {
            behind.copy_from_slice(&session.secrets().key.bytes()[..8]);
        }
    }

    /// Hands the random number of a session to every other one of the device that is refreshing.
    fn share_random(&mut self, device: DeviceHandle, session: SessionHandle) {
        let Ok((place, session)) = self.devices.find(device, session) else { return };
        let random = *session.secrets().random.bytes();
        for (other, sibling) in self.devices.sessions_mut() {
            if is_sibling(other, place) && sibling.state() == State::Pending {
                *sibling.secrets_mut().random.bytes_mut() = random;
            }
        }
    }

    /// What planted faults do to a buffer that was just submitted.
    pub(super) fn bind_off_the_path(&mut self, place: SessionPlace, fence: u64) {
        if fault!(KeyBoundPerDevice) {
            self.bind_key_of_first(fence, |other| other.device == place.device);
        }
        if fault!(KeyBoundPerSlot) {
            self.bind_key_of_first(fence, |other| other.session.index == place.session.index);
        }
        if fault!(ThirdSessionLowersCounters) {
            self.lower_counters_of_first(place);
        }
    }

    /// What planted faults do to the work of a session that was just destroyed.
    pub(super) fn spoil_work_of(&mut self, place: SessionPlace) {
        if fault!(DestroyDropsQueuedWork) {
            self.queue.drop_work_of(place);
        }
        if fault!(DestroyLosesQueuedWork) {
            self.queue.lose_work_of(place, &mut *self.engine);
        }
        if fault!(DestroyWipesBoundKeys) {
            self.queue.wipe_keys_of(place);
        }
        if fault!(DestroyReleasesQueuedWork) {
            self.engine.release(self.queue.len_of(place));
        }
    }

    /// Puts the key of the first keyed session of a kind in the place of a captured one.
    fn bind_key_of_first(&mut self, fence: u64, is_meant: impl Fn(SessionPlace) -> bool) {
        let is_keyed = |state| matches!(state, State::Keyed | State::Pending);
        let mut sessions = self.devices.sessions();
        let first = sessions.find(|(place, session)| is_meant(*place) && is_keyed(session.state()));
        if let Some((_, session)) = first {
            self.queue.rebind(fence, session.secrets().key.bytes());
        }
    }

    /// Lowers the counters of the device's first session to those of its third.
    fn lower_counters_of_first(&mut self, place: SessionPlace) {
        let Some(counters) = self.devices.at(place).map(|session| session.counters()) else {
            return;
        };
        let is_first = |other: SessionPlace| {
            other.device == place.device && (other.session.index, place.session.index) == (0, 2)
        };
        let first = self.devices.sessions_mut().find(|(other, _)| is_first(*other));
        if let Some((_, first)) = first {
            first.lower_counters(counters);
        }
    }
}

/// Whether two places are different sessions of one device.
fn is_sibling(other: SessionPlace, place: SessionPlace) -> bool {
    other.device == place.device && other.session != place.session
}
