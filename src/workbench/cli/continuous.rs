//! `rekeylab continuous`: a campaign to be repeated for ever, with a working set that outlives the machine.

use core::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::campaign::{Archive, trim};

use super::console::Console;
use super::exit::Exit;
use super::failure::Failure;
use super::fuzz::{self, campaign, stop_on_signals};

/// Fuzzes from an archived working set, saves what is learnt, and trims it
///
/// Restores the working set, runs the main job, saves new inputs and findings every minute and at the
/// end, and trims the set to inputs that together reach as many edges in every lane. Nothing that was
/// archived is lost if it is killed, the disk is full, or a bug is open: what is written is written
/// whole, a trimmed set only takes the place of one that reaches no more, and inputs that kill the engine
/// are put aside.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rekeylab continuous --time 4h --archive /srv/rekeylab
  while rekeylab continuous --time 1h; do :; done    # until something is found")]
pub(super) struct Options {
    /// A folder that outlives the machine, for the working set and the findings [default: both stay in
    /// fuzz/]
    #[arg(long, alias = "store", value_name = "DIR")]
    archive: Option<PathBuf>,
    /// How long trimming may take before the set is left as it is
    #[arg(long, default_value = "10m", value_name = "TIME", value_parser = fuzz::parse_time)]
    trim_time: Duration,
    #[command(flatten)]
    fuzz: fuzz::Options,
}

pub(super) fn run(options: &Options, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let open = |directory: &PathBuf| {
        Archive::open(directory.clone()).map_err(|error| {
            Failure::workbench(format!("cannot use {}: {error}", directory.display()))
        })
    };
    let archive = options.archive.as_ref().map(open).transpose()?;
    let stop = stop_on_signals()?;
    let campaign = campaign(&options.fuzz, archive.as_ref(), &stop, console)?;
    if campaign.engines.is_empty() || stop.is_raised() {
        return Ok(campaign.exit);
    }
    let trimmed = trim(&campaign.engines, &campaign.working_set, options.trim_time, &stop)
        .and_then(|trimmed| {
            // What is archived is only replaced by a set that reaches as much.
            if let Some(archive) = &archive
                && trimmed.as_ref().is_some_and(|trimmed| trimmed.is_taken)
            {
                archive.replace(&campaign.working_set)?;
            }
            Ok(trimmed)
        });
    match trimmed {
        Ok(None) => console.note("trimming was not done in time; the working set is as it was"),
        Ok(Some(trimmed)) => {
            let (before, after) = trimmed.file_counts;
            let mut text = format!("working set: {before} files, trimmed to {after}");
            for (engine, (before, after)) in campaign.engines.iter().zip(&trimmed.reach) {
                let name = engine.file_name().unwrap_or_default().display();
                let _ = write!(
                    text,
                    "; {name} reaches {} edges and {} features, before it {} and {}",
                    after.edges, after.features, before.edges, before.features
                );
            }
            if !trimmed.is_taken {
                text.push_str("; that is less, so it is left as it was");
            }
            console.note(&text);
        }
        Err(error) => {
            console.warning(&format!("cannot trim the working set, which is as it was: {error}"));
            return Ok(campaign.exit.and(Exit::NotWritten));
        }
    }
    Ok(campaign.exit)
}
