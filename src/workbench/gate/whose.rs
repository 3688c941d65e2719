//! Says of each finding and of each step that is no pass whether it is the change's or the base's.

use std::collections::BTreeMap;

use super::again;
use super::base::Built;
use super::event::{Event, TOLD_MAX};
use super::step::{Child, Ended};
use super::{Beside, Gate, SHORTEST, Step};
use crate::exit::Exit;
use crate::report::results::{Found, Judgement, Results, StepEnd, Whose};

impl Gate<'_> {
    /// Builds the base if there is something to compare, and says whose it is.
    pub(super) fn compare<E>(
        &self,
        results: &mut Results,
        tell: &mut dyn FnMut(&Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = self.failed_by_themselves(results);
        if results.findings.is_empty() && (failed.is_empty() || self.plan.base.is_none()) {
            return Ok(());
        }
        let base = match &self.plan.base {
            None => Err("there is no base to compare with".to_owned()),
            Some(_) if self.left() < SHORTEST => {
                Err("there was no time left to compare it with the base".to_owned())
            }
            Some(base) => {
                tell(&Event::BaseBegan { base: base.name() })?;
                let needs_faults = failed.iter().any(|&index| self.plan.steps[index].needs_faults);
                base.built(&self.plan.root, needs_faults, self.left(), &self.plan.stop)
            }
        };
        self.compare_findings(&base, &mut results.findings, tell)?;
        for index in failed {
            let (step, result) = (&self.plan.steps[index], &mut results.steps[index]);
            let because = match &base {
                Ok(base) => self.is_same_on_base(step, self.exits[index], base),
                Err(why) => Err(why.clone()),
            };
            let is_in_base = because.is_ok();
            let because = because.unwrap_or_else(|why| why);
            if let (true, Some(why)) = (is_in_base, result.end.why()) {
                result.end = StepEnd::InBase(format!("{why}; {because}"));
            }
            tell(&Event::StepVerdict { step: &step.name, is_in_base, because: &because })?;
        }
        Ok(())
    }

    /// The steps that ended by themselves, are no pass, and can be tried on the base.
    fn failed_by_themselves(&self, results: &Results) -> Vec<usize> {
        let is_one = |&index: &usize| {
            matches!(results.steps[index].end, StepEnd::Failed(_))
                && self.exits[index].code.is_some()
                && self.plan.steps[index].is_for_base
        };
        (0..results.steps.len()).filter(is_one).collect()
    }

    /// Why a step that is no pass here is none on the base either, or else why it is this change's.
    fn is_same_on_base(&self, step: &Step, here: Beside, base: &Built) -> Result<String, String> {
        if step.needs_faults
            && let Err(why) = &base.faults
        {
            // Without planted faults, a step that needs them ends so.
            return if here.code == Some(i32::from(Exit::BadUsage.code())) {
                Ok("the base cannot be built with planted faults either".to_owned())
            } else {
                Err(format!("it cannot be tried on the base: {why}"))
            };
        }
        if self.left() < SHORTEST {
            return Err("there was no time left to try it on the base".to_owned());
        }
        let mut arguments = step.arguments.clone();
        arguments.extend(["--format", "json"].map(str::to_owned));
        let limit = step.limit.min(self.left());
        let there = Child { program: &base.program, ..self.child(&arguments, limit, false) };
        match there.run(b"").ended {
            Ended::Code(code) if Some(code) == here.code => {
                Ok(format!("on the base it ends with {code}, too"))
            }
            Ended::Code(code) => {
                let here = here.code.unwrap_or_default();
                Err(format!("on the base it ends with {code}, and here with {here}"))
            }
            _ => Err("on the base it did not come to its end".to_owned()),
        }
    }

    /// Says whose each finding is.
    fn compare_findings<E>(
        &self,
        base: &Result<Built, String>,
        findings: &mut [Found],
        tell: &mut dyn FnMut(&Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let in_base = match base {
            Ok(base) => again::shown_by_all(&self.samples, self.plan, &base.program, self.left()),
            Err(_) => Vec::new(),
        };
        let mut told: BTreeMap<(String, Whose), usize> = BTreeMap::new();
        for (index, (found, sample)) in findings.iter_mut().zip(&self.samples).enumerate() {
            found.judgement = match base {
                Ok(_) if in_base.get(index) == Some(&true) => Judgement {
                    verdict: Whose::InBase,
                    because: "the base shows it, too".to_owned(),
                },
                Err(why) => Judgement { verdict: Whose::Unknown, because: why.clone() },
                Ok(_) if self.left() < SHORTEST => Judgement {
                    verdict: Whose::Unknown,
                    because: "there was no time left to compare it with the base".to_owned(),
                },
                Ok(base) => sample.judge(self.plan, &base.program, self.left()),
            };
            let count = told.entry((found.rule.clone(), found.judgement.verdict)).or_default();
            *count += 1;
            if *count <= TOLD_MAX {
                tell(&Event::verdict(found))?;
            }
        }
        for ((rule, verdict), count) in told.iter().filter(|(_, count)| **count > TOLD_MAX) {
            let (verdict, count) = (*verdict, count - TOLD_MAX);
            tell(&Event::VerdictsAgain { rule, verdict, count })?;
        }
        Ok(())
    }
}
