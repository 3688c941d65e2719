//! `rekeylab findings show`: the life of one bug.

use clap::Args;
use serde::Serialize;

use crate::campaign::{replay_command, replay_command_with};
use crate::foreign::Sheet;
use crate::store::{Event, Moment, State, Store, told_with};

use super::super::Format;
use super::super::console::{Console, table};
use super::super::exit::Exit;
use super::super::failure::Failure;
use super::super::noted::CORE_WITH;
use super::list::{ToldBug, told};
use super::pick::{picked, reproducer_path};

/// Shows what happened to a bug, where its reproducer is, and how to see it again
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rekeylab findings show 5f0c-91ab
  rekeylab findings show 5f0c --text > finding.seq")]
pub(super) struct Options {
    /// Its fingerprint, or the first digits
    #[arg(value_name = "FINGERPRINT")]
    fingerprint: String,
    /// Its driver, if several have a bug that looks like that
    #[arg(long, value_name = "NAME")]
    driver: Option<String>,
    /// Prints the reproducer instead
    #[arg(long)]
    text: bool,
}

/// What a machine reads of a bug.
#[derive(Debug, Serialize)]
struct Shown {
    finding: ToldBug,
    path: Option<String>,
    replay: Option<String>,
    text: Option<String>,
    events: Vec<Event>,
}

pub(super) fn run(
    options: &Options,
    store: &Store,
    sheet: Option<&Sheet>,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let bug = picked(store, &options.fingerprint, options.driver.as_deref())?;
    if options.text {
        let text = bug.text.ok_or_else(|| {
            Failure::usage(format!("nobody has noted a reproducer of {}", bug.fingerprint))
        })?;
        console.say(&text)?;
        return Ok(Exit::Held);
    }
    let now = Moment::now();
    let events = store.events_of(&bug.driver, bug.fingerprint)?;
    let path = reproducer_path(store, &bug);
    let replay = path.as_ref().map(|path| match sheet {
        None => replay_command(path, bug.driver.strip_prefix(CORE_WITH)),
        Some(sheet) => replay_command_with(path, &sheet.option()),
    });
    if console.format == Format::Json {
        let finding = told(&bug, now, &told_with(&store.bugs()?));
        let path = path.map(|path| path.display().to_string());
        console.say_json(1, &Shown { finding, path, replay, text: bug.text, events })?;
        return Ok(Exit::Held);
    }
    let digits = bug.fingerprint;
    let state = bug.state(now).map_or("", State::name);
    let mut text = format!("{digits} {}: {}\n", bug.invariant, bug.happened);
    let mut rows = vec![row("state", state), row("driver", &bug.driver)];
    let seen = match bug.seen_count {
        1 => "once by a search".to_owned(),
        times => format!("{times} times by searches"),
    };
    rows.push(row("seen", &seen));
    if let Some(of) = bug.duplicate_of {
        rows.push(row("duplicate of", &of.to_string()));
    }
    match (&path, &replay) {
        (Some(path), Some(replay)) => {
            rows.push(row("reproducer", &path.display().to_string()));
            rows.push(row("again", replay));
        }
        _ => rows.push(row(
            "reproducer",
            &format!("no file here; rekeylab findings show {digits} --text prints it"),
        )),
    }
    text.push_str(&table(&rows));
    text.push('\n');
    let line = |event: &Event| vec![format!("  {}", event.time.short()), event.body.sentence()];
    text.push_str(&table(&events.iter().map(line).collect::<Vec<_>>()));
    console.say(&text)?;
    Ok(Exit::Held)
}

fn row(key: &str, value: &str) -> Vec<String> {
    vec![format!("  {key}"), value.to_owned()]
}
