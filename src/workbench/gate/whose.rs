//! Says of each finding and of each step that is no pass whether it is the change's or the base's.

use std::collections::BTreeMap;

use super::again;
use super::base::{Built, Faults};
use super::event::{Event, TOLD_MAX};
use super::{Beside, Gate, SHORTEST, Step};
use crate::child::{Child, Ended};
use crate::exit::Exit;
use crate::report::results::{Found, Judgement, Results, StepEnd, Whose};

/// How a step ends that needs planted faults, in a build that has none.
const WITHOUT_FAULTS: i32 = Exit::BadUsage as i32;

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
                let faults = failed.iter().map(|&index| self.faults_for(index)).max();
                let faults = faults.unwrap_or_default();
                base.built(&self.plan.root, faults, self.left(), &self.plan.stop)
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

    /// The steps that are no pass, say so by a code of their own, and can be tried on the base. The code of a
    /// finding says nothing of what else went wrong.
    fn failed_by_themselves(&self, results: &Results) -> Vec<usize> {
        let found = i32::from(Exit::InvariantBroken.code());
        let is_one = |&index: &usize| {
            matches!(results.steps[index].end, StepEnd::Failed(_))
                && self.exits[index].code.is_some_and(|code| code != found)
                && self.plan.steps[index].is_for_base
        };
        (0..results.steps.len()).filter(is_one).collect()
    }

    /// What a failed step asks of the planted faults of the base.
    fn faults_for(&self, index: usize) -> Faults {
        if !self.plan.steps[index].needs_faults {
            Faults::NotAsked
        } else if self.exits[index].code == Some(WITHOUT_FAULTS) {
            Faults::AskedWhetherTheyFit
        } else {
            Faults::Wanted
        }
    }

    /// Why a step that is no pass here is none on the base either, or else why it is this change's.
    fn is_same_on_base(&self, step: &Step, here: Beside, base: &Built) -> Result<String, String> {
        if step.needs_faults {
            match (&base.faults, here.code == Some(WITHOUT_FAULTS)) {
                (Err(_), true) => {
                    return Ok("the planted faults do not fit the base either".to_owned());
                }
                (Err(why), false) => return Err(format!("it cannot be tried on the base: {why}")),
                (Ok(()), true) => return Err("the planted faults fit the base".to_owned()),
                (Ok(()), false) => {}
            }
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
