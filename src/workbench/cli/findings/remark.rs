//! `rekeylab findings ignore` and the like: what people have to say about a bug.

use clap::Args;

use crate::store::{Body, Moment, Store};

use super::super::console::Console;
use super::super::exit::Exit;
use super::super::failure::Failure;
use super::pick::picked;

/// Tells no more of a bug, for a time or for ever; searches go on noting it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rekeylab findings ignore 5f0c --why 'the vendor knows' --until 2027-03-01")]
pub(super) struct Ignore {
    #[command(flatten)]
    bug: Named,
    /// Why
    #[arg(long, value_name = "TEXT")]
    why: String,
    /// From this date on, in UTC, it is told again [default: never]
    #[arg(long, value_name = "DATE")]
    until: Option<Moment>,
    /// Who says so [default: the user of this machine]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

/// Tells of a bug again that was ignored
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rekeylab findings unignore 5f0c")]
pub(super) struct Unignore {
    #[command(flatten)]
    bug: Named,
    /// Who says so [default: the user of this machine]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

/// Says that a bug is another one of the same driver, so that they are told together
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rekeylab findings duplicate 5f0c --of 0a1b")]
pub(super) struct Duplicate {
    #[command(flatten)]
    bug: Named,
    /// The other one; the same one takes it back
    #[arg(long, value_name = "FINGERPRINT")]
    of: String,
}

/// Removes a bug that is none, until a search sees it again; its reproducer stays where it is
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rekeylab findings forget 5f0c")]
pub(super) struct Forget {
    #[command(flatten)]
    bug: Named,
}

/// The bug that somebody has something to say about.
#[derive(Debug, Args)]
struct Named {
    /// Its fingerprint, or the first digits
    #[arg(value_name = "FINGERPRINT")]
    fingerprint: String,
    /// Its driver, if several have a bug that looks like that
    #[arg(long, value_name = "NAME")]
    driver: Option<String>,
}

impl Named {
    fn note(
        &self,
        store: &mut Store,
        body: Body,
        console: &mut Console<'_>,
    ) -> Result<Exit, Failure> {
        let bug = picked(store, &self.fingerprint, self.driver.as_deref())?;
        store.note(&bug.driver, bug.fingerprint, body)?;
        let now = crate::store::Bug::of(&store.events_of(&bug.driver, bug.fingerprint)?);
        let state = now.state(Moment::now()).map_or("forgotten", |state| state.name());
        console.note(&format!("{} {} ({}): {state}", bug.fingerprint, bug.invariant, bug.driver));
        Ok(Exit::Held)
    }
}

impl Ignore {
    pub(super) fn run(
        &self,
        store: &mut Store,
        console: &mut Console<'_>,
    ) -> Result<Exit, Failure> {
        if self.until.is_some_and(|until| until <= Moment::now()) {
            return Err(Failure::usage("that date is over").way_out("a later one (--until DATE)"));
        }
        let (by, why) = (who(self.by.as_deref()), self.why.clone());
        self.bug.note(store, Body::Ignored { by, why, until: self.until }, console)
    }
}

impl Unignore {
    pub(super) fn run(
        &self,
        store: &mut Store,
        console: &mut Console<'_>,
    ) -> Result<Exit, Failure> {
        self.bug.note(store, Body::Unignored { by: who(self.by.as_deref()) }, console)
    }
}

impl Duplicate {
    pub(super) fn run(
        &self,
        store: &mut Store,
        console: &mut Console<'_>,
    ) -> Result<Exit, Failure> {
        let bug = picked(store, &self.bug.fingerprint, self.bug.driver.as_deref())?;
        // A bug of another driver is another bug.
        let of = picked(store, &self.of, Some(&bug.driver))?.fingerprint;
        self.bug.note(store, Body::DuplicateOf { of }, console)
    }
}

impl Forget {
    pub(super) fn run(
        &self,
        store: &mut Store,
        console: &mut Console<'_>,
    ) -> Result<Exit, Failure> {
        self.bug.note(store, Body::Forgotten {}, console)
    }
}

/// Who says so.
fn who(typed: Option<&str>) -> String {
    let from_environment = || ["USER", "USERNAME"].iter().find_map(|name| std::env::var(name).ok());
    typed.map(str::to_owned).or_else(from_environment).unwrap_or_else(|| "somebody".to_owned())
}
