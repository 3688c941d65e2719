//! The driver core with every planted fault in place, so that the workbench's alarms can be heard.
//!
//! A build script weaves the faults below `faults/` into a copy of the honest sources; see
//! `rekeylab_weave`. Each place has both readings, the honest one and the bug's, and asks which fault
//! the driver was made with. [`Adapter`] is that driver: made without a fault, it is the honest core
//! with the questions in it.
//!
//! The types that a caller hands to the core or gets from it (seams, bounds, homes) are those of
//! `rekeylab-driver`.

// First, because a macro exists only below its definition.
/// Whether the call under way is one of a driver that was made with this fault.
macro_rules! fault {
    ($name:ident) => {
        $crate::planted::is_planted($crate::Fault::$name)
    };
}

mod adapter;
mod memory;
mod planted;

include!(concat!(env!("OUT_DIR"), "/woven/modules.rs"));

mod catalogue {
    //! Written by the build script.
    include!(concat!(env!("OUT_DIR"), "/woven/catalogue.rs"));
}

pub use adapter::Adapter;
pub use catalogue::Fault;

impl Fault {
    /// The fault of this name, or `None`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|fault| fault.name() == name)
    }
}
