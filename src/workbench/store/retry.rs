//! Tries known bugs again on the build at hand: every one has to show, or is told as mended.

use crate::Workbench;
use crate::executor::AnyDut;
use crate::invariant::{ABOUT_MEMORY, NO_HANG};
use crate::observation::Layers;
use crate::sequence::{CallSequence, SequenceText};
use crate::watchdog::attempt;

use super::error::StoreError;
use super::event::Body;
use super::origin::Origin;
use super::state::{Standing, State};
use super::time::Moment;
use super::{Bug, Store};

/// How often a reproducer is run.
pub const VOTES: u32 = 3;

/// How often that of a flaky bug is run: one that shows every second time is silent in three runs too
/// often to be called mended after those.
pub const FLAKY_VOTES: u32 = 20;

/// What a run says about a bug.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Vote {
    /// It is there.
    Shows,
    /// It is not.
    Holds,
    /// The run could not tell.
    Void,
}

/// Runs reproducers that hang somewhere else than in this process, and says whether they do.
pub type Hangs<'a> = &'a dyn Fn(&CallSequence) -> bool;

/// What bugs are tried again with.
#[derive(Clone, Copy)]
pub struct Retry<'a> {
    /// The driver of this build.
    pub dut: &'a AnyDut,
    /// What it is called in the store.
    pub driver: &'a str,
    /// The build, the machine and the occasion.
    pub origin: &'a Origin,
    /// Where bugs are tried that hang; without it they are left alone, because nothing ends a thread.
    pub hangs: Option<Hangs<'a>>,
}

impl core::fmt::Debug for Retry<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Retry").field("driver", &self.driver).finish_non_exhaustive()
    }
}

/// What came of trying a bug again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Retried {
    /// The bug as it is told now.
    pub bug: Bug,
    /// What was told of it before.
    pub before: Option<State>,
    /// What is told of it now.
    pub after: Option<State>,
    /// How many runs showed it.
    pub shown: u32,
    /// How many runs said anything; none if it could not be tried.
    pub votes: u32,
}

impl Retry<'_> {
    /// Tries every bug of the driver again that has a reproducer, and notes what came of it.
    ///
    /// Those that somebody ignores are tried too, so that what is told of them afterwards is true.
    ///
    /// # Errors
    ///
    /// When the store cannot be read or written.
    pub fn all(
        &self,
        store: &mut Store,
        tell: &mut dyn FnMut(&Retried),
    ) -> Result<Vec<Retried>, StoreError> {
        let mut retried = Vec::new();
        for bug in store.bugs()?.into_iter().filter(|bug| bug.driver == self.driver) {
            let (shown, votes) = self.votes_on(&bug);
            let before = bug.state(Moment::now());
            let now = if votes == 0 {
                bug
            } else {
                let body = Body::Tried { shown, votes, origin: self.origin.clone() };
                store.note(self.driver, bug.fingerprint, body)?;
                Bug::of(&store.events_of(self.driver, bug.fingerprint)?)
            };
            let after = now.state(Moment::now());
            let one = Retried { bug: now, before, after, shown, votes };
            tell(&one);
            retried.push(one);
        }
        Ok(retried)
    }

    /// How many runs show the bug, and how many say anything.
    fn votes_on(&self, bug: &Bug) -> (u32, u32) {
        let text = bug.text.as_deref().and_then(|text| SequenceText::parse(text).ok());
        let Some(sequence) = text.map(|text| text.sequence()) else { return (0, 0) };
        if bug.invariant == NO_HANG {
            // One run takes as long as the time limit, and what waits for ever does so every time.
            return self.hangs.map_or((0, 0), |hangs| (hangs(&sequence).into(), 1));
        }
        let count = if bug.standing == Standing::Flaky { FLAKY_VOTES } else { VOTES };
        count_votes(count, || vote(self.dut, &sequence, &bug.invariant))
    }
}

/// Counts the votes that show something and all that tell anything. The first that cannot tell ends it:
/// neither can the others.
fn count_votes(count: u32, mut vote: impl FnMut() -> Vote) -> (u32, u32) {
    let (mut shown, mut votes) = (0, 0);
    for _ in 0..count {
        match vote() {
            Vote::Shows => (shown, votes) = (shown + 1, votes + 1),
            Vote::Holds => votes += 1,
            Vote::Void => break,
        }
    }
    (shown, votes)
}

/// Whether a run of its reproducer, with everything looked into, shows a bug that breaks this invariant.
///
/// It shows if the invariant is broken, at whatever call. A reproducer was minimised for its bug, so
/// hardly anything else in it can break the same invariant; the fingerprint would be no better a sign,
/// because where a secret is seen on the stack changes with every build, and then each build would
/// mend such a bug.
#[must_use]
pub fn vote(dut: &AnyDut, sequence: &CallSequence, invariant: &str) -> Vote {
    let (its, given) = (dut.clone(), sequence.clone());
    let run = attempt(move || {
        let mut workbench = Workbench::on(its);
        workbench.run(&given);
        let verdict = workbench.verdict();
        let broken: Vec<_> =
            verdict.violations.iter().map(|violation| violation.invariant).collect();
        (broken, workbench.trace().void.is_some(), workbench.trace().layers)
    });
    // What hangs now did not when it was found: that is another bug, and hides this one.
    let Ok((broken, is_void, layers)) = run else { return Vote::Void };
    if broken.contains(&invariant) {
        return Vote::Shows;
    }
    let is_missing = Layers::ALL.except(dut.missing_layers()).except(layers) != Layers::NONE;
    let is_blind = ABOUT_MEMORY.contains(&invariant) && is_missing;
    // Where somebody could not look, silence says nothing.
    if is_void || is_blind { Vote::Void } else { Vote::Holds }
}
