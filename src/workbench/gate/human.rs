//! The events of a gate for people, as they come.

use core::fmt::Write as _;

use super::event::{Event, Planned};
use crate::report::results::StepEnd;

/// What people read of an event; findings come as stories.
#[must_use]
pub fn human(event: &Event<'_>) -> String {
    let mut text = String::new();
    write(&mut text, event).expect("a string takes any text");
    text
}

fn write(text: &mut String, event: &Event<'_>) -> core::fmt::Result {
    match event {
        Event::Began { change, base, steps, budget_seconds, .. } => {
            match &change.since {
                Some(since) => {
                    let count = change.files.len();
                    let files = if count == 1 { "file differs" } else { "files differ" };
                    writeln!(text, "the gate: {count} {files} from {since}: {}", change.why)?;
                }
                None => writeln!(text, "the gate: everything is run, since {}", change.why)?,
            }
            let width = steps.iter().map(|step| step.step.len()).max().unwrap_or_default();
            for Planned { step, says, .. } in steps {
                writeln!(text, "  {step:<width$}  {says}")?;
            }
            let budget =
                humantime::format_duration(core::time::Duration::from_secs(*budget_seconds));
            let base = match base {
                Some(base) => format!("what is found is compared with {base}"),
                None => "whatever is found blocks".to_owned(),
            };
            writeln!(text, "it takes {budget} at most; {base}")
        }
        Event::StepBegan { step } => writeln!(text, "\n== {step}"),
        Event::Finding(found) => {
            writeln!(text, "{}", found.story.trim_end())?;
            match (&found.file, found.line) {
                (Some(file), Some(line)) => writeln!(text, "  in {file}:{line}\n"),
                (Some(file), None) => writeln!(text, "  in {file}\n"),
                (None, _) => writeln!(text),
            }
        }
        // They are counted where the step ends.
        Event::FindingAgain(_) => Ok(()),
        Event::StepEnded(step) => {
            for note in &step.notes {
                writeln!(text, "  {note}")?;
            }
            let (seconds, name) = (step.seconds, &step.step);
            match &step.end {
                StepEnd::Held => writeln!(text, "{name} held ({seconds:.1} s)"),
                StepEnd::Found => {
                    writeln!(text, "{name} found what is told above ({seconds:.1} s)")
                }
                StepEnd::Failed(why) => {
                    writeln!(text, "{name} is no pass: {why} ({seconds:.1} s)")?;
                    writeln!(text, "  run it alone: {}", step.command)
                }
                // It was said at the beginning.
                StepEnd::LeftOut(_) => Ok(()),
                // That is only known when all steps are over.
                StepEnd::InBase(_) => Ok(()),
                StepEnd::NotRun(why) => {
                    writeln!(text, "\n{name} was not run: {why}")?;
                    writeln!(text, "  run it alone: {}", step.command)
                }
            }
        }
        Event::BaseBegan { base } => {
            writeln!(text, "\n== whose it is: what was found is run again, here and on {base}")
        }
        Event::Verdict { rule, fingerprint, file, judgement } => {
            write!(text, "{}: {rule}", judgement.verdict.name())?;
            if let Some(fingerprint) = fingerprint {
                write!(text, ", fingerprint {fingerprint}")?;
            }
            if let Some(file) = file {
                write!(text, ", {file}")?;
            }
            writeln!(text, "\n  {}", judgement.because)
        }
        Event::VerdictsAgain { rule, verdict, count } => {
            writeln!(text, "{}: {rule}, {count} further findings", verdict.name())
        }
        Event::StepVerdict { step, is_in_base, because } => {
            let whose = if *is_in_base { "in base" } else { "no pass" };
            writeln!(text, "{whose}: {step}\n  {because}")
        }
        Event::Ended(ending) => writeln!(text, "\n{}", ending.says),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::super::changed::Change;
    use super::super::event::Ending;
    use super::*;
    use crate::exit::Exit;
    use crate::report::results::Found;
    use crate::report::results::{Judgement, Results, StepResult, Whose};

    #[test]
    fn the_author_reads_what_is_run_what_was_found_and_whose_it_is() {
        let files = vec!["src/driver/state.rs".to_owned()];
        let since = Some("main (0123456789ab)".to_owned());
        let change = Change { since, ..Change::of_files(files) };
        let mut found = Found::of_rule("double-finish");
        found.story = "violation: double-finish\n  call 3  finish-refresh s0\n".to_owned();
        (found.file, found.line) = (Some("fuzz/findings/a.seq".to_owned()), Some(5));
        found.fingerprint = Some("5f0c-91ab".to_owned());
        let because = "the base shows it in none of 3 runs".to_owned();
        found.judgement = Judgement { verdict: Whose::New, because };
        let step = |step: &str, end| StepResult {
            step: step.to_owned(),
            says: String::new(),
            command: format!("rekeylab {step}"),
            end,
            seconds: 1.26,
            notes: vec!["a note".to_owned()],
        };
        let late = step("canary", StepEnd::NotRun("the budget of 2m is used up".to_owned()));
        let steps = vec![step("replay", StepEnd::Found), late];
        let results = Results { steps, findings: vec![found.clone()], says: String::new() };
        let planned = |step, says| Planned { step, says, limit_seconds: 60 };
        let events = [
            Event::Began {
                version: 1,
                change: &change,
                base: Some("main".to_owned()),
                steps: vec![planned("replay", "all stored"), planned("canary", "all alarms")],
                budget_seconds: 120,
            },
            Event::StepBegan { step: "replay" },
            Event::Finding(&found),
            Event::StepEnded(&results.steps[0]),
            Event::StepEnded(&results.steps[1]),
            Event::BaseBegan { base: "main".to_owned() },
            Event::verdict(&found),
            Event::Ended(&Ending::new(&results, Exit::InvariantBroken, false)),
        ];
        let text: String = events.iter().map(human).collect();
        expect![[r#"
            the gate: 1 file differs from main (0123456789ab): it touches rekeylab-driver
              replay  all stored
              canary  all alarms
            it takes 2m at most; what is found is compared with main

            == replay
            violation: double-finish
              call 3  finish-refresh s0
              in fuzz/findings/a.seq:5

              a note
            replay found what is told above (1.3 s)
              a note

            canary was not run: the budget of 2m is used up
              run it alone: rekeylab canary

            == whose it is: what was found is run again, here and on main
            new: double-finish, fingerprint 5f0c-91ab, fuzz/findings/a.seq
              the base shows it in none of 3 runs

            the gate is shut: 1 new; no pass: canary (exit code 3)
        "#]]
        .assert_eq(&text);
    }
}
