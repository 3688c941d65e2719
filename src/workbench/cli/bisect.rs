//! `rekeylab bisect`: which commit brought a bug, or mended it.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::bisect::{Answer, Asked, BisectError, Commands, Outcome, Repository, Revision, search};
use crate::campaign::workspace_root;
use crate::corpus::write_over;
use crate::store::retry::FLAKY_VOTES;

use super::Format;
use super::console::Console;
use super::exit::Exit;
use super::failure::Failure;
use super::named_bug::named_bug;
use super::noted::CORE_WITH;

/// Finds the commit that brought a bug, or mended it
///
/// Asks some of the revisions between two: each is checked out in a work tree of its own below
/// target/bisect, built, and made to run the reproducer. One that does not build is skipped. It has the
/// bug if the invariant is broken; the first has to differ from the last. Of merges, the first
/// parents count.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rekeylab bisect 5f0c v0.1.0..HEAD
  rekeylab bisect finding.seq HEAD~30..HEAD --votes 20
  rekeylab bisect finding.seq a1b2..c3d4 --build 'make' --run './my-driver \"$REPRODUCER\"'

In the work tree of each revision, --build and --run are lines for a shell. $REPRODUCER is the sequence,
$CARGO_TARGET_DIR a folder that all share. --run ends with 0 if all held, 3 if something is broken; with
anything else the revision is skipped.")]
pub(super) struct Options {
    /// The fingerprint of a finding, or its first digits, or a file
    #[arg(value_name = "FINDING")]
    what: String,
    /// Two revisions, of which one has the bug and the other does not
    #[arg(value_name = "GOOD..BAD")]
    range: String,
    /// How a revision is built [default: cargo build --release]
    #[arg(long, value_name = "COMMAND")]
    build: Option<String>,
    /// How it runs the reproducer [default: rekeylab run, as it was built]
    #[arg(long, value_name = "COMMAND")]
    run: Option<String>,
    /// How often a revision runs it before it counts as without the bug [default: 1, or 20 if it is flaky]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    votes: Option<u32>,
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
    invariant: String,
    /// Whether it was brought; otherwise it was mended.
    brought: bool,
    /// The commits of which one did it: one, unless some could not say.
    suspects: Vec<ToldRevision>,
    asked: Vec<ToldRevision>,
}

#[derive(Debug, Serialize)]
struct ToldRevision {
    commit: String,
    subject: String,
    /// `shows`, `holds` or `skipped`; nothing if it was not asked.
    answer: Option<&'static str>,
    why: Option<String>,
}

pub(super) fn run(options: &Options, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let Some((good, bad)) = options.range.split_once("..").filter(|(good, _)| !good.is_empty())
    else {
        return Err(Failure::usage(format!("{:?} is no GOOD..BAD", options.range))
            .way_out("two revisions with two dots between, such as HEAD~30..HEAD"));
    };
    let bad = if bad.is_empty() { "HEAD" } else { bad };
    let (driver, findings) = (options.driver.as_deref(), options.findings.as_deref());
    let bug = named_bug(&options.what, driver, findings)?;
    let commands = commands(options, bug.driver.strip_prefix(CORE_WITH));
    let root = workspace_root().unwrap_or_else(|| PathBuf::from("."));
    let repository = Repository::new(&root, &root.join("target/bisect"))?;
    let revisions = repository.revisions(good, bad)?;
    let reproducer = repository.folder().join("reproducer.seq");
    write_over(&reproducer, bug.text.to_string().as_bytes())?;
    let asked = Asked {
        commands: &commands,
        reproducer: &reproducer,
        invariant: &bug.invariant,
        votes: options.votes.unwrap_or(if bug.is_flaky { FLAKY_VOTES } else { 1 }),
    };
    let outcome = search_in(&repository, &revisions, &asked, console)?;
    tell(&outcome, &revisions, &bug.invariant, console)?;
    Ok(Exit::Held)
}

