//! What a campaign searches: the driver core, with engines that are built for it, or a driver in a library, with
//! the search of this program as the engine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::campaign::engine::{AflBuilt, Build, Step, build, build_for_afl, check};
use crate::campaign::{
    Engine, EngineError, LIBRARY, Lane, MAIN_JOB, OwnProcess, StopSignal, Target,
};
use crate::corpus::Forms;
use crate::executor::AnyDut;
use crate::foreign::Sheet;
use crate::observation::Layers;
use crate::program::this_program;
use crate::watchdog::{TIME_LIMIT, time_limit};

use super::super::console::Console;
use super::super::display::Display;
use super::super::failure::Failure;
use super::super::fault::{self, Planted};
use super::super::noted;
use super::Options;

/// What is searched.
pub(super) struct Subject {
    pub(super) fault: Option<Planted>,
    pub(super) dut: AnyDut,
    /// What it is called in the findings store.
    pub(super) name: String,
    /// What its lanes are about.
    pub(super) targets: Vec<Target>,
    /// The folder of its working set, below `fuzz/corpus`.
    pub(super) working_set: String,
    /// Where its findings go.
    pub(super) findings: PathBuf,
    /// Runs this program on it.
    pub(super) own_process: Option<OwnProcess>,
    sheet: Option<PathBuf>,
    /// What was read of it.
    pub(super) read: Option<Sheet>,
    /// What guides the search, where that is not known from what was built.
    pub(super) guide: Option<String>,
}

impl Subject {
    /// What the options name. Whatever can be wrong with it is told before anybody waits for a build.
    pub(super) fn of(
        options: &Options,
        root: &Path,
        stop: &Arc<StopSignal>,
    ) -> Result<Self, Failure> {
        let fault = fault::by_name(options.fault.as_deref(), "fuzz")?;
        let fault_name = fault.map(|fault| fault.name());
        let dut = options.driver.dut(fault)?;
        let sheet = options.driver.sheet().map(Path::to_owned);
        let own_process = OwnProcess::of_this_program(fault_name, Some(Arc::clone(stop))).ok();
        let own_process =
            own_process.map(|one| one.driving(sheet.clone(), options.driver.threads()));
        if let Some(sheet) = &sheet {
            let guide = guide(&dut, options.require_coverage, sheet)?;
            let name = dut.name();
            let read = Sheet::read(sheet).map_err(|error| Failure::usage(error.to_string()))?;
            let findings = noted::folder_of_library(options.findings.as_deref(), &read);
            let working_set = format!("driver-{}", noted::folder_name(&name));
            let layers = Layers::GATED.except(dut.missing_layers());
            let targets = vec![Target { layers, ..LIBRARY }];
            return Ok(Self {
                fault,
                dut,
                name,
                targets,
                working_set,
                findings,
                own_process,
                sheet: Some(sheet.clone()),
                read: Some(read),
                guide: Some(guide),
            });
        }
        let names = options.target.as_deref().map_or_else(|| MAIN_JOB.to_vec(), |name| vec![name]);
        let targets = check(root, &names, &options.engine)?;
        // Lanes of one job eat the same.
        let Some(first) = targets.first() else { return Err(Failure::usage("no target is named")) };
        let working_set = first.working_set.to_owned();
        let findings = noted::folder(options.findings.as_deref());
        let name = noted::driver_name(fault_name);
        Ok(Self {
            fault,
            dut,
            name,
            targets,
            working_set,
            findings,
            own_process,
            sheet,
            read: None,
            guide: None,
        })
    }

