//! `rekeylab regression`: a bug that must not come back, as a test and as a reproducer for good.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::campaign::workspace_root;
use crate::corpus::{CorpusError, Written, write_new};
use crate::sequence::SequenceText;
use crate::sequence::text::Remark;

use super::Format;
use super::console::Console;
use super::exit::Exit;
use super::failure::Failure;
use super::fuzz::relative;
use super::named_bug::{NamedBug, named_bug};
use crate::store::CORE;

use super::noted::CORE_WITH;

/// Writes a test which holds as long as a bug does not come back
///
/// The test is one file for `tests/` of any package that uses the crates rekeylab and keysan, has the
/// sequence in it, and needs stable Rust alone. With --promote the reproducer is copied to
/// corpus/crashes, where every replay runs it; nothing that is there is replaced.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rekeylab regression 5f0c -o tests/double_finish.rs
  rekeylab regression 5f0c --promote
  rekeylab regression finding.seq > tests/finding.rs")]
pub(super) struct Options {
    /// The fingerprint of a finding, or its first digits, or a file
    #[arg(value_name = "FINGERPRINT|FILE")]
    what: String,
    /// Writes the test here instead of to standard output
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Copies the reproducer to corpus/crashes; without -o no test is written
    #[arg(long)]
    promote: bool,
    /// The driver of the finding, if several have a bug that looks like that
    #[arg(long, value_name = "NAME")]
    driver: Option<String>,
    /// The folder of findings [default: fuzz/findings]
    #[arg(long, value_name = "DIR")]
    findings: Option<PathBuf>,
}

/// What a machine reads of it.
#[derive(Debug, Serialize)]
struct Told {
    test_name: String,
    /// The reproducer in the corpus, if it was promoted.
    promoted: Option<String>,
    test: String,
}

pub(super) fn run(options: &Options, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let (driver, findings) = (options.driver.as_deref(), options.findings.as_deref());
    let subject = named_bug(&options.what, driver, findings)?;
    let promoted = if options.promote { Some(promote(&subject)?) } else { None };
    let test = test_of(&subject);
    if let Some(output) = &options.output {
        write_new(output, test.as_bytes())?;
    }
    if subject.driver != CORE && !subject.driver.starts_with(CORE_WITH) {
        console.warning(&format!("the test runs the core; let it return {}", subject.driver));
    }
    match console.format {
        Format::Json => {
            let promoted = promoted.map(|path| path.display().to_string());
            console.say_json(1, &Told { test_name: test_name(&subject), promoted, test })?;
        }
        Format::Human => {
            if let Some(path) = &promoted {
                console.note(&format!("{} is replayed from now on", path.display()));
            }
            if options.output.is_none() && !options.promote {
                console.say(&test)?;
            }
        }
    }
    Ok(Exit::Held)
}

/// Copies the reproducer to the corpus.
fn promote(subject: &NamedBug) -> Result<PathBuf, Failure> {
    if subject.invariant.is_empty() {
        let message = "the sequence does not say in its first line which invariant it breaks";
        return Err(
            Failure::usage(message).way_out("rekeylab minimize FILE -o OUT, which writes it")
        );
    }
    let root = workspace_root().unwrap_or_default();
    let folder = relative(&root.join("corpus/crashes")).join(&subject.invariant);
    fs::create_dir_all(&folder)
        .map_err(|source| CorpusError::Write { path: folder.clone(), source })?;
    let path = folder.join(format!("{}.seq", subject.name));
    match write_new(&path, promoted_text(subject).to_string().as_bytes())? {
        Written::New | Written::Already => Ok(path),
    }
}

/// The reproducer, with the planted fault that shows it if that is what it was found with.
fn promoted_text(subject: &NamedBug) -> SequenceText {
    let mut text = subject.text.clone();
    if let Some(fault) = subject.driver.strip_prefix(CORE_WITH)
        && text.fault().is_none()
    {
        let at = text.description().lines().count();
        let comment = Some(format!(" fault: {fault}"));
        text.remarks.insert(at, Remark { before: 0, comment });
    }
    text
}

