//! A driver in a shared library as a driver under test: opened and called through its device table.
//!
//! ```text
//! data sheet (TOML) ─► TableDut ─open─► TableDriver: each call of a sequence as entries of the table
//!                                        submit-buffer: DecryptionBlt into a surface of its own
//!                                        retire:        Lock of the surfaces, in that order, or EncryptionBlt
//!                                        reset-engine:  the runtime says that the device is gone
//! ```
//!
//! What the table has no entry for is answered here and never reaches the driver: the status of a session,
//! and every call that the real runtime would not make, unless the data sheet says that the driver checks
//! for itself.

mod choices;
mod client_keys;
#[cfg(feature = "command")]
mod cpp;
mod driver;
#[cfg(all(target_os = "linux", feature = "command"))]
mod isolated;
mod key_exchange;
mod printed;
mod sheet;
mod trial;
mod undrivable;
mod upload;

use std::env;
use std::fs::File;
use std::io::{self, Write as _};
use std::process;
use std::rc::Rc;
use std::sync::Arc;

use keysan::SecretSet;
use keysan::heap;
use keysan::statics::Statics;
use rekeylab_abi::Library;
use rekeylab_ddi::{DeviceHandle, Limits};

use crate::executor::{AnyDut, Dut, Seams};
use crate::observation::{Choices, Layer, Layers};

pub use choices::{Refusals, SheetChoices};
#[cfg(feature = "command")]
pub use cpp::{NotInCpp, cpp};
pub use driver::TableDriver;
#[cfg(all(target_os = "linux", feature = "command"))]
pub use isolated::{Isolated, StartError, serve};
pub use key_exchange::{
    Hash, KeyExchange, KeyFault, KeyWrapper, Plain, RsaesOaep, Shim, WrapError,
};
use printed::Printed;
pub use sheet::{
    ConventionName, Handles, Randomness, ReadBackBy, Removal, Sheet, SheetError, SheetLimits,
};
pub use undrivable::Undrivable;

/// A driver under test behind its device table.
#[derive(Clone, Debug)]
pub struct TableDut {
    sheet: Sheet,
    library: Library,
    /// What wraps keys for it.
    key_wrapper: Arc<KeyWrapper>,
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
    /// When the library cannot be driven, or not as the data sheet wants.
    pub fn of(sheet: Sheet) -> Result<Self, Undrivable> {
        let library = if sheet.is_linked() {
            Library::linked(sheet.convention.into())?
        } else {
            Library::load(&sheet.library, sheet.convention.into())?
        };
        if let Removal::Hook(name) = &sheet.removal {
            library.require(name)?;
        }
        let adapter = library.open_adapter()?;
        let device = adapter.create_device()?;
        let key_wrapper = Arc::new(KeyWrapper::of(&sheet, Some(&adapter))?);
        if sheet.read_back == ReadBackBy::EncryptionBlt {
            trial::can_read_back(&device, &key_wrapper)?;
        }
        drop((device, adapter));
        // They are there as long as the library, which is never unloaded. Those of an archive are among the
        // program's own.
        let statics = Statics::of_library(library.code()).ok().filter(|_| !sheet.is_linked());
        let statics = statics.map(|it| &*Box::leak(Box::new(it)));
        let mut out_of_reach = sheet.leave_out | NEVER_DECLARED.with(Layer::Log);
        if heap::prove_it_looks_at_c(&mut SecretSet::new()).is_err() {
            out_of_reach = out_of_reach | OF_MEMORY | OF_CALLS;
        } else if heap::is_a_sanitizers() {
            out_of_reach = out_of_reach | OF_CALLS;
        }
        Ok(Self { sheet, library, key_wrapper, statics, printed: None, out_of_reach })
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

/// The driver of the data sheet that `REKEYLAB_DRIVER` names, for a fuzz target. Without one there is nothing to
/// search: that is said in a line, and ends the process with 2 before it can be taken for a crash.
#[must_use]
pub fn named_by_environment() -> AnyDut {
    let sheet = env::var_os("REKEYLAB_DRIVER")
        .ok_or_else(|| "it names the data sheet of the driver that is searched".to_owned())
        .and_then(|path| Sheet::read(path.as_ref()).map_err(|error| error.to_string()));
    let dut = sheet.and_then(|sheet| {
        let library = sheet.library.display().to_string();
        TableDut::of(sheet).map_err(|error| format!("{library}: {error}; try: {}", error.way_out()))
    });
    match dut {
        Ok(dut) => dut.into(),
        Err(why) => {
            let _ = writeln!(io::stderr(), "REKEYLAB_DRIVER: {why}");
            process::exit(2);
        }
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
            #[cfg(all(target_os = "linux", feature = "command"))]
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
        TableDriver::open(&self.library, &self.sheet, &self.key_wrapper, seams)
    }

    fn listen(&self, seams: &Seams) {
        if let Some(printed) = &self.printed {
            printed.each_new_line(|line| seams.log(format_args!("{line}")));
        }
    }

    fn spared_by_reset(&self, driver: &TableDriver) -> Vec<DeviceHandle> {
        driver.spared().to_vec()
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
