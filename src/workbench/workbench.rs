//! The whole way from a sequence to a verdict, with memory that is kept from run to run.

use core::mem;

use keysan::audit::{AuditError, Audited};

use crate::executor::{AnyDut, Executor, Remnant, TaintedBlock, note_unanswered};
use crate::invariant::{ABOUT_KEYS, Model, SESSION_ISOLATION, Verdict, Violation, judge};
use crate::minimize::{Cut, follow_ups, in_one_session, minimize_within, windows, with_own_keys};
use crate::observation::{Layer, Layers, Trace};
use crate::report::Aftermath;
use crate::search::Search;
use crate::sequence::{BoundsChoice, CALLS_MAX, CallSequence, LOG_CALLS_MAX, Opening};
use crate::watchdog::{Hang, attempt};

/// Runs sequences against a driver under test and judges them.
#[derive(Debug, Default)]
pub struct Workbench {
    dut: AnyDut,
    executor: Executor,
    trace: Trace,
    model: Model,
    verdict: Verdict,
    run_count: u64,
}

impl Workbench {
    /// A workbench for the driver core that has run nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A workbench for this driver that has run nothing.
    #[must_use]
    pub fn on(dut: impl Into<AnyDut>) -> Self {
        Self { dut: dut.into(), ..Self::default() }
    }

    /// Goes on with another driver under test; what the last run saw stays.
    pub fn drive(&mut self, dut: impl Into<AnyDut>) {
        self.dut = dut.into();
    }

    /// The driver under test.
    #[must_use]
    pub fn dut(&self) -> &AnyDut {
        &self.dut
    }

    /// Runs a sequence with everything looked into, and says what did not hold.
    pub fn run(&mut self, sequence: &CallSequence) -> &Verdict {
        self.run_with(sequence, Layers::ALL)
    }

    /// Runs a sequence, looking into these layers of those that can be looked into.
    pub fn run_with(&mut self, sequence: &CallSequence, layers: Layers) -> &Verdict {
        self.run_count += 1;
        self.dut.execute(&mut self.executor, sequence, layers, &mut self.trace);
        judge(&self.trace, &mut self.model, &mut self.verdict);
        self.judge_other_threads();
        if self.dut.is_isolated() && layers.look_around() && self.verdict.is_clean() {
            self.run_where_addresses_come_back(sequence, layers);
        }
        &self.verdict
    }

    /// Where this thread has broken nothing, another may have that ran the same at the same time: then it is what
    /// the run saw.
    fn judge_other_threads(&mut self) {
        if self.trace.others.is_empty() || !self.verdict.is_clean() {
            return;
        }
        for other in mem::take(&mut self.trace.others) {
            judge(&other, &mut self.model, &mut self.verdict);
            if !self.verdict.is_clean() {
                self.trace = other;
                return;
            }
        }
        judge(&self.trace, &mut self.model, &mut self.verdict);
    }

    /// Runs it once more without the arena, which gives no address out twice: a driver that goes by the address
    /// of an object that has ended is found out where the next object gets it.
    fn run_where_addresses_come_back(&mut self, sequence: &CallSequence, layers: Layers) {
        let looked = core::mem::take(&mut self.trace);
        let layers = layers.and(Layers::FAST);
        self.dut.execute(&mut self.executor, sequence, layers, &mut self.trace);
        judge(&self.trace, &mut self.model, &mut self.verdict);
        self.judge_other_threads();
        if self.verdict.is_clean() {
            self.trace = looked;
        }
    }

    /// What was broken by a sequence that hung: it is run again up to where it did, which is not
    /// entered, and judged.
    pub fn run_to_hang(&mut self, hang: &Hang) -> &Verdict {
        self.run_count += 1;
        self.dut.execute_to_hang(&mut self.executor, hang, &mut self.trace);
        judge(&self.trace, &mut self.model, &mut self.verdict);
        &self.verdict
    }