/// The test, as it goes into a file.
fn test_of(subject: &NamedBug) -> String {
    let NamedBug { invariant, happened, .. } = subject;
    let what = if invariant.is_empty() {
        format!("`{}` must hold.", subject.name)
    } else {
        format!("A bug that must not come back, {invariant}: {happened}.")
    };
    let text = promoted_text(subject).to_string();
    // Behind a quote, as many signs as never stand there in the text.
    let hashes =
        (1..).map(|count| "#".repeat(count)).find(|hashes| !text.contains(&format!("\"{hashes}")));
    let hashes = hashes.unwrap_or_default();
    let name = test_name(subject);
    format!(
        "\
//! {what}

use keysan::heap::ScanningAllocator;
use rekeylab::Workbench;
use rekeylab::executor::AnyDut;
use rekeylab::sequence::SequenceText;
use rekeylab::watchdog::{{TIME_LIMIT, attempt, set_time_limit}};

/// Looks into memory that the driver frees; without it, a key that is left there is not seen.
#[global_allocator]
static ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

/// The driver that it must hold for.
fn driver() -> AnyDut {{
    AnyDut::default()
}}

/// The shortest sequence that showed it.
const SEQUENCE: &str = r{hashes}\"{text}\"{hashes};

#[test]
fn {name}() {{
    let sequence = SequenceText::parse(SEQUENCE).expect(\"it was written by rekeylab\").sequence();
    // A call that never returns fails the test, too.
    set_time_limit(TIME_LIMIT);
    let broken = attempt(move || {{
        let mut workbench = Workbench::on(driver());
        let verdict = workbench.run(&sequence);
        let told = verdict.violations.iter();
        told.map(|it| format!(\"{{}}: {{}}\", it.invariant, it.happened)).collect::<Vec<_>>()
    }});
    assert_eq!(broken, Ok(Vec::new()));
}}
"
    )
}

/// A name for a function: the invariant and what happens, in small letters.
fn test_name(subject: &NamedBug) -> String {
    let parts = [subject.invariant.as_str(), subject.name.as_str()];
    let words: Vec<&str> = parts
        .iter()
        .flat_map(|part| part.split(|c: char| !c.is_ascii_alphanumeric()))
        .filter(|word| !word.is_empty())
        .collect();
    let name = words.join("_").to_lowercase();
    // No name of a function begins with a digit, and some words are none.
    if subject.invariant.is_empty() { format!("it_holds_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject_of(text: &str, name: &str, invariant: &str) -> NamedBug {
        NamedBug {
            invariant: invariant.to_owned(),
            happened: "it \"happened\"".to_owned(),
            name: name.to_owned(),
            driver: "core+fault:f".to_owned(),
            text: SequenceText::parse(text).unwrap(),
            is_flaky: false,
        }
    }

    #[test]
    fn a_test_has_a_name_that_compiles_and_a_text_that_ends_nowhere_early() {
        let text = "# rekeylab sequence 1\n# double-finish: \"#\nd0 = create-device\n";
        let subject = subject_of(text, "9-ä.b", "");
        assert_eq!(test_name(&subject), "it_holds_9_b");
        let test = test_of(&subject);
        syn::parse_file(&test).unwrap();
        assert!(test.contains("r##\"# rekeylab"), "{test}");
    }

    #[test]
    fn a_reproducer_that_a_planted_fault_has_shown_says_so_below_its_description() {
        let text = "# rekeylab sequence 1\n# double-finish: a\n# expected: b\nd0 = create-device\n";
        let subject = subject_of(text, "a", "double-finish");
        let promoted = promoted_text(&subject);
        assert_eq!(promoted.fault().as_deref(), Some("f"));
        assert!(promoted.to_string().contains("# expected: b\n# fault: f\nd0"), "{promoted}");
    }
}