    /// The lanes, with their engines built.
    pub(super) fn lanes(
        &self,
        options: &Options,
        root: &Path,
        stop: &StopSignal,
        display: &mut Display,
        console: &mut Console<'_>,
    ) -> Result<Vec<Lane>, EngineError> {
        if let Some(sheet) = &self.sheet {
            return self.search_lane(sheet, options.driver.threads()).map(|lane| vec![lane]);
        }
        let mut lane = |engine: Engine, target: &Target| {
            let build_of = Build {
                root,
                target,
                sanitizer: options.sanitizer,
                faults: self.fault.is_some(),
                stop,
            };
            let mut tell = |step: Step<'_>| display.step(step, console);
            if engine == Engine::Afl {
                let built = build_for_afl(&build_of, &mut tell)?;
                return Self::afl_lane(*target, built);
            }
            let binary = build(&build_of, &mut tell)?;
            Ok(Lane { target: *target, engine, binary, arguments: Vec::new() })
        };
        let each = options.engine.iter();
        let lanes = each.flat_map(|engine| self.targets.iter().map(|target| (*engine, target)));
        lanes.map(|(engine, target)| lane(engine, target)).collect()
    }

    /// This program, which starts AFL++ and says in the words of libFuzzer what it does.
    fn afl_lane(target: Target, built: AflBuilt) -> Result<Lane, EngineError> {
        let mut arguments: Vec<OsString> = vec!["engine".into()];
        arguments.extend(["--afl".into(), built.program.into()]);
        arguments.extend(["--mutator".into(), built.mutator.into(), "--".into()]);
        Ok(Lane { target, engine: Engine::Afl, binary: own_binary()?, arguments })
    }

    /// This program as the engine for a driver in a library.
    fn search_lane(&self, sheet: &Path, threads: usize) -> Result<Lane, EngineError> {
        let binary = own_binary()?;
        let limit = time_limit().unwrap_or(TIME_LIMIT).as_millis();
        // Engines are started in the workspace.
        let sheet = std::path::absolute(sheet).unwrap_or_else(|_| sheet.to_owned());
        let words = ["--time-limit".into(), format!("{limit}ms").into(), "engine".into()];
        let mut arguments: Vec<OsString> = words.into();
        arguments.extend(["--driver".into(), sheet.into()]);
        arguments.extend(["--threads".into(), threads.to_string().into(), "--".into()]);
        let target = self.targets.first().copied().unwrap_or(LIBRARY);
        Ok(Lane { target, engine: Engine::Own, binary, arguments })
    }

    /// What nobody can look into, however it is searched.
    pub(super) fn out_of_reach(&self) -> Layers {
        if self.is_built() { Layers::NONE } else { self.dut.missing_layers() }
    }

    /// The forms in which it is given the seeds and reproducers of `corpus/`.
    pub(super) fn forms(&self) -> Forms {
        self.targets.first().map_or(LIBRARY.forms, |target| target.forms)
    }

    /// Whether its working set can be trimmed: engines that are built can do that.
    pub(super) fn is_built(&self) -> bool {
        self.sheet.is_none()
    }
}

fn own_binary() -> Result<PathBuf, EngineError> {
    this_program().map_err(|source| EngineError::Start { program: "rekeylab".into(), source })
}

/// What guides the search of a driver: counters beside the edges of its code, if it has any.
fn guide(dut: &AnyDut, is_required: bool, sheet: &Path) -> Result<String, Failure> {
    match dut.edge_count() {
        0 if is_required => {
            let refused = format!("the library of {} has no counters of coverage", sheet.display());
            Err(Failure::usage(refused).way_out(
                "compile it with clang and -fsanitize-coverage=inline-8bit-counters,pc-table",
            ))
        }
        0 => {
            Ok("no counters of coverage in the library: what it answers guides the search"
                .to_owned())
        }
        count => Ok(format!("guided by {count} counters of coverage in the library")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::noted::folder_name;

    #[test]
    fn a_folder_has_a_name_that_no_system_minds() {
        assert_eq!(folder_name("the vendor's driver"), "the-vendors-driver");
        assert_eq!(folder_name("../../etc/Passwd 2"), "etc-passwd-2");
        assert_eq!(folder_name("  \u{fc} "), "unnamed");
    }
}
