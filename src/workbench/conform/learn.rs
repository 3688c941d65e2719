//! Finds the choices that explain what a driver was seen to do.

use rekeylab_ddi::Hresult;

use crate::invariant::{Model, Verdict, Violation, judge};
use crate::observation::{Choices, Observation, Trace, silent_point};
use crate::sequence::{Call, DecodeProfile};

use super::Probe;

/// The choices under which as much as possible of the traces holds, each of them needed. The traces have them
/// afterwards.
pub(super) fn choices(probes: &mut [Probe], start: Choices) -> Choices {
    let mut judge = Judge::default();
    let mut choices = start;
    // What a single point explains first: where several are asked, it may be one that is known by then.
    for points_max in [1, usize::MAX] {
        while let Some(more) = next(probes, choices, points_max, &mut judge) {
            choices = more;
        }
    }
    choices = only_needed(probes, choices, start, &mut judge);
    traces(probes).for_each(|trace| trace.choices = choices);
    choices
}

/// The choices and one more, which explains a call that they do not.
fn next(
    probes: &mut [Probe],
    choices: Choices,
    points_max: usize,
    judge: &mut Judge,
) -> Option<Choices> {
    for trace in traces(probes) {
        let Some(first) = judge.first(trace, choices) else { continue };
        let offered = offered(first.rules, trace.calls.get(first.call), choices);
        if offered.len() > points_max {
            continue;
        }
        for more in offered {
            // It explains the call if what rings then, if anything, rings later.
            if judge.first(trace, more).is_none_or(|then| then.call > first.call) {
                return Some(more);
            }
        }
    }
    None
}

/// What may be chosen otherwise of these rules, by which that call is judged.
fn offered(rules: &str, seen: Option<&Observation>, choices: Choices) -> Vec<Choices> {
    let points = rules.split(' ').filter_map(silent_point).filter(|&point| !choices.has(point));
    let mut offered: Vec<Choices> = points.filter_map(|point| choices.with(point)).collect();
    let is_for_decode = seen.is_some_and(|seen| {
        matches!(seen.call, Call::CreateSession { profile, .. } if profile != DecodeProfile::None)
    });
    if is_for_decode && !choices.no_decode {
        let mut more = choices;
        more.no_decode = true;
        offered.push(more);
    }
    let unavailable =
        seen.filter(|seen| seen.code == Some(Hresult::D3DDDIERR_NOTAVAILABLE)).map(|it| it.call);
    if matches!(unavailable, Some(Call::ContentProtectionCaps { .. })) && !choices.no_capabilities {
        let mut more = choices;
        more.no_capabilities = true;
        offered.push(more);
    }
    if matches!(unavailable, Some(Call::EncryptionBltKey { .. })) && !choices.no_read_back_keys {
        let mut more = choices;
        more.no_read_back_keys = true;
        offered.push(more);
    }
    offered
}

/// The choices without those that explain nothing which the others do not.
fn only_needed(
    probes: &mut [Probe],
    choices: Choices,
    start: Choices,
    judge: &mut Judge,
) -> Choices {
    let mut needed = choices;
    for point in choices.points().filter(|&point| !start.has(point)) {
        let without = needed.without(point);
        let is_idle = traces(probes).all(|trace| {
            let call = |first: Option<Violation>| first.map(|first| first.call);
            call(judge.first(trace, without)) == call(judge.first(trace, needed))
        });
        if is_idle {
            needed = without;
        }
    }
    needed
}

fn traces(probes: &mut [Probe]) -> impl Iterator<Item = &mut Trace> {
    probes.iter_mut().flat_map(|probe| &mut probe.traces)
}

/// Judges traces under other choices than those of their run.
#[derive(Default)]
pub(super) struct Judge {
    model: Model,
    verdict: Verdict,
}

impl Judge {
    /// What is told first that is not about what stays in memory, unless the rule is about that: a driver that leaves a
    /// key in a register answers all the same.
    pub(super) fn first_about(
        &mut self,
        trace: &mut Trace,
        choices: Choices,
        rule: &str,
    ) -> Option<Violation> {
        trace.choices = choices;
        judge(trace, &mut self.model, &mut self.verdict);
        let is_about =
            |it: &Violation| !it.is_residue() || it.rules.split(' ').any(|id| id == rule);
        self.verdict.first_where(is_about).cloned()
    }

    /// What is told first of a trace under these choices, but for what stays in memory.
    pub(super) fn first(&mut self, trace: &mut Trace, choices: Choices) -> Option<Violation> {
        self.first_about(trace, choices, "")
    }
}
