//! What is said of a rule, from the traces of the sequence that shows it.

use core::fmt;
use std::path::PathBuf;

use rekeylab_ddi::Hresult;

use super::Probe;
use super::learn::Judge;
use crate::observation::{Choices, Observation, Trace, silent_point};
use crate::rules::Rule;
use crate::sequence::Call;

/// What a driver does with a rule.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Word {
    /// It keeps it.
    Met,
    /// The documents are silent, and it chooses otherwise than the driver core.
    Otherwise,
    /// It breaks it.
    Broken,
    /// It does not offer what the rule is about.
    NotOffered,
    /// It was not asked: what shows the rule does not reach a driver behind this table.
    NotAsked,
    /// Nothing is known of it: the sequence that shows it breaks something else before.
    Hidden,
    /// It answers the same sequence now so, now otherwise.
    Unsteady,
}

impl Word {
    /// Every word, in the order in which they are told.
    pub const ALL: [Self; 7] = [
        Self::Broken,
        Self::Unsteady,
        Self::Hidden,
        Self::Otherwise,
        Self::NotOffered,
        Self::NotAsked,
        Self::Met,
    ];

    /// What that means, in a sentence.
    #[must_use]
    pub const fn means(self) -> &'static str {
        match self {
            Self::Met => "It keeps the rule.",
            Self::Otherwise => {
                "The documents are silent, and it chooses otherwise than the driver core."
            }
            Self::Broken => "It breaks the rule.",
            Self::NotOffered => "It does not offer what the rule is about.",
            Self::NotAsked => "What shows the rule does not reach a driver behind this table.",
            Self::Hidden => {
                "Unknown: the sequence that shows the rule breaks something else before."
            }
            Self::Unsteady => "It answers the same sequence now so, now otherwise.",
        }
    }

    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Otherwise => "otherwise",
            Self::Broken => "broken",
            Self::NotOffered => "not-offered",
            Self::NotAsked => "not-asked",
            Self::Hidden => "hidden",
            Self::Unsteady => "unsteady",
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The word for a rule, and what shows it.
pub(super) fn of(rule: &Rule, probe: Option<&Probe>, choices: Choices) -> (Word, String) {
    let Some(probe) = probe else {
        return (Word::NotAsked, "no sequence of calls shows it".to_owned());
    };
    let mut judge = Judge::default();
    let mut traces = probe.traces.clone();
    for trace in &mut traces {
        let Some(first) = judge.first_about(trace, choices, rule.id) else { continue };
        let place = place(trace, first.call);
        let code = trace.calls.get(first.call).and_then(|seen| seen.code);
        if code == Some(Hresult::E_NOTIMPL) {
            return (Word::NotOffered, format!("{place} answered E_NOTIMPL"));
        }
        return if first.rules.split(' ').any(|id| id == rule.id) {
            (Word::Broken, format!("{place} {}; expected {}", first.happened, first.expected))
        } else {
            (Word::Hidden, format!("{place} breaks {} before", first.rules))
        };
    }
    let Some((trace, others)) = traces.split_first_mut() else {
        return (Word::NotAsked, "nothing was run".to_owned());
    };
    if let Some(call) = others.iter().find_map(|other| first_difference(trace, other)) {
        return (Word::Unsteady, format!("{} is not always answered the same", place(trace, call)));
    }
    if let Some(point) = silent_point(rule.id).filter(|&point| choices.has(point)) {
        let told = judge.first(trace, choices.without(point));
        let why = told.map(|first| {
            format!(
                "{} {}, and src/driver {}",
                place(trace, first.call),
                first.happened,
                first.expected
            )
        });
        return (Word::Otherwise, why.unwrap_or_else(|| "another sequence shows it".to_owned()));
    }
    let is_asked = |seen: &Observation| {
        seen.call.enters_driver() && !matches!(seen.call, Call::SessionStatus { .. })
    };
    let calls = &trace.calls[..trace.sequence_len.min(trace.calls.len())];
    let find = |is_it: &dyn Fn(&Observation) -> bool| {
        calls.iter().position(|seen| is_asked(seen) && is_it(seen))
    };
    if let Some(call) = find(&|seen| seen.code == Some(Hresult::E_NOTIMPL) && !seen.is_answered_for)
    {
        return (Word::NotOffered, format!("{} answered E_NOTIMPL", place(trace, call)));
    }
    if choices.no_decode && matches!(rule.id, "R-05") {
        return (Word::NotOffered, "sessions go with no decode profile".to_owned());
    }
    if choices.no_read_back_keys
        && calls.iter().any(|seen| matches!(seen.call, Call::EncryptionBltKey { .. }))
    {
        let why = "read-back keys are not asked for; see `read-back-keys` in the data sheet";
        return (Word::NotAsked, why.to_owned());
    }
    if choices.no_capabilities
        && calls.iter().any(|seen| matches!(seen.call, Call::ContentProtectionCaps { .. }))
    {
        let why = "capabilities are not asked for; see `capabilities` in the data sheet";
        return (Word::NotAsked, why.to_owned());
    }
    if matches!(rule.id, "R-29" | "S-29") && trace.read_backs.is_empty() {
        let why = "surfaces are read by Lock; see `read-back` in the data sheet".to_owned();
        return (Word::NotAsked, why);
    }
    if let Some(call) = find(&|seen| seen.is_answered_for) {
        let why = format!("{} is not passed on to the driver", place(trace, call));
        return (Word::NotAsked, why);
    }
    if let Some(call) =
        calls.iter().position(|seen| !seen.call.enters_driver() && is_injected(seen))
    {
        return (Word::NotAsked, format!("{} changes nothing in this driver", place(trace, call)));
    }
    (Word::Met, String::new())
}

/// What the sequence of a probe breaks, which may be other rules than the one that it is to show.
pub(super) struct Breach {
    /// The rules, separated by spaces.
    pub(super) rules: &'static str,
    /// What shows it.
    pub(super) why: String,
    /// The sequence.
    pub(super) file: PathBuf,
}

/// The first breach of a probe, but for what stays in memory; none where the driver does not offer what is called.
pub(super) fn breach(probe: &Probe, choices: Choices) -> Option<Breach> {
    let mut judge = Judge::default();
    let mut traces = probe.traces.clone();
    let mut breaches = traces.iter_mut().filter_map(|trace| {
        let first = judge.first(trace, choices)?;
        let code = trace.calls.get(first.call).and_then(|seen| seen.code);
        let place = place(trace, first.call);
        let why = format!("{place} {}; expected {}", first.happened, first.expected);
        let breach = Breach { rules: first.rules, why, file: probe.file.clone() };
        (code != Some(Hresult::E_NOTIMPL)).then_some(breach)
    });
    breaches.next()
}

fn is_injected(seen: &Observation) -> bool {
    matches!(seen.call, Call::InjectEntropy { .. } | Call::InjectAllocationFailure { .. })
}

/// A call by its number and its words.
fn place(trace: &Trace, call: usize) -> String {
    match trace.calls.get(call) {
        Some(seen) => format!("call {call} ({})", seen.call),
        None => "the end".to_owned(),
    }
}

/// The first call that two runs answer otherwise.
fn first_difference(one: &Trace, other: &Trace) -> Option<usize> {
    let mut pairs = one.calls.iter().zip(&other.calls);
    pairs.position(|(one, other)| one.code != other.code)
}