    /// See [`Executor::is_given_up`].
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        self.executor.is_given_up()
    }

    /// A workbench for this driver whose last run is that of a sequence which hung. The calls before
    /// are made on a thread of their own, and told without their answers if they hang this time.
    #[must_use]
    pub fn told(dut: &AnyDut, hang: &Hang) -> Self {
        let (again, its) = (dut.clone(), hang.clone());
        let told = attempt(move || {
            let mut workbench = Self::on(again);
            workbench.run_to_hang(&its);
            (workbench.trace, workbench.verdict)
        });
        let mut workbench = Self::on(dut.clone());
        match told {
            Ok((trace, verdict)) => (workbench.trace, workbench.verdict) = (trace, verdict),
            Err(_) => {
                note_unanswered(hang, &mut workbench.trace);
                judge(&workbench.trace, &mut workbench.model, &mut workbench.verdict);
            }
        }
        workbench
    }

    /// Runs what a search proposes until something is broken or `executions_max` sequences were
    /// run; how many that were, and the last one if it broke something or proved nothing.
    ///
    /// What it broke is the [`verdict`](Self::verdict). It can be called again to go on.
    pub fn hunt(
        &mut self,
        search: &mut Search,
        layers: Layers,
        executions_max: u64,
    ) -> (u64, Option<CallSequence>) {
        for execution in 1..=executions_max {
            let sequence = search.propose();
            let is_clean = self.run_with(sequence, layers).is_clean();
            if !is_clean || self.trace.void.is_some() {
                return (execution, Some(sequence.clone()));
            }
            search.learn(&self.trace);
        }
        (executions_max, None)
    }

    /// Runs a sequence and looks at all memory of the process afterwards; see [`Executor::audit`].
    ///
    /// # Errors
    ///
    /// When memory cannot be read, or the audit did not find its canaries.
    pub fn audit(
        &mut self,
        sequence: &CallSequence,
    ) -> Result<(Audited, Vec<Remnant>), AuditError> {
        self.dut.audit(&mut self.executor, sequence, &mut self.trace)
    }

    /// Asks Valgrind which heap blocks hold bytes made of a secret; see [`Executor::taint`].
    pub fn taint(&mut self, sequence: &CallSequence) -> Option<Vec<TaintedBlock>> {
        self.dut.taint(&mut self.executor, sequence, &mut self.trace)
    }

    /// What the last run saw.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// What the last run broke.
    #[must_use]
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// How many sequences it has run and judged: what minimising costs, on any machine.
    #[must_use]
    pub fn run_count(&self) -> u64 {
        self.run_count
    }

    /// What the follow-ups of the sequence show that was run last, for the fingerprint of what it
    /// broke; the default if it broke nothing.
    ///
    /// They follow the first call that broke something, since what comes later is no evidence. Each
    /// is run without a look into memory, and again in the fast lane if secrets were seen. The last
    /// run is still that of the sequence.
    pub fn aftermath(&mut self, sequence: &CallSequence) -> Aftermath {
        let mut aftermath = Aftermath::default();
        let Some(first) = self.verdict.first() else { return aftermath };
        if self.trace.hang.is_some() {
            // Behind a call that hangs there is nothing.
            return aftermath;
        }
        let end = sequence.calls.len().min(first.call.saturating_add(1));
        let is_about_secrets = Aftermath::is_about_secrets(&self.verdict);
        let kept = (mem::take(&mut self.trace), mem::take(&mut self.verdict));
        for follow_up in follow_ups(&sequence.calls[..end]) {
            self.run_with(&follow_up, Layers::FAST.without(Layer::FreedHeap));
            aftermath.note(&self.trace, &self.verdict, &self.model);
            if is_about_secrets {
                self.run_with(&follow_up, Layers::FAST);
                aftermath.note_secrets(&self.trace, &self.verdict, &self.model);
            }
        }
        (self.trace, self.verdict) = kept;
        aftermath
    }

    /// What can be looked into in this program, on this machine, of this driver; see
    /// [`Executor::layers`] and [`AnyDut::missing_layers`].
    #[must_use]
    pub fn layers(&self) -> Layers {
        self.executor.layers().except(self.dut.missing_layers())
    }

    /// The shortest sequence found that still shows the bug which `sequence` shows first, or
    /// `None` if it shows none.
    ///
    /// The bug is the same when it breaks the same invariant and what shows it says no less. Where the
    /// invariant was inferred from a symptom that two bugs share, any violation counts that says no
    /// less, and what the shortest form breaks is what the bug is. A bug between sessions that shows in a single one is not theirs, and
    /// whose key was used is told where no two sessions hold the same. The last run is that of the
    /// result.
    pub fn minimize(&mut self, sequence: &CallSequence) -> Option<CallSequence> {
        self.minimize_with(sequence, Layers::ALL)
    }

    /// The same, for a bug that shows when these layers are looked into.
    pub fn minimize_with(
        &mut self,
        sequence: &CallSequence,
        layers: Layers,
    ) -> Option<CallSequence> {
        self.run_with(sequence, layers).first()?;
        let apart = self.with_own_keys(sequence, layers);
        let sequence = apart.as_ref().unwrap_or(sequence);
        let alone = self.without_siblings(sequence, layers);
        let sequence = alone.as_ref().unwrap_or(sequence);
        let shortest = self.minimize_one_bug(sequence, layers)?;
        match self.without_siblings(&shortest, layers) {
            Some(alone) => self.minimize_one_bug(&alone, layers),
            None => Some(shortest),
        }
    }

    /// [`minimize_with`](Self::minimize_with), for the invariant that the sequence breaks first.
    fn minimize_one_bug(
        &mut self,
        sequence: &CallSequence,
        layers: Layers,
    ) -> Option<CallSequence> {
        let first = self.run_with(sequence, layers).first()?;
        let (invariant, is_inferred, weight) = (first.invariant, first.is_inferred, first.weight());
        Some(self.minimize_where(sequence, layers, |verdict, _| {
            // What a dearer look sees earlier must say as much, or a key that was used wrongly ends as
            // one that nobody wiped.
            verdict.first().is_some_and(|first| {
                (is_inferred || first.invariant == invariant) && first.weight() <= weight
            })
        }))
    }

    /// The sequence that was run last with a key of its own for every session, if it broke something
    /// about keys and does so then too: only then is it told whose key was used.
    fn with_own_keys(&mut self, sequence: &CallSequence, layers: Layers) -> Option<CallSequence> {
        let is_about_keys = |verdict: &Verdict| {
            verdict.first().is_some_and(|first| ABOUT_KEYS.contains(&first.invariant))
        };
        if !is_about_keys(&self.verdict) {
            return None;
        }
        let apart = with_own_keys(sequence)?;
        if is_about_keys(self.run_with(&apart, layers)) {
            return Some(apart);
        }
        self.run_with(sequence, layers);
        None
    }

    /// The sequence that was run last in one session, if it broke isolation and breaks something
    /// there too that says as much: what shows in one session is no matter of isolation.
    fn without_siblings(
        &mut self,
        sequence: &CallSequence,
        layers: Layers,
    ) -> Option<CallSequence> {
        let first = self.verdict.first()?;
        let (invariant, weight) = (first.invariant, first.weight());
        if invariant != SESSION_ISOLATION {
            return None;
        }
        let alone = in_one_session(sequence)?;
        if self.run_with(&alone, layers).first().is_some_and(|first| first.weight() <= weight) {
            return Some(alone);
        }
        self.run_with(sequence, layers);
        None
    }

    /// What is left of a log of many calls when it is cut until few enough are left to be a sequence,
    /// or until it cannot be cut any further; `None` if it breaks nothing.
    ///
    /// It is run as a whole in the fast lane. What shows in memory alone is looked for in pieces.
    pub fn cut_log(&mut self, log: &CallSequence) -> Option<Cut> {
        let Some(first) = self.run_log(log).first() else {
            return windows(log, CALLS_MAX).find_map(|(_, piece)| {
                let is_clean = self.run(&piece).is_clean();
                let steps =
                    vec![("of a piece, and of what creates the sessions in it", piece.calls.len())];
                (!is_clean).then_some(Cut { sequence: piece, steps })
            });
        };
        let (invariant, weight) = (first.invariant, first.weight());
        let (end, session) = (first.call.saturating_add(1), first.session);
        let aims: Vec<_> =
            self.trace.calls.iter().map(|seen| (seen.session_slot, seen.device_slot)).collect();
        let mut holds = |sequence: &CallSequence| {
            let is_it = |it: &Violation| it.invariant == invariant && it.weight() <= weight;
            self.run_log(sequence).first_where(is_it).is_some()
        };
        let mut cut = Cut::prefix(log, end);
        if let Some(session) = session.filter(|_| cut.sequence.calls.len() > CALLS_MAX) {
            cut.keep_session(session, &aims, &mut holds);
        }
        cut.drop_blocks(CALLS_MAX, CUT_CALLS_MAX, &mut holds);
        Some(cut)
    }

    /// Runs a log in the fast lane.
    fn run_log(&mut self, log: &CallSequence) -> &Verdict {
        self.executor.run_up_to(LOG_CALLS_MAX);
        self.run_with(log, Layers::FAST);
        self.executor.run_up_to(CALLS_MAX);
        &self.verdict
    }

    /// The shortest sequence found for whose verdict and trace `is_shown` still says yes when no
    /// more than `layers` are looked into. The last run is that of the result.
    pub fn minimize_where(
        &mut self,
        sequence: &CallSequence,
        layers: Layers,
        is_shown: impl Fn(&Verdict, &Trace) -> bool,
    ) -> CallSequence {
        let bounds_of = |sequence: &CallSequence| Opening::of(&sequence.calls).bounds;
        let given = bounds_of(sequence);
        let [given_limits, usual_limits] =
            [given, BoundsChoice::default()].map(|bounds| self.dut.limits_at(bounds));
        let reach = layers.and(self.layers());
        let mut is_shown_by = |sequence: &CallSequence, lane| {
            self.run_with(sequence, lane);
            is_shown(&self.verdict, &self.trace)
        };
        // Hundreds of candidates are run, so with no more looking than shows the bug; and then with
        // more, because who looks after more calls and into more places may see it after fewer.
        let lanes = LANES.map(|(lane, last_steps)| (lane.and(reach), last_steps));
        let mut shortest = sequence.clone();
        let mut is_found = false;
        for (index, &(lane, last_steps)) in lanes.iter().enumerate() {
            let is_new = lanes[..index].iter().all(|(earlier, _)| *earlier != lane);
            if is_new && is_shown_by(&shortest, lane) {
                // The dearest look finds nothing plainer than those before it, only shorter.
                let last_steps = if is_found && lane == reach { 0 } else { last_steps };
                let mut holds = |candidate: &CallSequence| is_shown_by(candidate, lane);
                let limits = |bounds| if bounds == given { &given_limits } else { &usual_limits };
                loop {
                    let bounds = bounds_of(&shortest);
                    shortest = minimize_within(&shortest, limits(bounds), last_steps, &mut holds);
                    // Where the usual bounds turn out to be enough, other buffers fill the queue.
                    if bounds_of(&shortest) == bounds {
                        break;
                    }
                }
                is_found = true;
            }
        }
        self.run_with(&shortest, layers);
        shortest
    }
}

/// How many calls may run while a log is cut: some minutes.
const CUT_CALLS_MAX: u64 = 200_000_000;

/// What is looked into while a sequence is minimised, one after the other, and how many calls may
/// run for the last steps: in each lane some tens of milliseconds.
const LANES: [(Layers, u64); 5] = [
    (Layers::FAST, 100_000),
    (Layers::FAST.with(Layer::Debug), 20_000),
    (Layers::GATED, 10_000),
    (Layers::ALL.without(Layer::Differential), 3_000),
    (Layers::ALL, 1_000),
];
