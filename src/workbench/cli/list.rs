//! `rekeylab list`: what there is, from the tables that the program itself works by.

use clap::{Args, ValueEnum};
use rekeylab_ddi::Hresult;
use serde::Serialize;
use serde_json::{Value, json};

use crate::sequence::misuse::{self, Misuse, Said};
use crate::sequence::{CALLS_MAX, CallKind, LOG_CALLS_MAX};
use crate::{invariant, rules};

use super::Format;
use super::console::{Console, table};
use super::exit::Exit;
use super::failure::Failure;
use super::fault;

/// Lists calls, misuses, return codes, invariants, rules, faults or exit codes
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rekeylab list calls
  rekeylab list rules --format json")]
pub(super) struct Options {
    /// What to list
    #[arg(value_enum)]
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum What {
    /// The calls of a sequence, with all their arguments
    Calls,
    /// What can be wrong with each argument and moment, and how a sequence says it
    Misuse,
    /// The return codes that have a name in a sequence; others are written as numbers
    Codes,
    /// What must hold, in the order in which it is asked
    Invariants,
    /// The rules of the interface, who decides each and what shows it
    Rules,
    /// The planted faults (needs a build with the feature `faults`)
    Faults,
    /// The exit codes
    ExitCodes,
}

/// One list: the keys of its columns, and its rows.
struct Listing {
    keys: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

/// What a machine reads of a list.
#[derive(Debug, Serialize)]
struct Entries {
    /// The entries.
    entries: Vec<Value>,
}

pub(super) fn run(options: &Options, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let listing = match options.what {
        What::Calls => calls(),
        What::Misuse => misuses(),
        What::Codes => codes(),
        What::Invariants => invariants(),
        What::Rules => list_rules(),
        What::Faults => faults()?,
        What::ExitCodes => exit_codes(),
    };
    match console.format {
        Format::Human => {
            console.say(&table(&listing.rows))?;
            if options.what == What::Calls {
                console.say(&format!(
                    "\nA sequence has at most {CALLS_MAX} calls; `rekeylab minimize` cuts logs of up to \
                     {LOG_CALLS_MAX}.\n"
                ))?;
            }
        }
        Format::Json => {
            let entry = |row: Vec<String>| {
                let cells = listing.keys.iter().map(|&key| key.to_owned());
                Value::Object(cells.zip(row.into_iter().map(|cell| json!(cell))).collect())
            };
            let entries = listing.rows.into_iter().map(entry).collect();
            console.say_json(1, &Entries { entries })?;
        }
    }
    Ok(Exit::Held)
}

fn calls() -> Listing {
    let row = |kind: &CallKind| vec![kind.plain().to_string(), kind.summary().to_owned()];
    Listing { keys: &["call", "does"], rows: CallKind::ALL.iter().map(row).collect() }
}

fn misuses() -> Listing {
    let row = |misuse: &Misuse| {
        let said = match misuse.said {
            Said::By(calls) => calls.to_owned(),
            Said::Always(how) => format!("always: {how}"),
            Said::Not(why) => format!("not: {why}"),
        };
        vec![misuse.of.to_owned(), misuse.bad.to_owned(), said]
    };
    Listing { keys: &["of", "bad", "said_by"], rows: misuse::ALL.iter().map(row).collect() }
}

fn codes() -> Listing {
    let row = |code: &Hresult| vec![code.to_string(), format!("{:#010x}", code.0)];
    Listing { keys: &["name", "number"], rows: Hresult::ALL.iter().map(row).collect() }
}

fn invariants() -> Listing {
    let row = |invariant: &invariant::Invariant| {
        vec![invariant.name.to_owned(), invariant.holds_when.to_owned()]
    };
    Listing { keys: &["name", "holds_when"], rows: invariant::ALL.iter().map(row).collect() }
}

fn list_rules() -> Listing {
    let row = |rule: &rules::Rule| {
        [rule.id, rule.says, rule.decided_by, rule.shown_by].map(str::to_owned).to_vec()
    };
    Listing {
        keys: &["id", "says", "decided_by", "shown_by"],
        rows: rules::ALL.iter().map(row).collect(),
    }
}

#[cfg(feature = "faults")]
fn faults() -> Result<Listing, Failure> {
    let row = |fault: &fault::Planted| {
        vec![
            fault.name().to_owned(),
            fault.rings().to_owned(),
            fault.breaks().to_owned(),
            fault.shortest().map_or_else(|| "-".to_owned(), |calls| calls.to_string()),
            fault.summary().to_owned(),
        ]
    };
    let rows = fault::Planted::ALL.iter().map(row).collect();
    Ok(Listing { keys: &["name", "rings", "breaks", "shortest", "summary"], rows })
}

#[cfg(not(feature = "faults"))]
fn faults() -> Result<Listing, Failure> {
    Err(fault::absent("list faults"))
}

fn exit_codes() -> Listing {
    let row =
        |exit: &Exit| vec![exit.code().to_string(), exit.name().to_owned(), exit.says().to_owned()];
    Listing { keys: &["code", "name", "means"], rows: Exit::ALL.iter().map(row).collect() }
}
