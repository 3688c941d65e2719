//! A run up to the call that hung in another one, so that it can be told.

use core::mem;
use core::ops::ControlFlow;

use super::dut::Dut;
use super::run::Run;
use super::{Executor, panic};
use crate::observation::{Observation, Stage, Trace};
#[cfg(feature = "command")]
use crate::watchdog::Beat;
use crate::watchdog::Hang;

impl Executor {
    /// Whether a run of this executor was told as a hang: nobody waits any more for what it does.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        self.beat.as_ref().is_some_and(|beat| beat.is_given_up())
    }

    /// From now on, hangs are told to whom this thread says; see [`on_hang`](crate::watchdog::on_hang).
    #[cfg(feature = "command")]
    pub(crate) fn watch_for_hangs(&mut self) {
        self.beat = Beat::of_this_thread();
    }

    /// From now on, a driver that hangs is not even dropped: its process ends with the run.
    #[cfg(feature = "command")]
    pub(crate) fn leave_drivers_where_they_hang(&mut self) {
        self.leaves_hanging = true;
    }

    /// Makes the calls before the one that hung, which returned then too, and notes that one as a call
    /// that was never answered. What hung is not entered.
    pub fn execute_to_hang<D: Dut>(&mut self, dut: &D, hang: &Hang, trace: &mut Trace) {
        self.hangs_at = Some(hang.stage);
        self.execute(dut, &hang.sequence, hang.layers, trace);
        self.hangs_at = None;
    }
}

impl<D: Dut> Run<'_, D> {
    /// The run comes to this; it ends here if another hung here.
    #[inline]
    pub(super) fn go_on_to(&mut self, stage: Stage) -> ControlFlow<Stage> {
        self.reach(stage);
        match self.executor.hangs_at {
            Some(hangs_at) if hangs_at == stage => ControlFlow::Break(stage),
            _ => ControlFlow::Continue(()),
        }
    }

    /// Tells the monitor how far the run is.
    #[inline]
    pub(super) fn reach(&self, stage: Stage) {
        if let Some(beat) = &self.executor.beat {
            beat.reach(stage);
        }
    }

    /// Ends a run where another hung.
    pub(super) fn leave_hanging(&mut self, stage: Stage) {
        self.note_unanswered();
        if stage == Stage::Dropping || self.executor.leaves_hanging {
            // What must not be entered, or is not worth it. It stays in memory, as the one does that hung.
            mem::forget(self.driver.take());
        } else {
            self.reach(Stage::Dropping);
            // A panic in it would be another bug, of which nobody was to tell.
            let _ = panic::catch(|| self.drop_driver());
        }
        self.trace.hang = Some(stage);
    }
}

/// Notes the calls up to the one that hung as if none had been answered, for a driver that hangs
/// elsewhere when its calls are made again.
pub(crate) fn note_unanswered(hang: &Hang, trace: &mut Trace) {
    trace.clear();
    let count = match hang.stage {
        Stage::Opening => 0,
        Stage::Call(call) => call as usize + 1,
        Stage::Dropping => usize::MAX,
    };
    trace.calls.extend(hang.sequence.calls.iter().take(count).map(|&call| Observation::new(call)));
    trace.hang = Some(hang.stage);
}
