//! The driver that a command drives: the core, with or without a fault, or one that a data sheet describes.

use std::collections::BTreeMap;
use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;

use crate::executor::AnyDut;
use crate::foreign::{Sheet, TableDut};

use super::failure::Failure;
use super::fault::{self, Planted};

/// Which driver is driven.
#[derive(Debug, Args)]
pub(super) struct DriverOption {
    /// Drives the library that this data sheet describes, in place of the driver core. Its code runs in
    /// this process: name a library only if you would run it as a program
    #[arg(long, value_name = "SHEET", conflicts_with = "fault")]
    driver: Option<PathBuf>,
}

impl DriverOption {
    /// The driver. If its data sheet wants variables in the environment that are not there, this program is
    /// started again with them, and this does not return.
    pub(super) fn dut(&self, fault: Option<Planted>) -> Result<AnyDut, Failure> {
        let Some(path) = &self.driver else { return Ok(fault::core_with(fault)) };
        let sheet = Sheet::read(path).map_err(|error| Failure::usage(error.to_string()))?;
        start_again(&sheet.environment).map_err(|error| {
            let path = path.display();
            Failure::workbench(format!("cannot start again in the environment of {path}: {error}"))
        })?;
        let library = sheet.library.display().to_string();
        probe(path, &library)?;
        let dut = TableDut::of(sheet).map_err(|error| {
            let way_out = error.way_out();
            Failure::usage(format!("{library}: {error}")).way_out(way_out)
        })?;
        Ok(dut.into())
    }
}

/// Says that this program was started for the environment of a data sheet already.
const STARTED: &str = "REKEYLAB_STARTED_FOR_DRIVER";

/// Replaces this program by itself with these variables, unless they are there.
fn start_again(environment: &BTreeMap<String, String>) -> io::Result<()> {
    let is_there =
        |(name, value): (&String, &String)| env::var_os(name).is_some_and(|there| there == **value);
    if environment.iter().all(is_there) || env::var_os(STARTED).is_some() {
        return Ok(());
    }
    let mut command = Command::new(env::current_exe()?);
    command.args(env::args_os().skip(1)).envs(environment).env(STARTED, "1");
    Err(replace(&mut command))
}

/// Says that the driver was tried already.
const PROBED: &str = "REKEYLAB_DRIVER_PROBED";

/// Opens the driver in a process of its own first: one that is called by a wrong convention, or is broken, may
/// take its process along.
fn probe(sheet: &Path, library: &str) -> Result<(), Failure> {
    if env::var_os(PROBED).is_some() {
        return Ok(());
    }
    let cannot = |error: io::Error| Failure::workbench(format!("cannot try {library}: {error}"));
    let mut command = Command::new(env::current_exe().map_err(cannot)?);
    command.args(["run", "--driver"]).arg(sheet).arg("-").env(PROBED, "1");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let output = command.output().map_err(cannot)?;
    // What it has to say otherwise it says again, in this process.
    match output.status.code() {
        Some(_) => Ok(()),
        None => Err(Failure::usage(format!("{library} does not survive being opened: {}", output.status))
            .way_out("`convention` in its data sheet, or a debugger: see what OpenAdapter and CreateDevice do")),
    }
}

#[cfg(unix)]
fn replace(command: &mut Command) -> io::Error {
    std::os::unix::process::CommandExt::exec(command)
}

#[cfg(not(unix))]
fn replace(command: &mut Command) -> io::Error {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => error,
    }
}
