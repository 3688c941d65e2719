//! The driver that a command drives: the core, with or without a fault, or one that a data sheet describes.

use std::collections::BTreeMap;
use std::env;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
#[cfg(target_os = "linux")]
use std::time::Duration;

use clap::Args;

use crate::executor::AnyDut;
#[cfg(target_os = "linux")]
use crate::foreign::{Isolated, StartError, serve};
use crate::foreign::{Randomness, Sheet, TableDut};
use crate::observation::Choices;
use crate::program::this_program;

#[cfg(target_os = "linux")]
use super::exit::Exit;
use super::failure::Failure;
use super::fault::{self, Planted};

/// Which driver is driven.
#[derive(Debug, Args)]
pub(super) struct DriverOption {
    /// Drives the library that this data sheet describes, in place of the driver core. Its code runs with the
    /// rights of this program: name a library only if you would run it
    #[arg(long, value_name = "SHEET")]
    driver: Option<PathBuf>,
    /// Drives it in this process, for a debugger: what ends the driver ends the command
    #[arg(long, requires = "driver")]
    in_process: bool,
    /// Runs each sequence on so many threads at once, each with an adapter and devices of its own
    #[arg(long, value_name = "N", requires = "driver", conflicts_with = "in_process", default_value_t = 1,
        hide_default_value = true, value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: u16,
}

impl DriverOption {
    /// The data sheet, if there is one.
    pub(super) fn sheet(&self) -> Option<&Path> {
        self.driver.as_deref()
    }

    /// How many threads run each sequence at once.
    pub(super) fn threads(&self) -> usize {
        self.threads.into()
    }

    /// The choices that its data sheet declares; none for the driver core.
    pub(super) fn choices(&self) -> Result<Choices, Failure> {
        let sheet = self.driver.as_deref().map(Sheet::read).transpose();
        let sheet = sheet.map_err(|error| Failure::usage(error.to_string()))?;
        Ok(sheet.map_or_else(Choices::default, |sheet| (&sheet.choices).into()))
    }

    /// The driver. If its data sheet wants variables in the environment that are not there, and it is driven in
    /// this process, this program is started again with them, and this does not return.
    pub(super) fn dut(&self, fault: Option<Planted>) -> Result<AnyDut, Failure> {
        let Some(path) = &self.driver else { return Ok(fault::core_with(fault)) };
        let sheet = Sheet::read(path).map_err(|error| Failure::usage(error.to_string()))?;
        if self.in_process { here(sheet) } else { isolated(sheet, self.threads()) }
    }
}

impl DriverOption {
    /// The same driver in another process, if it has one of its own and its random numbers are not to repeat.
    pub(super) fn another(&self) -> Result<Option<AnyDut>, Failure> {
        let Some(path) = self.driver.as_deref().filter(|_| !self.in_process) else {
            return Ok(None);
        };
        let sheet = Sheet::read(path).map_err(|error| Failure::usage(error.to_string()))?;
        let is_random = sheet.randomness == Randomness::System;
        is_random.then(|| isolated(sheet, 1)).transpose()
    }
}

/// The driver in a process of its own, where so many threads run each sequence at once.
#[cfg(target_os = "linux")]
pub(super) fn isolated(sheet: Sheet, threads: usize) -> Result<AnyDut, Failure> {
    let library = sheet.library.display().to_string();
    let program = this_program().map_err(|error| {
        Failure::workbench(format!("cannot find this program to run {library}: {error}"))
    })?;
    Isolated::start(program, sheet, threads).map_err(|error| match error {
        StartError::Io(error) => {
            Failure::workbench(format!("cannot start a process for {library}: {error}"))
        }
        StartError::Refused { reason, way_out } => {
            Failure::usage(format!("{library}: {reason}")).way_out(way_out)
        }
        StartError::Died(_) => Failure::usage(format!("{library} {error}")).way_out(
            "`convention` in its data sheet, or a debugger (--in-process): see what OpenAdapter and CreateDevice do",
        ),
    })
}

/// Elsewhere than on Linux there is no other way.
#[cfg(not(target_os = "linux"))]
pub(super) fn isolated(sheet: Sheet, _threads: usize) -> Result<AnyDut, Failure> {
    here(sheet)
}

/// The driver in this process.
fn here(sheet: Sheet) -> Result<AnyDut, Failure> {
    let library = sheet.library.display().to_string();
    in_environment_of(&sheet)?;
    let dut = TableDut::of(sheet).map_err(|error| {
        let way_out = error.way_out();
        Failure::usage(format!("{library}: {error}")).way_out(way_out)
    })?;
    Ok(dut.into())
}

/// Sees to it that this process has the variables that the data sheet wants; if it has to be started again for that,
/// this does not return.
pub(super) fn in_environment_of(sheet: &Sheet) -> Result<(), Failure> {
    start_again(&sheet.environment).map_err(|error| {
        let path = sheet.path.display();
        Failure::workbench(format!("cannot start again in the environment of {path}: {error}"))
    })
}

/// Is the process of a driver: what `--driver` starts.
#[cfg(target_os = "linux")]
#[derive(Debug, Args)]
pub(super) struct Drive {
    sheet: PathBuf,
    /// How many threads run each sequence at once
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

/// Drives a driver for the command that has started this one.
#[cfg(target_os = "linux")]
pub(super) fn drive(options: &Drive, limit: Duration) -> Exit {
    match serve(&options.sheet, options.threads, limit) {
        Ok(()) => Exit::Held,
        // Whoever started it is gone, or somebody typed it.
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: `drive` is started by other commands: {error}");
            Exit::BadUsage
        }
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
