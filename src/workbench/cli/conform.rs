//! `rekeylab conform`: which rules a driver meets, and what it chooses where the documents are silent.

use std::path::PathBuf;

use askama::Template;
use clap::Args;
use serde::Serialize;

use crate::Workbench;
use crate::campaign::workspace_root;
use crate::conform::{Conformance, Told, Word, conform};
use crate::corpus::{self, write_new, write_over};
use crate::observation::Choices;

use super::Format;
use super::console::{Console, table};
use super::driver::DriverOption;
use super::exit::Exit;
use super::failure::Failure;

/// Says, rule by rule, what a driver does with it
///
/// Runs the sequence that shows each rule, three times. A rule is met or broken; where the documents are
/// silent, the driver may choose otherwise than the driver core, if the choice explains all that was seen.
/// What it does not offer, and what a sequence cannot ask it, is named. The choices of its data
/// sheet do not count. Ends with 3 if a rule is broken, and with 5 if not every rule could be asked.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rekeylab conform --driver driver.toml
  rekeylab conform --driver driver.toml -o choices.toml     with profile = \"choices.toml\" in the data sheet
  rekeylab conform --driver driver.toml --all --format json
  rekeylab conform --driver driver.toml --page conform.html")]
pub(super) struct Options {
    #[command(flatten)]
    driver: DriverOption,
    /// Writes the choices that were seen, for the data sheet
    #[arg(short, long, value_name = "PROFILE")]
    output: Option<PathBuf>,
    /// Replaces PROFILE and FILE if they are there
    #[arg(long)]
    force: bool,
    /// Writes all of it as a page for a browser
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    /// Prints the rules that are met, too
    #[arg(long)]
    all: bool,
}

/// What a machine reads of it.
#[derive(Debug, Serialize)]
struct Entries<'a> {
    driver: String,
    rules: Vec<Entry<'a>>,
    otherwise: Vec<String>,
    decode: bool,
    capabilities: bool,
    read_back_keys: bool,
}

#[derive(Debug, Serialize)]
struct Entry<'a> {
    id: &'a str,
    says: &'a str,
    word: &'a str,
    why: &'a str,
    file: Option<String>,
}

pub(super) fn run(options: &Options, console: &mut Console<'_>) -> Result<Exit, Failure> {
    if options.driver.threads() > 1 {
        return Err(Failure::usage("rules are asked by one thread")
            .way_out("replay --threads runs every file on several"));
    }
    let dut = options.driver.dut(None)?;
    let root = workspace_root().ok_or_else(|| {
        Failure::usage("the sequences that show the rules are in corpus/ of a checkout")
            .way_out("cd into the checkout of rekeylab")
    })?;
    let declared = options.driver.choices()?;
    let mut start = Choices::default();
    start.any_failure = declared.any_failure;
    start.more_capabilities = declared.more_capabilities;
    let mut workbench = Workbench::on(dut.clone());
    let read =
        |path: &std::path::Path| corpus::read(&root.join(path)).map(|stored| stored.sequence);
    let other = options.driver.another()?;
    let mut other = other.map(Workbench::on);
    let came = conform(&mut workbench, other.as_mut(), start, read, &mut |_, _| {})?;
    let write = if options.force { write_over } else { write_new };
    if let Some(path) = &options.page {
        let page = page(&dut.name(), &came).render();
        let page = page.map_err(|error| Failure::workbench(format!("the page: {error}")))?;
        write(path, page.as_bytes())?;
    }
    if let Some(output) = &options.output {
        write(output, profile(&dut.name(), came.choices).as_bytes())?;
    }
    if came.has_no_key {
        console.warning(
            "every key exchange was refused, so that little is known: see [key-exchange] in the data sheet",
        );
    }
    match console.format {
        Format::Human => console.say(&text(&came, options.all))?,
        Format::Json => {
            let entries = Entries {
                driver: dut.name(),
                rules: came.rules.iter().map(entry).collect(),
                otherwise: ids(came.choices),
                decode: !came.choices.no_decode,
                capabilities: !came.choices.no_capabilities,
                read_back_keys: !came.choices.no_read_back_keys,
            };
            console.say_json(1, &entries)?;
        }
    }
    Ok(exit_of(&came))
}

