//! Planted bugs, each one line at its natural place, so that the workbench's alarms can be heard.
//!
//! Without the feature `faults`, [`fault!`] is the constant `false` and nothing else of this file
//! exists; `ci/without-faults.sh` compares the machine code with that of a copy without any of it.

/// Whether this fault is planted on this thread.
macro_rules! fault {
    ($name:ident) => {{
        #[cfg(feature = "faults")]
        {
            $crate::fault::is_planted($crate::fault::Fault::$name)
        }
        #[cfg(not(feature = "faults"))]
        {
            false
        }
    }};
}
pub(crate) use fault;

#[cfg(feature = "faults")]
pub use crate::catalogue::Fault;
#[cfg(feature = "faults")]
pub use planted::plant;

#[cfg(feature = "faults")]
pub(crate) use planted::{is_planted, planted};

#[cfg(feature = "faults")]
mod planted {
    use std::cell::Cell;

    use super::Fault;

    thread_local! {
        static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) };
    }

    /// Plants a fault in every core on this thread, or none.
    ///
    /// What faults keep outside any core is cleared, and cleared again with each new core.
    pub fn plant(fault: Option<Fault>) {
        crate::keepsakes::forget();
        PLANTED.set(fault);
        crate::keepsakes::forget();
    }

    pub(crate) fn planted() -> Option<Fault> {
        PLANTED.get()
    }

    pub(crate) fn is_planted(fault: Fault) -> bool {
        PLANTED.get() == Some(fault)
    }
}
