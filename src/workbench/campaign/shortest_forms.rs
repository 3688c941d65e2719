//! The shortest forms of what a sequence shows, each bug in one of its own.

use std::collections::BTreeSet;

use crate::Workbench;
use crate::fuzzing::symptom;
use crate::invariant::{Violation, Weight};
use crate::observation::{Layers, Trace};
use crate::sequence::CallSequence;

/// The shortest forms of what a sequence shows: of what is told first, and of every symptom that is not among
/// those that one was sought for before, to which it is added.
pub(super) fn shortest_forms(
    workbench: &mut Workbench,
    symptoms: &mut BTreeSet<String>,
    sequence: &CallSequence,
) -> Vec<CallSequence> {
    workbench.run(sequence);
    let trace = workbench.trace();
    let told = workbench.verdict().told();
    let wanted: Vec<Wanted> = told.iter().map(|violation| Wanted::of(violation, trace)).collect();
    let mut forms = Vec::new();
    for (index, wanted) in wanted.iter().enumerate() {
        let is_new = symptoms.insert(wanted.symptom.clone());
        if index == 0 || is_new {
            forms.extend(forms_of(workbench, sequence, wanted));
        }
    }
    forms
}

/// The shortest form of what shows this. On the way there another bug may have come in that shows before, and
/// pushed this one out: then also the shortest form in which this is told first, if the other is not in it.
fn forms_of(
    workbench: &mut Workbench,
    sequence: &CallSequence,
    wanted: &Wanted,
) -> Vec<CallSequence> {
    let form = shortest_form(workbench, sequence, wanted);
    workbench.run(&form);
    let trace = workbench.trace();
    let is_wanted = |violation: &Violation, trace: &Trace| wanted.is_exactly(violation, trace);
    // Which call shows it may be another by now: the shortest form has the plainest.
    let verdict = workbench.verdict();
    let is_there = verdict.violations.iter().any(|one| one.invariant == wanted.invariant);
    if is_there || wanted.is_inferred || wanted.weight != Weight::Used {
        return vec![form];
    }
    let Some(other) = verdict.first().map(|first| symptom(first, trace)) else {
        return vec![form];
    };
    let alone = workbench.minimize_where(sequence, Layers::ALL, |verdict, trace| {
        verdict.first().is_some_and(|first| is_wanted(first, trace))
    });
    let (trace, verdict) = (workbench.trace(), workbench.verdict());
    let is_first = verdict.first().is_some_and(|first| is_wanted(first, trace));
    let is_alone = verdict.violations.iter().all(|one| symptom(one, trace) != other);
    if is_first && is_alone { vec![form, alone] } else { vec![form] }
}

/// The shortest form that shows this, or the shortest of what shows before it there: a bug that is
/// always there hides this one, and has to be mended first.
fn shortest_form(
    workbench: &mut Workbench,
    sequence: &CallSequence,
    wanted: &Wanted,
) -> CallSequence {
    let shortest = workbench.minimize_where(sequence, Layers::ALL, |verdict, trace| {
        verdict.violations.iter().any(|violation| wanted.is_shown_by(violation, trace))
    });
    workbench.minimize(&shortest).unwrap_or(shortest)
}

/// What a shortest form has to show.
#[derive(Debug)]
struct Wanted {
    symptom: String,
    invariant: &'static str,
    is_inferred: bool,
    weight: Weight,
}

impl Wanted {
    fn of(violation: &Violation, trace: &Trace) -> Self {
        let Violation { invariant, is_inferred, .. } = *violation;
        let symptom = symptom(violation, trace);
        Self { symptom, invariant, is_inferred, weight: violation.weight() }
    }

    /// An inferred invariant is a symptom that several bugs share: then anything that is broken and says as
    /// much counts, and the shortest form settles which bug it is.
    fn is_shown_by(&self, violation: &Violation, trace: &Trace) -> bool {
        self.is_inferred && violation.weight() <= self.weight || self.is_exactly(violation, trace)
    }

    fn is_exactly(&self, violation: &Violation, trace: &Trace) -> bool {
        violation.invariant == self.invariant && symptom(violation, trace) == self.symptom
    }
}
