//! What a gate tells while it runs: one stream of events, of which every form is made.

use serde::Serialize;

use super::changed::Change;
use super::{Plan, Step};
use crate::exit::Exit;
use crate::report::results::{Found, Judgement, Results, StepEnd, StepResult, Whose};

/// The version of the events as JSON: fields and events are added, never changed in meaning.
pub const EVENTS_VERSION: u32 = 1;

/// How many findings of one rule, of a step or of a verdict, are told whole: a bug that shows in every stored file
/// would bury what else was found.
pub const TOLD_MAX: usize = 3;

/// Something that a gate has to say.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event<'a> {
    /// What will be done; told before anything is run or built.
    Began {
        /// [`EVENTS_VERSION`].
        version: u32,
        /// What is known of the change.
        change: &'a Change,
        /// What findings are compared with.
        base: Option<String>,
        /// What will be run, in order.
        steps: Vec<Planned<'a>>,
        /// The longest that all of it may take, in seconds.
        budget_seconds: u64,
    },
    /// A step begins.
    StepBegan {
        /// Its name.
        step: &'a str,
    },
    /// Something was found that no step before has found; whose it is comes as a verdict.
    Finding(&'a Found),
    /// The same invariant or rule is broken by yet another finding of the step, after [`TOLD_MAX`] were told whole.
    FindingAgain(&'a Found),
    /// A step is over.
    StepEnded(&'a StepResult),
    /// All steps are over, and the base is made ready.
    BaseBegan {
        /// What it is called.
        base: String,
    },
    /// Whose a finding is.
    Verdict {
        /// The invariant or rule of the finding.
        rule: &'a str,
        /// Its fingerprint.
        fingerprint: Option<&'a str>,
        /// Its file.
        file: Option<&'a str>,
        /// Whose it is.
        #[serde(flatten)]
        judgement: &'a Judgement,
    },
    /// How many further findings of a rule have the same verdict, after [`TOLD_MAX`] were told.
    VerdictsAgain {
        /// The invariant or rule.
        rule: &'a str,
        /// Whose they are.
        verdict: Whose,
        /// How many.
        count: usize,
    },
    /// Whether a step that is no pass here is none on the base either.
    StepVerdict {
        /// The step.
        step: &'a str,
        /// Whether it is the base's, so that it does not block.
        is_in_base: bool,
        /// Why, as a sentence fragment.
        because: &'a str,
    },
    /// All is over.
    Ended(&'a Ending),
}

/// A step that will be run.
#[derive(Debug, Serialize)]
pub struct Planned<'a> {
    /// Its name.
    pub step: &'a str,
    /// What it does.
    pub says: &'a str,
    /// When it is ended, in seconds.
    pub limit_seconds: u64,
}

/// What a gate came to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Ending {
    /// What the exit code would be if nothing were advisory.
    pub code: u8,
    /// Whether the exit code is 0 whatever that is.
    pub advisory: bool,
    /// How many findings are new.
    pub new: usize,
    /// Of how many nobody can say whose they are.
    pub unknown: usize,
    /// How many are seen in some runs only.
    pub flaky: usize,
    /// How many the base shows, too.
    pub in_base: usize,
    /// The steps that are no pass for a reason other than findings.
    pub no_pass: Vec<String>,
    /// The steps that are no pass on the base either, which does not block.
    pub no_pass_in_base: Vec<String>,
    /// All that as a sentence.
    pub says: String,
}

impl<'a> Event<'a> {
    pub(super) fn began(plan: &'a Plan) -> Self {
        let planned = |step: &'a Step| Planned {
            step: &step.name,
            says: &step.says,
            limit_seconds: step.limit.as_secs(),
        };
        Self::Began {
            version: EVENTS_VERSION,
            change: &plan.change,
            base: plan.base.as_ref().map(super::Base::name),
            steps: plan.steps.iter().map(planned).collect(),
            budget_seconds: plan.budget.as_secs(),
        }
    }

    pub(super) fn verdict(found: &'a Found) -> Self {
        Self::Verdict {
            rule: &found.rule,
            fingerprint: found.fingerprint.as_deref(),
            file: found.file.as_deref(),
            judgement: &found.judgement,
        }
    }
}

impl Ending {
    pub(super) fn new(results: &Results, exit: Exit, is_advisory: bool) -> Self {
        let named = |is_one: fn(&StepResult) -> bool| {
            let steps = results.steps.iter().filter(|step| is_one(step));
            steps.map(|step| step.step.clone()).collect()
        };
        let mut ending = Self {
            code: exit.code(),
            advisory: is_advisory,
            new: results.count(Whose::New),
            unknown: results.count(Whose::Unknown),
            flaky: results.count(Whose::Flaky),
            in_base: results.count(Whose::InBase),
            no_pass: named(|step| step.end.why().is_some()),
            no_pass_in_base: named(|step| matches!(step.end, StepEnd::InBase(_))),
            says: String::new(),
        };
        ending.says = ending.sentence(exit);
        ending
    }

    fn sentence(&self, exit: Exit) -> String {
        let counts = [
            (self.new, "new"),
            (self.unknown, "unknown, which counts as new"),
            (self.flaky, "flaky"),
            (self.in_base, "in base"),
        ];
        let mut parts: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if !self.no_pass.is_empty() {
            parts.push(format!("no pass: {}", self.no_pass.join(", ")));
        }
        if !self.no_pass_in_base.is_empty() {
            parts.push(format!("no pass in base either: {}", self.no_pass_in_base.join(", ")));
        }
        let what = if parts.is_empty() { "all held".to_owned() } else { parts.join("; ") };
        let code = exit.code();
        match (exit, self.advisory) {
            (Exit::Held, _) => format!("the gate is open: {what}"),
            (_, false) => format!("the gate is shut: {what} (exit code {code})"),
            (_, true) => {
                format!("advisory, so nothing blocks: {what} (the exit code would be {code})")
            }
        }
    }
}
