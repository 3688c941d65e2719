//! Plants a fault by name, in builds that have them.

#[cfg(not(feature = "faults"))]
use super::failure::Failure;
#[cfg(feature = "faults")]
pub(super) use planted::*;

/// The command to type when the faults are not there.
#[cfg(not(feature = "faults"))]
const REBUILD: &str = "cargo run --release --features faults --";

/// A fault; there is none in this build.
#[cfg(not(feature = "faults"))]
#[derive(Clone, Copy, Debug)]
pub(super) enum Planted {}

#[cfg(not(feature = "faults"))]
impl Planted {
    /// Its name.
    pub(super) const fn name(self) -> &'static str {
        match self {}
    }
}

/// Refuses a name, since this build has no faults.
#[cfg(not(feature = "faults"))]
pub(super) fn by_name(name: Option<&str>, command: &str) -> Result<Option<Planted>, Failure> {
    match name {
        None => Ok(None),
        Some(name) => Err(absent(&format!("{command} --fault {name}"))),
    }
}

/// The driver core: there is nothing to plant.
#[cfg(not(feature = "faults"))]
pub(super) fn core_with(_fault: Option<Planted>) -> crate::executor::AnyDut {
    crate::executor::AnyDut::default()
}

/// Says that this build has no faults, and how to get one that has.
#[cfg(not(feature = "faults"))]
pub(super) fn absent(command: &str) -> Failure {
    Failure::usage("this build has no planted faults").way_out(format!("{REBUILD} {command}"))
}

#[cfg(feature = "faults")]
mod planted {
    use rekeylab_faults::Fault;

    use super::super::failure::Failure;

    /// A fault that can be planted.
    pub(in super::super) type Planted = Fault;

    /// The fault of this name.
    pub(in super::super) fn by_name(
        name: Option<&str>,
        _command: &str,
    ) -> Result<Option<Planted>, Failure> {
        let Some(name) = name else { return Ok(None) };
        match Fault::from_name(name) {
            Some(fault) => Ok(Some(fault)),
            None => Err(Failure::usage(format!("there is no fault named {name:?}"))
                .way_out("rekeylab list faults")),
        }
    }

    pub(in super::super) use crate::executor::core_with;
}
