//! `rekeylab continuous`: a campaign to be repeated for ever, with a working set that outlives the machine.

use core::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;

use crate::campaign::{Archive, StopSignal, keep_within, trim, workspace_root};

use super::console::Console;
use super::exit::Exit;
use super::failure::Failure;
use super::fuzz::{self, Campaign, campaign, stop_on_signals};

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
    /// How much the archive and fuzz/ may take on the disk: 500MB, 20GB
    ///
    /// At the end, the oldest records of campaigns go first, then inputs in quarantine, then inputs that broke
    /// nothing when run again. Findings and the working set stay; if these alone are more, it ends with 8.
    #[arg(long, value_name = "SIZE")]
    disk: Option<ByteSize>,
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
    let mut exit = campaign.exit;
    if !campaign.engines.is_empty() && !stop.is_raised() {
        exit = exit.and(trim_set(options.trim_time, archive.as_ref(), &campaign, &stop, console));
    } else if !stop.is_raised() {
        console.note("the working set is not trimmed: of the engines, only libFuzzer can do that");
    }
    if let Some(disk) = options.disk {
        exit = exit.and(keep(disk, archive.as_ref(), &campaign.findings, console));
    }
    Ok(exit)
}

/// Trims the working set, and what is archived of it, and tells what came of that.
fn trim_set(
    time: Duration,
    archive: Option<&Archive>,
    campaign: &Campaign,
    stop: &Arc<StopSignal>,
    console: &mut Console<'_>,
) -> Exit {
    let trimmed = trim(&campaign.engines, &campaign.working_set, time, stop).and_then(|trimmed| {
        // What is archived is only replaced by a set that reaches as much.
        if let Some(archive) = archive
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
            return Exit::NotWritten;
        }
    }
    Exit::Held
}

/// Keeps within the budget, and tells what had to go for that.
fn keep(
    disk: ByteSize,
    archive: Option<&Archive>,
    findings: &Path,
    console: &mut Console<'_>,
) -> Exit {
    let ours = workspace_root().map(|root| root.join("fuzz"));
    let mut folders: Vec<PathBuf> = ours
        .iter()
        .flat_map(|ours| ["corpus", "artifacts"].map(|name| ours.join(name)))
        .chain([findings.to_owned()])
        .collect();
    folders.extend(archive.map(|archive| archive.path().to_owned()));
    let limit = disk.display().si();
    let kept = match keep_within(disk.as_u64(), &folders) {
        Ok(kept) => kept,
        Err(error) => {
            console.warning(&format!("cannot keep within {limit}: {error}"));
            return Exit::NotWritten;
        }
    };
    for (what, count) in &kept.removed {
        console.note(&format!("to keep within {limit}: {count} {what} removed, the oldest"));
    }
    if kept.is_within {
        return Exit::Held;
    }
    let size = ByteSize(kept.size).display().si();
    console.warning(&format!(
        "findings and working set take {size}, and may take {limit}; neither is ever removed"
    ));
    console.note(
        "  try: a larger --disk, or `rekeylab findings forget` for what is of no use any more",
    );
    Exit::NotWritten
}