fn exit_of(came: &Conformance) -> Exit {
    let exit = |told: &Told| match told.word {
        // What hides a rule is broken, too.
        Word::Broken | Word::Unsteady | Word::Hidden => Exit::InvariantBroken,
        Word::NotAsked => Exit::NotLookedInto,
        Word::Met | Word::Otherwise | Word::NotOffered => Exit::Held,
    };
    came.rules.iter().map(exit).fold(Exit::Held, Exit::and)
}

fn entry(told: &Told) -> Entry<'_> {
    let file = told.file.as_ref().map(|file| file.display().to_string());
    let (id, says) = (told.rule.id, told.rule.says);
    Entry { id, says, word: told.word.name(), why: &told.why, file }
}

/// The rules by their words, the worst first, and how many there are of each.
fn text(came: &Conformance, all: bool) -> String {
    let mut text = String::new();
    let mut counts = Vec::new();
    for word in Word::ALL {
        let told: Vec<&Told> = came.rules.iter().filter(|told| told.word == word).collect();
        if told.is_empty() {
            continue;
        }
        counts.push(format!("{} {word}", told.len()));
        if word == Word::Met && !all {
            continue;
        }
        let row = |told: &&Told| vec![told.rule.id.to_owned(), told.rule.says.to_owned()];
        let rows: Vec<Vec<String>> = told.iter().map(row).collect();
        text.push_str(&format!("{word}\n"));
        for (line, told) in table(&rows).lines().zip(&told) {
            text.push_str(&format!("  {line}\n"));
            if !told.why.is_empty() {
                text.push_str(&format!("          {}\n", told.why));
            }
        }
        text.push('\n');
    }
    text.push_str(&format!("{} rules: {}\n", came.rules.len(), counts.join(", ")));
    let ids = ids(came.choices);
    if !ids.is_empty() {
        text.push_str(&format!("it chooses otherwise at {}\n", ids.join(", ")));
    }
    text
}

/// What a browser shows of it.
#[derive(Debug, Template)]
#[template(path = "conform.html")]
struct Page<'a> {
    driver: &'a str,
    rule_count: usize,
    otherwise: Vec<String>,
    parts: Vec<Part<'a>>,
}

/// The rules of one word.
#[derive(Debug)]
struct Part<'a> {
    word: &'static str,
    means: &'static str,
    is_open: bool,
    rules: Vec<Entry<'a>>,
}

fn page<'a>(driver: &'a str, came: &'a Conformance) -> Page<'a> {
    let part = |word: Word| {
        let told = came.rules.iter().filter(|told| told.word == word);
        let (rules, is_open) = (told.map(entry).collect(), word != Word::Met);
        Part { word: word.name(), means: word.means(), is_open, rules }
    };
    let parts = Word::ALL.map(part).into_iter().filter(|part| !part.rules.is_empty()).collect();
    Page { driver, rule_count: came.rules.len(), otherwise: ids(came.choices), parts }
}

/// The choices as a file that a data sheet can name.
fn profile(name: &str, choices: Choices) -> String {
    let name = name.replace(['\n', '\r'], " ");
    let refusals = if choices.any_failure { "any-failure" } else { "as-the-core" };
    let ids: Vec<String> = ids(choices).iter().map(|id| format!("\"{id}\"")).collect();
    format!(
        "# What {name} was seen to choose where the documents are silent: `rekeylab conform`.\n\
         refusals = \"{refusals}\"\ndecode = {}\ncapabilities = {}\nread-back-keys = {}\notherwise = [{}]\n",
        !choices.no_decode,
        !choices.no_capabilities,
        !choices.no_read_back_keys,
        ids.join(", ")
    )
}

fn ids(choices: Choices) -> Vec<String> {
    choices.points().map(|point| format!("S-{point:02}")).collect()
}
