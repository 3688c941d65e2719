//! Results as JUnit XML, which most CI shows: a suite a step, a case a finding or the step itself.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::results::{Found, Results, StepEnd, StepResult};

/// The document; what XML cannot hold, control characters and colours, is left out of it.
///
/// # Errors
///
/// When it cannot be serialised.
pub fn junit(results: &Results) -> Result<String, SerializeError> {
    let mut report = Report::new("rekeylab gate");
    for step in &results.steps {
        let mut suite = TestSuite::new(step.step.as_str());
        suite.set_time(seconds(step));
        suite.add_test_case(the_step_itself(step));
        suite.add_test_cases(results.of_step(&step.step).map(|found| case(found, step)));
        report.add_test_suite(suite);
    }
    report.to_string().map(|text| without_skipped_in_all(&text))
}

/// The schema that Jenkins reads knows how many cases of a suite were skipped, and of all suites not.
fn without_skipped_in_all(text: &str) -> String {
    let root = text.find("<testsuites").unwrap_or_default();
    let end = text[root..].find('>').map_or(text.len(), |len| root + len);
    let (head, rest) = text.split_at(end);
    let Some((before, behind)) = head.split_once(" skipped=\"") else { return text.to_owned() };
    let behind = behind.split_once('"').map_or("", |(_, behind)| behind);
    format!("{before}{behind}{rest}")
}

/// Whether the step could do what it had to; what it found are cases of their own.
fn the_step_itself(step: &StepResult) -> TestCase {
    let mut status = match &step.end {
        StepEnd::Held | StepEnd::Found => TestCaseStatus::success(),
        StepEnd::Failed(_) | StepEnd::NotRun(_) => {
            TestCaseStatus::non_success(NonSuccessKind::Error)
        }
        StepEnd::LeftOut(why) | StepEnd::InBase(why) => {
            let mut skipped = TestCaseStatus::skipped();
            skipped.set_message(why.as_str());
            skipped
        }
    };
    if let Some(why) = step.end.why() {
        status.set_message(why);
        status.set_type(step.end.name());
        status.set_description(format!("{why}\nrun it alone: {}", step.command));
    }
    let mut case = TestCase::new(step.says.as_str(), status);
    case.set_classname(step.step.as_str()).set_time(seconds(step));
    if !step.notes.is_empty() {
        case.set_system_out(step.notes.join("\n"));
    }
    case
}

/// A finding: a failure if it blocks, otherwise skipped, with the verdict as the message.
fn case(found: &Found, step: &StepResult) -> TestCase {
    let verdict = found.judgement.verdict;
    let message = format!("{} ({}): {}", found.headline(), verdict.name(), found.judgement.because);
    let mut status = if verdict.blocks() {
        TestCaseStatus::non_success(NonSuccessKind::Failure)
    } else {
        TestCaseStatus::skipped()
    };
    status.set_message(message);
    status.set_type(found.rule.as_str());
    status.set_description(found.story.as_str());
    let name = match (&found.file, &found.fingerprint) {
        (Some(file), _) => format!("{} in {file}", found.rule),
        (None, Some(fingerprint)) => format!("{} {fingerprint}", found.rule),
        (None, None) => found.headline(),
    };
    let mut case = TestCase::new(name, status);
    case.set_classname(step.step.as_str()).set_time(Duration::ZERO);
    case
}

fn seconds(step: &StepResult) -> Duration {
    Duration::try_from_secs_f64(step.seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::results::testing::results;
    use super::*;

    #[test]
    fn a_finding_that_blocks_is_a_failure_and_a_step_that_failed_an_error() {
        let text = junit(&results()).unwrap();
        assert!(text.contains("failures=\"3\" errors=\"2\""), "{text}");
        assert_eq!(text.matches("<skipped").count(), 3, "{text}");
        assert!(text.contains("finish-refresh s0"), "the story is there: {text}");
    }

    /// The schema is fetched by `ci/check.sh`; `xmllint` comes from the Debian package libxml2-utils.
    #[test]
    fn the_document_is_valid_by_the_schema_that_jenkins_reads() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), Into::into);
        let schema = root.join(target).join("tools/junit-10.xsd");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), junit(&results()).unwrap()).unwrap();
        let mut command = std::process::Command::new("xmllint");
        command.args(["--nonet", "--noout", "--schema"]).arg(&schema).arg(file.path());
        let (true, Ok(output)) = (schema.is_file(), command.output()) else {
            assert!(std::env::var_os("CI").is_none(), "CI needs xmllint and {}", schema.display());
            // Not `println!`, which a passing test keeps to itself.
            let text = "skipped: there is no xmllint, or no schema of JUnit\n";
            std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes()).unwrap();
            return;
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    #[test]
    fn what_xml_cannot_hold_is_left_out() {
        let text = junit(&results()).unwrap();
        let is_allowed = |c: char| !c.is_control() || "\n\t\r".contains(c);
        assert!(text.chars().all(is_allowed), "{text:?}");
        assert!(text.contains("&lt;wrong&gt; &amp; &quot;twice&quot;"), "{text}");
    }
}
