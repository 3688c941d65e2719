//! What came of many runs for those who wait for it: steps and findings, ready for any form.

use serde::Serialize;

/// What a run of several steps came to; every form for other programs is made of this.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// The steps, in the order in which they were planned.
    pub steps: Vec<StepResult>,
    /// What they found, each bug once, in the order of finding.
    pub findings: Vec<Found>,
    /// What it all comes to, as one sentence.
    pub says: String,
}

/// What came of one step.
#[derive(Clone, Debug, Serialize)]
pub struct StepResult {
    /// Its short name.
    pub step: String,
    /// What it does, as a sentence fragment.
    pub says: String,
    /// The command that runs it alone.
    pub command: String,
    /// How it ended.
    #[serde(flatten)]
    pub end: StepEnd,
    /// How long it ran, in seconds.
    pub seconds: f64,
    /// What else is worth knowing, a line each.
    pub notes: Vec<String>,
}

/// How a step ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "end", content = "why", rename_all = "kebab-case")]
pub enum StepEnd {
    /// All held.
    Held,
    /// Something was found; it is told as findings.
    Found,
    /// It could not do all that it had to, for this reason. Something may have been found as well.
    Failed(String),
    /// It could not do all that it had to, for this reason, and cannot on the base either, which does not block.
    InBase(String),
    /// It was not begun, for this reason.
    NotRun(String),
    /// Nobody asked for it, for this reason, which is no lack.
    LeftOut(String),
}

impl StepEnd {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Found => "found",
            Self::Failed(_) => "failed",
            Self::InBase(_) => "failed in base, too",
            Self::NotRun(_) => "not run",
            Self::LeftOut(_) => "left out",
        }
    }

    /// Why it is no pass, if that is not a matter of findings.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Held | Self::Found | Self::InBase(_) | Self::LeftOut(_) => None,
            Self::Failed(why) | Self::NotRun(why) => Some(why),
        }
    }

    /// Why it did not do what it is there for, which does not block.
    #[must_use]
    pub fn why_no_lack(&self) -> Option<&str> {
        match self {
            Self::InBase(why) | Self::LeftOut(why) => Some(why),
            Self::Held | Self::Found | Self::Failed(_) | Self::NotRun(_) => None,
        }
    }
}

/// Something that a step found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Found {
    /// The step that found it first.
    pub step: String,
    /// The invariant that is broken, or one of [`OTHER_RULES`].
    pub rule: String,
    /// What happened, as a sentence fragment.
    pub happened: String,
    /// What had to happen.
    pub expected: String,
    /// Says "the same bug", where it can be said.
    pub fingerprint: Option<String>,
    /// The file that shows it, as seen from the root of the workspace.
    pub file: Option<String>,
    /// The line of that file with the call that shows it; counts from 1.
    pub line: Option<usize>,
    /// The command that shows it again.
    pub replay: Option<String>,
    /// Where the source says what must hold.
    pub source: Option<SourceLine>,
    /// The whole story, without colour.
    pub story: String,
    /// Whose it is.
    pub judgement: Judgement,
}

impl Found {
    /// A finding of which only the rule is known.
    #[must_use]
    pub fn of_rule(rule: &str) -> Self {
        Self {
            step: String::new(),
            rule: rule.to_owned(),
            happened: String::new(),
            expected: String::new(),
            fingerprint: None,
            file: None,
            line: None,
            replay: None,
            source: None,
            story: String::new(),
            judgement: Judgement::default(),
        }
    }
}

/// A line of a source file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SourceLine {
    /// The file, as seen from the root of the workspace.
    pub file: String,
    /// The line; counts from 1.
    pub line: usize,
}

/// Whose a finding is, and why that is known.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Judgement {
    /// Whose it is.
    pub verdict: Whose,
    /// Why, as a sentence fragment.
    pub because: String,
}

/// Whose a finding is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Whose {
    /// The author's: the base does not show it.
    New,
    /// Nobody can say, so it counts as new.
    #[default]
    Unknown,
    /// It is seen in some runs and not in others.
    Flaky,
    /// The base shows it too.
    InBase,
}

