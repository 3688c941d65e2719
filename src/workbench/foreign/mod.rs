//! A driver in a shared library as a driver under test: opened and called through its device table.
//!
//! ```text
//! data sheet (TOML) ─► TableDut ─open─► TableDriver: each call of a sequence as entries of the table
//!                                        submit-buffer: DecryptionBlt into a surface of its own
//!                                        retire:        Lock of the surfaces, in that order
//!                                        reset-engine:  the runtime says that the device is gone
//! ```
//!
//! What the table has no entry for is answered here and never reaches the driver: the status of a session,
//! and every call that the real runtime would not make, unless the data sheet says that the driver checks
//! for itself.

mod choices;
mod cpp;
mod driver;
#[cfg(target_os = "linux")]
mod isolated;
mod key_exchange;
mod sheet;
mod upload;

use std::rc::Rc;

use rekeylab_abi::{Library, LibraryError};
use rekeylab_ddi::Limits;

use crate::executor::{Dut, Seams};
use crate::observation::{Choices, Layer, Layers};
use crate::report::shell_word;

pub use choices::{Refusals, SheetChoices};
pub use cpp::{NotInCpp, cpp};
pub use driver::TableDriver;
#[cfg(target_os = "linux")]
pub use isolated::{Isolated, StartError, serve};
pub use key_exchange::KeyExchange;
pub use sheet::{ConventionName, Handles, Sheet, SheetError, SheetLimits};

/// A driver under test behind its device table.
#[derive(Clone, Debug)]
pub struct TableDut {
    sheet: Sheet,
    library: Library,
}

impl TableDut {
    /// The driver that a data sheet describes, tried once: its adapter opens, and makes a device. The variables
    /// that it wants have to be in the environment before.
    ///
    /// # Errors
    ///
    /// When the library cannot be driven.
    pub fn of(sheet: Sheet) -> Result<Self, LibraryError> {
        let library = Library::load(&sheet.library, sheet.convention.into())?;
        library.open_adapter()?.create_device()?;
        Ok(Self { sheet, library })
    }

    /// What is known of the driver.
    #[must_use]
    pub fn sheet(&self) -> &Sheet {
        &self.sheet
    }
}

impl Dut for TableDut {
    type Driver = TableDriver;

    fn name(&self) -> String {
        self.sheet.name.clone()
    }

    fn option(&self) -> Option<String> {
        Some(format!("--driver {}", shell_word(&self.sheet.path.display().to_string())))
    }

    fn limits(&self) -> Limits {
        self.sheet.limits.into()
    }

    fn open(&self, seams: &Rc<Seams>) -> TableDriver {
        TableDriver::open(&self.library, &self.sheet, seams)
    }

    fn draws_by_itself(&self) -> bool {
        true
    }

    fn choices(&self) -> Choices {
        (&self.sheet.choices).into()
    }

    /// Only what comes out through the table: its memory is its own.
    fn out_of_reach(&self) -> Layers {
        Layers::ALL.except(Layers::NONE.with(Layer::Outputs))
    }
}