/// What is run in each work tree.
fn commands(options: &Options, fault: Option<&str>) -> Commands {
    let (features, fault) = match fault {
        None => ("", String::new()),
        Some(fault) => (" --features faults", format!(" --fault {fault}")),
    };
    let build = || format!("cargo build --release{features}");
    let run = || {
        let program = "\"$CARGO_TARGET_DIR/release/rekeylab\"";
        format!("{program} run \"$REPRODUCER\" --format json{fault}")
    };
    Commands {
        build: options.build.clone().unwrap_or_else(build),
        run: options.run.clone().unwrap_or_else(run),
    }
}

/// Asks revisions until it is known which did it, and tells each answer.
fn search_in(
    repository: &Repository,
    revisions: &[Revision],
    asked: &Asked<'_>,
    console: &mut Console<'_>,
) -> Result<Outcome, Failure> {
    console.note(&format!("{} revisions in {}", revisions.len(), place(repository.folder())));
    let mut trouble = None;
    let outcome = search(revisions.len(), |index| {
        if trouble.is_some() {
            return Answer::Skipped("git does not go on".to_owned());
        }
        match repository.ask(&revisions[index], asked) {
            Ok(answer) => {
                console.note(&format!("  {}: {}", short(&revisions[index]), said(&answer)));
                answer
            }
            Err(error) => {
                let answer = Answer::Skipped(error.to_string());
                trouble = Some(error);
                answer
            }
        }
    });
    if let Some(error) = trouble {
        return Err(error.into());
    }
    outcome.map_err(|why| {
        Failure::usage(why).way_out("two revisions of which one has the bug and the other does not")
    })
}

fn place(folder: &Path) -> String {
    super::fuzz::relative(folder).display().to_string()
}

fn said(answer: &Answer) -> String {
    match answer {
        Answer::Shows => "has the bug".to_owned(),
        Answer::Holds => "does not have it".to_owned(),
        Answer::Skipped(why) => format!("skipped, {why}"),
    }
}

fn short(revision: &Revision) -> String {
    format!("{} {}", &revision.commit[..revision.commit.len().min(12)], revision.subject)
}

fn tell(
    outcome: &Outcome,
    revisions: &[Revision],
    invariant: &str,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    if console.format == Format::Json {
        let told = |&index: &usize| {
            let (answer, why) = match outcome.answers.get(&index) {
                None => (None, None),
                Some(Answer::Shows) => (Some("shows"), None),
                Some(Answer::Holds) => (Some("holds"), None),
                Some(Answer::Skipped(why)) => (Some("skipped"), Some(why.clone())),
            };
            let Revision { commit, subject } = revisions[index].clone();
            ToldRevision { commit, subject, answer, why }
        };
        return console.say_json(
            1,
            &Told {
                invariant: invariant.to_owned(),
                brought: outcome.is_brought,
                suspects: outcome.suspects.iter().map(told).collect(),
                asked: outcome.answers.keys().map(told).collect(),
            },
        );
    }
    let what = if outcome.is_brought { "brought" } else { "mended" };
    let mut text = match &outcome.suspects[..] {
        [one] => format!("{what} by {}\n", short(&revisions[*one])),
        several => {
            let lines = several.iter().map(|&index| format!("  {}\n", short(&revisions[index])));
            format!("{what} by one of\n{}", lines.collect::<String>())
        }
    };
    for (&index, answer) in &outcome.answers {
        if matches!(answer, Answer::Skipped(_)) {
            text.push_str(&format!("  {}: {}\n", short(&revisions[index]), said(answer)));
        }
    }
    console.say(&text)
}

impl From<BisectError> for Failure {
    fn from(error: BisectError) -> Self {
        match &error {
            BisectError::NotInALine { .. } => Self::usage(error.to_string())
                .way_out("two revisions of which the second comes after the first"),
            BisectError::Git { .. } => Self::usage(error.to_string()),
            BisectError::System { .. } => Self::workbench(error.to_string()),
        }
    }
}
