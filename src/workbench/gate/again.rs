//! Runs what shows a finding again, on head and on base, and says by vote whose it is.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use super::read::{Told, read};
use super::{Plan, SHORTEST};
use crate::child::{Child, Ended};
use crate::corpus::{self, Form};
use crate::exit::Exit;
use crate::report::results::{EXPECTED_ANSWER, Found, Judgement, SourceLine, TOLD_NOTHING, Whose};

/// A finding, and how it can be seen again.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) shown: Shown,
    /// The sequence, in case there is no file.
    pub(super) text: Option<String>,
    /// The call that shows it, counted from 0.
    pub(super) call: Option<usize>,
    /// The data sheet of the driver that it was found in, if that is not the core.
    pub(super) driver: Option<String>,
    /// The fingerprint of what shows it, if the finding has that of its shortest form.
    pub(super) as_stored: Option<String>,
    pub(super) found: Found,
}

/// What shows a finding again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shown {
    /// `run`, of its file or text.
    File,
    /// `audit`, of its file.
    Audit,
    /// Nothing but the step that found it.
    Never,
}

/// What came of running it again.
#[derive(Debug)]
pub(super) enum Again {
    /// It was run, and this was found.
    Told(Told),
    /// It could not be run.
    Cannot(String),
}

/// How often each side is asked.
const VOTES: usize = 3;

/// How long one run may take. A hang takes the time limit of a sequence, ten seconds, and the telling.
const LIMIT: Duration = Duration::from_secs(60);

impl Sample {
    /// A step that ended as if it had found something, and told nothing that can be read.
    pub(super) fn of_nothing(step: &str) -> Self {
        let mut found = Found::of_rule(TOLD_NOTHING);
        found.happened =
            format!("{step} ended with {} and told no finding", Exit::InvariantBroken.code());
        found.expected = "what was found".to_owned();
        Self::of(Shown::Never, None, None, found)
    }

    /// A finding that was just read.
    pub(super) fn of(
        shown: Shown,
        text: Option<String>,
        call: Option<usize>,
        found: Found,
    ) -> Self {
        Self { shown, text, call, driver: None, as_stored: None, found }
    }

