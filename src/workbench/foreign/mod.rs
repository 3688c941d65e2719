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
mod printed;
mod sheet;
mod upload;

use std::fs::File;
use std::rc::Rc;
use std::sync::Arc;

use keysan::SecretSet;
use keysan::heap;
use keysan::statics::Statics;
use rekeylab_abi::{Library, LibraryError};
use rekeylab_ddi::Limits;

use crate::executor::{Dut, Seams};
use crate::observation::{Choices, Layer, Layers};

pub use choices::{Refusals, SheetChoices};
pub use cpp::{NotInCpp, cpp};
pub use driver::TableDriver;
#[cfg(target_os = "linux")]
pub use isolated::{Isolated, StartError, serve};
pub use key_exchange::KeyExchange;
use printed::Printed;
pub use sheet::{ConventionName, Handles, Randomness, Sheet, SheetError, SheetLimits};

/// A driver under test behind its device table.
#[derive(Clone, Debug)]
pub struct TableDut {
    sheet: Sheet,
    library: Library,
    /// All that it can write to of its own.
    statics: Option<&'static Statics>,
    /// What it prints, where that is a file.
    printed: Option<Arc<Printed>>,
    out_of_reach: Layers,
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
        // They are there as long as the library, which is never unloaded.
        let statics = Statics::of_library(library.code()).ok().map(|it| &*Box::leak(Box::new(it)));
        let mut out_of_reach = sheet.leave_out | NEVER_DECLARED.with(Layer::Log);
        if heap::prove_it_looks_at_c(&mut SecretSet::new()).is_err() {
            out_of_reach = out_of_reach | OF_MEMORY | OF_CALLS;
        } else if heap::is_a_sanitizers() {
            out_of_reach = out_of_reach | OF_CALLS;
        }
        Ok(Self { sheet, library, statics, printed: None, out_of_reach })
    }

    /// The same driver, in a process whose standard error is this file.
    #[must_use]
    pub fn that_prints_to(mut self, printed: File) -> Self {
        self.printed = Some(Arc::new(Printed::new(printed)));
        self.out_of_reach = self.sheet.leave_out | self.out_of_reach.without(Layer::Log);
        self
    }

    /// What is known of the driver.
    #[must_use]
    pub fn sheet(&self) -> &Sheet {
        &self.sheet
    }
}

/// What random numbers grow from that repeat; any number would do.
const SEED: u64 = 0x7265_6B65_796C_6162;

/// What no driver behind a table says of itself: where its secrets live, and what it would show of itself. Runs
/// cannot be compared, because the random numbers are its own.
const NEVER_DECLARED: Layers =
    Layers::NONE.with(Layer::Homes).with(Layer::Debug).with(Layer::Differential);

/// What is not looked into in a program whose heap is not ours and says nothing: nobody has made `malloc` known.
const OF_MEMORY: Layers = Layers::NONE.with(Layer::FreedHeap).with(Layer::Heap);

/// What is not looked into where a sanitizer may be: it moves what is on the stack, and what it does behind a call
/// goes over registers.
const OF_CALLS: Layers = Layers::NONE.with(Layer::Stack).with(Layer::Registers);

impl Dut for TableDut {
    type Driver = TableDriver;

    const HAS_ENTRIES: bool = true;

    fn around_entries(&self, around: &mut dyn FnMut(&mut dyn FnMut()), work: &mut dyn FnMut()) {
        let outside = |callback: &mut dyn FnMut()| {
            #[cfg(target_os = "linux")]
            isolated::meet_in_a_callback();
            heap::pause(callback);
        };
        rekeylab_abi::around_entries(around, outside, work);
    }

    fn name(&self) -> String {
        self.sheet.name.clone()
    }

    fn option(&self) -> Option<String> {
        Some(self.sheet.option())
    }

    fn limits(&self) -> Limits {
        self.sheet.limits.into()
    }

    fn open(&self, seams: &Rc<Seams>) -> TableDriver {
        #[cfg(target_os = "linux")]
        rekeylab_abi::repeat_random_numbers(match self.sheet.randomness {
            Randomness::System => None,
            Randomness::Repeated => Some(SEED),
        });
        TableDriver::open(&self.library, &self.sheet, seams)
    }

    fn listen(&self, seams: &Seams) {
        if let Some(printed) = &self.printed {
            printed.each_new_line(|line| seams.log(format_args!("{line}")));
        }
    }

    fn statics(&self) -> Option<&'static Statics> {
        self.statics
    }

    fn draws_by_itself(&self) -> bool {
        true
    }

    fn choices(&self) -> Choices {
        (&self.sheet.choices).into()
    }

    fn out_of_reach(&self) -> Layers {
        self.out_of_reach
    }
}
