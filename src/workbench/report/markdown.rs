//! Results as a page for the summary of a job: a table of verdicts, then every story.

use core::fmt::Write as _;
use std::collections::BTreeMap;

use super::results::{Found, Results, Whose};

/// The page.
#[must_use]
pub fn markdown(results: &Results) -> String {
    let mut text = String::new();
    page(&mut text, results).expect("a string takes any text");
    text
}

fn page(text: &mut String, results: &Results) -> core::fmt::Result {
    writeln!(text, "## {}\n", cell(&results.says))?;
    if !results.findings.is_empty() {
        writeln!(text, "| verdict | broken | what happened | fingerprint | shown by |")?;
        writeln!(text, "|---|---|---|---|---|")?;
        let (told, further) = few_of_each(&results.findings);
        for found in told {
            let place = match (&found.file, found.line) {
                (Some(file), Some(line)) => format!("`{}:{line}`", cell(file)),
                (Some(file), None) => format!("`{}`", cell(file)),
                (None, _) => format!("the step {}", cell(&found.step)),
            };
            writeln!(
                text,
                "| **{}**: {} | {} | {} | {} | {place} |",
                found.judgement.verdict.name(),
                cell(&found.judgement.because),
                cell(&found.rule),
                cell(&found.happened),
                found.fingerprint.as_deref().unwrap_or("-"),
            )?;
        }
        for ((rule, verdict), count) in further {
            let (verdict, rule) = (verdict.name(), cell(rule));
            writeln!(text, "| **{verdict}** | {rule} | {count} further findings | - | - |")?;
        }
        writeln!(text)?;
    }
    writeln!(text, "| step | ended | time | |")?;
    writeln!(text, "|---|---|---|---|")?;
    for step in &results.steps {
        let mut remarks: Vec<&str> = step.end.why().into_iter().collect();
        remarks.extend(step.end.why_no_lack());
        remarks.extend(step.notes.iter().map(String::as_str));
        writeln!(
            text,
            "| {} | {} | {:.0} s | {} |",
            cell(&step.step),
            step.end.name(),
            step.seconds,
            cell(&remarks.join("; ")),
        )?;
    }
    few_of_each(&results.findings).0.into_iter().try_for_each(|found| story(text, found))
}

/// The first findings of each rule and verdict, and how many more there are of it: a page has room for a
/// megabyte, and a bug may show in every stored file.
fn few_of_each(findings: &[Found]) -> (Vec<&Found>, BTreeMap<(&str, Whose), usize>) {
    const TOLD_MAX: usize = 5;
    let mut counts: BTreeMap<(&str, Whose), usize> = BTreeMap::new();
    let mut told = Vec::new();
    for found in findings {
        let count = counts.entry((&found.rule, found.judgement.verdict)).or_default();
        *count += 1;
        if *count <= TOLD_MAX {
            told.push(found);
        }
    }
    let further = counts.into_iter().filter(|(_, count)| *count > TOLD_MAX);
    (told, further.map(|(of, count)| (of, count - TOLD_MAX)).collect())
}

fn story(text: &mut String, found: &Found) -> core::fmt::Result {
    let story = plain(&found.story);
    if story.trim().is_empty() {
        return Ok(());
    }
    let fence = fence(&story);
    let verdict = found.judgement.verdict.name();
    writeln!(
        text,
        "\n### {verdict}: {}\n\n{fence}text\n{}\n{fence}",
        cell(&found.headline()),
        story.trim_end()
    )
}

/// A line of backticks that is longer than any in the text, so that none in it ends the block.
fn fence(text: &str) -> String {
    let (mut longest, mut run) = (0, 0);
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    "`".repeat(3.max(longest + 1))
}

/// Text in a cell or a heading: in one line, and nothing in it means anything to Markdown or HTML.
fn cell(text: &str) -> String {
    let mut escaped = String::new();
    for c in plain(text).chars() {
        match c {
            '\n' => escaped.push(' '),
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            '|' | '\\' | '`' | '*' | '[' | ']' => escaped.extend(['\\', c]),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// Without colours and other control characters.
fn plain(text: &str) -> String {
    let text = anstream::adapter::strip_str(text).to_string();
    text.chars().filter(|&c| c == '\n' || !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::super::results::testing::{found, results};
    use super::super::results::{Results, Whose};
    use super::*;

    #[test]
    fn the_summary_has_the_verdicts_the_steps_and_every_story() {
        let mut results = results();
        results.findings.truncate(1);
        expect![[r###"
            ## the gate is shut: 1 finding is new

            | verdict | broken | what happened | fingerprint | shown by |
            |---|---|---|---|---|
            | **new**: base holds in 3 of 3 runs | double-finish | answered S_OK, 100% &lt;wrong> &amp; "twice" | 5f0c-91ab | `corpus/crashes/double-finish/a,b.seq:7` |

            | step | ended | time | |
            |---|---|---|---|
            | replay | found | 1 s |  |
            | audit | held | 1 s |  |
            | canary | failed | 1 s | it was ended by signal 9 \| at once |
            | fuzz | not run | 1 s | the budget of 1m is used up |
            | drill | failed in base, too | 1 s | it ended with 4; the base, too |

            ### new: double-finish: answered S_OK, 100% &lt;wrong> &amp; "twice"

            ````text
            violation: double-finish
              call 3  finish-refresh s0
            ```
            ````
        "###]].assert_eq(&markdown(&results));
    }

    #[test]
    fn a_story_cannot_end_its_block() {
        assert_eq!(fence("a ``` b"), "````");
        assert_eq!(fence("a"), "```");
        let findings = vec![found(Whose::New)];
        let text = markdown(&Results { findings, ..Results::default() });
        assert_eq!(text.matches("````").count(), 2, "{text}");
    }
}
