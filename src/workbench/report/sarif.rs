//! Results as SARIF 2.1.0, the form in which code scanning takes findings.

use std::collections::BTreeMap;

use serde_json::json;
use serde_sarif::sarif::{
    ArtifactLocation, Invocation, Location, Message, MultiformatMessageString, Notification,
    PhysicalLocation, Region, ReportingDescriptor, Result as SarifResult, ResultLevel, Run, Sarif,
    Tool, ToolComponent,
};

use super::results::{Found, OTHER_RULES, Results, Whose};
use crate::invariant;

/// The name under which the place of the workspace stands for itself: every URI is relative to it.
const ROOT: &str = "%SRCROOT%";

/// The name of our fingerprints; code scanning compares those of one name.
const FINGERPRINT: &str = "rekeylab/v1";

/// The document.
///
/// # Errors
///
/// When it cannot be serialised.
pub fn sarif(results: &Results) -> Result<String, serde_json::Error> {
    let rules: Vec<(&str, &str)> = invariant::ALL
        .iter()
        .map(|invariant| (invariant.name, invariant.holds_when))
        .chain(OTHER_RULES)
        .collect();
    let driver = ToolComponent::builder()
        .name("rekeylab")
        .version(env!("CARGO_PKG_VERSION"))
        .rules(rules.iter().map(|&(name, holds)| rule(name, holds)).collect::<Vec<_>>())
        .build();
    let invocation = Invocation::builder()
        .execution_successful(results.steps.iter().all(|step| step.end.why().is_none()))
        .tool_execution_notifications(notifications(results))
        .build();
    let found: Vec<SarifResult> =
        results.findings.iter().map(|found| result(found, &rules)).collect();
    let run = Run::builder()
        .tool(Tool::builder().driver(driver).build())
        .invocations(vec![invocation])
        .original_uri_base_ids(BTreeMap::from([(
            ROOT.to_owned(),
            ArtifactLocation::builder()
                .description(Message::builder().text("the root of the workspace").build())
                .build(),
        )]))
        .results(found)
        .build();
    let document = Sarif::builder()
        .version(json!("2.1.0"))
        .schema("https://json.schemastore.org/sarif-2.1.0.json")
        .runs(vec![run])
        .build();
    serde_json::to_string_pretty(&document).map(|text| text + "\n")
}

fn rule(name: &str, holds_when: &str) -> ReportingDescriptor {
    let text = |text: String| MultiformatMessageString::builder().text(text).build();
    ReportingDescriptor::builder()
        .id(name)
        .short_description(text(name.to_owned()))
        .full_description(text(format!("It holds when {holds_when}.")))
        .help(text(format!(
            "It holds when {holds_when}. `rekeylab list invariants` and `rekeylab list rules` say more."
        )))
        .build()
}

/// A step that is no pass, so that silence about it is not taken for one.
fn notifications(results: &Results) -> Vec<Notification> {
    let note = |step: &super::results::StepResult| {
        let why = step.end.why()?;
        let text = format!("the step {} is no pass: {why}", step.step);
        let message = Message::builder().text(text).build();
        Some(Notification::builder().level(json!("error")).message(message).build())
    };
    results.steps.iter().filter_map(note).collect()
}

fn result(found: &Found, rules: &[(&str, &str)]) -> SarifResult {
    let verdict = found.judgement.verdict;
    let level = match verdict {
        Whose::New | Whose::Unknown => ResultLevel::Error,
        Whose::Flaky => ResultLevel::Warning,
        Whose::InBase => ResultLevel::Note,
    };
    let place = found.file.as_deref().map(|file| place(file, found.line));
    // Code scanning shows only what has a place; the sentence that is broken is one.
    let source = found.source.as_ref().map(|source| place_of_rule(&source.file, source.line));
    let locations: Vec<Location> = place.or_else(|| source.clone()).into_iter().collect();
    let text = format!(
        "{} ({}: {})\nexpected: {}{}",
        found.happened,
        verdict.name(),
        found.judgement.because,
        found.expected,
        found.replay.as_ref().map(|replay| format!("\nreproduce: {replay}")).unwrap_or_default(),
    );
    let mut result = SarifResult::builder()
        .rule_id(found.rule.as_str())
        .level(level)
        .message(Message::builder().text(text).build())
        .locations(locations)
        .related_locations(source.into_iter().collect::<Vec<_>>())
        .build();
    let index = rules.iter().position(|(name, _)| *name == found.rule);
    result.rule_index = index.and_then(|index| i64::try_from(index).ok());
    result.partial_fingerprints = found
        .fingerprint
        .clone()
        .map(|fingerprint| BTreeMap::from([(FINGERPRINT.to_owned(), fingerprint)]));
    // With nothing to compare with, nothing is said of a base.
    result.baseline_state = match verdict {
        Whose::New => Some(json!("new")),
        Whose::InBase => Some(json!("unchanged")),
        Whose::Flaky | Whose::Unknown => None,
    };
    result
}