    /// Whether this is the same bug, as far as can be said.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let (a, b) = (&self.found, &other.found);
        if a.rule != b.rule || self.driver != other.driver {
            return false;
        }
        match (&a.fingerprint, &b.fingerprint) {
            (Some(a), Some(b)) => a == b,
            (None, None) => a.file == b.file && a.line == b.line && place(a) == place(b),
            _ => false,
        }
    }

    /// Whether another one shows this bug, by the name that it has everywhere or the one that it had as it was stored.
    pub(super) fn is_the_bug_of(&self, other: &Self) -> bool {
        self.is_same(other) || self.driver == other.driver && self.is_shown_by(other)
    }

    /// Whether another run of the driver in which it was found has told this.
    fn is_shown_by(&self, told: &Self) -> bool {
        let mut as_stored = self.clone();
        if let Some(fingerprint) = &self.as_stored {
            as_stored.found.fingerprint = Some(fingerprint.clone());
        }
        as_stored.is_same(&Self { driver: self.driver.clone(), ..told.clone() })
    }

    /// Gives a bug that a stored sequence shows the name that it has wherever it is found: the fingerprint of its
    /// shortest form. One that cannot be made short keeps its own.
    pub(super) fn name_by_its_form(&mut self, plan: &Plan, left: Duration) {
        let (Shown::File, Some(file), None) = (self.shown, &self.found.file, &self.text) else {
            return;
        };
        let Some(own) = self.found.fingerprint.clone() else { return };
        let mut arguments = vec!["minimize".to_owned(), file.clone()];
        if let Some(sheet) = &self.driver {
            arguments.extend(["--driver".to_owned(), sheet.clone()]);
        }
        arguments.extend(["--format", "json"].map(str::to_owned));
        let (program, root, stop) = (&plan.program, &plan.root, &plan.stop);
        let limit = left.min(LIMIT);
        let child = Child { program, root, arguments: &arguments, limit, stop, is_heard: false };
        let said = child.run(b"");
        let Ok(form) = serde_json::from_str::<serde_json::Value>(&said.out) else { return };
        if form["invariant"] == self.found.rule.as_str()
            && let Some(fingerprint) = form["fingerprint"].as_str()
            && fingerprint != own
        {
            let named = format!("fingerprint {fingerprint}, as it is stored {own}");
            self.found.story = self.found.story.replace(&format!("fingerprint {own}"), &named);
            self.found.fingerprint = Some(fingerprint.to_owned());
            self.as_stored = Some(own);
        }
    }

    /// Whether its step has told all that there is to tell. The story of a file with several
    /// violations is told once.
    pub(super) fn is_complete(&self) -> bool {
        self.shown != Shown::File || self.call.is_some() || !self.found.story.is_empty()
    }

    /// Takes the story and the call from another run of it.
    pub(super) fn learn(&mut self, told: Told) {
        let story = told.samples.iter().map(|sample| &sample.found.story).find(|it| !it.is_empty());
        let story = story.cloned();
        if let Some(same) = told.samples.into_iter().find(|sample| self.is_shown_by(sample)) {
            self.call = same.call;
            self.found.expected = same.found.expected;
            self.found.story = story.unwrap_or_default();
        }
    }

    /// Says where it stands: the file below the root, the line, and where the rule is.
    pub(super) fn locate(&mut self, root: &Path) {
        let found = &mut self.found;
        if let (Some(file), Some(call)) = (&found.file, self.call)
            && let Ok(stored) = corpus::read(&root.join(file))
            && let Form::Text(text) = &stored.form
        {
            // Behind the last call, when the driver is gone, it is the last call that is shown.
            let entry = text.entries.get(call).or(text.entries.last());
            found.line = entry.map(|entry| entry.line);
        }
        if let Some(file) = &mut found.file
            && let Ok(below) = Path::new(file).strip_prefix(root)
        {
            *file = below.display().to_string();
        }
        found.source = source_of(root, &found.rule);
        if found.story.is_empty() {
            found.story = self.text.clone().unwrap_or_else(|| found.headline() + "\n");
        }
    }

    /// Runs it again.
    pub(super) fn again(&self, program: &Path, plan: &Plan, left: Duration) -> Again {
        let words: Vec<&str> = match (self.shown, &self.found.file, &self.text) {
            (Shown::Never, _, _) => return Again::Cannot("nothing shows it again".to_owned()),
            (Shown::Audit, Some(file), _) => vec!["audit", file],
            (Shown::File, Some(file), _) => vec!["run", file],
            (Shown::File, None, Some(_)) => vec!["run", "-"],
            (_, None, _) => return Again::Cannot("there is no file of it".to_owned()),
        };
        let driver = self.driver.as_deref().map(|sheet| ["--driver", sheet]);
        let words = words.into_iter().chain(driver.into_iter().flatten());
        let arguments: Vec<String> = words.chain(["--format", "json"]).map(str::to_owned).collect();
        let limit = left.min(LIMIT);
        let (root, stop) = (&plan.root, &plan.stop);
        let child = Child { program, root, arguments: &arguments, limit, stop, is_heard: false };
        let said = child.run(self.text.as_deref().unwrap_or_default().as_bytes());
        let told = read(&said.out);
        let could = [Exit::Held, Exit::InvariantBroken, Exit::NotLookedInto];
        match &said.ended {
            Ended::Code(code) if could.iter().any(|exit| i32::from(exit.code()) == *code) => {
                if told.is_whole && told.beside != Exit::BadUsage {
                    return Again::Told(told);
                }
                Again::Cannot("what it told cannot be read".to_owned())
            }
            Ended::Code(code) => {
                let why =
                    if told.reasons.is_empty() { said.last_words() } else { told.why_beside() };
                Again::Cannot(format!("{} ended with {code}: {why}", arguments[0]))
            }
            Ended::Signal(signal) => Again::Cannot(format!("it was ended by signal {signal}")),
            Ended::Late => Again::Cannot("it did not end in time".to_owned()),
            Ended::Stopped => Again::Cannot("somebody said stop".to_owned()),
            Ended::NotStarted(why) => Again::Cannot(why.clone()),
        }
    }

    /// Says whose it is, by runs on the program of the change and on that of the base.
    pub(super) fn judge(&self, plan: &Plan, base: &Path, left: Duration) -> Judgement {
        let says = |verdict, because: String| Judgement { verdict, because };
        if self.shown == Shown::Never {
            let why = "only its step can show it, so it cannot be compared with the base";
            return says(Whose::Unknown, why.to_owned());
        }
        let changed = |file: &String| plan.change.files.contains(file);
        if self.found.rule == EXPECTED_ANSWER && self.found.file.as_ref().is_some_and(changed) {
            return says(
                Whose::New,
                "the change touches the file, and so what it expects".to_owned(),
            );
        }
        let deadline = Instant::now() + left;
        let head = match self.vote(&plan.program, plan, deadline) {
            Ok(head) => head,
            Err(why) => return says(Whose::Unknown, format!("it cannot be run again: {why}")),
        };
        if head.count < VOTES {
            return says(Whose::Flaky, format!("shown by {} of {VOTES} runs again", head.count));
        }
        match self.vote(base, plan, deadline) {
            Err(why) => says(Whose::Unknown, format!("the base cannot run it: {why}")),
            Ok(vote) if vote.count == VOTES => {
                says(Whose::InBase, format!("the base shows it in {VOTES} of {VOTES} runs"))
            }
            Ok(Vote { count: 0, has_relative: true }) => says(
                Whose::New,
                format!("the base breaks {} there too, but in another way", self.found.rule),
            ),
            Ok(Vote { count: 0, .. }) => {
                says(Whose::New, format!("the base shows it in none of {VOTES} runs"))
            }
            Ok(vote) => {
                says(Whose::Flaky, format!("the base shows it in {} of {VOTES} runs", vote.count))
            }
        }
    }

    fn vote(&self, program: &Path, plan: &Plan, deadline: Instant) -> Result<Vote, String> {
        let mut vote = Vote { count: 0, has_relative: false };
        for _ in 0..VOTES {
            let left = deadline.saturating_duration_since(Instant::now());
            if left < SHORTEST {
                return Err("there was no time left".to_owned());
            }
            match self.again(program, plan, left) {
                Again::Cannot(why) => return Err(why),
                Again::Told(told) => {
                    let is_shown = told.samples.iter().any(|sample| self.is_shown_by(sample));
                    vote.count += usize::from(is_shown);
                    let is_relative = |it: &Sample| it.found.rule == self.found.rule;
                    vote.has_relative |= !is_shown && told.samples.iter().any(is_relative);
                }
            }
        }
        Ok(vote)
    }
}