impl Whose {
    /// Every verdict, the worst first.
    pub const ALL: [Self; 4] = [Self::New, Self::Unknown, Self::Flaky, Self::InBase];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Unknown => "unknown",
            Self::Flaky => "flaky",
            Self::InBase => "in base",
        }
    }

    /// Whether it stands in the way of a change.
    #[must_use]
    pub const fn blocks(self) -> bool {
        matches!(self, Self::New | Self::Unknown)
    }
}

/// What can be found beside broken invariants: the name, and when it holds.
pub const OTHER_RULES: [(&str, &str); 4] = [
    ("expected-answer", "a stored sequence is answered as its file expects"),
    ("memory-remnant", "nothing of a secret is left in any memory of the process after a sequence"),
    (
        "engine-stop",
        "an engine goes on until its time is over, and needs no more memory than it may",
    ),
    ("told-nothing", "a step that ends with the exit code of a finding tells what it found"),
];

/// [`OTHER_RULES`] by name.
pub const EXPECTED_ANSWER: &str = OTHER_RULES[0].0;
/// [`OTHER_RULES`] by name.
pub const MEMORY_REMNANT: &str = OTHER_RULES[1].0;
/// [`OTHER_RULES`] by name.
pub const ENGINE_STOP: &str = OTHER_RULES[2].0;
/// [`OTHER_RULES`] by name.
pub const TOLD_NOTHING: &str = OTHER_RULES[3].0;

impl Found {
    /// The headline: what is broken, and what happened.
    #[must_use]
    pub fn headline(&self) -> String {
        format!("{}: {}", self.rule, self.happened)
    }
}

impl Results {
    /// How many findings have this verdict.
    #[must_use]
    pub fn count(&self, verdict: Whose) -> usize {
        self.findings.iter().filter(|found| found.judgement.verdict == verdict).count()
    }

    /// The findings of a step.
    pub(super) fn of_step<'a>(&'a self, step: &'a str) -> impl Iterator<Item = &'a Found> {
        self.findings.iter().filter(move |found| found.step == step)
    }
}

/// Results with one of each kind, for the tests of all forms.
#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// A finding whose texts hold what each form has to escape.
    pub(in super::super) fn found(verdict: Whose) -> Found {
        Found {
            step: "replay".to_owned(),
            rule: "double-finish".to_owned(),
            happened: "answered S_OK, 100% <wrong> & \"twice\"".to_owned(),
            expected: "D3DDDIERR_INVALIDCALL, because there is nothing to apply".to_owned(),
            fingerprint: Some("5f0c-91ab".to_owned()),
            file: Some("corpus/crashes/double-finish/a,b.seq".to_owned()),
            line: Some(7),
            replay: Some("cargo run --release -- run corpus/crashes/double-finish/a,b.seq".to_owned()),
            source: Some(SourceLine {
                file: "src/workbench/invariant/double_finish.rs".to_owned(),
                line: 9,
            }),
            story: "violation: double-finish\n  call 3  finish-refresh s0\u{1b}[1m\u{1b}[0m\u{0}\n```\n"
                .to_owned(),
            judgement: Judgement { verdict, because: "base holds in 3 of 3 runs".to_owned() },
        }
    }

    fn step(name: &str, end: StepEnd) -> StepResult {
        StepResult {
            step: name.to_owned(),
            says: format!("what {name} does"),
            command: format!("rekeylab {name}"),
            end,
            seconds: 1.25,
            notes: Vec::new(),
        }
    }

    /// A step of each end, a finding of each verdict.
    pub(in super::super) fn results() -> Results {
        let mut findings: Vec<Found> = Whose::ALL.into_iter().map(found).collect();
        // One that only a search shows, and nothing else is known of.
        let mut untold = Found::of_rule(TOLD_NOTHING);
        untold.step = "canary".to_owned();
        untold.happened = "ended with 3".to_owned();
        untold.expected = "a finding".to_owned();
        findings.push(untold);
        let steps = vec![
            step("replay", StepEnd::Found),
            step("audit", StepEnd::Held),
            step("canary", StepEnd::Failed("it was ended by signal 9 | at once".to_owned())),
            step("fuzz", StepEnd::NotRun("the budget of 1m is used up".to_owned())),
            step("drill", StepEnd::InBase("it ended with 4; the base, too".to_owned())),
        ];
        Results { steps, findings, says: "the gate is shut: 1 finding is new".to_owned() }
    }
}
