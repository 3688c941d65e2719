//! Findings as GitHub shows them beside the lines of a change.

use core::fmt::Write as _;

use super::results::{Found, Results};

/// The most annotations of one kind that GitHub shows of a step; what is beyond is in no way lost,
/// since the story of each stands in the log.
const SHOWN_MAX: usize = 10;

/// A workflow command for each finding and each step that failed, a line each.
#[must_use]
pub fn annotations(results: &Results) -> String {
    let mut text = String::new();
    // What blocks comes first, as GitHub shows no more than so many.
    let mut findings: Vec<&Found> = results.findings.iter().collect();
    findings.sort_by_key(|found| found.judgement.verdict);
    for found in &findings {
        command(&mut text, found).expect("a string takes any text");
    }
    for step in &results.steps {
        if let Some(why) = step.end.why() {
            let title = property(&format!("the step {} is no pass", step.step));
            let message = data(&format!("{why}\nrun it alone: {}", step.command));
            writeln!(text, "::error title={title}::{message}").expect("a string takes any text");
        }
    }
    let more = findings.len().saturating_sub(SHOWN_MAX);
    if more > 0 {
        let message = format!("{more} findings more are told in the log and in the summary");
        writeln!(text, "::notice::{}", data(&message)).expect("a string takes any text");
    }
    text
}

fn command(text: &mut String, found: &Found) -> core::fmt::Result {
    let verdict = found.judgement.verdict;
    let level = if verdict.blocks() { "error" } else { "warning" };
    write!(text, "::{level} ")?;
    if let Some(file) = &found.file {
        write!(text, "file={},", property(file))?;
        if let Some(line) = found.line {
            write!(text, "line={line},")?;
        }
    }
    write!(text, "title={}::", property(&format!("{} ({})", found.rule, verdict.name())))?;
    let mut message = format!("{}\nexpected: {}", found.happened, found.expected);
    if let Some(fingerprint) = &found.fingerprint {
        write!(message, "\nfingerprint {fingerprint}")?;
    }
    if let Some(replay) = &found.replay {
        write!(message, "\nreproduce: {replay}")?;
    }
    writeln!(text, "{}", data(&message))
}

/// The message of a workflow command: what would end it is escaped.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property, in which more is escaped.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::super::results::testing::results;
    use super::*;

    #[test]
    fn each_finding_stands_at_its_line_and_what_blocks_is_an_error() {
        expect![[r#"
            ::error file=corpus/crashes/double-finish/a%2Cb.seq,line=7,title=double-finish (new)::answered S_OK, 100%25 <wrong> & "twice"%0Aexpected: D3DDDIERR_INVALIDCALL, because there is nothing to apply%0Afingerprint 5f0c-91ab%0Areproduce: cargo run --release -- run corpus/crashes/double-finish/a,b.seq
            ::error file=corpus/crashes/double-finish/a%2Cb.seq,line=7,title=double-finish (unknown)::answered S_OK, 100%25 <wrong> & "twice"%0Aexpected: D3DDDIERR_INVALIDCALL, because there is nothing to apply%0Afingerprint 5f0c-91ab%0Areproduce: cargo run --release -- run corpus/crashes/double-finish/a,b.seq
            ::error title=told-nothing (unknown)::ended with 3%0Aexpected: a finding
            ::warning file=corpus/crashes/double-finish/a%2Cb.seq,line=7,title=double-finish (flaky)::answered S_OK, 100%25 <wrong> & "twice"%0Aexpected: D3DDDIERR_INVALIDCALL, because there is nothing to apply%0Afingerprint 5f0c-91ab%0Areproduce: cargo run --release -- run corpus/crashes/double-finish/a,b.seq
            ::warning file=corpus/crashes/double-finish/a%2Cb.seq,line=7,title=double-finish (in base)::answered S_OK, 100%25 <wrong> & "twice"%0Aexpected: D3DDDIERR_INVALIDCALL, because there is nothing to apply%0Afingerprint 5f0c-91ab%0Areproduce: cargo run --release -- run corpus/crashes/double-finish/a,b.seq
            ::error title=the step canary is no pass::it was ended by signal 9 | at once%0Arun it alone: rekeylab canary
            ::error title=the step fuzz is no pass::the budget of 1m is used up%0Arun it alone: rekeylab fuzz
        "#]].assert_eq(&annotations(&results()));
    }

    #[test]
    fn nothing_in_a_text_ends_a_command_or_begins_another() {
        assert_eq!(data("a%\r\n::error::b"), "a%25%0D%0A::error::b");
        assert_eq!(property("a:b,c\n"), "a%3Ab%2Cc%0A");
    }
}