/// Of many findings, those that the base shows as well, told from one run of it over all their files. A bug that every
/// stored file shows is compared in seconds so, and only what is left is voted on.
pub(super) fn shown_by_all(
    samples: &[Sample],
    plan: &Plan,
    base: &Path,
    left: Duration,
) -> Vec<bool> {
    let mut is_shown = vec![false; samples.len()];
    if samples.len() < MANY {
        return is_shown;
    }
    let drivers: BTreeSet<&Option<String>> = samples.iter().map(|it| &it.driver).collect();
    for driver in drivers {
        let its = |sample: &&Sample| sample.driver == *driver && sample.shown == Shown::File;
        let files: BTreeSet<&String> =
            samples.iter().filter(its).filter_map(|sample| sample.found.file.as_ref()).collect();
        let driver_words = driver.as_deref().map(|sheet| ["--driver", sheet]);
        let words = ["run"].into_iter().chain(driver_words.into_iter().flatten());
        let words = words.chain(files.iter().map(|file| file.as_str()));
        let arguments: Vec<String> = words.chain(["--format", "json"]).map(str::to_owned).collect();
        let (root, stop, is_heard) = (&plan.root, &plan.stop, false);
        let child =
            Child { program: base, root, arguments: &arguments, limit: left, stop, is_heard };
        // What cannot be read of it is voted on.
        let told = read(&child.run(b"").out);
        for (sample, is_shown) in samples.iter().zip(&mut is_shown) {
            let is_it =
                |told: &Sample| told.found.file == sample.found.file && sample.is_shown_by(told);
            *is_shown |= its(&sample) && told.samples.iter().any(is_it);
        }
    }
    is_shown
}

/// From so many findings on they are compared together first.
const MANY: usize = 8;

/// What the runs on one side showed.
struct Vote {
    /// How many showed the finding.
    count: usize,
    /// Whether one showed another finding of the same rule.
    has_relative: bool,
}

/// What happened, without the address that differs from build to build.
fn place(found: &Found) -> &str {
    found.happened.split(", at byte ").next().unwrap_or_default()
}

/// The line that says what the rule is, if it is an invariant of this workspace.
fn source_of(root: &Path, rule: &str) -> Option<SourceLine> {
    let file = format!("src/workbench/invariant/{}.rs", rule.replace('-', "_"));
    let text = std::fs::read_to_string(root.join(&file)).ok()?;
    let line = text.lines().position(|line| line.trim_start().starts_with("holds_when:"))?;
    Some(SourceLine { file, line: line + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariant;

    #[test]
    fn the_source_of_every_invariant_is_found_and_says_what_must_hold() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for invariant in invariant::ALL {
            let source = source_of(&root, invariant.name).unwrap();
            let text = std::fs::read_to_string(root.join(&source.file)).unwrap();
            let line = text.lines().nth(source.line - 1).unwrap();
            assert!(line.contains(&invariant.holds_when[..10]), "{}: {line}", source.file);
        }
    }

    #[test]
    fn an_address_is_no_part_of_what_is_left_in_memory() {
        let remnant = |at: u32| {
            let mut found = Found::of_rule("memory-remnant");
            found.happened = format!("bytes 0 to 15 of k0 are left in [heap], at byte {at}");
            Sample::of(Shown::Audit, None, None, found)
        };
        assert!(remnant(1).is_same(&remnant(2)));
    }
}
