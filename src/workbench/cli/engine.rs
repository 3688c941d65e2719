//! `rekeylab engine`: the search, or AFL++, as a process of a campaign; nobody types it.

use std::path::PathBuf;

use clap::Args;

use crate::fuzzing::{EngineOrder, search_engine};

use super::driver::DriverOption;
use super::exit::Exit;
use super::failure::Failure;

/// Searches a driver for a campaign
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    driver: DriverOption,
    /// Starts AFL++ on this target, which was built for it
    #[arg(long, value_name = "PROGRAM", requires = "mutator", conflicts_with = "driver")]
    afl: Option<PathBuf>,
    /// The library with the mutator that AFL++ loads
    #[arg(long, value_name = "LIBRARY")]
    mutator: Option<PathBuf>,
    /// What libFuzzer would be given
    #[arg(last = true, value_name = "FLAGS")]
    flags: Vec<String>,
}

pub(super) fn run(options: &Options) -> Result<Exit, Failure> {
    let order = EngineOrder::of_flags(&options.flags).map_err(Failure::usage)?;
    if let (Some(program), Some(mutator)) = (&options.afl, &options.mutator) {
        return afl(program.clone(), mutator.clone(), &order);
    }
    let dut = options.driver.dut(None)?;
    match search_engine(dut, &order) {
        Ok(()) => Ok(Exit::Held),
        // The campaign is gone, and nobody is told of it.
        Err(error) => Err(Failure::workbench(format!("the engine cannot tell: {error}"))),
    }
}

#[cfg(unix)]
fn afl(program: PathBuf, mutator: PathBuf, order: &EngineOrder) -> Result<Exit, Failure> {
    use crate::fuzzing::{AflTarget, afl_engine};

    match afl_engine(&AflTarget { program, mutator }, order) {
        Ok(status) if status.success() => Ok(Exit::Held),
        Ok(status) => Err(Failure::workbench(format!("afl-fuzz ended with {status}"))),
        Err(error) => Err(Failure::workbench(format!("AFL++ cannot be run: {error}"))),
    }
}

#[cfg(not(unix))]
fn afl(_: PathBuf, _: PathBuf, _: &EngineOrder) -> Result<Exit, Failure> {
    Err(Failure::usage("there is no AFL++ for this system"))
}