fn place(file: &str, line: Option<usize>) -> Location {
    let mut physical = PhysicalLocation::builder().artifact_location(artifact(file)).build();
    let line = line.and_then(|line| i64::try_from(line).ok());
    physical.region = line.map(|line| Region::builder().start_line(line).build());
    Location::builder().physical_location(physical).build()
}

fn place_of_rule(file: &str, line: usize) -> Location {
    let mut location = place(file, Some(line));
    location.message = Some(Message::builder().text("what must hold").build());
    location
}

/// A file below the root by its relative URI, any other by a whole one.
fn artifact(file: &str) -> ArtifactLocation {
    let uri: String = file.replace('\\', "/").bytes().map(uri_byte).collect();
    match file.starts_with('/') {
        true => ArtifactLocation::builder().uri(format!("file://{uri}")).build(),
        false => ArtifactLocation::builder().uri(uri).uri_base_id(ROOT).build(),
    }
}

fn uri_byte(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::results::testing::results;
    use super::*;

    fn written() -> Value {
        serde_json::from_str(&sarif(&results()).unwrap()).unwrap()
    }

    #[test]
    fn every_finding_is_a_result_with_its_rule_fingerprint_and_places() {
        let document = written();
        let run = &document["runs"][0];
        let results = run["results"].as_array().unwrap();
        assert_eq!(results.len(), 5);
        let first = &results[0];
        assert_eq!(first["ruleId"], "double-finish");
        let index = usize::try_from(first["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(run["tool"]["driver"]["rules"][index]["id"], "double-finish");
        assert_eq!(first["partialFingerprints"][FINGERPRINT], "5f0c-91ab");
        let place = &first["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "corpus/crashes/double-finish/a%2Cb.seq");
        assert_eq!(place["region"]["startLine"], 7);
        let related = &first["relatedLocations"][0]["physicalLocation"];
        assert_eq!(related["artifactLocation"]["uri"], "src/workbench/invariant/double_finish.rs");
        let levels: Vec<&str> =
            results.iter().map(|result| result["level"].as_str().unwrap()).collect();
        assert_eq!(levels, ["error", "error", "warning", "note", "error"]);
    }

    /// The schema comes with the package whose types are made of it, so it is nowhere copied.
    #[test]
    fn the_document_is_valid_by_the_schema_of_sarif() {
        let version = std::process::Command::new("rustc").arg("-vV").output().unwrap().stdout;
        let version = String::from_utf8(version).unwrap();
        let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = std::process::Command::new(cargo);
        // Of packages for other platforms, nothing needs to be here.
        command.args(["metadata", "--format-version", "1", "--offline", "--filter-platform", host]);
        let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        let metadata: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        let mut packages = metadata["packages"].as_array().unwrap().iter();
        let package = packages.find(|package| package["name"] == "serde-sarif").unwrap();
        let manifest = std::path::Path::new(package["manifest_path"].as_str().unwrap());
        let schema = std::fs::read(manifest.with_file_name("src").join("schema.json")).unwrap();
        let mut schema: Value = serde_json::from_slice(&schema).unwrap();
        // As it is published, this pattern has a bracket too many, and is no regular expression.
        for part in ["run", "toolComponent"] {
            let language = format!("/definitions/{part}/properties/language/pattern");
            *schema.pointer_mut(&language).unwrap() = json!("^[a-zA-Z]{2}(-[a-zA-Z]{2})?$");
        }
        let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
        compiler.enable_format_assertions();
        compiler.add_resource("sarif.json", schema).unwrap();
        let schema = compiler.compile("sarif.json", &mut schemas).unwrap();
        let mut document = written();
        schemas.validate(&document, schema).unwrap_or_else(|error| panic!("{error:#}"));
        // So that it is known to look.
        document["runs"][0]["results"][0]["level"] = json!("loud");
        assert!(schemas.validate(&document, schema).is_err());
    }

    #[test]
    fn a_run_with_a_step_that_is_no_pass_was_not_successful() {
        let invocation = &written()["runs"][0]["invocations"][0];
        assert_eq!(invocation["executionSuccessful"], false);
        assert_eq!(invocation["toolExecutionNotifications"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn every_rule_has_a_help_text() {
        let document = written();
        let rules = document["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
        assert_eq!(rules.len(), invariant::ALL.len() + OTHER_RULES.len());
        assert!(rules.iter().all(|rule| rule["help"]["text"].as_str().unwrap().len() > 20));
    }
}
