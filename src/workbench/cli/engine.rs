//! `rekeylab engine`: the search as a process of a campaign; nobody types it.

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
    /// What libFuzzer would be given
    #[arg(last = true, value_name = "FLAGS")]
    flags: Vec<String>,
}

pub(super) fn run(options: &Options) -> Result<Exit, Failure> {
    let order = EngineOrder::of_flags(&options.flags).map_err(Failure::usage)?;
    let dut = options.driver.dut(None)?;
    match search_engine(dut, &order) {
        Ok(()) => Ok(Exit::Held),
        // The campaign is gone, and nobody is told of it.
        Err(error) => Err(Failure::workbench(format!("the engine cannot tell: {error}"))),
    }
}
